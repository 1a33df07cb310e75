package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// Gates are asked before anything changes, and what they say is kept.
func ExampleGate() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{
		Actor: "trainer",
		Gates: []modelregistry.GateRule{
			{Gate: modelregistry.MetricAtLeast("accuracy", 0.9)},
			{Stage: modelregistry.Production, Gate: modelregistry.MetricNotWorse("accuracy", 0.01, true)},
			{Model: "fraud", Stage: modelregistry.Production, Name: "documented",
				Gate: modelregistry.GateFunc(func(_ context.Context, view *modelregistry.GateView) (modelregistry.Verdict, error) {
					if view.Candidate.Description == "" {
						return modelregistry.Refuse("version %d has no description", view.Candidate.Number), nil
					}
					return modelregistry.Pass("it has a description"), nil
				})},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, spec := range []modelregistry.VersionSpec{
		{Description: "boosted trees", Metrics: map[string]float64{"accuracy": 0.97}},
		{Metrics: map[string]float64{"accuracy": 0.93}},
	} {
		if _, err := reg.Register(ctx, "fraud", spec); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := reg.Promote(ctx, "fraud", 1, modelregistry.Production, nil); err != nil {
		log.Fatal(err)
	}

	_, err = reg.Promote(ctx, "fraud", 2, modelregistry.Production, nil)
	var refused *modelregistry.Refused
	if errors.As(err, &refused) {
		for _, verdict := range refused.Verdicts {
			fmt.Println(verdict)
		}
	}

	// Who lets it through all the same, and why, is in the history.
	_, err = reg.As("ann").Promote(ctx, "fraud", 2, modelregistry.Production, &modelregistry.PromoteOptions{Waive: map[string]string{
		"accuracy not worse than the incumbent's by more than 0.01": "half the latency",
		"documented": "the text follows today",
	}})
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range reg.Events(ctx, modelregistry.EventQuery{Model: "fraud", Newest: true, Limit: 1}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Verdicts[2])
	}
	// Output:
	// accuracy >= 0.9: passed: it is 0.93
	// accuracy not worse than the incumbent's by more than 0.01: refused: it is 0.93; that of version 1, the incumbent, is 0.97
	// documented: refused: version 2 has no description
	// documented: refused: version 2 has no description; waived by ann: the text follows today
}

func ExampleRegistry_plan() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	plan, err := reg.Plan(ctx, "IrisClassifier", 3, modelregistry.Production, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan.Version.Ref(), "would be in", plan.Stage)
	for _, v := range plan.Displaced {
		fmt.Println(v.Ref(), "would be", v.Stage)
	}
	fmt.Println("in the way:", plan.Err()) // the *Refused of gates, if there are any
	// Output:
	// IrisClassifier/3 would be in Production
	// IrisClassifier/2 would be Archived
	// in the way: <nil>
}

// Two of three people have to approve what goes into Production.
func ExampleApprovals() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{
		Actor: "trainer",
		Gates: []modelregistry.GateRule{{Stage: modelregistry.Production, Gate: modelregistry.Approvals(2, "ann", "bob", "eve")}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{}); err != nil {
		log.Fatal(err)
	}
	_, err = reg.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
	fmt.Println(err)

	request, err := reg.RequestTransition(ctx, "fraud", 1, modelregistry.Production, modelregistry.RequestSpec{Reason: "the May retraining"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = reg.Approve(ctx, request.ID, "")
	fmt.Println(errors.Is(err, modelregistry.ErrInvalid), "who asks has no vote")
	for _, approver := range []string{"bob", "ann"} {
		request, err = reg.As(approver).Approve(ctx, request.ID, "checked the holdout")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(approver, "approved:", request.State)
	}

	// Who approved this model for Production?
	for e, err := range reg.Events(ctx, modelregistry.EventQuery{Model: "fraud", Version: 1}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e) // and e.Time says when
	}
	// Output:
	// Promote fraud/1: version 1 of model "fraud" may not come into Production; 2 approvals of ann, bob, eve: only an approved request brings version 1 into Production; see RequestTransition
	// true who asks has no vote
	// bob approved: pending
	// ann approved: approved
	// version.registered fraud/1 by trainer
	// approval.requested fraud/1 by trainer: the May retraining
	// approval.voted fraud/1 by bob: checked the holdout
	// approval.voted fraud/1 by ann: checked the holdout
	// approval.decided fraud/1 approved by ann: checked the holdout
	// stage.changed fraud/1 None -> Production by ann: the May retraining
}

func ExampleRegistry_planRetention() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	for range 3 {
		if _, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{}); err != nil {
			log.Fatal(err)
		}
	}
	plan, err := reg.PlanRetention(ctx, "IrisClassifier", modelregistry.RetentionRules{
		KeepLast:   2,
		KeepEverIn: []modelregistry.Stage{modelregistry.Production},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, kept := range plan.Keep {
		fmt.Println("stays", kept)
	}
	report, err := reg.ApplyRetention(ctx, plan, &modelregistry.ChangeOptions{Reason: "monthly cleaning"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("deleted", report.Deleted, "left", report.Left)
	// Output:
	// stays 1: was in Production
	// stays 2: in Production
	// stays 3: alias candidate
	// stays 5: among the last 2
	// stays 6: among the last 2
	// deleted [4] left []
}

func ExampleModelPatch_protect() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	_, err := reg.UpdateModel(ctx, "IrisClassifier", modelregistry.ModelPatch{Protect: new(true), ProtectAliases: []string{"candidate"}})
	if err != nil {
		log.Fatal(err)
	}
	err = reg.DeleteModel(ctx, "IrisClassifier", &modelregistry.DeleteOptions{Force: true})
	fmt.Println(err)
	_, err = reg.SetAlias(ctx, "IrisClassifier", "candidate", 1, nil)
	fmt.Println(err)
	_, err = reg.UpdateModel(ctx, "IrisClassifier", modelregistry.ModelPatch{UnprotectAliases: []string{"candidate"}})
	fmt.Println(err)
	// Output:
	// DeleteModel IrisClassifier: model "IrisClassifier" is protected and cannot be deleted; take its protection away first, for a reason
	// SetAlias IrisClassifier@candidate: alias "candidate" of model "IrisClassifier" is protected and stays with version 3; take its protection away first, for a reason
	// UpdateModel IrisClassifier: invalid: to take protection away takes a Reason
}

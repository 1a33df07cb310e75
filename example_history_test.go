package modelregistry_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

func ExampleRegistry_events() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	operator := reg.As("operator")
	if _, err := operator.Rollback(ctx, "IrisClassifier", modelregistry.Production, &modelregistry.RollbackOptions{Reason: "alarms"}); err != nil {
		log.Fatal(err)
	}
	for e, err := range reg.Events(ctx, modelregistry.EventQuery{Model: "IrisClassifier", Newest: true, Limit: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Actor, e.Kind, e.Version, e.Reason)
	}
	// Output:
	// 14 operator stage.rolledback 1 alarms
	// 13 operator stage.rolledback 2 alarms
}

func ExampleRegistry_follow() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	cursor := "" // where an earlier run of the program ended
	seen := 0
	for e, err := range reg.Follow(ctx, cursor) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Kind, e.Model, e.Version)
		cursor = e.Cursor // to be kept for the next run
		if seen++; seen == 3 {
			break // or go on, and wait for what comes
		}
	}
	// Output:
	// model.created IrisClassifier 0
	// version.registered IrisClassifier 1
	// alias.set IrisClassifier 1
}

func ExampleRegistry_verify() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	report, err := reg.Verify(ctx, "IrisClassifier")
	if err != nil {
		log.Fatal(err) // ErrCorrupt, and report.Broken is the first event that was tampered with
	}
	fmt.Println(report.Events, "events are as they were written")
	// Output:
	// 12 events are as they were written
}

func ExampleRegistry_at() {
	ctx := context.Background()
	monday := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	now := monday
	reg, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{Now: func() time.Time { return now }})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 { // on Monday, Tuesday and Wednesday
		v, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := reg.Promote(ctx, "fraud", v.Number, modelregistry.Production, nil); err != nil {
			log.Fatal(err)
		}
		now = now.AddDate(0, 0, 1)
	}

	tuesdayNoon := monday.AddDate(0, 0, 1).Add(3 * time.Hour)
	v, err := reg.At(tuesdayNoon).Resolve(ctx, "models:/fraud/Production")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Ref(), v.Stage, "since", v.StageSince.Format(time.DateTime))
	// Output:
	// fraud/2 Production since 2026-03-03 09:00:00
}

func ExampleRegistry_as() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.As("ci").Register(ctx, "IrisClassifier", modelregistry.VersionSpec{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Ref(), "by", v.CreatedBy)
	// Output:
	// IrisClassifier/4 by ci
}

func ExampleRegistry_link() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	serves := modelregistry.Edge{
		From: modelregistry.Node{Kind: modelregistry.Deployment, Name: "greenhouse"},
		Type: modelregistry.Serves,
		To:   modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "IrisClassifier", Version: "2"},
	}
	fmt.Println(reg.Link(ctx, nil, serves))
	back := modelregistry.Edge{From: serves.To, Type: modelregistry.DerivedFrom, To: serves.From}
	fmt.Println(reg.Link(ctx, nil, back))
	// Output:
	// <nil>
	// Link: edge from "version IrisClassifier/2" to "deployment greenhouse": invalid: it closes a cycle: the second comes from the first already
}

func ExampleRegistry_lineage() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	iris := modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "1936"}
	version := modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "IrisClassifier", Version: "2"}
	deployment := modelregistry.Node{Kind: modelregistry.Deployment, Name: "greenhouse"}
	err := reg.Link(ctx, nil,
		modelregistry.Edge{From: version, Type: modelregistry.TrainedOn, To: iris},
		modelregistry.Edge{From: deployment, Type: modelregistry.Serves, To: version},
	)
	if err != nil {
		log.Fatal(err)
	}

	// What would be hit if the data set turned out to be wrong? Only down: to what came from it.
	graph, err := reg.Lineage(ctx, iris, &modelregistry.LineageOptions{UpDepth: -1})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range graph.Edges {
		fmt.Println(e.From.Name, e.Type, e.To.Name)
	}
	// Output:
	// IrisClassifier trained-on iris
	// greenhouse serves IrisClassifier
}

package registrytest

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// A way is a call that might take what is protected or required under a name out of force.
type way struct {
	method string // of a Registry
	what   string
	try    func() error
	// want is the error of the call; nil: it succeeds, and takes nothing away.
	want error
}

// harmless are the methods that touch neither models nor versions nor aliases, or only look.
var harmless = strings.Fields(`Resolve Files Model SearchModels Models Version Manifest SearchVersions Versions Plan PlanAlias
	Lineage Link Events Follow Verify VerifyAll At CreateExperiment Experiment ExperimentByName UpdateExperiment SearchExperiments Experiments
	StartRun Run UpdateRun LogRun SearchRuns Runs MetricHistory Facts AddEnvelope RemoveEnvelope RecordDeployment EndDeployment
	Outcomes RecordOutcomes Request Requests ApprovalStatus Comment PlanRetention As private`)

// The subjects whose methods have nothing to do with names of models.
var harmlessWords = []string{"Artifact", "Webhook", "LoggedModel", "Run", "Metric", "Checkpoint", "Experiment", "Dataset", "Cursor"}

// nothingTakesForce goes through every method of a Registry: each is among the ways that are tried, or known to be harmless.
func nothingTakesForce(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"model.bin": "the right one"})})
	s.register("fraud", 2)
	s.promote("fraud", 3, production)
	s.promote("fraud", 1, production)
	s.alias("fraud", "champion", 1)
	s.patch("fraud", modelregistry.ModelPatch{ProtectAliases: []string{"champion"}, Require: append(need("eval"), modelregistry.Requirement{Gate: "eval", Alias: "next"})})
	s.register("rival", 1)
	s.promote("rival", 1, production)
	s.alias("rival", "champion", 1)
	id := s.model("fraud").ID

	force := &modelregistry.DeleteOptions{Force: true}
	champion := func(opts *modelregistry.AliasOptions) error { return s.setAlias("fraud", "champion", 2, opts) }
	update := func(patch modelregistry.ModelPatch) error {
		_, err := s.r.UpdateModel(s.ctx, "fraud", patch)
		return err
	}
	asked := func(approve func(*modelregistry.Request) error) error {
		q, err := s.r.RequestTransition(s.ctx, "fraud", 2, production, modelregistry.RequestSpec{})
		if err != nil {
			return err
		}
		err = approve(q)
		_, withdrawn := s.r.Withdraw(s.ctx, q.ID, "")
		return errors.Join(err, withdrawn)
	}
	conflict, invalid := modelregistry.ErrConflict, modelregistry.ErrInvalid
	ways := []way{
		{"RenameModel", "away", func() error { _, err := s.r.RenameModel(s.ctx, "fraud", "old", nil); return err }, conflict},
		{"RenameModel", "another to the name", func() error { _, err := s.r.RenameModel(s.ctx, "rival", "fraud", nil); return err }, modelregistry.ErrExists},
		{"DeleteModel", "", func() error { return s.r.DeleteModel(s.ctx, "fraud", nil) }, conflict},
		{"DeleteModel", "by force", func() error { return s.r.DeleteModel(s.ctx, "fraud", force) }, conflict},
		{"CreateModel", "anew", func() error { _, err := s.r.CreateModel(s.ctx, "fraud", modelregistry.ModelSpec{}); return err }, modelregistry.ErrExists},
		{"SetAlias", "moved", func() error { return champion(nil) }, conflict},
		{"SetAlias", "moved, as expected", func() error { return champion(&modelregistry.AliasOptions{IfCurrent: ptr(1)}) }, conflict},
		{"SetAlias", "past a waiver", func() error {
			return champion(&modelregistry.AliasOptions{Waive: map[string]string{"eval": "x"}})
		}, invalid},
		{"SetAlias", "one that is not given yet", func() error { return s.setAlias("fraud", "next", 2, nil) }, conflict},
		{"DeleteAlias", "", func() error { _, err := s.r.DeleteAlias(s.ctx, "fraud", "champion", nil); return err }, conflict},
		{"Register", "with the alias", func() error {
			_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Aliases: []string{"champion"}})
			return err
		}, conflict},
		{"Register", "with one that is not given yet", func() error {
			_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Aliases: []string{"next"}})
			return err
		}, conflict},
		{"Register", "a copy with the alias", func() error {
			_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{CopyOf: "models:/rival@champion", Aliases: []string{"champion"}})
			return err
		}, conflict},
		{"CopyVersion", "", func() error { _, err := s.r.CopyVersion(s.ctx, "models:/rival@champion", "fraud", nil); return err }, nil},
		{"UpdateModel", "protection, without a reason", func() error { return update(modelregistry.ModelPatch{UnprotectAliases: []string{"champion"}}) }, invalid},
		{"UpdateModel", "a requirement, without a reason", func() error { return update(modelregistry.ModelPatch{Unrequire: need("eval")}) }, invalid},
		{"UpdateModel", "tags", func() error {
			return update(modelregistry.ModelPatch{SetTags: map[string]string{"requires": "nothing"}})
		}, nil},
		{"UpdateVersion", "", func() error {
			_, err := s.r.UpdateVersion(s.ctx, "fraud", 1, modelregistry.VersionPatch{Description: ptr("another")})
			return err
		}, nil},
		{"DeleteVersion", "", func() error { return s.r.DeleteVersion(s.ctx, "fraud", 1, nil) }, conflict},
		{"DeleteVersion", "by force", func() error { return s.r.DeleteVersion(s.ctx, "fraud", 1, force) }, conflict},
		{"ApplyRetention", "", func() error {
			plan := &modelregistry.RetentionPlan{Model: "fraud", ModelID: id, Rules: modelregistry.RetentionRules{KeepLast: 1}, Delete: []*modelregistry.Version{s.version("fraud", 1)}}
			_, err := s.r.ApplyRetention(s.ctx, plan, nil)
			return err
		}, nil},
		{"Promote", "", func() error { _, err := s.r.Promote(s.ctx, "fraud", 2, production, nil); return err }, conflict},
		{"Transition", "beside who holds the stage", func() error {
			_, err := s.r.Transition(s.ctx, "fraud", 2, production, &modelregistry.TransitionOptions{Keep: true})
			return err
		}, conflict},
		{"RequestTransition", "approved", func() error {
			return asked(func(q *modelregistry.Request) error { _, err := s.r.As("bob").Approve(s.ctx, q.ID, ""); return err })
		}, conflict},
		{"Approve", "one that is none", func() error { _, err := s.r.As("bob").Approve(s.ctx, "none", ""); return err }, modelregistry.ErrNotFound},
		{"Reject", "", func() error {
			q, err := s.r.RequestTransition(s.ctx, "fraud", 2, production, modelregistry.RequestSpec{})
			s.ok(err)
			_, err = s.r.As("bob").Reject(s.ctx, q.ID, "")
			return err
		}, nil},
		{"Withdraw", "", func() error { return asked(func(*modelregistry.Request) error { return nil }) }, nil},
		{"RequestAlias", "", func() error {
			_, err := s.r.RequestAlias(s.ctx, "fraud", "champion", 2, modelregistry.RequestSpec{})
			return err
		}, conflict},
		{"Sweep", "", func() error { _, err := s.r.Sweep(s.ctx, nil); return err }, nil},
	}
	for i := range 3 { // retention, a second time, after all else
		for _, w := range ways {
			err := w.try()
			what := w.method + " " + w.what
			switch {
			case w.want == nil && err != nil:
				s.Fatalf("%s: %v", what, err)
			case w.want != nil && !errors.Is(err, w.want):
				s.Fatalf("%s: error %v; want %v", what, err, w.want)
			}
			m := s.model("fraud")
			equal(s, "ID after "+what, m.ID, id)
			equal(s, "requirements after "+what, len(m.Requires), 3)
			equal(s, "protected aliases after "+what, m.ProtectedAliases.String(), "champion")
			equal(s, "the alias after "+what, s.names("models:/fraud@champion"), 1)
			equal(s, "the other alias after "+what, s.names("models:/fraud@next"), 0)
			equal(s, "Production after "+what, s.holders("fraud", production), []string{"1", "", "3"}[i])
		}
		// What makes nobody a holder, and the emergency exit to who held it before, are not held up.
		switch i {
		case 0:
			_, err := s.r.Transition(s.ctx, "fraud", 1, archived, nil)
			s.ok(err)
		case 1:
			s.rollback("fraud", production)
			s.rollback("fraud", production)
		}
	}
	tried := []string{"Rollback"}
	for _, w := range ways {
		tried = append(tried, w.method)
	}
	for m := range reflect.TypeFor[modelregistry.Registry]().NumMethod() {
		name := reflect.TypeFor[modelregistry.Registry]().Method(m).Name
		known := slices.Contains(tried, name) || slices.Contains(harmless, name) ||
			slices.ContainsFunc(harmlessWords, func(word string) bool { return strings.Contains(name, word) })
		if !known {
			s.Errorf("method %s is neither tried nor known to be harmless to what is protected", name)
		}
	}
}

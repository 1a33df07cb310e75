package registrytest

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

var requirementPromises = []promise{
	{"a gate in front of an alias judges who gets it, and no stage", aliasGated},
	{"PlanAlias says what would happen, and changes nothing", aliasPlanned},
	{"gates that the model requires and the registry lacks keep every version out", gatesRequired},
	{"a required gate of the registry's is asked, and in front of just what it is required for", gatesRequiredHere},
	{"what a model requires is told in it and in its history, and taken away for a reason", requirementsTold},
	{"what a model requires goes with it and stays by its name", requirementsStay},
	{"requirements that are none are refused", requirementMistakes},
}

// need is a gate that a model requires in front of Production and the alias champion.
func need(gate string) []modelregistry.Requirement {
	return []modelregistry.Requirement{{Gate: gate, Stage: production}, {Gate: gate, Alias: "champion"}}
}

// named is a gate that lets versions pass which have the tag of its name.
func named(name string, at modelregistry.GateRule) modelregistry.GateRule {
	at.Name, at.Gate = name, modelregistry.TagPresent(name)
	return at
}

func (s *trial) tag(model string, number int, tag string) {
	s.Helper()
	_, err := s.r.UpdateVersion(s.ctx, model, number, modelregistry.VersionPatch{SetTags: map[string]string{tag: "yes"}})
	s.ok(err)
}

func (s *trial) setAlias(model, alias string, number int, opts *modelregistry.AliasOptions) error {
	_, err := s.r.SetAlias(s.ctx, model, alias, number, opts)
	return err
}

func (s *trial) move(model string, number int, to modelregistry.Stage) error {
	_, err := s.r.Transition(s.ctx, model, number, to, nil)
	return err
}

func aliasGated(s *trial) {
	var seen []string
	watch := modelregistry.GateFunc(func(_ context.Context, view *modelregistry.GateView) (modelregistry.Verdict, error) {
		incumbent := 0
		if view.Incumbent != nil {
			incumbent = view.Incumbent.Number
		}
		seen = append(seen, fmt.Sprintf("%d of @%s%s, now %d", view.Candidate.Number, view.Alias, view.Stage, incumbent))
		return modelregistry.Pass("seen"), nil
	})
	s.gated(modelregistry.GateRule{Model: "fraud", Alias: "champion", Gate: modelregistry.MetricNotWorse("accuracy", 0, true)},
		modelregistry.GateRule{Alias: "champion", Gate: modelregistry.FilesVerified()},
		modelregistry.GateRule{Model: "fraud", Alias: "champion", Name: "watch", Gate: watch})
	s.scored("fraud", 0.9, 0.8, 0.95)
	s.ok(s.setAlias("fraud", "champion", 1, nil))
	e := s.last("fraud")
	equal(s, "event", e.Kind, modelregistry.AliasSet)
	equal(s, "verdicts", lines(e.Verdicts), `accuracy not worse than the incumbent's by more than 0: passed: it is 0.9; no other version has alias "champion"
files verified: passed: 0 files of 0 bytes
watch: passed: seen`)
	before := s.state()
	err := s.setAlias("fraud", "champion", 2, nil)
	equal(s, "refusals", s.held(err), "accuracy not worse than the incumbent's by more than 0: it is 0.8; that of version 1, the incumbent, is 0.9")
	s.fails(err, modelregistry.ErrConflict, `may not have the alias "champion"`)
	s.ok(s.setAlias("fraud", "champion", 1, nil)) // which changes nothing
	// A new version is judged when it is there.
	_, err = s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Aliases: []string{"other", "champion"}})
	s.fails(err, modelregistry.ErrConflict, "then SetAlias")
	s.unchanged(before)
	s.ok(s.setAlias("fraud", "champion", 3, nil))
	s.ok(s.setAlias("fraud", "champion", 2, &modelregistry.AliasOptions{Waive: map[string]string{"accuracy not worse than the incumbent's by more than 0": "an emergency"}}))
	equal(s, "waiver", s.last("fraud").Verdicts[0].Waiver, "an emergency")
	equal(s, "views", strings.Join(seen, "; "), "1 of @champion, now 0; 2 of @champion, now 1; 3 of @champion, now 1; 2 of @champion, now 3")
	s.promote("fraud", 2, production)
	s.ok(s.setAlias("fraud", "other", 2, nil))
	_, err = s.r.DeleteAlias(s.ctx, "fraud", "champion", nil)
	s.ok(err)
}

func aliasPlanned(s *trial) {
	s.gated(named("checked", modelregistry.GateRule{Alias: "champion"}))
	s.register("fraud", 2)
	s.alias("fraud", "plain", 1)
	before := s.state()
	p, err := s.r.PlanAlias(s.ctx, "fraud", "champion", 2, nil)
	s.ok(err)
	equal(s, "verdicts", lines(p.Verdicts), `checked: refused: version 2 has no tag "checked"`)
	equal(s, "alias", p.Alias, "champion")
	equal(s, "aliases of the version", p.Version.Aliases.String(), "champion")
	equal(s, "its refusal", s.held(&modelregistry.Error{Op: "Plan", Err: p.Err()}), `checked: version 2 has no tag "checked"`)
	p, err = s.r.PlanAlias(s.ctx, "fraud", "plain", 2, nil)
	s.ok(err)
	s.ok(p.Err())
	equal(s, "displaced", len(p.Displaced), 1)
	equal(s, "aliases of the displaced", p.Displaced[0].Aliases.String(), "")
	_, err = s.r.PlanAlias(s.ctx, "fraud", "plain", 2, &modelregistry.AliasOptions{IfCurrent: ptr(2)})
	s.conflict(err, 1)
	_, err = s.r.PlanAlias(s.ctx, "fraud", "plain", 3, nil)
	s.fails(err, modelregistry.ErrNotFound, "")
	s.unchanged(before)
}

func gatesRequired(s *trial) {
	s.register("fraud", 2)
	s.alias("fraud", "champion", 1)
	s.patch("fraud", modelregistry.ModelPatch{Require: append(need("eval"), need("approval")...)})
	before := s.state()
	const why = "the model requires it, and this program was opened without a gate of that name in front of "
	stage := "approval: " + why + "Production\neval: " + why + "Production"
	alias := "approval: " + why + "alias \"champion\"\neval: " + why + "alias \"champion\""
	for what, try := range map[string]func() error{
		"Promote": func() error { _, err := s.r.Promote(s.ctx, "fraud", 2, production, nil); return err },
		"keeping": func() error {
			_, err := s.r.Transition(s.ctx, "fraud", 2, production, &modelregistry.TransitionOptions{Keep: true})
			return err
		},
		"Plan": func() error {
			p, err := s.r.Plan(s.ctx, "fraud", 2, production, nil)
			s.ok(err)
			equal(s, "missing", p.Verdicts[0].Missing, true)
			return &modelregistry.Error{Op: "Plan", Err: p.Err()}
		},
	} {
		equal(s, "refusals of "+what, s.held(try()), stage)
	}
	equal(s, "refusals of SetAlias", s.held(s.setAlias("fraud", "champion", 2, nil)), alias)
	_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Aliases: []string{"champion"}})
	s.fails(err, modelregistry.ErrConflict, `gate "approval" is in front of alias "champion"`)
	// What is not there cannot be waived.
	_, err = s.r.Promote(s.ctx, "fraud", 2, production, &modelregistry.PromoteOptions{Waive: map[string]string{"eval": "x", "approval": "x"}})
	s.fails(err, modelregistry.ErrInvalid, "no gate called")
	s.unchanged(before)
	s.promote("fraud", 2, staging)
	s.alias("fraud", "other", 2)
	s.ok(s.setAlias("fraud", "champion", 1, nil))
	s.register("other", 1)
	s.promote("other", 1, production)

	// Nor can it be approved, here; elsewhere it can still.
	q := s.ask("fraud", 2, production, modelregistry.RequestSpec{})
	equal(s, "refusals of the request", s.held(&modelregistry.Error{Op: "Request", Err: q.Refused()}), stage)
	before = s.state()
	_, err = s.r.As("bob").Approve(s.ctx, q.ID, "")
	equal(s, "refusals of Approve", s.held(err), stage)
	s.unchanged(before)
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "request", read.State, modelregistry.RequestPending)
	equal(s, "votes", len(read.Votes), 0)
}

func gatesRequiredHere(s *trial) {
	s.gated(named("eval", modelregistry.GateRule{Stage: production}), named("eval", modelregistry.GateRule{Alias: "champion"}),
		named("other", modelregistry.GateRule{Stage: staging}))
	s.register("fraud", 1)
	s.patch("fraud", modelregistry.ModelPatch{Require: append(need("eval"), modelregistry.Requirement{Gate: "other", Stage: production})})
	s.tag("fraud", 1, "other")
	p, err := s.r.Plan(s.ctx, "fraud", 1, production, nil)
	s.ok(err)
	equal(s, "verdicts", lines(p.Verdicts), `eval: refused: version 1 has no tag "eval"
other: refused: the model requires it, and this program was opened without a gate of that name in front of Production`)
	s.patch("fraud", modelregistry.ModelPatch{Unrequire: []modelregistry.Requirement{{Gate: "other", Stage: production}}, Reason: "a mistake"})
	s.held(s.move("fraud", 1, production))
	s.held(s.setAlias("fraud", "champion", 1, nil))
	s.tag("fraud", 1, "eval")
	s.ok(s.move("fraud", 1, production))
	s.ok(s.setAlias("fraud", "champion", 1, nil))
}

func requirementsTold(s *trial) {
	s.register("fraud", 1)
	s.patch("fraud", modelregistry.ModelPatch{Require: []modelregistry.Requirement{
		{Gate: "eval", Alias: "champion"}, {Gate: "eval", Stage: "production"}, {Gate: "eval", Stage: production}, {Gate: "a", Stage: staging}}})
	const all = `[{"gate":"eval","alias":"champion"},{"gate":"eval","stage":"Production"},{"gate":"a","stage":"Staging"}]`
	equal(s, "requirements", text(s.model("fraud").Requires), all)
	e := s.last("fraud")
	equal(s, "event", e.Kind, modelregistry.ModelUpdated)
	equal(s, "after", text(e.After), `{"requires":`+all+`}`)
	before := s.state()
	s.patch("fraud", modelregistry.ModelPatch{Require: need("eval")})
	s.unchanged(before)
	_, err := s.r.As("bob").UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{Unrequire: need("eval"), Reason: "it is measured elsewhere"})
	s.ok(err)
	e = s.last("fraud")
	equal(s, "actor and reason", e.Actor+": "+e.Reason, "bob: it is measured elsewhere")
	equal(s, "before", text(e.Before), `{"requires":`+all+`}`)
	equal(s, "requirements", text(s.model("fraud").Requires), `[{"gate":"a","stage":"Staging"}]`)
	s.patch("fraud", modelregistry.ModelPatch{Unrequire: []modelregistry.Requirement{{Gate: "a", Stage: staging}}, Reason: "x"})
	equal(s, "requirements", len(s.model("fraud").Requires), 0)
	s.promote("fraud", 1, production)
}

func requirementsStay(s *trial) {
	s.register("fraud", 1)
	s.patch("fraud", modelregistry.ModelPatch{Require: need("eval"), ProtectAliases: []string{"spare"}})
	_, err := s.r.RenameModel(s.ctx, "fraud", "risk", nil)
	s.ok(err)
	s.held(s.move("risk", 1, production))
	// Made anew, it stands under the same.
	s.register("fraud", 1)
	equal(s, "requirements of the model made anew", text(s.model("fraud").Requires), text(s.model("risk").Requires))
	equal(s, "protected aliases of the model made anew", s.model("fraud").ProtectedAliases.String(), "spare")
	s.held(s.move("fraud", 1, production))
	s.held(s.setAlias("fraud", "champion", 1, nil))
	s.ok(s.r.DeleteModel(s.ctx, "fraud", &modelregistry.DeleteOptions{Force: true}))
	s.register("fraud", 1)
	s.held(s.setAlias("fraud", "champion", 1, nil))
	// And what holds Production already does not come under the name.
	s.ok(s.r.DeleteModel(s.ctx, "fraud", nil))
	s.register("loophole", 1)
	s.promote("loophole", 1, production)
	_, err = s.r.RenameModel(s.ctx, "loophole", "fraud", nil)
	s.fails(err, modelregistry.ErrConflict, `the name "fraud" requires gate "eval" in front of alias "champion"`)
	s.patch("loophole", modelregistry.ModelPatch{Require: need("eval")})
	_, err = s.r.RenameModel(s.ctx, "loophole", "fraud", nil)
	s.fails(err, modelregistry.ErrConflict, `alias "spare" is protected under the name "fraud"`)
	_, err = s.r.RenameModel(s.ctx, "risk", "fraud", nil) // it has all of that
	s.ok(err)
	s.held(s.move("fraud", 1, production))
	// Who means it takes it away, for a reason, and then the name is free.
	s.patch("fraud", modelregistry.ModelPatch{Unrequire: need("eval"), UnprotectAliases: []string{"spare"}, Reason: "retired"})
	s.ok(s.r.DeleteModel(s.ctx, "fraud", nil))
	s.register("fraud", 1)
	s.promote("fraud", 1, production)
}

func requirementMistakes(s *trial) {
	s.register("fraud", 1)
	patch := func(p modelregistry.ModelPatch) func() error {
		return func() error { _, err := s.r.UpdateModel(s.ctx, "fraud", p); return err }
	}
	one := func(q modelregistry.Requirement) func() error {
		return patch(modelregistry.ModelPatch{Require: []modelregistry.Requirement{q}})
	}
	many := make([]modelregistry.Requirement, 1001)
	for i := range many {
		many[i] = modelregistry.Requirement{Gate: fmt.Sprint(i), Stage: production}
	}
	s.refused([]mistake{
		{"no gate", one(modelregistry.Requirement{Stage: production}), modelregistry.ErrInvalid, "names no gate"},
		{"nothing to stand in front of", one(modelregistry.Requirement{Gate: "a"}), modelregistry.ErrInvalid, "a Stage or an Alias"},
		{"both", one(modelregistry.Requirement{Gate: "a", Stage: staging, Alias: "b"}), modelregistry.ErrInvalid, "both"},
		{"a stage without gates", one(modelregistry.Requirement{Gate: "a", Stage: archived}), modelregistry.ErrInvalid, "Staging and Production"},
		{"a stage that is none", one(modelregistry.Requirement{Gate: "a", Stage: "Prod"}), modelregistry.ErrInvalid, "not one of"},
		{"an alias that is none", one(modelregistry.Requirement{Gate: "a", Alias: "b c"}), modelregistry.ErrInvalid, "letters"},
		{"a name of two lines", one(modelregistry.Requirement{Gate: "a\nb", Stage: staging}), modelregistry.ErrInvalid, "control"},
		{"more than can be", patch(modelregistry.ModelPatch{Require: many}), modelregistry.ErrInvalid, "at most 1000"},
		{"taken away without a reason", patch(modelregistry.ModelPatch{Unrequire: need("eval"), Reason: " "}), modelregistry.ErrInvalid, "Reason"},
		{"both ways", patch(modelregistry.ModelPatch{Require: need("eval"), Unrequire: need("eval"), Reason: "x"}), modelregistry.ErrInvalid, "and not"},
	})
}

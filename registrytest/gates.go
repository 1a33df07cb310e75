package registrytest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var gatePromises = []promise{
	{"a promotion that every gate lets pass keeps each verdict with its reason", gatesPass},
	{"a refusal says what every gate says, and changes nothing", gatesRefuse},
	{"a gate stands in front of its model and its stage", gatesPlaces},
	{"a gate sees what the promotion will change, as it is", gatesView},
	{"a waiver lets a gate be passed, and is kept with who and why", gatesWaived},
	{"Plan says what would happen, and changes nothing", gatesPlan},
	{"Rollback, and what makes nobody a holder, is not held up", gatesExits},
	{"metrics that are missing, too low, too high or worse are refused with their values", gatesMetrics},
	{"the time in Staging counts while the version is there", gatesTime},
	{"files are read before the promotion", gatesFiles},
	{"a gate that fails is a fault, and no verdict", gatesFault},
	{"waivers that are none are refused", gatesMistakes},
	{"of promotions at once none is worse than the one before it", gatesRace},
}

// gated puts an empty registry with gates in the place of the trial's.
func (s *trial) gated(rules ...modelregistry.GateRule) {
	s.Helper()
	s.r = s.open(rules)
	_, err := s.r.Plan(s.ctx, "none", 1, production, nil)
	s.fails(err, modelregistry.ErrNotFound, "")
}

// rule is a gate in front of all.
func rule(g modelregistry.Gate) modelregistry.GateRule { return modelregistry.GateRule{Gate: g} }

// scored registers a version for each accuracy.
func (s *trial) scored(model string, accuracies ...float64) {
	s.Helper()
	for _, a := range accuracies {
		s.add(model, modelregistry.VersionSpec{Metrics: map[string]float64{"accuracy": a}})
	}
}

// held is fails for a *Refused, of which it returns the verdicts that refuse, one a line.
func (s *trial) held(err error) string {
	s.Helper()
	s.fails(err, modelregistry.ErrConflict, "")
	var r *modelregistry.Refused
	if !errors.As(err, &r) {
		s.Fatalf("error %q is not a *Refused", err)
	}
	var lines []string
	for _, v := range r.Verdicts {
		if !v.Passed && v.Waiver == "" {
			lines = append(lines, v.Gate+": "+v.Reason)
			if !strings.Contains(err.Error(), v.Gate) {
				s.Fatalf("error %q does not tell of %q", err, v.Gate)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// last is the model's last event.
func (s *trial) last(model string) *modelregistry.Event {
	s.Helper()
	return s.events(modelregistry.EventQuery{Model: model, Newest: true, Limit: 1})[0]
}

func lines[T fmt.Stringer](all []T) string {
	var texts []string
	for _, v := range all {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, "\n")
}

func gatesPass(s *trial) {
	s.gated(rule(modelregistry.MetricAtLeast("accuracy", 0.9)), rule(modelregistry.MetricNotWorse("accuracy", 0.01, true)), rule(modelregistry.TagPresent("validated", "yes", "partly")))
	s.scored("fraud", 0.95, 0.94)
	for number := 1; number <= 2; number++ {
		_, err := s.r.UpdateVersion(s.ctx, "fraud", number, modelregistry.VersionPatch{SetTags: map[string]string{"validated": "yes"}})
		s.ok(err)
	}
	s.promote("fraud", 1, production)
	p := s.promote("fraud", 2, production)
	equal(s, "displaced", len(p.Displaced), 1)
	e := s.last("fraud")
	equal(s, "event", e.Kind, modelregistry.StageChanged)
	equal(s, "verdicts", lines(e.Verdicts), `accuracy >= 0.9: passed: it is 0.94
accuracy not worse than the incumbent's by more than 0.01: passed: it is 0.94; that of version 1, the incumbent, is 0.95
tag validated = yes, partly: passed: it is "yes"`)
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud", Version: 1, Newest: true, Limit: 1}) {
		equal(s, "verdicts of the displaced", len(e.Verdicts), 0)
	}
}

func gatesRefuse(s *trial) {
	s.gated(rule(modelregistry.MetricAtLeast("accuracy", 0.9)), rule(modelregistry.TagPresent("validated")), rule(modelregistry.MetricAtMost("accuracy", 2)))
	s.scored("fraud", 0.8)
	before := s.state()
	want := "accuracy >= 0.9: it is 0.8\ntag validated: version 1 has no tag \"validated\""
	for _, to := range []modelregistry.Stage{staging, production} {
		_, err := s.r.Promote(s.ctx, "fraud", 1, to, nil)
		equal(s, "refusals", s.held(err), want)
		_, err = s.r.As("bob").Transition(s.ctx, "fraud", 1, to, &modelregistry.TransitionOptions{Keep: true})
		equal(s, "refusals of another actor", s.held(err), want)
		var r *modelregistry.Refused
		if errors.As(err, &r); r.Model != "fraud" || r.Version != 1 || r.Stage != to || len(r.Verdicts) != 3 {
			s.Fatalf("refused: %+v", r)
		}
	}
	s.unchanged(before)
}

func gatesPlaces(s *trial) {
	no := modelregistry.GateFunc(func(context.Context, *modelregistry.GateView) (modelregistry.Verdict, error) {
		return modelregistry.Refuse("no"), nil
	})
	s.gated(modelregistry.GateRule{Model: "fraud", Stage: "production", Name: "one", Gate: no},
		modelregistry.GateRule{Model: "risk", Name: "two", Gate: no}, modelregistry.GateRule{Model: "Fraud", Name: "three", Gate: no})
	for _, model := range []string{"fraud", "risk", "other"} {
		s.register(model, 1)
	}
	for _, c := range []struct {
		model string
		to    modelregistry.Stage
		gates string
	}{
		{"fraud", staging, ""}, {"fraud", production, "one: no"}, {"risk", staging, "two: no"}, {"risk", production, "two: no"}, {"other", production, ""},
	} {
		_, err := s.r.Promote(s.ctx, c.model, 1, c.to, nil)
		if c.gates == "" {
			s.ok(err)
		} else {
			equal(s, "refusals", s.held(err), c.gates)
		}
	}
	_, err := s.r.RenameModel(s.ctx, "fraud", "loophole", nil)
	s.fails(err, modelregistry.ErrConflict, `gate "one"`)
	_, err = s.r.RenameModel(s.ctx, "other", "Fraud", nil)
	s.fails(err, modelregistry.ErrConflict, `gate "three"`)
	_, err = s.r.RenameModel(s.ctx, "other", "another", nil)
	s.ok(err)
}

func gatesView(s *trial) {
	var saw modelregistry.GateView
	var history []string
	s.gated(modelregistry.GateRule{Name: "sees", Gate: modelregistry.GateFunc(func(_ context.Context, view *modelregistry.GateView) (modelregistry.Verdict, error) {
		saw, history = *view, nil
		for e, err := range view.Events() {
			if err != nil {
				return modelregistry.Verdict{}, err
			}
			history = append(history, string(e.Kind))
		}
		files, err := view.Manifest(view.Candidate)
		view.Candidate.Stage = "Broken" // it is the gate's own
		return modelregistry.Pass("%d files\x00\xff", len(files)), err
	})})
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1", "b": "2"})})
	s.register("fraud", 1)
	s.promote("fraud", 1, production)
	equal(s, "incumbent", saw.Incumbent == nil, true)
	equal(s, "reason", s.last("fraud").Verdicts[0].Reason, "2 files\uFFFD\uFFFD")
	s.promote("fraud", 2, staging)
	_, err := s.r.As("bob").Promote(s.ctx, "fraud", 2, production, &modelregistry.PromoteOptions{Reason: "better"})
	s.ok(err)
	equal(s, "actor", saw.Actor, "bob")
	equal(s, "reason", saw.Reason, "better")
	equal(s, "stage", saw.Stage, production)
	equal(s, "candidate", saw.Candidate.Number, 2)
	equal(s, "incumbent", saw.Incumbent.Number, 1)
	equal(s, "incumbent's stage", saw.Incumbent.Stage, production)
	equal(s, "request", saw.Request == nil, true)
	equal(s, "time", saw.Time.After(saw.Candidate.StageSince), true)
	equal(s, "history", strings.Join(history, " "), "stage.changed version.registered")
	equal(s, "stage of the version", s.version("fraud", 2).Stage, production)
}

func gatesWaived(s *trial) {
	s.gated(rule(modelregistry.MetricAtLeast("accuracy", 0.9)), rule(modelregistry.TagPresent("validated")))
	s.scored("fraud", 0.8, 0.95)
	_, err := s.r.Promote(s.ctx, "fraud", 1, production, &modelregistry.PromoteOptions{Waive: map[string]string{"accuracy >= 0.9": "no better data"}})
	equal(s, "refusals", s.held(err), "tag validated: version 1 has no tag \"validated\"")
	all := map[string]string{"accuracy >= 0.9": "no better data", "tag validated": "in a hurry"}
	_, err = s.r.As("bob").Promote(s.ctx, "fraud", 1, production, &modelregistry.PromoteOptions{Waive: all})
	s.ok(err)
	equal(s, "verdicts", lines(s.last("fraud").Verdicts), `accuracy >= 0.9: refused: it is 0.8; waived by bob: no better data
tag validated: refused: version 1 has no tag "validated"; waived by bob: in a hurry`)
	_, err = s.r.Transition(s.ctx, "fraud", 2, staging, &modelregistry.TransitionOptions{Waive: all})
	s.ok(err)
	equal(s, "a waiver of what passes", s.last("fraud").Verdicts[0].String(), "accuracy >= 0.9: passed: it is 0.95")
}

func gatesPlan(s *trial) {
	s.gated(rule(modelregistry.MetricAtLeast("accuracy", 0.9)))
	s.scored("fraud", 0.95, 0.8)
	s.promote("fraud", 1, production)
	before := s.state()
	plan, err := s.r.Plan(s.ctx, "fraud", 2, "production", nil)
	s.ok(err)
	equal(s, "version", plan.Version.Number, 2)
	equal(s, "stage", plan.Stage, production)
	equal(s, "displaced", len(plan.Displaced), 1)
	equal(s, "displaced version", plan.Displaced[0].Number, 1)
	equal(s, "displaced stage", plan.Displaced[0].Stage, archived)
	equal(s, "verdicts", lines(plan.Verdicts), "accuracy >= 0.9: refused: it is 0.8")
	if !errors.Is(plan.Err(), modelregistry.ErrConflict) {
		s.Fatalf("error of the plan: %v", plan.Err())
	}
	plan, err = s.r.Plan(s.ctx, "fraud", 2, production, &modelregistry.TransitionOptions{Keep: true, Waive: map[string]string{"accuracy >= 0.9": "ok"}})
	s.ok(err)
	equal(s, "displaced with Keep", len(plan.Displaced), 0)
	s.ok(plan.Err())
	plan, err = s.r.Plan(s.ctx, "fraud", 1, production, nil)
	s.ok(err)
	equal(s, "verdicts of what is there", len(plan.Verdicts), 0)
	plan, err = s.r.Plan(s.ctx, "fraud", 1, archived, nil)
	s.ok(err)
	equal(s, "stage it would have", plan.Version.Stage, archived)
	_, err = s.r.Plan(s.ctx, "fraud", 2, production, &modelregistry.TransitionOptions{IfCurrent: ptr(2)})
	s.conflict(err, 1)
	_, err = s.r.Plan(s.ctx, "fraud", 3, production, nil)
	s.fails(err, modelregistry.ErrNotFound, "version 3")
	_, err = s.r.Plan(s.ctx, "fraud", 2, "Prod", nil)
	s.fails(err, modelregistry.ErrInvalid, "Archived")
	_, err = s.r.Plan(s.ctx, "fraud", 0, production, nil)
	s.fails(err, modelregistry.ErrInvalid, "from 1")
	s.unchanged(before)
}

func gatesExits(s *trial) {
	open := true
	s.gated(modelregistry.GateRule{Name: "door", Gate: modelregistry.GateFunc(func(context.Context, *modelregistry.GateView) (modelregistry.Verdict, error) {
		return modelregistry.Verdict{Passed: open, Reason: "it is what it is"}, nil
	})})
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, production)
	open = false
	equal(s, "restored", s.rollback("fraud", production).Version.Number, 1)
	s.promote("fraud", 1, production) // holds it already
	for _, to := range []modelregistry.Stage{archived, none} {
		_, err := s.r.Transition(s.ctx, "fraud", 1, to, nil)
		s.ok(err)
	}
	_, err := s.r.Promote(s.ctx, "fraud", 1, production, nil)
	s.held(err)
}

func gatesMetrics(s *trial) {
	const notWorse = "accuracy not worse than the incumbent's by more than 0.01"
	s.gated(modelregistry.GateRule{Model: "more", Gate: modelregistry.MetricNotWorse("accuracy", 0.01, true)},
		modelregistry.GateRule{Model: "less", Gate: modelregistry.MetricNotWorse("accuracy", 0.01, false)},
		modelregistry.GateRule{Model: "limits", Stage: production, Gate: modelregistry.MetricAtLeast("accuracy", 0.5)},
		modelregistry.GateRule{Model: "limits", Stage: production, Gate: modelregistry.MetricAtMost("accuracy", 0.7)})
	for _, c := range []struct {
		model      string
		incumbent  float64
		candidate  float64
		refusal    string
		noMetric   bool // of the candidate
		noBaseline bool // of the incumbent
	}{
		{"more", 0.97, 0.96, "", false, false}, // by 0.010000000000000009, as floats go
		{"more", 0.97, 0.959, notWorse + ": it is 0.959; that of version 1, the incumbent, is 0.97", false, false},
		{"more", 0.97, 0.99, "", false, false},
		{"more", 0.97, 0, notWorse + `: version 2 has no metric "accuracy"`, true, false},
		{"more", 0, 0.99, notWorse + `: version 1, the incumbent, has no metric "accuracy" to compare with`, false, true},
		{"more", math.Inf(1), math.Inf(1), "", false, false},
		{"more", math.Inf(1), 0.9, notWorse + ": it is 0.9; that of version 1, the incumbent, is +Inf", false, false},
		{"less", 0.30, 0.31, "", false, false},
		{"less", 0.30, 0.32, notWorse + ": it is 0.32; that of version 1, the incumbent, is 0.3", false, false},
		{"less", 0.30, 0.1, "", false, false},
		{"limits", 0.6, 0.5, "", false, false},
		{"limits", 0.6, 0.4999, "accuracy >= 0.5: it is 0.4999", false, false},
		{"more", 0.97, 0.9123456789012345, notWorse + ": it is 0.912346; that of version 1, the incumbent, is 0.97", false, false},
		{"limits", 0.6, 0.4999999996, "accuracy >= 0.5: it is 0.4999999996", false, false}, // and not 0.5
		{"limits", 0.6, 0.71, "accuracy <= 0.7: it is 0.71", false, false},
		{"limits", 0.6, 0, "accuracy >= 0.5: version 2 has no metric \"accuracy\"\naccuracy <= 0.7: version 2 has no metric \"accuracy\"", true, false},
	} {
		metrics := func(value float64, none bool) map[string]float64 {
			if none {
				return nil
			}
			return map[string]float64{"accuracy": value}
		}
		s.add(c.model, modelregistry.VersionSpec{Metrics: metrics(c.incumbent, c.noBaseline)})
		s.add(c.model, modelregistry.VersionSpec{Metrics: metrics(c.candidate, c.noMetric)})
		waive := map[string]string{}
		if c.noBaseline {
			waive[notWorse] = "the first"
		}
		_, err := s.r.Promote(s.ctx, c.model, 1, production, &modelregistry.PromoteOptions{Waive: waive})
		s.ok(err)
		_, err = s.r.Promote(s.ctx, c.model, 2, production, nil)
		if c.refusal == "" {
			s.ok(err)
		} else {
			equal(s, "refusals", s.held(err), c.refusal)
		}
		s.ok(s.r.DeleteModel(s.ctx, c.model, &modelregistry.DeleteOptions{Force: true}))
	}
}

func gatesTime(s *trial) {
	s.gated(rule(modelregistry.MinTimeInStaging(time.Hour)))
	s.register("fraud", 1)
	_, err := s.r.Promote(s.ctx, "fraud", 1, production, nil)
	equal(s, "refusals", s.held(err), "in Staging for 1h0m0s: version 1 is in None")
	s.clock.set(epoch.Add(time.Hour), 0)
	s.promote("fraud", 1, staging)
	s.clock.set(epoch.Add(2*time.Hour-time.Second), 0)
	_, err = s.r.Promote(s.ctx, "fraud", 1, production, nil)
	equal(s, "refusals", s.held(err), "in Staging for 1h0m0s: it has been for 59m59s, since 2031-05-31T10:00:00Z")
	s.clock.set(epoch.Add(2*time.Hour), time.Millisecond)
	s.promote("fraud", 1, production)
}

func gatesFiles(s *trial) {
	s.gated(rule(modelregistry.FilesVerified()))
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1", "b/c": "23"})})
	s.register("fraud", 1)
	s.promote("fraud", 1, production)
	equal(s, "verdict", lines(s.last("fraud").Verdicts), "files verified: passed: 2 files of 3 bytes")
	s.promote("fraud", 2, production)
	equal(s, "verdict without files", lines(s.last("fraud").Verdicts), "files verified: passed: 0 files of 0 bytes")
	plan, err := s.r.Plan(s.ctx, "fraud", 1, staging, nil)
	s.ok(err)
	equal(s, "verdict of the plan", lines(plan.Verdicts), "files verified: passed: 2 files of 3 bytes")
	_, err = s.r.Promote(s.ctx, "fraud", 3, production, nil)
	s.fails(err, modelregistry.ErrNotFound, "version 3")
}

func gatesFault(s *trial) {
	broken := errors.New("the gate is broken")
	s.gated(modelregistry.GateRule{Name: "fragile", Gate: modelregistry.GateFunc(func(context.Context, *modelregistry.GateView) (modelregistry.Verdict, error) {
		return modelregistry.Pass("ignored"), broken
	})})
	s.register("fraud", 1)
	before := s.state()
	_, err := s.r.Promote(s.ctx, "fraud", 1, production, nil)
	s.fails(err, broken, `gate "fragile"`)
	if errors.Is(err, modelregistry.ErrConflict) {
		s.Fatalf("error %v is a refusal", err)
	}
	s.unchanged(before)
}

func gatesMistakes(s *trial) {
	s.gated(modelregistry.GateRule{Stage: production, Gate: modelregistry.TagPresent("validated")})
	s.register("fraud", 1)
	promote := func(to modelregistry.Stage, gate, why string) func() error {
		return func() error {
			_, err := s.r.Promote(s.ctx, "fraud", 1, to, &modelregistry.PromoteOptions{Waive: map[string]string{gate: why}})
			return err
		}
	}
	s.refused([]mistake{
		{"a waiver of no gate", promote(production, "signed", "x"), modelregistry.ErrInvalid, `"tag validated"`},
		{"a waiver of a gate elsewhere", promote(staging, "tag validated", "x"), modelregistry.ErrInvalid, "there are none"},
		{"a waiver without a reason", promote(production, "tag validated", ""), modelregistry.ErrInvalid, "without a reason"},
		{"a waiver with a blank reason", promote(production, "tag validated", " \n"), modelregistry.ErrInvalid, "without a reason"},
		{"a waiver with a long reason", promote(production, "tag validated", strings.Repeat("x", 5001)), modelregistry.ErrInvalid, "at most 5000"},
		{"a waiver that is no text", promote(production, "tag validated", "\xff"), modelregistry.ErrInvalid, "UTF-8"},
		{"a waiver of a long name", promote(production, strings.Repeat("x", 100_000), "x"), modelregistry.ErrInvalid, "no gate"},
	})
}

func gatesRace(s *trial) {
	const n = 8
	s.gated(rule(modelregistry.MetricNotWorse("accuracy", 0, true)))
	for i := range n {
		s.scored("fraud", float64(i))
	}
	errs := together(n, func(i int) error {
		_, err := s.r.Promote(s.ctx, "fraud", i+1, production, nil)
		return err
	})
	for i, err := range errs {
		if err != nil {
			s.held(err)
		} else {
			equal(s, "verdict", s.events(modelregistry.EventQuery{Model: "fraud", Version: i + 1})[1].Verdicts[0].Passed, true)
		}
	}
	s.ok(errs[n-1])
	equal(s, "Production", s.holders("fraud", production), fmt.Sprint(n))
	before := 0
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud"}) {
		if h, ok := e.Holders[production]; ok {
			equal(s, "holders", len(h.After), 1)
			equal(s, "it is better than the one before it", h.After[0] > before, true)
			before = h.After[0]
		}
	}
}

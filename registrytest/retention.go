package registrytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var retentionPromises = []promise{
	{"a plan says what goes, and why each other version stays", retentionPlanned},
	{"applying a plan deletes just that, with an event for each version", retentionApplied},
	{"what has changed since the plan, or is in use by now, is left and reported", retentionChanged},
	{"a plan for many versions is applied in parts", retentionMany},
	{"a plan does not reach a model that was made anew", retentionAnew},
	{"rules and plans that are none are refused", retentionMistakes},
	{"a protected model is neither deleted nor renamed", protectedModel},
	{"a protected alias is neither moved nor deleted, by force neither", protectedAlias},
	{"nothing takes a protected alias or a required gate out of force without a reason", nothingTakesForce},
	{"protection is taken away for a reason, which history keeps", protectionLifted},
	{"protection that is none is refused", protectionMistakes},
	{"names that are none are refused, and a call whose context has ended changes nothing", policyCalls},
}

func (s *trial) plan(model string, rules modelregistry.RetentionRules) *modelregistry.RetentionPlan {
	s.Helper()
	plan, err := s.r.PlanRetention(s.ctx, model, rules)
	s.ok(err)
	return plan
}

// goes lists the versions that a plan would delete.
func goes(plan *modelregistry.RetentionPlan) string {
	var numbers []string
	for _, v := range plan.Delete {
		numbers = append(numbers, fmt.Sprint(v.Number))
	}
	return strings.Join(numbers, " ")
}

// used makes a model of nine versions: 1 to 3 were in Production, 4 is, 5 was in Staging, 6 has an alias, 7 is
// requested, 8 is tagged, and 9 has nothing.
func used(s *trial) {
	s.scored("fraud", 1, 2, 3, 4, 5, 6, 7, 8, 9)
	for number := 1; number <= 4; number++ {
		s.promote("fraud", number, production)
	}
	s.promote("fraud", 5, staging)
	_, err := s.r.Transition(s.ctx, "fraud", 5, archived, nil)
	s.ok(err)
	s.alias("fraud", "champion", 6)
	s.ask("fraud", 7, staging, modelregistry.RequestSpec{Expires: epoch.AddDate(0, 0, 1)})
	_, err = s.r.UpdateVersion(s.ctx, "fraud", 8, modelregistry.VersionPatch{SetTags: map[string]string{"keep": "paper"}})
	s.ok(err)
}

func retentionPlanned(s *trial) {
	used(s)
	before := s.state()
	for _, c := range []struct {
		rules modelregistry.RetentionRules
		goes  string
		keep  string
	}{
		{modelregistry.RetentionRules{KeepLast: 1}, "1 2 3 5 8", "4: in Production\n6: alias champion\n7: requested for Staging\n9: among the last 1"},
		{modelregistry.RetentionRules{KeepLast: 2, KeepEverIn: []modelregistry.Stage{"production"}}, "5",
			"1: was in Production\n2: was in Production\n3: was in Production\n4: in Production\n6: alias champion\n7: requested for Staging\n8: among the last 2\n9: among the last 2"},
		{modelregistry.RetentionRules{KeepEverIn: []modelregistry.Stage{staging}, KeepTagged: []string{"keep"}}, "1 2 3 9",
			"4: in Production\n5: was in Staging\n6: alias champion\n7: requested for Staging\n8: tag keep"},
		{modelregistry.RetentionRules{KeepFilter: "metrics.accuracy BETWEEN 1 AND 2"}, "", ""},
		{modelregistry.RetentionRules{KeepFilter: "metrics.accuracy <= 2"}, "3 5 8 9",
			"1: selected by the filter\n2: selected by the filter\n4: in Production\n6: alias champion\n7: requested for Staging"},
		{modelregistry.RetentionRules{KeepLast: 100}, "", ""},
	} {
		plan, err := s.r.PlanRetention(s.ctx, "fraud", c.rules)
		if strings.Contains(c.rules.KeepFilter, "BETWEEN") {
			s.fails(err, modelregistry.ErrInvalid, "BETWEEN")
			continue
		}
		s.ok(err)
		equal(s, "what goes", goes(plan), c.goes)
		equal(s, "all versions", len(plan.Delete)+len(plan.Keep), 9)
		if c.keep != "" {
			equal(s, "what stays", lines(plan.Keep), c.keep)
		}
	}
	s.clock.set(epoch.AddDate(0, 0, 2), 0)
	equal(s, "what goes when the request has expired", goes(s.plan("fraud", modelregistry.RetentionRules{KeepLast: 1})), "1 2 3 5 7 8")
	equal(s, "what goes of the young", goes(s.plan("fraud", modelregistry.RetentionRules{KeepYoungerThan: 72 * time.Hour})), "")
	equal(s, "what goes of the old", goes(s.plan("fraud", modelregistry.RetentionRules{KeepYoungerThan: 24 * time.Hour})), "1 2 3 5 7 8 9")
	s.unchanged(before)
}

func retentionApplied(s *trial) {
	used(s)
	plan := s.plan("fraud", modelregistry.RetentionRules{KeepLast: 2, KeepEverIn: []modelregistry.Stage{staging}})
	before := len(s.events(modelregistry.EventQuery{Model: "fraud"}))
	report, err := s.r.As("janitor").ApplyRetention(s.ctx, plan, &modelregistry.ChangeOptions{Reason: "quarterly"})
	s.ok(err)
	equal(s, "deleted", fmt.Sprint(report.Deleted), "[1 2 3]")
	equal(s, "left", len(report.Left), 0)
	equal(s, "story", s.story("fraud", before), "version.deleted /1 janitor: quarterly\nversion.deleted /2 janitor: quarterly\nversion.deleted /3 janitor: quarterly")
	equal(s, "what goes now", goes(s.plan("fraud", plan.Rules)), "")
	again := s.state()
	report, err = s.r.ApplyRetention(s.ctx, plan, nil)
	s.ok(err)
	equal(s, "deleted again", len(report.Deleted), 0)
	equal(s, "left", lines(report.Left), "1: deleted since the plan\n2: deleted since the plan\n3: deleted since the plan")
	s.unchanged(again)
}

func retentionChanged(s *trial) {
	s.register("fraud", 10)
	plan := s.plan("fraud", modelregistry.RetentionRules{KeepLast: 2})
	equal(s, "what goes", goes(plan), "1 2 3 4 5 6 7 8")
	s.promote("fraud", 1, production)
	s.alias("fraud", "x", 2)
	s.ask("fraud", 3, production, modelregistry.RequestSpec{})
	_, err := s.r.UpdateVersion(s.ctx, "fraud", 4, modelregistry.VersionPatch{SetTags: map[string]string{"k": "v"}})
	s.ok(err)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 5, nil))
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 10, nil))
	report, err := s.r.ApplyRetention(s.ctx, plan, nil)
	s.ok(err)
	equal(s, "deleted", fmt.Sprint(report.Deleted), "[6 7]")
	equal(s, "left", lines(report.Left), `1: in Production, changed since the plan
2: alias x, changed since the plan
3: requested for Production
4: changed since the plan
5: deleted since the plan
8: among the last 2 by now`)
}

func retentionMany(s *trial) {
	const n = 230
	s.register("fraud", n)
	plan := s.plan("fraud", modelregistry.RetentionRules{KeepLast: 5})
	report, err := s.r.ApplyRetention(s.ctx, plan, nil)
	s.ok(err)
	equal(s, "deleted", len(report.Deleted), n-5)
	equal(s, "what is there", s.names("models:/fraud/latest"), n)
	equal(s, "what is gone", s.names(fmt.Sprintf("models:/fraud/%d", n-5)), 0)
}

func retentionAnew(s *trial) {
	s.register("fraud", 3)
	plan := s.plan("fraud", modelregistry.RetentionRules{KeepLast: 1})
	s.ok(s.r.DeleteModel(s.ctx, "fraud", nil))
	_, err := s.r.ApplyRetention(s.ctx, plan, nil)
	s.fails(err, modelregistry.ErrNotFound, `"fraud"`)
	s.register("fraud", 3)
	before := s.state()
	_, err = s.r.ApplyRetention(s.ctx, plan, nil)
	s.fails(err, modelregistry.ErrConflict, "anew")
	s.unchanged(before)
}

func retentionMistakes(s *trial) {
	s.register("fraud", 2)
	plan := s.plan("fraud", modelregistry.RetentionRules{KeepLast: 1})
	var mistakes []mistake
	for _, c := range []struct {
		rules modelregistry.RetentionRules
		hint  string
	}{
		{modelregistry.RetentionRules{}, "KeepLast: 5"},
		{modelregistry.RetentionRules{KeepLast: -1}, "count"},
		{modelregistry.RetentionRules{KeepLast: 1, KeepYoungerThan: -1}, "age"},
		{modelregistry.RetentionRules{KeepEverIn: []modelregistry.Stage{"Prod"}}, "Production"},
		{modelregistry.RetentionRules{KeepEverIn: []modelregistry.Stage{archived}}, "Staging and Production"},
		{modelregistry.RetentionRules{KeepTagged: []string{"../x"}}, "path"},
		{modelregistry.RetentionRules{KeepFilter: "nam = 'x'"}, "name"},
		{modelregistry.RetentionRules{KeepFilter: " "}, "blank"},
	} {
		broken := *plan
		broken.Rules = c.rules
		mistakes = append(mistakes,
			mistake{fmt.Sprintf("plan %+v", c.rules), func() error { _, err := s.r.PlanRetention(s.ctx, "fraud", c.rules); return err }, modelregistry.ErrInvalid, c.hint},
			mistake{fmt.Sprintf("apply %+v", c.rules), func() error { _, err := s.r.ApplyRetention(s.ctx, &broken, nil); return err }, modelregistry.ErrInvalid, c.hint})
	}
	mistakes = append(mistakes,
		mistake{"no plan", func() error { _, err := s.r.ApplyRetention(s.ctx, nil, nil); return err }, modelregistry.ErrInvalid, "nil"},
		mistake{"a plan with a hole", func() error {
			_, err := s.r.ApplyRetention(s.ctx, &modelregistry.RetentionPlan{Model: "fraud", ModelID: plan.ModelID, Rules: plan.Rules, Delete: []*modelregistry.Version{nil}}, nil)
			return err
		}, modelregistry.ErrInvalid, "nil"},
		mistake{"a long reason", func() error {
			_, err := s.r.ApplyRetention(s.ctx, plan, &modelregistry.ChangeOptions{Reason: strings.Repeat("x", 5001)})
			return err
		}, modelregistry.ErrInvalid, "at most 5000"})
	s.refused(mistakes)
}

func (s *trial) patch(model string, patch modelregistry.ModelPatch) {
	s.Helper()
	m, err := s.r.UpdateModel(s.ctx, model, patch)
	s.ok(err)
	equal(s, "model as read", text(s.model(model)), text(m))
}

func protectedModel(s *trial) {
	s.register("fraud", 2)
	s.patch("fraud", modelregistry.ModelPatch{Protect: ptr(true)})
	equal(s, "protected", s.model("fraud").Protected, true)
	s.refused([]mistake{
		{"deleted", func() error { return s.r.DeleteModel(s.ctx, "fraud", nil) }, modelregistry.ErrConflict, "protected"},
		{"deleted by force", func() error { return s.r.DeleteModel(s.ctx, "fraud", &modelregistry.DeleteOptions{Force: true}) }, modelregistry.ErrConflict, "protected"},
		{"renamed", func() error { _, err := s.r.RenameModel(s.ctx, "fraud", "new", nil); return err }, modelregistry.ErrConflict, "protected"},
	})
	s.register("fraud", 1)
	s.promote("fraud", 1, production)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 2, nil))
	s.patch("fraud", modelregistry.ModelPatch{Protect: ptr(false), Reason: "retired"})
	s.ok(s.r.DeleteModel(s.ctx, "fraud", &modelregistry.DeleteOptions{Force: true}))
}

func protectedAlias(s *trial) {
	s.register("fraud", 2)
	s.patch("fraud", modelregistry.ModelPatch{ProtectAliases: []string{"champion", "other"}})
	s.alias("fraud", "champion", 1) // it was free
	s.alias("fraud", "plain", 1)
	force := &modelregistry.DeleteOptions{Force: true}
	s.refused([]mistake{
		{"moved", func() error { _, err := s.r.SetAlias(s.ctx, "fraud", "champion", 2, nil); return err }, modelregistry.ErrConflict, "stays with version 1"},
		{"moved, as expected", func() error {
			_, err := s.r.SetAlias(s.ctx, "fraud", "champion", 2, &modelregistry.AliasOptions{IfCurrent: ptr(1)})
			return err
		}, modelregistry.ErrConflict, "protected"},
		{"taken by a registration", func() error {
			_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Aliases: []string{"plain", "champion"}})
			return err
		}, modelregistry.ErrConflict, "protected"},
		{"deleted", func() error { _, err := s.r.DeleteAlias(s.ctx, "fraud", "champion", nil); return err }, modelregistry.ErrConflict, "protected"},
		{"deleted with its version", func() error { return s.r.DeleteVersion(s.ctx, "fraud", 1, force) }, modelregistry.ErrConflict, "protected"},
		{"deleted with its model", func() error { return s.r.DeleteModel(s.ctx, "fraud", force) }, modelregistry.ErrConflict, "protected"},
	})
	s.alias("fraud", "champion", 1)
	s.alias("fraud", "plain", 2)
	s.patch("fraud", modelregistry.ModelPatch{UnprotectAliases: []string{"champion", "never"}, Reason: "a new champion"})
	equal(s, "protected", s.model("fraud").ProtectedAliases.String(), "other")
	s.alias("fraud", "champion", 2)
}

func protectionLifted(s *trial) {
	s.register("fraud", 1)
	s.patch("fraud", modelregistry.ModelPatch{Protect: ptr(true), ProtectAliases: []string{"champion"}})
	_, err := s.r.As("bob").UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{Protect: ptr(false), Reason: "merged into risk"})
	s.ok(err)
	e := s.last("fraud")
	equal(s, "event", e.Kind, modelregistry.ModelUpdated)
	equal(s, "actor", e.Actor, "bob")
	equal(s, "reason", e.Reason, "merged into risk")
	equal(s, "before", text(e.Before), `{"protected":true}`)
	equal(s, "after", len(e.After), 0)
	before := s.state()
	s.patch("fraud", modelregistry.ModelPatch{Protect: ptr(false), ProtectAliases: []string{"champion"}, Reason: "again"})
	s.unchanged(before)
}

func protectionMistakes(s *trial) {
	s.register("fraud", 1)
	s.patch("fraud", modelregistry.ModelPatch{Protect: ptr(true), ProtectAliases: []string{"champion"}})
	patch := func(p modelregistry.ModelPatch) func() error {
		return func() error { _, err := s.r.UpdateModel(s.ctx, "fraud", p); return err }
	}
	s.refused([]mistake{
		{"taken away without a reason", patch(modelregistry.ModelPatch{Protect: ptr(false)}), modelregistry.ErrInvalid, "Reason"},
		{"taken away with a blank reason", patch(modelregistry.ModelPatch{Protect: ptr(false), Reason: " "}), modelregistry.ErrInvalid, "Reason"},
		{"taken from an alias without a reason", patch(modelregistry.ModelPatch{UnprotectAliases: []string{"champion"}}), modelregistry.ErrInvalid, "Reason"},
		{"an alias that is none", patch(modelregistry.ModelPatch{ProtectAliases: []string{"a b"}}), modelregistry.ErrInvalid, "letters"},
		{"an alias both ways", patch(modelregistry.ModelPatch{ProtectAliases: []string{"a"}, UnprotectAliases: []string{"a"}, Reason: "x"}), modelregistry.ErrInvalid, "and not"},
		{"more aliases than can be", patch(modelregistry.ModelPatch{ProtectAliases: make([]string, 1001)}), modelregistry.ErrInvalid, "at most"},
	})
}

func policyCalls(s *trial) {
	s.register("fraud", 2)
	calls := map[string]func(ctx context.Context, model string, number int) error{
		"Plan": func(ctx context.Context, model string, number int) error {
			_, err := s.r.Plan(ctx, model, number, production, nil)
			return err
		},
		"RequestTransition": func(ctx context.Context, model string, number int) error {
			_, err := s.r.RequestTransition(ctx, model, number, production, modelregistry.RequestSpec{})
			return err
		},
		"ApprovalStatus": func(ctx context.Context, model string, number int) error {
			_, err := s.r.ApprovalStatus(ctx, model, number)
			return err
		},
		"PlanRetention": func(ctx context.Context, model string, _ int) error {
			_, err := s.r.PlanRetention(ctx, model, modelregistry.RetentionRules{KeepLast: 1})
			return err
		},
		"ApplyRetention": func(ctx context.Context, model string, _ int) error {
			_, err := s.r.ApplyRetention(ctx, &modelregistry.RetentionPlan{Model: model, Rules: modelregistry.RetentionRules{KeepLast: 1}, Delete: []*modelregistry.Version{{Number: 1}}}, nil)
			return err
		},
	}
	var mistakes []mistake
	for name, call := range calls {
		for _, model := range []string{"", "a/b", "\x00", "\xff", strings.Repeat("x", 257)} {
			mistakes = append(mistakes, mistake{fmt.Sprintf("%s of %.10q", name, model), func() error { return call(s.ctx, model, 1) }, modelregistry.ErrInvalid, "model name"})
		}
		mistakes = append(mistakes, mistake{name + " of none", func() error { return call(s.ctx, "none", 1) }, modelregistry.ErrNotFound, `"none"`})
		if strings.HasSuffix(name, "Retention") {
			continue
		}
		mistakes = append(mistakes,
			mistake{name + " of version -1", func() error { return call(s.ctx, "fraud", -1) }, modelregistry.ErrInvalid, "from 1"},
			mistake{name + " of version 3", func() error { return call(s.ctx, "fraud", 3) }, modelregistry.ErrNotFound, "version 3"})
	}
	s.refused(mistakes)
	before := s.state()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, call := range calls {
		if err := call(ctx, "fraud", 1); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	s.unchanged(before)
}

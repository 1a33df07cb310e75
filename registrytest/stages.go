package registrytest

import (
	"github.com/modelregistry-go/modelregistry"
)

const (
	none       = modelregistry.None
	staging    = modelregistry.Staging
	production = modelregistry.Production
	archived   = modelregistry.Archived
)

var stagePromises = []promise{
	{"Promote archives who held the stage, and returns it", promoteArchives},
	{"a promotion happens only if the expected version holds the stage", promoteExpecting},
	{"stages are read in any case", stageCase},
	{"a version goes to any stage by Transition", transitions},
	{"several share a stage only if that was asked for", keepOthers},
	{"a promotion of who holds the stage already changes nothing", promoteAgain},
	{"a version that leaves Production for Staging holds one stage", moveDown},
}

func promoteArchives(s *trial) {
	s.register("fraud", 3)
	p := s.promote("fraud", 1, production)
	equal(s, "stage", p.Version.Stage, production)
	equal(s, "displaced", len(p.Displaced), 0)
	p, err := s.r.Promote(s.ctx, "fraud", 2, production, &modelregistry.PromoteOptions{Reason: "better"})
	s.ok(err)
	equal(s, "promoted", p.Version.Number, 2)
	equal(s, "displaced", len(p.Displaced), 1)
	equal(s, "displaced version", p.Displaced[0].Number, 1)
	equal(s, "its stage", p.Displaced[0].Stage, archived)
	equal(s, "promoted as read", text(s.version("fraud", 2)), text(p.Version))
	equal(s, "displaced as read", text(s.version("fraud", 1)), text(p.Displaced[0]))
	s.told(func() {
		if !p.Version.StageSince.After(p.Version.Created) || !p.Version.Updated.Equal(p.Version.StageSince) {
			s.Fatalf("times of %s", text(p.Version))
		}
	})
	s.promote("fraud", 3, staging)
	equal(s, "Production", s.holders("fraud", production), "2")
	equal(s, "Staging", s.holders("fraud", staging), "3")
	equal(s, "holders", text(s.model("fraud").Holders), `{"Production":[2],"Staging":[3]}`)
	s.told(func() {
		last := s.events(modelregistry.EventQuery{Model: "fraud", Version: 2, Newest: true, Limit: 1})[0]
		equal(s, "event", last.Kind, modelregistry.StageChanged)
		equal(s, "reason", last.Reason, "better")
		equal(s, "before", string(last.Before["stage"]), `"None"`)
		equal(s, "after", string(last.After["stage"]), `"Production"`)
		equal(s, "holders in the event", text(last.Holders), `{"Production":{"before":[1],"after":[2]}}`)
	})
}

func promoteExpecting(s *trial) {
	s.register("fraud", 3)
	expect := func(number int) *modelregistry.PromoteOptions {
		return &modelregistry.PromoteOptions{IfCurrent: &number}
	}
	_, err := s.r.Promote(s.ctx, "fraud", 1, production, expect(0))
	s.ok(err)
	before := s.state()
	for _, wrong := range []int{0, 2, 3, 99} {
		_, err = s.r.Promote(s.ctx, "fraud", 2, production, expect(wrong))
		equal(s, "stage of the conflict", s.conflict(err, 1).Stage, production)
		s.fails(err, modelregistry.ErrConflict, "version 1")
	}
	_, err = s.r.Promote(s.ctx, "fraud", 2, staging, expect(1))
	s.conflict(err)
	s.unchanged(before)
	p, err := s.r.Promote(s.ctx, "fraud", 2, production, expect(1))
	s.ok(err)
	equal(s, "displaced", p.Displaced[0].Number, 1)
	_, err = s.r.Transition(s.ctx, "fraud", 3, production, &modelregistry.TransitionOptions{Keep: true, IfCurrent: ptr(2)})
	s.ok(err)
	_, err = s.r.Promote(s.ctx, "fraud", 1, production, expect(3)) // it is not alone
	s.conflict(err, 2, 3)
	_, err = s.r.Rollback(s.ctx, "fraud", production, &modelregistry.RollbackOptions{IfCurrent: ptr(2)})
	s.conflict(err, 2, 3)
}

func stageCase(s *trial) {
	s.register("fraud", 2)
	p := s.promote("fraud", 1, "pRODUCTION")
	equal(s, "stage", p.Version.Stage, production)
	equal(s, "resolved", s.names("models:/fraud/PRODUCTION"), 1)
	_, err := s.r.Transition(s.ctx, "fraud", 1, "archived", nil)
	s.ok(err)
	_, err = s.r.Transition(s.ctx, "fraud", 1, "", nil) // the zero Stage is None
	s.ok(err)
	equal(s, "stage", s.version("fraud", 1).Stage, none)
	_, err = s.r.Transition(s.ctx, "fraud", 1, "NONE", nil)
	s.ok(err)
}

func transitions(s *trial) {
	s.register("fraud", 2)
	for _, to := range []modelregistry.Stage{staging, production, archived, none, production, staging, none, archived, archived} {
		p, err := s.r.Transition(s.ctx, "fraud", 1, to, nil)
		s.ok(err)
		equal(s, "stage", p.Version.Stage, to)
		equal(s, "as read", s.version("fraud", 1).Stage, to)
		equal(s, "displaced", len(p.Displaced), 0)
	}
	_, err := s.r.Transition(s.ctx, "fraud", 1, production, nil)
	s.ok(err)
	p, err := s.r.Transition(s.ctx, "fraud", 2, production, nil)
	s.ok(err)
	equal(s, "displaced", p.Displaced[0].Number, 1)
	equal(s, "Production", s.holders("fraud", production), "2")
}

func keepOthers(s *trial) {
	s.register("fraud", 4)
	keep := &modelregistry.TransitionOptions{Keep: true}
	for number := 1; number <= 3; number++ {
		p, err := s.r.Transition(s.ctx, "fraud", number, staging, keep)
		s.ok(err)
		equal(s, "displaced", len(p.Displaced), 0)
	}
	equal(s, "Staging", s.holders("fraud", staging), "1 2 3")
	equal(s, "newest in Staging", s.names("models:/fraud/Staging"), 3)
	p := s.promote("fraud", 4, staging)
	equal(s, "displaced", len(p.Displaced), 3)
	for i, v := range p.Displaced {
		equal(s, "displaced in order", v.Number, i+1)
	}
	equal(s, "Staging", s.holders("fraud", staging), "4")
	for number := 1; number <= 2; number++ {
		_, err := s.r.Transition(s.ctx, "fraud", number, production, keep)
		s.ok(err)
	}
	p = s.promote("fraud", 1, production) // one of several that hold it: now alone
	equal(s, "displaced", len(p.Displaced), 1)
	equal(s, "Production", s.holders("fraud", production), "1")
}

func promoteAgain(s *trial) {
	s.register("fraud", 1)
	s.promote("fraud", 1, production)
	before := s.state()
	p := s.promote("fraud", 1, production)
	equal(s, "displaced", len(p.Displaced), 0)
	equal(s, "version", text(p.Version), text(s.version("fraud", 1)))
	s.unchanged(before)
}

func moveDown(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, staging)
	p := s.promote("fraud", 1, staging)
	equal(s, "displaced", p.Displaced[0].Number, 2)
	equal(s, "Production", s.holders("fraud", production), "")
	equal(s, "Staging", s.holders("fraud", staging), "1")
	equal(s, "models:/fraud/Production", s.names("models:/fraud/Production"), 0)
	s.told(func() {
		last := s.events(modelregistry.EventQuery{Model: "fraud", Newest: true, Limit: 1})[0]
		equal(s, "holders in the event", text(last.Holders), `{"Production":{"before":[1]},"Staging":{"before":[2],"after":[1]}}`)
	})
}

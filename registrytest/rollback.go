package registrytest

import (
	"github.com/modelregistry-go/modelregistry"
)

var rollbackPromises = []promise{
	{"Rollback restores who held the stage, and says who that is", rollbackOnce},
	{"Rollback again goes one change further back", rollbackTwice},
	{"a promotion after a rollback begins anew", rollbackThenPromote},
	{"Rollback passes over versions that were deleted", rollbackDeleted},
	{"Rollback restores all who shared the stage", rollbackShared},
	{"Rollback restores who was archived without a successor", rollbackRetired},
	{"Rollback of one stage leaves the other alone", rollbackStages},
	{"Rollback where nobody held the stage before is a conflict", rollbackNobody},
	{"Rollback survives a rename, and does not reach a deleted model's history", rollbackRenamed},
	{"Rollback says in the history that it was one", rollbackEvent},
}

func rollbackOnce(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, production)
	p, err := s.r.Rollback(s.ctx, "fraud", "production", &modelregistry.RollbackOptions{IfCurrent: ptr(2)})
	s.ok(err)
	equal(s, "restored", p.Version.Number, 1)
	equal(s, "restored as read", text(s.version("fraud", 1)), text(p.Version))
	equal(s, "displaced", len(p.Displaced), 1)
	equal(s, "displaced version", p.Displaced[0].Number, 2)
	equal(s, "its stage", s.version("fraud", 2).Stage, archived)
	equal(s, "Production", s.holders("fraud", production), "1")
}

func rollbackTwice(s *trial) {
	s.register("fraud", 5)
	for number := 1; number <= 5; number++ {
		s.promote("fraud", number, production)
	}
	for want := 4; want >= 1; want-- {
		equal(s, "restored", s.rollback("fraud", production).Version.Number, want)
	}
	before := s.state()
	_, err := s.r.Rollback(s.ctx, "fraud", production, nil)
	s.conflict(err, 1)
	s.unchanged(before)
}

func rollbackThenPromote(s *trial) {
	s.register("fraud", 5)
	for number := 1; number <= 3; number++ {
		s.promote("fraud", number, production)
	}
	equal(s, "restored", s.rollback("fraud", production).Version.Number, 2)
	s.promote("fraud", 4, production)
	equal(s, "restored after a promotion", s.rollback("fraud", production).Version.Number, 2)
	equal(s, "restored further back", s.rollback("fraud", production).Version.Number, 1)
	s.promote("fraud", 5, production)
	s.promote("fraud", 3, production)
	equal(s, "restored after two promotions", s.rollback("fraud", production).Version.Number, 5)
	equal(s, "restored further back", s.rollback("fraud", production).Version.Number, 1)
}

func rollbackDeleted(s *trial) {
	s.register("fraud", 4)
	for number := 1; number <= 4; number++ {
		s.promote("fraud", number, production)
	}
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 3, nil))
	equal(s, "restored", s.rollback("fraud", production).Version.Number, 2)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 2, &modelregistry.DeleteOptions{Force: true})) // it holds the stage
	equal(s, "Production", s.holders("fraud", production), "")
	equal(s, "restored after who held it was deleted", s.rollback("fraud", production).Version.Number, 1)
	_, err := s.r.Rollback(s.ctx, "fraud", production, nil)
	s.conflict(err, 1)
}

func rollbackShared(s *trial) {
	s.register("fraud", 4)
	for number := 1; number <= 3; number++ {
		_, err := s.r.Transition(s.ctx, "fraud", number, staging, &modelregistry.TransitionOptions{Keep: true})
		s.ok(err)
	}
	s.promote("fraud", 4, staging)
	p := s.rollback("fraud", staging)
	equal(s, "Staging", s.holders("fraud", staging), "1 2 3")
	equal(s, "restored", p.Version.Number, 3)
	equal(s, "displaced", p.Displaced[0].Number, 4)
	p = s.rollback("fraud", staging) // the third had joined two
	equal(s, "Staging", s.holders("fraud", staging), "1 2")
	equal(s, "displaced", p.Displaced[0].Number, 3)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
	s.promote("fraud", 4, staging)
	s.rollback("fraud", staging)
	equal(s, "Staging without the deleted", s.holders("fraud", staging), "2")
}

func rollbackRetired(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, production)
	_, err := s.r.Transition(s.ctx, "fraud", 2, archived, nil)
	s.ok(err)
	p := s.rollback("fraud", production)
	equal(s, "restored", p.Version.Number, 2)
	equal(s, "displaced", len(p.Displaced), 0)
	equal(s, "restored further back", s.rollback("fraud", production).Version.Number, 1)
}

func rollbackStages(s *trial) {
	s.register("fraud", 3)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, staging)
	s.promote("fraud", 2, production) // out of Staging
	s.promote("fraud", 3, staging)
	equal(s, "restored", s.rollback("fraud", production).Version.Number, 1)
	equal(s, "version 2", s.version("fraud", 2).Stage, archived)
	equal(s, "Staging", s.holders("fraud", staging), "3")
	equal(s, "restored in Staging", s.rollback("fraud", staging).Version.Number, 2)
	equal(s, "Production", s.holders("fraud", production), "1")
}

func rollbackNobody(s *trial) {
	s.register("fraud", 2)
	before := s.state()
	_, err := s.r.Rollback(s.ctx, "fraud", production, nil)
	s.conflict(err)
	s.unchanged(before)
	s.promote("fraud", 1, production)
	_, err = s.r.Rollback(s.ctx, "fraud", production, nil)
	s.conflict(err, 1)
	_, err = s.r.Rollback(s.ctx, "fraud", staging, nil)
	s.conflict(err)
}

func rollbackRenamed(s *trial) {
	s.register("old", 2)
	s.promote("old", 1, production)
	s.promote("old", 2, production)
	_, err := s.r.RenameModel(s.ctx, "old", "new", nil)
	s.ok(err)
	equal(s, "restored", s.rollback("new", production).Version.Number, 1)
	s.ok(s.r.DeleteModel(s.ctx, "new", &modelregistry.DeleteOptions{Force: true}))
	s.register("new", 2)
	s.promote("new", 2, production)
	_, err = s.r.Rollback(s.ctx, "new", production, nil)
	s.conflict(err, 2)
}

func rollbackEvent(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, production)
	_, err := s.r.As("bob").Rollback(s.ctx, "fraud", production, &modelregistry.RollbackOptions{Reason: "page at night"})
	s.ok(err)
	events := s.events(modelregistry.EventQuery{Model: "fraud", Newest: true, Limit: 2})
	equal(s, "kinds", kinds(events), "stage.rolledback stage.rolledback")
	equal(s, "version that got it", events[0].Version, 1)
	equal(s, "version that gave it up", events[1].Version, 2)
	for _, e := range events {
		equal(s, "actor", e.Actor, "bob")
		equal(s, "reason", e.Reason, "page at night")
	}
	equal(s, "holders", text(events[0].Holders), `{"Production":{"before":[2],"after":[1]}}`)
}

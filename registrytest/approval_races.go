package registrytest

import (
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

func approvalRaceLast(s *trial) {
	s.register("fraud", 4)
	for number := 1; number <= 4; number++ {
		q := s.ask("fraud", number, production, modelregistry.RequestSpec{Need: 2})
		s.approve(q, "bob", modelregistry.RequestPending)
		errs := together(2, func(i int) error {
			_, err := s.r.As([]string{"eve", "dan"}[i]).Approve(s.ctx, q.ID, "")
			return err
		})
		s.winner(errs, modelregistry.ErrConflict)
		equal(s, "Production", s.holders("fraud", production), fmt.Sprint(number))
	}
	handed := 0
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud"}) {
		if _, ok := e.Holders[production]; ok {
			handed++
		}
	}
	equal(s, "changes of hands", handed, 4)
}

func approvalRaceMany(s *trial) {
	const voters, need = 16, 10
	s.register("fraud", 1)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{Need: need})
	errs := together(voters, func(i int) error {
		_, err := s.r.As(fmt.Sprint("voter", i)).Approve(s.ctx, q.ID, "")
		return err
	})
	voted := 0
	for _, err := range errs {
		if err == nil {
			voted++
		} else {
			s.fails(err, modelregistry.ErrConflict, "approved since")
		}
	}
	equal(s, "votes that count", voted, need)
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "votes", len(read.Votes), need)
	equal(s, "state", read.State, modelregistry.RequestApproved)
}

func approvalRacePromotion(s *trial) {
	for round := range 4 {
		model := fmt.Sprint("m", round)
		s.register(model, 3)
		s.promote(model, 1, production)
		q := s.ask(model, 2, production, modelregistry.RequestSpec{})
		errs := together(2, func(i int) error {
			if i == 0 {
				_, err := s.r.As("bob").Approve(s.ctx, q.ID, "")
				return err
			}
			_, err := s.r.Promote(s.ctx, model, 3, production, nil)
			return err
		})
		s.ok(errors.Join(errs...))
		equal(s, "Production", s.holders(model, production), "3")
		read, err := s.r.Request(s.ctx, q.ID)
		s.ok(err)
		second := s.version(model, 2).Stage
		if read.State == modelregistry.RequestApproved && second != archived || read.State == modelregistry.RequestFailed && second != none {
			s.Fatalf("the request is %s, version 2 in %s", read.State, second)
		}
	}
}

func approvalRaceDeletion(s *trial) {
	s.register("fraud", 4)
	for number := 1; number <= 4; number++ {
		q := s.ask("fraud", number, production, modelregistry.RequestSpec{})
		errs := together(2, func(i int) error {
			if i == 0 {
				_, err := s.r.As("bob").Approve(s.ctx, q.ID, "")
				return err
			}
			return s.r.DeleteVersion(s.ctx, "fraud", number, nil)
		})
		read, err := s.r.Request(s.ctx, q.ID)
		s.ok(err)
		_, gone := s.r.Version(s.ctx, "fraud", number)
		switch read.State {
		case modelregistry.RequestApproved:
			s.ok(errors.Join(errs[0], gone))
			s.fails(errs[1], modelregistry.ErrConflict, "Production")
		case modelregistry.RequestFailed:
			s.ok(errs[1])
			s.fails(gone, modelregistry.ErrNotFound, "")
			s.ended(read, "deleted")
		default:
			s.Fatalf("the request is %s", read.State)
		}
	}
}

package registrytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var racePromises = []promise{
	{"promotions at once leave one in Production, and displace each version once", racePromote},
	{"of promotions that expect the same version one wins", raceExpecting},
	{"of alias changes that expect the same version one wins", raceAlias},
	{"registrations at once get the numbers 1, 2, 3 …", raceRegister},
	{"a model is created once, and a name taken once", raceNames},
	{"an alias set beside a deletion never points at nothing", raceDelete},
	{"readers always find one version in Production", raceReaders},
	{"Follow misses nothing that several writers write", raceFollow},
	{"two edges at once never close a cycle", raceLink},
}

// together runs fn for 0 to n-1 at once and returns their errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// winner is the one i without an error; all others have to be want.
func (s *trial) winner(errs []error, want error) int {
	s.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			s.Fatalf("%d and %d both won", winner, i)
		case err == nil:
			winner = i
		default:
			s.fails(err, want, "")
		}
	}
	if winner < 0 {
		s.Fatalf("nobody won: %v", errors.Join(errs...))
	}
	return winner
}

func racePromote(s *trial) {
	const n = 8
	s.register("fraud", n)
	displaced := make([][]*modelregistry.Version, n)
	for round := range 3 {
		errs := together(n, func(i int) error {
			p, err := s.r.Promote(s.ctx, "fraud", i+1, production, nil)
			if err == nil {
				displaced[i] = p.Displaced
			}
			return err
		})
		s.ok(errors.Join(errs...))
		var gone []int
		for _, d := range displaced {
			for _, v := range d {
				gone = append(gone, v.Number)
			}
		}
		// Who held it from the round before is displaced too, unless it was the first again.
		if len(gone) != n-1 && (round == 0 || len(gone) != n) {
			s.Fatalf("%d promotions displaced %v", n, gone)
		}
		holder := s.holders("fraud", production)
		equal(s, "Production", holder, fmt.Sprint(s.names("models:/fraud/Production")))
	}
}

func raceExpecting(s *trial) {
	const n = 8
	s.register("fraud", n+1)
	s.promote("fraud", n+1, production)
	errs := together(n, func(i int) error {
		_, err := s.r.Promote(s.ctx, "fraud", i+1, production, &modelregistry.PromoteOptions{IfCurrent: ptr(n + 1)})
		return err
	})
	won := s.winner(errs, modelregistry.ErrConflict) + 1
	equal(s, "Production", s.holders("fraud", production), fmt.Sprint(won))
	for _, err := range errs {
		if err != nil {
			s.conflict(err, won)
		}
	}
}

func raceAlias(s *trial) {
	const n = 8
	s.register("fraud", n)
	for round := range 2 {
		expect := s.names("models:/fraud@champion")
		errs := together(n, func(i int) error {
			number := 1 + (i+round)%n
			if number == expect {
				return &modelregistry.Error{Op: "SetAlias", Err: &modelregistry.Conflict{Current: []int{number}}} // it would change nothing
			}
			_, err := s.r.SetAlias(s.ctx, "fraud", "champion", number, &modelregistry.AliasOptions{IfCurrent: &expect})
			return err
		})
		won := 1 + (s.winner(errs, modelregistry.ErrConflict)+round)%n
		equal(s, "alias", s.names("models:/fraud@champion"), won)
	}
}

func raceRegister(s *trial) {
	const n = 12
	numbers := make([]int, n)
	semvers := make([]string, n)
	errs := together(n, func(i int) error {
		spec := modelregistry.VersionSpec{Bump: modelregistry.BumpPatch, Aliases: []string{"newest"}}
		if i%3 == 0 {
			spec.Files = tree(map[string]string{"same": "content", "own": fmt.Sprint(i)})
		}
		v, err := s.r.Register(s.ctx, "fraud", spec)
		if err == nil {
			numbers[i], semvers[i] = v.Number, v.Semver.String()
		}
		return err
	})
	s.ok(errors.Join(errs...))
	slices.Sort(numbers)
	for i, number := range numbers {
		equal(s, "number", number, i+1)
	}
	slices.Sort(semvers)
	equal(s, "semantic versions", len(slices.Compact(semvers)), n)
	equal(s, "alias of the newest", s.names("models:/fraud@newest"), n)
}

func raceNames(s *trial) {
	const n = 6
	s.winner(together(n, func(int) error {
		_, err := s.r.CreateModel(s.ctx, "new", modelregistry.ModelSpec{})
		return err
	}), modelregistry.ErrExists)
	for i := range n {
		s.register(fmt.Sprintf("m%d", i), 1)
	}
	won := s.winner(together(n, func(i int) error {
		_, err := s.r.RenameModel(s.ctx, fmt.Sprintf("m%d", i), "taken", nil)
		return err
	}), modelregistry.ErrExists)
	equal(s, "old name", s.names(fmt.Sprintf("models:/m%d/1", won)), 0)
	errs := together(2, func(i int) error { // names change places, which needs both to be free
		_, err := s.r.RenameModel(s.ctx, []string{"taken", "new"}[i], []string{"new", "taken"}[i], nil)
		return err
	})
	for _, err := range errs {
		s.fails(err, modelregistry.ErrExists, "")
	}
}

func raceDelete(s *trial) {
	for number := 1; number <= 6; number++ {
		s.register("fraud", 1)
		errs := together(3, func(i int) error {
			switch i {
			case 0:
				return s.r.DeleteVersion(s.ctx, "fraud", number, nil)
			case 1:
				_, err := s.r.SetAlias(s.ctx, "fraud", "x", number, nil)
				return err
			}
			_, err := s.r.Promote(s.ctx, "fraud", number, production, nil)
			return err
		})
		if errs[0] == nil {
			s.fails(errs[1], modelregistry.ErrNotFound, "")
			s.fails(errs[2], modelregistry.ErrNotFound, "")
		} else {
			s.fails(errs[0], modelregistry.ErrConflict, "")
			s.ok(errors.Join(errs[1:]...))
		}
	}
}

func raceReaders(s *trial) {
	s.register("fraud", 3)
	s.promote("fraud", 1, production)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40 {
			if _, err := s.r.Promote(s.ctx, "fraud", 1+(i+1)%3, production, nil); err != nil {
				s.Error(err)
				return
			}
		}
	}()
	defer func() { <-done }() // it must not outlive the trial
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		v, err := s.r.Resolve(s.ctx, "models:/fraud/Production")
		s.ok(err)
		equal(s, "stage of what was resolved", v.Stage, production)
		equal(s, "versions in Production", len(strings.Fields(s.holders("fraud", production))), 1)
		equal(s, "holders", len(s.model("fraud").Holders[production]), 1)
	}
}

func raceFollow(s *trial) {
	const writers, rounds = 4, 15
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute)
	defer cancel()
	var seen []*modelregistry.Event
	ended := make(chan error, 1)
	go func() {
		cursor := ""
		for {
			for e, err := range s.r.Follow(ctx, cursor) {
				if err != nil {
					ended <- err
					return
				}
				seen = append(seen, e)
				if cursor = e.Cursor; e.Kind == modelregistry.ModelDeleted {
					ended <- nil
					return
				}
				if len(seen)%5 == 0 {
					break // and go on from the cursor
				}
			}
			if ctx.Err() != nil {
				ended <- ctx.Err()
				return
			}
		}
	}()
	s.register("shared", 1)
	s.ok(errors.Join(together(writers, func(i int) error {
		for n := range rounds {
			if _, err := s.r.Register(s.ctx, fmt.Sprintf("m%d", i), modelregistry.VersionSpec{}); err != nil {
				return err
			}
			if _, err := s.r.SetAlias(s.ctx, "shared", fmt.Sprintf("a%d-%d", i, n), 1, nil); err != nil {
				return err
			}
		}
		return nil
	})...))
	_, err := s.r.CreateModel(s.ctx, "last", modelregistry.ModelSpec{})
	s.ok(err)
	s.ok(s.r.DeleteModel(s.ctx, "last", nil))
	s.ok(<-ended)
	all := s.events(modelregistry.EventQuery{})
	equal(s, "events that were followed", len(seen), len(all))
	for i := range all {
		equal(s, "event that was followed", seen[i].Hash, all[i].Hash)
	}
}

func raceLink(s *trial) {
	for round := range 4 {
		a, b, c := dataset(fmt.Sprint("a", round)), dataset(fmt.Sprint("b", round)), dataset(fmt.Sprint("c", round))
		edges := []modelregistry.Edge{edge(a, "from", b), edge(b, "from", c), edge(c, "from", a)}
		errs := together(3, func(i int) error { return s.r.Link(s.ctx, nil, edges[i]) })
		failed := 0
		for _, err := range errs {
			if err != nil {
				s.fails(err, modelregistry.ErrInvalid, "cycle")
				failed++
			}
		}
		equal(s, "edges refused", failed, 1)
	}
}

package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry/backend"
)

var closePromises = []promise{
	{"calls after Close answer ErrClosed", callsAfterClose},
	{"Close waits for an Update under way", closeWaitsForUpdate},
	{"Close waits for a View under way", closeWaitsForView},
	{"Close beside Updates loses none that succeeded", closeBesideUpdates},
	{"Close of one handle leaves the others, and Close of all the rows", closeOne},
	{"Close without Declare succeeds", closeUnused},
}

func callsAfterClose(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"))
	if err := b.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
	fn := func() error { s.Error("a closed backend calls no fn"); return nil }
	_, err := b.Find(s.ctx, backend.Query{Table: "cells"})
	s.wants(err, backend.ErrClosed, "Find after Close")
	s.wants(b.View(s.ctx, func(backend.Reader) error { return fn() }), backend.ErrClosed, "View after Close")
	s.wants(b.Update(s.ctx, nil, func(backend.Tx) error { return fn() }), backend.ErrClosed, "Update after Close")
	s.wants(b.Update(s.ctx, []string{"lock"}, func(backend.Tx) error { return fn() }), backend.ErrClosed, "Update with a lock after Close")
	s.wants(b.Declare(s.ctx, backend.Schema{Format: 1, Tables: []backend.Table{cells}}), backend.ErrClosed, "Declare after Close")
	if m, ok := b.(backend.Memoizer); ok {
		_, err := m.FindMemo(s.ctx, backend.Query{Table: "cells"}, func(backend.Row) (any, error) { return nil, fn() })
		s.wants(err, backend.ErrClosed, "FindMemo after Close")
	}
	if err := b.Close(); err != nil && !errors.Is(err, backend.ErrClosed) {
		s.Errorf("Close again succeeds or answers ErrClosed: %v", err)
	}
}

func closeWaitsForUpdate(s *store) {
	hs := s.handles(2, cells)
	s.closeWaits(hs[0], func(wait func()) error {
		return hs[0].Update(s.ctx, []string{"lock"}, func(tx backend.Tx) error {
			wait()
			return tx.Put("cells", full("a"))
		})
	})
	if b := s.another(hs[0], hs[1]); b != nil {
		s.has(b, "cells", "an Update that Close waited for is committed", string(full("a").Doc))
	}
}

func closeWaitsForView(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	s.closeWaits(b, func(wait func()) error {
		return b.View(s.ctx, func(r backend.Reader) error {
			wait()
			rows, err := reads(r)
			if err == nil && len(rows) != 14 {
				err = fmt.Errorf("%d rows instead of 14", len(rows))
			}
			return err
		})
	})
}

// closeWaits closes b in the middle of a call.
func (s *store) closeWaits(b backend.Backend, call func(wait func()) error) {
	s.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	calling := started(func() {
		err := call(func() {
			once.Do(func() { close(entered) })
			<-release
		})
		if err != nil {
			s.Errorf("a call that was under way when Close was called: %v", err)
		}
	})
	s.entered(entered, calling, "a call")
	closing := started(func() {
		if err := b.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	if within(negative, closing) {
		s.Error("Close waits for the calls under way; it returned in the middle of one")
	}
	close(release)
	s.await(calling, "a call under way when Close was called")
	s.await(closing, "Close")
	_, err := b.Find(s.ctx, backend.Query{Table: "cells"})
	s.wants(err, backend.ErrClosed, "Find after a Close that waited")
}

func closeBesideUpdates(s *store) {
	hs := s.handles(2, cells)
	b := hs[0]
	counts := make([]int64, racers)
	var begun sync.WaitGroup
	var over atomic.Bool
	begun.Add(racers)
	updating := started(func() {
		err := race(racers, func(g int) error {
			for n := int64(1); ; n++ {
				late := over.Load()
				err := b.Update(s.ctx, []string{fmt.Sprint("lock", g)}, func(tx backend.Tx) error {
					return tx.Put("cells", cell(fmt.Sprint("g", g), "", n))
				})
				if n == 1 {
					begun.Done() // whether it succeeded or not
				}
				if errors.Is(err, backend.ErrClosed) {
					return nil
				}
				if err == nil && late {
					return errors.New("an Update after Close answers ErrClosed; it succeeded")
				}
				if err != nil {
					return fmt.Errorf("an Update beside Close succeeds or answers ErrClosed: %w", err)
				}
				counts[g] = n
			}
		})
		if err != nil {
			s.Error(err)
		}
	})
	begun.Wait()
	if err := b.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
	over.Store(true)
	s.await(updating, "Updates beside Close")
	after := s.another(b, hs[1])
	if after == nil {
		return // nobody can look any more
	}
	var want []string
	for g, n := range counts {
		want = append(want, doc(fmt.Sprint("g", g), "", n))
	}
	s.has(after, "cells", "the Updates that succeeded before Close are there, and no other", want...)
}

func closeOne(s *store) {
	if s.InMemory {
		return
	}
	hs := s.handles(2, cells)
	s.insert(hs[0], "cells", full("a"), full("b"), full("c"))
	if !same(hs[0], hs[1]) {
		if err := hs[0].Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		s.intact(hs[1], "Close of one handle leaves the others open")
		s.put(hs[1], "cells", full("a"))
	}
	for range 2 {
		if err := hs[1].Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		hs[1] = s.declared(cells)
		s.intact(hs[1], "rows are there when all handles were closed and one is opened anew")
		s.put(hs[1], "cells", full("b"))
	}
}

// another is a handle on the store of closed, to look with after that was closed: other, if it is open, or one that is
// opened anew; nil if the store has ended with it.
func (s *store) another(closed, other backend.Backend) backend.Backend {
	s.Helper()
	if !same(closed, other) {
		return other
	}
	if s.InMemory {
		return nil
	}
	return s.declared(cells)
}

func closeUnused(s *store) {
	if err := s.handle().Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
}

package backendtest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

var contextPromises = []promise{
	{"a context that has ended does nothing and is answered", endedContext},
	{"a context that ends while an Update waits for a lock is answered at once", endsWaiting},
	{"a context that ends before its Update's turn fails no other Update", endsBesideOthers},
	{"a context that ends in the middle of a long Find is answered soon", longFind},
}

// endsBesideOthers gathers Updates behind one that is under way, so that a backend which lets several share a transaction
// has them share one, and ends the contexts of some from within the first of the others.
func endsBesideOthers(s *store) {
	const rounds, several = 20, 6
	b := s.declared(cells)
	for round := range rounds {
		entered, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		holding := started(func() {
			err := b.Update(s.ctx, []string{"held"}, func(tx backend.Tx) error {
				once.Do(func() {
					close(entered)
					<-release
				})
				return tx.Put("cells", cell("held", "", 1))
			})
			if err != nil {
				s.Errorf("the Update that others waited for: %v", err)
			}
		})
		s.entered(entered, holding, "an Update")
		ending, cancel := context.WithCancel(s.ctx)
		var called, waiting sync.WaitGroup
		for i := range several {
			name := string(rune('a' + i))
			called.Add(1)
			waiting.Go(func() {
				ctx, ends := s.ctx, i%3 == 2
				if ends {
					ctx = ending
				}
				called.Done()
				err := b.Update(ctx, []string{name}, func(tx backend.Tx) error {
					if !ends {
						cancel()
					}
					return tx.Put("cells", cell(name, "", int64(round)))
				})
				if err != nil && !(ends && errors.Is(err, context.Canceled)) {
					s.Errorf("an Update beside one whose context ended: %v", err)
				}
			})
		}
		called.Wait()
		for range 1000 {
			runtime.Gosched() // most of them come to wait; whether they do decides what is tried, not what is right
		}
		close(release)
		s.await(holding, "the Update that others waited for")
		s.await(started(waiting.Wait), "Updates beside one whose context ended")
		cancel()
	}
}

func endedContext(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	late, cancel := context.WithDeadline(s.ctx, time.Now().Add(-time.Hour))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		_, err := b.Find(ctx, backend.Query{Table: "cells"})
		s.wants(err, ctx.Err(), "Find with a context that has ended")
		err = b.View(ctx, func(backend.Reader) error { s.Error("a View whose context has ended calls no fn"); return nil })
		s.wants(err, ctx.Err(), "View with a context that has ended")
		err = b.Update(ctx, []string{"lock"}, func(tx backend.Tx) error {
			s.Error("an Update whose context has ended calls no fn")
			return tx.Delete("cells", id("a"))
		})
		s.wants(err, ctx.Err(), "Update with a context that has ended")
		more := cells
		more.Name = "more"
		err = b.Declare(ctx, backend.Schema{Format: 2, Tables: []backend.Table{cells, more}})
		s.wants(err, ctx.Err(), "Declare with a context that has ended")
		if m, ok := b.(backend.Memoizer); ok {
			_, err := m.FindMemo(ctx, backend.Query{Table: "cells"}, func(backend.Row) (any, error) { return nil, nil })
			s.wants(err, ctx.Err(), "FindMemo with a context that has ended")
		}
	}
	s.intact(b, "a call whose context has ended does nothing")
	s.put(b, "cells", full("a")) // format 1 still
}

// endsWaiting keeps a lock until the Updates that wait for it have given up.
func endsWaiting(s *store) {
	const promptly = 3 * time.Second
	hs := s.handles(2, cells)
	for _, b := range hs {
		entered, release := make(chan struct{}), make(chan struct{})
		first := true
		holding := started(func() {
			err := hs[0].Update(s.ctx, []string{"lock"}, func(tx backend.Tx) error {
				if first {
					first = false
					close(entered)
					<-release
				}
				return tx.Put("cells", cell("held", "", 1))
			})
			if err != nil {
				s.Errorf("the Update that others waited for: %v", err)
			}
		})
		s.entered(entered, holding, "an Update")
		deadline, cancel1 := context.WithTimeout(s.ctx, negative)
		cancelled, cancel2 := context.WithCancel(s.ctx)
		var waiting sync.WaitGroup
		for _, ctx := range []context.Context{deadline, cancelled} {
			waiting.Go(func() {
				err := b.Update(ctx, []string{"lock"}, func(tx backend.Tx) error { return tx.Put("cells", cell("waited", "", 1)) })
				if !errors.Is(err, ctx.Err()) || err == nil {
					s.Errorf("an Update whose context ends while it waits for a lock answers ctx.Err(), %v; got %v", ctx.Err(), err)
				}
			})
		}
		<-deadline.Done()
		cancel2()
		waited := started(waiting.Wait)
		prompt := within(promptly, waited)
		if !prompt {
			s.Errorf("an Update whose context ended while it waited for a lock still waits %v later", promptly)
		}
		cancel1()
		close(release)
		s.await(holding, "the Update that others waited for")
		s.await(waited, "Updates that waited for a lock")
		if !prompt {
			return
		}
		s.has(hs[0], "cells", "an Update that gave up waiting leaves no trace", doc("held", "", 1))
	}
	s.put(hs[1], "cells", cell("held", "", 2))
}

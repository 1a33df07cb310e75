package backendtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

var updatePromises = []promise{
	{"an Update sees its own changes", ownChanges},
	{"an Update is visible on every handle when it returns", visibleAtOnce},
	{"an Update beside others is visible on every handle when it returns", visibleBeside},
	{"an error leaves no trace, and is answered", errorNoTrace},
	{"a panic leaves no trace, and goes on", panicNoTrace},
	{"the end of the context in fn leaves no trace", cancelNoTrace},
	{"a failed call dooms the Update, though fn swallows the error", doomed},
	{"an Update that fails takes none of those beside it along", failsAlone},
	{"what is not committed is seen by nobody else", uncommittedUnseen},
	{"an Update without changes or locks succeeds", emptyUpdate},
}

var errAbort = errors.New("abort")

func ownChanges(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", cell("a", "x", 1), cell("b", "x", 2), cell("c", "x", 3))
	see := func(tx backend.Tx, q backend.Query, want ...backend.Row) error {
		got, err := tx.Find(q)
		if err != nil {
			return err
		}
		if err := differ(got, want); err != nil {
			return fmt.Errorf("an Update sees its own changes: %s: %w", show(q), err)
		}
		return nil
	}
	tagged := func(tag string) backend.Query {
		return backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue(tag))}, Order: "n"}
	}
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
		return errors.Join(
			tx.Put("cells", cell("a", "y", 9)), tx.Insert("cells", cell("d", "x", 0)), tx.Delete("cells", id("c")),
			see(tx, backend.Query{Table: "cells"}, cell("a", "y", 9), cell("b", "x", 2), cell("d", "x", 0)),
			see(tx, tagged("x"), cell("d", "x", 0), cell("b", "x", 2)),
			see(tx, tagged("y"), cell("a", "y", 9)),
			tx.Put("cells", cell("a", "x", 1)), tx.Insert("cells", cell("c", "y", 3)), tx.Delete("cells", id("d")),
			see(tx, tagged("x"), cell("a", "x", 1), cell("b", "x", 2)),
			see(tx, tagged("y"), cell("c", "y", 3)),
			see(tx, backend.Query{Table: "cells", Order: "n", Desc: true, Limit: 2, After: place(&cells, cell("z", "", 5), "n")}, cell("c", "y", 3), cell("b", "x", 2)))
	})
	if err != nil {
		s.Errorf("Update: %v", err)
	}
	err = b.Update(s.ctx, nil, func(tx backend.Tx) error {
		if err := tx.Put("cells", cell("a", "z", 7)); err != nil {
			return err
		}
		row, err := tx.Get("cells", id("a")...)
		if err != nil {
			return err
		}
		if err := differ([]backend.Row{row}, []backend.Row{cell("a", "z", 7)}); err != nil {
			return fmt.Errorf("a Get in an Update sees its own Put: %w", err)
		}
		if err := tx.Delete("cells", id("a")); err != nil {
			return err
		}
		if _, err = tx.Get("cells", id("a")...); !errors.Is(err, backend.ErrNotFound) {
			return fmt.Errorf("a Get in an Update sees its own Delete: got %v", err)
		}
		return nil
	})
	if err != nil {
		s.Errorf("Update: %v", err)
	}
	s.has(b, "cells", "an Update commits what it did last", doc("b", "x", 2), doc("c", "y", 3))
}

func visibleAtOnce(s *store) {
	hs := s.handles(3, cells)
	for i := range 30 {
		s.put(hs[i%3], "cells", cell("a", fmt.Sprint(i), int64(i)))
		for j := range hs {
			s.has(hs[j], "cells", fmt.Sprintf("an Update is visible when it returns (written by handle %d, read by %d)", i%3, j), doc("a", fmt.Sprint(i), int64(i)))
			s.tagged(hs[j], fmt.Sprint(i-1), "what an Update replaced is gone when it returns")
		}
	}
}

// untouched runs Updates that must not leave a trace; each gets the change to make first.
func (s *store) untouched(promise string, update func(b backend.Backend, change func(tx backend.Tx) error)) {
	s.Helper()
	b := s.declared(cells, slots, journal)
	s.put(b, "cells", full("a"), full("b"), full("c"))
	s.put(b, "slots", slot("m", 1, "stage", "Production", "aliases", []string{"champion"}))
	update(b, func(tx backend.Tx) error {
		changed := cell("b", "tag", 7)
		changed.Fields["labels"] = []string{"l", "n"}
		_, err := tx.Append("journal", entry("t", 1))
		return errors.Join(err, tx.Insert("cells", cell("d", "tag", 1)), tx.Put("cells", changed), tx.Delete("cells", id("c")),
			tx.Put("slots", slot("m", 1), slot("m", 2, "stage", "Production", "aliases", []string{"champion"})))
	})
	s.intact(b, promise)
	s.has(b, "journal", promise)
	s.equal(s.docs(b, backend.Query{Table: "slots", Where: []backend.Cond{eq("stage", backend.StringValue("Production"))}}),
		docs([]backend.Row{slot("m", 1, "stage", "Production", "aliases", []string{"champion"})}), promise)
	s.refused(b, "a value that an aborted Update freed is still taken: "+promise, slot("m", 3, "aliases", []string{"champion"}))
	// The store still works, and its locks are free.
	s.put(b, "cells", cell("z", "", 1))
	s.update(b, func(tx backend.Tx) error { return tx.Delete("cells", id("z")) })
}

func errorNoTrace(s *store) {
	s.untouched("an Update whose fn answers an error leaves no trace", func(b backend.Backend, change func(tx backend.Tx) error) {
		for _, target := range []error{errAbort, backend.ErrNotFound, context.Canceled} {
			err := b.Update(s.ctx, []string{"lock"}, func(tx backend.Tx) error {
				if err := change(tx); err != nil {
					return fmt.Errorf("change: %w", err)
				}
				return fmt.Errorf("wrapped: %w", target)
			})
			s.wants(err, target, "an Update answers fn's error")
		}
	})
}

func panicNoTrace(s *store) {
	s.untouched("an Update whose fn panics leaves no trace", func(b backend.Backend, change func(tx backend.Tx) error) {
		for range 3 {
			var changed error
			got := recovered(func() {
				_ = b.Update(s.ctx, []string{"lock"}, func(tx backend.Tx) error {
					changed = change(tx)
					panic("fn panics")
				})
			})
			if changed != nil {
				s.Errorf("change: %v", changed)
			}
			if got == nil {
				s.Error("a panic in fn goes on in the caller of Update; it was swallowed")
			}
		}
	})
}

func recovered(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

func cancelNoTrace(s *store) {
	s.untouched("an Update whose context ends in fn leaves no trace", func(b backend.Backend, change func(tx backend.Tx) error) {
		for _, late := range []bool{false, true} {
			ctx, cancel := context.WithCancel(s.ctx)
			err := b.Update(ctx, []string{"lock"}, func(tx backend.Tx) error {
				if !late {
					cancel()
				}
				// The calls may fail now, and may not.
				_ = change(tx)
				cancel()
				return nil
			})
			cancel()
			s.wants(err, context.Canceled, "an Update answers the end of its context")
		}
	})
}

func doomed(s *store) {
	for name, fail := range map[string]func(tx backend.Tx) error{
		"Insert of a taken key":    func(tx backend.Tx) error { return tx.Insert("cells", cell("a", "", 1)) },
		"Insert of a unique value": func(tx backend.Tx) error { return tx.Insert("slots", slot("m", 9, "aliases", []string{"champion"})) },
		"Put of a unique value":    func(tx backend.Tx) error { return tx.Put("slots", slot("m", 9, "stage", "Production")) },
		"Put of rows, the last refused": func(tx backend.Tx) error {
			return tx.Put("slots", slot("m", 8, "stage", "s"), slot("m", 9, "stage", "s"))
		},
	} {
		for what, answer := range map[string]error{"nil": nil, "another error": errAbort} {
			promise := fmt.Sprintf("after a failed %s the Update fails with ErrExists though fn returns %s", name, what)
			s.untouched(promise, func(b backend.Backend, change func(tx backend.Tx) error) {
				err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
					if err := change(tx); err != nil {
						return fmt.Errorf("change: %w", err)
					}
					if err := fail(tx); err == nil {
						return fmt.Errorf("%s succeeded", name)
					}
					// Calls after a failed one may fail too, and undo nothing.
					_ = tx.Delete("slots", slot("m", 9).Key)
					_ = tx.Put("cells", cell("after", "tag", 1))
					return answer
				})
				s.wants(err, backend.ErrExists, promise)
			})
		}
	}
}

// failsAlone has Updates at once that end in every way, as a backend that commits several together has to tell apart.
func failsAlone(s *store) {
	const each = 20
	hs := s.handles(2, cells, journal)
	s.insert(hs[0], "cells", cell("taken", "", 0))
	s.together(racers, func(g int) error {
		for i := range each {
			name := fmt.Sprintf("g%d-%02d", g, i)
			ctx, cancel := context.WithCancel(s.ctx)
			end := (g + i) % 5
			var err error
			value := recovered(func() {
				err = hs[g%2].Update(ctx, []string{fmt.Sprint("lock", g)}, func(tx backend.Tx) error {
					if _, err := tx.Append("journal", entry(name, int64(i))); err != nil {
						return err
					}
					if err := tx.Put("cells", cell(name, "t", int64(i))); err != nil {
						return err
					}
					switch end {
					case 1:
						return errAbort
					case 2:
						panic(name)
					case 3:
						_ = tx.Insert("cells", cell("taken", "", 1))
					case 4:
						cancel()
					}
					return nil
				})
			})
			cancel()
			want := []error{nil, errAbort, nil, backend.ErrExists, context.Canceled}[end]
			if !errors.Is(err, want) || (value != nil) != (end == 2) {
				return fmt.Errorf("an Update beside others, that has to answer %v, answers %v (panic: %v)", want, err, value)
			}
		}
		return nil
	})
	want, events := []string{}, map[string]bool{}
	for g := range racers {
		for i := range each {
			if name := fmt.Sprintf("g%d-%02d", g, i); (g+i)%5 == 0 {
				want = append(want, doc(name, "t", int64(i)))
				events[string(entry(name, int64(i)).Doc)] = true
			}
		}
	}
	s.has(hs[1], "cells", "just the Updates that succeed leave rows", append(want, doc("taken", "", 0))...)
	s.tagged(hs[1], "t", "just the Updates that succeed leave entries of indexes", want...)
	got := s.docs(hs[1], backend.Query{Table: "journal"})
	for _, doc := range got {
		if !events[doc] {
			s.Errorf("event %s of an Update that failed appears", doc)
		}
	}
	if len(got) != len(events) {
		s.Errorf("%d events of %d Updates that succeed", len(got), len(events))
	}
}

func uncommittedUnseen(s *store) {
	hs := s.handles(2, cells, journal)
	s.insert(hs[0], "cells", full("a"), full("b"), full("c"))
	var reading chan struct{}
	err := hs[0].Update(s.ctx, nil, func(tx backend.Tx) error {
		if _, err := tx.Append("journal", entry("t", 1)); err != nil {
			return err
		}
		if err := errors.Join(tx.Put("cells", cell("a", "changed", 5), cell("d", "tag", 1)), tx.Delete("cells", id("b"))); err != nil {
			return err
		}
		// A backend may make readers wait for the Update: then they cannot see it either.
		reading = started(func() {
			ctx, cancel := context.WithTimeout(s.ctx, negative)
			defer cancel()
			for range 5 {
				rows, err := hs[1].Find(ctx, backend.Query{Table: "cells"})
				events, err2 := hs[1].Find(ctx, backend.Query{Table: "journal"})
				if err != nil || err2 != nil {
					return
				}
				s.equal(docs(rows), docs([]backend.Row{full("a"), full("b"), full("c")}), "rows of an Update that has not committed are seen by nobody else")
				s.equal(docs(events), nil, "an event of an Update that has not committed is seen by nobody else")
			}
		})
		within(2*negative, reading)
		return errAbort
	})
	s.wants(err, errAbort, "an Update answers fn's error")
	s.await(reading, "the Find beside an Update")
	s.intact(hs[1], "an Update that fails is seen by nobody")
}

func emptyUpdate(s *store) {
	b := s.declared(cells)
	for _, locks := range [][]string{nil, {}, {"a"}, {"a", "a"}, {"b", "a", "日本", "it's", noise(1, 2000)}} {
		err := b.Update(s.ctx, locks, func(backend.Tx) error { return nil })
		if err != nil {
			s.Errorf("Update with locks %s that does nothing: %v", clip(fmt.Sprint(locks)), err)
		}
	}
	err := b.View(s.ctx, func(backend.Reader) error { return nil })
	if err != nil {
		s.Errorf("View that does nothing: %v", err)
	}
}

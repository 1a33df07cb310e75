package backendtest

import (
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

var viewPromises = []promise{
	{"a View is one snapshot, and sees none of the later commits", snapshot},
	{"a View beside writers never sees half of an Update", wholeUpdates},
	{"a View runs fn once, and answers its error", viewError},
	{"a panic in a View goes on, and harms nothing", viewPanic},
}

func snapshot(s *store) {
	hs := s.handles(2, cells, journal)
	s.update(hs[0], func(tx backend.Tx) error {
		_, err := tx.Append("journal", entry("t", 1))
		if err != nil {
			return err
		}
		return tx.Insert("cells", full("a"), full("b"), full("c"))
	})
	var writing chan struct{}
	err := hs[0].View(s.ctx, func(r backend.Reader) error {
		// A snapshot is as old as its first read at the latest; the read is of another table than the changes.
		if _, err := r.Find(backend.Query{Table: "journal"}); err != nil {
			return err
		}
		// A backend may make writers wait for the View: then it cannot see them either.
		writing = started(func() {
			for i := range 3 {
				err := hs[1].Update(s.ctx, nil, func(tx backend.Tx) error {
					if _, err := tx.Append("journal", entry("t", 2)); err != nil {
						return err
					}
					if err := tx.Put("cells", cell("a", "other", int64(i)), cell("d", "tag", 1)); err != nil {
						return err
					}
					return tx.Delete("cells", id("b"))
				})
				if err != nil {
					s.Errorf("Update beside a View: %v", err)
				}
			}
		})
		within(5*negative, writing)
		rows, err := reads(r)
		if err != nil {
			return fmt.Errorf("read rows that were there when the View began: %w", err)
		}
		if len(rows) != 14 {
			return fmt.Errorf("a View sees no later change: it found %d rows instead of 14", len(rows))
		}
		for _, row := range rows {
			if want := full(row.Key[0].Str()); string(row.Doc) != string(want.Doc) {
				return fmt.Errorf("a View sees no later change: row %s reads %s", row.Key, row.Doc)
			}
		}
		events, err := r.Find(backend.Query{Table: "journal"})
		if err != nil {
			return err
		}
		if got := docs(events); len(got) != 1 {
			return fmt.Errorf("a View sees no later event: it found %q", got)
		}
		return nil
	})
	if err != nil {
		s.Errorf("View: %v", err)
	}
	s.await(writing, "Updates beside a View")
	s.has(hs[0], "cells", "the next View sees what was committed", doc("a", "other", 2), string(full("c").Doc), doc("d", "tag", 1))
}

// wholeUpdates moves an amount between two rows; their sum is always the same.
func wholeUpdates(s *store) {
	const sum, moves, viewers = 100, 60, 2
	hs := s.handles(2, cells)
	s.insert(hs[0], "cells", cell("a", "t", sum), cell("b", "t", 0))
	done := make(chan struct{})
	s.together(1+viewers, func(i int) error {
		if i == 0 {
			defer close(done)
			for m := range int64(moves) {
				err := hs[0].Update(s.ctx, nil, func(tx backend.Tx) error {
					if err := tx.Put("cells", cell("a", "t", sum-m)); err != nil {
						return err
					}
					return tx.Put("cells", cell("b", "t", m))
				})
				if err != nil {
					return fmt.Errorf("update: %w", err)
				}
			}
			return nil
		}
		for {
			select {
			case <-done:
				return nil
			default:
			}
			err := hs[i%2].View(s.ctx, func(r backend.Reader) error {
				var total int64
				for _, name := range []string{"b", "a"} {
					row, err := r.Get("cells", id(name)...)
					if err != nil {
						return err
					}
					row, err = parseCell(row)
					if err != nil {
						return err
					}
					total += row.Fields["n"].(backend.Value).Int()
				}
				if total != sum {
					return fmt.Errorf("a View sees one state, with the sum %d; it saw %d", sum, total)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("view: %w", err)
			}
			rows, err := hs[i%2].Find(s.ctx, backend.Query{Table: "cells", Order: "n"})
			if err != nil {
				return fmt.Errorf("find: %w", err)
			}
			var total int64
			for _, row := range rows {
				if row, err = parseCell(row); err != nil {
					return err
				}
				total += row.Fields["n"].(backend.Value).Int()
			}
			if total != sum {
				return fmt.Errorf("a Find sees one state, with the sum %d; it saw %q", sum, docs(rows))
			}
		}
	})
}

func viewError(s *store) {
	b := s.declared(cells)
	for _, target := range []error{errAbort, backend.ErrNotFound} {
		runs := 0
		err := b.View(s.ctx, func(backend.Reader) error {
			runs++
			return fmt.Errorf("wrapped: %w", target)
		})
		s.wants(err, target, "a View answers fn's error")
		if runs != 1 {
			s.Errorf("a View calls fn once; it called it %d times", runs)
		}
	}
}

func viewPanic(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	for range 20 {
		got := recovered(func() {
			_ = b.View(s.ctx, func(r backend.Reader) error {
				_, _ = r.Find(backend.Query{Table: "cells"})
				panic("fn panics")
			})
		})
		if got == nil {
			s.Fatal("a panic in fn goes on in the caller of View; it was swallowed")
		}
	}
	s.put(b, "cells", full("a"))
	s.intact(b, "a View whose fn panics leaves the store as it was")
}

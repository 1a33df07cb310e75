package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// visibleBeside looks for what an Update wrote right after it returned, while others commit: a backend that lets several
// share a commit may answer none of them before it.
func visibleBeside(s *store) {
	const each = 25
	hs := s.handles(2, cells)
	s.together(racers, func(g int) error {
		name := fmt.Sprint("g", g)
		for n := int64(1); n <= each; n++ {
			err := hs[g%2].Update(s.ctx, []string{name}, func(tx backend.Tx) error {
				for range racers { // so that others come meanwhile, and wait to share the commit
					runtime.Gosched()
				}
				return tx.Put("cells", cell(name, "t", n))
			})
			if err != nil {
				return fmt.Errorf("update beside others: %w", err)
			}
			for i, b := range hs {
				rows, err := b.Find(s.ctx, backend.Query{Table: "cells", Where: []backend.Cond{eq("id", backend.StringValue(name))}})
				if err != nil {
					return fmt.Errorf("find beside others: %w", err)
				}
				if got := docs(rows); len(got) != 1 || got[0] != doc(name, "t", n) {
					return fmt.Errorf("an Update beside others is visible when it returns: handle %d wrote %s, and handle %d finds %q right after",
						g%2, doc(name, "t", n), i, got)
				}
			}
		}
		return nil
	})
}

// crossing has two Updates write the same rows in opposite orders, each the second only when the other has written its
// first: where Updates with different locks run at once, that is a deadlock, which passes.
func crossing(s *store) {
	hs := s.handles(2, cells)
	s.insert(hs[0], "cells", cell("a", "", 0), cell("b", "", 0))
	for round := range int64(2) {
		met := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		var once [2]sync.Once
		s.together(2, func(g int) error {
			order := [2]string{"a", "b"}
			if g == 1 {
				order = [2]string{"b", "a"}
			}
			err := hs[g].Update(s.ctx, []string{fmt.Sprint("lock", g)}, func(tx backend.Tx) error {
				if err := tx.Put("cells", cell(order[0], "", round*2+int64(g))); err != nil {
					return err
				}
				once[g].Do(func() { close(met[g]) })
				// A backend may make the other wait for this one: then they never meet.
				within(2*negative, met[1-g])
				return tx.Put("cells", cell(order[1], "", round*2+int64(g)))
			})
			if err != nil {
				return fmt.Errorf("an Update that meets another in a deadlock is tried again: %w", err)
			}
			return nil
		})
		a, b := s.find(hs[0], backend.Query{Table: "cells"})[0], s.find(hs[1], backend.Query{Table: "cells"})[1]
		first, err := parseCell(a)
		second, err2 := parseCell(b)
		if err = errors.Join(err, err2); err != nil {
			s.Fatal(err)
		}
		if first.Fields["n"] != second.Fields["n"] {
			s.Errorf("Updates that write two rows leave both as one of them wrote them; they are %s and %s", a.Doc, b.Doc)
		}
	}
}

// longFind has a context end in the middle of a Find that takes long.
func longFind(s *store) {
	const (
		conditions    = 200
		long          = 150 * time.Millisecond
		tries, enough = 12, 2 // a busy machine makes some late
	)
	b := s.declared(bare)
	q := backend.Query{Table: "bare"}
	for i := range int64(conditions) { // which all rows meet
		q.Where = append(q.Where, backend.Cond{Field: "rank", Op: backend.Ge, Value: backend.IntValue(-i)})
	}
	q.Where = append(q.Where, backend.Cond{Field: "score", Op: backend.Gt, Value: backend.FloatValue(0)}) // which none does
	var took time.Duration
	for n, most := int64(0), int64(8000); took < long && n < 64_000; most *= 2 {
		for n < most {
			rows := make([]backend.Row, 500)
			for i := range rows {
				rows[i] = backend.Row{Key: key(backend.StringValue("s"), backend.IntValue(n)), Doc: []byte(`{}`)}
				n++
			}
			s.insert(b, "bare", rows...)
		}
		took = time.Hour
		for range 3 {
			begin := time.Now()
			s.find(b, q)
			took = min(took, time.Since(begin))
		}
	}
	prompt := 0
	var last string
	for i := 0; i < tries && prompt < enough; i++ {
		ctx, cancel := context.WithTimeout(s.ctx, took/4)
		begin := time.Now()
		_, err := b.Find(ctx, q)
		if late := time.Since(begin); errors.Is(err, context.DeadlineExceeded) && late < took*3/4 {
			prompt++
		} else {
			last = fmt.Sprintf("after %v it answered: %v", late, err)
			took = min(took, late)
		}
		cancel()
	}
	if prompt < enough {
		s.Errorf("a Find of %v whose context ends after %v answers that soon after; %s", took, took/4, last)
	}
}

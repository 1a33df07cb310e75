package backendtest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry/backend"
)

var memoPromises = []promise{
	{"FindMemo answers the first row that Find does, decoded", memoAnswers},
	{"FindMemo decodes every state of a row, and none that was not committed", memoStates},
	{"FindMemo takes no query for another", memoQueries},
	{"FindMemo is never behind an Update that returned", memoNeverStale},
}

// decode reads n; it checks nothing, so that a stale row is seen as such.
func decode(r backend.Row) (any, error) {
	row, err := parseCell(r)
	if err != nil {
		return nil, err
	}
	return fmt.Sprintf("%s=%d", r.Key[0].Str(), row.Fields["n"].(backend.Value).Int()), nil
}

// memo is FindMemo; of a Backend that is no Memoizer, what programs do instead.
func (s *store) memo(b backend.Backend, q backend.Query) (any, error) {
	if m, ok := b.(backend.Memoizer); ok {
		return m.FindMemo(s.ctx, q, decode)
	}
	q.Limit = 1
	rows, err := b.Find(s.ctx, q)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, backend.ErrNotFound
	}
	return decode(rows[0])
}

func (s *store) memoIs(b backend.Backend, q backend.Query, want, promise string) {
	s.Helper()
	for range 2 { // decoded, then perhaps remembered
		got, err := s.memo(b, q)
		if want == "" {
			s.wants(err, backend.ErrNotFound, promise)
		} else if err != nil || got != want {
			s.Errorf("%s: got %v, %v, want %s", promise, got, err, want)
		}
	}
}

func memoAnswers(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", cell("a", "x", 3), cell("b", "x", 1), cell("c", "y", 2))
	tag := func(v string) []backend.Cond { return []backend.Cond{eq("tag", backend.StringValue(v))} }
	for want, q := range map[string]backend.Query{
		"a=3": {Table: "cells"}, "c=2": {Table: "cells", Desc: true}, "b=1": {Table: "cells", Where: tag("x"), Order: "n"}, "": {Table: "cells", Where: tag("z")},
	} {
		s.memoIs(b, q, want, "FindMemo answers the first row that Find does: "+show(q))
	}
	s.memoIs(b, backend.Query{Table: "cells", Order: "n", After: key(backend.IntValue(1), backend.StringValue("b"))}, "c=2", "FindMemo continues behind After")
	s.memoIs(b, backend.Query{Table: "cells", Where: []backend.Cond{eq("id", backend.StringValue("b"))}, Limit: 5}, "b=1", "FindMemo by key")
	m, ok := b.(backend.Memoizer)
	if !ok {
		return
	}
	_, err := m.FindMemo(s.ctx, backend.Query{Table: "nothing"}, decode)
	s.wants(err, backend.ErrInvalid, "FindMemo in no table")
	s.insert(b, "cells", cell("d", "w", 1))
	_, err = m.FindMemo(s.ctx, backend.Query{Table: "cells", Where: tag("w")}, func(backend.Row) (any, error) { return nil, errAbort })
	s.wants(err, errAbort, "FindMemo answers decode's error")
	s.memoIs(b, backend.Query{Table: "cells", Where: tag("w")}, "d=1", "an error of decode is not remembered")
}

func memoStates(s *store) {
	b := s.declared(cells)
	q := backend.Query{Table: "cells", Where: []backend.Cond{eq("id", backend.StringValue("a"))}}
	byTag := backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue("x"))}, Order: "n", Desc: true}
	both := func(want, promise string) {
		s.Helper()
		s.memoIs(b, q, want, promise)
		s.memoIs(b, byTag, want, promise)
	}
	both("", "no row")
	s.insert(b, "cells", cell("a", "x", 1))
	both("a=1", "a row that was inserted")
	s.put(b, "cells", cell("a", "x", 2))
	both("a=2", "a row that was replaced")
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
		if err := errors.Join(tx.Put("cells", cell("a", "x", 9)), tx.Put("cells", cell("b", "x", 10))); err != nil {
			return err
		}
		if _, err := tx.Find(byTag); err != nil {
			return err
		}
		return errAbort
	})
	s.wants(err, errAbort, "an Update answers fn's error")
	both("a=2", "a row that an Update replaced and rolled back")
	s.update(b, func(tx backend.Tx) error {
		return errors.Join(tx.Delete("cells", id("a")), tx.Insert("cells", cell("a", "x", 3)))
	})
	both("a=3", "a row that was deleted and inserted in one Update")
	s.update(b, func(tx backend.Tx) error { return tx.Delete("cells", id("a")) })
	both("", "a row that was deleted")
	s.insert(b, "cells", cell("a", "x", 4))
	both("a=4", "a row that was made anew")
	s.insert(b, "cells", cell("b", "x", 5))
	s.memoIs(b, byTag, "b=5", "another row that comes first now")
}

// memoQueries asks queries that are alike but for one part, each when all the others were answered.
func memoQueries(s *store) {
	one := cells
	one.Name, one.Indexes = "one", []backend.Index{{Fields: []string{"tag"}}, {Fields: []string{"labels"}}, {Fields: []string{"notes"}}}
	two := one
	two.Name = "two"
	b := s.declared(one, two)
	texts := []string{"", "x", "y", "xy", "tag", "labels", "\x01", "tagx", "one"}
	rows := map[string][]backend.Row{}
	for i, table := range []*backend.Table{&one, &two} {
		for j, value := range texts {
			r := cell(fmt.Sprintf("%s%d", table.Name, j), value, int64((j*5+i)%len(texts)))
			r.Fields["labels"] = []string{texts[(j+1+i)%len(texts)], texts[(j+4)%len(texts)]}
			r.Fields["notes"] = text("k", texts[(j+2)%len(texts)], "kx", texts[(j+3+i)%len(texts)], "x", value)
			rows[table.Name] = append(rows[table.Name], r)
		}
		s.insert(b, table.Name, rows[table.Name]...)
	}
	var queries []backend.Query
	for _, table := range []string{"one", "two"} {
		for _, order := range []string{"", "n", "tag"} {
			for _, value := range texts {
				v := backend.StringValue(value)
				for _, where := range [][]backend.Cond{
					{eq("tag", v)}, {eq("labels", v)}, {eq("id", v)}, {{Field: "notes", Name: "k", Value: v}}, {{Field: "notes", Name: "kx", Value: v}},
					{eq("tag", v), eq("labels", backend.StringValue("x"))}, {eq("tag", backend.StringValue("x")), eq("labels", v)},
					{eq("labels", v), eq("labels", backend.StringValue("y"))}, {{Field: "tag", Op: backend.Gt, Value: v}}, {{Field: "tag", Op: backend.Le, Value: v}},
				} {
					queries = append(queries, backend.Query{Table: table, Where: where, Order: order},
						backend.Query{Table: table, Where: where, Order: order, Desc: true})
				}
			}
		}
	}
	tables := map[string]*backend.Table{"one": &one, "two": &two}
	for range 2 {
		for _, q := range queries {
			want := ""
			if found := answer(tables[q.Table], rows[q.Table], q); len(found) > 0 {
				got, err := decode(found[0])
				if err != nil {
					s.Fatal(err)
				}
				want = got.(string)
			}
			s.memoIs(b, q, want, "FindMemo takes no query for another: "+show(q))
			if s.Failed() {
				return
			}
		}
	}
}

// memoNeverStale reads beside writers: at least what was acknowledged before the read, at most what was begun.
func memoNeverStale(s *store) {
	const each, readers = 40, 3
	hs := s.handles(2, cells)
	s.insert(hs[0], "cells", cell("a", "x", 0))
	var begun, acknowledged atomic.Int64
	done := make(chan struct{})
	q := backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue("x"))}}
	s.together(1+readers, func(g int) error {
		if g == 0 {
			defer close(done)
			for n := int64(1); n <= each; n++ {
				begun.Store(n)
				err := hs[n%2].Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Put("cells", cell("a", "x", n)) })
				if err != nil {
					return fmt.Errorf("update: %w", err)
				}
				acknowledged.Store(n)
			}
			return nil
		}
		for {
			select {
			case <-done:
				return nil
			default:
			}
			least := acknowledged.Load()
			text, err := s.memo(hs[g%2], q)
			if err != nil {
				return fmt.Errorf("find: %w", err)
			}
			var n int64
			if _, err := fmt.Sscanf(text.(string), "a=%d", &n); err != nil {
				return err
			}
			if most := begun.Load(); n < least || n > most {
				return fmt.Errorf("a decoded row is of state %d; when it was read, %d was committed and %d begun", n, least, most)
			}
		}
	})
}

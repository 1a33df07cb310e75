package backendtest

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry/backend"
)

// upgradeInSteps upgrades three rows at a time, and fails in the middle.
func upgradeInSteps(s *store) {
	const rows, atOnce = 10, 3
	old := s.declared(cells, journal)
	for i := range int64(rows) {
		s.insert(old, "cells", cell(fmt.Sprint("r", i), "old", i))
	}
	var fails atomic.Bool
	var begun []string // what Upgrade was called with; a step may run again
	schema := backend.Schema{Format: 2, Tables: newer(), Upgrade: func(tx backend.Tx, from int, at string) (string, error) {
		begun = append(begun, at)
		if from != 1 {
			return "", fmt.Errorf("each step of an Upgrade is told the format that it began from, 1; this was told %d", from)
		}
		first := 0
		if at != "" {
			var err error
			if first, err = strconv.Atoi(at); err != nil {
				return "", err
			}
		}
		for i := first; i < min(first+atOnce, rows); i++ {
			row, err := tx.Get("cells", id(fmt.Sprint("r", i))...)
			if err != nil {
				return "", err
			}
			if string(row.Doc) != doc(fmt.Sprint("r", i), "old", int64(i)) {
				return "", fmt.Errorf("a step of an Upgrade is done once; row %d is %s", i, row.Doc)
			}
			if err := tx.Put("cells", cell(fmt.Sprint("r", i), "new", int64(i))); err != nil {
				return "", err
			}
		}
		if fails.Load() && first > atOnce {
			return "", errAbort
		}
		if first+atOnce >= rows {
			return "", nil
		}
		return fmt.Sprint(first + atOnce), nil
	}}
	fails.Store(true)
	b := s.handle()
	s.wants(b.Declare(s.ctx, schema), errAbort, "Declare answers the error of a step of Upgrade")
	var want []string
	for i := range int64(rows) {
		want = append(want, doc(fmt.Sprint("r", i), []string{"new", "old"}[min(i/(2*atOnce), 1)], i))
	}
	again := s.declared(cells, journal)
	s.has(again, "cells", "steps of an Upgrade that are committed stay, and the one that failed leaves no trace", want...)
	err := again.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Put("cells", cell("r9", "late", 1)) })
	s.wants(err, backend.ErrFormat, "an Update by an older declaration between two steps of an Upgrade")
	fails.Store(false)
	begun = nil
	b = s.handle()
	s.declare(b, schema)
	if len(begun) == 0 || begun[0] != fmt.Sprint(2*atOnce) {
		s.Errorf("the next Declare goes on where an Upgrade was interrupted, at %q; it was called at %q", fmt.Sprint(2*atOnce), begun)
	}
	want = nil
	for i := range int64(rows) {
		want = append(want, doc(fmt.Sprint("r", i), "new", i))
	}
	s.has(b, "cells", "an Upgrade that was interrupted is finished", want...)
	s.tagged(b, "new", "what an Upgrade puts in steps is found", want...)
	s.put(b, "cells", cell("r0", "after", 1))
	begun = nil
	s.declare(s.handle(), schema)
	if len(begun) > 0 {
		s.Errorf("an Upgrade that is done is called no more; it was, at %q", begun)
	}
}

// indexBesideUpdates builds indexes over more rows than go into a step, while others write.
func indexBesideUpdates(s *store) {
	const rows, batch = 5_000, 1000
	plain := cells
	plain.Indexes = nil
	hs := s.handles(2, plain)
	numbered := func(i int, tag string) backend.Row {
		r := cell(fmt.Sprintf("%06d", i), tag, int64(i))
		r.Fields["labels"] = []string{tag, "every"}
		return r
	}
	for first := 0; first < rows; first += batch {
		list := make([]backend.Row, batch)
		for i := range list {
			list[i] = numbered(first+i, "t")
		}
		s.insert(hs[0], "cells", list...)
	}
	indexed := cells
	indexed.Indexes = append([]backend.Index{{Fields: []string{"n"}, Unique: true}}, cells.Indexes...)
	var stop atomic.Bool
	deleted := map[int]bool{}
	changed := map[int]bool{}
	writing := started(func() {
		for i := 0; !stop.Load() && i < rows; i++ {
			at := (i * 7919) % rows
			err := hs[1].Update(s.ctx, []string{"lock"}, func(tx backend.Tx) error {
				if i%3 == 0 {
					return tx.Delete("cells", id(fmt.Sprintf("%06d", at)))
				}
				return tx.Put("cells", numbered(at, "changed"))
			})
			if err != nil {
				s.Errorf("an Update while an index is built: %v", err)
				return
			}
			deleted[at], changed[at] = i%3 == 0, i%3 != 0
		}
	})
	err := hs[0].Declare(s.ctx, backend.Schema{Format: 1, Tables: []backend.Table{indexed}})
	stop.Store(true)
	s.await(writing, "Updates while an index is built")
	if err != nil {
		s.Fatalf("Declare of indexes over %d rows: %v", rows, err)
	}
	var every, some []string
	for i := range rows {
		switch {
		case deleted[i]:
		case changed[i]:
			every, some = append(every, string(numbered(i, "changed").Doc)), append(some, string(numbered(i, "changed").Doc))
		default:
			every = append(every, string(numbered(i, "t").Doc))
		}
	}
	for _, q := range []backend.Query{
		{Table: "cells"}, {Table: "cells", Where: []backend.Cond{{Field: "n", Op: backend.Ge, Value: backend.IntValue(0)}}, Order: "n"},
		{Table: "cells", Where: []backend.Cond{eq("labels", backend.StringValue("every"))}},
	} {
		s.equal(s.docs(hs[0], q), every, "an index that is built beside Updates misses no row, and has none twice: "+show(q))
	}
	s.equal(s.docs(hs[0], backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue("changed"))}}), some,
		"an index that is built beside Updates has what they changed")
	err = hs[0].Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Insert("cells", cell("other", "", 1), cell("another", "", 1)) })
	s.wants(err, backend.ErrExists, "a unique index that was built in steps is kept")
	twice := cells
	twice.Indexes = []backend.Index{{Fields: []string{"tag"}, Unique: true}}
	err = s.handle().Declare(s.ctx, backend.Schema{Format: 2, Tables: []backend.Table{twice}})
	s.wants(err, backend.ErrExists, "a unique index over many rows with equal values")
	s.put(hs[0], "cells", numbered(0, "t"), numbered(1, "t")) // format 1 still, and not refused by what was given up
}

package backendtest

import (
	"fmt"
	"math"

	"github.com/modelregistry-go/modelregistry/backend"
)

var rowPromises = []promise{
	{"Get of nothing answers ErrNotFound and dooms nothing", getNothing},
	{"Insert adds rows and refuses a key that is taken", insertTaken},
	{"Put adds rows and replaces them", putReplaces},
	{"Put replaces a row whole, its Sets and Maps too", putWhole},
	{"Delete removes the rows that are there", deleteRows},
	{"a table may have nothing but keys, indexed", keysAlone},
	{"rows of one call take effect in their order", rowsInOrder},
	{"one call takes thousands of rows, or none", manyRows},
	{"what is not declared answers ErrInvalid", undeclared},
}

func getNothing(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", cell("a", "", 1))
	s.update(b, func(tx backend.Tx) error {
		_, err := tx.Get("cells", id("b")...)
		s.wants(err, backend.ErrNotFound, "Get of a key that no row has, in an Update")
		return tx.Put("cells", cell("c", "", 1))
	})
	err := b.View(s.ctx, func(r backend.Reader) error {
		_, err := r.Get("cells", id("b")...)
		s.wants(err, backend.ErrNotFound, "Get of a key that no row has, in a View")
		_, err = r.Get("cells", id("A")...)
		s.wants(err, backend.ErrNotFound, "Get of a key in another case")
		_, err = r.Get("cells", id("a")...)
		return err
	})
	if err != nil {
		s.Errorf("View: %v", err)
	}
	s.has(b, "cells", "ErrNotFound of a Get does not fail the Update", doc("a", "", 1), doc("c", "", 1))
}

// keysAlone has a table of edges, and one of keys and a Set.
func keysAlone(s *store) {
	edges := backend.Table{
		Name:    "edges",
		Key:     []backend.Field{{Name: "origin", Kind: backend.String}, {Name: "target", Kind: backend.String}},
		Indexes: []backend.Index{{Fields: []string{"target"}}},
	}
	sets := edges
	sets.Name, sets.Fields = "sets", []backend.Field{{Name: "labels", Kind: backend.String, Shape: backend.Set}}
	b := s.declared(edges, sets)
	edge := func(from, to string) backend.Row {
		return backend.Row{Key: backend.Key{backend.StringValue(from), backend.StringValue(to)}, Doc: []byte(doc(from+to, "", 1))}
	}
	for _, table := range []string{"edges", "sets"} {
		s.insert(b, table, edge("a", "b"), edge("a", "c"))
		s.put(b, table, edge("a", "b"), edge("d", "b"))
		got := s.docs(b, backend.Query{Table: table, Where: []backend.Cond{eq("target", backend.StringValue("b"))}})
		s.equal(got, []string{doc("ab", "", 1), doc("db", "", 1)}, "rows of the table "+table+" that an index on a key part finds")
		s.update(b, func(tx backend.Tx) error { return tx.Delete(table, edge("a", "b").Key, edge("d", "b").Key) })
		s.has(b, table, "Delete of rows that are keys alone", doc("ac", "", 1))
	}
}

func insertTaken(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", cell("a", "old", 1), cell("b", "", 2))
	for name, rows := range map[string][]backend.Row{
		"a key that a row has":           {cell("a", "new", 9)},
		"a taken key behind a free one":  {cell("c", "new", 9), cell("b", "new", 9)},
		"a key twice in one call":        {cell("d", "new", 9), cell("d", "new", 10)},
		"a taken key and the very row":   {cell("a", "old", 1)},
		"a taken key before a free one":  {cell("b", "new", 9), cell("e", "new", 9)},
		"a taken key with an empty row":  {{Key: id("a"), Doc: []byte(`{}`)}},
		"a key twice, the very row both": {cell("f", "", 1), cell("f", "", 1)},
	} {
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Insert("cells", rows...) })
		s.wants(err, backend.ErrExists, "Insert of "+name)
	}
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
		if err := tx.Delete("cells", id("b")); err != nil {
			return err
		}
		return tx.Insert("cells", cell("b", "again", 3))
	})
	if err != nil {
		s.Errorf("Insert of a key that was deleted in the same Update: %v", err)
	}
	s.has(b, "cells", "an Insert that is refused changes nothing", doc("a", "old", 1), doc("b", "again", 3))
	s.tagged(b, "new", "an Insert that is refused leaves no field behind")
	s.tagged(b, "old", "an Insert that is refused keeps the fields of the row that is there", doc("a", "old", 1))
}

func doc(id, tag string, n int64) string { return string(cell(id, tag, n).Doc) }

// tagged checks which rows of cells an index of theirs finds.
func (s *store) tagged(b backend.Backend, tag, promise string, want ...string) {
	s.Helper()
	s.equal(s.docs(b, backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue(tag))}}), want, promise)
}

func putReplaces(s *store) {
	b := s.declared(cells)
	s.put(b, "cells", cell("a", "x", 1), cell("b", "x", 2))
	s.put(b, "cells", cell("c", "x", 3), cell("a", "y", 4))
	s.put(b, "cells", cell("c", "x", 3))
	s.has(b, "cells", "Put adds rows or replaces them", doc("a", "y", 4), doc("b", "x", 2), doc("c", "x", 3))
	s.tagged(b, "x", "a replaced row is not found by what it held", doc("b", "x", 2), doc("c", "x", 3))
	s.tagged(b, "y", "a replaced row is found by what it holds", doc("a", "y", 4))
	got := s.docs(b, backend.Query{Table: "cells", Order: "n"})
	s.equal(got, []string{doc("b", "x", 2), doc("c", "x", 3), doc("a", "y", 4)}, "a replaced row stands where its new value puts it")
}

// putWhole goes through pairs of rows: whatever the row held before, only what was put last is there.
func putWhole(s *store) {
	b := s.declared(items)
	rows := []backend.Row{
		{},
		{Fields: map[string]any{"labels": []string{"a", "b", "c"}, "notes": text("k", "1", "l", "2"), "name": backend.StringValue("n")}},
		{Fields: map[string]any{"labels": []string{"b", "d"}, "notes": text("l", "3", "m", "2"), "rank": backend.IntValue(7)}},
		{Fields: map[string]any{"labels": []string{"d", "b"}, "notes": text("k", "1"), "counts": map[string]backend.Value{"k": backend.IntValue(1)}}},
		{Fields: map[string]any{"labels": []string{}, "notes": map[string]backend.Value{}, "score": backend.FloatValue(1)}},
		{Fields: map[string]any{"labels": []string{"", "c"}, "counts": map[string]backend.Value{"k": backend.IntValue(0), "z": backend.IntValue(-1)}}},
	}
	var queries []backend.Query
	where := func(c backend.Cond) {
		queries = append(queries, backend.Query{Table: "items", Where: []backend.Cond{c}})
	}
	for _, l := range []string{"", "a", "b", "c", "d"} {
		where(eq("labels", backend.StringValue(l)))
	}
	for _, name := range []string{"k", "l", "m"} {
		where(backend.Cond{Field: "notes", Name: name, Op: backend.Ge})
		where(backend.Cond{Field: "notes", Name: name, Value: backend.StringValue("2")})
		where(backend.Cond{Field: "counts", Name: name, Op: backend.Ge, Value: backend.IntValue(0)})
	}
	where(eq("name", backend.StringValue("n")))
	where(eq("rank", backend.IntValue(0)))
	where(eq("score", backend.FloatValue(0)))
	// A row as it was put, and one that went through another state: in one Update, or in two.
	all := map[string]backend.Row{}
	for i := range rows {
		for j := range rows {
			for _, apart := range []bool{false, true} {
				before, after := rows[i], rows[j]
				before.Key = key(backend.StringValue(fmt.Sprint("row ", i, j, apart)), backend.IntValue(1))
				before.Doc = []byte(`{"state":"before"}`)
				after.Key, after.Doc = before.Key, fmt.Appendf(nil, `{"from":%d,"to":%d,"apart":%t}`, i, j, apart)
				all[before.Key[0].Str()] = after
				if apart {
					s.put(b, "items", before)
					s.put(b, "items", after)
					continue
				}
				s.update(b, func(tx backend.Tx) error {
					if err := tx.Put("items", before); err != nil {
						return err
					}
					return tx.Put("items", after)
				})
			}
		}
	}
	var table []backend.Row
	for _, r := range all {
		table = append(table, r)
	}
	for _, q := range queries {
		s.asks(&items, table, q, s.finder(b))
	}
}

// text makes the content of a Map of String from names and values.
func text(pairs ...string) map[string]backend.Value {
	m := map[string]backend.Value{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = backend.StringValue(pairs[i+1])
	}
	return m
}

func deleteRows(s *store) {
	b := s.declared(cells)
	full := cell("b", "x", 2)
	full.Fields["labels"], full.Fields["notes"] = []string{"l"}, text("k", "v")
	s.insert(b, "cells", cell("a", "x", 1), full, cell("c", "x", 3))
	s.update(b, func(tx backend.Tx) error { return tx.Delete("cells", id("b"), id("none"), id("b"), id("c")) })
	s.update(b, func(tx backend.Tx) error { return tx.Delete("cells", id("none")) })
	s.has(b, "cells", "Delete removes the rows that are there", doc("a", "x", 1))
	s.tagged(b, "x", "a deleted row is not found by a field", doc("a", "x", 1))
	s.put(b, "cells", cell("b", "", 5))
	for _, c := range []backend.Cond{eq("labels", backend.StringValue("l")), {Field: "notes", Name: "k", Op: backend.Ge}} {
		s.equal(s.docs(b, backend.Query{Table: "cells", Where: []backend.Cond{c}}), nil, "a row made anew has nothing of the deleted one: "+c.Field)
	}
}

func rowsInOrder(s *store) {
	b := s.declared(cells)
	s.update(b, func(tx backend.Tx) error {
		return tx.Put("cells", cell("a", "first", 1), cell("b", "", 1), cell("a", "second", 2))
	})
	s.has(b, "cells", "of two rows with one key in a Put, the later stays", doc("a", "second", 2), doc("b", "", 1))
	s.tagged(b, "first", "a row replaced within a Put leaves no field behind")
	s.update(b, func(tx backend.Tx) error {
		for i := range 5 {
			if err := tx.Put("cells", cell("c", fmt.Sprint(i), int64(i))); err != nil {
				return err
			}
			if err := tx.Delete("cells", id("a")); err != nil {
				return err
			}
			if err := tx.Insert("cells", cell("a", fmt.Sprint(i), int64(i))); err != nil {
				return err
			}
		}
		return nil
	})
	s.has(b, "cells", "changes of one Update take effect in order", doc("a", "4", 4), doc("b", "", 1), doc("c", "4", 4))
}

// manyRows is over the number of parameters that databases take in one statement.
func manyRows(s *store) {
	b := s.declared(cells, journal)
	const n = 9000
	rows, keys := make([]backend.Row, n), make([]backend.Key, n)
	for i := range rows {
		rows[i] = cell(fmt.Sprintf("%05d", i), "t", int64(n-i))
		rows[i].Fields["labels"] = []string{"all", fmt.Sprint("l", i%10)}
		keys[i] = rows[i].Key
	}
	s.update(b, func(tx backend.Tx) error {
		if err := tx.Insert("cells"); err != nil {
			return err
		}
		if err := tx.Put("cells"); err != nil {
			return err
		}
		if err := tx.Delete("cells"); err != nil {
			return err
		}
		return tx.Insert("cells", rows...)
	})
	s.sameRows(s.find(b, backend.Query{Table: "cells"}), rows, "all rows of a large Insert are there")
	s.put(b, "cells", rows...)
	s.update(b, func(tx backend.Tx) error { return tx.Delete("cells", keys[:n-2]...) })
	s.sameRows(s.find(b, backend.Query{Table: "cells", Where: []backend.Cond{eq("labels", backend.StringValue("all"))}}), rows[n-2:], "a large Delete leaves the others")

	events := make([]backend.Row, n/3)
	for i := range events {
		events[i] = entry("t", int64(i))
	}
	s.update(b, func(tx backend.Tx) error { _, err := tx.Append("journal", events...); return err })
	s.equal(s.docs(b, byPosition), docs(events), "all events of a large Append are there, in order")
}

func undeclared(s *store) {
	b := s.declared(cells, journal)
	s.insert(b, "cells", cell("a", "", 1))
	v := backend.StringValue("x")
	for name, q := range map[string]backend.Query{
		"a table":                       {Table: "nothing"},
		"a field in a condition":        {Table: "cells", Where: []backend.Cond{eq("nothing", v)}},
		"a field in an order":           {Table: "cells", Order: "nothing"},
		"a Set as an order":             {Table: "cells", Order: "labels"},
		"a condition of another kind":   {Table: "cells", Where: []backend.Cond{eq("n", v)}},
		"a Map without a name":          {Table: "cells", Where: []backend.Cond{eq("notes", v)}},
		"Prefix on an integer":          {Table: "cells", Where: []backend.Cond{{Field: "n", Op: backend.Prefix, Value: backend.IntValue(1)}}},
		"In with another kind":          {Table: "cells", Where: []backend.Cond{{Field: "n", Op: backend.In, Values: key(v)}}},
		"Settled of a table":            {Table: "cells", Settled: true},
		"After that is cut short":       {Table: "cells", Order: "n", After: key(backend.IntValue(1))},
		"After of another kind":         {Table: "cells", After: key(backend.IntValue(1))},
		"a name that only quotes could": {Table: `cells" --`},
		"a limit below zero":            {Table: "cells", Limit: -1},
		"the lowest limit":              {Table: "cells", Order: "n", Limit: math.MinInt},
	} {
		_, err := b.Find(s.ctx, q)
		s.wants(err, backend.ErrInvalid, "Find with what is not declared: "+name)
		_ = b.View(s.ctx, func(r backend.Reader) error {
			_, err := r.Find(q)
			s.wants(err, backend.ErrInvalid, "Find in a View with what is not declared: "+name)
			return nil
		})
	}
	for name, fn := range map[string]func(tx backend.Tx) error{
		"Get from no table":    func(tx backend.Tx) error { _, err := tx.Get("nothing", v); return err },
		"Insert into no table": func(tx backend.Tx) error { return tx.Insert("nothing", cell("a", "", 1)) },
		"Put into no table":    func(tx backend.Tx) error { return tx.Put("nothing", cell("a", "", 1)) },
		"Delete from no table": func(tx backend.Tx) error { return tx.Delete("nothing", id("a")) },
		"Append to no table":   func(tx backend.Tx) error { _, err := tx.Append("nothing", entry("t", 1)); return err },
		"Append to no Log":     func(tx backend.Tx) error { _, err := tx.Append("cells", cell("b", "", 1)); return err },
		"Find in no table":     func(tx backend.Tx) error { _, err := tx.Find(backend.Query{Table: "nothing"}); return err },
		"Put into a Log":       func(tx backend.Tx) error { r := entry("t", 1); r.Key = id("x"); return tx.Put("journal", r) },
		"Insert into a Log":    func(tx backend.Tx) error { r := entry("t", 1); r.Key = id("x"); return tx.Insert("journal", r) },
		"Delete from a Log":    func(tx backend.Tx) error { return tx.Delete("journal", id("x")) },
	} {
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error { _ = fn(tx); return nil })
		s.wants(err, backend.ErrInvalid, name+" fails the Update, though fn returned nil")
	}
	s.has(b, "cells", "an invalid call changes nothing", doc("a", "", 1))
	s.has(b, "journal", "an invalid call changes nothing")
}

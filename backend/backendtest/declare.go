package backendtest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry/backend"
)

var declarePromises = []promise{
	{"Declare again keeps the rows", declareAgain},
	{"Declare of what is no schema answers ErrInvalid", declareInvalid},
	{"a newer format adds tables, fields and indexes to the rows that are there", declareNewer},
	{"a unique index is added over rows, and kept from then on", addUnique},
	{"Upgrade runs once, from the older format, and sees zero values", upgradeOnce},
	{"an Upgrade that fails leaves the store in its older format", upgradeFails},
	{"an older declaration reads a newer store, and is refused to change it", olderReads},
	{"a table that a newer format leaves out keeps its rows", leftOut},
	{"several handles declare at once", declareAtOnce},
	{"an Upgrade in steps goes on where it was interrupted", upgradeInSteps},
	{"indexes over many rows are built beside Updates, and miss none", indexBesideUpdates},
	{"a table with another key, or a field of another kind or shape, is refused", declareOtherwise},
	{"declarations of one format are united", declareUnited},
	{"a newer format gives up the unique indexes that it leaves out", dropUnique},
	{"a Declare that fails leaves the handle as it was", failedDeclare},
	{"a Declare that is interrupted anywhere leaves the handle's locks as they were", interruptedDeclare},
}

func declareAgain(s *store) {
	hs := s.handles(2, cells, journal)
	s.update(hs[0], func(tx backend.Tx) error {
		_, err := tx.Append("journal", entry("t", 1))
		return errors.Join(err, tx.Insert("cells", full("a"), full("b"), full("c")))
	})
	schema := backend.Schema{Format: 1, Tables: []backend.Table{cells, journal}, Upgrade: func(backend.Tx, int, string) (string, error) {
		return "", errors.New("a store of the same format needs no Upgrade")
	}}
	for _, b := range append(hs, s.handle()) {
		s.declare(b, schema)
		s.intact(b, "Declare of what is there keeps the rows")
		s.has(b, "journal", "Declare of what is there keeps the events", string(entry("t", 1).Doc))
	}
}

func declareInvalid(s *store) {
	b := s.handle()
	named := func(change func(t *backend.Table)) backend.Schema {
		t := cells
		change(&t)
		return backend.Schema{Format: 1, Tables: []backend.Table{t}}
	}
	for name, schema := range map[string]backend.Schema{
		"no format":                {Tables: []backend.Table{cells}},
		"a table twice":            {Format: 1, Tables: []backend.Table{cells, cells}},
		"a name in capitals":       named(func(t *backend.Table) { t.Name = "Cells" }),
		"a name with a quote":      named(func(t *backend.Table) { t.Name = `c"; drop` }),
		"no key":                   named(func(t *backend.Table) { t.Key = nil }),
		"an index on nothing":      named(func(t *backend.Table) { t.Indexes = []backend.Index{{}} }),
		"an index on no field":     named(func(t *backend.Table) { t.Indexes = []backend.Index{{Fields: []string{"nothing"}}} }),
		"a key of floats":          named(func(t *backend.Table) { t.Key = []backend.Field{{Name: "f", Kind: backend.Float}} }),
		"a Log with a key":         named(func(t *backend.Table) { t.Log = true }),
		"a field of unknown shape": named(func(t *backend.Table) { t.Fields = []backend.Field{{Name: "f", Shape: 9}} }),
	} {
		s.wants(b.Declare(s.ctx, schema), backend.ErrInvalid, "Declare with "+name)
	}
	s.declare(b, backend.Schema{Format: 1, Tables: []backend.Table{cells}})
	s.has(b, "cells", "a declaration that was refused leaves nothing behind")
}

// newer is cells with fields and indexes more, and a table more.
func newer() []backend.Table {
	t := cells
	t.Fields = append(append([]backend.Field{}, cells.Fields...),
		backend.Field{Name: "at", Kind: backend.Time}, backend.Field{Name: "score", Kind: backend.Float}, backend.Field{Name: "name", Kind: backend.String},
		backend.Field{Name: "count", Kind: backend.Int}, backend.Field{Name: "marks", Kind: backend.String, Shape: backend.Set},
		backend.Field{Name: "sizes", Kind: backend.Int, Shape: backend.Map})
	t.Indexes = append(append([]backend.Index{}, cells.Indexes...),
		backend.Index{Fields: []string{"at"}}, backend.Index{Fields: []string{"name", "score"}, Sparse: true}, backend.Index{Fields: []string{"marks"}},
		backend.Index{Fields: []string{"sizes"}}, backend.Index{Fields: []string{"notes"}}, backend.Index{Fields: []string{"tag", "n"}})
	log := journal
	log.Fields = append(append([]backend.Field{}, journal.Fields...), backend.Field{Name: "actor", Kind: backend.String})
	log.Indexes = append(append([]backend.Index{}, journal.Indexes...), backend.Index{Fields: []string{"actor"}}, backend.Index{Fields: []string{"n"}})
	return []backend.Table{t, log, slots}
}

func declareNewer(s *store) {
	old := s.declared(cells, journal)
	rows := []backend.Row{full("a"), full("b"), full("c")}
	s.insert(old, "cells", rows...)
	var event backend.Row
	s.update(old, func(tx backend.Tx) error {
		event = entry("t", 1)
		p, err := tx.Append("journal", event)
		event.Key = id(string(p))
		return err
	})
	tables := newer()
	b := s.handle()
	s.declare(b, backend.Schema{Format: 2, Tables: tables})
	check := func(promise string) {
		t := &tables[0]
		var queries []backend.Query
		for _, c := range []backend.Cond{
			eq("at", backend.ZeroValue(backend.Time)), eq("score", backend.FloatValue(0)), eq("name", backend.StringValue("")), eq("count", backend.IntValue(0)),
			eq("count", backend.IntValue(7)), eq("name", backend.StringValue("new")), {Field: "marks", Op: backend.Ge}, {Field: "sizes", Name: "k", Op: backend.Ge, Value: backend.IntValue(0)},
			{Field: "notes", Name: "k", Value: backend.StringValue("v")}, eq("tag", backend.StringValue("tag")), eq("labels", backend.StringValue("l")),
		} {
			for _, order := range []string{"", "at", "name", "score", "count", "n", "tag"} {
				queries = append(queries, backend.Query{Table: "cells", Where: []backend.Cond{c}, Order: order}, backend.Query{Table: "cells", Order: order, Desc: true})
			}
		}
		for _, q := range queries {
			s.asks(t, rows, q, s.finder(b))
		}
		for _, q := range []backend.Query{
			{Table: "journal", Where: []backend.Cond{eq("actor", backend.StringValue(""))}}, {Table: "journal", Where: []backend.Cond{{Field: "n", Op: backend.Gt, Value: backend.IntValue(0)}}},
			{Table: "journal", Order: "actor"},
		} {
			s.asks(&tables[1], []backend.Row{event}, q, s.finder(b))
		}
		if s.Failed() {
			s.Fatal(promise)
		}
	}
	check("rows from before a field or an index are found by it, with zero values")
	more := full("b")
	more.Fields["count"], more.Fields["name"], more.Fields["marks"] = backend.IntValue(7), backend.StringValue("new"), []string{"m"}
	more.Fields["sizes"] = map[string]backend.Value{"k": backend.IntValue(3)}
	rows[1] = more
	added := full("d")
	added.Fields["score"] = backend.FloatValue(-1)
	rows = append(rows, added)
	s.update(b, func(tx backend.Tx) error {
		return errors.Join(tx.Put("cells", more, added), tx.Put("slots", slot("m", 1)))
	})
	check("rows put in the newer format are found beside the older ones")
	s.refused(b, "a table of the newer format keeps its unique indexes", slot("m", 2, "stage", "s"), slot("m", 3, "stage", "s"))
}

func addUnique(s *store) {
	old := s.declared(cells)
	s.insert(old, "cells", cell("a", "x", 1), cell("b", "y", 1), cell("c", "", 1), cell("d", "", 1))
	unique := cells
	unique.Indexes = append(append([]backend.Index{}, cells.Indexes...), backend.Index{Fields: []string{"n", "tag"}, Unique: true})
	b := s.handle()
	s.declare(b, backend.Schema{Format: 2, Tables: []backend.Table{unique}})
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Insert("cells", cell("e", "x", 1)) })
	s.wants(err, backend.ErrExists, "a unique index that was added knows the rows from before")
	s.put(b, "cells", cell("a", "y", 2), cell("e", "x", 1))
}

// atOnce is an Upgrade in one step.
func atOnce(upgrade func(tx backend.Tx, from int) error) func(backend.Tx, int, string) (string, error) {
	return func(tx backend.Tx, from int, at string) (string, error) {
		if at != "" {
			return "", fmt.Errorf("an Upgrade that is done in one step is called again, at %q", at)
		}
		return "", upgrade(tx, from)
	}
}

func upgradeOnce(s *store) {
	tables := newer()
	first := backend.Schema{Format: 1, Tables: []backend.Table{cells, journal}, Upgrade: func(backend.Tx, int, string) (string, error) {
		return "", errors.New("a fresh store needs no Upgrade")
	}}
	s.declare(s.handle(), first)
	old := s.declared(cells, journal)
	s.insert(old, "cells", full("a"), full("b"), full("c"))
	schema := backend.Schema{Format: 3, Tables: tables, Upgrade: atOnce(func(tx backend.Tx, from int) error {
		if from != 1 {
			return fmt.Errorf("an Upgrade of a store of format 1 is told %d", from)
		}
		rows, err := tx.Find(backend.Query{Table: "cells", Where: []backend.Cond{eq("count", backend.IntValue(0)), eq("at", backend.ZeroValue(backend.Time))}})
		if err != nil {
			return err
		}
		if len(rows) != 3 {
			return fmt.Errorf("an Upgrade sees the rows from before with zero values: found %d of 3", len(rows))
		}
		for i, r := range rows {
			row := full(r.Key[0].Str())
			row.Fields["count"] = backend.IntValue(int64(i + 1))
			if err := tx.Put("cells", row); err != nil {
				return err
			}
		}
		n, err := number(tx, "upgrades")
		if err != nil {
			return err
		}
		_, err = tx.Append("journal", entry("upgrade", n))
		return errors.Join(err, tx.Put("cells", cell("upgrades", "", n+1)))
	})}
	var list []backend.Backend
	for range hands {
		list = append(list, s.handle())
	}
	s.together(hands, func(i int) error { return list[i].Declare(s.ctx, schema) })
	s.has(list[0], "cells", "Upgrade runs once, whoever declares", string(full("a").Doc), string(full("b").Doc), string(full("c").Doc), doc("upgrades", "", 1))
	for i := range int64(3) {
		got := s.docs(list[1], backend.Query{Table: "cells", Where: []backend.Cond{eq("count", backend.IntValue(i+1))}})
		s.equal(got, []string{string(full(string(rune('a' + i))).Doc)}, "what Upgrade puts is found")
	}
	s.has(list[1], "journal", "what Upgrade appends is there", string(entry("upgrade", 0).Doc))
	s.put(list[2], "cells", full("d"))
}

func upgradeFails(s *store) {
	old := s.declared(cells)
	s.insert(old, "cells", full("a"), full("b"), full("c"))
	b := s.handle()
	for _, swallow := range []bool{false, true} {
		err := b.Declare(s.ctx, backend.Schema{Format: 2, Tables: newer(), Upgrade: atOnce(func(tx backend.Tx, from int) error {
			if err := errors.Join(tx.Put("cells", cell("a", "upgraded", 5)), tx.Delete("cells", id("b"))); err != nil {
				return err
			}
			if swallow {
				_ = tx.Insert("cells", cell("c", "", 1))
				return nil
			}
			return errAbort
		})})
		if swallow {
			s.wants(err, backend.ErrExists, "a failed call dooms an Upgrade, though it returned nil")
		} else {
			s.wants(err, errAbort, "Declare answers the error of Upgrade")
		}
		again := s.declared(cells)
		s.intact(again, "an Upgrade that fails leaves no trace")
		s.put(again, "cells", full("a"))
	}
	var from atomic.Int64
	s.declare(b, backend.Schema{Format: 2, Tables: newer(), Upgrade: atOnce(func(tx backend.Tx, f int) error { from.Store(int64(f)); return nil })})
	if from.Load() != 1 {
		s.Errorf("after an Upgrade failed, the next Declare upgrades from 1; Upgrade was told %d", from.Load())
	}
	s.intact(b, "an Upgrade that does nothing keeps the rows")
}

func olderReads(s *store) {
	before := s.declared(cells, journal)
	s.insert(before, "cells", full("a"), full("b"), full("c"))
	now := s.handle()
	s.declare(now, backend.Schema{Format: 2, Tables: newer()})
	s.insert(now, "slots", slot("m", 1))
	older := func(b backend.Backend, when string) {
		s.intact(b, "an older declaration finds rows of a newer store: "+when)
		s.has(b, "journal", "an older declaration reads a Log of a newer store: "+when)
		ran := false
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
			ran = true
			return tx.Delete("cells", id("a"))
		})
		s.wants(err, backend.ErrFormat, fmt.Sprintf("an Update by an older declaration (%s; fn ran: %t)", when, ran))
		s.intact(b, "an Update that answers ErrFormat changes nothing: "+when)
	}
	if !same(before, now) {
		older(before, "declared before the store was raised")
	}
	late := s.handle()
	s.declare(late, backend.Schema{Format: 1, Tables: []backend.Table{cells, journal}})
	older(late, "declared after the store was raised")
	for name, q := range map[string]backend.Query{
		"a table": {Table: "slots"}, "a field in a condition": {Table: "cells", Where: []backend.Cond{eq("count", backend.IntValue(1))}}, "a field in an order": {Table: "cells", Order: "count"},
	} {
		_, err := late.Find(s.ctx, q)
		s.wants(err, backend.ErrInvalid, "Find with what only the newer declaration has: "+name)
	}
	s.declare(now, backend.Schema{Format: 2, Tables: newer()})
	s.put(now, "slots", slot("m", 2))
	s.equal(s.docs(now, backend.Query{Table: "slots"}), docs([]backend.Row{slot("m", 1), slot("m", 2)}), "a newer store is as it was after an older declaration")
}

func leftOut(s *store) {
	b := s.declared(cells, slots)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	b = s.handle()
	s.declare(b, backend.Schema{Format: 2, Tables: []backend.Table{slots}})
	_, err := b.Find(s.ctx, backend.Query{Table: "cells"})
	s.wants(err, backend.ErrInvalid, "Find in a table that is not declared any more")
	s.insert(b, "slots", slot("m", 1))
	b = s.handle()
	s.declare(b, backend.Schema{Format: 3, Tables: []backend.Table{cells, slots}})
	s.intact(b, "a table that one format left out keeps its rows")
}

func declareAtOnce(s *store) {
	list := make([]backend.Backend, hands)
	for i := range list {
		list[i] = s.handle()
	}
	schema := backend.Schema{Format: 1, Tables: newer()}
	s.together(len(list), func(i int) error {
		if err := list[i].Declare(s.ctx, schema); err != nil {
			return fmt.Errorf("declare at once with others: %w", err)
		}
		return list[i].Update(s.ctx, []string{"lock"}, func(tx backend.Tx) error {
			n, err := number(tx, "n")
			if err != nil {
				return err
			}
			return tx.Put("cells", cell("n", "", n+1))
		})
	})
	s.has(list[0], "cells", "all who declared at once work on one store", doc("n", "", hands))
}

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/modelregistry-go/modelregistry/backend"
)

// otherwise are tables that cannot be declared where cells and journal are.
func otherwise() map[string]backend.Table {
	with := func(table backend.Table, change func(t *backend.Table)) backend.Table {
		table.Key, table.Fields, table.Indexes = slices.Clone(table.Key), slices.Clone(table.Fields), nil
		change(&table)
		return table
	}
	field := func(name string, kind backend.Kind, shape backend.Shape) func(t *backend.Table) {
		return func(t *backend.Table) {
			i := slices.IndexFunc(t.Fields, func(f backend.Field) bool { return f.Name == name })
			t.Fields[i] = backend.Field{Name: name, Kind: kind, Shape: shape}
		}
	}
	part := backend.Field{Name: "part", Kind: backend.String}
	return map[string]backend.Table{
		"a String as an Int":            with(cells, field("tag", backend.Int, backend.One)),
		"an Int as a Time":              with(cells, field("n", backend.Time, backend.One)),
		"an Int as a Float":             with(cells, field("n", backend.Float, backend.One)),
		"a One as a Set":                with(cells, field("tag", backend.String, backend.Set)),
		"a Set as a One":                with(cells, field("labels", backend.String, backend.One)),
		"a Set as a Map":                with(cells, field("labels", backend.String, backend.Map)),
		"a Map as a Set":                with(cells, field("notes", backend.String, backend.Set)),
		"a Map of other values":         with(cells, field("notes", backend.Int, backend.Map)),
		"a field of a Log otherwise":    with(journal, field("n", backend.String, backend.One)),
		"a key part of another kind":    with(cells, func(t *backend.Table) { t.Key[0].Kind = backend.Int }),
		"a key part under another name": with(cells, func(t *backend.Table) { t.Key[0].Name = "ident" }),
		"a key of more parts":           with(cells, func(t *backend.Table) { t.Key = append(t.Key, part) }),
		"a key part more in front":      with(cells, func(t *backend.Table) { t.Key = append([]backend.Field{part}, t.Key...) }),
		"a key part as a field": with(cells, func(t *backend.Table) {
			t.Key, t.Fields = []backend.Field{part}, append(t.Fields, backend.Field{Name: "id"})
		}),
		"a Log as a table": with(journal, func(t *backend.Table) { t.Log, t.Key = false, []backend.Field{part} }),
		"a table as a Log": with(cells, func(t *backend.Table) { t.Log, t.Key = true, nil }),
	}
}

func declareOtherwise(s *store) {
	old := s.declared(cells, journal)
	s.insert(old, "cells", full("a"), full("b"), full("c"))
	s.update(old, func(tx backend.Tx) error { _, err := tx.Append("journal", entry("t", 1)); return err })
	refused := func(format int, name string, table backend.Table) {
		// One table more, which must not be made: a Declare that is refused changes nothing.
		more := bare
		more.Key = []backend.Field{{Name: fmt.Sprintf("format_%c", 'a'+format), Kind: backend.String}}
		err := s.handle().Declare(s.ctx, backend.Schema{Format: format, Tables: []backend.Table{more, table}})
		s.wants(err, backend.ErrInvalid, fmt.Sprintf("Declare of format %d of what the store has otherwise: %s", format, name))
	}
	for name, table := range otherwise() {
		for format := 1; format <= 2; format++ {
			refused(format, name, table)
		}
	}
	again := s.declared(cells, journal)
	s.intact(again, "a Declare that is refused leaves the rows")
	s.has(again, "journal", "a Declare that is refused leaves the events", string(entry("t", 1).Doc))
	s.put(again, "cells", full("a")) // format 1 still
	s.declare(s.handle(), backend.Schema{Format: 2, Tables: []backend.Table{slots}})
	for name, table := range otherwise() {
		refused(3, name+", after a format that left it out", table)
	}
	last := s.handle()
	s.declare(last, backend.Schema{Format: 3, Tables: []backend.Table{cells, journal}})
	s.intact(last, "a Declare that is refused leaves the rows")
}

// declareUnited has two programs of one format that declare different things of one table.
func declareUnited(s *store) {
	one, other := cells, cells
	one.Fields, one.Indexes = cells.Fields[:2], []backend.Index{{Fields: []string{"tag"}}}
	other.Fields, other.Indexes = cells.Fields[1:], []backend.Index{{Fields: []string{"n"}, Unique: true}}
	a := s.declared(one)
	s.insert(a, "cells", cell("a", "x", 1), cell("b", "x", 2))
	b := s.handle()
	s.declare(b, backend.Schema{Format: 1, Tables: []backend.Table{other, slots}})
	s.equal(s.docs(b, backend.Query{Table: "cells", Order: "n", Desc: true}), []string{doc("b", "x", 2), doc("a", "x", 1)}, "rows of another declaration are there")
	again := s.declared(one)
	err := again.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Insert("cells", cell("c", "x", 2)) })
	s.wants(err, backend.ErrExists, "a unique index that another program of the same format declared is kept")
	s.insert(again, "cells", cell("c", "x", 3))
	s.equal(s.docs(again, backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue("x"))}}),
		[]string{doc("a", "x", 1), doc("b", "x", 2), doc("c", "x", 3)}, "declarations of one format are united")
}

func dropUnique(s *store) {
	s.insert(s.declared(slots), "slots", slot("m", 1, "stage", "a", "aliases", []string{"x"}, "marks", text("k", "v")))
	without := slots
	without.Indexes = []backend.Index{{Fields: []string{"stage"}}}
	b := s.handle()
	s.declare(b, backend.Schema{Format: 2, Tables: []backend.Table{without}})
	rows := []backend.Row{
		slot("m", 1, "stage", "a", "aliases", []string{"x"}, "marks", text("k", "v")),
		slot("m", 2, "stage", "a", "aliases", []string{"x"}, "marks", text("k", "v")),
	}
	s.accepted(b, "a unique index that a newer format leaves out promises nothing any more", rows...)
	for _, where := range [][]backend.Cond{{eq("stage", backend.StringValue("a"))}, {eq("aliases", backend.StringValue("x"))}} {
		s.equal(s.docs(b, backend.Query{Table: "slots", Where: where}), docs(rows), "rows are found without the index that was left out")
	}
	err := s.handle().Declare(s.ctx, backend.Schema{Format: 3, Tables: []backend.Table{slots}})
	s.wants(err, backend.ErrExists, "a unique index over rows with equal values")
	s.put(b, "slots", slot("m", 3)) // format 2 still
	s.equal(s.docs(b, backend.Query{Table: "slots"}), docs(append(rows, slot("m", 3))), "a Declare that fails leaves the rows")
}

func failedDeclare(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	bad := cells
	bad.Fields = []backend.Field{{Name: "tag", Kind: backend.Int}}
	for name, try := range map[string]struct {
		ctx    context.Context
		schema backend.Schema
		want   error
	}{
		"an Upgrade that fails": {s.ctx, backend.Schema{Format: 2, Tables: newer(), Upgrade: atOnce(func(tx backend.Tx, _ int) error {
			return errors.Join(tx.Delete("cells", id("a")), errAbort)
		})}, errAbort},
		"no schema":                  {s.ctx, backend.Schema{Format: 0, Tables: newer()}, backend.ErrInvalid},
		"a field of another kind":    {s.ctx, backend.Schema{Format: 2, Tables: []backend.Table{slots, bad}}, backend.ErrInvalid},
		"a context that has ended":   {ended, backend.Schema{Format: 2, Tables: newer()}, context.Canceled},
		"and one of the same tables": {ended, backend.Schema{Format: 1, Tables: []backend.Table{cells}}, context.Canceled},
	} {
		s.wants(b.Declare(try.ctx, try.schema), try.want, "Declare with "+name)
		_, err := b.Find(s.ctx, backend.Query{Table: "slots"})
		s.wants(err, backend.ErrInvalid, "after a Declare that failed the earlier one holds: "+name)
		s.intact(b, "after a Declare that failed the handle reads on: "+name)
		s.put(b, "cells", full("b"))
	}
}

// interruptedDeclare ends the context of a Declare at each of the moments at which it is looked at.
func interruptedDeclare(s *store) {
	hs := s.handles(2, cells)
	s.insert(hs[0], "cells", full("a"), full("b"), full("c"))
	schema := backend.Schema{Format: 1, Tables: []backend.Table{cells}}
	for looks := 1; ; looks += 1 + looks/8 {
		err := hs[0].Declare(newCountdown(s.ctx, looks), schema)
		if err != nil && !errors.Is(err, context.Canceled) {
			s.Fatalf("a Declare whose context ends answers ctx.Err(): %v", err)
		}
		s.exclude(hs[0], hs[1], fmt.Sprintf("after a Declare whose context ended when it was looked at for the %d. time", looks))
		if err == nil || s.Failed() {
			break
		}
	}
	s.intact(hs[0], "a Declare that is interrupted leaves the rows")
}

// exclude checks that an Update on b waits for one on a that shares a lock.
func (s *store) exclude(a, b backend.Backend, when string) {
	s.Helper()
	entered := make(chan struct{})
	var once sync.Once
	var second chan struct{}
	err := a.Update(s.ctx, []string{"shared"}, func(tx backend.Tx) error {
		if second == nil {
			second = started(func() {
				err := b.Update(s.ctx, []string{"shared"}, func(tx backend.Tx) error {
					once.Do(func() { close(entered) })
					return tx.Put("cells", full("b"))
				})
				if err != nil {
					s.Errorf("the second Update: %v", err)
				}
			})
			if within(negative/2, entered) {
				s.Errorf("Updates whose locks share a name run one after the other, also %s: the second began in the middle of the first", when)
			}
		}
		return tx.Put("cells", full("a"))
	})
	if err != nil {
		s.Errorf("the first Update: %v", err)
	}
	s.await(second, "the second Update")
}

// A countdown is a context that ends when it has been looked at a number of times.
type countdown struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func newCountdown(ctx context.Context, looks int) *countdown {
	return &countdown{Context: ctx, left: looks, done: make(chan struct{})}
}

func (c *countdown) look() (over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	if c.left == 0 {
		close(c.done)
	}
	return c.left <= 0
}

func (c *countdown) Done() <-chan struct{} {
	c.look()
	return c.done
}

func (c *countdown) Err() error {
	if c.look() {
		return context.Canceled
	}
	return nil
}

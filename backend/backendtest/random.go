package backendtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry/backend"
)

// seed is BACKENDTEST_SEED if that is set, to run a failure again.
func (s *store) seed() uint64 {
	seed := rand.Uint64()
	if text := os.Getenv("BACKENDTEST_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			s.Fatalf("BACKENDTEST_SEED: %v", err)
		}
		seed = n
	}
	s.Logf("BACKENDTEST_SEED=%d", seed)
	return seed
}

// randomQueries changes two equal tables, one of them without indexes, and asks them at each step: in the Update
// that changed them, in a View, and by Find.
func randomQueries(s *store) {
	const rounds, changes, queries = 12, 15, 50
	r := random{rand.New(rand.NewPCG(s.seed(), 0))}
	b := s.declared(items, bare)
	state := map[string]backend.Row{} // by Key.String
	for range rounds {
		next := map[string]backend.Row{}
		abort := r.IntN(5) == 0
		seed := r.Uint64()
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
			r := random{rand.New(rand.NewPCG(seed, 1))} // fn may run again, and then does the same
			clear(next)
			maps.Copy(next, state)
			for range changes {
				if err := r.change(tx, next); err != nil {
					return err
				}
			}
			rows := slices.Collect(maps.Values(next))
			for range queries / 4 {
				t := r.table()
				q := r.query(t, rows)
				got, err := tx.Find(q)
				if err != nil {
					return err
				}
				if err := differAsked(got, answer(t, rows, q), q); err != nil {
					return fmt.Errorf("an Update sees its own changes: %s: %w", show(q), err)
				}
			}
			if abort {
				return errAbort
			}
			return nil
		})
		switch {
		case abort:
			s.wants(err, errAbort, "an Update answers fn's error")
		case err != nil:
			s.Fatalf("Update: %v", err)
		default:
			state = next
		}
		rows := slices.Collect(maps.Values(state))
		err = b.View(s.ctx, func(reader backend.Reader) error {
			for range queries {
				t := r.table()
				s.asks(t, rows, r.query(t, rows), reader.Find)
			}
			return nil
		})
		if err != nil {
			s.Fatalf("View: %v", err)
		}
		for range queries / 4 {
			t := r.table()
			s.asks(t, rows, r.query(t, rows), s.finder(b))
		}
	}
}

// random makes rows and queries of few values, so that they meet.
type random struct{ *rand.Rand }

func (r random) table() *backend.Table {
	if r.IntN(3) == 0 {
		return &bare
	}
	return &items
}

func pick[T any](r random, list ...T) T { return list[r.IntN(len(list))] }

func (r random) value(kind backend.Kind) backend.Value {
	switch kind {
	case backend.Int:
		return backend.IntValue(pick[int64](r, -1<<63, -300, -1, 0, 1, 2, 9, 10, 1<<53+1, 1<<63-1))
	case backend.Float:
		return pick(r, floatProbes()...)
	case backend.Time:
		return pick(r, timeProbes()...)
	}
	return backend.StringValue(pick(r, "", "a", "A", "a\x01", "ab", "abc", "b", "a ", "é", "\U0010ffff", "a\U0010ffff", "%", "\ue000", "😀"))
}

func (r random) name() string { return pick(r, "k", "l", "é", "k\x01") }

func (r random) key() backend.Key {
	return key(r.value(backend.String), backend.IntValue(pick[int64](r, -1, 0, 1, 2, 10)))
}

func (r random) row() backend.Row {
	row := backend.Row{Key: r.key(), Fields: map[string]any{}, Doc: fmt.Appendf(nil, `{"doc":%d}`, r.Uint64())}
	for _, f := range items.Fields {
		switch {
		case r.IntN(4) == 0:
		case f.Shape == backend.One:
			row.Fields[f.Name] = r.value(f.Kind)
		case f.Shape == backend.Set:
			set := map[string]bool{}
			for range r.IntN(4) {
				set[r.value(backend.String).Str()] = true
			}
			row.Fields[f.Name] = slices.Collect(maps.Keys(set))
		case f.Shape == backend.Map:
			m := map[string]backend.Value{}
			for range r.IntN(4) {
				m[r.name()] = r.value(f.Kind)
			}
			row.Fields[f.Name] = m
		}
	}
	return row
}

// change makes one change to both tables, and to state.
func (r random) change(tx backend.Tx, state map[string]backend.Row) error {
	var err error
	row := r.row()
	name := row.Key.String()
	for _, t := range []string{"items", "bare"} {
		if _, there := state[name]; !there && r.IntN(2) == 0 {
			err = tx.Insert(t, row)
		} else if r.IntN(4) > 0 {
			err = tx.Put(t, row)
		} else if err = tx.Put(t, r.at(row.Key)); err == nil {
			err = tx.Put(t, row)
		}
		if err != nil {
			return err
		}
	}
	state[name] = row
	if r.IntN(3) > 0 {
		return nil
	}
	gone := r.key()
	delete(state, gone.String())
	if err := tx.Delete("items", gone); err != nil {
		return err
	}
	return tx.Delete("bare", gone)
}

// at is another row of that key.
func (r random) at(k backend.Key) backend.Row {
	row := r.row()
	row.Key = k
	return row
}

func (r random) query(t *backend.Table, rows []backend.Row) backend.Query {
	q := backend.Query{Table: t.Name, Order: pick(r, append(orders, "", "rank")...), Desc: r.IntN(2) == 0, Limit: pick(r, 0, 0, 1, 3, 10), Fields: r.IntN(4) == 0}
	for range pick(r, 0, 1, 1, 2, 2, 3) {
		q.Where = append(q.Where, r.cond())
	}
	switch {
	case r.IntN(3) > 0:
	case r.IntN(3) > 0 && len(rows) > 0:
		q.After = place(t, rows[r.IntN(len(rows))], q.Order)
	default:
		q.After = place(t, r.row(), q.Order)
	}
	return q
}

func (r random) cond() backend.Cond {
	f := pick(r, slices.Concat(items.Key, items.Fields)...)
	c := backend.Cond{Field: f.Name, Op: pick(r, backend.Eq, backend.Eq, backend.In, backend.Lt, backend.Le, backend.Gt, backend.Ge, backend.Prefix)}
	if f.Shape == backend.Map {
		c.Name = r.name()
	}
	switch {
	case c.Op == backend.In:
		for range r.IntN(6) {
			c.Values = append(c.Values, r.value(f.Kind))
		}
		return c
	case c.Op == backend.Prefix && f.Kind != backend.String:
		c.Op = backend.Eq
	}
	c.Value = r.value(f.Kind)
	return c
}

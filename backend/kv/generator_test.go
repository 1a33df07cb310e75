package kv_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
)

// generator makes tables, rows and queries.
type generator struct {
	*rand.Rand
	table backend.Table
	docs  int
}

func (g *generator) newTable() backend.Table {
	t := backend.Table{Name: "things"}
	for i := range 1 + g.IntN(3) {
		t.Key = append(t.Key, backend.Field{Name: "k" + string(rune('a'+i)), Kind: backend.Kind(g.IntN(2))})
	}
	for i := range 2 + g.IntN(4) {
		f := backend.Field{Name: "f" + string(rune('a'+i)), Shape: backend.Shape(max(0, g.IntN(5)-2))}
		if f.Shape != backend.Set {
			f.Kind = backend.Kind(g.IntN(4))
		}
		t.Fields = append(t.Fields, f)
	}
	for range g.IntN(6) {
		x := backend.Index{Sparse: g.IntN(3) == 0, Unique: g.IntN(8) == 0}
		for len(x.Fields) < 1+g.IntN(3) {
			all := slices.Concat(t.Key, t.Fields)
			x.Fields = append(x.Fields, all[g.IntN(len(all))].Name)
		}
		if len(slices.Compact(slices.Sorted(slices.Values(x.Fields)))) < len(x.Fields) {
			continue
		}
		candidate := t
		candidate.Indexes = append(slices.Clip(t.Indexes), x)
		if (backend.Schema{Format: 1, Tables: []backend.Table{candidate}}).Validate() == nil {
			t = candidate
		}
	}
	return t
}

var long = strings.Repeat("x", 1023)

// value returns one of few values, so that rows share them.
func (g *generator) value(k backend.Kind, key bool) backend.Value {
	switch k {
	case backend.Int:
		return backend.IntValue([]int64{-1 << 63, -7, -1, 0, 1, 2, 10, 1<<63 - 1}[g.IntN(8)])
	case backend.Float:
		return backend.FloatValue([]float64{-1e300, -2.5, -1, 0, 1e-9, 1, 2.5, 1e300}[g.IntN(8)])
	case backend.Time:
		return backend.MicrosValue([]int64{-62135596800000000, -1, 0, 1, 1700000000000000, 253402300799999999}[g.IntN(6)])
	}
	strs := []string{"", "a", "a\x01", "aa", "ab", "b", "\u00e9", "\U0010ffff"}
	if !key && g.IntN(3) == 0 {
		strs = []string{long, long + "a", long + "ab", long + "b", long + "xx", long + "a\x01"}
	}
	return backend.StringValue(strs[g.IntN(len(strs))])
}

func (g *generator) key() (key backend.Key) {
	for _, f := range g.table.Key {
		key = append(key, g.value(f.Kind, true))
	}
	return key
}

func (g *generator) row() backend.Row {
	g.docs++
	row := backend.Row{Key: g.key(), Fields: map[string]any{}, Doc: fmt.Appendf(nil, `{"n":%d}`, g.docs)}
	for _, f := range g.table.Fields {
		// Uniquely indexed values are at most 1,024 bytes long.
		short := slices.ContainsFunc(g.table.Indexes, func(x backend.Index) bool { return x.Unique && slices.Contains(x.Fields, f.Name) })
		switch {
		case g.IntN(4) == 0:
		case f.Shape == backend.One:
			row.Fields[f.Name] = g.value(f.Kind, short)
		case f.Shape == backend.Set:
			var set []string
			for range g.IntN(4) {
				set = append(set, g.value(backend.String, short).Str())
			}
			row.Fields[f.Name] = slices.Compact(slices.Sorted(slices.Values(set)))
		default:
			m := map[string]backend.Value{}
			for range g.IntN(4) {
				m[g.entry()] = g.value(f.Kind, short)
			}
			row.Fields[f.Name] = m
		}
	}
	return row
}

func (g *generator) entry() string { return []string{"m", "n", "nn"}[g.IntN(3)] }

// change puts, inserts or deletes a row on b and in rows alike.
func (g *generator) change(t *testing.T, b backend.Backend, rows map[string]backend.Row) {
	t.Helper()
	row := g.row()
	id := row.Key.String()
	var err error
	switch g.IntN(6) {
	case 0:
		err = b.Update(context.Background(), nil, func(tx backend.Tx) error { return tx.Delete("things", row.Key) })
		require.NoError(t, err)
		delete(rows, id)
		return
	case 1:
		err = b.Update(context.Background(), nil, func(tx backend.Tx) error { return tx.Insert("things", row) })
		if _, there := rows[id]; there {
			require.ErrorIs(t, err, backend.ErrExists)
			return
		}
	default:
		err = b.Update(context.Background(), nil, func(tx backend.Tx) error { return tx.Put("things", row) })
	}
	if g.taken(rows, row) {
		require.ErrorIs(t, err, backend.ErrExists)
		return
	}
	require.NoError(t, err)
	rows[id] = row
}

// taken says whether a unique index holds a value of row for another row.
func (g *generator) taken(rows map[string]backend.Row, row backend.Row) bool {
	for _, x := range g.table.Indexes {
		if !x.Unique {
			continue
		}
		mine := g.uniqueValues(x, row)
		for id, other := range rows {
			if id == row.Key.String() {
				continue
			}
			for v := range g.uniqueValues(x, other) {
				if mine[v] {
					return true
				}
			}
		}
	}
	return false
}

// uniqueValues returns what a unique index holds of row.
func (g *generator) uniqueValues(x backend.Index, row backend.Row) map[string]bool {
	values := []string{""}
	for _, name := range x.Fields {
		f, key, _ := g.table.Field(name)
		var elements []string
		switch content := g.content(row, name).(type) {
		case backend.Value:
			if !key && f.Kind == backend.String && content.Str() == "" {
				return nil
			}
			elements = []string{content.String()}
		case []string:
			elements = content
		case map[string]backend.Value:
			for n, v := range content {
				elements = append(elements, n+"="+v.String())
			}
		}
		var longer []string
		for _, v := range values {
			for _, e := range elements {
				longer = append(longer, v+"|"+e)
			}
		}
		values = longer
	}
	set := map[string]bool{}
	for _, v := range values {
		set[v] = true
	}
	return set
}

// content returns what row has under name, a key part or a field.
func (g *generator) content(row backend.Row, name string) any {
	for i, f := range g.table.Key {
		if f.Name == name {
			return row.Key[i]
		}
	}
	if c, ok := row.Fields[name]; ok {
		return c
	}
	f, _, _ := g.table.Field(name)
	if f.Shape == backend.One {
		return backend.ZeroValue(f.Kind)
	}
	return nil
}

func (g *generator) query(rows map[string]backend.Row) backend.Query {
	q := backend.Query{Table: "things", Desc: g.IntN(2) == 0}
	all := slices.Concat(g.table.Key, g.table.Fields)
	for range g.IntN(5) {
		f := all[g.IntN(len(all))]
		c := backend.Cond{Field: f.Name, Op: []backend.Op{backend.Eq, backend.Eq, backend.In, backend.Lt, backend.Le, backend.Gt, backend.Ge, backend.Prefix}[g.IntN(8)]}
		if f.Kind != backend.String && c.Op == backend.Prefix {
			c.Op = backend.Eq
		}
		if f.Shape == backend.Map {
			c.Name = g.entry()
		}
		if c.Op == backend.In {
			for range g.IntN(5) {
				c.Values = append(c.Values, g.value(f.Kind, false))
			}
		} else {
			c.Value = g.value(f.Kind, false)
		}
		q.Where = append(q.Where, c)
	}
	if f := all[g.IntN(len(all))]; f.Shape == backend.One {
		q.Order = f.Name
	}
	if g.IntN(2) == 0 {
		q.Limit = 1 + g.IntN(6)
	}
	if g.IntN(2) == 0 {
		q.After = g.after(rows, q.Order)
	}
	if err := g.table.CheckQuery(q); err != nil {
		panic(err)
	}
	return q
}

// eqQuery returns a query whose answer FindMemo can remember.
func (g *generator) eqQuery(rows map[string]backend.Row) backend.Query {
	q := g.query(rows)
	q.After, q.Limit = nil, 1
	for i := range q.Where {
		if c := &q.Where[i]; c.Op != backend.Eq {
			f, _, _ := g.table.Field(c.Field)
			*c = backend.Cond{Field: c.Field, Name: c.Name, Value: g.value(f.Kind, false)}
		}
	}
	return q
}

// checkMemo compares what FindMemo answers, twice, with looking at every row.
func (g *generator) checkMemo(t *testing.T, b backend.Memoizer, rows map[string]backend.Row, q backend.Query) {
	t.Helper()
	want := g.bruteForce(rows, q)
	for range 2 {
		got, err := b.FindMemo(context.Background(), q, func(r backend.Row) (any, error) { return string(r.Doc), nil })
		if len(want) == 0 {
			require.ErrorIs(t, err, backend.ErrNotFound, "%+v", q)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, string(want[0].Doc), got, "table %+v\nquery %+v", g.table, q)
	}
}

// after returns the position of a row that is there, or of one that need not be.
func (g *generator) after(rows map[string]backend.Row, order string) (after []backend.Value) {
	row := g.row()
	if ids := slices.Sorted(maps.Keys(rows)); len(ids) > 0 && g.IntN(4) > 0 {
		row = rows[ids[g.IntN(len(ids))]]
	}
	if order != "" {
		after = append(after, g.content(row, order).(backend.Value))
	}
	return append(after, row.Key...)
}

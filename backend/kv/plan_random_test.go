package kv_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/kv"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// Every query answers what looking at each row would, whatever the indexes: random tables, random rows, random queries.
func TestFindAnswersAsLookingAtEveryRow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(120) {
		checkSeed(t, seed, kv.New(&strictStore{}))
		checkSeed(t, seed, memory.New())
	}
}

func checkSeed(t *testing.T, seed uint64, b backend.Backend) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	g.table = g.newTable()
	schema := backend.Schema{Format: 1, Tables: []backend.Table{g.table}}
	late := g.table.Indexes
	if g.IntN(3) == 0 { // indexes that are added to rows that are there
		schema.Tables[0].Indexes = nil
	}
	g.table = schema.Tables[0]
	ctx := context.Background()
	require.NoError(t, b.Declare(ctx, schema))
	rows := map[string]backend.Row{}
	for range g.IntN(80) {
		g.change(t, b, rows)
	}
	schema.Tables[0].Indexes = late
	if err := b.Declare(ctx, schema); errors.Is(err, backend.ErrExists) {
		return // rows came before the unique index that they do not fit
	} else {
		require.NoError(t, err)
	}
	g.table = schema.Tables[0]
	asked := make([]backend.Query, 4)
	for i := range asked {
		asked[i] = g.eqQuery(rows)
	}
	for range g.IntN(80) {
		g.change(t, b, rows)
		g.checkMemo(t, b.(backend.Memoizer), rows, asked[g.IntN(len(asked))])
	}
	for range 60 {
		q := g.query(rows)
		got, err := b.Find(ctx, q)
		require.NoError(t, err, "seed %d: %+v", seed, q)
		want := g.bruteForce(rows, q)
		require.Equal(t, show(want), show(got), "seed %d\ntable %+v\nquery %+v", seed, g.table, q)
	}
	require.NoError(t, b.Close())
}

func show(rows []backend.Row) string {
	var s strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&s, "%.60s %s\n", r.Key, r.Doc)
	}
	return s.String()
}

// bruteForce looks at every row.
func (g *generator) bruteForce(rows map[string]backend.Row, q backend.Query) (found []backend.Row) {
	position := func(r backend.Row) backend.Key {
		if q.Order == "" {
			return r.Key
		}
		return append(backend.Key{g.content(r, q.Order).(backend.Value)}, r.Key...)
	}
	compare := func(a, b backend.Key) int {
		if q.Desc {
			return b.Compare(a)
		}
		return a.Compare(b)
	}
	for _, r := range rows {
		meets := len(q.After) == 0 || compare(position(r), q.After) > 0
		for _, c := range q.Where {
			meets = meets && g.meets(r, c)
		}
		if meets {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b backend.Row) int { return compare(position(a), position(b)) })
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found
}

func (g *generator) meets(r backend.Row, c backend.Cond) bool {
	var elements []backend.Value
	switch content := g.content(r, c.Field).(type) {
	case backend.Value:
		elements = []backend.Value{content}
	case []string:
		for _, s := range content {
			elements = append(elements, backend.StringValue(s))
		}
	case map[string]backend.Value:
		if v, ok := content[c.Name]; ok {
			elements = []backend.Value{v}
		}
	}
	return slices.ContainsFunc(elements, func(v backend.Value) bool {
		switch c.Op {
		case backend.Eq:
			return v == c.Value
		case backend.In:
			return slices.Contains(c.Values, v)
		case backend.Prefix:
			return strings.HasPrefix(v.Str(), c.Value.Str())
		}
		order := v.Compare(c.Value)
		return map[backend.Op]bool{
			backend.Lt: order < 0, backend.Le: order <= 0, backend.Gt: order > 0, backend.Ge: order >= 0,
		}[c.Op]
	})
}

package sqldb

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A statement made from a template is the one that is made anew.
func TestTemplatesMakeTheSameStatements(t *testing.T) {
	decl := backend.Table{
		Name: "versions",
		Key:  []backend.Field{{Name: "model"}, {Name: "number", Kind: backend.Int}},
		Fields: []backend.Field{
			{Name: "stage"}, {Name: "run"}, {Name: "updated", Kind: backend.Time},
			{Name: "aliases", Shape: backend.Set}, {Name: "tags", Shape: backend.Map},
		},
		Indexes: []backend.Index{
			{Fields: []string{"model", "stage"}, Sparse: true}, {Fields: []string{"run"}}, {Fields: []string{"updated"}},
			{Fields: []string{"model", "aliases"}, Unique: true}, {Fields: []string{"tags"}},
		},
	}
	code := func(error) int { return 0 }
	for name, d := range map[string]Dialect{"sqlite": SQLite(code), "postgres": Postgres()} {
		t.Run(name, func(t *testing.T) {
			table := newTable(&d, &decl)
			random := rand.New(rand.NewPCG(1, 2))
			texts := []string{"a", "mark 1", "x'y", strings.Repeat("é", 32), strings.Repeat("long", 100)}
			used := 0
			for range 3000 {
				q := backend.Query{Table: "versions", Desc: random.IntN(2) == 0, Limit: random.IntN(3) * 7, Order: []string{"", "updated", "model"}[random.IntN(3)]}
				for _, field := range []string{"model", "number", "stage", "run", "aliases"} {
					if random.IntN(2) == 0 {
						continue
					}
					v := backend.StringValue(texts[random.IntN(len(texts))])
					if field == "number" {
						v = backend.IntValue(random.Int64N(5))
					}
					q.Where = append(q.Where, backend.Cond{Field: field, Value: v})
				}
				random.Shuffle(len(q.Where), func(i, j int) { q.Where[i], q.Where[j] = q.Where[j], q.Where[i] })
				require.NoError(t, decl.CheckQuery(q))
				got, point := table.plain(&d, q)
				if got == nil {
					continue
				}
				used++
				want, wantPoint, empty := table.find(&d, q, false)
				require.False(t, empty)
				require.Equal(t, string(want.text), string(got.text))
				require.True(t, slices.Equal(want.args, got.args), "%v\n%v\n%s", want.args, got.args, want.text)
				require.Equal(t, wantPoint, point)
			}
			require.Greater(t, used, 1000)
		})
	}
}

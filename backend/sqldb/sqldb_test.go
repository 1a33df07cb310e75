package sqldb_test

import (
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// An engine is a database that the tests run on.
type engine struct {
	name string
	open func(t testing.TB, wrap func(driver.Connector) driver.Connector) *sqldb.DB
}

var engines = []engine{
	{"sqlite", func(t testing.TB, wrap func(driver.Connector) driver.Connector) *sqldb.DB {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), &sqlite.Options{Wrap: wrap})
		require.NoError(t, err)
		return db
	}},
	{"postgres", func(t testing.TB, wrap func(driver.Connector) driver.Connector) *sqldb.DB {
		db, err := postgres.Open(t.Context(), pgtest.DSN(t), &postgres.Options{Wrap: wrap})
		require.NoError(t, err)
		return db
	}},
}

// registry is a schema such as a registry has.
var registry = backend.Schema{Format: 1, Tables: []backend.Table{
	{
		Name: "models",
		Key:  []backend.Field{{Name: "name"}},
		Fields: []backend.Field{
			{Name: "id"},
			{Name: "updated", Kind: backend.Time},
			{Name: "tags", Shape: backend.Map},
		},
		Indexes: []backend.Index{{Fields: []string{"id"}, Unique: true}, {Fields: []string{"updated"}}, {Fields: []string{"tags"}}},
	},
	{
		Name: "versions",
		Key:  []backend.Field{{Name: "model"}, {Name: "number", Kind: backend.Int}},
		Fields: []backend.Field{
			{Name: "stage"},
			{Name: "digest"},
			{Name: "updated", Kind: backend.Time},
			{Name: "aliases", Shape: backend.Set},
			{Name: "tags", Shape: backend.Map},
			{Name: "params", Shape: backend.Map},
			{Name: "metrics", Shape: backend.Map, Kind: backend.Float},
		},
		Indexes: []backend.Index{
			{Fields: []string{"model", "stage"}, Sparse: true},
			{Fields: []string{"digest"}, Sparse: true},
			{Fields: []string{"updated"}},
			{Fields: []string{"model", "aliases"}, Unique: true},
			{Fields: []string{"tags"}},
			{Fields: []string{"metrics"}},
		},
	},
	{
		Name:    "events",
		Log:     true,
		Fields:  []backend.Field{{Name: "model"}, {Name: "time", Kind: backend.Time}},
		Indexes: []backend.Index{{Fields: []string{"model", "time"}}},
	},
}}

var at = time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)

func str(s string) backend.Value { return backend.StringValue(s) }

func key(model string, number int64) backend.Key {
	return backend.Key{str(model), backend.IntValue(number)}
}

func modelRow(name string) backend.Row {
	return backend.Row{Key: backend.Key{str(name)}, Doc: []byte(`{"last":1}`), Fields: map[string]any{
		"id": str("id of " + name), "updated": backend.TimeValue(at), "tags": map[string]backend.Value{"team": str("fraud")},
	}}
}

func versionRow(model string, number int64, stage string, aliases ...string) backend.Row {
	return backend.Row{Key: key(model, number), Doc: []byte(`{"v":1}`), Fields: map[string]any{
		"stage": str(stage), "digest": str(fmt.Sprintf("%064x", number)), "updated": backend.TimeValue(at.Add(time.Duration(number) * time.Second)),
		"aliases": aliases,
		"tags":    map[string]backend.Value{"team": str("fraud"), "parity": str([]string{"even", "odd"}[number%2])},
		"params":  map[string]backend.Value{"depth": str("3"), "eta": str("0.1"), "rounds": str("100")},
		"metrics": map[string]backend.Value{"auc": backend.FloatValue(0.1 + float64(number)/3), "loss": backend.FloatValue(1e-17 / 3)},
	}}
}

func eventRow(model string) backend.Row {
	return backend.Row{Doc: []byte(`{"what":"registered"}`), Fields: map[string]any{"model": str(model), "time": backend.TimeValue(at)}}
}

func where(field string, v backend.Value) backend.Cond { return backend.Cond{Field: field, Value: v} }

// fill stores models with so many versions each: the last in Production and called champion.
func fill(t testing.TB, db *sqldb.DB, models, versions int) {
	require.NoError(t, db.Update(t.Context(), nil, func(tx backend.Tx) error {
		for m := range models {
			name := fmt.Sprintf("model-%04d", m)
			if err := tx.Insert("models", modelRow(name)); err != nil {
				return err
			}
			var rows []backend.Row
			for n := 1; n <= versions; n++ {
				if n == versions {
					rows = append(rows, versionRow(name, int64(n), "Production", "champion"))
				} else {
					rows = append(rows, versionRow(name, int64(n), ""))
				}
			}
			if err := tx.Insert("versions", rows...); err != nil {
				return err
			}
			if _, err := tx.Append("events", eventRow(name)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

func TestStatementBudgets(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		var count sqlcount.Counter
		db := e.open(t, count.Wrap)
		defer func() { require.NoError(t, db.Close()) }()
		require.NoError(t, db.Declare(t.Context(), registry))
		fill(t, db, 3, 5)

		byStage := backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0001")), where("stage", str("Production"))}}
		byAlias := backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0001")), where("aliases", str("champion"))}}
		find := func(r interface {
			Find(backend.Query) ([]backend.Row, error)
		}, q backend.Query, n int) {
			rows, err := r.Find(q)
			require.NoError(t, err)
			require.Len(t, rows, n)
		}
		update := func(fn func(tx backend.Tx)) func() {
			return func() {
				require.NoError(t, db.Update(t.Context(), []string{"model-0001"}, func(tx backend.Tx) error {
					fn(tx)
					return nil
				}))
			}
		}
		next := int64(5)
		for _, c := range []struct {
			name string
			most int
			call func()
		}{
			{"find by stage", 1, func() {
				rows, err := db.Find(t.Context(), byStage)
				require.NoError(t, err)
				require.Len(t, rows, 1)
			}},
			{"find by alias", 1, func() {
				rows, err := db.Find(t.Context(), byAlias)
				require.NoError(t, err)
				require.Len(t, rows, 1)
			}},
			{"view of two", 4, func() {
				require.NoError(t, db.View(t.Context(), func(r backend.Reader) error {
					find(r, byStage, 1)
					find(r, byAlias, 1)
					return nil
				}))
			}},
			{"register", map[string]int{"sqlite": 9, "postgres": 6}[e.name], update(func(tx backend.Tx) {
				_, err := tx.Get("models", str("model-0001"))
				require.NoError(t, err)
				next++
				require.NoError(t, tx.Insert("versions", versionRow("model-0001", next, "")))
				require.NoError(t, tx.Put("models", modelRow("model-0001")))
				_, err = tx.Append("events", eventRow("model-0001"))
				require.NoError(t, err)
			})},
			{"promote", 8, update(func(tx backend.Tx) {
				_, err := tx.Get("models", str("model-0001"))
				require.NoError(t, err)
				find(tx, backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0001")), where("number", backend.IntValue(4))}}, 1)
				find(tx, byStage, 1)
				require.NoError(t, tx.Put("versions", versionRow("model-0001", 5, "Archived", "champion"), versionRow("model-0001", 4, "Production")))
				require.NoError(t, tx.Put("models", modelRow("model-0001")))
				_, err = tx.Append("events", eventRow("model-0001"))
				require.NoError(t, err)
			})},
			{"move an alias", map[string]int{"sqlite": 10, "postgres": 8}[e.name], update(func(tx backend.Tx) {
				_, err := tx.Get("models", str("model-0001"))
				require.NoError(t, err)
				find(tx, byAlias, 1)
				_, err = tx.Get("versions", key("model-0001", 3)...)
				require.NoError(t, err)
				require.NoError(t, tx.Put("versions", versionRow("model-0001", 5, "Archived"), versionRow("model-0001", 3, "", "champion")))
				_, err = tx.Append("events", eventRow("model-0001"))
				require.NoError(t, err)
			})},
		} {
			count.Take()
			c.call()
			texts := count.Take()
			require.LessOrEqual(t, len(texts), c.most, "%s:\n%s", c.name, strings.Join(texts, "\n"))
		}
	})
}

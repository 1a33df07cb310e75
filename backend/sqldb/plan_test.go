package sqldb_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// planned are queries, with the index that has to find their rows.
var planned = []struct {
	name     string
	q        backend.Query
	sqlite   string // in the plan
	postgres string
}{
	{"by key", backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0007")), where("number", backend.IntValue(3))}},
		"sqlite_autoindex_versions_1 (model=? AND number=?)", "versions_pkey"},
	{"by stage", backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0007")), where("stage", str("Production"))}, Limit: 1},
		"versions_model_stage_sparse1 (model=? AND stage=?)", "versions_model_stage_sparse1"},
	{"by alias", backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0007")), where("aliases", str("champion"))}},
		"versions_model_aliases_key1 (model=? AND value=?)", "Index Scan using versions_aliases_entry1"}, // or _key1: there are few
	{"by digest", backend.Query{Table: "versions", Where: []backend.Cond{where("digest", str(fmt.Sprintf("%064x", 3)))}, Limit: 10},
		"versions_digest_sparse1 (digest=?)", "versions_digest_sparse1"},
	{"by a tag, a page", backend.Query{Table: "versions", Where: []backend.Cond{{Field: "tags", Name: "team", Value: str("fraud")}}, Limit: 10, After: key("model-0007", 3)},
		"versions_tags_idx1 (entry=? AND value=?", "versions_tags_idx1"},
	{"a page by time", backend.Query{Table: "versions", Order: "updated", Desc: true, Limit: 10, After: append(backend.Key{backend.TimeValue(at.Add(20 * time.Second))}, key("model-0007", 3)...)},
		"versions_updated_idx1", "versions_updated_idx1"},
	{"a page of all", backend.Query{Table: "versions", Limit: 10, After: key("model-0007", 3)},
		"sqlite_autoindex_versions_1", "versions_pkey"},
	{"the newest of a model", backend.Query{Table: "versions", Where: []backend.Cond{where("model", str("model-0007"))}, Order: "number", Desc: true, Limit: 1},
		"sqlite_autoindex_versions_1 (model=?)", "versions_pkey"},
	{"a model's events", backend.Query{Table: "events", Where: []backend.Cond{where("model", str("model-0007"))}, Order: "time", Limit: 10},
		"events_model_time_idx1 (model=?)", "events_model_time_idx1"},
	{"events behind a position", backend.Query{Table: "events", After: backend.Key{str("000000000000000000000003")}, Limit: 10, Settled: true},
		"INTEGER PRIMARY KEY (rowid>?)", "events_pkey"},
}

func TestIndexesFindTheRows(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		var count sqlcount.Counter
		path := filepath.Join(t.TempDir(), "store.db")
		db, err := sqlite.Open(t.Context(), path, &sqlite.Options{Wrap: count.Wrap})
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		require.NoError(t, db.Declare(t.Context(), registry))
		fill(t, db, 20, 5)
		raw, err := sql.Open("sqlite3", path)
		require.NoError(t, err)
		defer func() { require.NoError(t, raw.Close()) }()
		for _, p := range planned {
			count.Take()
			_, err := db.Find(t.Context(), p.q)
			require.NoError(t, err)
			texts := count.Take()
			require.Len(t, texts, 1, p.name)
			plan := explain(t, raw, "EXPLAIN QUERY PLAN "+texts[0], strings.Count(texts[0], "?"))
			require.Contains(t, plan, p.sqlite, p.name)
			require.NotContains(t, plan, "SCAN s", p.name)
			if !strings.Contains(p.name, "page") {
				require.NotContains(t, plan, "SCAN t", p.name)
			}
			require.NotContains(t, plan, "TEMP B-TREE", p.name)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		var count sqlcount.Counter
		db, err := postgres.Open(t.Context(), dsn, &postgres.Options{Wrap: count.Wrap})
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		require.NoError(t, db.Declare(t.Context(), registry))
		fill(t, db, 50, 20)
		raw, err := sql.Open("postgres", dsn+"&enable_seqscan=off&enable_bitmapscan=off&plan_cache_mode=force_generic_plan")
		require.NoError(t, err)
		defer func() { require.NoError(t, raw.Close()) }()
		raw.SetMaxOpenConns(1)
		_, err = raw.Exec("ANALYZE")
		require.NoError(t, err)
		for i, p := range planned {
			count.Take()
			_, err := db.Find(t.Context(), p.q)
			require.NoError(t, err)
			texts := count.Take()
			require.Len(t, texts, 1, p.name)
			name := fmt.Sprintf("planned_%d", i)
			_, err = raw.Exec("PREPARE " + name + " AS " + texts[0])
			require.NoError(t, err)
			nulls := strings.TrimSuffix(strings.Repeat("NULL, ", strings.Count(texts[0], "$")), ", ")
			plan := explain(t, raw, "EXPLAIN EXECUTE "+name+" ("+nulls+")", 0)
			require.Contains(t, plan, p.postgres, p.name)
			require.NotContains(t, plan, "Seq Scan on versions", p.name)
		}
	})
}

// explain is the text of a plan, whose last column is its lines.
func explain(t *testing.T, db *sql.DB, text string, params int) string {
	rows, err := db.Query(text, make([]any, params)...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	cols, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		values := make([]any, len(cols))
		for i := range values {
			values[i] = new(sql.NullString)
		}
		require.NoError(t, rows.Scan(values...))
		plan.WriteString(values[len(values)-1].(*sql.NullString).String + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/lib/pq"           // the peers' drivers
	_ "github.com/mattn/go-sqlite3" // beside those that the backends bring
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// The ways to ask for a version: a URI's end, and the statement for the row, in SQLite's form: behind a + a parameter does
// not make go-sqlite3 prepare the statement anew each time.
var resolutions = []struct{ what, suffix, value, statement string }{
	{"stage", "/Production", "Production", `SELECT doc FROM versions WHERE model = +? AND stage = +? AND stage <> ''`},
	{"alias", "@champion", "champion", `SELECT v.doc FROM versions_aliases AS a CROSS JOIN versions AS v
		WHERE v.model = a.model AND v.number = a.number AND a.model = +? AND a.value = +?`},
}

// peer opens the store's database by database/sql, to read only.
func peer(b *testing.B, s *store) *sql.DB {
	driver, dsn := "postgres", s.place
	if s.kind == stores.SQLite {
		driver, dsn = "sqlite3", "file:"+s.place+"?_query_only=true&_mutex=no"
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(b, err)
	b.Cleanup(func() { _ = db.Close() }) // nothing was written
	return db
}

func resolveSQL(b *testing.B, s *store) []result {
	ctx := context.Background()
	db := peer(b, s)
	var out []result
	limit := map[string]float64{stores.SQLite: 2, stores.Postgres: 1.5}[s.kind]
	for _, r := range resolutions {
		text := r.statement
		if s.kind == stores.Postgres {
			text = strings.Replace(strings.Replace(text, "+?", "$1", 1), "+?", "$2", 1)
		}
		stmt, err := db.Prepare(text)
		require.NoError(b, err)
		m := alternate(21, perCall(4, func() {
			_, err := s.reg.Resolve(ctx, "models:/"+modelName(rand.IntN(s.models))+r.suffix)
			require.NoError(b, err)
		}), perCall(4, func() {
			var doc []byte
			require.NoError(b, stmt.QueryRow(modelName(rand.IntN(s.models)), r.value).Scan(&doc))
		}))
		require.NoError(b, stmt.Close())
		out = append(out, atMost("resolve by "+r.what+", "+s.name(), duration(m[0]), "prepared statement "+duration(m[1]), m[0]/m[1], limit))
	}
	return out
}

func resolveMemory(b *testing.B, s *store) []result {
	ctx := context.Background()
	plain := map[string]*modelregistry.Version{}
	uris := make([]string, s.models)
	for i := range uris {
		for n := range perModel {
			v := &modelregistry.Version{Model: modelName(i), Number: n + 1}
			plain[v.URI()] = v
		}
		uris[i] = "models:/" + modelName(i) + "/Production"
		plain[uris[i]] = plain[fmt.Sprintf("models:/%s/%d", modelName(i), production)]
	}
	var mu sync.RWMutex
	resolve := func() {
		v, err := s.reg.Resolve(ctx, uris[rand.IntN(len(uris))])
		if err != nil || v.Number != production {
			b.Fatal(v, err)
		}
	}
	for range 2 * len(uris) {
		resolve() // decoded once, versions stay decoded
	}
	m := alternate(21, perCall(256, resolve), perCall(256, func() {
		mu.RLock()
		v := plain[uris[rand.IntN(len(uris))]]
		mu.RUnlock()
		if v.Number != production {
			b.Fatal(v)
		}
	}))
	allocs := testing.AllocsPerRun(1000, resolve)
	return []result{
		atMost("resolve by stage, memory", duration(m[0]), "map under a RWMutex "+duration(m[1]), m[0]/m[1], 4),
		{"resolve by stage, memory: allocations", digits(allocs), "", allocs, "at most 2", allocs <= 2},
	}
}

func startProcess(b *testing.B, s *store) []result {
	s.close() // or the store would be open already
	program := filepath.Join(b.TempDir(), "resolve")
	out, err := exec.Command("go", "build", "-o", program, "./resolve").CombinedOutput()
	require.NoError(b, err, string(out))
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		return []result{{"open and resolve from process start, SQLite", "", "the sqlite3 shell is not installed", 0, "at most 3x", false}}
	}
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		require.NoError(b, err)
		return strings.TrimSpace(string(out))
	}
	m := alternate(25, once(func() {
		model := modelName(rand.IntN(s.models))
		require.Equal(b, fmt.Sprintf("%s/%d", model, production), run(program, s.place, "models:/"+model+"/Production"))
	}), once(func() {
		model := modelName(rand.IntN(s.models))
		require.NotEmpty(b, run(shell, "-readonly", s.place, "SELECT doc FROM versions WHERE model = '"+model+"' AND stage = 'Production' AND stage <> ''"))
	}))
	return []result{atMost("open and resolve from process start, SQLite", duration(m[0]), "sqlite3 shell "+duration(m[1]), m[0]/m[1], 3)}
}

package bench_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

func register(b *testing.B, reg modelregistry.Registry, model string) {
	if _, err := reg.Register(context.Background(), model, spec(1, 0, rand.IntN(1000))); err != nil {
		b.Fatal(err)
	}
}

// registrations is how many a second so many callers do, each on a model of its own.
func registrations(b *testing.B, reg modelregistry.Registry, callers int) float64 {
	var done atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range callers {
		wg.Go(func() {
			for time.Since(begin) < 2*slice {
				register(b, reg, modelName(i))
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds()
}

func atOnce(b *testing.B, kind, figure string, limit float64) []result {
	reg := fresh(b, kind)
	m := alternate(15, func() float64 { return registrations(b, reg, 16) }, func() float64 { return registrations(b, reg, 1) })
	return []result{atLeast(figure, digits(m[0])+" commits/s", "one "+digits(m[1])+" commits/s", m[0]/m[1], limit)}
}

func callersSQLite(b *testing.B, _ *store) []result {
	return atOnce(b, stores.SQLite, "16 callers registering, SQLite FULL", 3)
}

func writersPostgres(b *testing.B, _ *store) []result {
	return atOnce(b, stores.Postgres, "16 writers on 16 models, Postgres", 4)
}

// writeMemory changes a tag.
func writeMemory(b *testing.B, s *store) []result {
	small := fill(b, stores.Memory, 10_000)
	defer small.close()
	write := func(s *store) func() {
		return func() {
			patch := modelregistry.VersionPatch{SetTags: map[string]string{"framework": fmt.Sprint(rand.IntN(1e9))}}
			if _, err := s.reg.UpdateVersion(context.Background(), modelName(rand.IntN(s.models)), 1+rand.IntN(perModel), patch); err != nil {
				b.Fatal(err)
			}
		}
	}
	m := alternate(21, perCall(16, write(s)), perCall(16, write(small)))
	return []result{atMost("one write, memory", duration(m[0]), "at 10,000 versions "+duration(m[1]), m[0]/m[1], 3)}
}

// writesSQL compares what the registry does with the same writes, recorded and done again on a twin of its database.
func writesSQL(b *testing.B, _ *store) []result {
	const models, prepared, perSlice, rounds = 50, 10, 40, 21
	var out []result
	for _, kind := range []string{stores.SQLite, stores.Postgres} {
		var count sqlcount.Counter
		reg, twin := twins(b, kind, &count)
		current := map[string]int{}
		change := map[string]func() error{
			"register": func() error {
				_, err := reg.Register(context.Background(), modelName(rand.IntN(models)), spec(1, 0, rand.IntN(1000)))
				return err
			},
			"promote": func() error {
				model := modelName(rand.IntN(models))
				current[model] = current[model]%prepared + 1
				_, err := reg.Promote(context.Background(), model, current[model], modelregistry.Production, nil)
				return err
			},
		}
		for i := range models * prepared {
			_, err := reg.Register(context.Background(), modelName(i%models), spec(1, 0, i))
			require.NoError(b, err)
		}
		require.NoError(b, twin.replay(transactions(count.TakeCalls())))
		for range 2 * models {
			require.NoError(b, change["promote"]())
		}
		require.NoError(b, twin.replay(transactions(count.TakeCalls())))
		for _, what := range []string{"register", "promote"} {
			var last [][]sqlcount.Call
			m := alternate(rounds, func() float64 {
				begin := time.Now()
				for range perSlice {
					require.NoError(b, change[what]())
				}
				took := time.Since(begin)
				last = transactions(count.TakeCalls())
				require.Len(b, last, perSlice)
				return float64(took) / perSlice
			}, func() float64 {
				begin := time.Now()
				require.NoError(b, twin.replay(last))
				return float64(time.Since(begin)) / perSlice
			})
			name := map[string]string{"register": "register without files", "promote": "promote"}[what]
			out = append(out, atMost(name+", "+(&store{kind: kind}).name(), duration(m[0]), "bare transaction "+duration(m[1]), m[0]/m[1], 1.5))
		}
	}
	return out
}

// A twin is a database in which another's writes are done again.
type twin struct {
	conn    *sql.Conn
	begin   string
	schemas *strings.Replacer // from the other's to its own
	stmts   map[string]*sql.Stmt
}

// twins are a registry whose statements are counted, and a database in the state that its own is in.
func twins(b *testing.B, kind string, count *sqlcount.Counter) (modelregistry.Registry, *twin) {
	ctx := context.Background()
	t := &twin{begin: "BEGIN IMMEDIATE", schemas: strings.NewReplacer(), stmts: map[string]*sql.Stmt{}}
	driverName, dsn := "sqlite3", ""
	var counted, other backend.Backend
	var err error
	if kind == stores.SQLite {
		path := filepath.Join(b.TempDir(), "twin.db")
		dsn = "file:" + path + "?_journal_mode=WAL&_synchronous=FULL&_mutex=no"
		counted, err = sqlite.Open(ctx, filepath.Join(b.TempDir(), "registry.db"), &sqlite.Options{Wrap: count.Wrap})
		require.NoError(b, err)
		other, err = sqlite.Open(ctx, path, nil)
	} else {
		driverName, t.begin, dsn = "postgres", "BEGIN", pgtest.DSN(b)
		counts := pgtest.DSN(b)
		t.schemas = strings.NewReplacer(schemaOf(b, counts), schemaOf(b, dsn))
		counted, err = postgres.Open(ctx, counts, &postgres.Options{Wrap: count.Wrap})
		require.NoError(b, err)
		other, err = postgres.Open(ctx, dsn, nil)
	}
	require.NoError(b, err)
	_, err = modelregistry.New(ctx, other, nil, nil) // makes the tables
	require.NoError(b, err)
	require.NoError(b, other.Close())
	reg, err := modelregistry.New(ctx, counted, nil, &modelregistry.Options{Actor: "trainer"})
	require.NoError(b, err)
	db, err := sql.Open(driverName, dsn)
	require.NoError(b, err)
	t.conn, err = db.Conn(ctx)
	require.NoError(b, err)
	b.Cleanup(func() {
		for _, err := range []error{counted.Close(), t.conn.Close(), db.Close()} {
			require.NoError(b, err)
		}
	})
	count.Take() // what made the tables
	return reg, t
}

// schemaOf is the schema that a DSN of pgtest leads to.
func schemaOf(b *testing.B, dsn string) string {
	u, err := url.Parse(dsn)
	require.NoError(b, err)
	return u.Query().Get("search_path")
}

// writes tells statements that write rows, also behind a WITH.
var writes = regexp.MustCompile(`\b(INSERT INTO|UPDATE|DELETE FROM)\b`)

// transactions are the writes among calls, by transaction.
func transactions(calls []sqlcount.Call) (txs [][]sqlcount.Call) {
	var tx []sqlcount.Call
	for _, c := range calls {
		switch {
		case c.Text == "COMMIT":
			txs, tx = append(txs, tx), nil
		case strings.HasPrefix(c.Text, "BEGIN"): // and what else begins an Update: its locks and its witness
		case writes.MatchString(c.Text):
			tx = append(tx, c)
		}
	}
	return txs
}

// replay does transactions again, each statement prepared once.
func (t *twin) replay(txs [][]sqlcount.Call) error {
	ctx := context.Background()
	for _, tx := range txs {
		if _, err := t.conn.ExecContext(ctx, t.begin); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		for _, c := range tx {
			text := t.schemas.Replace(c.Text)
			stmt := t.stmts[text]
			if stmt == nil {
				var err error
				if stmt, err = t.conn.PrepareContext(ctx, text); err != nil {
					return fmt.Errorf("replay: %w", err)
				}
				t.stmts[text] = stmt
			}
			if _, err := stmt.ExecContext(ctx, values(c.Args)...); err != nil {
				return fmt.Errorf("replay %s: %w", c.Text, err)
			}
		}
		if _, err := t.conn.ExecContext(ctx, "COMMIT"); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	return nil
}

func values(args []driver.NamedValue) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a.Value
	}
	return out
}

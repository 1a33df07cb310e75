package postgres_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// newSchema makes a schema that is gone when the test ends.
func newSchema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf(`odd "name%%s_%016x`, rand.Uint64())
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	exec(t, pgtest.Server(t), "CREATE SCHEMA "+quoted)
	t.Cleanup(func() { exec(t, pgtest.Server(t), "DROP SCHEMA "+quoted+" CASCADE") })
	return name
}

// along is the server's URL with a search_path.
func along(t testing.TB, schemas ...string) string {
	t.Helper()
	for i, s := range schemas {
		schemas[i] = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return withParam(t, pgtest.Server(t), "search_path", strings.Join(schemas, ","))
}

func withParam(t testing.TB, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// tables are how many tables the schema has.
func tables(t testing.TB, schema string) int {
	t.Helper()
	return int(number(t, pgtest.Server(t), "SELECT count(*) FROM pg_tables WHERE schemaname = '"+schema+"'"))
}

// requireApart says that Updates of a and b which share a lock run one after the other.
func requireApart(t testing.TB, a, b backend.Backend) {
	t.Helper()
	entered, left := make(chan struct{}), atomic.Bool{}
	var wg sync.WaitGroup
	wg.Go(func() {
		err := a.Update(t.Context(), []string{"shared"}, func(backend.Tx) error {
			close(entered)
			// The other has until then to come in where it must not.
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := b.Update(ctx, []string{"shared"}, func(backend.Tx) error {
				if !left.Load() {
					t.Error("two Updates that share a lock ran at once")
				}
				return nil
			})
			left.Store(true)
			if err == nil {
				t.Error("an Update did not wait for another that has its lock")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-entered
	wg.Wait()
}

func TestPathsToTheSameTablesTakeTheSameLocks(t *testing.T) {
	home, own := newSchema(t), newSchema(t)
	a := open(t, along(t, home))
	require.NoError(t, a.Declare(t.Context(), counters))
	for name, dsn := range map[string]string{
		"a path that begins elsewhere": along(t, own, home),
		"the schema's name":            withParam(t, pgtest.Server(t), "schema", home),
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, dsn)
			require.NoError(t, b.Declare(t.Context(), counters))
			requireApart(t, a, b)
			requireApart(t, b, a)
			require.NoError(t, count(t.Context(), b, "one"))
		})
	}
	requireCount(t, a, "one", 2)

	// A newer program on the longer path upgrades the store that there is.
	newer := counters
	newer.Format = 2
	newer.Tables = append([]backend.Table{{Name: "more", Key: []backend.Field{{Name: "name"}}}}, counters.Tables...)
	b := open(t, along(t, own, home))
	require.NoError(t, b.Declare(t.Context(), newer))
	requireCount(t, b, "one", 2)
	require.Zero(t, tables(t, own), "another store beside the one that there is")
}

func TestAStoreGoesWhereItIsAsked(t *testing.T) {
	first, second := newSchema(t), newSchema(t)
	asked, err := postgres.Open(t.Context(), along(t, first), &postgres.Options{Schema: second})
	require.NoError(t, err)
	defer func() { require.NoError(t, asked.Close()) }()
	require.NoError(t, asked.Declare(t.Context(), counters))
	require.NoError(t, count(t.Context(), asked, "one"))
	require.Zero(t, tables(t, first))
	require.NotZero(t, tables(t, second))

	other := open(t, along(t, first)) // which does not lead there
	require.NoError(t, other.Declare(t.Context(), counters))
	require.NoError(t, count(t.Context(), other, "one"))
	requireCount(t, other, "one", 1)

	both := open(t, along(t, first, second))
	err = both.Declare(t.Context(), counters)
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "several schemas")

	for _, dsn := range []string{withParam(t, pgtest.Server(t), "schema", "nowhere"), withParam(t, pgtest.Server(t), "schema", "")} {
		_, err = backend.Open(t.Context(), dsn)
		require.ErrorIs(t, err, backend.ErrInvalid, dsn)
		require.ErrorContains(t, err, "schema")
	}
}

// A hooked connection calls hook before each query.
type hooked struct {
	driver.Connector
	hook func(query string)
}

type hookedConn struct {
	fullConn
	hook func(query string)
}

func (h *hooked) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := h.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &hookedConn{fullConn: c.(fullConn), hook: h.hook}, nil
}

func (c *hookedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.hook(query)
	return c.fullConn.QueryContext(ctx, query, args)
}

// A Declare that fails on the way, at any of its queries, leaves the backend as it was.
func TestAFailedDeclareChangesNothing(t *testing.T) {
	dsn := pgtest.DSN(t)
	var left atomic.Int64 // queries until the context ends
	left.Store(-1)
	var cancel atomic.Pointer[context.CancelFunc]
	a, err := postgres.Open(t.Context(), dsn, &postgres.Options{Wrap: func(c driver.Connector) driver.Connector {
		return &hooked{c, func(string) {
			if left.Add(-1) == 0 {
				(*cancel.Load())()
			}
		}}
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	require.NoError(t, a.Declare(t.Context(), counters))
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	failed := 0
	for n := int64(1); ; n++ {
		ctx, stop := context.WithCancel(t.Context())
		cancel.Store(&stop)
		left.Store(n)
		err := a.Declare(ctx, counters)
		reached := left.Swap(-1) <= 0
		stop()
		if !reached {
			require.NoError(t, err)
			break
		}
		if err != nil {
			failed++
		}
		requireApart(t, a, b)
	}
	require.Positive(t, failed)
}

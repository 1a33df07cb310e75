package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

var counters = backend.Schema{Format: 1, Tables: []backend.Table{
	{Name: "counters", Key: []backend.Field{{Name: "name"}}, Fields: []backend.Field{{Name: "marks", Shape: backend.Set}}},
	{Name: "steps", Log: true, Fields: []backend.Field{{Name: "who"}}},
}}

// count adds one to the counter, which it has read.
func count(ctx context.Context, b backend.Backend, name string) error {
	return b.Update(ctx, []string{name}, func(tx backend.Tx) error {
		n := 0
		row, err := tx.Get("counters", backend.StringValue(name))
		if err == nil {
			n, err = strconv.Atoi(string(row.Doc))
		}
		if err != nil && !errors.Is(err, backend.ErrNotFound) {
			return err
		}
		if _, err := tx.Append("steps", backend.Row{Fields: map[string]any{"who": backend.StringValue(name)}, Doc: []byte(`{}`)}); err != nil {
			return err
		}
		return tx.Put("counters", backend.Row{Key: backend.Key{backend.StringValue(name)}, Doc: []byte(strconv.Itoa(n + 1))})
	})
}

func requireCount(t testing.TB, b backend.Backend, name string, want int) {
	t.Helper()
	rows, err := b.Find(t.Context(), backend.Query{Table: "counters", Where: []backend.Cond{{Field: "name", Value: backend.StringValue(name)}}})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, strconv.Itoa(want), string(rows[0].Doc))
	steps, err := b.Find(t.Context(), backend.Query{Table: "steps"})
	require.NoError(t, err)
	require.Len(t, steps, want)
}

// A fault is how a connection treats the next COMMIT.
type fault int

const (
	none        fault = iota
	lostAnswer        // it is done, but the connection breaks before the answer
	lostRequest       // the connection breaks before it, and the server notices
	hung              // the connection breaks before it, and the server does not notice
)

// faulty makes connections that treat one COMMIT each time it is told to.
type faulty struct {
	driver.Connector
	mu        sync.Mutex
	next      fault
	meanwhile func() // happens before the Update notices
	met       int
}

func (f *faulty) set(next fault, meanwhile func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.meanwhile = next, meanwhile
}

func (f *faulty) take() (fault, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.next
	f.next = none
	if next != none {
		f.met++
	}
	return next, f.meanwhile
}

// openFaulty opens a store that has one connection at a time: an Update in doubt has to do with the one that it has.
func openFaulty(t testing.TB, dsn string) (*faulty, backend.Backend) {
	t.Helper()
	f := &faulty{}
	b, err := postgres.Open(t.Context(), dsn, &postgres.Options{Conns: 1, Wrap: func(c driver.Connector) driver.Connector {
		f.Connector = c
		return f
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	require.NoError(t, b.Declare(t.Context(), counters))
	return f, b
}

type fullConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Validator
}

type faultyConn struct {
	fullConn
	f    *faulty
	hung bool
}

func (f *faulty) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{fullConn: c.(fullConn), f: f}, nil
}

func (c *faultyConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if text != "COMMIT" {
		return c.fullConn.ExecContext(ctx, text, args)
	}
	kind, meanwhile := c.f.take()
	if kind == none || kind == lostAnswer {
		if result, err := c.fullConn.ExecContext(ctx, text, args); err != nil || kind == none {
			return result, err
		}
	}
	c.hung = kind == hung
	if meanwhile != nil {
		meanwhile()
	}
	return nil, driver.ErrBadConn
}

func (c *faultyConn) Close() error {
	if c.hung { // the server goes on with the transaction until it is told otherwise
		return nil
	}
	return c.fullConn.Close()
}

func TestACommitWithoutAnAnswerIsAppliedOnce(t *testing.T) {
	for name, kind := range map[string]fault{"the answer is lost": lostAnswer, "the request is lost": lostRequest, "the server goes on": hung} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := openFaulty(t, pgtest.DSN(t))
			for range 3 {
				f.set(kind, nil)
				require.NoError(t, count(t.Context(), b, "one"))
			}
			require.Equal(t, 3, f.met)
			requireCount(t, b, "one", 3)
		})
	}
}

// The server crashes at a COMMIT. What had not reached its disk is gone, and the numbers of such transactions are given
// to others.
func TestACommitThatMeetsACrashIsAppliedOnce(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	for _, text := range []string{"wal_writer_delay = '10s'", "autovacuum = off"} { // so that only a commit reaches the disk
		exec(t, cluster.DSN(), "ALTER SYSTEM SET "+text)
	}
	require.NoError(t, cluster.Restart(pgtest.Fast))
	f, b := openFaulty(t, cluster.DSN()+"&application_name=victim")
	want := 0
	for _, c := range []struct {
		name   string
		kind   fault
		reused bool // its number, before the Update asks
	}{
		{"it was lost, and another has its number", lostRequest, true},
		{"it was lost, and nobody has its number", lostRequest, false},
		{"it was done", lostAnswer, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 10 {
				var lost, next int64
				f.set(c.kind, func() {
					lost = number(t, cluster.DSN(), `SELECT coalesce(max(CAST(CAST(backend_xid AS TEXT) AS BIGINT)), 0)
						FROM pg_stat_activity WHERE application_name = 'victim'`)
					require.NoError(t, cluster.Restart(pgtest.Immediate))
					next = number(t, cluster.DSN(), "SELECT txid_snapshot_xmax(txid_current_snapshot())")
					for given := int64(0); c.reused && given < lost; {
						given = number(t, cluster.DSN(), "SELECT txid_current()")
					}
				})
				require.NoError(t, count(t.Context(), b, "one"))
				want++
				requireCount(t, b, "one", want)
				if c.kind == lostAnswer || next <= lost {
					return
				}
			}
			t.Error("the server's disk always had the transaction") // and nothing was tested
		})
	}
}

// Rows of witnesses are as many as connections at once, not as there ever were.
func TestConnectionsThatComeAndGoLeaveOneWitness(t *testing.T) {
	dsn := pgtest.DSN(t)
	db, err := sql.Open("postgres", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	db.SetMaxOpenConns(1) // so a shared one is given back after each call
	b, err := postgres.New(t.Context(), db, nil)
	require.NoError(t, err)
	require.NoError(t, b.Declare(t.Context(), counters))
	for range 5 {
		require.NoError(t, count(t.Context(), b, "one"))
	}
	require.NoError(t, b.Close())
	require.EqualValues(t, 1, number(t, dsn, "SELECT count(*) FROM modelregistry_commits"))
	require.EqualValues(t, 5, number(t, dsn, "SELECT max(n) FROM modelregistry_commits"))
}

func TestDeclareForgetsOldWitnesses(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	exec(t, dsn, "INSERT INTO modelregistry_commits VALUES (1, 1, now() - INTERVAL '49 hours'), (2, 1, now() - INTERVAL '47 hours')")
	require.NoError(t, b.Declare(t.Context(), counters))
	require.EqualValues(t, 2, number(t, dsn, "SELECT sum(conn) FROM modelregistry_commits"))
}

// number selects one.
func number(t testing.TB, dsn, text string) (n int64) {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(text).Scan(&n))
	require.NoError(t, db.Close())
	return n
}

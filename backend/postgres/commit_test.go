package postgres_test

import (
	"context"
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
	mu   sync.Mutex
	next fault
	met  int
}

func (f *faulty) set(next fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

func (f *faulty) take() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.next
	f.next = none
	if next != none {
		f.met++
	}
	return next
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
	if text == "COMMIT" {
		switch c.f.take() {
		case lostAnswer:
			if _, err := c.fullConn.ExecContext(ctx, text, args); err != nil {
				return nil, err
			}
			return nil, driver.ErrBadConn
		case lostRequest:
			return nil, driver.ErrBadConn
		case hung:
			c.hung = true
			return nil, driver.ErrBadConn
		}
	}
	return c.fullConn.ExecContext(ctx, text, args)
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
			f := &faulty{}
			b, err := postgres.Open(t.Context(), pgtest.DSN(t), &postgres.Options{Wrap: func(c driver.Connector) driver.Connector {
				f.Connector = c
				return f
			}})
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close()) }()
			require.NoError(t, b.Declare(t.Context(), counters))
			for range 3 {
				f.set(kind)
				require.NoError(t, count(t.Context(), b, "one"))
			}
			require.Equal(t, 3, f.met)
			requireCount(t, b, "one", 3)
		})
	}
}

package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
)

// lossy makes connections of SQLite that lose some of the answers to COMMIT, as those to a server do: each third is
// done, and another third is not.
type lossy struct {
	driver.Connector
	mu      sync.Mutex
	commits int
}

type lossyConn struct {
	*sqlite3.SQLiteConn
	from *lossy
}

func (l *lossy) Connect(context.Context) (driver.Conn, error) {
	c, err := l.Driver().Open("")
	if err != nil {
		return nil, err
	}
	return &lossyConn{SQLiteConn: c.(*sqlite3.SQLiteConn), from: l}, nil
}

// file is a driver that opens one file.
type file struct {
	sqlite3.SQLiteDriver
	dsn string
}

func (f *file) Open(string) (driver.Conn, error) { return f.SQLiteDriver.Open(f.dsn) }

func (l *lossy) Driver() driver.Driver { return l.Connector.Driver() }

type fileConnector struct{ f *file }

func (c fileConnector) Connect(context.Context) (driver.Conn, error) { return c.f.Open("") }
func (c fileConnector) Driver() driver.Driver                        { return c.f }

func (c *lossyConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if text != "COMMIT" {
		return c.SQLiteConn.ExecContext(ctx, text, args)
	}
	c.from.mu.Lock()
	c.from.commits++
	n := c.from.commits
	c.from.mu.Unlock()
	switch n % 3 {
	case 0: // the answer is lost
		if result, err := c.SQLiteConn.ExecContext(ctx, text, args); err != nil {
			return result, err
		}
		return nil, driver.ErrBadConn
	case 1: // the request is lost, and the server notices
		_, err := c.SQLiteConn.ExecContext(ctx, "ROLLBACK", nil)
		return nil, errors.Join(driver.ErrBadConn, err)
	}
	return c.SQLiteConn.ExecContext(ctx, text, args)
}

// openLossy is a store by the dialect of somebody who speaks to SQLite over a network.
func openLossy(t testing.TB, remote bool) *sqldb.DB {
	dsn := "file:" + filepath.Join(t.TempDir(), "store.db") + "?_journal_mode=WAL&_busy_timeout=20"
	read := sql.OpenDB(fileConnector{&file{dsn: dsn}})
	write := sql.OpenDB(&lossy{Connector: fileConnector{&file{dsn: dsn}}})
	write.SetMaxOpenConns(1)
	code := func(err error) int {
		var e sqlite3.Error
		if errors.As(err, &e) {
			return max(int(e.ExtendedCode), int(e.Code))
		}
		return 0
	}
	dialect := sqldb.SQLite(code)
	dialect.Remote = remote
	classify := dialect.Classify
	dialect.Classify = func(err error) sqldb.Fault {
		if errors.Is(err, driver.ErrBadConn) {
			return sqldb.Lost
		}
		return classify(err)
	}
	db := sqldb.New(read, write, dialect, &sqldb.Options{WriteConns: 1, Close: func() error { return errors.Join(read.Close(), write.Close()) }})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Declare(t.Context(), backend.Schema{Format: 1, Tables: []backend.Table{{Name: "counters", Key: []backend.Field{{Name: "name"}}}}}))
	return db
}

func countUp(ctx context.Context, db backend.Backend) error {
	return db.Update(ctx, nil, func(tx backend.Tx) error {
		n := 0
		row, err := tx.Get("counters", str("n"))
		if err == nil {
			n, err = strconv.Atoi(string(row.Doc))
		}
		if err != nil && !errors.Is(err, backend.ErrNotFound) {
			return err
		}
		return tx.Put("counters", backend.Row{Key: backend.Key{str("n")}, Doc: []byte(strconv.Itoa(n + 1))})
	})
}

func counted(t testing.TB, db backend.Backend) int {
	rows, err := db.Find(t.Context(), backend.Query{Table: "counters"})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	n, err := strconv.Atoi(string(rows[0].Doc))
	require.NoError(t, err)
	return n
}

// Whatever dialect says that a connection was lost at a COMMIT: an Update that succeeds was done once.
func TestAnyDialectsLostCommitIsAppliedOnce(t *testing.T) {
	db := openLossy(t, true)
	var wg sync.WaitGroup
	const callers, each = 4, 25
	for range callers { // some share a commit
		wg.Go(func() {
			for range each {
				if err := countUp(t.Context(), db); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, callers*each, counted(t, db))
}

func TestADialectWithoutWitnessesDoesNotTryALostCommitAgain(t *testing.T) {
	db := openLossy(t, false)
	done, unknown := 0, 0
	for range 60 {
		if err := countUp(t.Context(), db); err != nil {
			require.ErrorContains(t, err, "whether it was done is unknown")
			unknown++
		} else {
			done++
		}
	}
	require.Positive(t, done)
	require.Positive(t, unknown)
	n := counted(t, db)
	require.GreaterOrEqual(t, n, done)
	require.LessOrEqual(t, n, done+unknown)
}

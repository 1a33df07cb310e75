package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// hold has an Update keep a lock until release is called.
func hold(t testing.TB, b backend.Backend, lock string) (release func()) {
	t.Helper()
	inside, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.Update(context.Background(), []string{lock}, func(backend.Tx) error {
			close(inside)
			<-leave
			return nil
		})
	}()
	<-inside
	return func() {
		close(leave)
		require.NoError(t, <-done)
	}
}

// However short a time statements have, an Update waits for others as long as its context lets it.
func TestAStatementTimeoutDoesNotEndTheWaitForALock(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := open(t, withParam(t, dsn, "statement_timeout", "50"))
	require.NoError(t, b.Declare(t.Context(), counters))
	release := hold(t, b, "one")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, count(ctx, b, "one"), context.DeadlineExceeded)
	done := make(chan error, 1)
	go func() { done <- count(t.Context(), b, "one") }()
	release()
	require.NoError(t, <-done)
	requireCount(t, b, "one", 1)
}

// A row that another transaction keeps is waited for as well, but not for ever: it could be the statement that is slow.
func TestAStatementThatNeverHasTheTimeIsToldSo(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := open(t, withParam(t, dsn, "statement_timeout", "50"))
	require.NoError(t, b.Declare(t.Context(), counters))
	require.NoError(t, count(t.Context(), b, "one"))
	db, err := sql.Open("postgres", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	keep := func() *sql.Tx {
		tx, err := db.Begin()
		require.NoError(t, err)
		_, err = tx.Exec("UPDATE counters SET doc = doc")
		require.NoError(t, err)
		return tx
	}
	tx := keep()
	err = count(t.Context(), b, "one")
	require.ErrorContains(t, err, "statement_timeout")
	require.NoError(t, tx.Rollback())

	tx = keep()
	done := make(chan error, 1)
	go func() { done <- count(t.Context(), b, "one") }()
	require.Eventually(t, func() bool { // it has begun
		return number(t, dsn, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") > 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done)
	requireCount(t, b, "one", 2)
}

// The table of locks is the server's: that somebody has filled it passes.
func TestAFullTableOfLocksIsWaitedFor(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	exec(t, cluster.DSN(), "ALTER SYSTEM SET max_locks_per_transaction = 10")
	exec(t, cluster.DSN(), "ALTER SYSTEM SET max_connections = 20")
	require.NoError(t, cluster.Restart(pgtest.Fast))
	b := open(t, cluster.DSN())
	require.NoError(t, b.Declare(t.Context(), counters))
	require.NoError(t, count(t.Context(), b, "one"))

	db, err := sql.Open("postgres", cluster.DSN())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	full := func() *sql.Conn {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		_, err = c.ExecContext(t.Context(), "SELECT pg_advisory_lock(n) FROM generate_series(1, 1000000) AS n")
		var state interface{ SQLState() string }
		require.ErrorAs(t, err, &state)
		require.Equal(t, "53200", state.SQLState())
		return c
	}
	c := full()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = count(ctx, b, "two")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "53200") // what it waited for
	done := make(chan error, 1)
	go func() { done <- count(t.Context(), b, "one") }()
	_, err = c.ExecContext(t.Context(), "SELECT pg_advisory_unlock_all()")
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.NoError(t, c.Close())
	requireCount(t, b, "one", 2)
}

// Who makes a session read-only by default does not want to write.
func TestASessionThatIsReadOnlyStaysSo(t *testing.T) {
	dsn := pgtest.DSN(t)
	reader := withParam(t, dsn, "options", "-c default_transaction_read_only=on")
	require.ErrorIs(t, open(t, reader).Declare(t.Context(), counters), errors.ErrUnsupported)
	require.Zero(t, number(t, dsn, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"))

	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	require.NoError(t, count(t.Context(), b, "one"))
	r := open(t, reader)
	require.NoError(t, r.Declare(t.Context(), counters))
	requireCount(t, r, "one", 1)
	err := count(t.Context(), r, "one")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "read-only")
	requireCount(t, b, "one", 1)
}

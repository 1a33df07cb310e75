package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	gopostgres "gocloud.dev/postgres"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

func open(t testing.TB, dsn string) backend.Backend {
	b, err := postgres.Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() }) // tests that care close it before
	return b
}

func exec(t testing.TB, dsn, text string) {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	require.NoError(t, err)
	_, err = db.Exec(text)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// A database whose texts sort by language: "a" before "B", and "ä" before "b".
func TestConformanceWhereTextsSortByLanguage(t *testing.T) {
	server := pgtest.Server(t)
	const name = "sorts_by_language"
	exec(t, server, "DROP DATABASE IF EXISTS "+name)
	exec(t, server, "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C' ENCODING 'UTF8'")
	t.Cleanup(func() { exec(t, server, "DROP DATABASE "+name) })
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	n := 0
	var mu sync.Mutex
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		mu.Lock()
		n++
		schema := fmt.Sprintf("s%d", n)
		mu.Unlock()
		exec(t, u.String(), "CREATE SCHEMA "+schema)
		dsn := *u
		q := dsn.Query()
		q.Set("search_path", schema)
		dsn.RawQuery = q.Encode()
		return func() backend.Backend {
			b, err := postgres.Open(t.Context(), dsn.String(), nil)
			require.NoError(t, err)
			return b
		}
	}, nil)
}

// The *sql.DB of gocloud.dev's opener, of which others use all connections but some.
func TestConformanceOnTheDatabaseOfAnother(t *testing.T) {
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		u, err := url.Parse(pgtest.DSN(t))
		require.NoError(t, err)
		db, err := (&gopostgres.URLOpener{}).OpenPostgresURL(t.Context(), u)
		require.NoError(t, err)
		db.SetMaxOpenConns(12)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return func() backend.Backend {
			b, err := postgres.New(t.Context(), db, nil)
			require.NoError(t, err)
			return b
		}
	}, nil)
}

func TestPositionsGoOnAfterAMoveToAServerThatCountsLower(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	require.NoError(t, count(t.Context(), b, "one"))
	require.NoError(t, b.Close())
	// As a dump of a server that has seen more transactions would have it.
	exec(t, dsn, "UPDATE steps SET position = '0000' || lpad(to_hex(txid_current() + 1000000), 16, '0') || right(position, 6)")

	for range 2 { // once is enough
		b = open(t, dsn)
		require.NoError(t, b.Declare(t.Context(), counters))
		require.NoError(t, count(t.Context(), b, "one"))
		require.NoError(t, b.Close())
	}
	b = open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	var steps []backend.Row
	require.Eventually(t, func() bool {
		var err error
		steps, err = b.Find(t.Context(), backend.Query{Table: "steps", Settled: true})
		require.NoError(t, err)
		return len(steps) == 3
	}, 10*time.Second, 10*time.Millisecond)
	require.True(t, strings.HasPrefix(steps[0].Key[0].Str(), "0000"))
	require.True(t, strings.HasPrefix(steps[1].Key[0].Str(), "0001"))
	require.True(t, strings.HasPrefix(steps[2].Key[0].Str(), "0001"))
	requireCount(t, b, "one", 3)
}

func TestAServerThatSaysNothingDoesNotOutlastAContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = postgres.Open(ctx, fmt.Sprintf("postgres://u:secret@%s/d?sslmode=disable", l.Addr()), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotContains(t, err.Error(), "secret")
	require.Less(t, time.Since(start), time.Second)
}

func TestAStatementUnderWayDoesNotOutlastAContext(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	inside, release := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- b.Update(t.Context(), []string{"one"}, func(backend.Tx) error {
			close(inside)
			<-release
			return nil
		})
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := count(ctx, b, "one") // waits for the lock
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), time.Second)
	close(release)
	require.NoError(t, <-done)
	require.NoError(t, count(t.Context(), b, "one"))
}

func TestARestartOfConnectionsIsNotNoticed(t *testing.T) {
	dsn := pgtest.DSN(t)
	b := open(t, dsn+"&application_name=victim")
	require.NoError(t, b.Declare(t.Context(), counters))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 15 {
				if err := count(t.Context(), b, "one"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		exec(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
	}
	wg.Wait()
	requireCount(t, b, "one", 60)
}

func TestMistakesInADSN(t *testing.T) {
	for _, dsn := range []string{"mysql://u:secret@h/d", "postgres://u:secret@h:port/d", "postgres://u:secret@%zz/d", "host", "postgres://u:secret@h/d?sslmode=never"} {
		_, err := postgres.Open(t.Context(), dsn, nil)
		require.ErrorIs(t, err, backend.ErrInvalid, dsn)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := backend.Open(t.Context(), "postgres://u:secret@h/d?colour=blue")
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "colour")

	dsn := pgtest.DSN(t)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", "nowhere")
	u.RawQuery = q.Encode()
	_, err = postgres.Open(t.Context(), u.String(), nil)
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "search_path")

	u.Path = "/missing"
	start := time.Now()
	_, err = postgres.Open(t.Context(), u.String(), nil)
	require.Error(t, err)
	require.Less(t, time.Since(start), 5*time.Second)
	require.False(t, errors.Is(err, backend.ErrInvalid))
}

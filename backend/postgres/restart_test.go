package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

func TestARestartOfTheServerUnderLoadIsNotNoticed(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	modes := []pgtest.Mode{pgtest.Immediate, pgtest.Fast}
	load(t, cluster.DSN(), 4, 100, func(i int) error { return cluster.Restart(modes[i%len(modes)]) })
}

func TestConnectionsThatAreEndedUnderLoadAreNotMissed(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db, err := sql.Open("postgres", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	load(t, dsn+"&application_name=prey", 100, 5, func(int) error {
		_, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM
			(SELECT pid FROM pg_stat_activity WHERE application_name = 'prey' ORDER BY random() LIMIT 2) AS chosen`)
		return err
	})
}

const loadClients = 8

// load has clients work, and disturbs them so many times, after every so many calls. Each call has to succeed and to
// have been done once.
func load(t *testing.T, dsn string, times int, every int64, disturb func(i int) error) {
	r, b := openRegistry(t, dsn)
	defer func() { require.NoError(t, b.Close()) }()
	models := make([]string, loadClients)
	for i := range models {
		models[i] = fmt.Sprint("client ", i)
		for range 2 {
			_, err := r.Register(t.Context(), models[i], modelregistry.VersionSpec{})
			require.NoError(t, err)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var calls atomic.Int64
	var stop atomic.Bool
	done := make(chan struct{}, 1) // another call
	call := func(do func() error) {
		assert.NoError(t, do())
		calls.Add(1)
		select {
		case done <- struct{}{}:
		default:
		}
	}
	var mu sync.Mutex
	var numbers []int // of the versions of the model that all work on
	var rounds [loadClients]int
	var clients sync.WaitGroup
	for i, model := range models {
		clients.Go(func() {
			for ; !stop.Load() && ctx.Err() == nil; rounds[i]++ {
				for _, op := range operations {
					call(func() error { return op.do(ctx, r, model, rounds[i]) })
				}
				call(func() error {
					v, err := r.Register(ctx, "everybody's", modelregistry.VersionSpec{Aliases: []string{"newest"}})
					if err == nil {
						mu.Lock()
						numbers = append(numbers, v.Number)
						mu.Unlock()
					}
					return err
				})
			}
		})
	}
	for i := range times {
		for until := calls.Load() + every; calls.Load() < until && ctx.Err() == nil; {
			select {
			case <-done:
			case <-ctx.Done():
			}
		}
		assert.NoError(t, disturb(i))
	}
	stop.Store(true)
	clients.Wait()

	for i, model := range models {
		for _, op := range operations {
			n, err := op.count(t.Context(), r, model)
			require.NoError(t, err)
			require.Equal(t, rounds[i], n, "%s of %s", op.name, model)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		require.Equal(t, i+1, n)
	}
	m, err := r.Model(t.Context(), "everybody's")
	require.NoError(t, err)
	require.Equal(t, len(numbers), m.Last)
	require.NoError(t, registrytest.Check(t.Context(), r))
	t.Logf("%d calls, disturbed %d times", calls.Load(), times)
}

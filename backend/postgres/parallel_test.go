package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// An Update of one model goes through from beginning to end while another's is in the middle.
func TestUpdatesOfDifferentModelsDoNotWaitForEachOther(t *testing.T) {
	db, err := postgres.Open(t.Context(), pgtest.DSN(t), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	r, err := modelregistry.New(t.Context(), db, nil, nil)
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		_, err := r.Register(t.Context(), name, modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	tries := 0
	slow, err := modelregistry.New(t.Context(), during{db, func() error {
		tries++
		_, err := r.Promote(t.Context(), "b", 1, modelregistry.Production, nil)
		return err
	}}, nil, nil)
	require.NoError(t, err)
	_, err = slow.Promote(t.Context(), "a", 1, modelregistry.Production, nil)
	require.NoError(t, err)
	require.Equal(t, 1, tries)
	for _, name := range []string{"a", "b"} {
		v, err := r.Resolve(t.Context(), "models:/"+name+"/Production")
		require.NoError(t, err)
		require.Equal(t, 1, v.Number)
	}
}

// during is a backend in which something else happens at the end of each Update.
type during struct {
	backend.Backend
	do func() error
}

func (d during) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	return d.Backend.Update(ctx, locks, func(tx backend.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return d.do()
	})
}

// An Update takes its place among the events when it has all of its locks. If it did so before, an Update that it waits
// for could come behind it.
func TestAnUpdateThatWaitsForALockComesAfterWhatWasDoneMeanwhile(t *testing.T) {
	dsn := pgtest.DSN(t) + "&application_name=waits"
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	step := func(who string, locks ...string) (position string, err error) {
		err = b.Update(t.Context(), locks, func(tx backend.Tx) error {
			at, err := tx.Append("steps", backend.Row{Fields: map[string]any{"who": backend.StringValue(who)}, Doc: []byte(`{}`)})
			position = string(at)
			return err
		})
		return position, err
	}
	for _, held := range []string{"a", "b"} { // one of them is the first that is taken
		t.Run(held, func(t *testing.T) {
			type answer struct {
				position string
				err      error
			}
			late := make(chan answer, 1)
			var between string
			err := b.Update(t.Context(), []string{held}, func(backend.Tx) error {
				go func() {
					at, err := step("late", "a", "b")
					late <- answer{at, err}
				}()
				require.Eventually(t, func() bool {
					return number(t, dsn, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waits'
						AND wait_event_type = 'Lock' AND wait_event = 'advisory'`) == 1
				}, patience, 5*time.Millisecond)
				var err error
				between, err = step("between", "c")
				return err
			})
			require.NoError(t, err)
			got := <-late
			require.NoError(t, got.err)
			require.Less(t, between, got.position)
		})
	}
}

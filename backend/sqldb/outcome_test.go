package sqldb

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// A client that was suspended for days finds that its witness is gone, whatever became of its Update.
func TestAMissingWitnessOfLongAgoTellsNothing(t *testing.T) {
	conn, err := sql.Open("postgres", pgtest.DSN(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	db := New(conn, conn, Postgres(), nil)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.Declare(t.Context(), backend.Schema{Format: 1, Tables: []backend.Table{{Name: "things", Key: []backend.Field{{Name: "name"}}}}}))

	lost := errors.New("lost")
	for age, again := range map[time.Duration]bool{mostDoubt - time.Hour: true, mostDoubt + time.Hour: false} {
		c, err := db.writers.get(t.Context())
		require.NoError(t, err)
		err = db.outcome(t.Context(), db.schema.Load(), c, session{begun: time.Now().Add(-age)}, lost)
		db.writers.put(c)
		require.ErrorIs(t, err, lost)
		var f *fault
		require.Equal(t, again, errors.As(err, &f), "%v", err) // and tried again, if it is one
	}
}

package postgres_test

import (
	"testing"

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
	err = db.Update(t.Context(), []string{"model/a"}, func(tx backend.Tx) error { // the name of the registry's lock of a
		tries++
		row, err := tx.Get("versions", backend.StringValue("a"), backend.IntValue(1))
		if err != nil {
			return err
		}
		if _, err := r.Promote(t.Context(), "b", 1, modelregistry.Production, nil); err != nil {
			return err
		}
		_, err = tx.Append("events", backend.Row{Doc: row.Doc})
		return err
	})
	require.NoError(t, err)
	require.Equal(t, 1, tries)
	v, err := r.Resolve(t.Context(), "models:/b/Production")
	require.NoError(t, err)
	require.Equal(t, 1, v.Number)
}

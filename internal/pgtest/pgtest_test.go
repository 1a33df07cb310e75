package pgtest_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

func TestEachTestHasASchemaOfItsOwn(t *testing.T) {
	var names []string
	for range 2 {
		db, err := sql.Open("postgres", pgtest.DSN(t))
		require.NoError(t, err)
		var name string
		require.NoError(t, db.QueryRow("SELECT current_schema()").Scan(&name))
		_, err = db.Exec("CREATE TABLE versions (n int)")
		require.NoError(t, err)
		require.NoError(t, db.Close())
		names = append(names, name)
	}
	require.NotEqual(t, names[0], names[1])
}

package postgres_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// The *sql.DB of a program that uses pgx.
func TestConformanceOverPgx(t *testing.T) {
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		db, err := sql.Open("pgx", pgtest.DSN(t))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return func() backend.Backend {
			b, err := postgres.New(t.Context(), db, nil)
			require.NoError(t, err)
			return b
		}
	}, nil)
}

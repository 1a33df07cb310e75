package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

func TestFaults(t *testing.T) {
	backendtest.RunFaults(t, func(t testing.TB, faults *backendtest.Faults) func() backend.Backend {
		dsn := pgtest.DSN(t)
		return func() backend.Backend {
			b, err := postgres.Open(t.Context(), dsn, &postgres.Options{Wrap: faults.Connector})
			require.NoError(t, err)
			return b
		}
	}, nil)
}

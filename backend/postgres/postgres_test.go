package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		dsn := pgtest.DSN(t)
		return func() backend.Backend {
			b, err := postgres.Open(t.Context(), dsn, nil)
			require.NoError(t, err)
			return b
		}
	}, nil)
}

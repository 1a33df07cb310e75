package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		path := filepath.Join(t.TempDir(), "store.db")
		return func() backend.Backend {
			b, err := sqlite.Open(t.Context(), path, nil)
			require.NoError(t, err)
			return b
		}
	}, nil)
}

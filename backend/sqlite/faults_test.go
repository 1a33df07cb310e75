package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

func TestFaults(t *testing.T) {
	backendtest.RunFaults(t, func(t testing.TB, faults *backendtest.Faults) func() backend.Backend {
		path := filepath.Join(t.TempDir(), "store.db")
		return func() backend.Backend {
			b, err := sqlite.Open(t.Context(), path, &sqlite.Options{Wrap: faults.Connector})
			require.NoError(t, err)
			return b
		}
	}, nil)
}

func TestCrash(t *testing.T) {
	backendtest.RunCrash(t, func(t testing.TB, dir string) backend.Backend {
		b, err := sqlite.Open(t.Context(), filepath.Join(dir, "store.db"), nil)
		require.NoError(t, err)
		return b
	}, nil)
}

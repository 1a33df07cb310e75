package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/verbatim"
)

// TestConformance is the example of package backendtest.
func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		path := filepath.Join(t.TempDir(), "store.db")
		return func() backend.Backend {
			b, err := sqlite.Open(t.Context(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}, nil)
}

func TestBackendtestsExampleIsCompiled(t *testing.T) {
	verbatim.Doc(t, filepath.Join("..", "backendtest", "backendtest.go"), "sqlite_test.go")
}

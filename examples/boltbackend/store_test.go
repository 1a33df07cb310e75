package boltbackend

import (
	"path/filepath"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend/kv"
	"github.com/modelregistry-go/modelregistry/backend/kv/kvtest"
	"github.com/modelregistry-go/modelregistry/internal/verbatim"
)

// TestStore is the example of package kvtest.
func TestStore(t *testing.T) {
	kvtest.Run(t, func(t testing.TB) func() kv.Store {
		path := filepath.Join(t.TempDir(), "registry.bolt")
		return func() kv.Store {
			s, err := open(path)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}, nil)
}

func TestKvtestsExampleIsCompiled(t *testing.T) {
	verbatim.Doc(t, filepath.Join("..", "..", "backend", "kv", "kvtest", "kvtest.go"), "store_test.go")
}

package boltbackend_test

import (
	"path/filepath"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/examples/boltbackend"
)

func TestBackend(t *testing.T) {
	backendtest.Run(t, func(t testing.TB) func() backend.Backend {
		path := filepath.Join(t.TempDir(), "registry.bolt")
		return func() backend.Backend {
			b, err := boltbackend.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}, &backendtest.Options{OneHandle: true}) // bbolt locks the file
}

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
		b, err := boltbackend.Open(filepath.Join(t.TempDir(), "registry.bolt"))
		if err != nil {
			t.Fatal(err)
		}
		return func() backend.Backend { return b } // bbolt locks the file: there is one handle
	})
}

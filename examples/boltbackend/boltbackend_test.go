package boltbackend_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/examples/boltbackend"
	"github.com/modelregistry-go/modelregistry/internal/verbatim"
)

// The README's first lines.
func register(ctx context.Context, path string) error {
	b, err := boltbackend.Open(path) // say, /var/lib/models.bolt
	if err != nil {
		return err
	}
	defer b.Close()
	registry, err := modelregistry.New(ctx, b, nil, nil) // nil is no files; else a *blob.Store
	if err != nil {
		return err
	}
	_, err = registry.CreateModel(ctx, "fraud", modelregistry.ModelSpec{})
	return err
}

func TestRegistryInABoltFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "models.bolt")
	for _, want := range []error{nil, modelregistry.ErrExists} { // what the first has made is there when the file is opened again
		if err := register(t.Context(), path); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
}

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

func TestCrash(t *testing.T) {
	backendtest.RunCrash(t, func(t testing.TB, dir string) backend.Backend {
		b, err := boltbackend.Open(filepath.Join(dir, "registry.bolt"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, nil)
}

func TestReadmeIsCompiled(t *testing.T) { verbatim.Markdown(t, "README.md", "boltbackend_test.go") }

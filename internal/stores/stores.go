// Package stores makes empty stores of every kind of backend for tests.
package stores

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// The kinds of backend.
const (
	Memory   = "memory"
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Kinds are all the kinds of backend.
func Kinds() []string { return []string{Memory, SQLite, Postgres} }

// New makes an empty store that is gone when the test ends, and returns its place: what Open opens, also in another
// process. The place of a store in memory is "".
func New(t testing.TB, kind string) (place string) {
	t.Helper()
	switch kind {
	case SQLite:
		return filepath.Join(t.TempDir(), "registry.db")
	case Postgres:
		return pgtest.DSN(t)
	}
	return ""
}

// Open opens the store at a place until the test ends. In memory it is a new one each time.
func Open(t testing.TB, kind, place string) backend.Backend {
	t.Helper()
	var b backend.Backend
	var err error
	switch kind {
	case Memory:
		b = memory.New()
	case SQLite:
		b, err = sqlite.Open(t.Context(), place, nil)
	case Postgres:
		b, err = postgres.Open(t.Context(), place, nil)
	default:
		err = fmt.Errorf("no kind of backend is called %q", kind)
	}
	if err != nil {
		t.Fatalf("stores: open %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("stores: close %s: %v", kind, err)
		}
	})
	return b
}

// Fresh opens an empty store.
func Fresh(t testing.TB, kind string) backend.Backend {
	t.Helper()
	return Open(t, kind, New(t, kind))
}

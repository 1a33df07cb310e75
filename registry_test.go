package modelregistry_test

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/internal/verbatim"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// A registry needs a backend; that there is none is said at once.
func TestNewNeedsABackend(t *testing.T) {
	_, err := modelregistry.New(t.Context(), nil, nil, nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, "no backend")
}

func openBlobs(t testing.TB, rawURL string) *blob.Store {
	s, err := blob.Open(t.Context(), rawURL)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func memBlobs(t testing.TB) *blob.Store { return openBlobs(t, "mem://") }

func fileBlobs(t testing.TB) *blob.Store {
	return openBlobs(t, (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String())
}

func testRegistry(t *testing.T, kind string, blobs func(testing.TB) *blob.Store) {
	registrytest.Run(t, func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry {
		r, err := modelregistry.New(t.Context(), stores.Fresh(t, kind), blobs(t), opts)
		require.NoError(t, err)
		return r
	}, nil)
}

// TestRegistry is the example of package registrytest.
func TestRegistry(t *testing.T) {
	registrytest.Run(t, func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry {
		files, err := blob.Open(t.Context(), "mem://")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = files.Close() })
		r, err := modelregistry.New(t.Context(), memory.New(), files, opts)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}, nil)
}

func TestRegistrytestsExampleIsCompiled(t *testing.T) {
	verbatim.Doc(t, filepath.Join("registrytest", "registrytest.go"), "registry_test.go")
}

func TestRegistryOnSQLite(t *testing.T)   { testRegistry(t, stores.SQLite, fileBlobs) }
func TestRegistryOnPostgres(t *testing.T) { testRegistry(t, stores.Postgres, memBlobs) }

// What a registry cannot do ends a promise early only where that was allowed.
func TestRegistryThatDoesNothing(t *testing.T) {
	registrytest.Run(t, func(testing.TB, *modelregistry.Options) modelregistry.Registry { return modelregistry.Unimplemented{} },
		&registrytest.Options{Unsupported: []string{
			"Models", "Register", "Files", "Download", "Stages", "Rollback", "Aliases", "Resolve", "Semver", "Versions", "Search",
			"History", "Past", "Lineage", "Artifacts", "Sweep", "Races", "Contexts", "Mistakes", "Runs", "Logged models", "Webhooks",
			"Outcomes", "Facts", "Gates", "Approvals", "Retention",
		}})
}

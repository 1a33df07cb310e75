package modelregistry_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// A version that is registered as a copy has the files of the other one, is derived from it, and has nothing else of it.
func TestRegisterCopyOf(t *testing.T) {
	ctx := t.Context()
	r, err := modelregistry.New(ctx, memory.New(), memBlobs(t), nil)
	require.NoError(t, err)
	original, err := r.Register(ctx, "dev", modelregistry.VersionSpec{
		Files: fstest.MapFS{"f": {Data: []byte("x")}}, Semver: "1.0.0", Tags: map[string]string{"a": "1"}, Description: "d",
	})
	require.NoError(t, err)
	v, err := r.Register(ctx, "prod", modelregistry.VersionSpec{CopyOf: "models:/dev/latest", Tags: map[string]string{"b": "2"}, Bump: modelregistry.BumpMajor})
	require.NoError(t, err)
	require.Equal(t, original.Digest, v.Digest)
	require.Equal(t, map[string]string{"b": "2"}, v.Tags.Clone())
	require.Empty(t, v.Description)
	require.Equal(t, "1.0.0", v.Semver.String())
	require.NoError(t, fstest.TestFS(r.Files(ctx, v), "f"))
	graph, err := r.Lineage(ctx, v.Node(), nil)
	require.NoError(t, err)
	require.Contains(t, graph.Edges, modelregistry.Edge{From: v.Node(), Type: modelregistry.DerivedFrom, To: original.Node()})

	_, err = r.Register(ctx, "prod", modelregistry.VersionSpec{CopyOf: "models:/dev/2"})
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	_, err = r.Register(ctx, "prod", modelregistry.VersionSpec{CopyOf: "models:/dev/1", Artifacts: "a"})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
}

// Who asks for an existing model does not create one.
func TestRegisterInExistingModel(t *testing.T) {
	ctx := t.Context()
	r, err := modelregistry.New(ctx, memory.New(), memBlobs(t), nil)
	require.NoError(t, err)
	_, err = r.Register(ctx, "dev", modelregistry.VersionSpec{Semver: "1.0.0"})
	require.NoError(t, err)
	for _, spec := range []modelregistry.VersionSpec{{}, {Files: fstest.MapFS{"f": {}}}, {CopyOf: "models:/dev/1"}} {
		spec.ExistingModel = true
		_, err = r.Register(ctx, "none", spec)
		require.ErrorIs(t, err, modelregistry.ErrNotFound)
		_, err = r.Model(ctx, "none")
		require.ErrorIs(t, err, modelregistry.ErrNotFound)
		_, err = r.Register(ctx, "dev", spec)
		require.NoError(t, err)
	}
}

// betweenBackend calls hook once: behind the first Find of versions, or before the first Update if there is none.
type betweenBackend struct {
	backend.Backend
	hook func()
}

func (b *betweenBackend) once() {
	if h := b.hook; h != nil {
		b.hook = nil
		h()
	}
}

func (b *betweenBackend) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	rows, err := b.Backend.Find(ctx, q)
	if q.Table == "versions" {
		b.once()
	}
	return rows, err
}

func (b *betweenBackend) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	b.once()
	return b.Backend.Update(ctx, locks, fn)
}

// A copy is of whom the URI names in the copy's own transaction, and as it is there.
func TestCopiesAreOfWhatIsThere(t *testing.T) {
	ctx := t.Context()
	for uri, change := range map[string]func(other modelregistry.Registry) error{
		"models:/a/Production": func(other modelregistry.Registry) error {
			_, err := other.Promote(ctx, "a", 2, modelregistry.Production, nil)
			return err
		},
		"models:/a@best": func(other modelregistry.Registry) error {
			_, err := other.SetAlias(ctx, "a", "best", 2, nil)
			return err
		},
		"models:/a/^1": func(other modelregistry.Registry) error {
			_, err := other.UpdateVersion(ctx, "a", 2, modelregistry.VersionPatch{SetTags: map[string]string{"blocked": "poisoned"}})
			return err
		},
	} {
		b := &betweenBackend{Backend: memory.New()}
		copier, err := modelregistry.New(ctx, b, nil, nil)
		require.NoError(t, err)
		other, err := modelregistry.New(ctx, b.Backend, nil, nil)
		require.NoError(t, err)
		for _, semver := range []string{"1.0.0", "1.1.0"} {
			_, err = other.Register(ctx, "a", modelregistry.VersionSpec{Semver: semver, Tags: map[string]string{"of": semver}})
			require.NoError(t, err)
		}
		_, err = other.Promote(ctx, "a", 1, modelregistry.Production, nil)
		require.NoError(t, err)
		_, err = other.SetAlias(ctx, "a", "best", 1, nil)
		require.NoError(t, err)
		for _, how := range []string{"CopyVersion", "CopyOf"} {
			b.hook = func() { require.NoError(t, change(other)) }
			var v *modelregistry.Version
			if how == "CopyOf" {
				v, err = copier.Register(ctx, "b", modelregistry.VersionSpec{CopyOf: uri})
			} else {
				v, err = copier.CopyVersion(ctx, uri, "b", nil)
				require.Equal(t, "models:/a/2", v.Source, uri)
				require.Equal(t, uri == "models:/a/^1", v.Tags.Get("blocked") != "", uri)
			}
			require.NoError(t, err)
			graph, err := other.Lineage(ctx, v.Node(), nil)
			require.NoError(t, err)
			require.Equal(t, "2", graph.Edges[0].To.Version, "%s by %s", uri, how)
			_, err = other.Promote(ctx, "a", 1, modelregistry.Production, nil)
			require.NoError(t, err)
			_, err = other.SetAlias(ctx, "a", "best", 1, nil)
			require.NoError(t, err)
		}
	}
}

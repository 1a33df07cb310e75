package modelregistry_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
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

package modelregistry_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// A version of more files than one document has room for is registered, listed, copied and swept like any other.
func TestVersionOfManyFiles(t *testing.T) {
	ctx := t.Context()
	b := stores.Fresh(t, stores.SQLite)
	r := newRegistry(t, b, memBlobs(t))
	files := fstest.MapFS{}
	for i := range 12_345 {
		files[fmt.Sprintf("%s/shard-%05d", strings.Repeat("d", 100), i)] = &fstest.MapFile{Data: []byte{byte(i)}}
	}
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: files})
	require.NoError(t, err)
	require.Equal(t, len(files), v.FileCount)
	copied, err := r.CopyVersion(ctx, "models:/fraud/1", "other", nil)
	require.NoError(t, err)
	list, err := r.Manifest(ctx, copied)
	require.NoError(t, err)
	require.Len(t, list, len(files))
	require.NoError(t, r.DeleteVersion(ctx, "fraud", 1, nil))
	report, err := r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(t, err)
	require.Empty(t, report.Removed)
	require.NoError(t, r.DeleteVersion(ctx, "other", 1, nil))
	report, err = r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(t, err)
	require.Len(t, report.Removed, 256)
	require.Equal(t, 1, report.Manifests)
}

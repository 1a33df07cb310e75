package modelregistry_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
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

// A version of artifacts has no more files than one of Files: who reads its list holds it in memory.
func TestVersionOfTooManyArtifacts(t *testing.T) {
	ctx := t.Context()
	r := newRegistry(t, memory.New(), memBlobs(t))
	run, err := r.StartRun(ctx, modelregistry.RunSpec{})
	require.NoError(t, err)
	for _, half := range []string{"a", "b"} { // each below 32 MiB of paths
		files := fstest.MapFS{}
		dir := strings.Repeat("d", 900) + half
		for i := range 19_000 {
			files[fmt.Sprintf("%s/%08d", dir, i)] = &fstest.MapFile{}
		}
		require.NoError(t, r.LogArtifacts(ctx, run.ArtifactPath("model"), files, nil))
	}
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: run.ArtifactPath("model")})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, "too many files")
	_, err = r.Resolve(ctx, run.URI("model"))
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: run.ArtifactPath("model/" + strings.Repeat("d", 900) + "a")})
	require.NoError(t, err)
}

// What a version costs in statements grows with its files by the thousand only.
func TestStatementsOfManyFiles(t *testing.T) {
	onCountedRegistries(t, func(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
		ctx := t.Context()
		const few, many = 1_000, 10_000
		cost := map[int]map[string]int{}
		for _, n := range []int{few, many} {
			model := fmt.Sprint("m", n)
			files := fstest.MapFS{}
			for i := range n {
				files[fmt.Sprintf("d%d/%08d", i%3, i)] = &fstest.MapFile{}
			}
			require.NoError(t, r.LogArtifacts(ctx, model, files, nil))
			cost[n] = map[string]int{}
			var v *modelregistry.Version
			for _, c := range []struct {
				name string
				call func() error
			}{
				{"register files", func() (err error) {
					v, err = r.Register(ctx, model, modelregistry.VersionSpec{Files: files})
					return err
				}},
				{"register artifacts", func() error {
					_, err := r.Register(ctx, model, modelregistry.VersionSpec{Artifacts: model})
					return err
				}},
				{"copy", func() error { _, err := r.CopyVersion(ctx, v.URI(), model, nil); return err }},
				{"list", func() error { _, err := r.Manifest(ctx, v); return err }},
			} {
				count.Take()
				require.NoError(t, c.call(), c.name)
				cost[n][c.name] = len(count.Take())
			}
		}
		for name, perThousand := range map[string]int{"register files": 1, "register artifacts": 5, "copy": 1, "list": 1} {
			more := cost[many][name] - cost[few][name]
			require.LessOrEqual(t, more, perThousand*(many-few)/1000, "%s: %d statements for %d files, %d for %d", name, cost[few][name], few, cost[many][name], many)
		}
	})
}

package modelregistry_test

import (
	"context"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// An artifact whose content a sweep removes, after it was found stored, is stored anew: also from a reader that can be
// read only once.
func TestArtifactWaitsForSweep(t *testing.T) {
	for name, reader := range map[string]func(t *testing.T) io.Reader{
		"a reader that seeks": func(*testing.T) io.Reader {
			r := strings.NewReader("not this: content")
			_, err := r.Seek(int64(len("not this: ")), io.SeekStart)
			require.NoError(t, err)
			return r
		},
		"a reader that does not": func(*testing.T) io.Reader { return struct{ io.Reader }{strings.NewReader("content")} },
		"a pipe, which says that it seeks": func(t *testing.T) io.Reader {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, r.Close()) })
			_, err = w.WriteString("content")
			require.NoError(t, err)
			require.NoError(t, w.Close())
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			ctx := t.Context()
			r, _, blobs := orphaned(t)
			sweep := blobs.holdSweep(ctx, r)
			var puts atomic.Int64
			blobs.stored = func() {
				if puts.Add(1) == 1 {
					close(sweep.remove)
					<-sweep.done
				}
			}
			_, err := r.PutArtifact(ctx, "1/run/a", reader(t))
			require.NoError(t, err)
			require.NoError(t, sweep.err)
			require.Len(t, sweep.report.Removed, 1)
			require.EqualValues(t, 2, puts.Load(), "it was stored once more")
			content, err := fs.ReadFile(r.Artifacts(ctx, ""), "1/run/a")
			require.NoError(t, err)
			require.Equal(t, "content", string(content))
			left, err := os.ReadDir(os.TempDir())
			require.NoError(t, err)
			require.Empty(t, left, "temporary files")
		})
	}
}

// stepped is a Backend that does something else before one of its Finds.
type stepped struct {
	backend.Backend
	before int
	do     func()
}

func (b *stepped) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	if b.do != nil {
		if b.before--; b.before < 0 {
			do := b.do
			b.do = nil // of which the Finds do not count
			do()
		}
	}
	return b.Backend.Find(ctx, q)
}

// Whenever during a sweep a version takes artifacts over, which are deleted at once, and whatever it sweeps besides, it
// keeps its files.
func TestSweepWhileArtifactsBecomeAVersion(t *testing.T) {
	ctx := t.Context()
	swept := false
	for step := 0; !swept; step++ {
		b := &stepped{Backend: memory.New()}
		r := newRegistry(t, b, memBlobs(t))
		_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("swept")})
		require.NoError(t, err)
		require.NoError(t, r.DeleteVersion(ctx, "fraud", 1, nil))
		_, err = r.PutArtifact(ctx, "1/run/model.bin", strings.NewReader("taken over"))
		require.NoError(t, err)
		b.before, b.do = step, func() {
			_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: "1/run"})
			require.NoError(t, err)
			require.NoError(t, r.DeleteArtifacts(ctx, "1/run"))
		}
		report, err := r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
		require.NoError(t, err)
		require.Len(t, report.Removed, 1, "step %d", step)
		swept = b.do != nil // it had fewer steps
		b.do = nil
		require.NoError(t, registrytest.Check(ctx, r), "step %d", step)
	}
}

// locked is a Backend that notes the locks of the last Update that took some of a kind.
type locked struct {
	backend.Backend
	kind string
	last []string
}

func (b *locked) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	of := slices.DeleteFunc(slices.Clone(locks), func(name string) bool { return !strings.HasPrefix(name, b.kind) })
	if len(of) > 0 {
		b.last = of
	}
	return b.Backend.Update(ctx, locks, fn)
}

// Calls about the same artifacts wait for each other, and those about two runs of an experiment do not: but for the one
// that makes the experiment's directory appear or vanish, and what is about all of it.
func TestLocksOfArtifacts(t *testing.T) {
	ctx := t.Context()
	b := &locked{Backend: memory.New(), kind: "artifacts/"}
	r := newRegistry(t, b, memBlobs(t))
	locks := func(call func() error) []string {
		t.Helper()
		b.last = nil
		require.NoError(t, call())
		require.NotEmpty(t, b.last)
		return b.last
	}
	put := func(path string) []string {
		return locks(func() error { _, err := r.PutArtifact(ctx, path, strings.NewReader("x")); return err })
	}
	register := func(path string) []string {
		return locks(func() error {
			_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: path})
			return err
		})
	}
	remove := func(path string) []string { return locks(func() error { return r.DeleteArtifacts(ctx, path) }) }
	share := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
	}
	first, second := put("1/run-1/a"), put("1/run-2/a")
	require.False(t, share(first, second), "puts into two runs")
	require.True(t, share(first, put("1/run-1/b/c")), "puts into one run")
	require.False(t, share(first, remove("1/run-2/b")), "a deletion of nothing in another run")
	put("1/run-2/b")
	require.False(t, share(first, remove("1/run-2/b")), "a deletion in another run")
	for _, path := range []string{"1", "1/run-1", "1/run-1/b", "1/run-1/b/c"} {
		require.True(t, share(first, register(path)), "a registration of %s", path)
	}
	require.False(t, share(second, register("1/run-1")), "a registration of another run")
	require.True(t, share(first, remove("1/run-2/a")), "a deletion that leaves another run empty")
	second = put("1/run-2/a")
	require.True(t, share(second, remove("1/run-1")), "a deletion of another run")
	require.True(t, share(second, remove("1")), "a deletion of all")
	require.True(t, share(second, put("1")), "a put in place of all")
}

// Registering artifacts keeps a sweep from removing their list of files, whose digest nobody knows before.
func TestLocksOfListsOfFiles(t *testing.T) {
	ctx := t.Context()
	b := &locked{Backend: memory.New(), kind: "uploads/"}
	r := newRegistry(t, b, memBlobs(t))
	_, err := r.PutArtifact(ctx, "1/run/a", strings.NewReader("x"))
	require.NoError(t, err)
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: "1/run"})
	require.NoError(t, err)
	registering := b.last
	require.NoError(t, r.DeleteVersion(ctx, "fraud", 1, nil))
	b.last = nil
	report, err := r.Sweep(ctx, nil) // of which all blobs are too young
	require.NoError(t, err)
	require.Equal(t, 1, report.Manifests)
	require.Subset(t, b.last, registering)
}

// An artifact's bytes are verified as those of versions are.
func TestAlteredArtifactsAreNotRead(t *testing.T) {
	ctx := t.Context()
	blobs := &tampered{Store: memBlobs(t)}
	r := newRegistry(t, memory.New(), blobs)
	require.NoError(t, r.LogArtifacts(ctx, "1/run", fstest.MapFS{"a": {Data: []byte("content")}}, nil))
	blobs.alter = func(b []byte) []byte { return append(b[:len(b)-1], 'x') }
	f, err := r.OpenArtifact(ctx, "1/run/a")
	require.NoError(t, err)
	got, err := io.ReadAll(f)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	require.Less(t, len(got), len("content"))
	_, err = fs.ReadFile(r.Artifacts(ctx, "1"), "run/a")
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
}

func TestArtifactsNeedBlobs(t *testing.T) {
	r := newRegistry(t, memory.New(), nil)
	_, err := r.PutArtifact(t.Context(), "1/run/a", strings.NewReader("x"))
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, "without Blobs")
}

package modelregistry_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

var sweepAll = &modelregistry.SweepOptions{MinAge: -1}

// openedAt is a registry whose rows are in the file at path.
func openedAt(t *testing.T, path string, blobs modelregistry.Blobs) modelregistry.Registry {
	b, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return newRegistry(t, b, blobs)
}

// copied is a registry of one version, and the path of a copy of its rows.
func copied(t *testing.T, blobs modelregistry.Blobs) (r modelregistry.Registry, path string) {
	from, to := filepath.Join(t.TempDir(), "r.db"), filepath.Join(t.TempDir(), "copy.db")
	b, err := sqlite.Open(t.Context(), from, nil)
	require.NoError(t, err)
	register(t, newRegistry(t, b, blobs), "before")
	require.NoError(t, b.Close())
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, 0o600))
	return openedAt(t, from, blobs), to
}

func register(t *testing.T, r modelregistry.Registry, content string) *modelregistry.Version {
	v, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile(content)})
	require.NoError(t, err)
	return v
}

func readable(ctx context.Context, r modelregistry.Registry, v *modelregistry.Version) error {
	_, err := fs.ReadFile(r.Files(ctx, v), "model.bin")
	return err
}

// A sweep by a copy of the database, or by a restored backup, is refused where the original has stored files since.
func TestSweepOfACopy(t *testing.T) {
	ctx := t.Context()
	blobs := memBlobs(t)
	original, path := copied(t, blobs)
	v := register(t, original, "since the copy")
	restored := openedAt(t, path, blobs)
	for _, dry := range []bool{true, false} {
		_, err := restored.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, DryRun: dry})
		require.ErrorIs(t, err, modelregistry.ErrConflict)
		require.ErrorContains(t, err, "backup")
	}
	require.NoError(t, readable(ctx, original, v))
	report, err := original.Sweep(ctx, sweepAll)
	require.NoError(t, err, "the copy has stored nothing")
	require.Empty(t, report.Removed)

	report, err = restored.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, TakeOver: true})
	require.NoError(t, err)
	require.Len(t, report.Removed, 1, "what only the later state named is given up")
	_, err = restored.Sweep(ctx, sweepAll)
	require.NoError(t, err)
	_, err = original.Sweep(ctx, sweepAll)
	require.ErrorIs(t, err, modelregistry.ErrConflict)
}

// Where both a copy and its original have stored files, neither sweeps, also when one of them was opened more often.
func TestSweepBesideACopy(t *testing.T) {
	ctx := t.Context()
	blobs := memBlobs(t)
	original, path := copied(t, blobs)
	a := register(t, original, "of the original")
	copy := openedAt(t, path, blobs)
	b := register(t, copy, "of the copy")
	for i := range 3 {
		again := openedAt(t, path, blobs)
		register(t, again, strings.Repeat("more ", i+1))
		for _, r := range []modelregistry.Registry{original, copy, again} {
			_, err := r.Sweep(ctx, sweepAll)
			require.ErrorIs(t, err, modelregistry.ErrConflict)
		}
	}
	require.NoError(t, readable(ctx, original, a))
	require.NoError(t, readable(ctx, copy, b))
}

// Handles of one registry leave marks that all of its sweeps know, however many there were.
func TestSweepKnowsAllMarksOfItsRegistry(t *testing.T) {
	ctx := t.Context()
	b, store := memory.New(), memBlobs(t)
	blobs := &keepsMarks{Store: store}
	for range 40 {
		register(t, newRegistry(t, b, blobs), "content")
	}
	marks, err := store.Marks(ctx)
	require.NoError(t, err)
	require.Len(t, marks, 40)
	r := newRegistry(t, b, store) // which may remove marks
	for range 2 {
		_, err = r.Sweep(ctx, sweepAll)
		require.NoError(t, err)
		marks, err = store.Marks(ctx)
		require.NoError(t, err)
		require.Len(t, marks, 1)
	}
	register(t, newRegistry(t, b, store), "content")
	marks, err = store.Marks(ctx)
	require.NoError(t, err)
	require.Len(t, marks, 1, "a mark takes the place of the one before")
}

// keepsMarks is Blobs of somebody who may remove nothing.
type keepsMarks struct{ *blob.Store }

func (keepsMarks) Unmark(context.Context, string) error { return fs.ErrPermission }

// A registry whose mark another has taken away by mistake is known again soon, without being opened anew.
func TestAMarkThatWasTakenAwayComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		blobs := memBlobs(t)
		r, other := newRegistry(t, memory.New(), blobs), newRegistry(t, memory.New(), blobs)
		register(t, r, "lost")
		_, err := other.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, TakeOver: true})
		require.NoError(t, err)
		time.Sleep(2 * time.Hour)
		v := register(t, r, "stored since")
		_, err = other.Sweep(ctx, sweepAll)
		require.ErrorIs(t, err, modelregistry.ErrConflict)
		require.NoError(t, readable(ctx, r, v))
	})
}

// A list of files of which a part is lost may name anything: nothing is swept until it was registered again.
func TestSweepWithALostPartOfAList(t *testing.T) {
	ctx := t.Context()
	b, blobs := memory.New(), memBlobs(t)
	r := newRegistry(t, b, blobs)
	files := fstest.MapFS{}
	for i := range 2500 {
		files[fmt.Sprintf("shard-%04d", i)] = &fstest.MapFile{Data: fmt.Append(nil, i%2000)}
	}
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: files})
	require.NoError(t, err)
	rows, err := b.Find(ctx, backend.Query{Table: "manifest_parts"})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error { return tx.Delete("manifest_parts", rows[0].Key) }))
	for _, dry := range []bool{true, false} {
		_, err = r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, DryRun: dry})
		require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	}
	fresh, err := r.Version(ctx, "fraud", v.Number)
	require.NoError(t, err)
	_, err = r.Manifest(ctx, fresh)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	_, err = r.Register(ctx, "again", modelregistry.VersionSpec{Files: files})
	require.NoError(t, err)
	report, err := r.Sweep(ctx, sweepAll)
	require.NoError(t, err)
	require.Empty(t, report.Removed)
	require.NoError(t, registrytest.Check(ctx, r))
}

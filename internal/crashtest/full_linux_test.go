package crashtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/modelregistry-go/modelregistry"
)

// TestFullDisk fills the disk, first with files of versions and then to the last block, so that files and rows each meet
// the end. What fails has to say so and leave nothing; when there is room again, the same open registry goes on.
func TestFullDisk(t *testing.T) {
	ctx := t.Context()
	choice := rand.New(rand.NewPCG(newSeed(t), 0))
	disk := newImage(t, 24)
	at := location{Rows: disk.folder, Blobs: filepath.Join(disk.folder, "bucket")}
	s, err := at.open(ctx)
	require.NoError(t, err)
	defer func() { _ = s.close() }() // where a check in between failed
	f := &filling{s: s, j: newJournal(), choice: choice}
	ballast := filepath.Join(disk.folder, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 4<<20), 0o666))
	for range 5 {
		require.NoError(t, f.register(ctx, true))
	}
	require.NoError(t, f.promote(ctx))

	f.untilFull(t, "files", func() error { return f.register(ctx, true) })
	left, err := at.leftovers()
	require.NoError(t, err)
	require.Empty(t, left, "left by registrations that failed")

	filler := filepath.Join(disk.folder, "filler")
	fill(t, filler)
	f.untilFull(t, "rows", func() error { return f.register(ctx, false) })
	f.untilFull(t, "stages", func() error { return f.promote(ctx) })
	f.untilFull(t, "both", func() error { return f.register(ctx, true) })

	require.NoError(t, os.Remove(filler))
	require.NoError(t, os.Remove(ballast))
	for range 5 {
		require.NoError(t, f.register(ctx, true), "there is room again")
		require.NoError(t, f.promote(ctx))
	}
	require.NoError(t, f.j.check(ctx, s, true))
	require.NoError(t, s.close())

	at.Ahead = 2 * time.Hour
	again, err := at.open(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, again.close()) }()
	require.NoError(t, at.integrity(ctx))
	require.NoError(t, f.j.check(ctx, again, true))
	require.NoError(t, f.j.checkSweep(ctx, again))
	require.NoError(t, f.j.check(ctx, again, true), "after the sweep")
}

// filling changes worker 0's model and keeps the journal.
type filling struct {
	s      *store
	j      *journal
	choice *rand.Rand
}

func (f *filling) register(ctx context.Context, withFiles bool) error {
	op := operation{Kind: register, Model: ownModel(0)}
	if withFiles {
		op.Content = f.choice.Uint64() | 1
	}
	number, err := registerContent(ctx, f.s.r, op)
	return f.note(op, outcome{Number: number}, err)
}

func (f *filling) promote(ctx context.Context) error {
	last := f.j.ledger(0).Last
	op := operation{Kind: promote, Model: ownModel(0), Number: 1 + f.choice.IntN(last), Stage: modelregistry.Production}
	_, err := f.s.r.Promote(ctx, op.Model, op.Number, op.Stage, nil)
	return f.note(op, outcome{}, err)
}

// note enters what was acknowledged. Unlike one that was killed, an operation that failed may not have been done.
func (f *filling) note(op operation, out outcome, err error) error {
	if err != nil {
		return err
	}
	return f.j.note([]message{{Begin: &op}, {End: &out}}, false, 2)
}

// untilFull repeats an operation until it fails, which has to be for want of room, and compares the store with the journal.
func (f *filling) untilFull(t *testing.T, what string, do func() error) {
	t.Helper()
	const most = 20_000
	for n := range most {
		err := do()
		if err == nil {
			continue
		}
		t.Logf("%s: %d done, then: %v", what, n, err)
		var e *modelregistry.Error
		require.ErrorAs(t, err, &e)
		full := errors.Is(err, unix.ENOSPC) || strings.Contains(err.Error(), "disk is full")
		require.True(t, full, "%s: the error does not say that the disk is full: %v", what, err)
		require.NoError(t, f.j.check(t.Context(), f.s, false), what)
		return
	}
	require.Fail(t, "the disk does not fill", what)
}

// fill takes all blocks that are free.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	for _, size := range []int{1 << 20, 1 << 12, 1 << 10} { // down to the size of a block
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	require.NoError(t, file.Sync())
}

package modelregistry_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// skewed is a registry on a host whose clock is ahead.
func skewed(t *testing.T, b backend.Backend, blobs modelregistry.Blobs, ahead time.Duration) modelregistry.Registry {
	r, err := modelregistry.New(t.Context(), b, blobs, &modelregistry.Options{Now: func() time.Time { return time.Now().Add(ahead) }})
	require.NoError(t, err)
	return r
}

var skews = map[string]time.Duration{
	"eleven minutes ahead": 11 * time.Minute, "six minutes behind": -6 * time.Minute,
	"ten years ahead": 10 * 365 * 24 * time.Hour, "ten years behind": -10 * 365 * 24 * time.Hour,
}

// A registration waits for a Sweep that is removing its content, whatever the clocks of both hosts say.
func TestRegistrationWaitsForSweepOfAnotherClock(t *testing.T) {
	for name, ahead := range skews {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sweeper, b, blobs := orphaned(t)
				other := skewed(t, b, blobs, ahead)
				sweep := blobs.holdSweep(t.Context(), sweeper)
				var v *modelregistry.Version
				registered := inBackground(func() (err error) {
					v, err = other.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
					return err
				})
				time.Sleep(30 * time.Second) // in the bubble: the removal takes that long
				close(sweep.remove)
				require.NoError(t, <-registered)
				<-sweep.done
				require.NoError(t, sweep.err)
				content, err := fs.ReadFile(other.Files(t.Context(), v), "model.bin")
				require.NoError(t, err)
				require.Equal(t, "content", string(content))
				require.NoError(t, registrytest.Check(t.Context(), other))
			})
		})
	}
}

// A Sweep waits for a registration that is storing files, whatever the clocks of both hosts say, for hours if need be:
// then it leaves what that may count on.
func TestSweepWaitsForRegistrationOfAnotherClock(t *testing.T) {
	for name, ahead := range skews {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sweeper, b, blobs := orphaned(t)
				other := skewed(t, b, blobs, ahead)
				stored, commit := make(chan struct{}), make(chan struct{})
				blobs.stored = func() { close(stored); <-commit }
				registered := inBackground(func() error {
					_, err := other.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
					return err
				})
				<-stored
				for range 3 {
					report, err := sweeper.Sweep(t.Context(), &modelregistry.SweepOptions{MinAge: -1})
					require.NoError(t, err)
					require.Empty(t, report.Removed)
					require.Equal(t, 1, report.Waiting)
					time.Sleep(time.Hour)
				}
				close(commit)
				require.NoError(t, <-registered)
				require.NoError(t, registrytest.Check(t.Context(), other))
			})
		})
	}
}

// A removal has a deadline, and what it may have missed stays condemned for longer: a registration waits until the Sweep has
// not moved for minutes.
func TestRemovalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, blobs := orphaned(t)
		blobs.hang = true
		began := time.Now()
		_, err := r.Sweep(t.Context(), &modelregistry.SweepOptions{MinAge: -1})
		require.ErrorIs(t, err, modelregistry.ErrConflict)
		require.Less(t, time.Since(began), 2*time.Minute)
		ended := time.Now()
		blobs.hang = false
		v, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
		require.NoError(t, err)
		require.Greater(t, time.Since(ended), 4*time.Minute, "it did not wait for what may be under way")
		_, err = fs.ReadFile(r.Files(t.Context(), v), "model.bin")
		require.NoError(t, err)
	})
}

// A Sweep that was taken for dead removes nothing more; what it had begun to remove is looked at.
func TestSweepTakenForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r, b, blobs := orphaned(t)
		sweep := blobs.holdSweep(ctx, r)                                  // in Remove, without an eye on its context
		require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error { // as another host would in the end
			rows, err := tx.Find(backend.Query{Table: "sweeps"})
			if err != nil || len(rows) != 1 {
				return errors.Join(err, errors.New("one sweep"))
			}
			condemned, err := tx.Find(backend.Query{Table: "condemned"})
			if err != nil {
				return err
			}
			return errors.Join(tx.Delete("sweeps", rows[0].Key), tx.Delete("condemned", condemned[0].Key))
		}))
		v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
		require.NoError(t, err)
		close(sweep.remove)
		<-sweep.done
		require.ErrorIs(t, sweep.err, modelregistry.ErrCorrupt, "content that a version has was removed: it is said")
		files, err := r.Manifest(ctx, v)
		require.NoError(t, err)
		require.ErrorContains(t, sweep.err, files[0].Digest)
		_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
		require.NoError(t, err)
		_, err = fs.ReadFile(r.Files(ctx, v), "model.bin")
		require.NoError(t, err, "registering again brought it back")
	})
}

// What a list of files came to name during a Sweep is kept, whatever its writer's clock said.
func TestSweepSeesListsOfAnotherClock(t *testing.T) {
	ctx := t.Context()
	b, blobs := memory.New(), &hooked{Store: memBlobs(t)}
	sweeper, other := skewed(t, b, blobs, 0), skewed(t, b, blobs, -48*time.Hour)
	_, err := other.PutArtifact(ctx, "run/model.bin", strings.NewReader("content"))
	require.NoError(t, err)
	require.NoError(t, other.DeleteArtifacts(ctx, "run"))
	var v *modelregistry.Version
	blobs.listing = func() { // after Sweep has looked what is named
		_, err := other.PutArtifact(ctx, "run/model.bin", strings.NewReader("content"))
		require.NoError(t, err)
		v, err = other.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: "run"})
		require.NoError(t, err)
		require.NoError(t, other.DeleteArtifacts(ctx, "run"))
	}
	_, err = sweeper.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(t, err)
	_, err = fs.ReadFile(other.Files(ctx, v), "model.bin")
	require.NoError(t, err)
}

// A lease of a program that died is taken away once it was seen not to move, and not before.
func TestLeaseOfADeadProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b, _ := orphaned(t)
		require.NoError(t, b.Update(t.Context(), nil, func(tx backend.Tx) error {
			return tx.Put("uploads", backend.Row{Key: backend.Key{backend.StringValue("dead")}, Doc: []byte(`{"beat":7}`)})
		}))
		began := time.Now()
		report, err := r.Sweep(t.Context(), &modelregistry.SweepOptions{MinAge: -1})
		require.NoError(t, err)
		require.Len(t, report.Removed, 1)
		require.GreaterOrEqual(t, time.Since(began), 2*time.Minute)
		rows, err := b.Find(t.Context(), backend.Query{Table: "uploads"})
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// A Sweep where another registry keeps files is refused, naming both, until the store is taken over; so is one that names
// nothing where it has never stored anything.
func TestSweepOfAnotherRegistrysFiles(t *testing.T) {
	ctx := t.Context()
	blobs := memBlobs(t)
	right, wrong := newRegistry(t, memory.New(), blobs), newRegistry(t, memory.New(), blobs)
	v, err := right.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	marks, err := blobs.Marks(ctx)
	require.NoError(t, err)
	require.Len(t, marks, 1)
	for _, dry := range []bool{true, false} {
		_, err = wrong.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, DryRun: dry})
		require.ErrorIs(t, err, modelregistry.ErrConflict)
		require.ErrorContains(t, err, marks[0][:16])
	}
	_, err = wrong.Register(ctx, "other", modelregistry.VersionSpec{Files: oneFile("its own")})
	require.NoError(t, err, "they may share a store, as long as nobody sweeps")
	marks, err = blobs.Marks(ctx)
	require.NoError(t, err)
	require.Len(t, marks, 2)
	for _, r := range []modelregistry.Registry{right, wrong} {
		_, err = r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
		require.ErrorIs(t, err, modelregistry.ErrConflict)
		require.ErrorContains(t, err, marks[0][:16])
		require.ErrorContains(t, err, marks[1][:16])
	}
	_, err = fs.ReadFile(right.Files(ctx, v), "model.bin")
	require.NoError(t, err)
	report, err := right.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, TakeOver: true})
	require.NoError(t, err)
	require.Len(t, report.Removed, 1)
	report, err = right.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(t, err)
	require.Empty(t, report.Removed)
}

// unmarked is Blobs without marks.
type unmarked struct{ swept }

type swept interface {
	modelregistry.Blobs
	modelregistry.SweepBlobs
}

// A registry that names nothing at all removes nothing, also from Blobs that know of no marks.
func TestSweepThatNamesNothing(t *testing.T) {
	ctx := t.Context()
	store := memBlobs(t)
	blobs := unmarked{store}
	right, wrong := newRegistry(t, memory.New(), blobs), newRegistry(t, memory.New(), blobs)
	_, err := right.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	_, err = wrong.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.ErrorIs(t, err, modelregistry.ErrConflict)
	require.ErrorContains(t, err, "TakeOver")
	require.NoError(t, registrytest.Check(ctx, right))
	report, err := wrong.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, TakeOver: true})
	require.NoError(t, err)
	require.Len(t, report.Removed, 1)
}

package modelregistry_test

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// hooked is Blobs that can be held up.
type hooked struct {
	*blob.Store
	stored   func() // after a Put
	removing func() // before a Remove
	listing  func() // before Blobs
	hang     bool   // Remove ends with its context, and not before
}

func (b *hooked) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	if b.stored != nil {
		defer b.stored()
	}
	return b.Store.Put(ctx, r)
}

func (b *hooked) Blobs(ctx context.Context) iter.Seq2[modelregistry.BlobInfo, error] {
	if b.listing != nil {
		b.listing()
	}
	return b.Store.Blobs(ctx)
}

func (b *hooked) Remove(ctx context.Context, digest string) error {
	if b.hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if b.removing != nil {
		b.removing()
	}
	return b.Store.Remove(ctx, digest)
}

// orphaned is a registry with content that no version names any more.
func orphaned(t *testing.T) (modelregistry.Registry, *memory.Backend, *hooked) {
	b, blobs := memory.New(), &hooked{Store: memBlobs(t)}
	r := newRegistry(t, b, blobs)
	_, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	require.NoError(t, r.DeleteVersion(t.Context(), "fraud", 1, nil))
	return r, b, blobs
}

// inBackground runs fn and returns where its error comes.
func inBackground(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// A registration that found its content stored, and is about to name it, keeps Sweep from removing it.
func TestSweepWaitsForRegistration(t *testing.T) {
	ctx := t.Context()
	r, b, blobs := orphaned(t)
	stored, commit := make(chan struct{}), make(chan struct{})
	blobs.stored = func() { close(stored); <-commit }
	registered := inBackground(func() error {
		_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
		return err
	})
	<-stored
	var report *modelregistry.SweepReport
	swept := inBackground(func() (err error) {
		report, err = r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
		return err
	})
	require.Eventually(t, func() bool {
		rows, err := b.Find(ctx, backend.Query{Table: "condemned"})
		return err == nil && len(rows) > 0
	}, time.Minute, time.Millisecond)
	close(commit)
	require.NoError(t, <-registered)
	require.NoError(t, <-swept)
	require.Empty(t, report.Removed)
	require.Equal(t, 1, report.Kept)
	require.NoError(t, registrytest.Check(ctx, r))
}

// A registration that found its content stored, after Sweep has decided to remove it, stores it anew: also where Sweep is
// done by the time that the registration looks for it.
func TestRegistrationWaitsForSweep(t *testing.T) {
	for name, done := range map[string]bool{"during the sweep": false, "at the end of the sweep": true} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			r, _, blobs := orphaned(t)
			sweep := blobs.holdSweep(ctx, r)
			var puts atomic.Int64
			blobs.stored = func() {
				if puts.Add(1) > 1 {
					return
				}
				close(sweep.remove)
				if done {
					<-sweep.done
				}
			}
			_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
			require.NoError(t, err)
			<-sweep.done
			require.NoError(t, sweep.err)
			require.Len(t, sweep.report.Removed, 1)
			require.EqualValues(t, 2, puts.Load(), "it was stored once more")
			require.NoError(t, registrytest.Check(ctx, r))
		})
	}
}

// heldSweep is a sweep that has begun to remove.
type heldSweep struct {
	remove chan struct{} // closed to let it go on
	done   chan struct{}
	report *modelregistry.SweepReport
	err    error
}

// holdSweep starts a sweep and returns when it is about to remove the first blob.
func (b *hooked) holdSweep(ctx context.Context, r modelregistry.Registry) *heldSweep {
	s := &heldSweep{remove: make(chan struct{}), done: make(chan struct{})}
	removing := make(chan struct{})
	b.removing = func() { close(removing); <-s.remove }
	go func() {
		defer close(s.done)
		s.report, s.err = r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	}()
	<-removing
	return s
}

// Two sweeps leave what one of them is about to remove to that one, so registrations wait for it to the end.
func TestTwoSweeps(t *testing.T) {
	ctx := t.Context()
	r, b, blobs := orphaned(t)
	sweep := blobs.holdSweep(ctx, r)
	second, err := r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(t, err)
	require.Empty(t, second.Removed)
	require.Equal(t, 1, second.Kept)
	rows, err := b.Find(ctx, backend.Query{Table: "condemned"})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	var once sync.Once
	blobs.stored = func() { once.Do(func() { close(sweep.remove); <-sweep.done }) }
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	require.NoError(t, sweep.err)
	require.Len(t, sweep.report.Removed, 1)
	require.NoError(t, registrytest.Check(ctx, r))
}

// A registration whose lease ran out, and was taken away by a sweep, does not name what that sweep removed.
func TestLeaseTakenAway(t *testing.T) {
	ctx := t.Context()
	b, blobs := memory.New(), &hooked{Store: memBlobs(t)}
	var looks atomic.Int64 // each of which takes a minute of the sweeper's time
	r := newRegistry(t, b, blobs)
	sweeper, err := modelregistry.New(ctx, b, blobs, &modelregistry.Options{Now: func() time.Time { return time.Now().Add(time.Duration(looks.Add(1)) * time.Minute) }})
	require.NoError(t, err)
	blobs.stored = func() {
		report, err := sweeper.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
		if err != nil || len(report.Removed) != 1 {
			t.Errorf("sweep: %+v, %v", report, err)
		}
	}
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.ErrorIs(t, err, modelregistry.ErrConflict)
	require.ErrorContains(t, err, "try again")
	_, err = r.Model(ctx, "fraud")
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	blobs.stored = func() {}
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	require.NoError(t, registrytest.Check(ctx, r))
}

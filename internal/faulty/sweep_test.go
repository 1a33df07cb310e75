package faulty_test

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/faulty"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// Whatever step of a sweep fails, no named blob is lost, registrations go on, and the next sweep does the rest.
func TestEveryStepOfSweep(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			w.hurries() // a sweep that died holds registrations and sweeps up for five minutes
			w.orphan("whole")
			w.plan.Arm(0, faulty.Before)
			_, err := w.faulty.Sweep(t.Context(), &modelregistry.SweepOptions{MinAge: -1})
			require.NoError(t, err)
			steps := w.plan.Steps()
			for n, step := range steps {
				for _, mode := range faulty.Modes() {
					what := fmt.Sprintf("%v step %d of %d, %s", mode, n+1, len(steps), step)
					w.worksOnAfterSweep(what, w.failSweep(what, n+1, mode))
					w.failSweep(what, n+1, mode) // and nothing that would clean up comes but the next sweep
				}
			}
			w.cleansUp("sweep")
			require.NoError(t, registrytest.Check(t.Context(), w.r))
		})
	}
}

// orphan registers two versions of a model and deletes one, whose content nobody names any more.
func (w *world) orphan(model string) {
	w.Helper()
	for _, content := range []string{"kept ", "gone "} {
		_, err := w.r.Register(w.Context(), model, modelregistry.VersionSpec{Files: files(content + model)})
		require.NoError(w, err)
	}
	require.NoError(w, w.r.DeleteVersion(w.Context(), model, 2, nil))
}

// failSweep makes a model that there is something to sweep of, and a sweep that fails.
func (w *world) failSweep(what string, n int, mode faulty.Mode) (model string) {
	w.Helper()
	ctx := w.Context()
	w.models++
	model = fmt.Sprintf("m%d", w.models)
	w.orphan(model)
	w.plan.Arm(n, mode)
	_, err := w.faulty.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	w.plan.Arm(0, mode)
	if err != nil {
		require.ErrorIs(w, err, faulty.Err, what)
	}
	require.NoError(w, registrytest.CheckModel(ctx, w.r, model), what)
	return model
}

// worksOnAfterSweep proves that what was swept, or nearly, can be registered again.
func (w *world) worksOnAfterSweep(what, model string) {
	w.Helper()
	ctx := w.Context()
	v, err := w.r.Register(ctx, model, modelregistry.VersionSpec{Files: files("gone " + model)})
	require.NoError(w, err, what)
	content, err := fs.ReadFile(w.r.Files(ctx, v), "a")
	require.NoError(w, err, what)
	require.Equal(w, "gone "+model, string(content), what)
	require.NoError(w, w.r.DeleteVersion(ctx, model, v.Number, nil))
	report, err := w.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(w, err, what)
	require.GreaterOrEqual(w, len(report.Removed), 2, what)
	require.NoError(w, registrytest.CheckModel(ctx, w.r, model), what)
}

// A registry whose first mark in the store of files fails stores nothing there, and marks it the next time.
func TestEveryStepOfTheFirstFile(t *testing.T) {
	for n := 1; ; n++ {
		for _, mode := range faulty.Modes() {
			w := newWorld(t, stores.Memory)
			w.plan.Arm(n, mode)
			_, err := w.faulty.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: files("first")})
			steps := w.plan.Steps()
			w.plan.Arm(0, mode)
			if len(steps) < n {
				return
			}
			what := fmt.Sprintf("%v step %d, %s", mode, n, steps[n-1])
			marks, merr := w.blobs.Marks(t.Context())
			require.NoError(t, merr)
			for _, err := range w.blobs.Blobs(t.Context()) {
				require.NoError(t, err)
				require.Len(t, marks, 1, what)
			}
			if err != nil {
				require.ErrorIs(t, err, faulty.Err, what)
			}
			_, err = w.faulty.Register(t.Context(), "other", modelregistry.VersionSpec{Files: files("second")})
			require.NoError(t, err, what)
			marks, err = w.blobs.Marks(t.Context())
			require.NoError(t, err)
			require.Len(t, marks, 1, what)
		}
	}
}

package modelregistry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// One write of a host whose clock is 30 years ahead dates itself, and nothing that others write after it.
func TestAClockAheadDatesItsOwnWriteAlone(t *testing.T) {
	ctx := t.Context()
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	now, b := start, memory.New()
	open := func(ahead time.Duration) modelregistry.Registry {
		r, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{
			Actor: "ann", Now: func() time.Time { return now.Add(ahead) },
			Gates: []modelregistry.GateRule{{Stage: modelregistry.Production, Gate: modelregistry.MinTimeInStaging(24 * time.Hour)}},
		})
		require.NoError(t, err)
		return r
	}
	reg, ahead := open(0), open(30*365*24*time.Hour)
	tick := func() { now = now.Add(time.Hour) }
	for range 3 {
		_, err := reg.Register(ctx, "m", modelregistry.VersionSpec{})
		require.NoError(t, err)
		tick()
	}
	_, err := reg.Transition(ctx, "m", 1, modelregistry.Staging, nil)
	require.NoError(t, err)
	before := now
	tick()
	_, err = ahead.SetAlias(ctx, "m", "champion", 2, nil)
	require.NoError(t, err)
	tick()

	names := func(at time.Time, uri string) int {
		v, err := reg.At(at).Resolve(ctx, uri)
		if err != nil {
			require.ErrorIs(t, err, modelregistry.ErrNotFound)
			return 0
		}
		return v.Number
	}
	require.Equal(t, 2, names(now, "models:/m@champion"), "what is now is known, although it says that it will be")
	require.Equal(t, 0, names(start.Add(time.Hour), "models:/m@champion"))
	require.Equal(t, 1, names(before, "models:/m/Staging"))

	// The next write of a clock that goes with the others' is dated by it, and so is what gates and requests go by.
	wrote := now
	_, err = reg.SetAlias(ctx, "m", "champion", 3, nil)
	require.NoError(t, err)
	for e, err := range reg.Events(ctx, modelregistry.EventQuery{Model: "m", Newest: true, Limit: 1}) {
		require.NoError(t, err)
		require.Equal(t, wrote, e.Time)
	}
	_, err = reg.Promote(ctx, "m", 1, modelregistry.Production, nil)
	require.ErrorIs(t, err, modelregistry.ErrConflict, "it has been in Staging for hours")
	q, err := reg.RequestTransition(ctx, "m", 1, modelregistry.Production, modelregistry.RequestSpec{Expires: now.Add(48 * time.Hour)})
	require.NoError(t, err)
	require.Equal(t, modelregistry.RequestPending, q.State)
	tick()
	require.Equal(t, 3, names(now, "models:/m@champion"))
	require.Equal(t, 2, names(wrote.Add(-time.Minute), "models:/m@champion"), "it was written before what follows it")
	now = start.AddDate(40, 0, 0) // when the time that it said has come and gone
	require.Equal(t, 3, names(now, "models:/m@champion"))
	require.Equal(t, 3, names(wrote, "models:/m@champion"))
	now = wrote.Add(time.Hour)
	report, err := reg.Verify(ctx, "m")
	require.NoError(t, err, report)

	// A model that was made by a clock ahead is there now.
	_, err = ahead.Register(ctx, "made", modelregistry.VersionSpec{})
	require.NoError(t, err)
	require.Equal(t, 1, names(now, "models:/made/latest"))
	_, err = reg.Register(ctx, "made", modelregistry.VersionSpec{})
	require.NoError(t, err)
	tick()
	require.Equal(t, 2, names(now, "models:/made/latest"))
	for report, err := range reg.VerifyAll(ctx) {
		require.NoError(t, err, report)
	}
}

// A clock that is years behind, as one without a battery, does not turn history around, and one that is minutes off neither.
func TestAClockBehindDoesNotTurnHistoryAround(t *testing.T) {
	ctx := t.Context()
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, behind := range []time.Duration{time.Minute, 23 * time.Hour, 50 * 365 * 24 * time.Hour} {
		b := memory.New()
		open := func(now time.Time) modelregistry.Registry {
			r, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{Now: func() time.Time { return now }})
			require.NoError(t, err)
			return r
		}
		for range 3 {
			_, err := open(start).Register(ctx, "m", modelregistry.VersionSpec{})
			require.NoError(t, err)
		}
		_, err := open(start.Add(-behind)).SetAlias(ctx, "m", "champion", 2, nil)
		require.NoError(t, err)
		for e, err := range open(start).Events(ctx, modelregistry.EventQuery{Model: "m"}) {
			require.NoError(t, err)
			require.Equal(t, start, e.Time)
		}
		_, err = open(start).At(start.Add(-time.Second)).Resolve(ctx, "models:/m/1")
		require.ErrorIs(t, err, modelregistry.ErrNotFound)
	}
}

// A process whose clock is ahead takes a lease and dies: others take over all the same.
func TestALeaseOfAClockAheadHoldsNobodyUp(t *testing.T) {
	ctx := t.Context()
	now, b := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), memory.New()
	right, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	ahead, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{Now: func() time.Time { return now.AddDate(5, 0, 0) }})
	require.NoError(t, err)
	hook, err := right.CreateWebhook(ctx, modelregistry.WebhookSpec{Name: "w", URL: "https://example.com", Events: []string{"x"}})
	require.NoError(t, err)
	_, err = ahead.LeaseWebhook(ctx, hook.ID, "dead", now.AddDate(5, 0, 0).Add(time.Minute))
	require.NoError(t, err)
	held, err := right.LeaseWebhook(ctx, hook.ID, "alive", now.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, "alive", held.Holder)
}

// A name that was given, taken away or given again by a host whose clock was years ahead is whose it is, at all times since
// and by the clocks of the others.
func TestANameGivenByAClockAheadIsWhoseItIs(t *testing.T) {
	years := 10 * 365 * 24 * time.Hour
	for name, c := range map[string]struct{ made, deleted, again time.Duration }{
		"made":                  {made: years},
		"made and deleted":      {made: years, deleted: years},
		"deleted":               {deleted: years},
		"deleted and made anew": {deleted: years, again: years},
		"made anew":             {again: years},
		"all of it":             {years, years, years},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			now, ahead := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), time.Duration(0)
			r, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{Now: func() time.Time { return now.Add(ahead) }})
			require.NoError(t, err)
			by := func(skew time.Duration, change func() error) time.Time {
				now = now.Add(time.Minute)
				ahead = skew
				require.NoError(t, change())
				ahead = 0
				return now
			}
			register := func() error {
				_, err := r.Register(ctx, "m", modelregistry.VersionSpec{})
				return err
			}
			for range 10 { // what the clocks of the others say
				by(0, func() error { _, err := r.Register(ctx, "other", modelregistry.VersionSpec{}); return err })
			}
			by(c.made, register)
			during := by(0, register)
			first, err := r.Model(ctx, "m")
			require.NoError(t, err)
			by(c.deleted, func() error { return r.DeleteModel(ctx, "m", nil) })
			by(c.again, register)
			after := by(0, register)
			second, err := r.Model(ctx, "m")
			require.NoError(t, err)
			if c.again == 0 {
				require.Equal(t, after.Add(-time.Minute), second.Created, "dated by who made it")
			}

			v, err := r.At(after).Resolve(ctx, "models:/m/2")
			require.NoError(t, err)
			require.Equal(t, second.ID, v.ModelID)
			if c.deleted == 0 { // else it was deleted right behind what was before
				v, err = r.At(during).Resolve(ctx, "models:/m/2")
				require.NoError(t, err)
				require.Equal(t, first.ID, v.ModelID)
			}
			for report, err := range r.VerifyAll(ctx) {
				require.NoError(t, err, report)
			}
		})
	}
}

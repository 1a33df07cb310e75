package abtest

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

func registryOn(t *testing.T, kind string) modelregistry.Registry {
	t.Helper()
	r, err := modelregistry.New(t.Context(), stores.Fresh(t, kind), nil, nil)
	require.NoError(t, err)
	return r
}

func recorder(t *testing.T, test *Test, store modelregistry.OutcomeStore, opts *RecorderOptions) *Recorder {
	t.Helper()
	r, err := NewRecorder(test, store, opts)
	require.NoError(t, err)
	return r
}

// Many recorders, as of many processes, each with many goroutines, lose nothing and count nothing twice.
func TestRecordersAddUp(t *testing.T) {
	const recorders, goroutines, each = 4, 4, 100
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			registry := registryOn(t, kind)
			test := build(t, 0.5, 0.5)
			var wg sync.WaitGroup
			for range recorders {
				rec := recorder(t, test, registry, &RecorderOptions{Interval: time.Millisecond, OnError: func(err error) { t.Error(err) }})
				wg.Go(func() {
					var own sync.WaitGroup
					for g := range goroutines {
						own.Go(func() {
							for i := range each {
								v := test.Assign(strconv.Itoa(g*each + i))
								if err := errors.Join(rec.Expose(v.Name), rec.Record(v.Name, i%2 == 0), rec.Measure(v.Name, float64(i))); err != nil {
									t.Error(err)
								}
								if i%40 == 0 {
									if err := rec.Flush(t.Context()); err != nil {
										t.Error(err)
									}
								}
							}
						})
					}
					own.Wait()
					if err := errors.Join(rec.Close(t.Context()), rec.Close(t.Context())); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			reader := recorder(t, test, registry, nil)
			r, err := reader.Results(t.Context())
			require.NoError(t, err)
			require.NoError(t, reader.Close(t.Context()))
			a, b := r.Variants[0], r.Variants[1]
			const all = recorders * goroutines * each
			require.EqualValues(t, all, a.Exposed+b.Exposed)
			require.EqualValues(t, all/2, a.Successes+b.Successes)
			require.EqualValues(t, all/2, a.Failures+b.Failures)
			require.EqualValues(t, all, a.Measured+b.Measured)
			mean := (a.Mean*float64(a.Measured) + b.Mean*float64(b.Measured)) / all
			require.InDelta(t, float64(each-1)/2, mean, 1e-9)
		})
	}
}

// flaky is a store whose answers get lost, after the work was done or before.
type flaky struct {
	modelregistry.OutcomeStore
	mu            sync.Mutex
	before, after error
	calls         int
}

func (f *flaky) fail(before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func (f *flaky) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *flaky) RecordOutcomes(ctx context.Context, test, shard string, tallies []modelregistry.Tally) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.before != nil {
		return f.before
	}
	if err := f.OutcomeStore.RecordOutcomes(ctx, test, shard, tallies); err != nil {
		return err
	}
	return f.after
}

func TestWhatFailedIsTriedAgainAndCountedOnce(t *testing.T) {
	store := &flaky{OutcomeStore: registryOn(t, stores.Memory)}
	test := build(t, 0.5, 0.5)
	rec := recorder(t, test, store, &RecorderOptions{Interval: -1})
	lost := errors.New("lost")
	require.NoError(t, rec.Record("A", true))
	for _, before := range []error{lost, nil} {
		store.fail(before, lost)
		require.ErrorIs(t, rec.Flush(t.Context()), lost)
		_, err := rec.Results(t.Context())
		require.ErrorIs(t, err, lost)
		require.ErrorIs(t, rec.Close(t.Context()), lost)
	}
	store.fail(nil, nil)
	require.NoError(t, rec.Close(t.Context()))
	calls := store.called()
	r, err := rec.Results(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Variants[0].Successes)
	require.Equal(t, calls, store.called(), "what is there is not put again")

	require.ErrorIs(t, rec.Record("A", true), fs.ErrClosed)
}

// A process that dies loses what it recorded since the last interval, and nothing else.
func TestRecorderPutsCountsAtIntervals(t *testing.T) {
	registry := registryOn(t, stores.Memory)
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		store := &flaky{OutcomeStore: registry, before: down}
		var failures []error
		rec := recorder(t, build(t, 0.5, 0.5), store, &RecorderOptions{Interval: time.Minute, OnError: func(err error) { failures = append(failures, err) }})
		successes := func() int64 {
			tallies, err := registry.Outcomes(context.Background(), "fraud")
			require.NoError(t, err)
			sum := int64(0)
			for _, tally := range tallies {
				sum += tally.Successes
			}
			return sum
		}
		require.NoError(t, rec.Record("A", true))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Len(t, failures, 1)
		require.ErrorIs(t, failures[0], down)
		require.Zero(t, successes())

		store.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, successes())
		require.NoError(t, rec.Record("B", true))
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 1, successes())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 2, successes())
		require.Equal(t, 3, store.called(), "nothing new was put")
		require.NoError(t, rec.Record("B", true))
		require.NoError(t, rec.Close(context.Background()))
		require.EqualValues(t, 3, successes())
		require.Len(t, failures, 1)
	})
}

func TestOutcomesThatAreNone(t *testing.T) {
	rec := recorder(t, build(t, 0.5, 0.5), nil, nil)
	for _, c := range []struct {
		err  error
		hint string
	}{
		{rec.Record("C", true), `"C": invalid: not one of A, B`},
		{rec.Expose(""), "not one of A, B"},
		{rec.Measure("C", 1), "not one of A, B"},
		{rec.Measure("A", math.NaN()), "NaN"},
		{rec.Measure("A", math.Inf(-1)), "Inf"},
		{rec.Measure("A", 1e101), "1e+101"},
		{rec.Add(tally("A", -1, 0)), "successes is -1"},
		{rec.Add(tally("C", 1, 0)), "not one of A, B"},
		{rec.Add(modelregistry.Tally{Variant: "A", Measured: 2, Mean: 1, Squares: math.NaN()}), "NaN"},
	} {
		require.ErrorIs(t, c.err, modelregistry.ErrInvalid)
		require.ErrorContains(t, c.err, c.hint)
	}
	require.NoError(t, rec.Add(tally("A", 1<<40, 0)))
	require.ErrorContains(t, rec.Record("A", true), "with what was recorded before")
	r, err := rec.Results(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1<<40, r.Variants[0].Successes)
	require.Zero(t, r.Variants[0].Measured+r.Variants[0].Exposed+r.Variants[1].Measured+r.Variants[1].Successes)
	_, err = NewRecorder(nil, nil, nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
}

// The weights are put with the counts, so that a ramp is seen in the results of processes that know both.
func TestRecordersOfDifferentWeights(t *testing.T) {
	registry := registryOn(t, stores.Memory)
	first := build(t, 0.9, 0.1)
	second, err := first.Ramp(Weights{"A": 0.5, "B": 0.5})
	require.NoError(t, err)
	for _, test := range []*Test{first, second} {
		rec := recorder(t, test, registry, nil)
		for _, v := range test.Variants() {
			require.NoError(t, rec.Add(tally(v.Name, int64(v.Weight*500), int64(v.Weight*500))))
		}
		require.NoError(t, rec.Close(t.Context()))
	}
	reader := recorder(t, second, registry, nil)
	r, err := reader.Results(t.Context())
	require.NoError(t, err)
	require.NoError(t, reader.Close(t.Context()))
	require.EqualValues(t, 700, r.Variants[0].Successes)
	require.EqualValues(t, 300, r.Variants[1].Successes)
	require.InDelta(t, 0, r.Variants[1].Versus.Difference, 1e-12)
	require.Greater(t, r.Mismatch.P, 0.9)
}

func BenchmarkRecord(b *testing.B) {
	rec, err := NewRecorder(build(b, 0.5, 0.5), nil, nil)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := rec.Record("B", true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResults(b *testing.B) {
	test := build(b, 0.5, 0.5)
	tallies := []modelregistry.Tally{tally("A", 500, 4500), tally("B", 600, 4400)}
	for b.Loop() {
		if _, err := test.Results(tallies); err != nil {
			b.Fatal(err)
		}
	}
}

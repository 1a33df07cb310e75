package abtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// A Recorder counts what variants lead to, in memory, and puts the counts into a registry now and then and when it is
// closed. Each Recorder counts under a name of its own and puts all that it has counted, so that nothing is counted
// twice, whatever is tried again, and no process waits for another. A process that dies takes with it what it has
// recorded since the last time, at most RecorderOptions.Interval.
//
// It is safe for concurrent use.
type Recorder struct {
	test  *Test
	store modelregistry.OutcomeStore
	opts  RecorderOptions
	shard string

	mu      sync.Mutex
	tallies []modelregistry.Tally // as the test's variants
	changes int64                 // counts what was recorded
	closed  bool

	flushing sync.Mutex // so that older counts do not chase newer ones
	flushed  int64      // changes that are in the store

	stop context.CancelFunc
	done chan struct{}
}

// RecorderOptions go with NewRecorder. Nil means all defaults.
type RecorderOptions struct {
	// Interval is how often counts are put into the registry; 0 is 10 s, negative never but by Flush, Results and Close.
	Interval time.Duration
	// OnError is told when that failed in the background; nil ignores it. It is tried again after the next interval.
	OnError func(error)
}

// maxMeasure is the greatest number that Measure takes: what a Tally can add.
const maxMeasure = 1e100

// NewRecorder makes a Recorder for a test. Store is a Registry, or nil to keep everything in memory. The caller closes
// the Recorder.
func NewRecorder(t *Test, store modelregistry.OutcomeStore, opts *RecorderOptions) (*Recorder, error) {
	if t == nil {
		return nil, fmt.Errorf("recorder: %w: no test", modelregistry.ErrInvalid)
	}
	r := &Recorder{test: t, store: store, shard: rand.Text(), stop: func() {}, done: make(chan struct{})}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Interval == 0 {
		r.opts.Interval = 10 * time.Second
	}
	for _, v := range t.config.Variants {
		r.tallies = append(r.tallies, modelregistry.Tally{Phase: t.phase, Variant: v.Name})
	}
	if store == nil || r.opts.Interval < 0 {
		close(r.done)
		return r, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go r.run(ctx)
	return r, nil
}

// Expose counts a user who was given a variant, for the alarm of mismatches. It is worth calling, once for each user,
// where outcomes come late or not for everybody.
func (r *Recorder) Expose(variant string) error {
	return r.add("expose", modelregistry.Tally{Variant: variant, Exposed: 1})
}

// Record counts the success or failure of a variant with a user. ErrInvalid: the test has no such variant.
func (r *Recorder) Record(variant string, success bool) error {
	if success {
		return r.add("record", modelregistry.Tally{Variant: variant, Successes: 1})
	}
	return r.add("record", modelregistry.Tally{Variant: variant, Failures: 1})
}

// Measure counts a numeric outcome of a variant with a user. ErrInvalid: the test has no such variant, or value is not a
// number or beyond ±1e100.
func (r *Recorder) Measure(variant string, value float64) error {
	if !(math.Abs(value) <= maxMeasure) {
		return fmt.Errorf("A/B test %q: measure variant %.80q: %w: %v; numeric outcomes are numbers from %g to %g",
			r.test.config.Name, variant, modelregistry.ErrInvalid, value, -maxMeasure, maxMeasure)
	}
	return r.add("measure", modelregistry.Tally{Variant: variant, Measured: 1, Mean: value})
}

// Add counts many outcomes at once, such as those of a batch; its Phase is not looked at. ErrInvalid: a count is negative
// or a number is none, or the test has no such variant.
func (r *Recorder) Add(t modelregistry.Tally) error {
	t.Phase = ""
	if err := t.Check(); err != nil {
		return fmt.Errorf("A/B test %q: add: %w", r.test.config.Name, err)
	}
	return r.add("add", t)
}

func (r *Recorder) add(op string, t modelregistry.Tally) error {
	i := r.test.variant(t.Variant)
	if i < 0 {
		return r.test.errNoVariant(t.Variant)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("A/B test %q: %s: the recorder: %w", r.test.config.Name, op, fs.ErrClosed)
	}
	sum := r.tallies[i]
	sum.Add(t)
	if err := sum.Check(); err != nil {
		return fmt.Errorf("A/B test %q: %s: with what was recorded before: %w", r.test.config.Name, op, err)
	}
	r.tallies[i] = sum
	r.changes++
	return nil
}

// snapshot is what was counted by now.
func (r *Recorder) snapshot() (tallies []modelregistry.Tally, changes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(tallies, r.tallies...), r.changes
}

// Flush puts the counts into the registry now.
func (r *Recorder) Flush(ctx context.Context) error {
	if r.store == nil {
		return nil
	}
	r.flushing.Lock()
	defer r.flushing.Unlock()
	tallies, changes := r.snapshot()
	if changes == r.flushed {
		return nil
	}
	if err := r.store.RecordOutcomes(ctx, r.test.config.Name, r.shard, tallies); err != nil {
		return fmt.Errorf("A/B test %q: put outcomes into the registry: %w", r.test.config.Name, err)
	}
	r.flushed = changes
	return nil
}

func (r *Recorder) run(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.opts.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.Flush(ctx); err != nil && ctx.Err() == nil && r.opts.OnError != nil {
			r.opts.OnError(err)
		}
	}
}

// Results judges what all Recorders of the test have put into the registry, after a Flush of this one; in memory, what
// it has counted itself.
func (r *Recorder) Results(ctx context.Context) (*Results, error) {
	if r.store == nil {
		tallies, _ := r.snapshot()
		return r.test.Results(tallies)
	}
	if err := r.Flush(ctx); err != nil {
		return nil, err
	}
	tallies, err := r.store.Outcomes(ctx, r.test.config.Name)
	if err != nil {
		return nil, fmt.Errorf("A/B test %q: read outcomes: %w", r.test.config.Name, err)
	}
	return r.test.Results(tallies)
}

// Close ends the recording and puts the last counts into the registry. If that fails, Close can be called again.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	<-r.done
	return r.Flush(ctx)
}

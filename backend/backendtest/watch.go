package backendtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// run proves a promise, and gives up a while after the subtest's patience is over: by then all its contexts have ended.
func (s *store) run(prove func(s *store)) {
	s.Helper()
	proving := started(func() { prove(s) })
	if within(s.patience+s.grace, proving) {
		return
	}
	s.hung.Store(true)
	s.Errorf("nothing may take longer than Options.Patience, %v. Calls that do not return, though their contexts have ended: %s",
		s.patience, s.underWay())
}

// await waits for done, which is closed when what is over; nil is of what never began.
func (s *store) await(done <-chan struct{}, what string) {
	s.Helper()
	if done == nil {
		s.Fatalf("%s did not begin", what)
	}
	select {
	case <-done:
		return
	case <-s.ctx.Done():
	}
	if !within(s.grace/2, done) {
		s.Fatalf("%s does not end, though its context has, after %v; calls under way: %s", what, s.patience, s.underWay())
	}
}

// entered waits until the function of a call runs; a call that ends without having called it fails the subtest.
func (s *store) entered(fn, call <-chan struct{}, what string) {
	s.Helper()
	select {
	case <-fn:
	case <-call:
		if !within(0, fn) {
			s.Fatalf("%s answered before it called fn", what)
		}
	case <-s.ctx.Done():
		s.Fatalf("%s does not call fn within %v; calls under way: %s", what, s.patience, s.underWay())
	}
}

// end closes the handles and silences what goroutines that hang may yet have to say, which nobody could be told.
func (s *store) end() {
	s.cancel()
	closing := started(func() {
		s.mu.Lock()
		all := slices.Clone(s.all)
		s.mu.Unlock()
		for _, b := range all {
			if err := b.Close(); err != nil && !errors.Is(err, backend.ErrClosed) {
				s.Errorf("Close: %v", err)
			}
		}
	})
	grace := s.grace
	if s.hung.Load() {
		grace = min(grace, time.Second)
	}
	if !within(grace, closing) {
		s.Errorf("Close waits for calls that do not return, though their contexts have ended: %s", s.underWay())
	}
	s.reports.Lock()
	defer s.reports.Unlock()
	s.over = true
}

// underWay lists the calls that have not returned.
func (s *store) underWay() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, n := range slices.Sorted(maps.Keys(s.calls)) {
		c := s.calls[n]
		list = append(list, fmt.Sprintf("%s for %v", c.text, time.Since(c.begin).Round(time.Millisecond)))
	}
	if len(list) == 0 {
		return "none"
	}
	return clip(strings.Join(list, "; "))
}

// Errorf is that of testing.T as long as the subtest runs.
func (s *store) Errorf(format string, args ...any) {
	s.Helper()
	s.reports.Lock()
	defer s.reports.Unlock()
	if !s.over {
		s.T.Errorf(format, args...)
	}
}

// Error is that of testing.T as long as the subtest runs.
func (s *store) Error(args ...any) {
	s.Helper()
	s.Errorf("%s", strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
}

// Fatalf ends the goroutine that calls it. Where that is not the subtest's own, this goes on, and has failed.
func (s *store) Fatalf(format string, args ...any) {
	s.Helper()
	s.Errorf(format, args...)
	runtime.Goexit()
}

// Fatal is Fatalf.
func (s *store) Fatal(args ...any) {
	s.Helper()
	s.Error(args...)
	runtime.Goexit()
}

// A call is one of a Backend's methods under way.
type call struct {
	text  string
	begin time.Time
}

// A watched is a handle of which is known what calls it has under way, and whether it was closed.
type watched struct {
	backend.Backend
	s      *store
	number int
	closed atomic.Bool
}

// A watchedMemoizer is a watched of a backend that is a Memoizer.
type watchedMemoizer struct {
	*watched
	memoizer backend.Memoizer
}

func (s *store) watch(b backend.Backend, number int) backend.Backend {
	w := &watched{Backend: b, s: s, number: number}
	if m, ok := b.(backend.Memoizer); ok {
		return watchedMemoizer{w, m}
	}
	return w
}

// begin notes a call until over is called.
func (w *watched) begin(format string, args ...any) (over func()) {
	text := clip(fmt.Sprintf(format, args...))
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	n := w.s.begun
	w.s.begun++
	w.s.calls[n] = call{fmt.Sprintf("%s on handle %d", text, w.number), time.Now()}
	return func() {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		delete(w.s.calls, n)
	}
}

func (w *watched) Declare(ctx context.Context, schema backend.Schema) error {
	defer w.begin("Declare of format %d", schema.Format)()
	return w.Backend.Declare(ctx, schema)
}

func (w *watched) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	defer w.begin("Find in %s", q.Table)()
	return w.Backend.Find(ctx, q)
}

func (w *watched) View(ctx context.Context, fn func(backend.Reader) error) error {
	defer w.begin("View")()
	return w.Backend.View(ctx, fn)
}

func (w *watched) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	defer w.begin("Update with locks %q", locks)()
	return w.Backend.Update(ctx, locks, fn)
}

func (w *watched) Close() error {
	w.closed.Store(true)
	defer w.begin("Close")()
	return w.Backend.Close()
}

func (w watchedMemoizer) FindMemo(ctx context.Context, q backend.Query, decode func(backend.Row) (any, error)) (any, error) {
	defer w.begin("FindMemo in %s", q.Table)()
	return w.memoizer.FindMemo(ctx, q, decode)
}

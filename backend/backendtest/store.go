package backendtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// negative is how long a subtest watches for something that must not happen, or that a backend need not let happen.
const negative = 100 * time.Millisecond

// A store is one fresh store and the handles that a subtest opened on it.
type store struct {
	*testing.T
	Options
	ctx      context.Context // ends with the subtest's patience
	cancel   context.CancelFunc
	patience time.Duration
	grace    time.Duration // for calls to return whose context has ended

	next  func() backend.Backend
	mu    sync.Mutex
	raw   []backend.Backend // as they were opened
	all   []backend.Backend // watched, in that order
	calls map[int]call
	begun int // calls, ever
	hung  atomic.Bool

	reports sync.Mutex
	over    bool // nothing can be reported any more
}

func newStore(t *testing.T, open func(testing.TB) func() backend.Backend, opts *Options) *store {
	s := &store{T: t, Options: *opts, next: open(t), calls: map[int]call{}, patience: opts.Patience}
	if s.patience <= 0 {
		s.patience = time.Minute
	}
	s.grace = max(min(time.Second, s.patience), s.patience/6)
	s.ctx, s.cancel = context.WithTimeout(context.Background(), s.patience)
	t.Cleanup(s.end)
	return s
}

// handle opens another handle, or gets the one there is.
func (s *store) handle() backend.Backend {
	if s.OneHandle || s.InMemory {
		s.mu.Lock()
		n := len(s.all)
		s.mu.Unlock()
		if n > 0 && !isClosed(s.all[n-1]) {
			return s.all[n-1]
		}
	}
	b := s.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, known := range s.raw {
		if !same(known, b) {
			continue
		}
		if isClosed(s.all[i]) {
			s.Fatalf("open gave a Backend that was closed: it opens the store anew at each call, or Options say that it cannot")
		}
		return s.all[i]
	}
	s.raw = append(s.raw, b)
	s.all = append(s.all, s.watch(b, len(s.all)))
	return s.all[len(s.all)-1]
}

func isClosed(b backend.Backend) bool {
	if m, ok := b.(watchedMemoizer); ok {
		return m.closed.Load()
	}
	return b.(*watched).closed.Load()
}

// same tells whether a and b are one handle; a Backend of a type that has no == is always another.
func same(a, b backend.Backend) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// declared opens a handle and declares tables in format 1.
func (s *store) declared(tables ...backend.Table) backend.Backend {
	s.Helper()
	return s.handles(1, tables...)[0]
}

// handles opens n handles that declare tables in format 1.
func (s *store) handles(n int, tables ...backend.Table) []backend.Backend {
	s.Helper()
	list := make([]backend.Backend, n)
	for i := range list {
		list[i] = s.handle()
		s.declare(list[i], backend.Schema{Format: 1, Tables: tables})
	}
	return list
}

func (s *store) declare(b backend.Backend, schema backend.Schema) {
	s.Helper()
	if err := b.Declare(s.ctx, schema); err != nil {
		s.Fatalf("Declare of format %d: %v", schema.Format, err)
	}
}

// update is an Update that has to succeed.
func (s *store) update(b backend.Backend, fn func(backend.Tx) error) {
	s.Helper()
	if err := b.Update(s.ctx, []string{"lock"}, fn); err != nil {
		s.Fatalf("Update: %v", err)
	}
}

func (s *store) insert(b backend.Backend, table string, rows ...backend.Row) {
	s.Helper()
	s.update(b, func(tx backend.Tx) error { return tx.Insert(table, rows...) })
}

func (s *store) put(b backend.Backend, table string, rows ...backend.Row) {
	s.Helper()
	s.update(b, func(tx backend.Tx) error { return tx.Put(table, rows...) })
}

func (s *store) find(b backend.Backend, q backend.Query) []backend.Row {
	s.Helper()
	rows, err := b.Find(s.ctx, q)
	if err != nil {
		s.Fatalf("Find %s: %v", show(q), err)
	}
	return rows
}

// docs are the documents of the rows that q finds, in order.
func (s *store) docs(b backend.Backend, q backend.Query) []string {
	s.Helper()
	return docs(s.find(b, q))
}

// has checks that the table holds rows of just these documents, in the order of their keys.
func (s *store) has(b backend.Backend, table, promise string, want ...string) {
	s.Helper()
	s.equal(s.docs(b, backend.Query{Table: table}), want, promise)
}

// wants checks that err is target, where the contract promises that.
func (s *store) wants(err, target error, promise string) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Errorf("%s: got error %v, want one that wraps %q", promise, err, target)
	}
}

// equal compares lists of short strings.
func (s *store) equal(got, want []string, promise string) bool {
	s.Helper()
	if slices.Equal(got, want) {
		return true
	}
	s.Errorf("%s\n got %s\nwant %s", promise, clip(fmt.Sprintf("%q", got)), clip(fmt.Sprintf("%q", want)))
	return false
}

// together runs fn(0) … fn(n-1), each in a goroutine, and fails if one of them does.
func (s *store) together(n int, fn func(i int) error) {
	s.Helper()
	if err := race(n, fn); err != nil {
		s.Fatal(err)
	}
}

// race is together where the test must not end.
func race(n int, fn func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return errors.New(clip(err.Error()))
	}
	return nil
}

// within tells whether done is closed before d is over.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// started runs fn in a goroutine and closes done after it.
func started(fn func()) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	return done
}

func docs(rows []backend.Row) []string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = string(r.Doc)
	}
	return list
}

// clip shortens a message about values of a mebibyte.
func clip(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return text[:most] + fmt.Sprintf(" … (%d bytes)", len(text))
}

func show(q backend.Query) string { return clip(fmt.Sprintf("%+v", q)) }

package backendtest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
)

// A world is a store of the reference backend: the plainest that keeps the contract, with one promise taken away by its
// mutation. States are immutable; an Update makes another.
type world struct {
	mutation string
	turn     chan struct{} // held by the Update that runs
	byName   sync.Map      // the locks of the mutations that let Updates run at once: name to chan struct{}
	last     atomic.Int64  // position
	waiting  atomic.Int64  // Updates that wait for their turn
	later    sync.WaitGroup

	faults      *backendtest.Faults
	unpublished *state // what a group of Updates has made of the state

	mu    sync.Mutex
	state state
}

type state struct {
	format   int
	declared map[string]backend.Table // all that ever were
	upgrade  *half
	tables   map[string]rows
	own      map[string]bool // the tables that are of this state alone, and may still change
}

// rows are as they were put, by Key.String.
type rows map[string]backend.Row

func openWorld(mutation string) func(testing.TB) func() backend.Backend {
	return func(testing.TB) func() backend.Backend {
		w := &world{mutation: mutation, turn: make(chan struct{}, 1)}
		return func() backend.Backend { return &handle{world: w, memo: map[string]any{}} }
	}
}

func (w *world) is(mutation string) bool { return w.mutation == mutation }

func (w *world) current() state {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// change makes another state.
func (w *world) change(fn func(s *state)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.state.next()
	fn(&next)
	next.own = nil
	w.state = next
}

// next is a state that begins as s and may change.
func (s state) next() state {
	return state{s.format, s.declared, s.upgrade, maps.Clone(s.tables), map[string]bool{}}
}

func (s *state) table(name string) rows {
	if !s.own[name] {
		s.tables[name], s.own[name] = maps.Clone(s.tables[name]), true
	}
	return s.tables[name]
}

func (s *state) put(table string, r backend.Row)    { s.table(table)[r.Key.String()] = r }
func (s *state) delete(table string, k backend.Key) { delete(s.table(table), k.String()) }

// handle is one Backend on a world.
type handle struct {
	*world
	closing sync.RWMutex // held for reading by every call
	closed  bool
	schema  backend.Schema

	memoMu sync.Mutex
	memo   map[string]any
}

// call begins a call; end ends it.
func (h *handle) call(ctx context.Context, method string) (end func(), err error) {
	h.closing.RLock()
	end = h.closing.RUnlock
	if err := h.breaks(ctx, method); err != nil {
		end()
		return nil, err
	}
	if h.closed {
		err = backend.ErrClosed
	} else {
		err = ctx.Err()
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("reference backend: %w", err)
	}
	if h.is("Close does not wait") {
		end()
		end = func() {}
	}
	return end, nil
}

func (h *handle) Close() error {
	if err := h.breaks(context.Background(), "Close"); err != nil {
		return err
	}
	h.closing.Lock()
	defer h.closing.Unlock()
	h.closed = true
	if h.is("a store that empties itself at Close") {
		h.change(func(s *state) { s.tables = map[string]rows{}; s.format = 0 })
	}
	return nil
}

func (h *handle) Declare(ctx context.Context, schema backend.Schema) error {
	end, err := h.call(ctx, "Declare")
	if err != nil {
		return err
	}
	defer end()
	if err := schema.Validate(); err != nil {
		return err
	}
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	before := h.current()
	from := before.format
	if from > schema.Format {
		h.schema = schema
		return nil
	}
	at := ""
	if before.upgrade != nil {
		from = before.upgrade.from
		if before.format == schema.Format {
			at = before.upgrade.at
		}
		if h.is("an interrupted Upgrade begins anew") {
			at = ""
		}
	}
	declared := maps.Clone(before.declared)
	if declared == nil {
		declared = map[string]backend.Table{}
	}
	for _, t := range schema.Tables {
		if declared[t.Name], err = h.unite(before, t, schema.Format > before.format); err != nil {
			return err
		}
	}
	h.change(func(s *state) {
		s.format, s.declared = schema.Format, declared
		if s.tables == nil {
			s.tables = map[string]rows{}
		}
		for _, t := range schema.Tables {
			if s.tables[t.Name] == nil {
				s.tables[t.Name] = rows{}
			}
		}
	})
	for {
		s := h.current()
		tx := &tx{handle: h, ctx: ctx, schema: schema, base: s.next()}
		next := ""
		if schema.Upgrade != nil && from < schema.Format && (from > 0 || h.is("an Upgrade of a fresh store")) {
			next, err = schema.Upgrade(tx, from, at)
		}
		done := false
		if err = cmp.Or(tx.failed, err); err == nil {
			err = h.commit(func() error {
				h.change(func(s *state) {
					tx.apply(s)
					s.upgrade = nil
					if next != "" {
						s.upgrade = &half{from, next}
					}
				})
				done = true
				return nil
			})
		}
		if err != nil {
			if !done && at == "" {
				h.change(func(s *state) { *s = before })
			}
			if h.is("a failed Declare is remembered") {
				h.schema = schema
			}
			return err
		}
		if at = next; next == "" {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	h.schema = schema
	return nil
}

// half is an Upgrade that is to go on.
type half struct {
	from int
	at   string
}

// unite is what the store holds of a table once t is declared.
func (h *handle) unite(s state, t backend.Table, newer bool) (backend.Table, error) {
	old, ok := s.declared[t.Name]
	if !ok {
		return t, nil
	}
	if err := t.CheckStored(old); err != nil && !h.is("a table is declared otherwise") {
		return t, err
	}
	for _, f := range old.Fields {
		if _, _, ok := t.Field(f.Name); !ok {
			t.Fields = append(slices.Clip(t.Fields), f)
		}
	}
	if !newer || h.is("a unique index outlives its format") {
		t.Indexes = slices.Concat(old.Indexes, t.Indexes)
	}
	if h.is("declarations of one format replace one another") {
		return t, nil
	}
	for _, x := range t.Indexes {
		taken := map[string]bool{}
		for _, row := range s.tables[t.Name] {
			for _, e := range entries(&t, x, row) {
				if x.Unique && taken[e] {
					return t, fmt.Errorf("two rows have %s: %w", e, backend.ErrExists)
				}
				taken[e] = true
			}
		}
	}
	return t, nil
}

func (h *handle) Find(ctx context.Context, q backend.Query) (found []backend.Row, err error) {
	err = h.View(ctx, func(r backend.Reader) error {
		found, err = r.Find(q)
		return err
	})
	return found, err
}

func (h *handle) View(ctx context.Context, fn func(backend.Reader) error) error {
	end, err := h.call(ctx, "View")
	if err != nil {
		return err
	}
	defer end()
	snapshot := h.current()
	return fn(reader{h, ctx, h.schema, func() state {
		if h.is("a View reads what is committed at each read") {
			return h.current()
		}
		return snapshot
	}})
}

func (h *handle) FindMemo(ctx context.Context, q backend.Query, decode func(backend.Row) (any, error)) (any, error) {
	q.Limit = 1
	found, err := h.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, backend.ErrNotFound
	}
	name := q.Table + found[0].Key.String()
	switch {
	case h.is("a memo that takes a query for another") && len(q.Where) > 0:
		name = q.Table + q.Where[0].Value.String() + q.Order
	case !h.is("a memo of an earlier state"):
		name += string(found[0].Doc)
	}
	h.memoMu.Lock()
	defer h.memoMu.Unlock()
	if v, ok := h.memo[name]; ok {
		return v, nil
	}
	v, err := decode(found[0])
	if err == nil {
		h.memo[name] = v
	}
	return v, err
}

// publish commits for all Updates of a group, when none is left that waits to take part.
func (w *world) publish() {
	if w.unpublished != nil && w.waiting.Load() == 0 {
		w.change(func(s *state) { *s = *w.unpublished })
		w.unpublished = nil
	}
}

// concurrent are the mutations that let Updates run at once.
func (w *world) concurrent() bool {
	return w.is("read committed without locks") || w.is("a lost event")
}

func (h *handle) lock(ctx context.Context, names []string) (unlock func(), err error) {
	if !h.concurrent() {
		names = []string{""}
		h.byName.Store("", h.turn)
	} else if h.is("read committed without locks") {
		names = nil
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	var held []chan struct{}
	unlock = func() {
		for _, l := range held {
			<-l
		}
	}
	for _, name := range names {
		l, _ := h.byName.LoadOrStore(name, make(chan struct{}, 1))
		select {
		case l.(chan struct{}) <- struct{}{}:
			held = append(held, l.(chan struct{}))
		case <-h.ends(ctx):
			unlock()
			return nil, fmt.Errorf("wait for lock %q: %w", name, ctx.Err())
		}
	}
	return unlock, nil
}

// ends is when a wait for a lock is given up.
func (h *handle) ends(ctx context.Context) <-chan struct{} {
	if h.is("a wait for a lock that ignores its context") {
		return nil
	}
	return ctx.Done()
}

func (h *handle) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	end, err := h.call(ctx, "Update")
	if err != nil {
		return err
	}
	defer end()
	h.waiting.Add(1)
	unlock, err := h.lock(ctx, locks)
	h.waiting.Add(-1)
	if err != nil {
		return err
	}
	defer func() { unlock() }()
	base := h.current()
	if h.is("a group commit that answers before the commit") {
		if h.unpublished != nil {
			base = *h.unpublished
		}
		defer h.publish()
	}
	if (base.format > h.schema.Format || base.upgrade != nil) && !h.is("an older declaration writes") {
		return backend.ErrFormat
	}
	tx := &tx{handle: h, ctx: ctx, schema: h.schema, base: base.next()}
	if h.is("a panic commits") {
		defer func() { h.change(tx.apply) }()
	}
	err = fn(tx)
	if !h.is("a swallowed error commits") {
		err = cmp.Or(tx.failed, err)
	}
	if err == nil && !h.is("an ended context commits") {
		err = ctx.Err()
	}
	if err == nil && h.is("unique indexes are checked at the commit") {
		err = tx.late
	}
	if err != nil && !h.is("an error commits") {
		return err
	}
	if h.is("a group commit that answers before the commit") {
		next := base.next()
		tx.apply(&next)
		h.unpublished = &next
		return err
	}
	if h.is("a commit that is visible later") {
		h.later.Go(func() { h.change(tx.apply) })
		return err
	}
	answer := h.commit(func() error {
		h.change(tx.apply)
		return nil
	})
	switch {
	case h.is("a commit error is ignored"):
		return err
	case h.is("a lost commit is applied again") && errors.Is(answer, backendtest.ErrLost):
		unlock()
		unlock = func() {}
		return h.Update(ctx, locks, fn)
	}
	return cmp.Or(err, answer)
}

// commit is that of the faults that a world was opened with, if it was.
func (w *world) commit(commit func() error) error {
	if w.faults == nil {
		return commit()
	}
	return w.faults.Commit(commit)
}

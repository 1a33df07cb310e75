package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Backend is a [backend.Backend] on an ordered key-value store. New and NewInMemory make it.
type Backend struct {
	view     func(ctx context.Context, fn func(MemoryReader) error) error
	update   func(ctx context.Context, fn func(MemoryTx) error) error
	closer   func() error
	inMemory bool

	schema atomic.Pointer[backend.Schema] // as declared; nil before
	tables atomic.Pointer[tables]         // of the catalog that was last met
	writer chan struct{}                  // holds a token while an Update runs; a channel, so that waiting ends with the context
	done   atomic.Uint64                  // how many Updates have ended, well or not; the one that runs is the next
	calls  calls

	answers *answers // nil unless in memory
}

var _ backend.Backend = (*Backend)(nil)

// New makes a Backend of store, which it then owns.
func New(store Store) *Backend {
	return &Backend{
		writer: make(chan struct{}, 1),
		closer: store.Close,
		view: func(ctx context.Context, fn func(MemoryReader) error) error {
			return store.View(ctx, func(tx ReadTx) error { return fn(byteReader{tx}) })
		},
		update: func(ctx context.Context, fn func(MemoryTx) error) error {
			return store.Update(ctx, func(tx Tx) error { return fn(byteTx{byteReader{tx}, tx}) })
		},
	}
}

// NewInMemory makes a Backend of store, which it then owns.
func NewInMemory(store MemoryStore) *Backend {
	return &Backend{
		writer:   make(chan struct{}, 1),
		inMemory: true,
		answers:  newAnswers(),
		closer:   func() error { return nil },
		view:     func(_ context.Context, fn func(MemoryReader) error) error { return fn(store.Snapshot()) },
		update:   store.Update,
	}
}

// Find implements [backend.Backend].
func (b *Backend) Find(ctx context.Context, q backend.Query) (rows []backend.Row, err error) {
	err = b.View(ctx, func(r backend.Reader) error {
		rows, err = r.Find(q)
		return err
	})
	return rows, err
}

// View implements [backend.Backend].
func (b *Backend) View(ctx context.Context, fn func(backend.Reader) error) error {
	if err := b.calls.begin(); err != nil {
		return err
	}
	defer b.calls.end()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	return b.view(ctx, func(r MemoryReader) error {
		ts, err := b.tablesOf(r)
		if err != nil {
			return err
		}
		x := &reader{ctx: ctx, r: r, tables: ts}
		defer x.finish()
		return fn(x)
	})
}

// Update implements [backend.Backend]. All Updates run one after the other, whatever their locks.
func (b *Backend) Update(ctx context.Context, _ []string, fn func(backend.Tx) error) error {
	return b.change(ctx, func(w MemoryTx) error {
		ts, err := b.tablesOf(w)
		if err != nil {
			return err
		}
		if ts.format > ts.schema.Format {
			return fmt.Errorf("update: %w: it has format %d, the declaration %d", backend.ErrFormat, ts.format, ts.schema.Format)
		}
		if ts.upgrading {
			return fmt.Errorf("update: %w: its Upgrade to format %d is not finished; Declare finishes it", backend.ErrFormat, ts.format)
		}
		return b.run(ctx, w, ts, fn)
	})
}

// change runs fn in an Update of the store when it is its turn.
func (b *Backend) change(ctx context.Context, fn func(MemoryTx) error) error {
	if err := b.calls.begin(); err != nil {
		return err
	}
	defer b.calls.end()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	select {
	case b.writer <- struct{}{}:
		defer func() {
			b.done.Add(1)
			<-b.writer
		}()
	case <-ctx.Done():
		return fmt.Errorf("update: wait for another: %w", ctx.Err())
	}
	return b.update(ctx, fn)
}

// run calls fn with a Tx and says whether what it did is to be kept.
func (b *Backend) run(ctx context.Context, w MemoryTx, ts *tables, fn func(backend.Tx) error) error {
	x := &tx{reader: reader{ctx: ctx, r: w, tables: ts}, b: b, w: w, number: b.done.Load() + 1}
	defer x.finish()
	err := fn(x)
	if x.failed != nil && !errors.Is(err, x.failed) {
		return x.failed
	}
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

// Close implements [backend.Backend].
func (b *Backend) Close() error {
	if !b.calls.close() {
		return nil
	}
	return b.closer()
}

// tablesOf returns the declared tables as they lie in the state that r reads.
func (b *Backend) tablesOf(r MemoryReader) (*tables, error) {
	schema := b.schema.Load()
	if schema == nil {
		return nil, fmt.Errorf("%w: Declare comes before anything else", backend.ErrInvalid)
	}
	cell, err := r.Get(catalogSpace, catalogKey)
	if err != nil {
		return nil, fmt.Errorf("kv: read the catalog: %w", err)
	}
	var raw []byte
	if cell != nil {
		raw = cell.Value
	}
	if ts := b.tables.Load(); ts != nil && ts.schema == schema && bytes.Equal(ts.raw, raw) {
		return ts, nil
	}
	ts, err := newTables(schema, slices.Clone(raw))
	if err != nil {
		return nil, err
	}
	if b.inMemory {
		ts.raw = raw // the same bytes every time: comparing them is comparing two pointers
	}
	b.tables.Store(ts)
	return ts, nil
}

// calls counts the calls under way, for Close to wait. A sync.RWMutex would not do: a View within a View, begun while
// Close waits, would wait for Close.
type calls struct {
	mu     sync.Mutex
	n      int
	closed atomic.Bool   // changes under mu
	idle   chan struct{} // closed when the last call ends after Close began
}

func (c *calls) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return backend.ErrClosed
	}
	c.n++
	return nil
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.closed.Load() {
		close(c.idle)
	}
}

// close waits for the calls under way; false means that another close came first.
func (c *calls) close() bool {
	c.mu.Lock()
	if c.closed.Load() {
		c.mu.Unlock()
		return false
	}
	c.closed.Store(true)
	idle := make(chan struct{})
	c.idle = idle
	if c.n == 0 {
		close(idle)
	}
	c.mu.Unlock()
	<-idle
	return true
}

package kv

import (
	"context"
	"sync/atomic"
)

// A Cell is one state of one row in a [MemoryStore]: written once, then shared by all who read it.
type Cell struct {
	// Value is the encoded row; nobody changes it.
	Value []byte
	memo  atomic.Pointer[any] // what FindMemo's decode made of the row
}

// A MemoryStore is a [Store] that lives in the memory of this process and hands out cells instead of copies of bytes.
// Entries of indexes lead to the cell of their row, so that finding by an index is one descent, not two, and what a
// caller decoded from a row can be kept beside it. Package memory is the one in this module.
type MemoryStore interface {
	// Snapshot returns the newest committed state. It never waits, and may be read by many goroutines for as long as
	// they like.
	Snapshot() MemoryReader
	// Update is as for Store.
	Update(ctx context.Context, fn func(MemoryTx) error) error
}

// A MemoryReader is a [ReadTx] over cells.
type MemoryReader interface {
	// Get returns the cell under key, or nil if there is none.
	Get(space string, key []byte) (*Cell, error)
	// Scan is as for ReadTx. fn does not keep key.
	Scan(space string, low, high []byte, desc bool, fn func(key []byte, c *Cell) bool) error
}

// A MemoryTx is a [Tx] over cells.
type MemoryTx interface {
	MemoryReader
	// Put sets the cell under key. The caller may change key afterwards.
	Put(space string, key []byte, c *Cell) error
	// Delete removes key; that it is not there is no error.
	Delete(space string, key []byte) error
}

// emptyCell is the content of an index entry in a store of bytes.
var emptyCell = &Cell{Value: []byte{}}

// byteReader reads a store of bytes as if it held cells. Index entries get no cell: their rows are fetched by key.
type byteReader struct{ tx ReadTx }

func (r byteReader) Get(space string, key []byte) (*Cell, error) {
	value, err := r.tx.Get(space, key)
	if err != nil || value == nil {
		return nil, err
	}
	return &Cell{Value: value}, nil
}

func (r byteReader) Scan(space string, low, high []byte, desc bool, fn func(key []byte, c *Cell) bool) error {
	return r.tx.Scan(space, low, high, desc, func(key, value []byte) bool {
		if len(value) == 0 {
			return fn(key, nil)
		}
		return fn(key, &Cell{Value: value})
	})
}

type byteTx struct {
	byteReader
	tx Tx
}

func (w byteTx) Put(space string, key []byte, c *Cell) error { return w.tx.Put(space, key, c.Value) }

func (w byteTx) Delete(space string, key []byte) error { return w.tx.Delete(space, key) }

package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry/backend"
)

// errFinished is what a Reader or Tx answers after its View or Update.
var errFinished = fmt.Errorf("%w: a Reader or Tx is used after its View or Update has ended", backend.ErrInvalid)

// A reader implements [backend.Reader].
type reader struct {
	ctx    context.Context
	r      MemoryReader
	tables *tables
	ended  bool
}

func (x *reader) finish() { x.ended = true }

func (x *reader) table(name string) (*table, error) {
	if x.ended {
		return nil, errFinished
	}
	return x.tables.table(name)
}

func (x *reader) Get(table string, key ...backend.Value) (backend.Row, error) {
	t, err := x.table(table)
	if err != nil {
		return backend.Row{}, err
	}
	if err := t.decl.CheckKey(key); err != nil {
		return backend.Row{}, err
	}
	cell, err := x.r.Get(t.name, appendKey(nil, key))
	if err != nil {
		return backend.Row{}, fmt.Errorf("table %s: get %v: %w", table, backend.Key(key), err)
	}
	if cell == nil {
		return backend.Row{}, fmt.Errorf("table %s: %v: %w", table, backend.Key(key), backend.ErrNotFound)
	}
	_, doc, err := splitRow(cell.Value)
	if err != nil {
		return backend.Row{}, err
	}
	return backend.Row{Key: slices.Clone(key), Doc: slices.Clone(doc)}, nil
}

func (x *reader) Find(q backend.Query) ([]backend.Row, error) {
	t, err := x.table(q.Table)
	if err != nil {
		return nil, err
	}
	if err := t.decl.CheckQuery(q); err != nil {
		return nil, err
	}
	rows, err := t.find(x.ctx, x.r, q)
	if err != nil {
		return nil, fmt.Errorf("table %s: find: %w", q.Table, err)
	}
	return rows, nil
}

// A tx implements [backend.Tx].
type tx struct {
	reader
	b      *Backend
	w      MemoryTx
	number uint64 // of the Update
	builds bool   // it is a Declare's, and builds indexes
	failed error  // the first error but ErrNotFound of a Get: the Update fails with it
}

// do runs one step, unless an earlier one failed.
func (x *tx) do(step func() error) error {
	if x.failed != nil {
		return x.failed
	}
	x.failed = step()
	return x.failed
}

func (x *tx) Get(table string, key ...backend.Value) (row backend.Row, err error) {
	failed := x.do(func() error {
		row, err = x.reader.Get(table, key...)
		if errors.Is(err, backend.ErrNotFound) {
			return nil
		}
		return err
	})
	if failed != nil {
		return backend.Row{}, failed
	}
	return row, err
}

func (x *tx) Find(q backend.Query) (rows []backend.Row, err error) {
	err = x.do(func() (err error) {
		rows, err = x.reader.Find(q)
		return err
	})
	return rows, err
}

func (x *tx) Insert(table string, rows ...backend.Row) error {
	return x.do(func() error { return x.putAll(table, rows, false) })
}

func (x *tx) Put(table string, rows ...backend.Row) error {
	return x.do(func() error { return x.putAll(table, rows, true) })
}

func (x *tx) putAll(table string, rows []backend.Row, replace bool) error {
	t, err := x.table(table)
	if err != nil {
		return err
	}
	if t.decl.Log {
		return fmt.Errorf("table %s: %w: rows of a Log come by Append", table, backend.ErrInvalid)
	}
	for _, row := range rows {
		if err := t.decl.CheckRow(row); err != nil {
			return err
		}
		if err := t.checkLengths(row); err != nil {
			return err
		}
		if err := x.put(t, row, replace); err != nil {
			return fmt.Errorf("table %s: put %v: %w", table, row.Key, err)
		}
	}
	return nil
}

// put writes one row and the changes of its index entries.
func (x *tx) put(t *table, row backend.Row, replace bool) error {
	key := appendKey(nil, row.Key)
	oldFields, err := x.storedFields(t, key)
	if err != nil {
		return err
	}
	if oldFields != nil && !replace {
		return fmt.Errorf("the key is taken: %w", backend.ErrExists)
	}
	cell := &Cell{Value: t.encodeRow(row)}
	newFields, _, err := splitRow(cell.Value)
	if err != nil {
		return err
	}
	for _, p := range t.paths[1:] {
		if err := x.reindex(t, p, key, oldFields, newFields, cell); err != nil {
			return err
		}
	}
	x.touch(t.paths[0], key)
	return x.w.Put(t.name, key, cell)
}

// storedFields returns the encoded fields of the row of that key as it is stored, or nil if there is none.
func (x *tx) storedFields(t *table, key []byte) ([]byte, error) {
	cell, err := x.w.Get(t.name, key)
	if err != nil || cell == nil {
		return nil, err
	}
	fields, _, err := splitRow(cell.Value)
	if err == nil && !x.b.inMemory {
		fields = bytes.Clone(fields) // what follows writes, and the store's memory may move
	}
	return fields, err
}

func (x *tx) Delete(table string, keys ...backend.Key) error {
	return x.do(func() error {
		t, err := x.table(table)
		if err != nil {
			return err
		}
		if t.decl.Log {
			return fmt.Errorf("table %s: %w: rows of a Log stay", table, backend.ErrInvalid)
		}
		for _, key := range keys {
			if err := t.decl.CheckKey(key); err != nil {
				return err
			}
			if err := x.delete(t, appendKey(nil, key)); err != nil {
				return fmt.Errorf("table %s: delete %v: %w", table, key, err)
			}
		}
		return nil
	})
}

func (x *tx) delete(t *table, key []byte) error {
	fields, err := x.storedFields(t, key)
	if err != nil || fields == nil {
		return err
	}
	for _, p := range t.paths[1:] {
		if err := x.reindex(t, p, key, fields, nil, nil); err != nil {
			return err
		}
	}
	x.touch(t.paths[0], key)
	return x.w.Delete(t.name, key)
}

// Append implements [backend.Tx]. A position is a counter of the log's rows: Updates run one after the other, so every
// committed position is settled.
func (x *tx) Append(table string, rows ...backend.Row) (position backend.Position, err error) {
	err = x.do(func() error {
		t, err := x.table(table)
		if err != nil {
			return err
		}
		if !t.decl.Log {
			return fmt.Errorf("table %s: %w: only a Log has rows appended", table, backend.ErrInvalid)
		}
		for _, row := range rows {
			if err := t.decl.CheckRow(row); err != nil {
				return err
			}
			if position, err = x.nextPosition(t); err != nil {
				return fmt.Errorf("table %s: append: %w", table, err)
			}
			row.Key = backend.Key{backend.StringValue(string(position))}
			if err := x.put(t, row, false); err != nil {
				return fmt.Errorf("table %s: append: %w", table, err)
			}
		}
		return nil
	})
	return position, err
}

// nextPosition counts one up from the last position, which is kept beside the rows.
func (x *tx) nextPosition(t *table) (backend.Position, error) {
	cell, err := x.w.Get(catalogSpace, t.logKey())
	if err != nil {
		return "", err
	}
	var last uint64
	if cell != nil {
		if last, err = strconv.ParseUint(string(cell.Value), 16, 64); err != nil {
			return "", fmt.Errorf("last position: %w", err)
		}
	}
	next := fmt.Sprintf("%016x", last+1)
	return backend.Position(next), x.w.Put(catalogSpace, t.logKey(), &Cell{Value: []byte(next)})
}

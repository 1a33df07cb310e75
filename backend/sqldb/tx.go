package sqldb

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// tx is the Tx of one run of an Update's function.
type tx struct {
	reader
	session
	appended int
	err      error // what the Update fails with, whatever its function returns
}

// session is what was selected when a transaction began, and by what it can be found again.
type session struct {
	format  int   // of the store
	era     int64 // of its positions
	xid     int64 // the transaction's number
	pid     int64 // the server process
	witness witness
	begun   time.Time
}

// doom makes the Update fail with err.
func (x *tx) doom(err error) error {
	if x.err == nil {
		x.err = err
	}
	return err
}

// result is how the Update ends when its function returned err.
func (x *tx) result(err error) error {
	x.done = true
	if x.err == nil || errors.Is(err, x.err) { // what the function says of it is more
		return err
	}
	return x.err
}

func (x *tx) Get(name string, key ...backend.Value) (backend.Row, error) {
	if x.err != nil {
		return backend.Row{}, x.err
	}
	row, err := x.reader.Get(name, key...)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		x.doom(err)
	}
	return row, err
}

func (x *tx) Find(q backend.Query) ([]backend.Row, error) {
	if x.err != nil {
		return nil, x.err
	}
	rows, err := x.reader.Find(q)
	if err != nil {
		return nil, x.doom(err)
	}
	return rows, nil
}

func (x *tx) Insert(name string, rows ...backend.Row) error {
	return x.store("insert into", name, rows, true)
}

func (x *tx) Put(name string, rows ...backend.Row) error {
	return x.store("put into", name, rows, false)
}

func (x *tx) store(doing, name string, rows []backend.Row, insert bool) error {
	t, err := x.writable(name)
	if err != nil {
		return err
	}
	if t.decl.Log {
		return x.doom(fmt.Errorf("%s %s: %w: rows of a log come by Append", doing, name, backend.ErrInvalid))
	}
	for _, row := range rows {
		if err := t.decl.CheckRow(row); err != nil {
			return x.doom(err)
		}
	}
	for _, part := range x.split(t, rows) {
		if insert {
			err = x.insert(t, part)
		} else {
			err = x.put(t, part)
		}
		if err != nil {
			return x.doom(x.db.fault(doing+" "+name, err))
		}
	}
	return nil
}

func (x *tx) Delete(name string, keys ...backend.Key) error {
	t, err := x.writable(name)
	if err != nil {
		return err
	}
	if t.decl.Log {
		return x.doom(fmt.Errorf("delete from %s: %w: rows of a log stay", name, backend.ErrInvalid))
	}
	for _, key := range keys {
		if err := t.decl.CheckKey(key); err != nil {
			return x.doom(err)
		}
	}
	for part := range slices.Chunk(keys, x.rowsAtOnce()) {
		if err := x.delete(t, part); err != nil {
			return x.doom(x.db.fault("delete from "+name, err))
		}
	}
	return nil
}

func (x *tx) Append(name string, rows ...backend.Row) (backend.Position, error) {
	t, err := x.writable(name)
	if err != nil {
		return "", err
	}
	if !t.decl.Log {
		return "", x.doom(fmt.Errorf("append to %s: %w: it is not a log", name, backend.ErrInvalid))
	}
	for _, row := range rows {
		if err := t.decl.CheckRow(row); err != nil {
			return "", x.doom(err)
		}
	}
	var last backend.Position
	for part := range slices.Chunk(rows, x.rowsAtOnce()) {
		if last, err = x.append(t, part); err != nil {
			return "", x.doom(x.db.fault("append to "+name, err))
		}
	}
	return last, nil
}

// writable begins a write.
func (x *tx) writable(name string) (*table, error) {
	if x.err != nil {
		return nil, x.err
	}
	if x.done {
		return nil, errDone
	}
	if err := x.ctx.Err(); err != nil {
		return nil, x.doom(err)
	}
	t, err := x.sc.table(name)
	if err != nil {
		return nil, x.doom(err)
	}
	return t, nil
}

// rowsAtOnce is how many rows go into one statement.
func (x *tx) rowsAtOnce() int {
	if x.db.dialect.Arrays {
		return 1000
	}
	return 64 // each number of rows is another text to prepare
}

// split cuts rows into parts that one statement can take: none has a key twice, since a row must not be changed
// twice by one statement.
func (x *tx) split(t *table, rows []backend.Row) [][]backend.Row {
	if len(rows) == 1 {
		return [][]backend.Row{rows}
	}
	var parts [][]backend.Row
	seen := map[string]bool{}
	start := 0
	for i, row := range rows {
		key := memoryKey(t, row.Key)
		if seen[key] || i-start == x.rowsAtOnce() {
			parts = append(parts, rows[start:i])
			start = i
			clear(seen)
		}
		seen[key] = true
	}
	if start < len(rows) {
		parts = append(parts, rows[start:])
	}
	return parts
}

package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

// reader reads within one transaction.
type reader struct {
	db   *DB
	ctx  context.Context
	sc   *schema
	conn *conn
	mem  memory // of a Tx
	done bool   // fn has returned
}

var errDone = errors.New("a transaction was used after its function returned")

func (r *reader) Get(name string, key ...backend.Value) (backend.Row, error) {
	t, err := r.sc.table(name)
	if err != nil {
		return backend.Row{}, err
	}
	if err := t.decl.CheckKey(key); err != nil {
		return backend.Row{}, err
	}
	q := backend.Query{Table: name, Where: make([]backend.Cond, len(key))}
	for i, v := range key {
		q.Where[i] = backend.Cond{Field: t.key[i].name, Op: backend.Eq, Value: v}
	}
	rows, err := r.find(t, q)
	if err != nil {
		return backend.Row{}, err
	}
	if len(rows) == 0 {
		if r.mem != nil {
			r.mem.absent(t, key)
		}
		return backend.Row{}, fmt.Errorf("%s %s: %w", name, backend.Key(key), backend.ErrNotFound)
	}
	return rows[0], nil
}

func (r *reader) Find(q backend.Query) ([]backend.Row, error) {
	t, err := r.sc.table(q.Table)
	if err != nil {
		return nil, err
	}
	if err := t.decl.CheckQuery(q); err != nil {
		return nil, err
	}
	return r.find(t, q)
}

func (r *reader) find(t *table, q backend.Query) ([]backend.Row, error) {
	if r.done {
		return nil, errDone
	}
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	s, point, empty := t.find(r.sc.d, q, r.mem != nil)
	if empty {
		return nil, nil
	}
	rows, err := r.db.read(r.db.readContext(r.ctx, point), r.conn, t, s, selected{limit: q.Limit, mem: r.mem, fields: q.Fields})
	if err != nil {
		err = r.db.fault(fmt.Sprintf("find in %s", t.decl.Name), err)
		if end := r.ctx.Err(); end != nil && !errors.Is(err, end) { // which a driver may tell as that its connection was cut off
			err = fmt.Errorf("%w: %w", end, err)
		}
		return nil, tooLong(r.ctx, err)
	}
	return rows, nil
}

// selected says what a statement selects of rows besides key and document, and how many rows.
type selected struct {
	limit  int
	mem    memory // of a Tx, which remembers fingerprints, and columns where a Put compares them; nil outside of one
	sets   bool   // the entries of all sides, for mem
	fields bool   // the columns and the entries of all sides, for the rows themselves
}

// read runs the statement of a find and collects the rows.
func (db *DB) read(ctx context.Context, c *conn, t *table, s *script, want selected) ([]backend.Row, error) {
	found, err := c.query(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }() // what it says, Err has said

	strs := make([]string, len(t.key))
	ints := make([]int64, len(t.key))
	var print string
	var doc []byte
	dest := make([]any, 0, len(t.key)+2+len(t.sides))
	for i, k := range t.key {
		if k.kind == backend.String && !t.rowKeyed(&db.dialect) {
			dest = append(dest, &strs[i])
		} else {
			dest = append(dest, &ints[i])
		}
	}
	dest = append(dest, &doc)
	var ones, columns []cell
	var sets, sides []sql.NullString
	addOnes := func() []cell {
		cells := make([]cell, len(t.ones))
		for i, c := range t.ones {
			dest = append(dest, cells[i].dest(c.kind))
		}
		return cells
	}
	addSides := func() []sql.NullString {
		texts := make([]sql.NullString, len(t.sides))
		for i := range texts {
			dest = append(dest, &texts[i])
		}
		return texts
	}
	if want.mem != nil && t.printed() {
		dest = append(dest, &print)
	}
	compared := want.mem != nil && !want.sets && t.compared(&db.dialect)
	if compared {
		ones = addOnes()
	}
	if want.sets {
		sets = addSides()
	}
	if want.fields {
		columns, sides = addOnes(), addSides()
	}

	rows := make([]backend.Row, 0, min(max(want.limit, 1), 128))
	for (want.limit == 0 || len(rows) < want.limit) && found.Next() { // to ask for one more than there can be costs another step
		doc = nil
		if err := found.Scan(dest...); err != nil {
			return nil, err
		}
		key := make(backend.Key, len(t.key))
		for i, k := range t.key {
			switch {
			case t.rowKeyed(&db.dialect):
				key[i] = backend.StringValue(rowPosition(ints[i]))
			case k.kind == backend.String:
				key[i] = backend.StringValue(strs[i])
			default:
				key[i] = backend.IntValue(ints[i])
			}
		}
		row := backend.Row{Key: key, Doc: doc}
		if want.fields {
			entries, err := parseSides(t, sides)
			if err != nil {
				return nil, err
			}
			row.Fields = fieldsOf(t, columns, entries)
		}
		rows = append(rows, row)
		if want.mem == nil || !t.printed() && !compared {
			continue
		}
		k := known{print: print}
		for i, c := range t.ones[:len(ones)] {
			k.ones = append(k.ones, ones[i].value(c.kind))
		}
		if want.sets {
			if k.sets, err = parseSides(t, sets); err != nil {
				return nil, err
			}
		}
		want.mem.set(t, key, k)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	return rows, nil
}

// readContext is the context to give to the driver for a read. A context that can end costs go-sqlite3 a good part of
// what a point read does; such a read is over before anybody could wait for it.
func (db *DB) readContext(ctx context.Context, point bool) context.Context {
	if point && db.dialect.Serial {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// A cell receives one column's value.
type cell struct {
	s string
	i int64
	f float64
}

func (c *cell) dest(k backend.Kind) any {
	switch k {
	case backend.String:
		return &c.s
	case backend.Float:
		return &c.f
	}
	return &c.i
}

func (c *cell) value(k backend.Kind) backend.Value {
	switch k {
	case backend.String:
		return backend.StringValue(c.s)
	case backend.Float:
		return backend.FloatValue(c.f)
	case backend.Time:
		return backend.MicrosValue(c.i)
	}
	return backend.IntValue(c.i)
}

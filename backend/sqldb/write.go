package sqldb

import (
	"context"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A change is rows on their way into a table, with what that means for its side tables.
type change struct {
	t      *table
	rows   []backend.Row
	prints []string    // of rows
	sets   [][]entries // of rows
	diffs  []difference
}

func newChange(t *table, rows []backend.Row) *change {
	c := &change{t: t, rows: rows}
	if len(t.sides) == 0 {
		return c
	}
	c.prints = make([]string, len(rows))
	c.sets = make([][]entries, len(rows))
	for r, row := range rows {
		c.sets[r] = make([]entries, len(t.sides))
		for i, side := range t.sides {
			c.sets[r][i] = entriesOf(side, row)
		}
		c.prints[r] = t.fingerprint(c.sets[r])
	}
	c.diffs = make([]difference, len(t.sides))
	for i, side := range t.sides {
		c.diffs[i].side = side
	}
	return c
}

// replace notes that row r comes in the place of one with the side values old.
func (c *change) replace(r int, old []entries) {
	for i := range c.t.sides {
		var was entries
		if old != nil {
			was = old[i]
		}
		c.diffs[i].compare(r, c.rows[r].Key, was, c.sets[r][i])
	}
}

// remember keeps what the rows now have.
func (c *change) remember(m memory) {
	for r, row := range c.rows {
		k := known{}
		if c.t.printed() {
			k.print, k.sets = c.prints[r], c.sets[r]
		}
		m.set(c.t, row.Key, k)
	}
}

// insert adds rows of different keys.
func (x *tx) insert(t *table, rows []backend.Row) error {
	c := newChange(t, rows)
	for r := range c.sets {
		c.replace(r, nil)
	}
	if err := x.apply(c, false); err != nil {
		return err
	}
	c.remember(x.mem)
	return nil
}

// put adds or replaces rows of different keys.
func (x *tx) put(t *table, rows []backend.Row) error {
	c := newChange(t, rows)
	if err := x.recall(c); err != nil {
		return err
	}
	for r := range c.sets {
		if k, _ := x.mem.get(t, rows[r].Key); k.print != c.prints[r] {
			c.replace(r, k.sets)
		}
	}
	if err := c.taken(); err != nil {
		return err
	}
	if err := x.apply(c, true); err != nil {
		return err
	}
	c.remember(x.mem)
	return nil
}

// recall reads the side values of the rows that will have others, or that nothing is known of.
func (x *tx) recall(c *change) error {
	var missing []backend.Key
	for r := range c.sets {
		key := c.rows[r].Key
		if k, ok := x.mem.get(c.t, key); !ok || k.sets == nil && k.print != c.prints[r] {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	s := x.db.dialect.script().add("SELECT ").columns("t.", c.t.key).add(", '', t.", fingerprint.quoted)
	s.sides(c.t).add(" FROM ", c.t.quoted, " AS t WHERE ").in("t.", c.t.key, len(missing), keysAt(missing))
	for _, key := range missing {
		x.mem.absent(c.t, key)
	}
	_, err := x.db.read(x.writeContext(), x.conn, c.t, s, selected{limit: len(missing), mem: x.mem, sets: true})
	return err
}

// taken finds a row that takes a unique value which a later row of the same call frees: removals are done before
// additions, so the database would not.
func (c *change) taken() error {
	for _, d := range c.diffs {
		for i, fields := range d.side.indexes {
			if !d.side.unique[i] || len(d.remove) == 0 {
				continue
			}
			scope := func(r sideRow) string {
				key := make(backend.Key, 0, 4)
				for j, k := range c.t.key {
					if slices.Contains(fields, k.name) {
						key = append(key, r.key[j])
					}
				}
				return memoryKey(c.t, append(key, backend.StringValue(r.name), r.value))
			}
			order := map[string]int{} // of the rows that free a value
			for _, r := range d.remove {
				order[scope(r)] = r.row
			}
			for _, r := range d.add {
				if later, ok := order[scope(r)]; ok && later > r.row {
					return fmt.Errorf("%s: %w", d.side.field.Name, backend.ErrExists)
				}
			}
		}
	}
	return nil
}

// apply writes rows and their differences. With arrays it is one statement.
func (x *tx) apply(c *change, replace bool) error {
	t := c.t
	return x.run(c.diffs, func(s *script) {
		s.add("INSERT INTO ", t.quoted, " (").columns("", t.all).add(") ").rows(t.all, len(c.rows), c.at)
		if replace {
			s.add(" ON CONFLICT (").columns("", t.key).add(") DO UPDATE SET ")
			for i, col := range x.assigned(c) {
				if i > 0 {
					s.add(", ")
				}
				s.add(col.quoted, " = excluded.", col.quoted)
			}
		}
	})
}

// assigned lists the columns that differ from what the rows are known to have; all of them if that is not known.
func (x *tx) assigned(c *change) []column {
	t := c.t
	all := t.all[len(t.key):]
	changed := make([]bool, len(t.ones))
	for _, row := range c.rows {
		k, ok := x.mem.get(t, row.Key)
		if !ok || len(k.ones) < len(t.ones) {
			return all
		}
		for i, col := range t.ones {
			changed[i] = changed[i] || one(col, row) != k.ones[i]
		}
	}
	cols := make([]column, 0, len(all))
	for i, col := range all {
		if i >= len(t.ones) || changed[i] {
			cols = append(cols, col)
		}
	}
	return cols
}

// at is what row r has in column col of t.all.
func (c *change) at(r, col int) backend.Value {
	row := c.rows[r]
	switch {
	case col < len(c.t.key):
		return row.Key[col]
	case col < len(c.t.key)+len(c.t.ones):
		return one(c.t.ones[col-len(c.t.key)], row)
	case col < len(c.t.all)-1:
		return backend.StringValue(c.prints[r])
	}
	return backend.StringValue(string(row.Doc))
}

// run executes the statement that main writes, and what the differences ask for behind it.
func (x *tx) run(diffs []difference, main func(*script)) error {
	d := &x.db.dialect
	if !d.Arrays {
		s := d.script()
		main(s)
		if err := x.exec(s); err != nil {
			return err
		}
		return x.runDifferences(diffs)
	}
	s := d.script()
	with := "WITH "
	for i := range diffs {
		df := &diffs[i]
		removed := fmt.Sprintf("removed_%d", i)
		if len(df.remove) > 0 {
			s.add(with, removed, " AS (").removal(df.side, df.remove).add(" RETURNING 1)")
			with = ", "
		}
		if len(df.add) > 0 {
			after := ""
			if len(df.remove) > 0 {
				after = removed // a value has to be free before it is taken again
			}
			s.add(with, fmt.Sprintf("added_%d", i), " AS (").addition(df.side, df.add, after).add(")")
			with = ", "
		}
	}
	if with != "WITH " {
		s.add(" ")
	}
	main(s)
	return x.exec(s)
}

// runDifferences writes differences in statements of their own.
func (x *tx) runDifferences(diffs []difference) error {
	n := x.rowsAtOnce()
	for _, df := range diffs {
		for rows := range slices.Chunk(df.remove, n) {
			if err := x.exec(x.db.dialect.script().removal(df.side, rows)); err != nil {
				return err
			}
		}
	}
	for _, df := range diffs {
		for rows := range slices.Chunk(df.add, n) {
			if err := x.exec(x.db.dialect.script().addition(df.side, rows, "")); err != nil {
				return err
			}
		}
	}
	return nil
}

// removal appends the statement that removes rows of a side table.
func (s *script) removal(side *side, rows []sideRow) *script {
	cols := side.all[:len(side.key())+1] // the key, and the name or the string
	return s.add("DELETE FROM ", side.quoted, " WHERE ").in("", cols, len(rows), func(row, col int) backend.Value {
		return rows[row].at(side, col)
	})
}

// addition appends the statement that adds rows to a side table or changes their values; after is a part of the same
// statement that has to be done before.
func (s *script) addition(side *side, rows []sideRow, after string) *script {
	s.add("INSERT INTO ", side.quoted, " (").columns("", side.all).add(") ")
	at := func(row, col int) backend.Value { return rows[row].at(side, col) }
	if after == "" {
		s.rows(side.all, len(rows), at)
	} else {
		s.unnest(side.all, len(rows), at).add(" WHERE (SELECT count(*) FROM ", after, ") >= 0")
	}
	s.add(" ON CONFLICT (").columns("", side.key()).add(", ", s.d.entryKey(side.own[0])).add(") DO ")
	if side.entry == nil {
		return s.add("NOTHING")
	}
	return s.add("UPDATE SET ", side.value.quoted, " = excluded.", side.value.quoted)
}

// entryKey is the expression that tells entries of one row apart.
func (d *Dialect) entryKey(c column) string {
	if d.EntryKey == "" || c.kind != backend.String {
		return c.quoted
	}
	return "(" + fmt.Sprintf(d.EntryKey, c.quoted) + ")"
}

// delete removes the rows of keys that are there.
func (x *tx) delete(t *table, keys []backend.Key) error {
	d := &x.db.dialect
	var full []*side // those that may have values
	for i, side := range t.sides {
		for _, key := range keys {
			if k, ok := x.mem.get(t, key); !ok || k.sets == nil || len(k.sets[i]) > 0 {
				full = append(full, side)
				break
			}
		}
	}
	s := d.script()
	for i, side := range full {
		if !d.Arrays {
			if err := x.exec(d.script().deletion(side.quoted, t.key, keys)); err != nil {
				return err
			}
			continue
		}
		s.add([]string{"WITH ", ", "}[min(i, 1)], fmt.Sprintf("removed_%d AS (", i)).deletion(side.quoted, t.key, keys).add(")")
	}
	if len(s.text) > 0 {
		s.add(" ")
	}
	if err := x.exec(s.deletion(t.quoted, t.key, keys)); err != nil {
		return err
	}
	for _, key := range keys {
		x.mem.absent(t, key)
	}
	return nil
}

func (s *script) deletion(table string, key []column, keys []backend.Key) *script {
	return s.add("DELETE FROM ", table, " WHERE ").in("", key, len(keys), keysAt(keys))
}

func keysAt(keys []backend.Key) func(row, col int) backend.Value {
	return func(row, col int) backend.Value { return keys[row][col] }
}

// append adds rows to a log and returns the position of the last.
func (x *tx) append(t *table, rows []backend.Row) (backend.Position, error) {
	d := &x.db.dialect
	rows = slices.Clone(rows) // their keys are set here
	c := newChange(t, rows)
	if !d.Serial {
		for i := range rows {
			x.appended++
			rows[i].Key = backend.Key{backend.StringValue(txPosition(x.era, x.xid, x.appended))}
		}
		for r := range c.sets {
			c.replace(r, nil)
		}
		return backend.Position(rows[len(rows)-1].Key[0].Str()), x.apply(c, false)
	}
	s := d.script().add("INSERT INTO ", t.quoted, " (").columns("", t.all[1:]).add(") ")
	s.rows(t.all[1:], len(rows), func(row, col int) backend.Value { return c.at(row, col+1) })
	result, err := x.conn.exec(x.writeContext(), s)
	if err != nil {
		return "", err
	}
	last, err := result.LastInsertId()
	if err != nil {
		return "", err
	}
	for i := range rows { // the ids of one statement follow each other, since nobody else writes
		rows[i].Key = backend.Key{backend.IntValue(last - int64(len(rows)-1-i))}
	}
	for r := range c.sets {
		c.replace(r, nil)
	}
	return backend.Position(rowPosition(last)), x.runDifferences(c.diffs)
}

func (x *tx) exec(s *script) error {
	_, err := x.conn.exec(x.writeContext(), s)
	return err
}

// writeContext is the context to give to the driver for a write: on engines within the process writes are short, and
// to be interruptible costs them.
func (x *tx) writeContext() context.Context {
	if x.db.dialect.Serial {
		return context.WithoutCancel(x.ctx)
	}
	return x.ctx
}

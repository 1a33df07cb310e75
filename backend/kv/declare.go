package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
	// batch is how many entries are read before what follows from them is written: scans do not write.
	batch = 256
	// step is how many writes a Declare leaves to one transaction, since stores bound these. What a single row makes is
	// not parted.
	step = 4096
)

// Declare implements [backend.Backend]. It is one transaction if that suffices, and as many as it takes otherwise.
func (b *Backend) Declare(ctx context.Context, schema backend.Schema) error {
	if err := schema.Validate(); err != nil {
		return err
	}
	schema = cloneSchema(schema)
	for more := true; more; {
		failed := false
		err := b.change(ctx, func(w MemoryTx) error {
			if b.answers != nil {
				b.answers.invalidate(b.done.Load() + 1)
			}
			d := &declaration{b: b, ctx: ctx, schema: &schema, w: &counted{MemoryTx: w}}
			var err error
			more, err = d.step()
			failed = d.stepped && (d.upgrades || errors.Is(err, backend.ErrExists))
			return err
		})
		if err != nil {
			if failed && ctx.Err() == nil { // what merely was interrupted is finished by the next Declare
				err = errors.Join(err, b.abandon(ctx))
			}
			return fmt.Errorf("declare format %d: %w", schema.Format, err)
		}
	}
	b.schema.Store(&schema)
	return nil
}

// abandon takes back what earlier steps of a Declare that failed have added. If that fails too, the next Declare does it.
func (b *Backend) abandon(ctx context.Context) error {
	for more := true; more; {
		err := b.change(ctx, func(w MemoryTx) (err error) {
			d := &declaration{b: b, ctx: ctx, w: &counted{MemoryTx: w}}
			if err := d.read(); err != nil {
				return err
			}
			d.catalog.abandon()
			more, err = d.drop()
			return errors.Join(err, d.write())
		})
		if errors.Is(err, backend.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("take back what it has added: %w", err)
		}
	}
	return nil
}

// A declaration is one step of a Declare.
type declaration struct {
	b       *Backend
	ctx     context.Context
	schema  *backend.Schema
	w       *counted
	raw     []byte // the catalog as stored
	catalog catalog
	// stepped says that earlier steps have left something that is to be built; upgrades that this one runs Upgrade.
	stepped, upgrades bool
}

// counted counts writes.
type counted struct {
	MemoryTx
	n int
}

func (c *counted) Put(space string, key []byte, cell *Cell) error {
	c.n++
	return c.MemoryTx.Put(space, key, cell)
}

func (c *counted) Delete(space string, key []byte) error {
	c.n++
	return c.MemoryTx.Delete(space, key)
}

func (d *declaration) full() bool { return d.w.n >= step }

func (d *declaration) read() (err error) {
	cell, err := d.w.Get(catalogSpace, catalogKey)
	if err != nil {
		return err
	}
	if cell != nil {
		d.raw = bytes.Clone(cell.Value)
	}
	d.catalog, err = decodeCatalog(d.raw)
	d.stepped = d.catalog.Next != nil
	return err
}

func (d *declaration) write() error {
	encoded, err := json.Marshal(d.catalog)
	if err != nil || bytes.Equal(encoded, d.raw) {
		return err
	}
	return d.w.Put(catalogSpace, catalogKey, &Cell{Value: encoded})
}

// step does as much as one transaction may; more says that there is more to do.
func (d *declaration) step() (more bool, err error) {
	if err := d.read(); err != nil {
		return false, err
	}
	c := &d.catalog
	if c.Format > d.schema.Format {
		return false, nil // a newer store is left as it is
	}
	next, err := c.merge(*d.schema)
	if err != nil {
		return false, err
	}
	if c.Upgrade != nil {
		if c.Format != d.schema.Format {
			c.Upgrade.At = "" // begun by another format: this one's begins anew
		} else {
			return true, d.goOn()
		}
	}
	if c.Format == next.Format && sameTables(c.Tables, next.Tables) {
		more, err = d.drop()
		return more, errors.Join(err, d.write())
	}
	switch {
	case c.Next != nil && c.Next.Format == next.Format: // that of a Declare beside this, or before
		base := catalog{Format: c.Next.Format, Tables: c.Next.Tables}
		union, err := base.merge(*d.schema)
		if err != nil { // the store has nothing of what does not fit
			c.abandon()
			break
		}
		union.Built = c.Next.Built
		next = union
	case c.Next != nil:
		c.abandon()
	}
	// A space that is given up has to be empty before an index is built there again.
	if more, err = d.drop(); err != nil || more {
		return true, errors.Join(err, d.write())
	}
	c.Next = next
	if more, err = d.build(); err != nil || more {
		return true, errors.Join(err, d.write())
	}
	from := c.Format
	c.finish()
	if c.Upgrade == nil && (d.schema.Upgrade == nil || from == 0 || from == d.schema.Format) {
		more, err = d.drop()
		return more, errors.Join(err, d.write())
	}
	if c.Upgrade == nil {
		c.Upgrade = &upgrade{From: from}
	}
	return true, d.goOn()
}

// goOn does the next step of Upgrade.
func (d *declaration) goOn() (err error) {
	c := &d.catalog
	u := *c.Upgrade
	c.Upgrade = nil
	if d.schema.Upgrade != nil {
		d.upgrades = true
		ts, err := d.tables()
		if err != nil {
			return err
		}
		at := ""
		err = d.b.run(d.ctx, d.w, ts, func(tx backend.Tx) (err error) {
			at, err = d.schema.Upgrade(tx, u.From, u.At)
			return err
		})
		if err != nil {
			return err
		}
		if at != "" {
			c.Upgrade = &upgrade{u.From, at}
		}
	}
	return d.write()
}

// tables are those of the declaration, in the catalog as it is now.
func (d *declaration) tables() (*tables, error) {
	encoded, err := json.Marshal(d.catalog)
	if err != nil {
		return nil, err
	}
	return newTables(d.schema, encoded)
}

// drop removes entries of the spaces that are given up; more says that some are left.
func (d *declaration) drop() (more bool, err error) {
	c := &d.catalog
	for len(c.Dropping) > 0 {
		space := c.Dropping[0]
		last, err := d.eachBatch(space, nil, func(key []byte, _ *Cell) error { return d.w.Delete(space, key) })
		if err != nil {
			return false, fmt.Errorf("drop index %s: %w", space, err)
		}
		if last != nil {
			return true, nil
		}
		c.Dropping = c.Dropping[1:]
	}
	return false, nil
}

// build adds the entries of the rows that are there to the new indexes; more says that there are more.
func (d *declaration) build() (more bool, err error) {
	c := &d.catalog
	list := c.building()
	if len(list) == 0 {
		return false, nil
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	all := backend.Schema{Format: c.Next.Format} // also what another program declares
	for name, t := range c.Next.Tables {
		all.Tables = append(all.Tables, backend.Table{Name: name, Key: t.Key, Fields: t.Fields, Indexes: t.Indexes, Log: t.Log})
	}
	ts, err := newTables(&all, encoded)
	if err != nil {
		return false, err
	}
	x := &tx{reader: reader{ctx: d.ctx, r: d.w, tables: ts}, b: d.b, w: d.w, number: d.b.done.Load() + 1, builds: true}
	for _, a := range list {
		space := indexSpace(a.table, a.index)
		if more, err := d.buildOne(x, ts.byName[a.table], space); err != nil || more {
			if err != nil {
				err = fmt.Errorf("build the index of %s on %v: %w", a.table, a.index.Fields, err)
			}
			return true, err
		}
	}
	return false, nil
}

func (d *declaration) buildOne(x *tx, t *table, space string) (more bool, err error) {
	done := d.catalog.Next.Built[space]
	p := t.paths[slices.IndexFunc(t.paths, func(p *path) bool { return p.space == space })]
	if !done.All {
		last, err := d.eachBatch(t.name, done.After, func(key []byte, cell *Cell) error {
			fields, _, err := splitRow(cell.Value)
			if err != nil {
				return err
			}
			return x.reindex(t, p, key, nil, fields, cell)
		})
		if err != nil {
			return false, err
		}
		if last != nil {
			d.catalog.Next.Built[space] = built{After: last}
			return true, nil
		}
	}
	if p.unique && done.After != nil { // Updates went on meanwhile, which are not refused by what is half built
		if err := d.checkAll(p, space); err != nil {
			return false, err
		}
	}
	d.catalog.Next.Built[space] = built{After: done.After, All: true}
	return false, nil
}

// checkAll looks for two rows with the same values in a unique index.
func (d *declaration) checkAll(p *path, space string) error {
	var before []byte
	twice := false
	err := d.w.Scan(space, nil, nil, false, func(key []byte, _ *Cell) bool {
		values := key[:p.columnsLen(key, p.n)]
		twice = before != nil && bytes.Equal(before, values)
		before = append(before[:0], values...)
		return !twice
	})
	if err == nil && twice {
		err = fmt.Errorf("%w: two rows have the same values", backend.ErrExists)
	}
	return err
}

// eachBatch calls fn for the entries of a space behind after, outside of any scan, so that fn may write. It returns the
// last key if it stopped because the transaction is full, nil if it came to the end.
func (d *declaration) eachBatch(space string, after []byte, fn func(key []byte, cell *Cell) error) (last []byte, err error) {
	var low []byte
	if after != nil {
		low = append(bytes.Clone(after), 0)
	}
	for {
		if err := d.ctx.Err(); err != nil {
			return nil, err
		}
		var keys [][]byte
		var cells []*Cell
		err := d.w.Scan(space, low, nil, false, func(key []byte, cell *Cell) bool {
			keys = append(keys, bytes.Clone(key))
			if cell != nil && !d.b.inMemory {
				cell = &Cell{Value: bytes.Clone(cell.Value)} // fn writes, and the store's memory may move
			}
			cells = append(cells, cell)
			return len(keys) < batch
		})
		if err != nil {
			return nil, err
		}
		for i := range keys {
			if err := fn(keys[i], cells[i]); err != nil {
				return nil, err
			}
			if d.full() {
				return keys[i], nil
			}
		}
		if len(keys) < batch {
			return nil, nil
		}
		low = append(keys[len(keys)-1], 0)
	}
}

func sameTables(a, b map[string]catalogTable) bool {
	return maps.EqualFunc(a, b, func(t, u catalogTable) bool {
		return t.Log == u.Log && slices.Equal(t.Key, u.Key) && slices.Equal(t.Fields, u.Fields) &&
			slices.EqualFunc(t.Indexes, u.Indexes, func(x, y backend.Index) bool { return indexSpace("", x) == indexSpace("", y) })
	})
}

// cloneSchema copies schema, so that it stays what it was whatever the caller does to its slices.
func cloneSchema(schema backend.Schema) backend.Schema {
	schema.Tables = slices.Clone(schema.Tables)
	for i := range schema.Tables {
		t := &schema.Tables[i]
		t.Key, t.Fields, t.Indexes = slices.Clone(t.Key), slices.Clone(t.Fields), slices.Clone(t.Indexes)
		for j := range t.Indexes {
			t.Indexes[j].Fields = slices.Clone(t.Indexes[j].Fields)
		}
	}
	return schema
}

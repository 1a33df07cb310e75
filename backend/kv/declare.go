package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// batch is how many rows are read before what follows from them is written: scans do not write.
const batch = 512

// Declare implements [backend.Backend].
func (b *Backend) Declare(ctx context.Context, schema backend.Schema) error {
	if err := schema.Validate(); err != nil {
		return err
	}
	schema = cloneSchema(schema)
	err := b.change(ctx, func(w MemoryTx) error {
		if b.answers != nil {
			b.answers.invalidate(b.done.Load() + 1)
		}
		return b.declare(ctx, w, &schema)
	})
	if err != nil {
		return fmt.Errorf("declare format %d: %w", schema.Format, err)
	}
	b.schema.Store(&schema)
	return nil
}

func (b *Backend) declare(ctx context.Context, w MemoryTx, schema *backend.Schema) error {
	var raw []byte
	cell, err := w.Get(catalogSpace, catalogKey)
	if err != nil {
		return err
	}
	if cell != nil {
		raw = cell.Value
	}
	old, err := decodeCatalog(raw)
	if err != nil || old.Format > schema.Format {
		return err // a newer store is left as it is
	}
	next, added, dropped, err := old.merge(*schema)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if bytes.Equal(encoded, raw) {
		return nil
	}
	if err := w.Put(catalogSpace, catalogKey, &Cell{Value: encoded}); err != nil {
		return err
	}
	ts, err := newTables(schema, encoded)
	if err != nil {
		return err
	}
	return b.run(ctx, w, ts, func(btx backend.Tx) error {
		x := btx.(*tx)
		for _, d := range dropped {
			if err := x.dropIndex(indexSpace(d.table, d.index)); err != nil {
				return fmt.Errorf("drop the index of %s on %v: %w", d.table, d.index.Fields, err)
			}
		}
		for _, a := range added {
			if err := x.buildIndex(ts.byName[a.table], indexSpace(a.table, a.index)); err != nil {
				return fmt.Errorf("build the index of %s on %v: %w", a.table, a.index.Fields, err)
			}
		}
		if schema.Upgrade == nil || old.Format == 0 || old.Format == schema.Format {
			return nil
		}
		return schema.Upgrade(x, old.Format)
	})
}

// buildIndex adds the entries of the rows that are there to a new index.
func (x *tx) buildIndex(t *table, space string) error {
	i := slices.IndexFunc(t.paths, func(p *path) bool { return p.space == space })
	p := t.paths[i]
	return x.eachBatch(t.name, func(key []byte, cell *Cell) error {
		fields, _, err := splitRow(cell.Value)
		if err != nil {
			return err
		}
		return x.reindex(t, p, key, nil, fields, cell)
	})
}

func (x *tx) dropIndex(space string) error {
	return x.eachBatch(space, func(key []byte, _ *Cell) error { return x.w.Delete(space, key) })
}

// eachBatch calls fn for the entries of a space, outside of any scan, so that fn may write.
func (x *tx) eachBatch(space string, fn func(key []byte, cell *Cell) error) error {
	var low []byte
	for {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		var keys [][]byte
		var cells []*Cell
		err := x.w.Scan(space, low, nil, false, func(key []byte, cell *Cell) bool {
			keys = append(keys, bytes.Clone(key))
			if cell != nil && !x.b.inMemory {
				cell = &Cell{Value: bytes.Clone(cell.Value)} // fn writes, and the store's memory may move
			}
			cells = append(cells, cell)
			return len(keys) < batch
		})
		if err != nil {
			return err
		}
		for i := range keys {
			if err := fn(keys[i], cells[i]); err != nil {
				return err
			}
		}
		if len(keys) < batch {
			return nil
		}
		low = append(keys[len(keys)-1], 0)
	}
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

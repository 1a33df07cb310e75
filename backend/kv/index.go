package kv

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// entries returns the keys that path p, an index, has for the row of that key and those encoded fields; sorted, each once.
func (t *table) entries(p *path, key, fields []byte) ([][]byte, error) {
	prefix := make([]byte, 0, 64+len(key))
	var last []byte
	for i, c := range p.indexed() {
		if c.part >= 0 {
			part, err := t.keyPart(key, c.part)
			if err != nil {
				return nil, err
			}
			prefix = append(prefix, part...)
			continue
		}
		content, err := t.content(fields, c.id)
		if err != nil {
			return nil, err
		}
		if p.many && i == p.n-1 {
			last = content
			break
		}
		if p.sparse && c.Kind == backend.String && len(content) == 0 {
			return nil, nil
		}
		prefix = appendIndexed(prefix, content, c.Kind)
	}
	if !p.many {
		return [][]byte{append(prefix, key...)}, nil
	}
	return manyEntries(p.cols[p.n-1], prefix, last, key)
}

// manyEntries returns an entry for each element of the content of a Set or Map.
func manyEntries(c column, prefix, content, key []byte) (entries [][]byte, err error) {
	for len(content) > 0 {
		var element []byte
		if element, content, err = cutSized(content); err != nil {
			return nil, err
		}
		entry := make([]byte, 0, len(prefix)+len(element)+10+len(key))
		entry = appendIndexed(append(entry, prefix...), element, backend.String)
		if c.Shape == backend.Map {
			var value []byte
			if value, content, err = cutSized(content); err != nil {
				return nil, err
			}
			entry = appendIndexed(entry, value, c.Kind)
		}
		entries = append(entries, append(entry, key...))
	}
	slices.SortFunc(entries, bytes.Compare) // long strings are cut, and may then coincide
	return slices.CompactFunc(entries, bytes.Equal), nil
}

// keyPart returns the i-th encoded part of a row's key.
func (t *table) keyPart(key []byte, i int) ([]byte, error) {
	for j, f := range t.key {
		n, err := partLen(key, f.Kind)
		if err != nil {
			return nil, err
		}
		if j == i {
			return key[:n], nil
		}
		key = key[n:]
	}
	return nil, errCorrupt
}

// reindex makes the entries of path p fit a row's change from the old to the new state; nil is no row.
func (x *tx) reindex(t *table, p *path, key []byte, oldFields, newFields []byte, cell *Cell) error {
	var before, after [][]byte
	var err error
	if oldFields != nil {
		if before, err = t.entries(p, key, oldFields); err != nil {
			return err
		}
	}
	if newFields != nil {
		if after, err = t.entries(p, key, newFields); err != nil {
			return err
		}
	}
	for _, e := range before {
		if _, kept := slices.BinarySearchFunc(after, e, bytes.Compare); !kept {
			x.touch(p, e)
			if err := x.w.Delete(p.space, e); err != nil {
				return err
			}
		}
	}
	for _, e := range after {
		_, there := slices.BinarySearchFunc(before, e, bytes.Compare)
		if there && !x.b.inMemory && !p.building {
			continue
		}
		if p.unique && !there && (!p.building || x.builds) {
			if err := x.checkUnique(t, p, e, len(e)-len(key)); err != nil {
				return err
			}
		}
		x.touch(p, e)
		if err := x.w.Put(p.space, e, x.indexCell(cell)); err != nil {
			return err
		}
	}
	return nil
}

// indexCell is what an index entry of the row in cell holds: in memory the row itself.
func (x *tx) indexCell(cell *Cell) *Cell {
	if x.b.inMemory {
		return cell
	}
	return emptyCell
}

// checkUnique says whether another row has an entry that begins with the n bytes of encoded values that entry does. The
// row's own is there already if an Update has put it while the index is built.
func (x *tx) checkUnique(t *table, p *path, entry []byte, n int) error {
	values := entry[:n]
	taken := false
	err := x.w.Scan(p.space, values, prefixEnd(bytes.Clone(values)), false, func(key []byte, _ *Cell) bool {
		taken = !bytes.Equal(key, entry)
		return !taken
	})
	if err != nil || !taken {
		return err
	}
	names := make([]string, p.n)
	for i, c := range p.indexed() {
		names[i] = c.Name
	}
	return fmt.Errorf("table %s: %w: the unique %v of the row is taken", t.name, backend.ErrExists, names)
}

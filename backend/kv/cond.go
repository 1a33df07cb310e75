package kv

import (
	"bytes"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A cond is a condition in terms of encoded values.
type cond struct {
	column
	entry  []byte // the name of an entry of a Map
	op     backend.Op
	value  []byte   // raw
	values [][]byte // for In: raw, sorted, distinct
}

// newCond encodes c into the free part of buf, and returns what is left of that.
func (t *table) newCond(c backend.Cond, buf []byte) (n cond, rest []byte) {
	col, _ := t.column(c.Field)
	n = cond{column: col, entry: []byte(c.Name), op: c.Op}
	raw := func(v backend.Value) []byte {
		at := len(buf)
		buf = appendRaw(buf, v)
		return buf[at:len(buf):len(buf)]
	}
	if c.Op != backend.In {
		n.value = raw(c.Value)
		return n, buf
	}
	n.values = make([][]byte, len(c.Values))
	for i, v := range c.Values {
		n.values[i] = raw(v)
	}
	slices.SortFunc(n.values, bytes.Compare)
	n.values = slices.CompactFunc(n.values, bytes.Equal)
	return n, buf
}

// holds says whether the row of that key and those encoded fields meets the condition.
func (c *cond) holds(t *table, key, fields []byte) (bool, error) {
	if c.part >= 0 {
		part, err := t.keyPart(key, c.part)
		if err != nil {
			return false, err
		}
		return c.test(rawPart(part, c.Kind)), nil
	}
	content, err := t.content(fields, c.id)
	if err != nil {
		return false, err
	}
	if c.Shape == backend.One {
		return c.test(content), nil
	}
	for len(content) > 0 {
		var element, value []byte
		if element, content, err = cutSized(content); err != nil {
			return false, err
		}
		if c.Shape == backend.Set {
			if c.test(element) {
				return true, nil
			}
			continue
		}
		if value, content, err = cutSized(content); err != nil {
			return false, err
		}
		if bytes.Equal(element, c.entry) {
			return c.test(value), nil
		}
	}
	return false, nil
}

func (c *cond) test(raw []byte) bool {
	switch c.op {
	case backend.In:
		_, found := slices.BinarySearchFunc(c.values, raw, bytes.Compare)
		return found
	case backend.Prefix:
		return bytes.HasPrefix(raw, c.value)
	}
	order := bytes.Compare(raw, c.value)
	switch c.op {
	case backend.Eq:
		return order == 0
	case backend.Lt:
		return order < 0
	case backend.Le:
		return order <= 0
	case backend.Gt:
		return order > 0
	}
	return order >= 0
}

// ranges says whether the condition bounds a range of values.
func (c *cond) ranges() bool { return c.op != backend.Eq && c.op != backend.In }

// exact says whether an entry of c's column that fits raw can only be that of a row that fits.
func (c *column) exact(raw []byte) bool {
	return c.part >= 0 || c.Kind != backend.String || len(raw) < maxIndexed
}

// covered says whether the entries between the bounds made of c are those that meet c, so that it needs no second look.
func (c *cond) covered() bool {
	for _, v := range c.values {
		if !c.exact(v) {
			return false
		}
	}
	return c.exact(c.value) && len(c.entry) < maxIndexed
}

// excludesEmpty says whether no row in which c's String field is "" meets c; those are not in a sparse index.
func (c *cond) excludesEmpty() bool {
	switch c.op {
	case backend.In:
		return len(c.values) == 0 || len(c.values[0]) > 0
	case backend.Gt:
		return true
	case backend.Eq, backend.Ge, backend.Prefix:
		return len(c.value) > 0
	}
	return false
}

// appendTo appends to a key of an index, or of the rows, what c's column holds for raw.
func (c *cond) appendTo(dst, raw []byte) []byte { return c.appendPart(c.appendEntry(dst), raw) }

// appendEntry appends what stands in front of the value in an index on a Map.
func (c *cond) appendEntry(dst []byte) []byte {
	if c.Shape == backend.Map {
		dst = appendIndexed(dst, c.entry, backend.String)
	}
	return dst
}

// appendPart appends what column c of a path holds for raw.
func (c *column) appendPart(dst, raw []byte) []byte {
	if c.part < 0 {
		return appendIndexed(dst, raw, c.Kind)
	}
	dst = append(dst, raw...)
	if c.Kind == backend.String {
		dst = append(dst, 0)
	}
	return dst
}

package kv

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A stored row is the length of its fields, the fields, and the document. A field is its number, the length of its
// content, and the content; fields that are zero or empty are left out, so that a field which is added to a table later
// changes no row. The content of a One is the raw value; of a Set the strings, sorted, each after its length; of a Map
// the same of names and raw values in turn.

// encodeRow returns the stored form of row.
func (t *table) encodeRow(row backend.Row) []byte {
	var fields []byte
	for id, f := range t.fields {
		content, ok := row.Fields[f.Name]
		if !ok {
			continue
		}
		b := encodeContent(content)
		if len(b) == 0 || f.Shape == backend.One && string(b) == string(t.zero[id]) {
			continue
		}
		fields = binary.AppendUvarint(fields, uint64(id))
		fields = appendSized(fields, b)
	}
	value := make([]byte, 0, uvarintLen(len(fields))+len(fields)+len(row.Doc))
	value = appendSized(value, fields)
	return append(value, row.Doc...)
}

func uvarintLen(n int) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], uint64(n))
}

func encodeContent(content any) (b []byte) {
	switch c := content.(type) {
	case backend.Value:
		return appendRaw(nil, c)
	case []string:
		for _, s := range slices.Compact(slices.Sorted(slices.Values(c))) {
			b = appendSized(b, []byte(s))
		}
	case map[string]backend.Value:
		for _, name := range slices.Sorted(maps.Keys(c)) {
			b = appendSized(b, []byte(name))
			b = appendSized(b, appendRaw(nil, c[name]))
		}
	}
	return b
}

func appendSized(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// cutSized splits b behind the sized bytes at its beginning.
func cutSized(b []byte) (content, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || uint64(len(b)-n) < size {
		return nil, nil, errCorrupt
	}
	return b[n : n+int(size)], b[n+int(size):], nil
}

// splitRow splits a stored row into its fields and its document.
func splitRow(value []byte) (fields, doc []byte, err error) { return cutSized(value) }

// content returns the content of field id among the encoded fields: the zero value if a One is not there, nil if a Set
// or Map is not.
func (t *table) content(fields []byte, id int) ([]byte, error) {
	for len(fields) > 0 {
		at, n := binary.Uvarint(fields)
		if n <= 0 {
			return nil, errCorrupt
		}
		b, rest, err := cutSized(fields[n:])
		if err != nil {
			return nil, err
		}
		if at == uint64(id) {
			return b, nil
		}
		if at > uint64(id) {
			break
		}
		fields = rest
	}
	return t.zero[id], nil
}

// rowFields decodes the declared fields of a stored row.
func (t *table) rowFields(value []byte) (map[string]any, error) {
	stored, _, err := splitRow(value)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]any, len(t.fields))
	for id, f := range t.fields {
		b, err := t.content(stored, id)
		if err != nil {
			return nil, err
		}
		if _, _, declared := t.decl.Field(f.Name); !declared || len(b) == 0 && f.Shape != backend.One {
			continue
		}
		if fields[f.Name], err = decodeContent(b, f); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// decodeContent is the content of a field as it was put; a Set is sorted.
func decodeContent(b []byte, f backend.Field) (any, error) {
	if f.Shape == backend.One {
		return decodeRaw(b, f.Kind)
	}
	var set []string
	entries := map[string]backend.Value{}
	for len(b) > 0 {
		name, rest, err := cutSized(b)
		if err != nil {
			return nil, err
		}
		b = rest
		if f.Shape == backend.Set {
			set = append(set, string(name))
			continue
		}
		raw, rest, err := cutSized(b)
		if err != nil {
			return nil, err
		}
		if entries[string(name)], err = decodeRaw(raw, f.Kind); err != nil {
			return nil, err
		}
		b = rest
	}
	if f.Shape == backend.Set {
		return set, nil
	}
	return entries, nil
}

// checkLengths refuses what could not be told from another row's entry, in a unique index that another program declared.
func (t *table) checkLengths(row backend.Row) error {
	for _, p := range t.paths {
		if !p.unique {
			continue
		}
		for _, c := range p.indexed() {
			if c.part >= 0 || longest(row.Fields[c.Name]) <= maxIndexed {
				continue
			}
			return fmt.Errorf("table %s: %w: a value of %s, which is unique, has more than %d bytes", t.name, backend.ErrInvalid, c.Name, maxIndexed)
		}
	}
	return nil
}

// longest is the length of the longest string in the content of a field.
func longest(content any) (n int) {
	switch c := content.(type) {
	case backend.Value:
		return len(c.Str())
	case []string:
		for _, s := range c {
			n = max(n, len(s))
		}
	case map[string]backend.Value:
		for name, v := range c {
			n = max(n, len(name), len(v.Str()))
		}
	}
	return n
}

package sqldb

import (
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// entries are the values of one side of one row: by name for a Map, by the string itself for a Set.
type entries map[string]backend.Value

// sideValues appends an expression for all entries of side, each printed as length:name length:value.
func (s *script) sideValues(side *side) *script {
	s.add("(SELECT string_agg(")
	if side.entry != nil {
		s.counted("e." + side.entry.quoted).add(" || ")
	}
	value := "e." + side.value.quoted
	switch side.field.Kind {
	case backend.Float:
		value = fmt.Sprintf(s.d.FloatText, value)
	case backend.Int, backend.Time:
		value = "CAST(" + value + " AS TEXT)"
	}
	s.counted(value).add(", '') FROM ", side.quoted, " AS e WHERE ")
	return s.match("e.", "t.", side.key()).add(")")
}

// sides appends the entries of all sides of t, as read selects them.
func (s *script) sides(t *table) *script {
	for _, side := range t.sides {
		s.add(", ").sideValues(side)
	}
	return s
}

// parseSides reads what sides selected.
func parseSides(t *table, texts []sql.NullString) ([]entries, error) {
	sets := make([]entries, len(texts))
	for i := range texts {
		var err error
		if sets[i], err = parseEntries(t.sides[i], texts[i].String); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// fieldsOf are the fields of a row as it is read.
func fieldsOf(t *table, ones []cell, sets []entries) map[string]any {
	fields := make(map[string]any, len(ones)+len(sets))
	for i, c := range t.ones {
		fields[c.name] = ones[i].value(c.kind)
	}
	for i, side := range t.sides {
		switch {
		case len(sets[i]) == 0:
		case side.entry == nil:
			fields[side.field.Name] = slices.Sorted(maps.Keys(sets[i]))
		default:
			fields[side.field.Name] = map[string]backend.Value(sets[i])
		}
	}
	return fields
}

func (s *script) counted(expr string) *script {
	return s.add("octet_length(", expr, ") || ':' || ", expr)
}

// parseEntries reads what sideValues selected.
func parseEntries(side *side, text string) (entries, error) {
	set := entries{}
	next := func() (string, error) {
		length, rest, ok := strings.Cut(text, ":")
		n, err := strconv.Atoi(length)
		if !ok || err != nil || n < 0 || n > len(rest) {
			return "", fmt.Errorf("values of %s: not as they were asked for", side.name)
		}
		text = rest[n:]
		return rest[:n], nil
	}
	for text != "" {
		first, err := next()
		if err != nil {
			return nil, err
		}
		if side.entry == nil {
			set[first] = backend.StringValue(first)
			continue
		}
		printed, err := next()
		if err != nil {
			return nil, err
		}
		v, err := parseValue(side.field.Kind, printed)
		if err != nil {
			return nil, fmt.Errorf("values of %s: %w", side.name, err)
		}
		set[first] = v
	}
	return set, nil
}

func parseValue(k backend.Kind, text string) (backend.Value, error) {
	switch k {
	case backend.Int, backend.Time:
		n, err := strconv.ParseInt(text, 10, 64)
		if k == backend.Time {
			return backend.MicrosValue(n), err
		}
		return backend.IntValue(n), err
	case backend.Float:
		f, err := strconv.ParseFloat(text, 64)
		return backend.FloatValue(f), err
	}
	return backend.StringValue(text), nil
}

// entriesOf takes the entries of side from a row as it is put.
func entriesOf(side *side, row backend.Row) entries {
	set := entries{}
	switch content := row.Fields[side.field.Name].(type) {
	case []string:
		for _, s := range content {
			set[s] = backend.StringValue(s)
		}
	case map[string]backend.Value:
		maps.Copy(set, content)
	}
	return set
}

// fingerprint is the digest of a row's side values; "" if it has none, so that a field that is declared later changes
// nothing.
func (t *table) fingerprint(sets []entries) string {
	b := make([]byte, 0, 512)
	add := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for i, side := range t.sides {
		if len(sets[i]) == 0 {
			continue
		}
		add(side.field.Name)
		b = binary.AppendUvarint(b, uint64(len(sets[i])))
		for _, name := range slices.Sorted(maps.Keys(sets[i])) {
			add(name)
			v := sets[i][name]
			if v.Kind() == backend.String {
				add(v.Str())
			} else {
				b = binary.BigEndian.AppendUint64(b, uint64(v.Int())) // of a float, its bits
			}
		}
	}
	if len(b) == 0 {
		return ""
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// one is the value of a field with one value in a row as it is put.
func one(c column, row backend.Row) backend.Value {
	if v, ok := row.Fields[c.name].(backend.Value); ok {
		return v
	}
	return backend.ZeroValue(c.kind)
}

// A memory holds what a Tx knows of the side values of rows that it has read or written, by table and key.
type memory map[string]known

// known is what is known of one row.
type known struct {
	ones  []backend.Value // of the fields with one value; nil if they are not known
	print string
	sets  []entries // nil if only the fingerprint is known
}

func (m memory) get(t *table, key backend.Key) (known, bool) {
	k, ok := m[memoryKey(t, key)]
	return k, ok
}

func (m memory) set(t *table, key backend.Key, k known) {
	if k.print == "" && k.sets == nil {
		k.sets = make([]entries, len(t.sides))
	}
	m[memoryKey(t, key)] = k
}

// absent remembers that there is no such row.
func (m memory) absent(t *table, key backend.Key) { m.set(t, key, known{}) }

func memoryKey(t *table, key backend.Key) string {
	b := make([]byte, 0, 64)
	b = append(b, t.decl.Name...)
	for _, v := range key {
		b = append(b, 0)
		if v.Kind() == backend.String {
			b = append(b, v.Str()...)
		} else {
			b = strconv.AppendInt(b, v.Int(), 10)
		}
	}
	return string(b)
}

// A difference is what has to happen to one side table for some rows to be as they are put.
type difference struct {
	side   *side
	remove []sideRow // by key and name
	add    []sideRow // or change
}

type sideRow struct {
	row   int // of the call
	key   backend.Key
	name  string
	value backend.Value
}

// at is a column of a side row, in the order of side.all.
func (r sideRow) at(side *side, col int) backend.Value {
	switch {
	case col < len(r.key):
		return r.key[col]
	case side.entry != nil && col == len(r.key):
		return backend.StringValue(r.name)
	}
	return r.value
}

// compare collects what differs between old and new entries of one row; in the order of the names, so that concurrent
// transactions take row locks in one order.
func (d *difference) compare(row int, key backend.Key, old, new entries) {
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := new[name]; !ok {
			d.remove = append(d.remove, sideRow{row, key, name, old[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(new)) {
		if v, ok := old[name]; !ok || v != new[name] {
			d.add = append(d.add, sideRow{row, key, name, new[name]})
		}
	}
}

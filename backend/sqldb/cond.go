package sqldb

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

var operators = [...]string{backend.Eq: " = ", backend.Lt: " < ", backend.Le: " <= ", backend.Gt: " > ", backend.Ge: " >= "}

// cond appends the condition c on a column. indexed says that an index may serve it: a long column is then compared by
// its first characters too, which is what its index holds.
func (s *script) cond(prefix string, col column, c backend.Cond, indexed bool) *script {
	name := prefix + col.quoted
	short := indexed && col.long
	switch c.Op {
	case backend.In:
		if short {
			firsts := make([]backend.Value, len(c.Values))
			for i, v := range c.Values {
				firsts[i] = backend.StringValue(firstChars(v.Str(), s.d.IndexChars))
			}
			s.short(name).among(firsts).add(" AND ")
		}
		return s.add(name).among(c.Values)
	case backend.Prefix:
		if c.Value.Str() == "" {
			return s.add(name, " >= ").value(c.Value)
		}
		s.compare(name, short, backend.Ge, c.Value)
		if end, ok := prefixEnd(c.Value.Str()); ok {
			s.add(" AND ").compare(name, short, backend.Lt, backend.StringValue(end))
		}
		return s
	}
	return s.compare(name, short, c.Op, c.Value)
}

// compare appends name op v.
func (s *script) compare(name string, short bool, op backend.Op, v backend.Value) *script {
	if short {
		first := backend.StringValue(firstChars(v.Str(), s.d.IndexChars))
		orEqual := op // strings with equal first characters may be on either side
		switch op {
		case backend.Lt:
			orEqual = backend.Le
		case backend.Gt:
			orEqual = backend.Ge
		}
		s.short(name).add(operators[orEqual]).value(first).add(" AND ")
	}
	return s.add(name, operators[op]).value(v)
}

// short appends the first characters of the column, as indexes hold them.
func (s *script) short(name string) *script {
	return s.add(s.d.short(name))
}

func (d *Dialect) short(name string) string { return fmt.Sprintf("left(%s, %d)", name, d.IndexChars) }

// among appends the condition that what stands before is one of values. The text is the same for any number of them.
func (s *script) among(values []backend.Value) *script {
	if s.d.Arrays {
		return s.add(" = ANY(").array(values[0].Kind(), len(values), func(i int) backend.Value { return values[i] }).add(")")
	}
	if values[0].Kind() == backend.Float { // JSON would have to be parsed to the last bit
		s.add(" IN (")
		for i, v := range values {
			if i > 0 {
				s.add(", ")
			}
			s.value(v)
		}
		return s.add(")")
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = native(v)
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(list) // strings and integers always encode
	return s.add(" IN (SELECT value FROM json_each(").arg(text.String()).add("))")
}

// sideCond appends the condition c on a side table's own columns.
func (s *script) sideCond(prefix string, side *side, c backend.Cond, indexed bool) *script {
	if side.entry != nil {
		name := backend.Cond{Op: backend.Eq, Value: backend.StringValue(c.Name)}
		s.cond(prefix, *side.entry, name, indexed).add(" AND ")
	}
	return s.cond(prefix, side.value, c, indexed)
}

// sideExists appends the condition that an entry of the row meets c.
func (s *script) sideExists(t *table, side *side, c backend.Cond) *script {
	s.add("EXISTS (SELECT 1 FROM ", side.quoted, " AS e WHERE ").match("e.", "t.", t.key)
	return s.add(" AND ").sideCond("e.", side, c, false).add(")")
}

// match appends the condition that two tables' keys are equal.
func (s *script) match(a, b string, key []column) *script {
	for i, k := range key {
		if i > 0 {
			s.add(" AND ")
		}
		s.add(a, k.quoted, " = ", b, k.quoted)
	}
	return s
}

func settled(d *Dialect, position string) string { return fmt.Sprintf(d.Settled, position) }

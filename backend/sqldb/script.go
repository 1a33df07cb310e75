package sqldb

import (
	"strconv"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A script is a statement under construction: its text and the arguments of its parameters.
type script struct {
	d    *Dialect
	text []byte
	args []any
}

func (d *Dialect) script() *script {
	return &script{d: d, text: make([]byte, 0, 512)}
}

// add appends text.
func (s *script) add(parts ...string) *script {
	for _, p := range parts {
		s.text = append(s.text, p...)
	}
	return s
}

// arg appends a parameter and its argument.
func (s *script) arg(v any) *script {
	s.args = append(s.args, v)
	s.text = append(s.text, s.d.Param...)
	s.text = strconv.AppendInt(s.text, int64(len(s.args)), 10)
	return s
}

// with sets the arguments of parameters that the text has already.
func (s *script) with(args ...any) *script {
	s.args = args
	return s
}

func (s *script) value(v backend.Value) *script { return s.arg(native(v)) }

// native is v as drivers take it.
func native(v backend.Value) any {
	switch v.Kind() {
	case backend.String:
		return v.Str()
	case backend.Float:
		return v.Float()
	}
	return v.Int()
}

// array appends a parameter that holds a value for each of n rows, for dialects with arrays.
func (s *script) array(k backend.Kind, n int, at func(row int) backend.Value) *script {
	switch k {
	case backend.String:
		list := make([]string, n)
		for i := range list {
			list[i] = at(i).Str()
		}
		return s.arg(list).add("::text[]")
	case backend.Float:
		list := make([]float64, n)
		for i := range list {
			list[i] = at(i).Float()
		}
		return s.arg(list).add("::float8[]")
	}
	list := make([]int64, n)
	for i := range list {
		list[i] = at(i).Int()
	}
	return s.arg(list).add("::bigint[]")
}

// rows appends a query that gives n rows of cols, of which the engine knows the types.
func (s *script) rows(cols []column, n int, at func(row, col int) backend.Value) *script {
	if s.d.Arrays && n > 1 {
		return s.unnest(cols, n, at)
	}
	s.add("VALUES ")
	for row := range n {
		if row > 0 {
			s.add(", ")
		}
		s.add("(")
		for c := range cols {
			if c > 0 {
				s.add(", ")
			}
			s.value(at(row, c))
		}
		s.add(")")
	}
	return s
}

// columns appends the names of cols, each behind prefix.
func (s *script) columns(prefix string, cols []column) *script {
	for i, c := range cols {
		if i > 0 {
			s.add(", ")
		}
		s.add(prefix, c.quoted)
	}
	return s
}

// unnest appends a query that gives n rows of cols, from arrays.
func (s *script) unnest(cols []column, n int, at func(row, col int) backend.Value) *script {
	s.add("SELECT * FROM unnest(")
	for c, col := range cols {
		if c > 0 {
			s.add(", ")
		}
		s.array(col.kind, n, func(row int) backend.Value { return at(row, c) })
	}
	return s.add(")")
}

// in appends the condition that the columns cols, each behind prefix, are among n rows.
func (s *script) in(prefix string, cols []column, n int, at func(row, col int) backend.Value) *script {
	if n == 1 {
		for i, c := range cols {
			if i > 0 {
				s.add(" AND ")
			}
			s.add(prefix, c.quoted, " = ").value(at(0, i))
		}
		return s
	}
	return s.add("(").columns(prefix, cols).add(") IN (").rows(cols, n, at).add(")")
}

package backendtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
)

// reader reads a state of the reference backend.
type reader struct {
	*handle
	ctx    context.Context
	schema backend.Schema
	now    func() state
}

func (r reader) Get(table string, k ...backend.Value) (backend.Row, error) {
	if _, err := r.schema.Table(table); err != nil {
		return backend.Row{}, err
	}
	row, ok := r.now().tables[table][backend.Key(k).String()]
	if !ok {
		return row, fmt.Errorf("row %s of %s: %w", backend.Key(k), table, backend.ErrNotFound)
	}
	return r.out(row), nil
}

// out is a row as it is returned.
func (r reader) out(row backend.Row) backend.Row {
	if r.is("rows are returned as they are kept") {
		return backend.Row{Key: row.Key, Doc: row.Doc}
	}
	return backend.Row{Key: slices.Clone(row.Key), Doc: bytes.Clone(row.Doc)}
}

func (r reader) Find(q backend.Query) ([]backend.Row, error) {
	t, err := r.schema.Table(q.Table)
	if err != nil {
		return nil, err
	}
	if err := t.CheckQuery(q); err != nil {
		return nil, err
	}
	q.Where = slices.Clone(q.Where)
	list := slices.Collect(maps.Values(r.now().tables[q.Table]))
	if len(list) > longList && !r.is("a long Find that ignores its context") {
		if list, err = r.sift(t, list, q); err != nil {
			return nil, err
		}
	}
	found := r.answer(t, list, q)
	for i := range found {
		fields := found[i].Fields
		if found[i] = r.out(found[i]); !r.is("no fields are returned") {
			found[i].Fields = fields
		}
	}
	return found, nil
}

const longList = 900

// sift leaves out of a long list what does not meet q, and looks at the context meanwhile.
func (r reader) sift(t *backend.Table, list []backend.Row, q backend.Query) (kept []backend.Row, err error) {
	for part := range slices.Chunk(list, 50) {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		for _, row := range part {
			if len(backendtest.Answer(t, []backend.Row{row}, backend.Query{Table: q.Table, Where: q.Where})) > 0 {
				kept = append(kept, row)
			}
		}
	}
	return kept, nil
}

// answer is the oracle's, with what the mutations of queries change.
func (r reader) answer(t *backend.Table, list []backend.Row, q backend.Query) []backend.Row {
	limit := q.Limit
	switch {
	case r.is("Limit is one row more") && limit > 0:
		q.Limit++
	case r.is("After is answered again") && len(q.After) > 0:
		last := backend.Query{Table: q.Table, Where: q.Where}
		for i, part := range t.KeyFields() {
			last.Where = append(last.Where, backend.Cond{Field: part.Name, Value: q.After[len(q.After)-len(t.KeyFields())+i]})
		}
		return append(backendtest.Answer(t, list, last), backendtest.Answer(t, list, q)...)
	case r.is("After compares the order only") && q.Order != "" && len(q.After) > 0:
		op := backend.Gt
		if q.Desc {
			op = backend.Lt
		}
		q.Where = append(q.Where, backend.Cond{Field: q.Order, Op: op, Value: q.After[0]})
		q.After = nil
	case r.is("both conditions are about one element"):
		return slices.DeleteFunc(backendtest.Answer(t, list, q), func(row backend.Row) bool {
			seen := map[string]backend.Value{}
			for _, c := range q.Where {
				if before, ok := seen[c.Field]; ok && c.Field == "labels" && before != c.Value && c.Op == backend.Eq {
					return true
				}
				seen[c.Field] = c.Value
			}
			return false
		})
	case r.is("an empty In is no condition"):
		q.Where = slices.DeleteFunc(q.Where, func(c backend.Cond) bool { return c.Op == backend.In && len(c.Values) == 0 })
	case r.is("a wrong collation, without case"):
		return r.collated(t, list, q, strings.ToLower)
	case r.is("a wrong collation, of UTF-16"):
		return r.collated(t, list, q, surrogates)
	}
	return backendtest.Answer(t, list, q)
}

// surrogates writes a rune of four bytes as its two UTF-16 units, of three bytes each: then bytes have the order of UTF-16.
func surrogates(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > 0xffff }) < 0 {
		return s
	}
	var b []byte
	for _, r := range s {
		if r <= 0xffff {
			b = utf8.AppendRune(b, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			b = append(b, 0xe0|byte(unit>>12), 0x80|byte(unit>>6)&0x3f, 0x80|byte(unit)&0x3f)
		}
	}
	return string(b)
}

// collated asks the oracle about strings that collate maps to what it compares.
func (r reader) collated(t *backend.Table, list []backend.Row, q backend.Query, collate func(string) string) []backend.Row {
	value := func(v backend.Value) backend.Value {
		if v.Kind() != backend.String || t.Log {
			return v
		}
		return backend.StringValue(collate(v.Str()))
	}
	each := func(list []backend.Value) []backend.Value {
		mapped := make([]backend.Value, len(list))
		for i, v := range list {
			mapped[i] = value(v)
		}
		return mapped
	}
	original := map[string]backend.Row{}
	mapped := make([]backend.Row, len(list))
	for i, row := range list {
		m := backend.Row{Key: each(row.Key), Fields: map[string]any{}, Doc: strconv.AppendInt(nil, int64(i), 10)}
		original[string(m.Doc)] = row
		for name, content := range row.Fields {
			switch c := content.(type) {
			case backend.Value:
				m.Fields[name] = value(c)
			case []string:
				var set []string
				for _, e := range c {
					set = append(set, collate(e))
				}
				m.Fields[name] = set
			case map[string]backend.Value:
				entries := map[string]backend.Value{}
				for k, v := range c {
					entries[k] = value(v)
				}
				m.Fields[name] = entries
			}
		}
		mapped[i] = m
	}
	q.After = each(q.After)
	for i := range q.Where {
		q.Where[i].Value, q.Where[i].Values = value(q.Where[i].Value), each(q.Where[i].Values)
	}
	found := backendtest.Answer(t, mapped, q)
	for i := range found {
		found[i] = original[string(found[i].Doc)]
	}
	return found
}

// tx is an Update of the reference backend.
type tx struct {
	*handle
	ctx     context.Context
	schema  backend.Schema
	base    state
	changes []func(s *state)
	failed  error
	late    error
}

func (tx *tx) apply(s *state) {
	for _, change := range tx.changes {
		change(s)
	}
}

// do makes one change.
func (tx *tx) do(change func(s *state)) {
	tx.changes = append(tx.changes, change)
	change(&tx.base)
}

func (tx *tx) reader() reader {
	return reader{tx.handle, tx.ctx, tx.schema, func() state {
		if !tx.concurrent() {
			return tx.base
		}
		s := tx.current().next()
		tx.apply(&s)
		return s
	}}
}

func (tx *tx) fail(err error) error {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
	return err
}

func (tx *tx) Get(table string, k ...backend.Value) (backend.Row, error) {
	if row, ok := tx.reader().now().tables[table][backend.Key(k).String()]; ok && tx.is("a change in place survives a rollback") {
		return row, nil
	}
	row, err := tx.reader().Get(table, k...)
	if _, undeclared := tx.schema.Table(table); undeclared != nil {
		return row, tx.fail(err)
	}
	return row, err
}

func (tx *tx) Find(q backend.Query) ([]backend.Row, error) {
	found, err := tx.reader().Find(q)
	return found, tx.fail(err)
}

func (tx *tx) Insert(table string, list ...backend.Row) error { return tx.write(table, true, list) }
func (tx *tx) Put(table string, list ...backend.Row) error    { return tx.write(table, false, list) }

func (tx *tx) write(table string, insert bool, list []backend.Row) error {
	t, err := tx.schema.Table(table)
	if err != nil {
		return tx.fail(err)
	}
	if t.Log {
		return tx.fail(fmt.Errorf("table %s: %w: a Log takes rows by Append", table, backend.ErrInvalid))
	}
	for _, row := range list {
		if err := t.CheckRow(row); err != nil {
			return tx.fail(err)
		}
		now := tx.reader().now().tables[table]
		if _, taken := now[row.Key.String()]; taken && insert {
			return tx.fail(fmt.Errorf("row %s of %s: %w", row.Key, table, backend.ErrExists))
		}
		if err := tx.unique(tx.base.stored(t), now, row); err != nil {
			if !tx.is("unique indexes are checked at the commit") {
				return tx.fail(err)
			}
			tx.late = err
		}
		kept := tx.in(t, row, now[row.Key.String()])
		tx.do(func(s *state) { s.put(table, kept) })
	}
	return nil
}

// in is a row as it is kept.
func (tx *tx) in(t *backend.Table, row, before backend.Row) backend.Row {
	if tx.is("rows are kept as they are passed") {
		return row
	}
	kept := backend.Row{Key: slices.Clone(row.Key), Fields: map[string]any{}, Doc: bytes.Clone(row.Doc)}
	for name, content := range row.Fields {
		switch c := content.(type) {
		case []string:
			content = slices.Clone(c)
		case map[string]backend.Value:
			m := maps.Clone(c)
			if old, ok := before.Fields[name].(map[string]backend.Value); ok && tx.is("Put keeps what a Map held") {
				maps.Copy(m, old)
				maps.Copy(m, c)
			}
			content = m
		}
		kept.Fields[name] = content
	}
	switch {
	case tx.is("a dropped field") && len(t.Fields) > 0:
		delete(kept.Fields, t.Fields[len(t.Fields)-1].Name)
	case tx.is("a document made anew"):
		var doc bytes.Buffer
		if json.Compact(&doc, kept.Doc) == nil {
			kept.Doc = doc.Bytes()
		}
	case tx.is("times of milliseconds"), tx.is("integers as floats"):
		for name, content := range kept.Fields {
			if v, ok := content.(backend.Value); ok && v.Kind() == backend.Time && tx.is("times of milliseconds") {
				kept.Fields[name] = backend.TimeValue(v.Time().Truncate(time.Millisecond))
			} else if ok && v.Kind() == backend.Int && tx.is("integers as floats") {
				kept.Fields[name] = backend.IntValue(int64(float64(v.Int())))
			}
		}
	}
	return kept
}

// unique compares row with every other.
func (h *handle) unique(t *backend.Table, now rows, row backend.Row) error {
	for _, x := range t.Indexes {
		if !x.Unique || h.is("a unique index not checked") {
			continue
		}
		mine := entries(t, x, row)
		for name, other := range now {
			if name == row.Key.String() {
				continue
			}
			for _, e := range entries(t, x, other) {
				if slices.Contains(mine, e) {
					return fmt.Errorf("%s of row %s of %s: %w", e, other.Key, t.Name, backend.ErrExists)
				}
			}
		}
	}
	return nil
}

// stored is t as all its declarations together are.
func (s state) stored(t *backend.Table) *backend.Table {
	if all, ok := s.declared[t.Name]; ok {
		return &all
	}
	return t
}

// entries are what an index holds of a row.
func entries(t *backend.Table, x backend.Index, row backend.Row) []string {
	prefix := ""
	for _, name := range x.Fields {
		f, isKey, _ := t.Field(name)
		if isKey {
			i := slices.IndexFunc(t.Key, func(part backend.Field) bool { return part.Name == name })
			prefix += row.Key[i].String()
			continue
		}
		switch f.Shape {
		case backend.Set:
			var list []string
			set, _ := row.Fields[name].([]string)
			for _, e := range set {
				list = append(list, fmt.Sprintf("%s %q", prefix, e))
			}
			return list
		case backend.Map:
			var list []string
			m, _ := row.Fields[name].(map[string]backend.Value)
			for k, v := range m {
				list = append(list, fmt.Sprintf("%s %q %s", prefix, k, v))
			}
			return list
		}
		v, ok := row.Fields[name].(backend.Value)
		if !ok {
			v = backend.ZeroValue(f.Kind)
		}
		if v == backend.StringValue("") {
			return nil
		}
		prefix += v.String()
	}
	return []string{prefix}
}

func (tx *tx) Delete(table string, keys ...backend.Key) error {
	t, err := tx.schema.Table(table)
	if err != nil {
		return tx.fail(err)
	}
	if t.Log {
		return tx.fail(fmt.Errorf("table %s: %w: rows of a Log stay", table, backend.ErrInvalid))
	}
	for _, k := range keys {
		gone := slices.Clone(k)
		tx.do(func(s *state) { s.delete(table, gone) })
	}
	return nil
}

func (tx *tx) Append(table string, list ...backend.Row) (last backend.Position, err error) {
	t, err := tx.schema.Table(table)
	if err != nil {
		return "", tx.fail(err)
	}
	if !t.Log {
		return "", tx.fail(fmt.Errorf("table %s: %w: not a Log", table, backend.ErrInvalid))
	}
	for _, row := range list {
		if err := t.CheckRow(row); err != nil {
			return "", tx.fail(err)
		}
		last = backend.Position(fmt.Sprintf("%016x", tx.last.Add(1)))
		row.Key = backend.Key{backend.StringValue(string(last))}
		kept := tx.in(t, row, backend.Row{})
		add := func(s *state) { s.put(table, kept) }
		tx.do(add)
		if tx.is("an early event") {
			tx.change(add)
		}
	}
	return last, nil
}

package backendtest

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// answer is what Find has to answer if the table holds rows: found out by looking at every row.
func answer(t *backend.Table, rows []backend.Row, q backend.Query) []backend.Row {
	var found []backend.Row
	for _, r := range rows {
		if meetsAll(t, r, q.Where) {
			found = append(found, r)
		}
	}
	place := func(r backend.Row) backend.Key {
		if q.Order == "" {
			return r.Key
		}
		return append(backend.Key{contents(t, r, q.Order, "")[0]}, r.Key...)
	}
	slices.SortFunc(found, func(a, b backend.Row) int { return place(a).Compare(place(b)) })
	if q.Desc {
		slices.Reverse(found)
	}
	if len(q.After) > 0 {
		found = slices.DeleteFunc(found, func(r backend.Row) bool {
			c := place(r).Compare(q.After)
			return c == 0 || (c < 0) != q.Desc
		})
	}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	for i, r := range found {
		found[i].Fields = nil
		if q.Fields {
			found[i].Fields = stored(t, r)
		}
	}
	return found
}

// stored are the fields of a row as a query with Fields returns them.
func stored(t *backend.Table, r backend.Row) map[string]any {
	fields := map[string]any{}
	for _, f := range t.Fields {
		switch content := r.Fields[f.Name].(type) {
		case []string:
			if len(content) > 0 {
				fields[f.Name] = slices.Compact(slices.Sorted(slices.Values(content)))
			}
		case map[string]backend.Value:
			if len(content) > 0 {
				fields[f.Name] = maps.Clone(content)
			}
		case backend.Value:
			fields[f.Name] = content
		default:
			if f.Shape == backend.One {
				fields[f.Name] = backend.ZeroValue(f.Kind)
			}
		}
	}
	return fields
}

func meetsAll(t *backend.Table, r backend.Row, where []backend.Cond) bool {
	for _, c := range where {
		if !slices.ContainsFunc(contents(t, r, c.Field, c.Name), func(v backend.Value) bool { return meets(v, c) }) {
			return false
		}
	}
	return true
}

// contents are the values of a row's key part or field; of a Map, the one under name.
func contents(t *backend.Table, r backend.Row, field, name string) []backend.Value {
	for i, part := range t.KeyFields() {
		if part.Name == field {
			return r.Key[i : i+1]
		}
	}
	switch content := r.Fields[field].(type) {
	case backend.Value:
		return []backend.Value{content}
	case []string:
		var values []backend.Value
		for _, s := range content {
			values = append(values, backend.StringValue(s))
		}
		return values
	case map[string]backend.Value:
		if v, ok := content[name]; ok {
			return []backend.Value{v}
		}
		return nil
	}
	if f, _, _ := t.Field(field); f.Shape == backend.One {
		return []backend.Value{backend.ZeroValue(f.Kind)}
	}
	return nil
}

func meets(v backend.Value, c backend.Cond) bool {
	d := v.Compare(c.Value)
	switch c.Op {
	case backend.Eq:
		return d == 0
	case backend.In:
		return slices.Contains(c.Values, v)
	case backend.Lt:
		return d < 0
	case backend.Le:
		return d <= 0
	case backend.Gt:
		return d > 0
	case backend.Ge:
		return d >= 0
	}
	return strings.HasPrefix(v.Str(), c.Value.Str())
}

// finder is Find as a Reader has it.
func (s *store) finder(b backend.Backend) func(backend.Query) ([]backend.Row, error) {
	return func(q backend.Query) ([]backend.Row, error) { return b.Find(s.ctx, q) }
}

// asks compares what find answers to q with the oracle.
func (s *store) asks(t *backend.Table, rows []backend.Row, q backend.Query, find func(backend.Query) ([]backend.Row, error)) {
	s.Helper()
	got, err := find(q)
	if err != nil {
		s.Fatalf("Find %s: %v", show(q), err)
	}
	if err := differAsked(got, answer(t, rows, q), q); err != nil {
		s.Fatalf("Find %s: %v", show(q), err)
	}
}

// sameRows compares rows as read: by key and document.
func (s *store) sameRows(got, want []backend.Row, promise string) {
	s.Helper()
	if err := differ(got, want); err != nil {
		s.Fatalf("%s: %v", promise, err)
	}
}

// differAsked is differ for the answer to q.
func differAsked(got, want []backend.Row, q backend.Query) error {
	if !q.Fields {
		return differ(got, want)
	}
	bare := slices.Clone(got)
	for i := range bare {
		if i < len(want) && !reflect.DeepEqual(got[i].Fields, want[i].Fields) {
			return fmt.Errorf("row %d, %s, came with the Fields %s, want %s", i, clip(got[i].Key.String()), clip(fmt.Sprint(got[i].Fields)), clip(fmt.Sprint(want[i].Fields)))
		}
		bare[i].Fields = nil
	}
	return differ(bare, want)
}

// differ tells the first difference between rows as read; for the inside of an Update too, where a test must not end.
func differ(got, want []backend.Row) error {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("%d rows, want %d; the first that lacks is %s", len(got), len(want), clip(want[i].Key.String()))
		case i >= len(want):
			return fmt.Errorf("%d rows, want %d; the first too many is %s", len(got), len(want), clip(got[i].Key.String()))
		case !slices.Equal(got[i].Key, want[i].Key):
			return fmt.Errorf("row %d of %d is %s, want %s", i, len(got), clip(got[i].Key.String()), clip(want[i].Key.String()))
		case !bytes.Equal(got[i].Doc, want[i].Doc):
			return fmt.Errorf("row %d, %s, has the document %s, want %s", i, clip(got[i].Key.String()), clip(string(got[i].Doc)), clip(string(want[i].Doc)))
		case len(got[i].Fields) > 0:
			return fmt.Errorf("row %d, %s, came with Fields; a row as read has Key and Doc only", i, clip(got[i].Key.String()))
		}
	}
	return nil
}

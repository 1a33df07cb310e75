package modelregistry

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// A Mismatch is where a request does not fit a signature. It is an ErrInvalid.
type Mismatch struct {
	Row    int    // counted from 0; -1 if it is about all rows, a tensor or a param
	Column string // with the way into it: "age", "address.city", "tags[2]"; by position if columns have no names
	Param  bool   // it is about a param, and Column is the param's name
	Want   string // what would fit: "long"
	Got    string // what is there
}

func (m *Mismatch) Error() string {
	var b strings.Builder
	if m.Row >= 0 {
		fmt.Fprintf(&b, "row %d: ", m.Row)
	}
	what := "column"
	if m.Param {
		what = "param"
	}
	if m.Column != "" {
		fmt.Fprintf(&b, "%s %.200q: ", what, m.Column)
	}
	fmt.Fprintf(&b, "want %.200s, got %.200s", m.Want, m.Got)
	return b.String()
}

// Is makes errors.Is(err, ErrInvalid) true.
func (m *Mismatch) Is(target error) bool { return target == ErrInvalid }

// maxMismatches is how many of them an error lists.
const maxMismatches = 10

// Validate says whether a request fits: nil, or an ErrInvalid that joins the first ten of its *Mismatch. See
// Schema.Validate for inputs; a signature that declares none takes anything. Params that are not declared are ignored,
// as MLflow ignores them.
func (s *Signature) Validate(inputs any, params map[string]any) error {
	c := &fitter{}
	if len(s.Inputs) > 0 {
		c.schema(s.Inputs, inputs)
	}
	for i := range s.Params {
		p := &s.Params[i]
		value, given := params[p.Name]
		if !given {
			continue
		}
		if m := p.fits(value); m != nil {
			c.add(m)
		}
	}
	return c.err()
}

// Validate says whether data fits the schema: nil, or an ErrInvalid that joins the first ten of its *Mismatch.
//
// For columns, data is the rows: []map[string]any, one such map, structs, or what encoding/json makes of JSON; for
// columns without names each row is a list, or a value if it is but one column. For tensors it is nested slices such as
// [][]float32, under their names in a map if they have any. Columns that are not in the schema are ignored, as MLflow
// ignores them.
func (s Schema) Validate(data any) error {
	c := &fitter{}
	c.schema(s, data)
	return c.err()
}

// A fitter collects mismatches.
type fitter struct {
	row   int
	found []error
}

func (c *fitter) add(m *Mismatch) {
	if len(c.found) < maxMismatches {
		c.found = append(c.found, m)
	}
}

func (c *fitter) full() bool { return len(c.found) >= maxMismatches }

func (c *fitter) err() error { return errors.Join(c.found...) }

func (c *fitter) miss(column, want string, got any) {
	c.add(&Mismatch{Row: c.row, Column: column, Want: want, Got: describe(got)})
}

func (c *fitter) schema(s Schema, data any) {
	c.row = -1
	if s.tensors() {
		c.tensors(s, data)
		return
	}
	rows, err := rowsOf(data)
	if err != nil {
		c.add(&Mismatch{Row: -1, Want: "rows", Got: err.Error()})
		return
	}
	for i, row := range rows {
		if c.full() {
			return
		}
		if c.row = i; s.named() {
			c.named(s, row)
		} else {
			c.positional(s, row)
		}
	}
}

// rowsOf makes a list of rows of what a caller gives.
func rowsOf(data any) ([]any, error) {
	switch d := data.(type) {
	case []any:
		return d, nil
	case map[string]any:
		return []any{d}, nil
	case []map[string]any:
		rows := make([]any, len(d))
		for i := range d {
			rows[i] = d[i]
		}
		return rows, nil
	case nil:
		return nil, errors.New("nothing")
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", data, err)
	}
	plain, err := readValue(text)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", data, err)
	}
	if list, ok := plain.([]any); ok {
		return list, nil
	}
	return []any{plain}, nil
}

func (c *fitter) named(s Schema, row any) {
	values, ok := row.(map[string]any)
	if !ok {
		c.miss("", "columns by name", row)
		return
	}
	for i := range s {
		value, given := values[s[i].Name]
		switch {
		case given:
			c.column(s[i].Name, &s[i], value)
		case !s[i].Optional:
			c.add(&Mismatch{Row: c.row, Column: s[i].Name, Want: fmt.Sprint(s[i].Type), Got: "nothing: it is required"})
		}
	}
}

func (c *fitter) positional(s Schema, row any) {
	values, ok := row.([]any)
	if _, array := s[0].Type.(ArrayType); len(s) == 1 && (!ok || array) {
		c.column("0", &s[0], row)
		return
	}
	if !ok || len(values) < len(s) {
		c.miss("", fmt.Sprintf("a list of %d columns", len(s)), row)
		return
	}
	for i := range s {
		c.column(s.label(i), &s[i], values[i])
	}
}

// column checks a value of a column, or of a property.
func (c *fitter) column(path string, col *Column, value any) {
	if value = plain(value); value == nil && col.Optional {
		return
	}
	c.value(path, col.Type, value)
}

// plain follows pointers.
func plain(value any) any {
	v := reflect.ValueOf(value)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
		value = v.Interface()
	}
	return value
}

func (c *fitter) value(path string, t Type, value any) {
	if c.full() {
		return
	}
	value = plain(value)
	switch t := t.(type) {
	case AnyType:
	case DataType:
		if !t.fits(value) {
			c.miss(path, string(t), value)
		}
	case SparkVectorType:
		c.list(path, t, TypeDouble, value)
	case ArrayType:
		c.list(path, t, t.Items, value)
	case MapType:
		c.dict(path, t, value)
	case ObjectType:
		c.object(path, t, value)
	}
}

// list checks the elements of an array.
func (c *fitter) list(path string, t, items Type, value any) {
	v := reflect.ValueOf(value)
	if k := v.Kind(); k != reflect.Slice && k != reflect.Array {
		if _, open := items.(AnyType); value != nil || !open {
			c.miss(path, t.String(), value)
		}
		return
	}
	for i := range v.Len() {
		c.value(fmt.Sprintf("%s[%d]", path, i), items, v.Index(i).Interface())
	}
}

func (c *fitter) dict(path string, t MapType, value any) {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
		if _, open := t.Values.(AnyType); value != nil || !open {
			c.miss(path, t.String(), value)
		}
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		c.value(path+"."+k.String(), t.Values, v.MapIndex(k).Interface())
	}
}

// object checks properties. Unlike columns, those that are not declared are refused; so does MLflow.
func (c *fitter) object(path string, t ObjectType, value any) {
	values, ok := value.(map[string]any)
	if !ok {
		if values, ok = asObject(value); !ok {
			c.miss(path, t.String(), value)
			return
		}
	}
	left := len(values)
	for i := range t.Properties {
		p := &t.Properties[i]
		inner, given := values[p.Name]
		if given {
			left--
			c.column(path+"."+p.Name, p, inner)
		} else if !p.Optional {
			c.add(&Mismatch{Row: c.row, Column: path + "." + p.Name, Want: fmt.Sprint(p.Type), Got: "nothing: it is required"})
		}
	}
	if left == 0 {
		return
	}
	for name := range values {
		if c.full() {
			return
		}
		if !slices.ContainsFunc(t.Properties, func(p Column) bool { return p.Name == name }) {
			c.miss(path+"."+name, "no such property", values[name])
		}
	}
}

// asObject makes properties of a struct, or of a map of another type.
func asObject(value any) (map[string]any, bool) {
	if k := reflect.ValueOf(value).Kind(); k != reflect.Struct && k != reflect.Map {
		return nil, false
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, false
	}
	v, err := readValue(text)
	if err != nil {
		return nil, false
	}
	values, ok := v.(map[string]any)
	return values, ok
}

// fits checks a param's value; null is always one.
func (p *Param) fits(value any) *Mismatch {
	if value = plain(value); value == nil {
		return nil
	}
	c := &fitter{row: -1}
	if p.List {
		c.list(p.Name, ArrayType{p.Type}, p.Type, value)
	} else {
		c.value(p.Name, p.Type, value)
	}
	if len(c.found) == 0 {
		return nil
	}
	m := c.found[0].(*Mismatch)
	m.Param = true
	return m
}

// describe says what a value is, in few words.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%.80q", v)
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "an object"
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return fmt.Sprintf("the number %.0f", v)
		}
		return fmt.Sprintf("the number %v", v)
	}
	v := reflect.ValueOf(value)
	switch {
	case v.CanInt() || v.CanUint() || v.CanFloat() || v.Type() == reflect.TypeFor[json.Number]():
		return fmt.Sprintf("the number %v", value)
	case v.Kind() == reflect.Bool:
		return fmt.Sprint(value)
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		return fmt.Sprintf("a list of %d", v.Len())
	}
	return fmt.Sprintf("a %T", value)
}

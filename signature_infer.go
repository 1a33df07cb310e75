package modelregistry

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// InferSignature makes a signature from samples of what goes into a model and what comes out of it; nil leaves a side
// undeclared.
//
//	InferSignature([]Applicant{}, []float64{0.5})         // columns from a struct's fields
//	InferSignature([]map[string]any{{"age": 41}}, nil)    // columns from rows
//	InferSignature([][]float64{{5.1, 3.5, 1.4, 0.2}}, []int64{0})
//
// The last are tensors, (-1, 4) of float64 and (-1) of int64: any number of rows. So are slices of slices of any depth,
// and of texts and bools; a map from names to slices is tensors with names. A dimension in which the samples differ is -1.
//
// A struct's fields are columns under their JSON names, in their order; pointers and fields with omitempty or omitzero
// are optional. In rows, a column that is null or not there in some is optional. A single value is one column without
// a name. int and int64 are long, smaller integers integer; time.Time is datetime and []byte binary.
func InferSignature(inputs, outputs any) (*Signature, error) {
	s := new(Signature)
	var err error
	if s.Inputs, err = InferSchema(inputs); err != nil {
		return nil, fmt.Errorf("infer inputs: %w", err)
	}
	if s.Outputs, err = InferSchema(outputs); err != nil {
		return nil, fmt.Errorf("infer outputs: %w", err)
	}
	return s, s.Check()
}

// InferSchema makes the schema of one side; see InferSignature. That of nil is empty.
func InferSchema(sample any) (Schema, error) {
	if sample == nil {
		return nil, nil
	}
	v := follow(reflect.ValueOf(sample))
	if !v.IsValid() {
		return nil, fmt.Errorf("%w: a nil %T says nothing", ErrInvalid, sample)
	}
	if list, ok := v.Interface().([]any); ok && len(list) > 0 && isRow(list[0]) {
		return inferRows(list)
	}
	t := v.Type()
	switch {
	case t.Kind() == reflect.Struct && !leaf(t):
		columns, err := structColumns(t, 0)
		return columns, err
	case t.Kind() == reflect.Map:
		return inferMap(v)
	case listOf(t) != nil && listOf(t).Kind() == reflect.Struct && !leaf(listOf(t)):
		columns, err := structColumns(listOf(t), 0)
		return columns, err
	case listOf(t) != nil && listOf(t).Kind() == reflect.Map:
		rows := make([]any, v.Len())
		for i := range rows {
			rows[i] = v.Index(i).Interface()
		}
		return inferRows(rows)
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && !leaf(t):
		tensor, err := inferTensor(v)
		if err != nil {
			return nil, err
		}
		return Schema{{Type: tensor}}, nil
	}
	typ, err := valueType(v.Interface(), 0)
	if err != nil {
		return nil, err
	}
	return Schema{{Type: typ}}, nil
}

// follow goes through pointers and interfaces; what is invalid was nil.
func follow(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// leaf says whether values of a Go type are single values although their kind is not.
func leaf(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Time]() || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// listOf is the type of a slice's elements, behind pointers; nil if t is no slice.
func listOf(t reflect.Type) reflect.Type {
	if t.Kind() != reflect.Slice && t.Kind() != reflect.Array || leaf(t) {
		return nil
	}
	if t = t.Elem(); t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isRow(v any) bool { return follow(reflect.ValueOf(v)).Kind() == reflect.Map }

// structColumns are the columns of a struct's fields, as encoding/json names them.
func structColumns(t reflect.Type, depth int) ([]Column, error) {
	if depth > maxTypeDepth {
		return nil, fmt.Errorf("%w: Go type %v nests more than %d deep; one that contains itself has no schema", ErrInvalid, t, maxTypeDepth)
	}
	var columns []Column
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" && options == "" || !f.IsExported() && !f.Anonymous {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct && !leaf(inner) {
			embedded, err := structColumns(inner, depth+1)
			if err != nil {
				return nil, err
			}
			columns = append(columns, embedded...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		typ, err := goType(inner, depth+1)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		columns = append(columns, Column{Name: name, Type: typ,
			Optional: f.Type.Kind() == reflect.Pointer || strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")})
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("%w: Go type %v has no exported fields", ErrInvalid, t)
	}
	return columns, nil
}

// goType is the type of all values of a Go type.
func goType(t reflect.Type, depth int) (Type, error) {
	if depth > maxTypeDepth {
		return nil, fmt.Errorf("%w: Go type %v nests more than %d deep; one that contains itself has no schema", ErrInvalid, t, maxTypeDepth)
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return TypeDatetime, nil
	case reflect.TypeFor[json.Number]():
		return TypeDouble, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return goType(t.Elem(), depth+1)
	case reflect.Bool:
		return TypeBoolean, nil
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16:
		return TypeInteger, nil
	case reflect.Int, reflect.Int64, reflect.Uint32:
		return TypeLong, nil
	case reflect.Float32:
		return TypeFloat, nil
	case reflect.Float64:
		return TypeDouble, nil
	case reflect.String:
		return TypeString, nil
	case reflect.Interface:
		return AnyType{}, nil
	case reflect.Slice, reflect.Array:
		if leaf(t) {
			return TypeBinary, nil
		}
		items, err := goType(t.Elem(), depth+1)
		return ArrayType{items}, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("%w: Go type %v has keys that are not strings", ErrInvalid, t)
		}
		values, err := goType(t.Elem(), depth+1)
		return MapType{values}, err
	case reflect.Struct:
		properties, err := structColumns(t, depth+1)
		return normal(ObjectType{properties}), err
	case reflect.Uint, reflect.Uint64:
		return nil, fmt.Errorf("%w: Go type %v holds what no type of a signature holds; use int64", ErrInvalid, t)
	}
	return nil, fmt.Errorf("%w: Go type %v has no type in a signature", ErrInvalid, t)
}

// inferMap makes tensors with names of a map of slices, and else one row's columns.
func inferMap(v reflect.Value) (Schema, error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("%w: Go type %v has keys that are not strings", ErrInvalid, v.Type())
	}
	values := map[string]reflect.Value{}
	tensors := v.Len() > 0
	for it := v.MapRange(); it.Next(); {
		value := follow(it.Value())
		values[it.Key().String()] = value
		kind := value.Kind()
		if tensors = tensors && (kind == reflect.Slice || kind == reflect.Array) && !leaf(value.Type()); tensors {
			elem := value.Type().Elem().Kind()
			tensors = elem != reflect.Map && elem != reflect.Struct && elem != reflect.Interface
		}
	}
	if !tensors {
		return inferRows([]any{v.Interface()})
	}
	var s Schema
	for _, name := range slices.Sorted(maps.Keys(values)) {
		tensor, err := inferTensor(values[name])
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		s = append(s, Column{Name: name, Type: tensor})
	}
	return s, nil
}

// inferRows makes columns, in byte order of their names, of rows by name.
func inferRows(rows []any) (Schema, error) {
	properties, err := mergeRows(rows, 0)
	if err == nil && len(properties) == 0 {
		err = fmt.Errorf("%w: rows without columns say nothing", ErrInvalid)
	}
	return properties, err
}

// mergeRows are the columns that maps have together.
func mergeRows(rows []any, depth int) ([]Column, error) {
	types := map[string]Type{}
	present := map[string]int{}
	for i, row := range rows {
		v := follow(reflect.ValueOf(row))
		if v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
			return nil, fmt.Errorf("row %d: %w: %s is not columns by name", i, ErrInvalid, describe(row))
		}
		for it := v.MapRange(); it.Next(); {
			name := it.Key().String()
			t, err := valueType(it.Value().Interface(), depth+1)
			if err == nil {
				t, err = merge(types[name], t)
			}
			if err != nil {
				return nil, fmt.Errorf("row %d: column %q: %w", i, name, err)
			}
			if types[name] = t; follow(it.Value()).IsValid() {
				present[name]++
			}
		}
	}
	var columns []Column
	for _, name := range slices.Sorted(maps.Keys(types)) {
		columns = append(columns, Column{Name: name, Type: types[name], Optional: present[name] < len(rows)})
	}
	return columns, nil
}

// valueType is the type of one value; that of null is any.
func valueType(value any, depth int) (Type, error) {
	if depth > maxTypeDepth {
		return nil, fmt.Errorf("%w: it nests more than %d deep", ErrInvalid, maxTypeDepth)
	}
	v := follow(reflect.ValueOf(value))
	switch {
	case !v.IsValid():
		return AnyType{}, nil
	case v.Type() == reflect.TypeFor[json.Number]():
		if _, err := v.Interface().(json.Number).Int64(); err == nil {
			return TypeLong, nil
		}
		return TypeDouble, nil
	case v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Interface:
		properties, err := mergeRows([]any{v.Interface()}, depth)
		return ObjectType{properties}, err
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Interface:
		var items Type
		for i := range v.Len() {
			t, err := valueType(v.Index(i).Interface(), depth+1)
			if err == nil {
				items, err = merge(items, t)
			}
			if err != nil {
				return nil, err
			}
		}
		if items == nil {
			items = AnyType{}
		}
		return ArrayType{items}, nil
	}
	return goType(v.Type(), depth)
}

// merge is the type that holds the values of both; nil is that of none.
func merge(a, b Type) (Type, error) {
	if _, open := a.(AnyType); a == nil || open {
		return b, nil
	}
	if _, open := b.(AnyType); open {
		return a, nil
	}
	switch x := a.(type) {
	case DataType:
		if a == b {
			return a, nil
		}
		for _, pair := range [...][3]Type{
			{TypeInteger, TypeLong, TypeLong}, {TypeFloat, TypeDouble, TypeDouble},
			{TypeInteger, TypeDouble, TypeDouble}, {TypeLong, TypeDouble, TypeDouble},
			{TypeInteger, TypeFloat, TypeDouble}, {TypeLong, TypeFloat, TypeDouble},
		} {
			if a == pair[0] && b == pair[1] || a == pair[1] && b == pair[0] {
				return pair[2], nil
			}
		}
	case ArrayType:
		if y, ok := b.(ArrayType); ok {
			items, err := merge(x.Items, y.Items)
			return ArrayType{items}, err
		}
	case MapType:
		if y, ok := b.(MapType); ok {
			values, err := merge(x.Values, y.Values)
			return MapType{values}, err
		}
	case ObjectType:
		if y, ok := b.(ObjectType); ok {
			return mergeObjects(x, y)
		}
	}
	return nil, fmt.Errorf("%w: it is %v in one place and %v in another", ErrInvalid, a, b)
}

func mergeObjects(a, b ObjectType) (Type, error) {
	merged := slices.Clone(a.Properties)
	for i := range merged {
		at := slices.IndexFunc(b.Properties, func(p Column) bool { return p.Name == merged[i].Name })
		if at < 0 {
			merged[i].Optional = true
			continue
		}
		t, err := merge(merged[i].Type, b.Properties[at].Type)
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", merged[i].Name, err)
		}
		merged[i].Type, merged[i].Optional = t, merged[i].Optional || b.Properties[at].Optional
	}
	for _, p := range b.Properties {
		if !slices.ContainsFunc(a.Properties, func(q Column) bool { return q.Name == p.Name }) {
			p.Optional = true
			merged = append(merged, p)
		}
	}
	return normal(ObjectType{merged}), nil
}

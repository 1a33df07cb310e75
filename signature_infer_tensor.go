package modelregistry

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// inferTensor makes a tensor of nested slices; its first dimension is how many rows there are, which varies.
func inferTensor(v reflect.Value) (TensorType, error) {
	var t TensorType
	var measure func(v reflect.Value, depth int) error
	measure = func(v reflect.Value, depth int) error {
		v = follow(v)
		if kind := v.Kind(); kind != reflect.Slice && kind != reflect.Array || leaf(v.Type()) {
			dtype, err := dtypeOf(v)
			switch {
			case err != nil:
				return err
			case depth != len(t.Shape):
				return fmt.Errorf("%w: elements %d and %d slices deep", ErrInvalid, depth, len(t.Shape))
			case t.DType != "" && t.DType != dtype:
				return fmt.Errorf("%w: elements of %s and %s", ErrInvalid, t.DType, dtype)
			}
			t.DType = dtype
			return nil
		}
		switch {
		case depth == len(t.Shape) && t.DType == "":
			t.Shape = append(t.Shape, v.Len())
		case depth == len(t.Shape):
			return fmt.Errorf("%w: elements and slices beside each other", ErrInvalid)
		case t.Shape[depth] != v.Len():
			t.Shape[depth] = -1
		}
		for i := range v.Len() {
			if err := measure(v.Index(i), depth+1); err != nil {
				return err
			}
			if kind := v.Type().Elem().Kind(); kind != reflect.Slice && kind != reflect.Interface && kind != reflect.Array && kind != reflect.Pointer {
				break // the others are like it
			}
		}
		return nil
	}
	if err := measure(v, 0); err != nil {
		return t, err
	}
	if t.DType == "" {
		elem := v.Type()
		for depth := 0; elem.Kind() == reflect.Slice && !leaf(elem); depth++ {
			if elem = elem.Elem(); depth == len(t.Shape) {
				t.Shape = append(t.Shape, -1)
			}
		}
		dtype, err := dtypeOf(reflect.Zero(elem))
		if err != nil {
			return t, fmt.Errorf("%w: without elements there is no telling what they are", ErrInvalid)
		}
		t.DType = dtype
	}
	t.Shape[0] = -1
	return t, nil
}

// dtypeOf is NumPy's name for a Go type.
func dtypeOf(v reflect.Value) (string, error) {
	if !v.IsValid() {
		return "", fmt.Errorf("%w: an element is null", ErrInvalid)
	}
	switch t := v.Type(); {
	case t == reflect.TypeFor[time.Time]():
		return "datetime64[ns]", nil
	case t == reflect.TypeFor[json.Number]():
		return "float64", nil
	case leaf(t):
		return "bytes", nil
	case v.Kind() == reflect.String:
		return "str", nil
	case v.Kind() == reflect.Int:
		return "int64", nil
	case v.Kind() == reflect.Uint:
		return "uint64", nil
	case v.Kind() == reflect.Bool, v.CanInt(), v.CanUint() && v.Kind() != reflect.Uintptr, v.CanFloat(), v.CanComplex():
		return v.Kind().String(), nil
	}
	return "", fmt.Errorf("%w: an element of Go type %v", ErrInvalid, v.Type())
}

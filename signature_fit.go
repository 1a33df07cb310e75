package modelregistry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// fits says whether a value can be converted to the type without getting another one. That lets pass what MLflow casts:
// integers to long and double, float to double, and what JSON cannot tell apart.
func (t DataType) fits(value any) bool {
	switch t {
	case TypeBoolean:
		return reflect.ValueOf(value).Kind() == reflect.Bool
	case TypeString:
		_, number := value.(json.Number)
		return reflect.ValueOf(value).Kind() == reflect.String && !number
	case TypeBinary:
		return fitsBinary(value)
	case TypeDatetime:
		return fitsDatetime(value)
	case TypeInteger:
		n, ok := wholeNumber(value)
		return ok && n >= math.MinInt32 && n <= math.MaxInt32
	case TypeLong:
		_, ok := wholeNumber(value)
		return ok
	}
	f, ok := number(value)
	if ok && t == TypeFloat {
		ok = math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) <= math.MaxFloat32
	}
	return ok
}

// wholeNumber is the value as an int64, if it is one.
func wholeNumber(value any) (int64, bool) {
	if text, ok := value.(json.Number); ok {
		if n, err := text.Int64(); err == nil {
			return n, true
		}
		f, err := text.Float64()
		return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<63
	}
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), v.Uint() <= math.MaxInt64
	case v.CanFloat():
		f := v.Float()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<63
	}
	return 0, false
}

// number is the value as a float64, if it is a number that a float64 holds.
func number(value any) (float64, bool) {
	const exact = 1 << 53
	if text, ok := value.(json.Number); ok {
		f, err := text.Float64()
		return f, err == nil
	}
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		n := v.Int()
		return float64(n), n >= -exact && n <= exact
	case v.CanUint():
		return float64(v.Uint()), v.Uint() <= exact
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}

func fitsBinary(value any) bool {
	if _, ok := value.([]byte); ok {
		return true
	}
	text, ok := value.(string)
	if !ok {
		return false
	}
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil
}

func fitsDatetime(value any) bool {
	if _, ok := value.(time.Time); ok {
		return true
	}
	text, ok := value.(string)
	if !ok {
		return false
	}
	text = strings.Replace(text, " ", "T", 1)
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// tensors checks data against a schema of tensors.
func (c *fitter) tensors(s Schema, data any) {
	v := reflect.ValueOf(data)
	switch byName := v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String; {
	case len(s) == 1 && (!byName || s[0].Name == ""):
		c.tensor(s[0].Name, s[0].Type.(TensorType), data)
		return
	case !byName:
		c.miss("", "tensors by name", data)
		return
	}
	for i := range s {
		value := v.MapIndex(reflect.ValueOf(s[i].Name).Convert(v.Type().Key()))
		if !value.IsValid() {
			c.add(&Mismatch{Row: -1, Column: s[i].Name, Want: fmt.Sprint(s[i].Type), Got: "nothing: it is required"})
			continue
		}
		c.tensor(s[i].Name, s[i].Type.(TensorType), value.Interface())
	}
}

// tensor checks the shape of nested slices, and that their elements fit.
func (c *fitter) tensor(name string, t TensorType, data any) {
	if t.DType == "object" && len(t.Shape) == 1 && t.Shape[0] == -1 {
		return // MLflow's way to say: anything
	}
	got := make([]int, 0, len(t.Shape))
	if problem := t.walk(reflect.ValueOf(data), 0, &got); problem != "" {
		c.add(&Mismatch{Row: -1, Column: name, Want: t.String(), Got: problem})
	}
}

// walk follows nested slices down; shape collects the lengths as first met, so that ragged ones are found.
func (t TensorType) walk(v reflect.Value, depth int, shape *[]int) (problem string) {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if depth == len(t.Shape) {
		if !t.holds(v) {
			return "an element that is " + describe(valueOf(v))
		}
		return ""
	}
	if k := v.Kind(); k != reflect.Slice && k != reflect.Array || v.Kind() == reflect.Slice && t.DType == "bytes" && v.Type().Elem().Kind() == reflect.Uint8 {
		return fmt.Sprintf("%d dimensions", depth)
	}
	n := v.Len()
	if depth == len(*shape) {
		*shape = append(*shape, n)
	} else if (*shape)[depth] != n && t.Shape[depth] != -1 {
		return fmt.Sprintf("%d and %d elements along dimension %d", (*shape)[depth], n, depth)
	}
	if want := t.Shape[depth]; want != -1 && want != n {
		return fmt.Sprintf("%d elements along dimension %d", n, depth)
	}
	if depth == len(t.Shape)-1 && t.all(v.Type().Elem().Kind()) {
		return ""
	}
	for i := range n {
		if problem := t.walk(v.Index(i), depth+1, shape); problem != "" {
			return problem
		}
	}
	return ""
}

func valueOf(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	return v.Interface()
}

// all says whether every value of a Go type is an element: the usual case, for which there is no need to look at them.
func (t TensorType) all(k reflect.Kind) bool {
	return k != reflect.Invalid && (k.String() == t.DType || k == reflect.String && t.DType == "str")
}

// holds says whether v can be an element.
func (t TensorType) holds(v reflect.Value) bool {
	value := valueOf(v)
	switch kind, _, _ := strings.Cut(t.DType, "["); kind {
	case "object":
		return true
	case "bool":
		return TypeBoolean.fits(value)
	case "str":
		return TypeString.fits(value)
	case "bytes":
		return TypeString.fits(value) || fitsBinary(value)
	case "datetime64":
		return TypeDatetime.fits(value)
	case "timedelta64":
		return TypeLong.fits(value)
	case "float16", "float32":
		return TypeFloat.fits(value)
	case "float64", "float96", "float128":
		return TypeDouble.fits(value)
	case "uint64":
		if v.IsValid() && v.CanUint() {
			return true
		}
		n, ok := wholeNumber(value)
		return ok && n >= 0
	}
	if strings.HasPrefix(t.DType, "complex") {
		return v.IsValid() && v.CanComplex() || TypeDouble.fits(value)
	}
	n, ok := wholeNumber(value)
	low, high := intRange(t.DType)
	return ok && n >= low && n <= high
}

// intRange is what an integer type of NumPy's but uint64 holds.
func intRange(dtype string) (low, high int64) {
	switch dtype {
	case "int8":
		return math.MinInt8, math.MaxInt8
	case "int16":
		return math.MinInt16, math.MaxInt16
	case "int32":
		return math.MinInt32, math.MaxInt32
	case "uint8":
		return 0, math.MaxUint8
	case "uint16":
		return 0, math.MaxUint16
	case "uint32":
		return 0, math.MaxUint32
	}
	return math.MinInt64, math.MaxInt64
}

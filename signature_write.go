package modelregistry

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// A pyWriter writes JSON to the byte as Python's json.dumps does: with a blank after commas and colons, ASCII only, and
// floating-point numbers always with a point or an exponent.
type pyWriter struct {
	b   []byte
	err error
}

// member begins a member of an object.
func (w *pyWriter) member(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ", "...)
	}
	w.text(name)
	w.b = append(w.b, ": "...)
}

func (w *pyWriter) add(s string) { w.b = append(w.b, s...) }

func (w *pyWriter) text(s string) {
	w.b = append(w.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.b = append(w.b, '\\', byte(r))
		case r == '\n':
			w.add(`\n`)
		case r == '\r':
			w.add(`\r`)
		case r == '\t':
			w.add(`\t`)
		case r == '\b':
			w.add(`\b`)
		case r == '\f':
			w.add(`\f`)
		case r >= ' ' && r < 0x7f:
			w.b = append(w.b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			w.b = fmt.Appendf(w.b, `\u%04x\u%04x`, high, low)
		default:
			w.b = fmt.Appendf(w.b, `\u%04x`, r)
		}
	}
	w.b = append(w.b, '"')
}

// float writes f as Python's repr does.
func (w *pyWriter) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.err = fmt.Errorf("%w: %v is no number in JSON", ErrInvalid, f)
		return
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		w.b = strconv.AppendFloat(w.b, f, 'e', -1, 64)
		return
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	w.add(text)
}

func writeList[T any](w *pyWriter, list []T, write func(*T, *pyWriter)) {
	w.add("[")
	for i := range list {
		if i > 0 {
			w.add(", ")
		}
		write(&list[i], w)
	}
	w.add("]")
}

func (s Schema) write(w *pyWriter) { writeList(w, s, (*Column).write) }

func (c *Column) write(w *pyWriter) {
	w.add("{")
	if t, ok := c.Type.(TensorType); ok {
		c.writeName(w)
		w.member("type")
		w.text("tensor")
		w.member("tensor-spec")
		w.add("{")
		w.member("dtype")
		w.text(t.DType)
		w.member("shape")
		writeList(w, t.Shape, func(n *int, w *pyWriter) { w.b = strconv.AppendInt(w.b, int64(*n), 10) })
		w.add("}}")
		return
	}
	writeType(w, c.Type)
	c.writeName(w)
	c.writeRequired(w)
	w.add("}")
}

func (c *Column) writeName(w *pyWriter) {
	switch {
	case c.Name == "":
	case c.numbered:
		w.member("name")
		w.add(c.Name)
	default:
		w.member("name")
		w.text(c.Name)
	}
}

func (c *Column) writeRequired(w *pyWriter) {
	w.member("required")
	w.b = strconv.AppendBool(w.b, !c.Optional)
}

// writeType writes the members of an object that say a type.
func writeType(w *pyWriter, t Type) {
	w.member("type")
	nested := func(member string, t Type) {
		w.member(member)
		w.add("{")
		writeType(w, t)
		w.add("}")
	}
	switch t := t.(type) {
	case DataType:
		w.text(string(t))
	case ArrayType:
		w.text("array")
		nested("items", t.Items)
	case MapType:
		w.text("map")
		nested("values", t.Values)
	case ObjectType:
		w.text("object")
		w.member("properties")
		w.add("{")
		for _, p := range normal(t).(ObjectType).Properties {
			w.member(p.Name)
			w.add("{")
			writeType(w, p.Type)
			p.writeRequired(w)
			w.add("}")
		}
		w.add("}")
	case AnyType:
		w.text("any")
	case SparkVectorType:
		w.text("sparkml_vector")
	default:
		w.err = fmt.Errorf("%w: a column of type %v", ErrInvalid, t)
	}
}

func (p *Param) write(w *pyWriter) {
	w.add("{")
	w.member("name")
	w.text(p.Name)
	w.member("default")
	p.writeValue(w, p.Default)
	w.member("shape")
	if p.List {
		w.add("[-1]")
	} else {
		w.add("null")
	}
	writeType(w, p.Type)
	w.add("}")
}

// writeValue writes a param's default, or a part of it.
func (p *Param) writeValue(w *pyWriter, value any) {
	switch v := value.(type) {
	case nil:
		w.add("null")
		return
	case time.Time:
		layout := "2006-01-02T15:04:05"
		if v.Nanosecond() >= 1000 {
			layout += ".000000"
		}
		w.text(v.UTC().Format(layout))
		return
	case map[string]any:
		w.add("{")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			w.member(name)
			p.writeValue(w, v[name])
		}
		w.add("}")
		return
	}
	floating := p.Type == TypeDouble || p.Type == TypeFloat
	switch v := reflect.ValueOf(value); {
	case v.Kind() == reflect.Bool:
		w.b = strconv.AppendBool(w.b, v.Bool())
	case v.Kind() == reflect.String:
		w.text(v.String())
	case v.CanInt() && floating:
		w.float(float64(v.Int()))
	case v.CanInt():
		w.b = strconv.AppendInt(w.b, v.Int(), 10)
	case v.CanUint():
		w.b = strconv.AppendUint(w.b, v.Uint(), 10)
	case v.CanFloat() && (p.Type == TypeLong || p.Type == TypeInteger):
		w.b = strconv.AppendInt(w.b, int64(v.Float()), 10)
	case v.CanFloat():
		w.float(v.Float())
	case v.Kind() == reflect.Slice:
		w.add("[")
		for i := range v.Len() {
			if i > 0 {
				w.add(", ")
			}
			p.writeValue(w, v.Index(i).Interface())
		}
		w.add("]")
	default:
		w.err = fmt.Errorf("%w: a default of Go type %T", ErrInvalid, value)
	}
}

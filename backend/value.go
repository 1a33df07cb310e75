package backend

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Kind is the type of a field's values.
type Kind uint8

// The kinds. Each has one total order, the same on every backend.
const (
	String Kind = iota // valid UTF-8 without NUL; ordered bytewise
	Int                // int64
	Float              // float64 without NaN; -0 is 0
	Time               // an instant, UTC, whole microseconds, in the years 1 to 9999; the zero Value is the zero time.Time
)

// String gives the kind's name.
func (k Kind) String() string {
	switch k {
	case String:
		return "string"
	case Int:
		return "int"
	case Float:
		return "float"
	case Time:
		return "time"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// A Value is one value of a key part or a field. It is comparable with ==, and its zero is the empty string.
// A union instead of an interface, so that keys and conditions cost no allocation a value.
type Value struct {
	kind Kind
	num  int64 // Int; Float: its bits; Time: microseconds since the Unix epoch
	str  string
}

// StringValue is the Value of a string.
func StringValue(s string) Value { return Value{kind: String, str: s} }

// IntValue is the Value of an integer.
func IntValue(i int64) Value { return Value{kind: Int, num: i} }

// FloatValue is the Value of a float. Minus zero becomes zero.
func FloatValue(f float64) Value {
	if f == 0 {
		f = 0 // -0 == 0, and one of them must go: order and equality have to agree
		return Value{kind: Float}
	}
	return Value{kind: Float, num: int64(math.Float64bits(f))}
}

// TimeValue is the Value of an instant, cut to microseconds.
func TimeValue(t time.Time) Value { return Value{kind: Time, num: t.UnixMicro()} }

// MicrosValue is the Value of the instant that is us microseconds after the Unix epoch.
func MicrosValue(us int64) Value { return Value{kind: Time, num: us} }

// ZeroValue is what a field of kind k holds when a row does not give it: "", 0, 0.0 or the zero time.Time.
func ZeroValue(k Kind) Value {
	if k == Time {
		return TimeValue(time.Time{})
	}
	return Value{kind: k}
}

// Kind is the value's kind.
func (v Value) Kind() Kind { return v.kind }

// Str is the string of a String value, and "" of any other.
func (v Value) Str() string { return v.str }

// Int is the integer of an Int value.
func (v Value) Int() int64 { return v.num }

// Float is the number of a Float value.
func (v Value) Float() float64 { return math.Float64frombits(uint64(v.num)) }

// Time is the instant of a Time value, in UTC.
func (v Value) Time() time.Time { return time.UnixMicro(v.num).UTC() }

// Micros is the instant of a Time value in microseconds since the Unix epoch.
func (v Value) Micros() int64 { return v.num }

// String prints the value for messages.
func (v Value) String() string {
	switch v.kind {
	case Int:
		return strconv.FormatInt(v.num, 10)
	case Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case Time:
		return v.Time().Format(time.RFC3339Nano)
	}
	return strconv.Quote(v.str)
}

// Compare orders two values of one kind; values of different kinds are ordered by kind.
func (v Value) Compare(w Value) int {
	if v.kind != w.kind {
		return cmp.Compare(v.kind, w.kind)
	}
	switch v.kind {
	case String:
		return strings.Compare(v.str, w.str)
	case Float:
		return cmp.Compare(v.Float(), w.Float())
	}
	return cmp.Compare(v.num, w.num)
}

// A Key names a row within its table: one value for each key part, in the order the table declares them.
type Key []Value

// Compare orders keys part by part.
func (k Key) Compare(l Key) int {
	for i := range min(len(k), len(l)) {
		if c := k[i].Compare(l[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(k), len(l))
}

// String prints the key for messages.
func (k Key) String() string {
	parts := make([]string, len(k))
	for i, v := range k {
		parts[i] = v.String()
	}
	return fmt.Sprintf("(%s)", strings.Join(parts, ", "))
}

package modelregistry

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Map is an immutable map from names to values, such as a version's tags or metrics. The zero Map is empty.
//
// What a Registry returns may be shared between goroutines and kept in caches; that it cannot be changed is what
// makes this safe, and it takes a fraction of a Go map's memory.
type Map[V string | float64] struct {
	entries []entry[V] // in byte order of the names
}

type entry[V string | float64] struct {
	name  string
	value V
}

// MapOf returns a Map with the content of m.
func MapOf[V string | float64](m map[string]V) Map[V] {
	if len(m) == 0 {
		return Map[V]{}
	}
	entries := make([]entry[V], 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		entries = append(entries, entry[V]{name, m[name]})
	}
	return Map[V]{entries}
}

// Lookup returns the value under name, and whether there is one.
func (m Map[V]) Lookup(name string) (value V, ok bool) {
	i, ok := slices.BinarySearchFunc(m.entries, name, func(e entry[V], name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return value, false
	}
	return m.entries[i].value, true
}

// Get returns the value under name, or the zero value.
func (m Map[V]) Get(name string) V {
	v, _ := m.Lookup(name)
	return v
}

// Len is the number of entries.
func (m Map[V]) Len() int { return len(m.entries) }

// All yields the entries in byte order of their names.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, e := range m.entries {
			if !yield(e.name, e.value) {
				return
			}
		}
	}
}

// Clone returns the content as a Go map of the caller's own.
func (m Map[V]) Clone() map[string]V { return maps.Collect(m.All()) }

// String prints the entries as name=value, separated by spaces.
func (m Map[V]) String() string {
	var b strings.Builder
	for i, e := range m.entries {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%v", e.name, e.value)
	}
	return b.String()
}

// MarshalJSON writes a JSON object with the names in order. An infinite number is written as a string: JSON has none.
func (m Map[V]) MarshalJSON() ([]byte, error) {
	return appendMap(nil, m), nil
}

// UnmarshalJSON reads a JSON object.
func (m *Map[V]) UnmarshalJSON(data []byte) error {
	var plain map[string]V
	if err := json.Unmarshal(data, &plain); err == nil {
		*m = MapOf(plain)
		return nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	out := make(map[string]V, len(raw))
	for name, text := range raw {
		v, err := unmarshalValue[V](text)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		out[name] = v
	}
	*m = MapOf(out)
	return nil
}

// with returns m with the names of set given their values and the names of unset removed.
func (m Map[V]) with(set map[string]V, unset []string) Map[V] {
	out := m.Clone()
	maps.Copy(out, set)
	for _, name := range unset {
		delete(out, name)
	}
	return MapOf(out)
}

// A Set is an immutable set of strings, such as a version's aliases. The zero Set is empty.
type Set struct {
	members []string // in byte order, distinct
}

// SetOf returns a Set of the given strings.
func SetOf(members ...string) Set {
	if len(members) == 0 {
		return Set{}
	}
	sorted := slices.Sorted(slices.Values(members))
	return Set{slices.Compact(sorted)}
}

// Has says whether member is in s.
func (s Set) Has(member string) bool {
	_, ok := slices.BinarySearch(s.members, member)
	return ok
}

// Len is the number of members.
func (s Set) Len() int { return len(s.members) }

// All yields the members in byte order.
func (s Set) All() iter.Seq[string] { return slices.Values(s.members) }

// String prints the members separated by commas.
func (s Set) String() string { return strings.Join(s.members, ", ") }

// MarshalJSON writes a JSON array in byte order.
func (s Set) MarshalJSON() ([]byte, error) {
	if s.members == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(s.members)
}

// UnmarshalJSON reads a JSON array of strings.
func (s *Set) UnmarshalJSON(data []byte) error {
	var members []string
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*s = SetOf(members...)
	return nil
}

// with returns s with member added, without one with it removed.
func (s Set) with(member string) Set { return SetOf(append(slices.Clone(s.members), member)...) }

func (s Set) without(member string) Set {
	return SetOf(slices.DeleteFunc(slices.Clone(s.members), func(m string) bool { return m == member })...)
}

// JSON has no infinite numbers; metrics do.
const (
	jsonInf    = `"Infinity"`
	jsonNegInf = `"-Infinity"`
)

func appendMap[V string | float64](b []byte, m Map[V]) []byte {
	b = append(b, '{')
	for i, e := range m.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONString(b, e.name)
		b = append(b, ':')
		switch v := any(e.value).(type) {
		case string:
			b = appendJSONString(b, v)
		case float64:
			b = appendJSONFloat(b, v)
		}
	}
	return append(b, '}')
}

func appendJSONString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always marshals
	return append(b, text...)
}

func appendJSONFloat(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, jsonInf...)
	case math.IsInf(f, -1):
		return append(b, jsonNegInf...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func unmarshalValue[V string | float64](text json.RawMessage) (v V, err error) {
	if f, ok := any(&v).(*float64); ok {
		switch string(text) {
		case jsonInf:
			*f = math.Inf(1)
			return v, nil
		case jsonNegInf:
			*f = math.Inf(-1)
			return v, nil
		}
	}
	err = json.Unmarshal(text, &v)
	return v, err
}

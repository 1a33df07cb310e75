package mlflow

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// writeJSON answers as MLflow does: indented by two, and {} for nothing. A list is written item by item, so that the text of
// all of it is never held.
func writeJSON(w http.ResponseWriter, v any) {
	if v == nil {
		v = struct{}{}
	}
	w.Header().Set("Content-Type", "application/json")
	out := &answerWriter{to: w}
	if lists := listsOf(v); lists != nil {
		out.object(lists)
	} else {
		out.value(v, "")
	}
	out.flush()
}

// An answerWriter collects small parts of an answer. Its err is that of a client that is gone, which does not want the rest.
type answerWriter struct {
	to   io.Writer
	text bytes.Buffer
	err  error
}

const answerPiece = 64 << 10

func (a *answerWriter) flush() {
	if a.err == nil {
		_, a.err = a.to.Write(a.text.Bytes())
	}
	a.text.Reset()
}

func (a *answerWriter) value(v any, indent string) {
	text, err := json.MarshalIndent(v, indent, "  ")
	if err != nil { // values that JSON has none for are taken care of by the types
		panic(http.ErrAbortHandler)
	}
	a.text.Write(text)
	if a.text.Len() >= answerPiece {
		a.flush()
	}
}

// A listField is a field of an answer.
type listField struct {
	name  string
	value reflect.Value
}

// listsOf takes apart an answer that is a struct with a list in it; nil is any other.
func listsOf(v any) []listField {
	s := reflect.ValueOf(v)
	if s.Kind() != reflect.Struct {
		return nil
	}
	var fields []listField
	lists := false
	for i := range s.NumField() {
		field, value := s.Type().Field(i), s.Field(i)
		name, omit, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous || !field.IsExported() || name == "" || name == "-" || omit != "" && omit != "omitempty":
			return nil
		case omit != "" && (value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0):
			continue
		}
		lists = lists || value.Kind() == reflect.Slice && !value.IsNil() && value.Len() > 0
		fields = append(fields, listField{name, value})
	}
	if !lists {
		return nil
	}
	return fields
}

func (a *answerWriter) object(fields []listField) {
	before := "{\n  "
	for _, f := range fields {
		a.text.WriteString(before)
		before = ",\n  "
		a.value(f.name, "")
		a.text.WriteString(": ")
		if f.value.Kind() != reflect.Slice || f.value.Len() == 0 {
			a.value(f.value.Interface(), "  ")
			continue
		}
		item := "[\n    "
		for i := 0; i < f.value.Len() && a.err == nil; i++ {
			a.text.WriteString(item)
			item = ",\n    "
			a.value(f.value.Index(i).Interface(), "    ")
		}
		a.text.WriteString("\n  ]")
	}
	a.text.WriteString("\n}")
}

var timeType = reflect.TypeFor[time.Time]()

// weight is about how many bytes v holds.
func weight(v reflect.Value) int64 {
	n := int64(16)
	switch v.Kind() {
	case reflect.String:
		return n + int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			n += weight(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return n
		}
		for i := range v.NumField() {
			n += weight(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return n + int64(v.Len())
		}
		for i := range v.Len() {
			n += weight(v.Index(i))
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			n += weight(entries.Key()) + weight(entries.Value())
		}
	}
	return n
}

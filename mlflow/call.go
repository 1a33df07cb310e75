package mlflow

import (
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A call is one request being answered.
type call struct {
	s         *server
	w         http.ResponseWriter
	r         *http.Request
	principal string
	answered  bool  // handle has written the answer itself
	denied    error // what may said last
	changes   bool  // the caller was let to change something
	held      int64 // bytes that are counted for it

	// Of a request with a query each field is a list of texts; of one with a body, any JSON value. Readers below keep
	// the first mistake for problem.
	query   map[string][]string
	body    map[string]any
	problem error
}

// parse reads the parameters: a GET's from the query or, if it has none, from the body; those of others from the body.
func (c *call) parse() error {
	if (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead) && c.r.URL.RawQuery != "" {
		query := c.r.URL.Query()
		for _, values := range query {
			for _, v := range values {
				if !utf8.ValidString(v) {
					return invalid("The query is not UTF-8 text.")
				}
			}
		}
		c.query = query
		return nil
	}
	if c.r.Method == http.MethodPost || c.r.Method == http.MethodPut {
		kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" {
			return &apiError{Code: "BAD_REQUEST", Message: "Bad Request. Content-Type must be application/json."}
		}
	}
	text, err := c.readBody()
	if err != nil {
		return err
	}
	return c.parseBody(text)
}

// mistake keeps the first mistake.
func (c *call) mistake(err error) {
	if c.problem == nil {
		c.problem = err
	}
}

func (c *call) missing(name string) {
	c.mistake(invalid("Missing value for required parameter '%s'. See the API docs for more information about request parameters.", name))
}

// wrongType is about a value that is no text, number … where one is wanted.
func (c *call) wrongType(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("?")
	}
	c.mistake(invalid("Invalid value %s for parameter '%s' supplied:  Hint: Value was of type '%s'. See the API docs for more information about request parameters.",
		clip(string(text)), name, pythonType(value)))
}

// pythonType is what MLflow's messages call the type of a JSON value.
func pythonType(v any) string {
	switch v := v.(type) {
	case string:
		return "str"
	case bool:
		return "bool"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "float"
		}
		return "int"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	}
	return "NoneType"
}

// value is a field as it came; nil if it did not.
func (c *call) value(name string) any {
	if c.query != nil {
		if values := c.query[name]; len(values) > 0 {
			return values[0]
		}
		return nil
	}
	return c.body[name]
}

// has says whether a field came at all, if empty.
func (c *call) has(name string) bool { return c.value(name) != nil }

// text is a field of text; "" if it did not come.
func (c *call) text(name string) string {
	switch v := c.value(name).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		c.wrongType(name, v)
		return ""
	}
}

// required is a field of text that has to come.
func (c *call) required(name string) string {
	before := c.problem
	s := c.text(name)
	if s == "" && c.problem == before {
		c.missing(name)
	}
	return s
}

// texts is a field with a list of texts.
func (c *call) texts(name string) []string {
	if c.query != nil {
		return c.query[name]
	}
	switch v := c.body[name].(type) {
	case nil:
		return nil
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				c.wrongType(name, item)
				return nil
			}
			out = append(out, s)
		}
		return out
	default:
		c.wrongType(name, v)
		return nil
	}
}

// objects is a field with a list of objects.
func (c *call) objects(name string) []object { return c.objectsOf(name, c.value(name)) }

// objectsOf reads a list of objects that stands under a path.
func (c *call) objectsOf(path string, v any) []object {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		out := make([]object, 0, len(v))
		for i, item := range v {
			in := path + "[" + strconv.Itoa(i) + "]"
			fields, ok := item.(map[string]any)
			if !ok {
				c.wrongType(in, item)
				return nil
			}
			out = append(out, object{c, in, fields})
		}
		return out
	default:
		c.wrongType(path, v)
		return nil
	}
}

// flag is a field that is true or false; false if it did not come.
func (c *call) flag(name string) bool {
	switch v := c.value(name).(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		if c.query != nil && (strings.EqualFold(v, "true") || strings.EqualFold(v, "false")) {
			return strings.EqualFold(v, "true")
		}
		c.wrongType(name, v)
	default:
		c.wrongType(name, v)
	}
	return false
}

// integer is a field with a whole number; otherwise if it did not come.
func (c *call) integer(name string, otherwise int64) int64 {
	v := c.value(name)
	if v == nil {
		return otherwise
	}
	n, ok := wholeNumber(v, c.query != nil)
	if !ok {
		c.wrongType(name, v)
	}
	return n
}

// wholeNumber reads a JSON number without a fraction; text too, which int64 is in protobuf's JSON.
func wholeNumber(v any, query bool) (int64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if query || err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// An object is a part of a request's body.
type object struct {
	c      *call
	in     string // where it stands, such as metrics[0]; "" is the body
	fields map[string]any
}

// path is what messages call a field.
func (o object) path(name string) string {
	if o.in == "" {
		return name
	}
	return o.in + "." + name
}

func (o object) text(name string) string {
	switch v := o.fields[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		o.c.wrongType(o.path(name), v)
		return ""
	}
}

func (o object) required(name string) string {
	before := o.c.problem
	s := o.text(name)
	if s == "" && o.c.problem == before {
		o.c.missing(o.path(name))
	}
	return s
}

func (o object) integer(name string, otherwise int64) int64 {
	v := o.fields[name]
	if v == nil {
		return otherwise
	}
	n, ok := wholeNumber(v, false)
	if !ok {
		o.c.wrongType(o.path(name), v)
	}
	return n
}

// number reads a JSON number, or the text NaN, Infinity or -Infinity, which JSON has no numbers for.
func (o object) number(name string) float64 {
	f, ok := floatValue(o.fields[name])
	if !ok {
		o.c.wrongType(o.path(name), o.fields[name])
	}
	return f
}

func floatValue(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(v.String(), 64)
		return f, err == nil || math.IsInf(f, 0)
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

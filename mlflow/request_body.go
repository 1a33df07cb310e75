package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxValues is how many values a body's JSON has at most: each costs memory that the text does not show.
	// The longest requests of MLflow's clients, full batches of metrics, have under 10,000.
	maxValues = 50_000
	// maxDepth is how deep they may stand in each other.
	maxDepth = 64
)

// parseBody reads a JSON object, that may stand in a JSON string. What two readers could take for two things is refused: keys
// that are there twice, text behind the object, and text that is not UTF-8. Nothing at all is an object without fields.
func (c *call) parseBody(text []byte) error {
	c.body = map[string]any{}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	v, err := parseJSON(text)
	if s, ok := v.(string); ok && err == nil {
		v, err = parseJSON([]byte(s))
	}
	if err != nil {
		return invalid("The body of the request has to be one JSON object in UTF-8: %v.", err)
	}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		c.body = v
	default:
		return invalid("The body of the request must be a JSON object.")
	}
	return nil
}

// parseJSON reads one JSON value of at most so many parts.
func parseJSON(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	if at := halfCharacter(text); at >= 0 {
		return nil, fmt.Errorf("at byte %d stands a half of a surrogate pair", at)
	}
	p := &jsonParser{decoder: json.NewDecoder(bytes.NewReader(text))}
	p.decoder.UseNumber()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); err != io.EOF {
		return nil, errors.New("there is text behind the value")
	}
	return v, nil
}

// halfCharacter is where the first \u stands that is a surrogate without its other half, or -1. JSON has backslashes in
// strings alone.
func halfCharacter(text []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '\\')
		if i < 0 {
			return -1
		}
		at += i
		r, ok := escaped(text[at:])
		switch {
		case !ok:
			at += 2
		case !utf16.IsSurrogate(r):
			at += 6
		default:
			low, ok := escaped(text[at+6:])
			if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
				return at
			}
			at += 12
		}
		if at >= len(text) {
			return -1
		}
	}
}

// escaped is the \uXXXX that text begins with.
func escaped(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}

// A jsonParser reads a value part by part, so that one that is too large is not read to its end.
type jsonParser struct {
	decoder *json.Decoder
	values  int
}

var errBrokenOff = errors.New("it breaks off")

func (p *jsonParser) token() (json.Token, error) {
	t, err := p.decoder.Token()
	var syntax *json.SyntaxError
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errBrokenOff
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("at byte %d: %w", p.decoder.InputOffset(), err)
	case err != nil:
		return nil, err
	}
	return t, nil
}

func (p *jsonParser) value(depth int) (any, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxValues {
		return nil, fmt.Errorf("it has more than %d values", maxValues)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d lists and objects stand within each other", maxDepth)
	}
	switch t {
	case json.Delim('{'):
		return p.object(depth)
	case json.Delim('['):
		list := []any{}
		for p.decoder.More() {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := p.token()
		return list, err
	}
	return t, nil // nil, bool, json.Number or string: the decoder lets no other mark stand here
}

func (p *jsonParser) object(depth int) (any, error) {
	fields := map[string]any{}
	for p.decoder.More() {
		t, err := p.token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("at byte %d: a key is a text", p.decoder.InputOffset())
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("the key %s is there twice", strconv.Quote(clip(key)))
		}
		if fields[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.token()
	return fields, err
}

package modelregistry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// signatureDoc is the signature section of an MLmodel file: its parts are JSON within strings, so that they stay compact
// within YAML.
type signatureDoc struct {
	Inputs  json.RawMessage `json:"inputs"`
	Outputs json.RawMessage `json:"outputs"`
	Params  json.RawMessage `json:"params"`
}

// MarshalJSON writes {"inputs": …, "outputs": …, "params": …}, each a string of JSON, to the byte as MLflow writes it, or
// null.
func (s Signature) MarshalJSON() ([]byte, error) {
	var parts [3]*string
	for i, part := range []struct {
		has   bool
		write func(*pyWriter)
	}{
		{len(s.Inputs) > 0, s.Inputs.write},
		{len(s.Outputs) > 0, s.Outputs.write},
		{len(s.Params) > 0, func(w *pyWriter) { writeList(w, s.Params, (*Param).write) }},
	} {
		if !part.has {
			continue
		}
		var w pyWriter
		if part.write(&w); w.err != nil {
			return nil, fmt.Errorf("encode signature: %w", w.err)
		}
		text := string(w.b)
		parts[i] = &text
	}
	return json.Marshal(struct {
		Inputs  *string `json:"inputs"`
		Outputs *string `json:"outputs"`
		Params  *string `json:"params"`
	}{parts[0], parts[1], parts[2]})
}

// UnmarshalJSON reads what MarshalJSON writes, also with the lists themselves in place of the strings, and refuses what
// is no signature (see Check).
func (s *Signature) UnmarshalJSON(data []byte) error {
	var doc signatureDoc
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("signature: %w: %w", ErrInvalid, err)
	}
	read, err := doc.signature()
	if err != nil {
		return err
	}
	*s = *read
	return nil
}

func (doc *signatureDoc) signature() (*Signature, error) {
	s := new(Signature)
	for _, part := range []struct {
		name string
		text json.RawMessage
		read func([]byte) error
	}{
		{"inputs", doc.Inputs, s.Inputs.read},
		{"outputs", doc.Outputs, s.Outputs.read},
		{"params", doc.Params, s.readParams},
	} {
		text := []byte(part.text)
		if len(text) > 0 && text[0] == '"' {
			var inner string
			if err := json.Unmarshal(text, &inner); err != nil {
				return nil, fmt.Errorf("signature: %s: %w: %w", part.name, ErrInvalid, err)
			}
			text = []byte(inner)
		}
		if len(text) == 0 || string(text) == "null" {
			continue
		}
		if err := part.read(text); err != nil {
			return nil, fmt.Errorf("signature: %s: %w", part.name, err)
		}
	}
	return s, s.Check()
}

// ParseSignature reads the parts of a signature as MLflow writes them: each a list in JSON, or "" if it is not declared.
func ParseSignature(inputs, outputs, params string) (*Signature, error) {
	doc := signatureDoc{Inputs: json.RawMessage(inputs), Outputs: json.RawMessage(outputs), Params: json.RawMessage(params)}
	return doc.signature()
}

// columnDoc is a column as MLflow writes it: a type, with a name and whether it is required.
type columnDoc struct {
	Name       json.RawMessage `json:"name"`
	Type       string          `json:"type"`
	Required   *bool           `json:"required"`
	Optional   bool            `json:"optional"` // before MLflow 2.6
	Items      json.RawMessage `json:"items"`
	Values     json.RawMessage `json:"values"`
	Properties json.RawMessage `json:"properties"`
	Tensor     *struct {
		DType string `json:"dtype"`
		Shape []int  `json:"shape"`
	} `json:"tensor-spec"`
}

func readDoc(text []byte) (*columnDoc, error) {
	d := new(columnDoc)
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return d, nil
}

func (s *Schema) read(text []byte) error {
	var docs []columnDoc
	if err := json.Unmarshal(text, &docs); err != nil {
		return fmt.Errorf("%w: not a list of columns: %w", ErrInvalid, err)
	}
	if len(docs) == 0 {
		return fmt.Errorf("%w: the list is empty", ErrInvalid)
	}
	for i := range docs {
		c, err := docs[i].column()
		if err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
		*s = append(*s, c)
	}
	return nil
}

func (d *columnDoc) column() (c Column, err error) {
	c.Optional = d.Optional || d.Required != nil && !*d.Required
	if len(d.Name) > 0 && d.Name[0] != '"' && string(d.Name) != "null" {
		var number int64
		if err := json.Unmarshal(d.Name, &number); err != nil {
			return c, fmt.Errorf("name %.80s: %w: neither text nor a whole number", d.Name, ErrInvalid)
		}
		c.Name, c.numbered = string(d.Name), true
	} else if len(d.Name) > 0 {
		if err := json.Unmarshal(d.Name, &c.Name); err != nil {
			return c, fmt.Errorf("name: %w: %w", ErrInvalid, err)
		}
	}
	if d.Type == "tensor" {
		if d.Tensor == nil {
			return c, fmt.Errorf("%w: a tensor without its tensor-spec", ErrInvalid)
		}
		c.Type = TensorType{DType: d.Tensor.DType, Shape: d.Tensor.Shape}
		return c, nil
	}
	c.Type, err = d.typ(0)
	return c, err
}

// typ reads the type of a column or property.
func (d *columnDoc) typ(depth int) (Type, error) {
	if depth > maxTypeDepth {
		return nil, fmt.Errorf("%w: types nest more than %d deep", ErrInvalid, maxTypeDepth)
	}
	switch d.Type {
	case "array":
		items, err := readType(d.Items, depth+1)
		return ArrayType{items}, err
	case "map":
		values, err := readType(d.Values, depth+1)
		return MapType{values}, err
	case "object":
		properties, err := readProperties(d.Properties, depth+1)
		return ObjectType{properties}, err
	case "any":
		return AnyType{}, nil
	case "sparkml_vector":
		return SparkVectorType{}, nil
	case "":
		return nil, fmt.Errorf("%w: it has no type", ErrInvalid)
	}
	return DataType(d.Type), DataType(d.Type).check()
}

func readType(text []byte, depth int) (Type, error) {
	if len(text) == 0 {
		return nil, fmt.Errorf("%w: an array without its items, or a map without its values", ErrInvalid)
	}
	d, err := readDoc(text)
	if err != nil {
		return nil, err
	}
	return d.typ(depth)
}

// readProperties reads an object's properties, and refuses names that are there twice, of which encoding/json would
// silently keep the last.
func readProperties(text []byte, depth int) ([]Column, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: an object without its properties", ErrInvalid)
	}
	seen := map[string]bool{}
	var properties []Column
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		name, _ := t.(string)
		if seen[name] {
			return nil, fmt.Errorf("property %.200q: %w: it is there twice", name, ErrInvalid)
		}
		seen[name] = true
		var d columnDoc
		if err := dec.Decode(&d); err != nil {
			return nil, fmt.Errorf("property %.200q: %w: %w", name, ErrInvalid, err)
		}
		c := Column{Name: name, Optional: d.Required != nil && !*d.Required}
		if c.Type, err = d.typ(depth); err != nil {
			return nil, fmt.Errorf("property %.200q: %w", name, err)
		}
		properties = append(properties, c)
	}
	return normal(ObjectType{properties}).(ObjectType).Properties, nil
}

func (s *Signature) readParams(text []byte) error {
	var docs []struct {
		columnDoc
		DType   string          `json:"dtype"` // before MLflow 2.7
		Default json.RawMessage `json:"default"`
		Shape   []int           `json:"shape"`
	}
	if err := json.Unmarshal(text, &docs); err != nil {
		return fmt.Errorf("%w: not a list of params: %w", ErrInvalid, err)
	}
	for i := range docs {
		d := &docs[i]
		if d.Type == "" {
			d.Type = d.DType
		}
		c, err := d.column()
		if err == nil && len(d.Default) == 0 {
			err = fmt.Errorf("%w: it has no default; null is one", ErrInvalid)
		}
		if err == nil && d.Shape != nil && !slices.Equal(d.Shape, []int{-1}) {
			err = fmt.Errorf("%w: a shape of %v; null, or [-1] for a list", ErrInvalid, d.Shape)
		}
		p := Param{Name: c.Name, Type: c.Type, List: d.Shape != nil}
		if err == nil {
			p.Default, err = readValue(d.Default)
		}
		if err != nil {
			return fmt.Errorf("param %d: %w", i, err)
		}
		p.Default = p.settle(p.Default)
		s.Params = append(s.Params, p)
	}
	return nil
}

// settle gives whole numbers of a floating-point param the Go type that goes with it.
func (p *Param) settle(value any) any {
	if p.Type != TypeDouble && p.Type != TypeFloat {
		return value
	}
	switch v := value.(type) {
	case int64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = p.settle(v[i])
		}
	}
	return value
}

// readValue reads JSON with whole numbers as int64 and others as float64.
func readValue(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one value", ErrInvalid)
	}
	return plainNumbers(v)
}

func plainNumbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("number %.80s: %w: out of range", v, ErrInvalid)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = plainNumbers(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

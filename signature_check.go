package modelregistry

import (
	"fmt"
	"regexp"
)

const (
	maxColumns   = 100_000 // of a schema or object
	maxTypeDepth = 32      // of arrays in objects in maps …
	maxColumn    = 10_000  // characters of a name
	maxRank      = 64
)

// Check says whether s is a signature: ErrInvalid if it declares nothing, if a column is there twice or has no type, if
// named and unnamed columns, or columns and tensors, are mixed, or if a param's default does not fit its type.
func (s *Signature) Check() error {
	if len(s.Inputs) == 0 && len(s.Outputs) == 0 && len(s.Params) == 0 {
		return fmt.Errorf("signature: %w: it declares no inputs, outputs or params", ErrInvalid)
	}
	if err := s.Inputs.check(); err != nil {
		return fmt.Errorf("signature: inputs: %w", err)
	}
	if err := s.Outputs.check(); err != nil {
		return fmt.Errorf("signature: outputs: %w", err)
	}
	if len(s.Params) > maxEntries {
		return fmt.Errorf("signature: %w: %d params, at most %d", ErrInvalid, len(s.Params), maxEntries)
	}
	seen := make(map[string]bool, len(s.Params))
	for i := range s.Params {
		p := &s.Params[i]
		if seen[p.Name] {
			return fmt.Errorf("signature: param %q: %w: it is there twice", p.Name, ErrInvalid)
		}
		seen[p.Name] = true
		if err := p.check(); err != nil {
			return fmt.Errorf("signature: %w", err)
		}
	}
	return nil
}

func (s Schema) check() error {
	if len(s) > maxColumns {
		return fmt.Errorf("%w: %d columns, at most %d", ErrInvalid, len(s), maxColumns)
	}
	seen := make(map[string]bool, len(s))
	for i, c := range s {
		switch {
		case (c.Name != "") != s.named():
			return fmt.Errorf("column %s: %w: some columns have names and some have none", s.label(i), ErrInvalid)
		case c.Name == "" && c.Optional:
			return fmt.Errorf("column %d: %w: only columns with a name can be optional", i, ErrInvalid)
		case seen[c.Name] && c.Name != "":
			return fmt.Errorf("column %.200q: %w: it is there twice", c.Name, ErrInvalid)
		}
		seen[c.Name] = true
		tensor, ok := c.Type.(TensorType)
		if ok != s.tensors() {
			return fmt.Errorf("column %s: %w: columns and tensors are mixed", s.label(i), ErrInvalid)
		}
		var err error
		switch {
		case ok && c.Optional:
			err = fmt.Errorf("%w: a tensor cannot be optional", ErrInvalid)
		case ok && c.Name == "" && len(s) > 1:
			err = fmt.Errorf("%w: of several tensors each needs a name", ErrInvalid)
		case ok:
			err = tensor.check()
		default:
			err = checkType(c.Type, 0)
		}
		if err == nil {
			err = checkText("name", c.Name, maxColumn)
		}
		if err != nil {
			return fmt.Errorf("column %.200s: %w", s.label(i), err)
		}
	}
	return nil
}

// checkType checks the type of a column or of a part of one.
func checkType(t Type, depth int) error {
	if depth > maxTypeDepth {
		return fmt.Errorf("%w: types nest more than %d deep", ErrInvalid, maxTypeDepth)
	}
	switch t := t.(type) {
	case nil:
		return fmt.Errorf("%w: it has no type", ErrInvalid)
	case DataType:
		return t.check()
	case ArrayType:
		return checkType(t.Items, depth+1)
	case MapType:
		return checkType(t.Values, depth+1)
	case ObjectType:
		return t.check(depth)
	case TensorType:
		return fmt.Errorf("%w: a tensor stands alone, not inside another type", ErrInvalid)
	}
	return nil
}

func (t DataType) check() error {
	for _, known := range dataTypes {
		if t == known {
			return nil
		}
	}
	return fmt.Errorf("type %.80q: %w: not one of boolean, integer, long, float, double, string, binary, datetime, array, map, object, any, tensor", string(t), ErrInvalid)
}

func (t ObjectType) check(depth int) error {
	if len(t.Properties) == 0 || len(t.Properties) > maxColumns {
		return fmt.Errorf("%w: an object of %d properties; 1 to %d", ErrInvalid, len(t.Properties), maxColumns)
	}
	seen := make(map[string]bool, len(t.Properties))
	for _, p := range t.Properties {
		if seen[p.Name] {
			return fmt.Errorf("property %.200q: %w: it is there twice", p.Name, ErrInvalid)
		}
		seen[p.Name] = true
		if err := checkText("name", p.Name, maxColumn); err != nil {
			return fmt.Errorf("property %.200q: %w", p.Name, err)
		}
		if err := checkType(p.Type, depth+1); err != nil {
			return fmt.Errorf("property %.200q: %w", p.Name, err)
		}
	}
	return nil
}

// dtypeRE is NumPy's names of types. Sizes of texts are none of a signature's business.
var dtypeRE = regexp.MustCompile(`^(bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|192|256)|str|bytes|object|(datetime|timedelta)64(\[[a-zA-Z0-9]{1,8}\])?)$`)

func (t TensorType) check() error {
	if !dtypeRE.MatchString(t.DType) {
		return fmt.Errorf("type of tensor %.80q: %w: not as NumPy calls one, such as float32, int64, bool, str", t.DType, ErrInvalid)
	}
	if len(t.Shape) > maxRank {
		return fmt.Errorf("%w: a tensor of %d dimensions, at most %d", ErrInvalid, len(t.Shape), maxRank)
	}
	for i, n := range t.Shape {
		if n < -1 {
			return fmt.Errorf("%w: dimension %d of the tensor is %d; a length, or -1 for any", ErrInvalid, i, n)
		}
	}
	return nil
}

func (p *Param) check() error {
	if p.Name == "" {
		return fmt.Errorf("param: %w: it has no name", ErrInvalid)
	}
	if err := checkText("name of param", p.Name, maxColumn); err != nil {
		return err
	}
	var err error
	switch t := p.Type.(type) {
	case DataType:
		if err = t.check(); err == nil && t == TypeBinary {
			err = fmt.Errorf("%w: a param cannot be binary", ErrInvalid)
		}
	case ObjectType:
		if err = t.check(0); err == nil && p.List {
			err = fmt.Errorf("%w: a param cannot be a list of objects", ErrInvalid)
		}
	default:
		err = fmt.Errorf("%w: its type is %v; a param is of a data type, or an object", ErrInvalid, p.Type)
	}
	if err != nil {
		return fmt.Errorf("param %.200q: %w", p.Name, err)
	}
	if m := p.fits(p.Default); m != nil {
		return fmt.Errorf("default of %w", m)
	}
	return nil
}

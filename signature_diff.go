package modelregistry

import (
	"fmt"
	"slices"
	"strings"
)

// A SignatureChange is one difference between two signatures.
type SignatureChange struct {
	Part   string // "inputs", "outputs" or "params"
	Column string // with the way into it: "address.city"; "" if it is about the whole part
	// Breaking says that a caller who was served well by the old signature may not be by the new one.
	Breaking bool
	Text     string // a sentence
}

// String is "breaking: inputs: …".
func (c SignatureChange) String() string {
	prefix := "compatible"
	if c.Breaking {
		prefix = "breaking"
	}
	return prefix + ": " + c.Part + ": " + c.Text
}

// A SignatureDiff lists what differs between two signatures; it is empty if callers cannot tell them apart.
type SignatureDiff []SignatureChange

// Breaking says whether one of the changes breaks callers.
func (d SignatureDiff) Breaking() bool {
	return slices.ContainsFunc(d, func(c SignatureChange) bool { return c.Breaking })
}

// Bump is the part of a semantic version that such a change moves: major if it breaks callers, minor if there are other
// changes, else patch.
func (d SignatureDiff) Bump() Bump {
	switch {
	case d.Breaking():
		return BumpMajor
	case len(d) > 0:
		return BumpMinor
	}
	return BumpPatch
}

// String has a line for each change.
func (d SignatureDiff) String() string {
	lines := make([]string, len(d))
	for i, c := range d {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

// Compatible says whether callers of old can call next.
func (old *Signature) Compatible(next *Signature) bool { return !old.Diff(next).Breaking() }

// Diff says what changes for callers when old becomes next. Nil is a signature that declares nothing.
//
// Callers break if something is wanted that they do not send (a new required column, a narrower type, a tensor of
// another type or a fixed dimension), or if something is gone or different that they read (a column of the outputs, its
// type) or set (a param). They do not if an input column is no longer wanted, for what is not declared is ignored; only
// properties of objects that are not declared are refused. The order of columns with names does not count.
func (old *Signature) Diff(next *Signature) SignatureDiff {
	if old == nil {
		old = &Signature{}
	}
	if next == nil {
		next = &Signature{}
	}
	d := &differ{part: "inputs", input: true}
	d.schemas(old.Inputs, next.Inputs)
	d.part, d.input = "outputs", false
	d.schemas(old.Outputs, next.Outputs)
	d.part = "params"
	d.params(old.Params, next.Params)
	return d.found
}

// A differ collects changes of one part.
type differ struct {
	part  string
	input bool // what callers send, not what they get
	found SignatureDiff
}

func (d *differ) add(column string, breaking bool, format string, args ...any) {
	d.found = append(d.found, SignatureChange{Part: d.part, Column: column, Breaking: breaking, Text: fmt.Sprintf(format, args...)})
}

func (d *differ) schemas(was, is Schema) {
	switch {
	case len(was) == 0 && len(is) == 0:
		return
	case len(was) == 0:
		d.add("", d.input, "%d columns are declared, where nothing was", len(is))
		return
	case len(is) == 0:
		d.add("", !d.input, "nothing is declared, where %d columns were", len(was))
		return
	case was.tensors() != is.tensors():
		d.add("", true, "%s become %s", was.sort(), is.sort())
		return
	case was.named() != is.named():
		d.add("", true, "columns that go by %s go by %s", was.way(), is.way())
		return
	}
	d.columns("", withLabels(was), withLabels(is), false)
}

func (s Schema) sort() string {
	if s.tensors() {
		return "tensors"
	}
	return "columns"
}

func (s Schema) way() string {
	if s.named() {
		return "name"
	}
	return "position"
}

// withLabels names the columns of a schema that has no names by their positions.
func withLabels(s Schema) []Column {
	columns := slices.Clone([]Column(s))
	for i := range columns {
		columns[i].Name = s.label(i)
	}
	return columns
}

// columns compares the columns of a schema, or the properties of an object, whose undeclared ones are refused.
func (d *differ) columns(path string, was, is []Column, closed bool) {
	next := make(map[string]*Column, len(is))
	for i := range is {
		next[is[i].Name] = &is[i]
	}
	before := make(map[string]bool, len(was))
	for _, c := range was {
		before[c.Name] = true
		name := path + c.Name
		n := next[c.Name]
		switch {
		case n == nil && d.input:
			d.add(name, closed, "%q is gone", name)
			continue
		case n == nil:
			d.add(name, true, "%q is gone", name)
			continue
		case c.Optional && !n.Optional:
			d.add(name, d.input, "%q is required, and was optional", name)
		case !c.Optional && n.Optional:
			d.add(name, !d.input, "%q is optional, and was required", name)
		}
		d.types(name, c.Type, n.Type)
	}
	for _, c := range is {
		name := path + c.Name
		switch {
		case before[c.Name]:
		case d.input && !c.Optional:
			d.add(name, true, "%q (%v) is new and required", name, c.Type)
		default:
			d.add(name, false, "%q (%v) is new", name, c.Type)
		}
	}
}

func (d *differ) types(path string, was, is Type) {
	switch w := was.(type) {
	case ObjectType:
		if i, ok := is.(ObjectType); ok {
			d.columns(path+".", w.Properties, i.Properties, true)
			return
		}
	case ArrayType:
		if i, ok := is.(ArrayType); ok {
			d.types(path+"[]", w.Items, i.Items)
			return
		}
	case MapType:
		if i, ok := is.(MapType); ok {
			d.types(path+"{}", w.Values, i.Values)
			return
		}
	case TensorType:
		if i, ok := is.(TensorType); ok {
			if d.shapes(path, w, i) {
				return
			}
		}
	default:
		if was == is {
			return
		}
	}
	if d.input && widens(was, is) {
		d.add(path, false, "%q takes %v, and took %v", path, is, was)
		return
	}
	d.add(path, true, "%q is %v, and was %v", path, is, was)
}

// widens says whether what fits was fits is too, by the casts that MLflow holds safe.
func widens(was, is Type) bool {
	if _, ok := is.(AnyType); ok {
		return true
	}
	switch was {
	case TypeInteger:
		return is == TypeLong || is == TypeDouble
	case TypeFloat:
		return is == TypeDouble
	}
	return false
}

// shapes compares tensors of one element type and rank; false: they are not.
func (d *differ) shapes(path string, was, is TensorType) bool {
	if was.DType != is.DType || len(was.Shape) != len(is.Shape) {
		return false
	}
	if slices.Equal(was.Shape, is.Shape) {
		return true
	}
	breaking := false
	for i, w := range was.Shape {
		n := is.Shape[i]
		looser, tighter := n == -1 && w != -1, w == -1 && n != -1
		breaking = breaking || w != n && !(d.input && looser || !d.input && tighter)
	}
	d.add(path, breaking, "%q is a %v, and was a %v", path, is, was)
	return true
}

func (d *differ) params(was, is []Param) {
	for i := range was {
		p := &was[i]
		at := slices.IndexFunc(is, func(n Param) bool { return n.Name == p.Name })
		if at < 0 {
			d.add(p.Name, true, "%q is gone, and callers that set it would be ignored", p.Name)
			continue
		}
		d.param(p, &is[at])
	}
	for _, p := range is {
		if !slices.ContainsFunc(was, func(w Param) bool { return w.Name == p.Name }) {
			d.add(p.Name, false, "%q (%v) is new", p.Name, p.Type)
		}
	}
}

func (d *differ) param(was, is *Param) {
	if was.List != is.List {
		d.add(was.Name, true, "%q changes between a value and a list", was.Name)
		return
	}
	d.input = true // callers send it
	before := len(d.found)
	if was.Type == TypeLong && (is.Type == TypeDouble || is.Type == TypeFloat) || was.Type == TypeInteger && is.Type == TypeFloat {
		d.add(was.Name, false, "%q takes %v, and took %v", was.Name, is.Type, was.Type)
	} else {
		d.types(was.Name, was.Type, is.Type)
	}
	d.input = false
	if len(d.found) > before {
		return
	}
	var old, now pyWriter
	was.writeValue(&old, was.Default)
	is.writeValue(&now, is.Default)
	if string(old.b) != string(now.b) {
		d.add(was.Name, false, "%q is %s by default, and was %s", was.Name, now.b, old.b)
	}
}

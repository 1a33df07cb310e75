package modelregistry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Signature says what a model takes and what it returns, in MLflow's types. Its JSON is what stands under signature in
// the MLmodel file that MLflow keeps with a model: what a Python program wrote is understood here, and the other way
// round. See InferSignature for one from Go values, Diff for what changed, and Validate for whether a request fits.
type Signature struct {
	Inputs  Schema  // empty: not declared
	Outputs Schema  // empty: not declared
	Params  []Param // what callers may set besides the inputs
}

// A Schema is the columns of a table, or tensors; not both. Either all of them have names or none has, and then their
// order counts.
type Schema []Column

// A Column is a column of a schema, a tensor of one, or a property of an ObjectType.
type Column struct {
	Name     string // "" if the schema has no names; a property has one always
	Type     Type
	Optional bool // it may be left out or null. Columns without a name and tensors may not.

	// numbered: MLflow writes the name as a number, as pandas calls columns that were given none.
	numbered bool
}

// A Param is something that callers may set for a request, such as a temperature.
type Param struct {
	Name string
	Type Type // a DataType but TypeBinary, or an ObjectType
	// List makes the value a list of Type.
	List bool
	// Default is what holds when callers leave it out: nil, or a value that fits, as Validate says.
	Default any
}

// A Type is a DataType, ArrayType, MapType, ObjectType, AnyType, SparkVectorType or TensorType.
type Type interface {
	// String is the type in words: "long", "array of string".
	String() string
	isType()
}

// A DataType is the type of a single value.
type DataType string

// The data types. A value fits one if it can be converted without getting another value, whatever its Go type is: JSON
// knows but one sort of number.
const (
	TypeBoolean  DataType = "boolean"
	TypeInteger  DataType = "integer"  // whole numbers of 32 bits
	TypeLong     DataType = "long"     // whole numbers of 64 bits
	TypeFloat    DataType = "float"    // numbers in the range of 32-bit floating point
	TypeDouble   DataType = "double"   // numbers; whole ones up to 2^53
	TypeString   DataType = "string"   // text
	TypeBinary   DataType = "binary"   // bytes; in JSON base64
	TypeDatetime DataType = "datetime" // a time.Time; in JSON ISO 8601, with or without a time and a zone
)

// dataTypes lists them all.
var dataTypes = [...]DataType{TypeBoolean, TypeInteger, TypeLong, TypeFloat, TypeDouble, TypeString, TypeBinary, TypeDatetime}

type (
	// An ArrayType is a list of values of one type.
	ArrayType struct{ Items Type }
	// A MapType is from strings to values of one type.
	MapType struct{ Values Type }
	// An ObjectType has properties, each with a name and type of its own, in byte order of their names.
	ObjectType struct{ Properties []Column }
	// AnyType is anything, also null. Nothing is checked.
	AnyType struct{}
	// A SparkVectorType is Spark ML's vector: a list of doubles.
	SparkVectorType struct{}
	// A TensorType is an array of numbers (or others) of any rank.
	TensorType struct {
		DType string // as NumPy calls it: "float32", "int64", "bool", "str", "object", "datetime64[ns]"
		Shape []int  // the length of each dimension; -1: any
	}
)

func (DataType) isType()        {}
func (ArrayType) isType()       {}
func (MapType) isType()         {}
func (ObjectType) isType()      {}
func (AnyType) isType()         {}
func (SparkVectorType) isType() {}
func (TensorType) isType()      {}

func (t DataType) String() string      { return string(t) }
func (t ArrayType) String() string     { return fmt.Sprintf("array of %v", t.Items) }
func (t MapType) String() string       { return fmt.Sprintf("map to %v", t.Values) }
func (AnyType) String() string         { return "any" }
func (SparkVectorType) String() string { return "vector of double" }

func (t ObjectType) String() string {
	names := make([]string, len(t.Properties))
	for i, p := range t.Properties {
		names[i] = p.String()
	}
	return "object {" + strings.Join(names, ", ") + "}"
}

func (t TensorType) String() string {
	dims := make([]string, len(t.Shape))
	for i, n := range t.Shape {
		dims[i] = strconv.Itoa(n)
	}
	return "tensor of " + t.DType + " (" + strings.Join(dims, ", ") + ")"
}

// String is the column in words: "age: long", "income: double, optional".
func (c Column) String() string {
	s := fmt.Sprint(c.Type)
	if c.Name != "" {
		s = c.Name + ": " + s
	}
	if c.Optional {
		s += ", optional"
	}
	return s
}

// named says whether the schema's columns go by their names.
func (s Schema) named() bool { return len(s) > 0 && s[0].Name != "" }

// tensors says whether the schema is of tensors.
func (s Schema) tensors() bool {
	if len(s) == 0 {
		return false
	}
	_, ok := s[0].Type.(TensorType)
	return ok
}

// label names the i-th column for messages.
func (s Schema) label(i int) string {
	if s[i].Name != "" {
		return s[i].Name
	}
	return strconv.Itoa(i)
}

// normal is t with the properties of objects in their order.
func normal(t Type) Type {
	switch t := t.(type) {
	case ArrayType:
		return ArrayType{normal(t.Items)}
	case MapType:
		return MapType{normal(t.Values)}
	case ObjectType:
		sorted := slices.Clone(t.Properties)
		for i := range sorted {
			sorted[i].Type = normal(sorted[i].Type)
		}
		slices.SortStableFunc(sorted, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
		return ObjectType{sorted}
	}
	return t
}

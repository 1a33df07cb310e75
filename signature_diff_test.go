package modelregistry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// What a change of a signature means to callers, each row read on its own.
func TestDiffSaysWhatBreaksCallers(t *testing.T) {
	const (
		long, double, integer = modelregistry.TypeLong, modelregistry.TypeDouble, modelregistry.TypeInteger
		float, text           = modelregistry.TypeFloat, modelregistry.TypeString
		none                  = ""
		ok                    = "compatible"
		breaks                = "breaking"
	)
	tensor := func(dtype string, shape ...int) modelregistry.Column {
		return column("", modelregistry.TensorType{DType: dtype, Shape: shape})
	}
	object := func(name string, properties ...modelregistry.Column) modelregistry.Column {
		return column(name, modelregistry.ObjectType{Properties: properties})
	}
	array := func(t modelregistry.Type) modelregistry.Type { return modelregistry.ArrayType{Items: t} }
	params := func(p ...modelregistry.Param) *modelregistry.Signature {
		return &modelregistry.Signature{Params: p}
	}
	a, b := column("a", long), column("b", double)
	p := modelregistry.Param{Name: "p", Type: long, Default: 1}
	for _, c := range []struct {
		name     string
		old, now *modelregistry.Signature
		want     string
		hint     string
	}{
		{"the same", inputs(a, b), inputs(a, b), none, ""},
		{"another order", inputs(a, b), inputs(b, a), none, ""},
		{"nothing at all", nil, nil, none, ""},
		{"required input", inputs(a), inputs(a, b), breaks, `"b" (double) is new and required`},
		{"optional input", inputs(a), inputs(a, optional("b", double)), ok, `"b" (double) is new`},
		{"input gone", inputs(a, b), inputs(a), ok, `"b" is gone`},
		{"input renamed", inputs(a), inputs(column("c", long)), breaks, `"c" (long) is new`},
		{"wider input", inputs(column("a", integer)), inputs(a), ok, `"a" takes long, and took integer`},
		{"wider input still", inputs(column("a", float)), inputs(column("a", double)), ok, ""},
		{"any input", inputs(a), inputs(column("a", modelregistry.AnyType{})), ok, ""},
		{"narrower input", inputs(a), inputs(column("a", integer)), breaks, `"a" is integer, and was long`},
		{"whole to floating", inputs(a), inputs(column("a", double)), breaks, ""}, // MLflow refuses it too
		{"other input", inputs(a), inputs(column("a", text)), breaks, ""},
		{"input made optional", inputs(a), inputs(optional("a", long)), ok, "is optional, and was required"},
		{"input made required", inputs(optional("a", long)), inputs(a), breaks, "is required, and was optional"},
		{"inputs declared", outputs(a), &modelregistry.Signature{Inputs: modelregistry.Schema{a}, Outputs: modelregistry.Schema{a}}, breaks, "1 columns are declared"},
		{"inputs no longer declared", inputs(a), params(p), ok, "nothing is declared"},
		{"columns to tensors", inputs(a), inputs(tensor("float32", -1)), breaks, "columns become tensors"},
		{"names to positions", inputs(a), inputs(column("", long)), breaks, "go by position"},
		{"positions", inputs(column("", long)), inputs(column("", long), column("", long)), breaks, `"1" (long) is new`},
		{"fewer positions", inputs(column("", long), column("", long)), inputs(column("", long)), ok, `"1" is gone`},
		{"wider elements", inputs(column("a", array(integer))), inputs(column("a", array(long))), ok, `"a[]" takes`},
		{"array to value", inputs(column("a", array(long))), inputs(a), breaks, ""},
		{"property gone", inputs(object("o", a, b)), inputs(object("o", a)), breaks, `"o.b" is gone`}, // it would be refused
		{"optional property", inputs(object("o", a)), inputs(object("o", a, optional("b", double))), ok, `"o.b"`},
		{"required property", inputs(object("o", a)), inputs(object("o", a, b)), breaks, `"o.b"`},
		{"wider tensor", inputs(tensor("float32", -1)), inputs(tensor("float64", -1)), breaks, ""},
		{"fixed dimension", inputs(tensor("float32", -1, -1)), inputs(tensor("float32", -1, 4)), breaks, ""},
		{"free dimension", inputs(tensor("float32", -1, 4)), inputs(tensor("float32", -1, -1)), ok, ""},
		{"other rank", inputs(tensor("float32", -1)), inputs(tensor("float32", -1, 4)), breaks, ""},

		{"output gone", outputs(a, b), outputs(a), breaks, `"b" is gone`},
		{"output added", outputs(a), outputs(a, b), ok, `"b" (double) is new`},
		{"output of another type", outputs(a), outputs(column("a", integer)), breaks, `"a" is integer, and was long`},
		{"output made optional", outputs(a), outputs(optional("a", long)), breaks, ""},
		{"output made certain", outputs(optional("a", long)), outputs(a), ok, ""},
		{"output with more properties", outputs(object("o", a)), outputs(object("o", a, b)), ok, ""},
		{"output with fewer properties", outputs(object("o", a, b)), outputs(object("o", a)), breaks, ""},
		{"output of fixed size", outputs(tensor("float32", -1, -1)), outputs(tensor("float32", -1, 3)), ok, ""},
		{"output of other size", outputs(tensor("float32", -1, 3)), outputs(tensor("float32", -1, 4)), breaks, ""},
		{"output of any size", outputs(tensor("float32", -1, 3)), outputs(tensor("float32", -1, -1)), breaks, ""},
		{"outputs declared", inputs(a), &modelregistry.Signature{Inputs: modelregistry.Schema{a}, Outputs: modelregistry.Schema{a}}, ok, ""},
		{"outputs no longer declared", outputs(a), params(p), breaks, ""},

		{"param added", inputs(a), &modelregistry.Signature{Inputs: modelregistry.Schema{a}, Params: []modelregistry.Param{p}}, ok, `"p" (long) is new`},
		{"param gone", params(p, modelregistry.Param{Name: "q", Type: long}), params(p), breaks, `"q" is gone`},
		{"param with another default", params(p), params(modelregistry.Param{Name: "p", Type: long, Default: 2}), ok, `"p" is 2 by default, and was 1`},
		{"param with the same default", params(p), params(modelregistry.Param{Name: "p", Type: long, Default: int64(1)}), none, ""},
		{"wider param", params(p), params(modelregistry.Param{Name: "p", Type: double, Default: 1.0}), ok, `takes double`},
		{"narrower param", params(modelregistry.Param{Name: "p", Type: double}), params(p), breaks, ""},
		{"param that is a list", params(p), params(modelregistry.Param{Name: "p", Type: long, List: true}), breaks, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.old.Diff(c.now)
			got := none
			if len(d) > 0 {
				got = ok
			}
			if d.Breaking() {
				got = breaks
			}
			require.Equal(t, c.want, got, d)
			require.Contains(t, d.String(), c.hint)
			require.Equal(t, map[string]modelregistry.Bump{none: modelregistry.BumpPatch, ok: modelregistry.BumpMinor, breaks: modelregistry.BumpMajor}[got], d.Bump())
			require.Equal(t, got != breaks, c.old.Compatible(c.now))
		})
	}
}

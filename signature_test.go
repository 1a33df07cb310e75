package modelregistry_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

func mlflowSignatures(t testing.TB) map[string]json.RawMessage {
	// testdata/signatures/make.py made it, with MLflow's own client.
	text, err := os.ReadFile("testdata/signatures/mlflow.json")
	require.NoError(t, err)
	var cases map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &cases))
	return cases
}

// What MLflow's client wrote is read, and written again to the byte.
func TestSignaturesOfMLflowSurvive(t *testing.T) {
	for name, text := range mlflowSignatures(t) {
		t.Run(name, func(t *testing.T) {
			var s modelregistry.Signature
			require.NoError(t, json.Unmarshal(text, &s))
			again, err := json.Marshal(s)
			require.NoError(t, err)
			var want, got map[string]*string
			require.NoError(t, json.Unmarshal(text, &want))
			require.NoError(t, json.Unmarshal(again, &got))
			require.Equal(t, want, got)
			require.Empty(t, s.Diff(&s))
		})
	}
}

func column(name string, t modelregistry.Type) modelregistry.Column {
	return modelregistry.Column{Name: name, Type: t}
}

func optional(name string, t modelregistry.Type) modelregistry.Column {
	return modelregistry.Column{Name: name, Type: t, Optional: true}
}

func inputs(columns ...modelregistry.Column) *modelregistry.Signature {
	return &modelregistry.Signature{Inputs: columns}
}

func outputs(columns ...modelregistry.Column) *modelregistry.Signature {
	return &modelregistry.Signature{Outputs: columns}
}

func TestSignaturesThatAreNoneAreRefused(t *testing.T) {
	const double, long = modelregistry.TypeDouble, modelregistry.TypeLong
	tensor := modelregistry.TensorType{DType: "float32", Shape: []int{-1, 2}}
	deep := modelregistry.Type(long)
	for range 40 {
		deep = modelregistry.ArrayType{Items: deep}
	}
	for hint, s := range map[string]*modelregistry.Signature{
		"declares no":                  {},
		`"a": invalid: it is there tw`: inputs(column("a", double), column("b", long), column("a", long)),
		"some columns have names":      inputs(column("a", double), column("", long)),
		"has no type":                  inputs(column("a", nil)),
		`"decimal"`:                    inputs(column("a", modelregistry.DataType("decimal"))),
		"only columns with a name":     inputs(optional("", double)),
		"tensors are mixed":            inputs(column("a", tensor), column("b", double)),
		"cannot be optional":           inputs(optional("a", tensor)),
		"each needs a name":            inputs(column("", tensor), column("", tensor)),
		`"float33"`:                    inputs(column("", modelregistry.TensorType{DType: "float33"})),
		"dimension 1 of the tensor":    inputs(column("", modelregistry.TensorType{DType: "bool", Shape: []int{-1, -2}})),
		"stands alone":                 inputs(column("a", modelregistry.ArrayType{Items: tensor})),
		"more than 32 deep":            inputs(column("a", deep)),
		"0 properties":                 inputs(column("a", modelregistry.ObjectType{})),
		`property "x"`:                 inputs(column("a", modelregistry.ObjectType{Properties: []modelregistry.Column{column("x", long), column("x", long)}})),
		"NUL":                          inputs(column("a\x00", long)),
		"it has no name":               {Params: []modelregistry.Param{{Type: long}}},
		"cannot be binary":             {Params: []modelregistry.Param{{Name: "p", Type: modelregistry.TypeBinary}}},
		"want long, got \"x\"":         {Params: []modelregistry.Param{{Name: "p", Type: long, Default: "x"}}},
		`param "p"`:                    {Params: []modelregistry.Param{{Name: "p", Type: long}, {Name: "p", Type: long}}},
	} {
		t.Run(hint, func(t *testing.T) {
			err := s.Check()
			require.ErrorIs(t, err, modelregistry.ErrInvalid)
			require.ErrorContains(t, err, hint)
		})
	}
	for hint, text := range map[string]string{
		"it is there twice": `[{"type":"object","name":"o","properties":{"x":{"type":"long"},"x":{"type":"long"}}}]`,
		"no type":           `[{"name":"a"}]`,
		"items":             `[{"type":"array","name":"a"}]`,
		"tensor-spec":       `[{"type":"tensor"}]`,
		"list is empty":     `[]`,
		"not a list":        `{"a":1}`,
		"neither text":      `[{"type":"long","name":[1]}]`,
		"32 deep":           `[` + strings.Repeat(`{"type":"array","items":`, 50) + `{"type":"long"}` + strings.Repeat(`}`, 50) + `]`,
	} {
		_, err := modelregistry.ParseSignature(text, "", "")
		require.ErrorIs(t, err, modelregistry.ErrInvalid, hint)
		require.ErrorContains(t, err, hint)
	}
}

func TestInferSignature(t *testing.T) {
	type address struct {
		Zip string `json:"zip"`
	}
	type base struct {
		ID int64 `json:"id"`
	}
	type applicant struct {
		base
		Age      int8              `json:"age"`
		Income   *float64          `json:"income"`
		Score    float32           `json:"score,omitempty"`
		Name     string            // without a tag
		Since    time.Time         `json:"since"`
		Photo    []byte            `json:"photo"`
		Tags     []string          `json:"tags"`
		Counts   map[string]uint16 `json:"counts"`
		Address  address           `json:"address"`
		Anything any               `json:"anything"`
		Hidden   string            `json:"-"`
		private  int
	}
	_ = applicant{}.private
	for _, c := range []struct {
		name   string
		sample any
		want   string
	}{
		{"struct", applicant{}, "id: long; age: integer; income: double, optional; score: float, optional; Name: string; since: datetime; photo: binary; tags: array of string; counts: map to integer; address: object {zip: string}; anything: any"},
		{"pointers to structs", []*address{}, "zip: string"},
		{"rows", []map[string]any{{"a": 1, "b": 0.5, "c": nil, "d": []any{"x"}}, {"a": 2.5, "c": true, "d": []any{}, "e": map[string]any{"k": 1}}},
			"a: double; b: double, optional; c: boolean, optional; d: array of string; e: object {k: long}, optional"},
		{"decoded JSON", []any{map[string]any{"a": 1.5}}, "a: double"},
		{"one row", map[string]any{"a": "x"}, "a: string"},
		{"matrix", [][]float64{{1, 2}, {3, 4}}, "tensor of float64 (-1, 2)"},
		{"ragged", [][]float32{{1, 2}, {3}}, "tensor of float32 (-1, -1)"},
		{"decoded matrix", []any{[]any{1.5, 2.5}}, "tensor of float64 (-1, 2)"},
		{"empty matrix", [][]int32{}, "tensor of int32 (-1, -1)"},
		{"array", [2][3]uint8{}, "tensor of uint8 (-1, 3)"},
		{"labels", []string{"a"}, "tensor of str (-1)"},
		{"predictions", []int{0, 1}, "tensor of int64 (-1)"},
		{"named tensors", map[string][]float64{"b": {1}, "a": {2}}, "a: tensor of float64 (-1); b: tensor of float64 (-1)"},
		{"text", "hello", "string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := modelregistry.InferSchema(c.sample)
			require.NoError(t, err)
			var columns []string
			for _, col := range s {
				columns = append(columns, col.String())
			}
			require.Equal(t, c.want, strings.Join(columns, "; "))
			require.NoError(t, (&modelregistry.Signature{Inputs: s}).Check())
		})
	}
	type loop struct{ Next []loop }
	for hint, sample := range map[string]any{
		"it is long in one place and string in another": []map[string]any{{"a": 1}, {"a": "x"}},
		"use int64":           struct{ A uint64 }{},
		"contains itself":     loop{},
		"no type":             struct{ F func() }{},
		"no exported fields":  struct{}{},
		"without columns":     []map[string]any{},
		"keys that are not":   map[int]string{1: "x"},
		"1 and 2 slices deep": []any{[]any{1.5}, 2.5},
		"a nil":               (*address)(nil),
		"elements of float64": []any{1.5, "x"},
		"an element is null":  []any{nil},
		"there is no telling": []any{},
		"Go type chan":        make(chan int),
	} {
		_, err := modelregistry.InferSignature(sample, nil)
		require.ErrorIs(t, err, modelregistry.ErrInvalid, hint)
		require.ErrorContains(t, err, hint)
	}
}

// What a sample's signature says, the sample meets.
func TestSamplesFitWhatIsInferredFromThem(t *testing.T) {
	type row struct {
		A int       `json:"a"`
		B *float64  `json:"b"`
		C []byte    `json:"c"`
		D time.Time `json:"d"`
	}
	for _, sample := range []any{
		row{C: []byte{}}, []row{{A: 1, C: []byte("x")}},
		[]map[string]any{{"a": 1, "b": []any{1.5, 2}}, {"a": 2}},
		[][]float64{{1, math.NaN()}}, [][][]int8{{{1}, {2}}}, []string{"a"},
		map[string][]float32{"x": {1}}, []any{map[string]any{"a": map[string]any{"b": true}}}, 3.5,
	} {
		s, err := modelregistry.InferSignature(sample, nil)
		require.NoError(t, err)
		require.NoError(t, s.Validate(sample, nil), "%#v", sample)
	}
}

func TestValidateNamesWhatDoesNotFit(t *testing.T) {
	s := inputs(
		column("age", modelregistry.TypeInteger), column("income", modelregistry.TypeDouble), optional("name", modelregistry.TypeString),
		optional("photo", modelregistry.TypeBinary), optional("since", modelregistry.TypeDatetime), optional("score", modelregistry.TypeFloat),
		optional("id", modelregistry.TypeLong), optional("tags", modelregistry.ArrayType{Items: modelregistry.TypeString}),
		optional("counts", modelregistry.MapType{Values: modelregistry.TypeLong}), optional("v", modelregistry.SparkVectorType{}),
		optional("address", modelregistry.ObjectType{Properties: []modelregistry.Column{
			column("zip", modelregistry.TypeString), optional("city", modelregistry.TypeString)}}),
	)
	with := func(name string, value any) map[string]any {
		return map[string]any{"age": 41, "income": 1.5, name: value}
	}
	for _, fine := range []map[string]any{
		with("more", "is ignored"), with("age", 41.0), with("age", json.Number("41")), with("income", 7), with("income", float32(1)),
		with("income", math.Inf(1)), with("name", nil), with("photo", "aGk="), with("photo", []byte{1}), with("since", "2024-01-31"),
		with("since", "2024-01-31 12:00:00"), with("since", "2024-01-31T12:00:00.5Z"), with("id", int64(math.MaxInt64)), with("score", 0.1),
		with("tags", []string{"a"}), with("tags", []any{}), with("counts", map[string]int{"a": 1}), with("address", map[string]any{"zip": "1"}),
		with("address", struct {
			Zip string `json:"zip"`
		}{"1"}), with("v", []float64{1}),
	} {
		require.NoError(t, s.Validate([]map[string]any{fine}, nil), "%v", fine)
	}
	for want, row := range map[string]map[string]any{
		`row 1: column "age": want integer, got "x"`:                          with("age", "x"),
		`row 1: column "age": want integer, got the number 3000000000`:        with("age", 3e9),
		`row 1: column "age": want integer, got the number 1.5`:               with("age", 1.5),
		`row 1: column "age": want integer, got null`:                         with("age", nil),
		`row 1: column "age": want integer, got true`:                         with("age", true),
		`row 1: column "income": want double, got nothing: it is required`:    {"age": 1},
		`row 1: column "income": want double, got the number 90071992547409`:  with("income", int64(9007199254740993)),
		`row 1: column "score": want float, got the number 1e+39`:             with("score", 1e39),
		`row 1: column "name": want string, got the number 1`:                 with("name", json.Number("1")),
		`row 1: column "photo": want binary, got "no base64!"`:                with("photo", "no base64!"),
		`row 1: column "since": want datetime, got "yesterday"`:               with("since", "yesterday"),
		`row 1: column "tags[1]": want string, got the number 2`:              with("tags", []any{"a", 2.0}),
		`row 1: column "tags": want array of string, got "a"`:                 with("tags", "a"),
		`row 1: column "counts.a": want long, got "x"`:                        with("counts", map[string]any{"a": "x"}),
		`row 1: column "v[0]": want double, got "x"`:                          with("v", []any{"x"}),
		`row 1: column "address.zip": want string, got nothing`:               with("address", map[string]any{}),
		`row 1: column "address.street": want no such property, got "s"`:      with("address", map[string]any{"zip": "1", "street": "s"}),
		`row 1: column "address": want object {city: string, optional, zip: `: with("address", 1),
	} {
		err := s.Validate([]map[string]any{with("age", 1), row}, nil)
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		if !strings.Contains(want, "address\": want object") { // the order of properties is the caller's
			require.ErrorContains(t, err, want)
		}
		var m *modelregistry.Mismatch
		require.ErrorAs(t, err, &m)
		require.Equal(t, 1, m.Row)
	}
	many := make([]any, 1000)
	require.Equal(t, 10, strings.Count(s.Validate(many, nil).Error(), "row"), "the first ten are enough")
	require.ErrorContains(t, s.Validate(nil, nil), "want rows, got nothing")
	require.ErrorContains(t, s.Validate("x", nil), `row 0: want columns by name, got "x"`)
}

func TestValidateTensorsPositionsAndParams(t *testing.T) {
	matrix := inputs(column("", modelregistry.TensorType{DType: "float32", Shape: []int{-1, 2}}))
	require.NoError(t, matrix.Validate([][]float32{{1, 2}, {3, 4}}, nil))
	require.NoError(t, matrix.Validate([]any{[]any{1.5, 2.0}}, nil))
	require.NoError(t, matrix.Validate([][2]float64{}, nil))
	for hint, data := range map[string]any{
		"2 and 3 elements along dimension 1": [][]float32{{1, 2}, {1, 2, 3}},
		"1 dimensions":                       []float32{1},
		`an element that is "x"`:             []any{[]any{1.5, "x"}},
		"an element that is a list":          [][][]float32{{{1}, {2}}},
		"0 dimensions":                       nil,
	} {
		require.ErrorContains(t, matrix.Validate(data, nil), "want tensor of float32 (-1, 2), got "+hint)
	}
	named := inputs(column("a", modelregistry.TensorType{DType: "uint8", Shape: []int{-1}}), column("b", modelregistry.TensorType{DType: "str", Shape: []int{1}}))
	require.NoError(t, named.Validate(map[string]any{"a": []any{255.0}, "b": []string{"x"}, "more": 1}, nil))
	require.ErrorContains(t, named.Validate(map[string]any{"a": []int{256}}, nil), `column "a": want tensor of uint8 (-1), got an element that is the number 256`)
	require.ErrorContains(t, named.Validate(map[string]any{"a": []int{1}}, nil), `column "b": want tensor of str (1), got nothing`)
	require.ErrorContains(t, named.Validate([]int{1}, nil), "want tensors by name, got a list of 1")

	positions := inputs(column("", modelregistry.TypeLong), column("", modelregistry.TypeString))
	require.NoError(t, positions.Validate([]any{[]any{1.0, "x", "more"}}, nil))
	require.ErrorContains(t, positions.Validate([]any{[]any{1.0}}, nil), "row 0: want a list of 2 columns, got a list of 1")
	require.ErrorContains(t, positions.Validate([]any{[]any{1.0, 2.0}}, nil), `row 0: column "1": want string`)
	require.NoError(t, inputs(column("", modelregistry.TypeString)).Validate([]string{"a", "b"}, nil))

	params := &modelregistry.Signature{Params: []modelregistry.Param{
		{Name: "t", Type: modelregistry.TypeDouble, Default: 0.5}, {Name: "stop", Type: modelregistry.TypeString, List: true}}}
	require.NoError(t, params.Validate("anything", map[string]any{"t": 1, "stop": []string{"a"}, "unknown": 1}))
	require.ErrorContains(t, params.Validate(nil, map[string]any{"t": "hot"}), `param "t": want double, got "hot"`)
	require.ErrorContains(t, params.Validate(nil, map[string]any{"stop": "a"}), `param "stop": want array of string, got "a"`)
}

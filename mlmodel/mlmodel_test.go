package mlmodel_test

import (
	"fmt"
	"io/fs"
	"log"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/mlmodel"
)

// testdata/make.py made the file, with MLflow's own client.
func TestReadsWhatMLflowSaved(t *testing.T) {
	m, err := mlmodel.Read(os.DirFS("testdata/iris"))
	require.NoError(t, err)
	require.Equal(t, []string{"python_function", "sklearn"}, m.Flavors)
	require.Equal(t, "3.17.2", m.Version)
	require.Equal(t, "8b8e1dfd2bb844959d055046adba4e26", m.ModelID)
	require.Equal(t, time.Date(2026, 11, 22, 16, 17, 41, 738954000, time.UTC), m.Created)
	require.Equal(t, []modelregistry.Param{
		{Name: "threshold", Type: modelregistry.TypeDouble, Default: 0.5},
		{Name: "labels", Type: modelregistry.TypeString, List: true, Default: []any{"a", "b"}},
	}, m.Signature.Params)

	section, err := mlmodel.Signature(m.Signature)
	require.NoError(t, err)
	again, err := mlmodel.Parse(section)
	require.NoError(t, err)
	require.Equal(t, m.Signature, again.Signature)
}

func TestRefusesWhatIsNone(t *testing.T) {
	_, err := mlmodel.Read(fstest.MapFS{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	for text, hint := range map[string]string{
		"\t":                     "cannot start any token",
		"flavors: 1":             "cannot unmarshal",
		"signature: {inputs: x}": "signature: inputs",
		"signature: {inputs: null, outputs: null, params: null}": "declares no inputs",
		`signature: {inputs: '[{"type": "decimal"}]'}`:           "decimal",
	} {
		_, err := mlmodel.Parse([]byte(text))
		require.ErrorIs(t, err, modelregistry.ErrInvalid, text)
		require.ErrorContains(t, err, hint)
	}
	m, err := mlmodel.Parse([]byte("run_id: abc\nsignature: null\n"))
	require.NoError(t, err)
	require.Equal(t, &mlmodel.Model{RunID: "abc"}, m)
}

// A model is not refused for what nothing needs.
func TestReadsAnyTimeOrNone(t *testing.T) {
	for text, want := range map[string]string{
		"'2026-11-22 16:17:41.738954'": "2026-11-22T16:17:41.738954Z",
		"2024-02-03 04:05:06":          "2024-02-03T04:05:06Z",
		"2024-02-03T04:05:06Z":         "2024-02-03T04:05:06Z",
		"'2024-02-03T04:05:06.5Z'":     "2024-02-03T04:05:06.5Z",
		"2024-02-03T04:05:06+02:00":    "2024-02-03T02:05:06Z",
		"'2024-02-03 04:05:06 -0130'":  "2024-02-03T05:35:06Z",
		"2024-02-03 04:05:06+02":       "2024-02-03T02:05:06Z",
		"2024-02-03":                   "2024-02-03T00:00:00Z",
		"25-11-03T09:14:07.07.42":      "2025-11-03T09:14:07.42Z",
		"yesterday":                    "",
		"1700000000":                   "",
		"null":                         "",
		"[2024, 2]":                    "",
		"{a: b}":                       "",
		"''":                           "",
	} {
		m, err := mlmodel.Parse([]byte("run_id: abc\nutc_time_created: " + text + "\n"))
		require.NoError(t, err, text)
		require.Equal(t, "abc", m.RunID)
		got := ""
		if !m.Created.IsZero() {
			got = m.Created.Format(time.RFC3339Nano)
		}
		require.Equal(t, want, got, text)
	}
	m, err := mlmodel.Parse([]byte("run_id: [1]\nmodel_id: {}\nmodel_uuid: 12\nmlflow_version: 2.10\nflavors: {b: 1, a: null}\n"))
	require.NoError(t, err)
	require.Equal(t, &mlmodel.Model{ModelID: "12", Version: "2.10", Flavors: []string{"a", "b"}}, m)
}

// No input makes the reader panic, and what it reads it can write and read again.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/iris/MLmodel")
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte("signature: {inputs: '[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"int64\", \"shape\": [-1]}}]'}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := mlmodel.Parse(text)
		if err != nil || m.Signature == nil {
			return
		}
		section, err := mlmodel.Signature(m.Signature)
		require.NoError(t, err)
		again, err := mlmodel.Parse(section)
		require.NoError(t, err)
		require.Empty(t, m.Signature.Diff(again.Signature))
	})
}

func ExampleRead() {
	m, err := mlmodel.Read(os.DirFS("testdata/iris"))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range m.Signature.Inputs {
		fmt.Println(c)
	}
	err = m.Signature.Validate(map[string]any{"sepal length (cm)": 5.1, "sepal width (cm)": "wide", "petal length (cm)": 1.4}, nil)
	fmt.Println(err)
	// Output:
	// sepal length (cm): double
	// sepal width (cm): double
	// petal length (cm): double
	// petal width (cm): double
	// row 0: column "sepal width (cm)": want double, got "wide"
	// row 0: column "petal width (cm)": want double, got nothing: it is required
}

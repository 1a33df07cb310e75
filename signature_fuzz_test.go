package modelregistry_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// No JSON makes the reader panic; what it reads it writes so that it reads the same, and validating anything against it
// does no harm.
func FuzzSignatureJSON(f *testing.F) {
	for _, text := range mlflowSignatures(f) {
		f.Add([]byte(text), []byte(`[{"a": 1, "b": [1.5, null], "c": {"d": "x"}}, [[1, 2], 3]]`))
	}
	f.Fuzz(func(t *testing.T, text, request []byte) {
		var s modelregistry.Signature
		if json.Unmarshal(text, &s) != nil {
			return
		}
		written, err := json.Marshal(s)
		require.NoError(t, err)
		var again modelregistry.Signature
		require.NoError(t, json.Unmarshal(written, &again))
		require.Empty(t, s.Diff(&again))
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(written), string(rewritten))
		var data any
		if json.Unmarshal(request, &data) != nil {
			return
		}
		_ = s.Validate(data, map[string]any{"p": data})
		if inferred, err := modelregistry.InferSignature(data, nil); err == nil {
			require.NoError(t, inferred.Check())
		}
	})
}

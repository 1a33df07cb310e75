package mlflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/mlflow"
)

// Searches fill in aliases, unless they are to be as plain as MLflow's; a version that is asked for by itself has them always.
func TestSearchesTellAliasesUnlessTheyArePlain(t *testing.T) {
	for plain, want := range map[bool]any{false: []any{"champion"}, true: nil} {
		s := newServer(t, &mlflow.Options{PlainSearch: plain})
		s.post("registered-models/create", fields{"name": "m"}).ok()
		s.post("model-versions/create", fields{"name": "m", "source": "s3://b/x"}).ok()
		s.post("registered-models/alias", fields{"name": "m", "alias": "champion", "version": "1"}).ok()
		found := s.get("model-versions/search", "filter", "name = 'm'").ok()["model_versions"].([]any)
		require.Len(t, found, 1)
		require.Equal(t, want, found[0].(fields)["aliases"])
		got := s.get("model-versions/get", "name", "m", "version", "1").ok()["model_version"].(fields)
		require.Equal(t, []any{"champion"}, got["aliases"])
	}
}

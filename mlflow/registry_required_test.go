package mlflow_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// A server that was opened without the gates that a model requires moves neither a stage nor an alias, and says why; nor
// does any other way that MLflow's API has take the requirement out of force.
func TestRequiredGatesHoldForClients(t *testing.T) {
	s := withModel(t)
	s.post("registered-models/alias", fields{"name": "m", "alias": "champion", "version": "1"}).ok()
	_, err := s.reg.UpdateModel(t.Context(), "m", modelregistry.ModelPatch{ProtectAliases: []string{"champion"}, Require: []modelregistry.Requirement{
		{Gate: "eval", Stage: modelregistry.Production}, {Gate: "eval", Alias: "next"}}})
	require.NoError(t, err)
	refused := func(r reply, sentence string) {
		t.Helper()
		require.Equal(t, http.StatusConflict, r.status, string(r.body))
		require.Contains(t, string(r.body), "RESOURCE_CONFLICT")
		require.Contains(t, string(r.body), sentence)
	}
	for _, archive := range []bool{true, false} {
		refused(s.post("model-versions/transition-stage", fields{"name": "m", "version": "2", "stage": "production", "archive_existing_versions": archive}),
			"eval: the model requires it, and this program was opened without a gate of that name in front of Production")
	}
	refused(s.post("registered-models/alias", fields{"name": "m", "alias": "next", "version": "2"}), "may not have the alias")
	refused(s.post("registered-models/alias", fields{"name": "m", "alias": "champion", "version": "2"}), "is protected")
	refused(s.do(http.MethodDelete, "registered-models/alias", fields{"name": "m", "alias": "champion"}), "is protected")
	refused(s.post("registered-models/rename", fields{"name": "m", "new_name": "n"}), "is protected")
	refused(s.do(http.MethodDelete, "model-versions/delete", fields{"name": "m", "version": "1"}), "is protected")
	refused(s.do(http.MethodDelete, "registered-models/delete", fields{"name": "m"}), "is protected")
	s.post("model-versions/transition-stage", fields{"name": "m", "version": "2", "stage": "Staging"}).ok()

	// Without a protected alias it can be deleted and made anew, and stands under the same.
	_, err = s.reg.UpdateModel(t.Context(), "m", modelregistry.ModelPatch{UnprotectAliases: []string{"champion"}, Reason: "a test"})
	require.NoError(t, err)
	s.do(http.MethodDelete, "registered-models/delete", fields{"name": "m"}).ok()
	s.post("registered-models/create", fields{"name": "m"}).ok()
	s.post("model-versions/create", fields{"name": "m", "source": "s3://b/k"}).ok()
	refused(s.post("model-versions/transition-stage", fields{"name": "m", "version": "1", "stage": "Production"}), "eval: ")
}

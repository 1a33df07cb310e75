package mlflow_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// Tags by which the server and an import know what is whose are for no client to set, delete or see.
func TestMarksAreTheServersOwn(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	s.post("registered-models/create", fields{"name": "m"}).ok()
	s.post("model-versions/create", fields{"name": "m", "source": "s3://b/x"}).ok()
	logged := s.post("logged-models", fields{"experiment_id": "0"}).ok()["model"].(fields)["info"].(fields)["model_id"].(string)
	for _, key := range []string{"modelregistry.import.done", "modelregistry.import.source", "modelregistry.mlflow.run_link", "modelregistry.anything", "modelregistry."} {
		one := fields{"key": key, "value": "7"}
		with := func(more fields) fields {
			for k, v := range one {
				if _, ok := more[k]; !ok {
					more[k] = v
				}
			}
			return more
		}
		tags := []fields{one}
		for path, got := range map[string]reply{
			"experiments/create":                s.post("experiments/create", fields{"name": "e", "tags": tags}),
			"experiments/set-experiment-tag":    s.post("experiments/set-experiment-tag", with(fields{"experiment_id": "0"})),
			"experiments/delete-experiment-tag": s.post("experiments/delete-experiment-tag", with(fields{"experiment_id": "0"})),
			"runs/create":                       s.post("runs/create", fields{"experiment_id": "0", "tags": tags}),
			"runs/log-batch":                    s.post("runs/log-batch", fields{"run_id": run, "tags": tags}),
			"runs/set-tag":                      s.post("runs/set-tag", with(fields{"run_id": run})),
			"runs/delete-tag":                   s.post("runs/delete-tag", with(fields{"run_id": run})),
			"runs/log-inputs":                   s.post("runs/log-inputs", fields{"run_id": run, "datasets": []fields{{"tags": tags, "dataset": fields{"name": "d", "digest": "1", "source_type": "x", "source": "y"}}}}),
			"logged-models":                     s.post("logged-models", fields{"experiment_id": "0", "tags": tags}),
			"logged-models/{model_id}/tags":     s.patch("logged-models/"+logged+"/tags", fields{"tags": tags}),
			"logged-models/{model_id}/tags/{}":  s.delete("logged-models/"+logged+"/tags/"+key, nil),
			"registered-models/create":          s.post("registered-models/create", fields{"name": "n", "tags": tags}),
			"registered-models/set-tag":         s.post("registered-models/set-tag", with(fields{"name": "m"})),
			"registered-models/delete-tag":      s.delete("registered-models/delete-tag", with(fields{"name": "m"})),
			"model-versions/create":             s.post("model-versions/create", fields{"name": "m", "source": "s3://b/x", "tags": tags}),
			"model-versions/set-tag":            s.post("model-versions/set-tag", with(fields{"name": "m", "version": "1"})),
			"model-versions/delete-tag":         s.delete("model-versions/delete-tag", with(fields{"name": "m", "version": "1"})),
		} {
			require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", path, got.body)
			require.Contains(t, string(got.body), "server's own", path)
		}
	}
}

// Whoever may change models through the server cannot make an import pass over what it should take.
func TestAnImportBelievesNoMarkOfAClient(t *testing.T) {
	there := newServer(t, nil)
	c := newClient(t, there.url, nil)
	for range 3 {
		_, err := c.Register(t.Context(), "fraud", modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	here := newServer(t, nil)
	_, err := mlflow.Import(t.Context(), c, here.reg, nil)
	require.NoError(t, err)
	require.Equal(t, 400, here.post("registered-models/set-tag", fields{"name": "fraud", "key": "modelregistry.import.done", "value": "9"}).status)
	model := string(here.get("registered-models/get", "name", "fraud").body)
	require.False(t, strings.Contains(model, "modelregistry."), model)
	_, err = c.Register(t.Context(), "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	report, err := mlflow.Import(t.Context(), c, here.reg, nil)
	require.NoError(t, err)
	require.Equal(t, 1, report.Versions.Taken)
}

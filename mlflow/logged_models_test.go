package mlflow_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLoggedModelFlow sends what MLflow 3's log_model does.
func TestLoggedModelFlow(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0", "run_name", "r")
	created := s.post("logged-models", fields{"experiment_id": "0", "name": "model", "source_run_id": run, "model_type": "",
		"tags": pairs("mlflow.source.name", "train.py"), "params": pairs("depth", "3")})
	model := at(created.ok(), "model", "info", "model_id").(string)
	require.Regexp(t, `^m-[0-9a-f]{32}$`, model)
	created.masked(run, "RUN", model, "MODEL").golden("logged_model_created.json")

	s.post("runs/outputs", fields{"run_id": run, "models": []fields{{"model_id": model, "step": 0}}}).ok()
	require.Equal(t, []any{fields{"model_id": model, "step": json.Number("0")}},
		at(s.get("runs/get", "run_id", run).ok(), "run", "outputs", "model_outputs"))
	s.post("runs/log-batch", fields{"run_id": run, "metrics": []fields{
		{"key": "loss", "value": 0.5, "timestamp": 1717156801000, "step": 1, "model_id": model, "dataset_name": "sales", "dataset_digest": "d1"},
		{"key": "loss", "value": 0.4, "timestamp": 1717156802000, "step": 2, "model_id": model, "run_id": run},
	}}).ok()
	s.post("logged-models/"+model+"/params", fields{"params": pairs("lr", "0.1")}).ok()
	require.Equal(t, "LOGGED_MODEL_READY",
		at(s.patch("logged-models/"+model, fields{"model_id": model, "status": "LOGGED_MODEL_READY"}).ok(), "model", "info", "status"))
	s.patch("logged-models/"+model+"/tags", fields{"tags": pairs("mlflow.modelVersions", `[{"name": "M", "version": 1}]`, "a/b", "x")}).ok()
	s.get("logged-models/"+model).masked(run, "RUN", model, "MODEL").golden("logged_model.json")

	s.delete("logged-models/"+model+"/tags/a/b", nil).ok()
	s.delete("logged-models/"+model+"/tags/a/b", nil).fails(404, "RESOURCE_DOES_NOT_EXIST", "No tag with key 'a/b' found for model with ID '"+model+"'.")

	_, err := s.reg.PutArtifact(t.Context(), "0/models/"+model+"/artifacts/data/w.bin", strings.NewReader("12345"))
	require.NoError(t, err)
	require.Equal(t, fields{"root_uri": "mlflow-artifacts:/0/models/" + model + "/artifacts", "files": []any{fields{"path": "data", "is_dir": true}}},
		s.get("logged-models/"+model+"/artifacts/directories").ok())
	require.Equal(t, []any{fields{"path": "data/w.bin", "is_dir": false, "file_size": json.Number("5")}},
		s.get("logged-models/"+model+"/artifacts/directories", "artifact_directory_path", "data").ok()["files"])

	s.delete("logged-models/"+model, fields{"model_id": model}).ok()
	s.get("logged-models/"+model).fails(404, "RESOURCE_DOES_NOT_EXIST", "Logged model with ID '"+model+"' not found.")
}

func TestLoggedModelSearch(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	var ids []string
	for i, name := range []string{"a", "b", "c"} {
		id := at(s.post("logged-models", fields{"experiment_id": "0", "name": name, "source_run_id": run}).ok(), "model", "info", "model_id").(string)
		metric := fields{"run_id": run, "key": "my acc", "value": []float64{2, 1, 3}[i], "timestamp": 1, "model_id": id}
		if name == "b" {
			metric["dataset_name"], metric["dataset_digest"] = "sales", "d1"
		}
		s.post("runs/log-metric", metric).ok()
		ids = append(ids, id)
	}
	s.post("logged-models", fields{"experiment_id": s.startExperiment("other"), "name": "a"}).ok()
	s.delete("logged-models/"+at(s.post("logged-models", fields{"experiment_id": "0", "name": "gone"}).ok(), "model", "info", "model_id").(string), nil).ok()

	search := func(body fields) (names []any, next any) {
		t.Helper()
		body["experiment_ids"] = []string{"0"}
		got := s.post("logged-models/search", body).ok()
		models, _ := got["models"].([]any)
		for _, m := range models {
			names = append(names, at(m, "info", "name"))
		}
		return names, got["next_page_token"]
	}
	for _, c := range []struct {
		body fields
		want []any
	}{
		{fields{}, []any{"c", "b", "a"}},
		{fields{"filter": "name = 'a'", "max_results": 1}, []any{"a"}},
		{fields{"filter": "name = 'a' OR name = 'gone'"}, []any{"a"}},
		{fields{"filter": "source_run_id = '" + run + "' AND metrics.`my acc` > 1.5"}, []any{"c", "a"}},
		{fields{"order_by": []fields{{"field_name": "metrics.my acc", "ascending": true}}}, []any{"b", "a", "c"}},
		{fields{"order_by": []fields{{"field_name": "creation_timestamp", "ascending": true}}}, []any{"a", "b", "c"}},
		{fields{"order_by": []fields{{"field_name": "name", "ascending": false}}}, []any{"c", "b", "a"}},
		{fields{"order_by": []fields{{"field_name": "metrics.my acc", "ascending": false, "dataset_name": "sales"}}}, []any{"b", "c", "a"}},
		{fields{"order_by": []fields{{"field_name": "metrics.my acc", "dataset_name": "sales", "dataset_digest": "d2"}}}, []any{"c", "b", "a"}},
		{fields{"order_by": []fields{{"field_name": "metrics.my acc", "dataset_digest": "d1"}}}, []any{"b", "c", "a"}},
		{fields{"datasets": []fields{{"dataset_name": "sales", "dataset_digest": "d1"}}}, []any{"b"}},
	} {
		names, _ := search(c.body)
		require.Equal(t, c.want, names, "%v", c.body)
	}
	var all []any
	for body := (fields{"max_results": 2}); ; {
		names, next := search(body)
		all = append(all, names...)
		if next == nil {
			break
		}
		body["page_token"] = next
	}
	require.Equal(t, []any{"c", "b", "a"}, all)

	s.post("logged-models/search", fields{}).fails(400, "INVALID_PARAMETER_VALUE",
		"Missing value for required parameter 'experiment_ids'. See the API docs for more information about request parameters.")
	s.post("logged-models", fields{"experiment_id": "0", "name": "a/b"}).fails(400, "INVALID_PARAMETER_VALUE",
		"Invalid model name ('a/b') provided. Model name must be a non-empty string and cannot contain the following characters: "+`/:.%"'`)
	s.post("logged-models", fields{"experiment_id": "99", "name": "a"}).fails(404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99 exists")
	s.patch("logged-models/"+ids[0], fields{"status": "DONE"}).fails(400, "INVALID_PARAMETER_VALUE",
		`Invalid value "DONE" for parameter 'status' supplied:  Hint: Value was of type 'str'. See the API docs for more information about request parameters.`)
	s.patch("logged-models/m-nope", fields{"status": 2}).fails(404, "RESOURCE_DOES_NOT_EXIST", "Logged model with ID 'm-nope' not found.")
	require.Equal(t, 404, s.post("runs/log-metric", fields{"run_id": run, "key": "m", "value": 1, "timestamp": 1, "model_id": "m-nope"}).status)
}

// Versions that are made of a logged model at once are all noted on it.
func TestLoggedModelNotesEachVersion(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	id := at(s.post("logged-models", fields{"experiment_id": "0", "name": "m", "source_run_id": run}).ok(), "model", "info", "model_id").(string)
	s.post("registered-models/create", fields{"name": "M"}).ok()
	const n = 8
	var all sync.WaitGroup
	statuses := make([]int, n)
	for i := range n {
		all.Go(func() {
			statuses[i] = s.post("model-versions/create", fields{"name": "M", "source": "models:/" + id, "run_id": run, "model_id": id}).status
		})
	}
	all.Wait()
	require.NotContains(t, statuses, 503)
	m, err := s.reg.LoggedModel(t.Context(), id)
	require.NoError(t, err)
	var noted []struct{ Version int }
	require.NoError(t, json.Unmarshal([]byte(m.Tags.Get("mlflow.modelVersions")), &noted))
	require.Len(t, noted, n, "%v", statuses)
}

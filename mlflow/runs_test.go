package mlflow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

var clockRE = regexp.MustCompile(`("(?:creation_time|last_update_time|creation_timestamp_ms|last_updated_timestamp_ms)": )\d+`)

// masked is the answer with a placeholder for what differs from run to run: IDs, given as ID and placeholder by turns,
// and times that nobody has set.
func (r reply) masked(pairs ...string) reply {
	r.body = []byte(strings.NewReplacer(pairs...).Replace(string(r.body)))
	r.body = clockRE.ReplaceAll(bytes.Clone(r.body), []byte("${1}0"))
	return r
}

// at follows keys and indexes into JSON.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(fields)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

// startRun starts a run in the experiment and returns its ID.
func (s *testServer) startRun(experiment string, pairs ...any) string {
	s.t.Helper()
	body := fields{"experiment_id": experiment}
	for i := 0; i < len(pairs); i += 2 {
		body[pairs[i].(string)] = pairs[i+1]
	}
	return at(s.post("runs/create", body).ok(), "run", "info", "run_id").(string)
}

// startExperiment creates an experiment and returns its ID.
func (s *testServer) startExperiment(name string) string {
	s.t.Helper()
	return s.post("experiments/create", fields{"name": name}).ok()["experiment_id"].(string)
}

// pairs makes the JSON of tags or params.
func pairs(texts ...string) []fields {
	var out []fields
	for i := 0; i < len(texts); i += 2 {
		out = append(out, fields{"key": texts[i], "value": texts[i+1]})
	}
	return out
}

// TestTrainingFlow sends what the Python client does for set_experiment, start_run, log_params, log_metrics, log_input
// and the end of the run.
func TestTrainingFlow(t *testing.T) {
	s := newServer(t, nil)
	s.get("experiments/get-by-name", "experiment_name", "churn").fails(404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment with name 'churn'")
	require.Equal(t, "1", s.startExperiment("churn"))
	s.get("experiments/get", "experiment_id", "1").masked().golden("experiment.json")
	s.get("experiments/get-by-name", "experiment_name", "churn").masked().golden("experiment.json")

	created := s.post("runs/create", fields{"experiment_id": "1", "user_id": "ann", "start_time": 1717156800123, "run_name": "first",
		"tags": pairs("mlflow.user", "ann", "mlflow.source.name", "train.py", "mlflow.runName", "first")})
	run := at(created.ok(), "run", "info", "run_id").(string)
	require.Regexp(t, `^[0-9a-f]{32}$`, run)
	created.masked(run, "RUN").golden("run_created.json")

	s.post("runs/log-batch", fields{"run_id": run, "params": pairs("depth", "3", "lr", "0.1")}).ok()
	s.post("runs/log-batch", fields{"run_id": run, "metrics": []fields{
		{"key": "loss", "value": 0.5, "timestamp": 1717156801000, "step": 0},
		{"key": "loss", "value": 0.25, "timestamp": 1717156802000, "step": 1},
		{"key": "acc", "value": 1, "timestamp": "1717156802000"},
	}, "tags": pairs("team", "risk")}).ok()
	s.post("runs/log-metric", fields{"run_id": run, "run_uuid": run, "key": "loss", "value": "NaN", "timestamp": 1717156803000, "step": 2}).ok()
	s.post("runs/log-metric", fields{"run_id": run, "key": "gain", "value": "-Infinity", "timestamp": 1717156803000}).ok()
	s.post("runs/log-parameter", fields{"run_id": run, "key": "seed", "value": ""}).ok()
	s.post("runs/set-tag", fields{"run_id": run, "key": "note"}).ok()
	s.post("runs/log-inputs", fields{"run_id": run, "datasets": []fields{{
		"tags":    pairs("mlflow.data.context", "training"),
		"dataset": fields{"name": "sales", "digest": "d1", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"},
	}}}).ok()
	s.post("runs/update", fields{"run_id": run, "run_uuid": run, "status": "FINISHED", "end_time": 1717156809000}).masked(run, "RUN").golden("run_updated.json")
	s.get("runs/get", "run_id", run, "run_uuid", run).masked(run, "RUN").golden("run.json")

	resumed := at(s.post("runs/update", fields{"run_id": run, "status": "RUNNING", "end_time": 1717156809000}).ok(), "run_info")
	require.Equal(t, "RUNNING", at(resumed, "status"))
	require.NotContains(t, resumed, "end_time")

	history := s.get("metrics/get-history", "run_id", run, "run_uuid", run, "metric_key", "loss", "max_results", "25000")
	history.golden("metric_history.json")
	var page struct {
		Metrics []struct{ Value any }
		Next    string `json:"next_page_token"`
	}
	s.get("metrics/get-history", "run_id", run, "metric_key", "loss", "max_results", "2").into(&page)
	require.Len(t, page.Metrics, 2)
	s.get("metrics/get-history", "run_id", run, "metric_key", "loss", "max_results", "2", "page_token", page.Next).into(&page)
	require.Equal(t, "NaN", page.Metrics[0].Value)

	s.post("runs/delete-tag", fields{"run_id": run, "key": "note"}).ok()
	s.post("runs/delete-tag", fields{"run_id": run, "key": "note"}).fails(404, "RESOURCE_DOES_NOT_EXIST", "No tag with name: note in run with id "+run)
}

// TestRunName: the name of a run and its tag are one.
func TestRunName(t *testing.T) {
	s := newServer(t, nil)
	names := func(run string) []any {
		got := s.get("runs/get", "run_id", run).ok()
		for _, tag := range at(got, "run", "data", "tags").([]any) {
			if at(tag, "key") == "mlflow.runName" {
				return []any{at(got, "run", "info", "run_name"), at(tag, "value")}
			}
		}
		return nil
	}
	require.Equal(t, []any{"a", "a"}, names(s.startRun("0", "run_name", "a")))
	require.Equal(t, []any{"b", "b"}, names(s.startRun("0", "tags", pairs("mlflow.runName", "b"))))
	random := names(s.startRun(""))
	require.NotEmpty(t, random)
	require.NotEmpty(t, random[0])
	require.Equal(t, random[0], random[1])
	s.post("runs/create", fields{"run_name": "a", "tags": pairs("mlflow.runName", "b")}).fails(400, "INVALID_PARAMETER_VALUE",
		"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='a', mlflow.runName='b').")

	run := s.startRun("0")
	s.post("runs/set-tag", fields{"run_id": run, "key": "mlflow.runName", "value": "c"}).ok()
	require.Equal(t, []any{"c", "c"}, names(run))
	s.post("runs/update", fields{"run_id": run, "run_name": "d"}).ok()
	require.Equal(t, []any{"d", "d"}, names(run))
	s.post("runs/log-batch", fields{"run_id": run, "tags": pairs("mlflow.runName", "e")}).ok()
	require.Equal(t, []any{"e", "e"}, names(run))
	require.Len(t, at(s.post("runs/search", fields{"experiment_ids": []string{"0"}, "filter": "tags.mlflow.runName = 'e' AND run_name = 'e'"}).ok(), "runs"), 1)

	made, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{Name: "go", User: "bob"})
	require.NoError(t, err)
	require.Equal(t, []any{"go", "go"}, names(made.ID))
}

func TestLogBatchIsAllOrNothing(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0", "run_name", "r")
	s.post("runs/log-batch", fields{"run_id": run, "params": pairs("p", "1")}).ok()
	good := fields{"key": "m", "value": 1, "timestamp": 1}
	for name, batch := range map[string]fields{
		"param has another value": {"metrics": []fields{good}, "params": pairs("p", "2", "q", "1"), "tags": pairs("t", "1")},
		"metric without a value":  {"metrics": []fields{good, {"key": "n", "timestamp": 1}}, "params": pairs("q", "1")},
		"bad name of a tag":       {"metrics": []fields{good}, "params": pairs("q", "1"), "tags": pairs("a@b", "1")},
		"bad name of a run":       {"metrics": []fields{good}, "params": pairs("q", "1"), "tags": pairs("mlflow.runName", strings.Repeat("x", 251))},
		"model that is not there": {"metrics": []fields{good, {"key": "n", "value": 1, "timestamp": 1, "model_id": "m-nope"}}, "params": pairs("q", "1")},
	} {
		batch["run_id"] = run
		reply := s.post("runs/log-batch", batch)
		require.Contains(t, []int{400, 404}, reply.status, name)
		r, err := s.reg.Run(t.Context(), run)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"p": "1"}, r.Params.Clone(), name)
		require.Empty(t, r.Metrics, name)
		require.Equal(t, map[string]string{"mlflow.runName": "r"}, r.Tags.Clone(), name)
	}
}

func TestRunMistakes(t *testing.T) {
	s := newServer(t, nil)
	run, gone := s.startRun("0"), s.startRun("0")
	s.post("runs/log-batch", fields{"run_id": run, "params": pairs("p", "1", "q", "1")}).ok()
	s.post("runs/delete", fields{"run_id": gone}).ok()
	many := func(n int, prefix string) []fields {
		var out []fields
		for i := range n {
			out = append(out, fields{"key": fmt.Sprint(prefix, i), "value": "1", "timestamp": 1})
		}
		return out
	}
	const api = " See the API docs for more information about request parameters."
	inactive := "The run " + gone + " must be in the 'active' state. Current state is deleted."
	for _, c := range []struct {
		path    string
		body    fields
		status  int
		message string
	}{
		{"runs/create", fields{"experiment_id": "77"}, 404, "No Experiment with id=77 exists"},
		{"runs/create", fields{"experiment_id": "x"}, 400, "Invalid experiment ID 'x'. Experiment ID must be a valid integer."},
		{"runs/create", fields{"start_time": -1}, 400, "Invalid value -1 for parameter 'start_time' supplied: it has to be a nonnegative number of milliseconds since 1970."},
		{"runs/update", fields{"run_id": "nope"}, 404, "Run with id=nope not found"},
		{"runs/update", fields{"run_id": gone, "status": "FAILED"}, 400, inactive},
		{"runs/update", fields{"run_id": run, "status": "DONE"}, 400, `Invalid value "DONE" for parameter 'status' supplied:  Hint: Value was of type 'str'.` + api},
		{"runs/delete", fields{}, 400, "Missing value for required parameter 'run_id'." + api},
		{"runs/restore", fields{"run_id": "nope"}, 404, "Run with id=nope not found"},
		{"runs/set-tag", fields{"run_id": gone, "key": "a", "value": "b"}, 400, inactive},
		{"runs/delete-tag", fields{"run_id": gone, "key": "a"}, 400, inactive},
		{"runs/log-metric", fields{"run_id": gone, "key": "a", "value": 1, "timestamp": 1}, 400, inactive},
		{"runs/log-metric", fields{"run_id": "nope", "key": "a", "value": 1, "timestamp": 1}, 404, "Run with id=nope not found"},
		{"runs/log-metric", fields{"run_id": run, "key": "a", "timestamp": 1}, 400, "Missing value for required parameter 'value'." + api},
		{"runs/log-metric", fields{"run_id": run, "key": "a", "value": true, "timestamp": 1}, 400, "Invalid value true for parameter 'value' supplied:  Hint: Value was of type 'bool'." + api},
		{"runs/log-batch", fields{"run_id": run, "metrics": []fields{{"key": "a", "value": 1}}}, 400, "Missing value for required parameter 'metrics[0].timestamp'." + api},
		{"runs/log-batch", fields{"run_id": run, "metrics": many(1001, "m")}, 400,
			"A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple requests and try again."},
		{"runs/log-batch", fields{"run_id": run, "params": many(101, "p")}, 400,
			"A batch logging request can contain at most 100 params. Got 101 params. Please split up params across multiple requests and try again."},
		{"runs/log-batch", fields{"run_id": run, "metrics": many(950, "m"), "tags": many(51, "t")}, 400,
			"A batch logging request can contain at most 1000 metrics, params, and tags. Got 1001 metrics, params, and tags. Please split up metrics, params, and tags across multiple requests and try again."},
		{"runs/log-batch", fields{"run_id": run, "params": pairs("a", "1", "a", "1")}, 400,
			"Duplicate parameter keys have been submitted: ['a']. Please ensure the request contains only one param value per param key."},
		{"runs/log-parameter", fields{"run_id": run, "key": "p", "value": "2"}, 400,
			"Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID='" + run + "'. Attempted logging new value '2'."},
		{"runs/log-batch", fields{"run_id": run, "params": pairs("p", "2", "q", "3")}, 400,
			"Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': '2'}, {'key': 'q', 'old_value': '1', 'new_value': '3'}]' for run ID='" + run + "'."},
		{"runs/log-inputs", fields{"run_id": run, "datasets": []fields{{}}}, 400, "Missing value for required parameter 'datasets[0].dataset'." + api},
		{"runs/outputs", fields{"run_id": run}, 400, "Missing value for required parameter 'models'." + api},
		{"runs/log-model", fields{"run_id": run, "model_json": `{"flavors": {}, "run_id": "r"}`}, 400,
			"Model json is missing mandatory fields: {'artifact_path', 'utc_time_created'}"},
		{"runs/search", fields{"experiment_ids": []string{"0"}, "max_results": 50001}, 400, "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000"},
		{"runs/search", fields{"experiment_ids": []string{"0"}, "max_results": 0}, 400, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"},
	} {
		code := "INVALID_PARAMETER_VALUE"
		if c.status == http.StatusNotFound {
			code = "RESOURCE_DOES_NOT_EXIST"
		}
		s.post(c.path, c.body).fails(c.status, code, c.message)
	}
	s.get("runs/get", "run_id", "nope").fails(404, "RESOURCE_DOES_NOT_EXIST", "Run with id=nope not found")
	s.get("metrics/get-history", "run_id", "nope", "metric_key", "m").fails(404, "RESOURCE_DOES_NOT_EXIST", "Run with id=nope not found")

	s.post("runs/log-parameter", fields{"run_id": run, "key": "long", "value": strings.Repeat("é", 7000)}).ok()
	r, err := s.reg.Run(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", 6000), r.Params.Get("long"))
	s.post("runs/restore", fields{"run_id": gone}).ok()
	s.post("runs/set-tag", fields{"run_id": gone, "key": "a", "value": "b"}).ok()
}

// TestLogModel: what MLflow 2 tells of a model that it has logged ends up in a tag.
func TestLogModel(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	for i := range 3 {
		model := fmt.Sprintf(`{"artifact_path": "m%d", "run_id": %q, "utc_time_created": "2024-05-31 12:00:00", "model_uuid": "u",
			"flavors": {"sklearn": {"code": null, "config": {"a": 1}}}, "signature": {}}`, i, run)
		s.post("runs/log-model", fields{"run_id": run, "model_json": model}).ok()
	}
	r, err := s.reg.Run(t.Context(), run)
	require.NoError(t, err)
	var history []fields
	require.NoError(t, json.Unmarshal([]byte(r.Tags.Get("mlflow.log-model.history")), &history))
	require.Len(t, history, 3)
	require.Equal(t, fields{"artifact_path": "m2", "run_id": run, "utc_time_created": "2024-05-31 12:00:00", "model_uuid": "u",
		"flavors": fields{"sklearn": fields{"code": nil}}}, history[2])
}

func TestListRunArtifacts(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	for _, path := range []string{"model/MLmodel", "model/data/w.bin", "plot.png"} {
		_, err := s.reg.PutArtifact(t.Context(), "0/"+run+"/artifacts/"+path, strings.NewReader("12345"))
		require.NoError(t, err)
	}
	s.get("artifacts/list", "run_id", run).masked(run, "RUN").golden("run_artifacts.json")
	require.Equal(t, []any{
		fields{"path": "model/MLmodel", "is_dir": false, "file_size": json.Number("5")}, fields{"path": "model/data", "is_dir": true},
	}, s.get("artifacts/list", "run_id", run, "path", "model/").ok()["files"])
	require.NotContains(t, s.get("artifacts/list", "run_id", run, "path", "plot.png").ok(), "files")
	for _, path := range []string{"../..", "/etc", "a/%2e%2e/b", "a/..", "a//../b"} {
		s.get("artifacts/list", "run_id", run, "path", path).fails(400, "INVALID_PARAMETER_VALUE", "Invalid path")
	}
}

func TestMetricsThatAreNoNumbers(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	for i, value := range []any{"NaN", "Infinity", "-Infinity", 1e308} {
		s.post("runs/log-metric", fields{"run_id": run, "key": fmt.Sprint("m", i), "value": value, "timestamp": 1}).ok()
	}
	r, err := s.reg.Run(t.Context(), run)
	require.NoError(t, err)
	require.True(t, math.IsNaN(r.Metrics["m0"].Value))
	require.True(t, math.IsInf(r.Metrics["m1"].Value, 1))
	require.True(t, math.IsInf(r.Metrics["m2"].Value, -1))
	var values []any
	for _, m := range at(s.get("runs/get", "run_id", run).ok(), "run", "data", "metrics").([]any) {
		values = append(values, at(m, "value"))
	}
	require.Equal(t, []any{"NaN", "Infinity", "-Infinity", json.Number("1e+308")}, values)
}

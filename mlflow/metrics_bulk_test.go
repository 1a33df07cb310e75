package mlflow_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// ajax asks as the user interface does, with keys that may come several times.
func (s *testServer) ajax(path string, query url.Values) reply {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/ajax-api/2.0/mlflow/"+path+"?"+query.Encode(), nil)
	require.NoError(s.t, err)
	return s.send(req)
}

// points are run:step:value of an answer.
func points(r reply) (out []string) {
	for _, m := range r.ok()["metrics"].([]any) {
		out = append(out, fmt.Sprintf("%.1s:%v:%v", at(m, "run_id"), at(m, "step"), at(m, "value")))
	}
	return out
}

func (s *testServer) logSteps(run, key string, steps ...int) {
	var metrics []fields
	for _, step := range steps {
		metrics = append(metrics, fields{"key": key, "value": float64(step) / 2, "timestamp": 1000 + step, "step": step})
	}
	s.post("runs/log-batch", fields{"run_id": run, "metrics": metrics}).ok()
}

func TestHistoriesOfSeveralRuns(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.startRun("0"), s.startRun("0")
	if a > b {
		a, b = b, a
	}
	s.logSteps(b, "loss", 3, 1, 2)
	s.logSteps(a, "loss", 2, 1)
	s.logSteps(a, "other", 9)
	want := []string{a[:1] + ":1:0.5", a[:1] + ":2:1", b[:1] + ":1:0.5", b[:1] + ":2:1", b[:1] + ":3:1.5"}
	query := url.Values{"run_id": {b, a, "0123"}, "metric_key": {"loss"}}
	require.Equal(t, want, points(s.ajax("metrics/get-history-bulk", query)))
	query.Set("max_results", "3")
	require.Equal(t, want[:3], points(s.ajax("metrics/get-history-bulk", query)))
	query.Set("metric_key", "none")
	require.Empty(t, points(s.ajax("metrics/get-history-bulk", query)))

	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for message, query := range map[string]url.Values{
		"GetMetricHistoryBulk request must specify at least one run_id.":                           {"metric_key": {"k"}},
		"GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 run_ids.": {"metric_key": {"k"}, "run_id": many},
		"GetMetricHistoryBulk request must specify a metric_key.":                                  {"run_id": {a}},
		"Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer":      {"run_id": {a}, "metric_key": {"k"}, "max_results": {"0"}},
	} {
		s.ajax("metrics/get-history-bulk", query).fails(400, "INVALID_PARAMETER_VALUE", message)
	}
}

func TestSampledHistories(t *testing.T) {
	s := newServer(t, nil)
	run, other := s.startRun("0"), s.startRun("0")
	steps := make([]int, 100)
	for i := range steps {
		steps[i] = 99 - i
	}
	s.logSteps(run, "loss", steps...)
	s.logSteps(other, "loss", 7)
	ask := func(pairs ...string) reply {
		query := url.Values{"run_ids": {run, other}, "metric_key": {"loss"}}
		for i := 0; i < len(pairs); i += 2 {
			query.Set(pairs[i], pairs[i+1])
		}
		return s.ajax("metrics/get-history-bulk-interval", query)
	}
	stepsOf := func(r reply) (out []string) {
		for _, m := range r.ok()["metrics"].([]any) {
			out = append(out, at(m, "step").(json.Number).String())
		}
		return out
	}
	require.Len(t, stepsOf(ask()), 101)
	require.Equal(t, []string{"0", "25", "50", "99", "7"}, stepsOf(ask("max_results", "4")), "the first of each quarter, and the last")
	require.Equal(t, []string{"99", "7"}, stepsOf(ask("max_results", "1")))
	require.Equal(t, []string{"5", "6", "7", "7"}, stepsOf(ask("start_step", "5", "end_step", "7")))
	for message, r := range map[string]reply{
		"max_results must be between 1 and 2500.":                                      ask("max_results", "2501"),
		"max_results must be between 1 and 2500. ":                                     ask("max_results", "0"),
		"If either start step or end step are specified, both must be specified.":      ask("start_step", "1"),
		"end_step must be greater than start_step. Found start_step=2 and end_step=1.": ask("start_step", "2", "end_step", "1"),
		"Missing value for required parameter 'metric_key'.":                           ask("metric_key", ""),
		"Missing value for required parameter 'run_ids'.":                              s.ajax("metrics/get-history-bulk-interval", url.Values{"metric_key": {"k"}}),
	} {
		require.Equal(t, 400, r.status)
		require.Contains(t, string(r.body)+" ", message[:len(message)-1])
	}
}

func TestSearchDatasets(t *testing.T) {
	s := newServer(t, nil)
	e, other := s.startExperiment("e"), s.startExperiment("other")
	for _, in := range []struct{ experiment, name, context string }{
		{e, "iris", "training"}, {e, "iris", "training"}, {e, "iris", "eval"}, {e, "wine", ""}, {other, "cars", "x"},
	} {
		dataset := fields{"dataset": fields{"name": in.name, "digest": "d", "source_type": "s", "source": "u"}}
		if in.context != "" {
			dataset["tags"] = pairs("mlflow.data.context", in.context)
		}
		s.post("runs/log-inputs", fields{"run_id": s.startRun(in.experiment), "datasets": []fields{dataset}}).ok()
	}
	require.ElementsMatch(t, []any{
		fields{"experiment_id": e, "name": "iris", "digest": "d", "context": "training"},
		fields{"experiment_id": e, "name": "iris", "digest": "d", "context": "eval"},
		fields{"experiment_id": e, "name": "wine", "digest": "d"},
	}, s.post("experiments/search-datasets", fields{"experiment_ids": []string{e}}).ok()["dataset_summaries"])
	s.post("experiments/search-datasets", fields{}).fails(400, "INVALID_PARAMETER_VALUE", "SearchDatasets request must specify at least one experiment_id.")
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	s.post("experiments/search-datasets", fields{"experiment_ids": many}).fails(400, "INVALID_PARAMETER_VALUE",
		"SearchDatasets request cannot specify more than 20 experiment_ids. Received 21 experiment_ids.")
}

// Versions that are made of a logged model are told by a tag of it.
func TestLoggedModelTellsItsVersions(t *testing.T) {
	s := newServer(t, nil)
	s.post("registered-models/create", fields{"name": `"m"`}).ok()
	model := at(s.post("logged-models", fields{"experiment_id": "0", "name": "model"}).ok(), "model", "info", "model_id").(string)
	for range 2 {
		s.post("model-versions/create", fields{"name": `"m"`, "source": "models:/" + model, "model_id": model}).ok()
	}
	require.Equal(t, []any{fields{"key": "mlflow.modelVersions", "value": `[{"name": "\"m\"", "version": 1}, {"name": "\"m\"", "version": 2}]`}},
		at(s.get("logged-models/"+model).ok(), "model", "info", "tags"))
}

// Clients of long ago say run_uuid.
func TestRunUUID(t *testing.T) {
	s := newServer(t, nil)
	run := s.startRun("0")
	for _, c := range []struct {
		path string
		body fields
	}{
		{"runs/set-tag", fields{"key": "k", "value": "v"}},
		{"runs/log-metric", fields{"key": "k", "value": 1, "timestamp": 1}},
		{"runs/log-parameter", fields{"key": "k", "value": "v"}},
		{"runs/update", fields{"run_name": "n"}},
		{"runs/log-batch", fields{}},
		{"runs/delete-tag", fields{"key": "mlflow.runName"}}, // which update has set
	} {
		c.body["run_uuid"] = run
		s.post(c.path, c.body).ok()
	}
	got := s.get("runs/get", "run_uuid", run).ok()
	require.Equal(t, "n", at(got, "run", "info", "run_name"))
	require.Len(t, s.get("metrics/get-history", "run_uuid", run, "metric_key", "k").ok()["metrics"], 1)
	s.get("artifacts/list", "run_uuid", run).ok()
	s.post("runs/log-inputs", fields{"run_uuid": run}).ok()
	s.post("runs/delete", fields{"run_uuid": run}).ok()
	s.post("runs/restore", fields{"run_uuid": run}).ok()
	s.get("runs/get").fails(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'run_id'. See the API docs for more information about request parameters.")
}

// The name of a run and the tag that tells it never part, if the tag is set to nothing neither.
func TestRunNameThatIsEmpty(t *testing.T) {
	s := newServer(t, nil)
	named := func(run string) []any {
		got := s.get("runs/get", "run_id", run).ok()
		for _, tag := range at(got, "run", "data", "tags").([]any) {
			if at(tag, "key") == "mlflow.runName" {
				return []any{at(got, "run", "info", "run_name"), at(tag, "value")}
			}
		}
		return nil
	}
	run := s.startRun("0", "run_name", "a")
	s.post("runs/set-tag", fields{"run_id": run, "key": "mlflow.runName", "value": ""}).ok()
	s.post("runs/log-batch", fields{"run_id": run, "tags": pairs("mlflow.runName", "")}).ok()
	require.Equal(t, []any{"a", "a"}, named(run))
	fresh := named(s.startRun("0", "tags", pairs("mlflow.runName", "")))
	require.NotEmpty(t, fresh[0])
	require.Equal(t, fresh[0], fresh[1])
}

package mlflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/mlflow"
)

// found are the names of the runs that a search finds, and the token of the next page.
func (s *testServer) found(body fields) (names []string, next string) {
	s.t.Helper()
	var page struct {
		Runs []struct {
			Info struct {
				Name string `json:"run_name"`
			} `json:"info"`
		} `json:"runs"`
		Next string `json:"next_page_token"`
	}
	s.post("runs/search", body).into(&page)
	for _, run := range page.Runs {
		names = append(names, run.Info.Name)
	}
	return names, page.Next
}

func TestSearchRuns(t *testing.T) {
	s := newServer(t, nil)
	other := s.startExperiment("other")
	for i, name := range []string{"a", "b", "c"} {
		run := s.startRun("0", "run_name", name, "start_time", 1000+i)
		s.post("runs/log-batch", fields{"run_id": run, "params": pairs("n", fmt.Sprint(i)), "tags": pairs("even", fmt.Sprint(i%2 == 0)),
			"metrics": []fields{{"key": "loss", "value": 10 - i, "timestamp": 1}}}).ok()
	}
	s.post("runs/delete", fields{"run_id": s.startRun("0", "run_name", "gone")}).ok()
	s.startRun(other, "run_name", "elsewhere")

	var many []string // more than a filter can list
	for i := range 1200 {
		many = append(many, fmt.Sprint(i))
	}
	for _, c := range []struct {
		body fields
		want []string
	}{
		{fields{}, []string{"c", "b", "a"}},
		{fields{"run_view_type": "DELETED_ONLY"}, []string{"gone"}},
		{fields{"run_view_type": 3}, []string{"gone", "c", "b", "a"}},
		{fields{"order_by": []string{"metrics.loss ASC"}}, []string{"c", "b", "a"}},
		{fields{"order_by": []string{"attributes.start_time ASC"}}, []string{"a", "b", "c"}},
		{fields{"filter": "metrics.loss < 10 and tags.even = 'true'"}, []string{"c"}},
		{fields{"filter": "run_name = 'a' OR run_name = 'gone' OR run_name = 'elsewhere'"}, []string{"a"}},
		{fields{"filter": "run_name IN ('a', 'b') AND (params.n = '1')"}, []string{"b"}},
		{fields{"filter": "tags.even = 'no) OR (x'''"}, nil},
		{fields{"experiment_ids": []string{"0", other}, "filter": "run_name != 'a'"}, []string{"elsewhere", "c", "b"}},
		{fields{"experiment_ids": []string{}}, nil},
		{fields{"experiment_ids": many, "max_results": 2}, []string{"elsewhere", "c"}},
		{fields{"experiment_ids": many[2:]}, nil},
	} {
		if c.body["experiment_ids"] == nil {
			c.body["experiment_ids"] = []string{"0"}
		}
		names, next := s.found(c.body)
		require.Equal(t, c.want, names, "%v", c.body)
		require.Equal(t, c.body["max_results"] != nil, next != "")
	}
}

// TestFiltersStayEnclosed: no filter gets out of the parentheses that the conditions about experiments stand behind.
func TestFiltersStayEnclosed(t *testing.T) {
	s := newServer(t, nil)
	s.startRun(s.startExperiment("secret"))
	for _, filter := range []string{
		"status = 'RUNNING') OR (status = 'RUNNING'", "status = 'RUNNING') OR status = 'RUNNING' OR (status = 'RUNNING'", ")", "(", ")(",
		"status = 'RUNNING' OR tags.a = 'x", "status = 'RUNNING' OR tags.`x", `status = "RUNNING`, "status = 'it''s') OR (status != ''",
	} {
		reply := s.post("runs/search", fields{"experiment_ids": []string{"0"}, "filter": filter})
		require.Equal(t, 400, reply.status, "%s: %s", filter, reply.body)
		require.Equal(t, 400, s.post("experiments/search", fields{"filter": filter}).status, filter)
	}
}

// TestFilterErrorsSpeakOfTheFilter: not of what the server makes of it, which is longer.
func TestFilterErrorsSpeakOfTheFilter(t *testing.T) {
	s := newServer(t, nil)
	for filter, says := range map[string]string{
		"bogus = 'x'":                          `filter at character 1 ("bogus")`,
		"status =":                             "filter at character 9 (its end)",
		"status = 'RUNNING' AND":               "filter at character 23 (its end)",
		"status = 'RUNNING') OR (status = 'x'": `filter at character 19 (")"): invalid: this parenthesis closes nothing`,
		"(status = 'RUNNING'":                  "filter at character 20 (its end)",
		"tags.é = 'x":                          `filter at character 10 ("'x")`,
	} {
		for _, path := range []string{"runs/search", "experiments/search", "logged-models/search"} {
			if path != "runs/search" {
				filter, says = strings.ReplaceAll(filter, "status", "name  "), strings.ReplaceAll(says, "status", "name  ")
			}
			got := s.post(path, fields{"experiment_ids": []string{"0"}, "filter": filter})
			require.Equal(t, 400, got.status, "%s", got.body)
			var e struct{ Message string }
			require.NoError(t, json.Unmarshal(got.body, &e))
			require.Contains(t, e.Message, says, "%s: %s", path, filter)
		}
	}
}

// TestSearchPagesUnderWrites: what was there before the first page comes once, whatever is added meanwhile.
func TestSearchPagesUnderWrites(t *testing.T) {
	s := newServer(t, nil)
	for i := range 7 {
		s.startRun("0", "run_name", fmt.Sprint("old", i), "start_time", 1000*i)
	}
	seen := map[string]int{}
	body := fields{"experiment_ids": []string{"0"}, "max_results": 2, "filter": "run_name LIKE 'old%'"}
	for i := range 7 {
		names, next := s.found(body)
		for _, name := range names {
			seen[name]++
		}
		if next == "" {
			break
		}
		body["page_token"] = next
		s.startRun("0", "run_name", "new", "start_time", 1000*i+1)
		s.startRun("0", "run_name", "old and new", "start_time", 9000+i)
	}
	require.Equal(t, map[string]int{"old0": 1, "old1": 1, "old2": 1, "old3": 1, "old4": 1, "old5": 1, "old6": 1}, seen)
	body["filter"] = "run_name LIKE 'new%'"
	require.Equal(t, 400, s.post("runs/search", body).status, "a token of another search")
}

// TestTrackingIsAuthorized: by experiment, also where the request only names a run or a model.
func TestTrackingIsAuthorized(t *testing.T) {
	s := newServer(t, &mlflow.Options{
		Authenticate: byHeader,
		Authorize: func(_ context.Context, principal string, action mlflow.Action, on mlflow.Resource) error {
			experiment := on.Parent
			if on.Kind == mlflow.KindExperiment {
				experiment = on.Name
			}
			if principal == "root" || experiment == "" || experiment == "0" || experiment == "1" && action == mlflow.Read {
				return nil
			}
			return errors.New("not yours")
		},
	})
	root, ann := s.asking("root"), s.asking("ann")
	root.startExperiment("readable")
	root.startExperiment("hidden")
	var runs, models []string
	for _, experiment := range []string{"0", "1", "2"} {
		runs = append(runs, root.startRun(experiment, "run_name", "r"+experiment))
		models = append(models, at(root.post("logged-models", fields{"experiment_id": experiment, "name": "m"}).ok(), "model", "info", "model_id").(string))
	}

	names, next := ann.found(fields{"experiment_ids": []string{"0", "1", "2"}, "order_by": []string{"run_name"}})
	require.Equal(t, []string{"r0", "r1"}, names)
	require.Empty(t, next)
	names, next = ann.found(fields{"experiment_ids": []string{"0", "1", "2"}, "order_by": []string{"run_name DESC"}, "max_results": 1})
	require.Equal(t, []string{"r1"}, names, "what is left out does not make the page shorter")
	names, _ = ann.found(fields{"experiment_ids": []string{"0", "1", "2"}, "order_by": []string{"run_name DESC"}, "max_results": 1, "page_token": next})
	require.Equal(t, []string{"r0"}, names)
	require.Len(t, ann.get("experiments/search", "max_results", "10").ok()["experiments"], 2)
	require.Len(t, ann.post("logged-models/search", fields{"experiment_ids": []string{"0", "1", "2"}}).ok()["models"], 2)

	ann.get("runs/get", "run_id", runs[1]).ok()
	ann.get("logged-models/" + models[1]).ok()
	for _, reply := range []reply{
		ann.get("runs/get", "run_id", runs[2]),
		ann.get("metrics/get-history", "run_id", runs[2], "metric_key", "m"),
		ann.get("artifacts/list", "run_id", runs[2]),
		ann.get("experiments/get", "experiment_id", "2"),
		ann.get("experiments/get-by-name", "experiment_name", "hidden"),
		ann.get("logged-models/" + models[2]),
		ann.get("logged-models/" + models[2] + "/artifacts/directories"),
		ann.post("runs/create", fields{"experiment_id": "1"}),
		ann.post("logged-models", fields{"experiment_id": "1", "name": "m"}),
		ann.post("runs/log-batch", fields{"run_id": runs[1], "params": pairs("a", "b")}),
		ann.post("runs/log-metric", fields{"run_id": runs[0], "key": "m", "value": 1, "timestamp": 1, "model_id": models[1]}),
		ann.post("runs/update", fields{"run_id": runs[1], "status": "FAILED"}),
		ann.post("runs/delete", fields{"run_id": runs[1]}),
		ann.patch("logged-models/"+models[1], fields{"status": "LOGGED_MODEL_READY"}),
		ann.delete("logged-models/"+models[1], nil),
	} {
		reply.fails(403, "PERMISSION_DENIED", "not yours")
	}
	ann.post("runs/log-metric", fields{"run_id": runs[0], "key": "m", "value": 1, "timestamp": 1, "model_id": models[0]}).ok()
}

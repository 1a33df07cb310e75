package mlflow_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExperiments(t *testing.T) {
	s := newServer(t, nil)
	require.Equal(t, "Default", at(s.get("experiments/get", "experiment_id", "0").ok(), "experiment", "name"))
	id := s.post("experiments/create", fields{"name": "a", "tags": pairs("team", "risk")}).ok()["experiment_id"].(string)
	s.post("experiments/create", fields{"name": "a"}).fails(400, "RESOURCE_ALREADY_EXISTS", "Experiment 'a' already exists.")
	s.post("experiments/set-experiment-tag", fields{"experiment_id": id, "key": "k", "value": "v"}).ok()
	s.post("experiments/delete-experiment-tag", fields{"experiment_id": id, "key": "team"}).ok()
	s.post("experiments/delete-experiment-tag", fields{"experiment_id": id, "key": "team"}).
		fails(404, "RESOURCE_DOES_NOT_EXIST", "No tag with name: team in experiment with id "+id)
	s.post("experiments/update", fields{"experiment_id": id, "new_name": "Default"}).fails(400, "RESOURCE_ALREADY_EXISTS", "Experiment 'Default' already exists.")
	s.post("experiments/update", fields{"experiment_id": id, "new_name": "b"}).ok()
	require.Equal(t, []any{fields{"key": "k", "value": "v"}}, at(s.get("experiments/get-by-name", "experiment_name", "b").ok(), "experiment", "tags"))

	run := s.startRun(id)
	s.post("experiments/delete", fields{"experiment_id": id}).ok()
	require.Equal(t, "deleted", at(s.get("experiments/get", "experiment_id", id).ok(), "experiment", "lifecycle_stage"))
	require.Equal(t, "deleted", at(s.get("runs/get", "run_id", run).ok(), "run", "info", "lifecycle_stage"))
	inactive := "The experiment " + id + " must be in the 'active' state. Current state is deleted."
	s.post("experiments/delete", fields{"experiment_id": id}).fails(404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id="+id+" exists")
	s.post("experiments/update", fields{"experiment_id": id, "new_name": "c"}).fails(400, "INVALID_PARAMETER_VALUE", "Cannot rename a non-active experiment.")
	s.post("experiments/set-experiment-tag", fields{"experiment_id": id, "key": "k"}).fails(400, "INVALID_PARAMETER_VALUE", inactive)
	s.post("runs/create", fields{"experiment_id": id}).fails(400, "INVALID_PARAMETER_VALUE", inactive)
	s.post("logged-models", fields{"experiment_id": id, "name": "m"}).fails(400, "INVALID_PARAMETER_VALUE", inactive)

	names := func(reply reply) (names []any) {
		t.Helper()
		experiments, _ := reply.ok()["experiments"].([]any)
		for _, e := range experiments {
			names = append(names, at(e, "name"))
		}
		return names
	}
	require.Equal(t, []any{"Default"}, names(s.get("experiments/search", "max_results", "10")))
	require.Equal(t, []any{"b"}, names(s.get("experiments/search", "view_type", "DELETED_ONLY", "max_results", "10")))
	require.Equal(t, []any{"Default", "b"}, names(s.post("experiments/search", fields{"view_type": "ALL", "order_by": []string{"name ASC"}})))
	require.Equal(t, []any{"b"}, names(s.post("experiments/search", fields{"view_type": 3, "filter": "tags.k = 'v' OR name = 'none'"})))

	s.post("experiments/restore", fields{"experiment_id": id}).ok()
	s.post("experiments/restore", fields{"experiment_id": id}).fails(404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id="+id+" exists")
	require.Equal(t, "active", at(s.get("runs/get", "run_id", run).ok(), "run", "info", "lifecycle_stage"))
	s.get("experiments/get", "experiment_id", "99").fails(404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99 exists")
	s.get("experiments/get", "experiment_id", "x").fails(400, "INVALID_PARAMETER_VALUE", "Invalid experiment ID 'x'. Experiment ID must be a valid integer.")
}

func TestArtifactLocations(t *testing.T) {
	s := newServer(t, nil)
	for location, below := range map[string]string{
		"":                               "mlflow-artifacts:/1",
		"mlflow-artifacts:/teams/risk":   "mlflow-artifacts:/teams/risk",
		"s3://bucket/experiments":        "s3://bucket/experiments",
		"dbfs:/experiments":              "dbfs:/experiments",
		"wasbs://c@a.blob.core.x/y%20z/": "wasbs://c@a.blob.core.x/y%20z/",
	} {
		id := s.post("experiments/create", fields{"name": "e" + location, "artifact_location": location}).ok()["experiment_id"].(string)
		if location == "" {
			below = "mlflow-artifacts:/" + id
		}
		require.Equal(t, below, at(s.get("experiments/get", "experiment_id", id).ok(), "experiment", "artifact_location"))
		info := at(s.post("runs/create", fields{"experiment_id": id}).ok(), "run", "info")
		require.Regexp(t, "^"+below+"/?"+at(info, "run_id").(string)+"/artifacts$", at(info, "artifact_uri"))
	}
	for _, location := range []string{
		"/var/lib", "relative", "file:///etc", "FILE:/etc", "C:/models", "runs:/x/y", "models:/m/1", "http://host/x", "https://host/x", "hdfs://h/x",
		"mlflow-artifacts:/", "mlflow-artifacts://host/x", "mlflow-artifacts:x", "mlflow-artifacts:/a/../b", "mlflow-artifacts:/a//b", "mlflow-artifacts:/s3:/x",
		"s3://bucket/../x", "s3://bucket/%2e%2e/x", "s3://bucket/%252e%252e/x", "s3://bucket/x?y=z", "s3://bucket/x#y",
	} {
		reply := s.post("experiments/create", fields{"name": "bad", "artifact_location": location})
		require.Equal(t, http.StatusBadRequest, reply.status, "%s: %s", location, reply.body)
	}
}

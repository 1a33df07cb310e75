package mlflow_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// What a version's source may be. None of what is refused is kept anywhere.
func TestSources(t *testing.T) {
	s := newServer(t, nil)
	for _, name := range []string{"m", "other", "empty"} {
		s.post("registered-models/create", fields{"name": name}).ok()
	}
	run, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{})
	require.NoError(t, err)
	stranger, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{})
	require.NoError(t, err)
	logged, err := s.reg.CreateLoggedModel(t.Context(), modelregistry.LoggedModelSpec{RunID: run.ID})
	require.NoError(t, err)
	s.post("model-versions/create", fields{"name": "other", "source": "s3://b/other", "run_id": run.ID}).ok()
	s.post("registered-models/alias", fields{"name": "other", "version": "1", "alias": "champion"}).ok()

	const local, relative, foreign, absent = "To use a local path", "Please provide an absolute path.", "request parameter must identify the resource",
		"not found"
	for _, c := range []struct {
		source, runID, modelID string
		says                   string // in the message of the refusal; "" if it is taken
		stored                 string // "" is source
	}{
		{source: "s3://bucket/key"}, {source: "gs://b/k/"}, {source: "wasbs://c@a/x"}, {source: "dbfs:/x"}, {source: "S3://b//k"},
		{source: "s3://b/k?x"}, {source: "s3://b/k#f"}, {source: "s3://b/a b+c%20d"}, {source: "s3://b/a..b"},

		{source: "/etc", says: local}, {source: "etc/passwd", says: local}, {source: "file:///etc", says: local}, {source: "FILE:/etc", says: local},
		{source: "file:relative", says: local}, {source: `C:\x`, says: local}, {source: "C:/x", says: local}, {source: `\\host\x`, says: local},
		{source: " s3://b/k", says: local}, {source: "databricks", says: local}, {source: "/etc", runID: run.ID, says: local},

		{source: "s3://b", says: relative}, {source: "s3://b/", says: relative}, {source: "s3:rel", says: relative}, {source: "data:,x", says: relative},
		{source: "abc:def", says: relative}, {source: "s3://b/a/../../x", says: relative}, {source: "s3://b/%2e%2e/x", says: relative},
		{source: "s3://b/%25252e%25252e%25252fx", says: relative}, {source: `s3://b/a/..\x`, says: relative}, {source: "s3://b/k?/../x", says: relative},
		{source: "s3://b/k?..", says: relative}, {source: "s3://b/k#/../x", says: relative}, {source: "s3://b/k;/../x", says: relative},
		{source: "s3://b/./k", says: relative}, {source: "s3://b/k\x00", says: relative}, {source: "s3://b/k%00", says: relative}, {source: "s3://b/k\n", says: relative},
		{source: "s3://b/%" + strings.Repeat("25", 20) + "2e/x", says: relative},

		{source: "http://h/x", says: "'source' cannot use the 'http' scheme"}, {source: "HTTPS://h/x", says: "'https' scheme"},
		{source: "ftp://h/x", says: "'ftp' scheme"}, {source: "hdfs://h/x", says: "'hdfs' scheme"}, {source: "abfss://c@h/x", says: "'abfss' scheme"},
		{source: "mlflow-artifacts://h/x", says: "'mlflow-artifacts' scheme"},

		{source: "mlflow-artifacts:/" + run.Artifacts + "/model", runID: run.ID},
		{source: "mlflow-artifacts:/" + run.Artifacts, runID: run.ID},
		{source: "mlflow-artifacts:///" + run.Artifacts, runID: run.ID},
		{source: "mlflow-artifacts:/" + run.Artifacts + "/model", says: foreign},
		{source: "mlflow-artifacts:/" + run.Artifacts + "/model", runID: stranger.ID, says: foreign},
		{source: "mlflow-artifacts:/" + run.Artifacts + "/model", runID: "nope", says: foreign},
		{source: "mlflow-artifacts:/" + run.Artifacts + "x", runID: run.ID, says: foreign},
		{source: "mlflow-artifacts:/" + run.Artifacts + "/../../x", runID: run.ID, says: relative},
		{source: "mlflow-artifacts:/" + run.Artifacts + "/%2e%2e/x", runID: run.ID, says: relative},
		{source: "mlflow-artifacts:/", runID: run.ID, says: relative},

		{source: "runs:/" + run.ID + "/model", runID: run.ID}, {source: "runs:/nope/model", runID: "nope"},
		{source: "runs:/" + run.ID + "/model", says: foreign}, {source: "runs:/" + run.ID + "/model", runID: stranger.ID, says: foreign},
		{source: "runs:/", says: relative}, {source: "runs://" + run.ID + "/model", runID: run.ID, says: foreign},

		{source: "models:/" + logged.ID, modelID: logged.ID},
		{source: "models:/" + logged.ID, says: foreign}, {source: "models:/" + logged.ID, modelID: "m-nope", says: foreign},
		{source: "models:/m-nope", modelID: "m-nope", says: "Logged model with ID 'm-nope' not found."},
		{source: "s3://b/k", modelID: "m-nope", says: "Logged model with ID 'm-nope' not found."},
		{source: "mlflow-artifacts:/" + logged.Artifacts + "/x", modelID: logged.ID},
		{source: "mlflow-artifacts:/" + run.Artifacts + "/model", modelID: logged.ID, says: foreign},
		{source: "runs:/" + run.ID + "/model", runID: run.ID, modelID: logged.ID, says: foreign},

		{source: "models:/other/1", stored: "models:/other/1"}, {source: "models:/other/None", stored: "models:/other/1"},
		{source: "models:/other@champion", stored: "models:/other/1"}, {source: "models:///other/Latest", stored: "models:/other/1"},
		{source: "models:/other/1", runID: run.ID, stored: "models:/other/1"},
		{source: "models:/other/1", runID: stranger.ID, says: "request parameters must match the referenced model version"},
		{source: "models:/other/1", modelID: logged.ID, says: "request parameters must match the referenced model version"},
		{source: "models://host/other/1", says: "must use the active model registry"}, {source: "models:/other", says: foreign},
		{source: "models:/other/Bogus", says: foreign}, {source: "models:/", says: foreign}, {source: "models:/other/1/../2", says: foreign},
		{source: "models:/none/1", says: "Registered Model with name=none not found"},
		{source: "models:/other/7", says: "Model Version (name=other, version=7) not found"},
		{source: "models:/other@nope", says: "Registered model alias nope not found."}, {source: "models:/empty/latest", says: absent},
		{source: "models:/other/Production", says: absent},
	} {
		request := fields{"name": "m", "source": c.source}
		if c.runID != "" {
			request["run_id"] = c.runID
		}
		if c.modelID != "" {
			request["model_id"] = c.modelID
		}
		r := s.post("model-versions/create", request)
		if c.says != "" {
			require.Contains(t, []int{400, 404}, r.status, "%q: %s", c.source, r.body)
			require.Contains(t, string(r.body), c.says, "%q", c.source)
			continue
		}
		require.Equal(t, http.StatusOK, r.status, "%q: %s", c.source, r.body)
		if c.stored == "" {
			c.stored = c.source
		}
		require.Equal(t, c.stored, r.ok()["model_version"].(fields)["source"])
	}
	for _, path := range []string{"s3://b/k?..", "/etc"} {
		require.Empty(t, refs(s.get("model-versions/search", "filter", "source_path = "+modelregistry.Quote(path)).ok()))
	}
}

func download(s *testServer, name, version string) string {
	return s.get("model-versions/get-download-uri", "name", name, "version", version).ok()["artifact_uri"].(string)
}

// A version that is registered from what a run left has those files, whatever becomes of the run's.
func TestVersionsKeepWhatRunsLeft(t *testing.T) {
	s := newServer(t, nil)
	ctx := t.Context()
	s.post("registered-models/create", fields{"name": "m"}).ok()
	run, err := s.reg.StartRun(ctx, modelregistry.RunSpec{})
	require.NoError(t, err)
	logged, err := s.reg.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{RunID: run.ID})
	require.NoError(t, err)
	files := fstest.MapFS{"MLmodel": {Data: []byte("flavors: {}")}, "data/w.bin": {Data: []byte("weights")}}
	require.NoError(t, s.reg.LogArtifacts(ctx, run.ArtifactPath("model"), files, nil))
	require.NoError(t, s.reg.LogArtifacts(ctx, logged.Artifacts, files, nil))

	create := func(request fields) *modelregistry.Version {
		request["name"] = "m"
		s.post("model-versions/create", request).ok()
		v, err := s.reg.Resolve(ctx, "models:/m/latest")
		require.NoError(t, err)
		return v
	}
	var digest string
	for _, request := range []fields{
		{"source": "mlflow-artifacts:/" + run.Artifacts + "/model", "run_id": run.ID},
		{"source": "runs:/" + run.ID + "/model/", "run_id": run.ID},
		{"source": "models:/" + logged.ID, "model_id": logged.ID},
		{"source": "models:/m/1"},
	} {
		v := create(request)
		require.NotEmpty(t, v.Digest, "%v", request)
		if digest == "" {
			digest = v.Digest
		}
		require.Equal(t, digest, v.Digest, "%v", request)
		require.Equal(t, run.ID, v.RunID, "%v", request)
		require.Equal(t, "mlflow-artifacts:/registry/"+v.ModelID+"/"+strings.TrimPrefix(v.Ref(), "m/"), download(s, "m", strings.TrimPrefix(v.Ref(), "m/")))
	}
	require.NoError(t, s.reg.DeleteArtifacts(ctx, run.Artifacts))
	v, err := s.reg.Version(ctx, "m", 1)
	require.NoError(t, err)
	require.NoError(t, fstest.TestFS(s.reg.Files(ctx, v), "MLmodel", "data/w.bin"))

	v = create(fields{"source": "mlflow-artifacts:/" + run.Artifacts + "/model", "run_id": run.ID})
	require.Empty(t, v.Digest, "nothing is there any more")
	require.Equal(t, "mlflow-artifacts:/"+run.Artifacts+"/model", download(s, "m", "5"))
	require.NoError(t, s.reg.DeleteArtifacts(ctx, logged.Artifacts))
	create(fields{"source": "models:/" + logged.ID, "model_id": logged.ID})
	require.Equal(t, "mlflow-artifacts:/"+logged.Artifacts, download(s, "m", "6"))
}

// A copy has what the request says and the original's files, in one step; where the files are outlives the original.
func TestCopies(t *testing.T) {
	s := newServer(t, nil)
	ctx := t.Context()
	for _, name := range []string{"dev", "prod"} {
		s.post("registered-models/create", fields{"name": name}).ok()
	}
	_, err := s.reg.Register(ctx, "dev", modelregistry.VersionSpec{
		Files: fstest.MapFS{"f": {Data: []byte("x")}}, Metrics: map[string]float64{"accuracy": 0.9}, Tags: map[string]string{"a": "1"}, Description: "theirs",
	})
	require.NoError(t, err)
	s.post("model-versions/create", fields{"name": "dev", "source": "s3://b/k"}).ok()

	copied := s.post("model-versions/create", fields{"name": "prod", "source": "models:/dev/1", "description": "ours", "tags": []fields{{"key": "b", "value": "2"}}}).ok()
	require.Equal(t, "ours", copied["model_version"].(fields)["description"])
	require.Equal(t, []any{fields{"key": "b", "value": "2"}}, copied["model_version"].(fields)["tags"])
	v, err := s.reg.Version(ctx, "prod", 1)
	require.NoError(t, err)
	original, err := s.reg.Version(ctx, "dev", 1)
	require.NoError(t, err)
	require.Equal(t, original.Digest, v.Digest)
	require.Equal(t, 0.9, v.Metrics.Get("accuracy"))
	graph, err := s.reg.Lineage(ctx, v.Node(), nil)
	require.NoError(t, err)
	require.Contains(t, graph.Edges, modelregistry.Edge{From: v.Node(), Type: modelregistry.DerivedFrom, To: original.Node()})

	s.post("model-versions/create", fields{"name": "prod", "source": "models:/dev/2"}).ok()
	s.post("model-versions/create", fields{"name": "prod", "source": "models:/prod/2"}).ok()
	s.delete("registered-models/delete", fields{"name": "dev"}).ok()
	require.Equal(t, "s3://b/k", download(s, "prod", "2"))
	require.Equal(t, "s3://b/k", download(s, "prod", "3"), "a copy of a copy")
	require.NoError(t, fstest.TestFS(s.reg.Files(ctx, v), "f"))
}

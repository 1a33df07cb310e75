package mlflow_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func stageOf(s *testServer, name, version string) string {
	return s.get("model-versions/get", "name", name, "version", version).ok()["model_version"].(fields)["current_stage"].(string)
}

// Promotions that archive leave exactly one version in Production, however many come at once. MLflow leaves several.
func TestArchivingTransitionsAtOnce(t *testing.T) {
	s := newServer(t, nil)
	s.post("registered-models/create", fields{"name": "m"}).ok()
	const n = 16
	for range n {
		s.post("model-versions/create", fields{"name": "m", "source": "s3://b/k"}).ok()
	}
	var wg sync.WaitGroup
	answers := make([]reply, n)
	for i := range n {
		wg.Go(func() {
			answers[i] = s.post("model-versions/transition-stage", fields{
				"name": "m", "version": strconv.Itoa(i + 1), "stage": "Production", "archive_existing_versions": true,
			})
		})
	}
	wg.Wait()
	for _, r := range answers {
		require.Equal(t, "Production", r.ok()["model_version"].(fields)["current_stage"])
	}
	require.Len(t, refs(s.get("model-versions/search", "filter", "stage = 'Production'").ok()), 1)
	require.Len(t, refs(s.get("model-versions/search", "filter", "stage = 'Archived'").ok()), n-1)
}

// Without being told to archive, a transition keeps those who are there; the latest is the one with the highest number.
func TestTransitionsKeep(t *testing.T) {
	s := withModel(t)
	move := func(version, stage string, archive bool) {
		s.post("model-versions/transition-stage", fields{"name": "m", "version": version, "stage": stage, "archive_existing_versions": archive}).ok()
	}
	move("2", "PRODUCTION", false)
	move("1", "Production", false)
	require.Equal(t, "Production", stageOf(s, "m", "2"))
	latest := func(stages ...string) []string {
		return refs(s.post("registered-models/get-latest-versions", fields{"name": "m", "stages": stages}).ok())
	}
	require.Equal(t, []string{"m/2"}, latest("production"))
	require.Empty(t, latest("None"))
	move("1", "Production", true) // it is there already; the other one is archived all the same
	require.Equal(t, []string{"m/1"}, latest("Production"))
	require.Equal(t, "Archived", stageOf(s, "m", "2"))
	require.Equal(t, []string{"m/1", "m/2"}, latest())
}

// Deleting takes what is in use, with the aliases, and numbers are not used again until the model itself is made anew.
func TestDeleting(t *testing.T) {
	s := withModel(t)
	s.post("registered-models/alias", fields{"name": "m", "version": "2", "alias": "champion"}).ok()
	s.post("model-versions/transition-stage", fields{"name": "m", "version": "2", "stage": "Production"}).ok()
	s.get("registered-models/alias", "name", "m", "alias", "Latest").ok()
	s.delete("model-versions/delete", fields{"name": "m", "version": "2"}).ok()
	s.get("registered-models/alias", "name", "m", "alias", "champion").fails(400, invalidValue, "Registered model alias champion not found.")
	s.delete("registered-models/alias", fields{"name": "m", "alias": "champion"}).ok()
	created := s.post("model-versions/create", fields{"name": "m", "source": "s3://b/k"}).ok()["model_version"].(fields)
	require.Equal(t, "4", created["version"])
	s.delete("registered-models/delete", fields{"name": "m"}).ok()
	s.post("registered-models/create", fields{"name": "m"}).ok()
	s.get("registered-models/alias", "name", "m", "alias", "latest").fails(404, notThere, "Latest version not found for model m.")
	created = s.post("model-versions/create", fields{"name": "m", "source": "s3://b/k"}).ok()["model_version"].(fields)
	require.Equal(t, "1", created["version"])
}

// A description that is left out of a PATCH is cleared; tags come and go.
func TestDescriptionsAndTags(t *testing.T) {
	s := withModel(t)
	s.patch("model-versions/update", fields{"name": "m", "version": "1", "description": "d"}).ok()
	v := s.patch("model-versions/update", fields{"name": "m", "version": "1"}).ok()["model_version"].(fields)
	require.Equal(t, "", v["description"])
	s.patch("registered-models/update", fields{"name": "m", "description": "d"}).ok()
	m := s.patch("registered-models/update", fields{"name": "m"}).ok()["registered_model"].(fields)
	require.NotContains(t, m, "description")
	s.post("registered-models/set-tag", fields{"name": "m", "key": "k"}).ok()
	m = s.get("registered-models/get", "name", "m").ok()["registered_model"].(fields)
	require.Equal(t, []any{fields{"key": "k", "value": ""}}, m["tags"])
	for range 2 {
		s.delete("registered-models/delete-tag", fields{"name": "m", "key": "k"}).ok()
		s.delete("model-versions/delete-tag", fields{"name": "m", "version": "1", "key": "k"}).ok()
	}
	m = s.post("registered-models/rename", fields{"name": "m", "new_name": "n"}).ok()["registered_model"].(fields)
	require.NotContains(t, m, "tags")
	require.Len(t, m["latest_versions"], 1)
}

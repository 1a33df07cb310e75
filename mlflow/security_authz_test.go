package mlflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// A form can be sent by any page, without the browser asking first.
func TestWhatAFormCanSendChangesNothing(t *testing.T) {
	p := newPopulated(t, nil)
	before := p.state()
	for _, e := range mlflow.Endpoints() {
		if e.Method != http.MethodPost {
			continue
		}
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", `text/plain; x="application/json"`} {
			body, err := json.Marshal(p.everything(e.Path))
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), e.Method, p.url+p.fill(e.Path), strings.NewReader(string(body)))
			require.NoError(t, err)
			req.Header.Set("Content-Type", kind)
			got := p.send(req)
			require.GreaterOrEqual(t, got.status, 400, "%s as %s", e.Path, kind)
		}
	}
	require.Equal(t, before, p.state())
}

var (
	wildcardRE = regexp.MustCompile(`\{[^}]*\}`)
	cannotRE   = regexp.MustCompile(`/(mpu|presigned)/`)
	restRE     = regexp.MustCompile(`/\{\w+\.\.\.\}$`)
)

// fill is a path with something that is there for its wildcards.
func (p *populated) fill(path string) string {
	path = strings.ReplaceAll(path, "{model_id}", p.model.ID)
	path = strings.ReplaceAll(path, "{webhook_id}", p.hook.ID)
	path = strings.ReplaceAll(path, "{path...}", "a/b")
	return wildcardRE.ReplaceAllString(path, "k")
}

// everything is a request with every field that any route wants, for what is there.
func (p *populated) everything(path string) fields {
	f := fields{
		"name": "m", "new_name": "n", "version": "1", "alias": "a", "key": "k", "value": "w", "description": "d", "source": "s3://bucket/key",
		"stage": "Production", "archive_existing_versions": true, "run_id": p.run.ID, "run_uuid": p.run.ID, "experiment_id": "0",
		"experiment_name": "Default", "model_id": p.model.ID, "metric_key": "k", "path": "a", "timestamp": 1, "step": 0,
		"artifact_file_path": "a", "model_json": `{"artifact_path": "a", "flavors": {}, "utc_time_created": "2024-05-31 12:00:00", "run_id": "` + p.run.ID + `"}`, "url": "https://hooks.example.com/x",
		"experiment_ids": []string{"0"}, "events": []fields{{"entity": "MODEL_VERSION", "action": "CREATED"}},
		"tags": []fields{{"key": "k", "value": "w"}}, "params": []fields{{"key": "k", "value": "v"}}, "tag_key": "k",
		"models": []fields{{"model_id": p.model.ID, "step": 0}}, "view_type": "ALL",
		"datasets": []fields{{"dataset": fields{"name": "d", "digest": "x", "source_type": "s", "source": "s"}}},
	}
	switch {
	case strings.Contains(path, "/runs/log-metric"):
		f["value"] = 1.5
	case strings.Contains(path, "/runs/update"):
		f["status"] = "FINISHED"
	case strings.HasSuffix(path, "/logged-models/search"):
		f["datasets"] = []fields{{"dataset_name": "d"}}
	case strings.Contains(path, "/logged-models"):
		f["status"] = "LOGGED_MODEL_READY"
	case strings.HasSuffix(path, "registered-models/create"), strings.HasSuffix(path, "experiments/create"):
		f["name"] = "another"
	case strings.HasSuffix(path, "/experiments/restore"):
		f["experiment_id"] = p.gone.ID
	}
	return f
}

// ask makes the request that everything describes.
func (p *populated) ask(e mlflow.Endpoint) reply {
	p.t.Helper()
	f := p.everything(e.Path)
	if e.Method != http.MethodGet {
		return p.do(e.Method, p.fill(e.Path), f)
	}
	query := url.Values{}
	for key, value := range f {
		if text, ok := value.(string); ok {
			query.Set(key, text)
		}
	}
	return p.do(e.Method, p.fill(e.Path)+"?"+query.Encode(), nil)
}

// 2023-6014, 2025-15381, 2026-2651, 2026-2652, 2026-33866, 2026-0545 and others were each a route that forgot to ask.
func TestEveryRouteAsksWhoAndWhether(t *testing.T) {
	public := map[string]bool{}
	stranger := newPopulated(t, &mlflow.Options{Authenticate: func(*http.Request) (string, error) { return "", errors.New("who are you?") }})
	nobody := newPopulated(t, &mlflow.Options{Authorize: func(context.Context, string, mlflow.Action, mlflow.Resource) error {
		return errors.New("not for you")
	}})
	before := []string{stranger.state(), nobody.state()}
	for _, e := range mlflow.Endpoints() {
		if e.Public {
			public[e.Path] = true
			require.Equal(t, http.StatusOK, stranger.ask(e).status, e.Path)
			continue
		}
		stranger.ask(e).fails(http.StatusUnauthorized, "UNAUTHENTICATED", "who are you?")
		nobody.ask(e).fails(http.StatusForbidden, "PERMISSION_DENIED", "not for you")
	}
	require.Equal(t, before, []string{stranger.state(), nobody.state()})
	require.Equal(t, []string{"/ajax-api/3.0/mlflow/server-info", "/api/3.0/mlflow/server-info", "/docs", "/health", "/version"},
		slices.Sorted(maps.Keys(public)))
}

// The routes do what the test above asks them not to, so that it proves something.
func TestEveryRouteWorksForWhoMay(t *testing.T) {
	asked := map[mlflow.Kind]map[mlflow.Action]bool{}
	for _, e := range mlflow.Endpoints() {
		if strings.HasPrefix(e.Path, "/ajax-api/") {
			continue
		}
		p := newPopulated(t, &mlflow.Options{Authorize: func(_ context.Context, _ string, action mlflow.Action, r mlflow.Resource) error {
			if asked[r.Kind] == nil {
				asked[r.Kind] = map[mlflow.Action]bool{}
			}
			asked[r.Kind][action] = true
			return nil
		}})
		got := p.ask(e)
		want := http.StatusOK
		if cannot := cannotRE.FindString(e.Path); cannot != "" {
			want = http.StatusNotImplemented
		}
		require.Equal(t, want, got.status, "%s %s: %s", e.Method, e.Path, got.body)
	}
	require.Equal(t, map[mlflow.Action]bool{mlflow.Read: true, mlflow.Update: true, mlflow.Delete: true}, asked[mlflow.KindArtifact])
}

// 2026-2734: a search must not find, nor its pages tell of, what may not be read.
func TestSearchesFindWhatMayBeRead(t *testing.T) {
	may := func(name string) bool {
		return name == "" || strings.HasPrefix(name, "m") && strings.HasSuffix(name, "0")
	}
	runs := map[string]bool{"": true}
	s := newServer(t, &mlflow.Options{Authorize: func(_ context.Context, _ string, _ mlflow.Action, r mlflow.Resource) error {
		ok := may(r.Name)
		switch r.Kind {
		case mlflow.KindRun:
			ok = runs[r.Name]
		case mlflow.KindExperiment:
			ok = true
		case mlflow.KindArtifact:
			ok = r.Name == "dir" || !strings.Contains(r.Name, "/") || may(strings.TrimPrefix(r.Name, "dir/"))
		}
		if ok {
			return nil
		}
		return errors.New("no")
	}})
	var want, wantRuns []string
	for i := range 60 {
		name := fmt.Sprintf("m%02d", i)
		_, err := s.reg.Register(t.Context(), name, modelregistry.VersionSpec{})
		require.NoError(t, err)
		run, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{Name: name})
		require.NoError(t, err)
		_, err = s.reg.PutArtifact(t.Context(), "dir/"+name, strings.NewReader("x"))
		require.NoError(t, err)
		if may(name) {
			want, wantRuns = append(want, name), append(wantRuns, run.ID)
			runs[run.ID] = true
		}
	}
	pages := func(ask func(token string) fields, list string, name func(fields) string) (found []string) {
		for token, n := "", 0; ; n++ {
			require.Less(t, n, 60)
			page := ask(token)
			for _, item := range asList(page[list]) {
				found = append(found, name(item.(fields)))
			}
			if token, _ = page["next_page_token"].(string); token == "" {
				slices.Sort(found)
				return found
			}
		}
	}
	byName := func(f fields) string { return f["name"].(string) }
	for path, list := range map[string]string{"registered-models/search": "registered_models", "model-versions/search": "model_versions"} {
		for _, size := range []string{"1", "4", "100"} {
			require.Equal(t, want, pages(func(token string) fields {
				return s.get(path, "max_results", size, "page_token", token).ok()
			}, list, byName), "%s by %s", path, size)
		}
	}
	slices.Sort(wantRuns)
	require.Equal(t, wantRuns, pages(func(token string) fields {
		return s.post("runs/search", fields{"experiment_ids": []string{"0"}, "max_results": 4, "page_token": token}).ok()
	}, "runs", func(f fields) string { return f["info"].(fields)["run_id"].(string) }))
	require.Len(t, s.names("dir"), len(want))
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

package mlflow_test

import (
	"context"
	"encoding/base64"
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
		"stage": "Production", "archive_existing_versions": true, "run_id": p.run.ID, "run_uuid": p.run.ID, "run_ids": p.run.ID, "experiment_id": "0",
		"experiment_name": "Default", "model_id": p.model.ID, "metric_key": "k", "path": "a", "timestamp": 1, "step": 0,
		"artifact_file_path": "a", "model_json": `{"artifact_path": "a", "flavors": {}, "utc_time_created": "2024-05-31 12:00:00", "run_id": "` + p.run.ID + `"}`, "url": "https://hooks.example.com/x",
		"experiment_ids": []string{"0"}, "events": []fields{{"entity": "MODEL_VERSION", "action": "CREATED"}},
		"tags": []fields{{"key": "k", "value": "w"}}, "params": []fields{{"key": "k", "value": "v"}}, "tag_key": "k",
		"models": []fields{{"model_id": p.model.ID, "step": 0}}, "view_type": "ALL",
		"start_step": "0", "end_step": "10",
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
		switch value := value.(type) {
		case string:
			query.Set(key, value)
		case []string:
			query[key] = value
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

// What a page token says of where it stands is sealed: it may be the name of what may not be read.
func TestTokensTellOfNothingThatIsHidden(t *testing.T) {
	hidden := map[string]bool{}
	s := newServer(t, &mlflow.Options{Authorize: func(_ context.Context, _ string, _ mlflow.Action, r mlflow.Resource) error {
		if strings.Contains(r.Name, "secret") || hidden[r.Name] {
			return errors.New("no")
		}
		return nil
	}})
	for i := range 12 {
		kind := []string{"public", "secret"}[i%2]
		name := fmt.Sprintf("m%02d-%s", i, kind)
		_, err := s.reg.Register(t.Context(), name, modelregistry.VersionSpec{})
		require.NoError(t, err)
		run, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{Params: map[string]string{"endpoint": name}})
		require.NoError(t, err)
		_, err = s.reg.CreateExperiment(t.Context(), name, modelregistry.ExperimentSpec{})
		require.NoError(t, err)
		hidden[run.ID] = kind == "secret"
	}
	ask := map[string]func(size int, token string) fields{
		"models": func(size int, token string) fields {
			return s.get("registered-models/search", "max_results", fmt.Sprint(size), "page_token", token).ok()
		},
		"versions": func(size int, token string) fields {
			return s.get("model-versions/search", "max_results", fmt.Sprint(size), "page_token", token, "order_by", "name ASC").ok()
		},
		"runs": func(size int, token string) fields {
			return s.post("runs/search", fields{"experiment_ids": []string{"0"}, "max_results": size, "page_token": token,
				"order_by": []string{"params.endpoint ASC"}}).ok()
		},
		"experiments": func(size int, token string) fields {
			return s.post("experiments/search", fields{"max_results": size, "page_token": token, "order_by": []string{"name ASC"}}).ok()
		},
	}
	for what, ask := range ask {
		told := 0
		for size := 1; size <= 6; size++ {
			for token := ""; ; told++ {
				if token, _ = ask(size, token)["next_page_token"].(string); token == "" {
					break
				}
				text := token
				for range 3 { // however often it is unwrapped
					require.NotContains(t, text, "secret", what)
					require.NotContains(t, text, "public", what)
					plain, err := base64.StdEncoding.DecodeString(text)
					if err != nil {
						plain, _ = base64.RawURLEncoding.DecodeString(text)
					}
					text = string(plain)
				}
			}
		}
		require.Positive(t, told, what)
	}
	s.get("registered-models/search", "page_token", base64.StdEncoding.EncodeToString([]byte("made up"))).
		fails(400, "INVALID_PARAMETER_VALUE", "Invalid page token: it is not the next_page_token of an answer of this server")
}

// Whatever a request names to say where something comes from has to be what its caller may read.
func TestReferencesAskForRead(t *testing.T) {
	var victim *modelregistry.Run
	var secret *modelregistry.LoggedModel
	s := newServer(t, &mlflow.Options{Authorize: func(_ context.Context, _ string, a mlflow.Action, r mlflow.Resource) error {
		if victim != nil && (r.Name == victim.ID || r.Parent == victim.ExperimentID || r.Name == secret.ID || strings.Contains(r.Name, "/secret")) {
			return errors.New("not yours")
		}
		return nil
	}})
	ctx := t.Context()
	e, err := s.reg.CreateExperiment(ctx, "hidden", modelregistry.ExperimentSpec{})
	require.NoError(t, err)
	run, err := s.reg.StartRun(ctx, modelregistry.RunSpec{ExperimentID: e.ID})
	require.NoError(t, err)
	secret, err = s.reg.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{ExperimentID: e.ID, RunID: run.ID, Name: "model"})
	require.NoError(t, err)
	own, err := s.reg.StartRun(ctx, modelregistry.RunSpec{})
	require.NoError(t, err)
	mine, err := s.reg.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{ExperimentID: "0", RunID: own.ID, Name: "model"})
	require.NoError(t, err)
	for _, path := range []string{own.ArtifactPath("model/weights"), own.ArtifactPath("model/secret/plan"), own.ArtifactPath("open/weights"), mine.Artifacts + "/secret/plan"} {
		_, err := s.reg.PutArtifact(ctx, path, strings.NewReader("x"))
		require.NoError(t, err)
	}
	_, err = s.reg.CreateModel(ctx, "m", modelregistry.ModelSpec{})
	require.NoError(t, err)
	victim = run
	prompt := []fields{{"key": "mlflow.prompt.is_prompt", "value": "true"}}
	for name, c := range map[string]struct {
		path string
		body fields
	}{
		"a version of elsewhere, of a run":        {"model-versions/create", fields{"name": "m", "source": "s3://b/x", "run_id": run.ID}},
		"a version of a run":                      {"model-versions/create", fields{"name": "m", "source": "runs:/" + run.ID + "/model", "run_id": run.ID}},
		"a version of a logged model":             {"model-versions/create", fields{"name": "m", "source": "models:/" + secret.ID, "model_id": secret.ID}},
		"a version of elsewhere, of a model":      {"model-versions/create", fields{"name": "m", "source": "s3://b/x", "model_id": secret.ID}},
		"a version of a model, of another's run":  {"model-versions/create", fields{"name": "m", "source": "s3://b/x", "model_id": mine.ID, "run_id": run.ID}},
		"a prompt of a run":                       {"model-versions/create", fields{"name": "m", "source": "dummy-source", "run_id": run.ID, "tags": prompt}},
		"a version of files that are hidden":      {"model-versions/create", fields{"name": "m", "source": "runs:/" + own.ID + "/model/secret", "run_id": own.ID}},
		"a version of one file that is hidden":    {"model-versions/create", fields{"name": "m", "source": "runs:/" + own.ID + "/model/secret/plan", "run_id": own.ID}},
		"a version of a directory with a hidden":  {"model-versions/create", fields{"name": "m", "source": "runs:/" + own.ID + "/model", "run_id": own.ID}},
		"a version of a model with a hidden file": {"model-versions/create", fields{"name": "m", "source": "models:/" + mine.ID, "model_id": mine.ID}},
		"a logged model of a run":                 {"logged-models", fields{"experiment_id": "0", "source_run_id": run.ID, "name": "x"}},
		"what a run read":                         {"runs/log-inputs", fields{"run_id": own.ID, "models": []fields{{"model_id": secret.ID}}}},
		"what a run made":                         {"runs/outputs", fields{"run_id": own.ID, "models": []fields{{"model_id": secret.ID, "step": 0}}}},
		"a metric of a logged model":              {"runs/log-metric", fields{"run_id": own.ID, "key": "k", "value": 1, "timestamp": 1, "model_id": secret.ID}},
	} {
		got := s.post(c.path, c.body)
		require.Equal(t, 403, got.status, "%s: %s", name, got.body)
	}
	s.post("model-versions/create", fields{"name": "m", "source": "runs:/" + own.ID + "/open", "run_id": own.ID}).ok()
	s.post("runs/outputs", fields{"run_id": own.ID, "models": []fields{{"model_id": mine.ID, "step": 0}}}).ok()

	// What is listed of a run or a logged model is what may be read.
	files := s.get("artifacts/list", "run_id", own.ID, "path", "model").ok()["files"]
	require.Len(t, asList(files), 1)
	require.Equal(t, 403, s.get("artifacts/list", "run_id", own.ID, "path", "model/secret").status)
	require.Empty(t, asList(s.get("logged-models/" + mine.ID + "/artifacts/directories").ok()["files"]))
	require.Equal(t, 403, s.get("logged-models/"+mine.ID+"/artifacts/directories", "artifact_directory_path", "secret").status)
}

func TestMetricsAskWhether(t *testing.T) {
	var asked []mlflow.Resource
	s := newServer(t, &mlflow.Options{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("counted")) }),
		Authorize: func(_ context.Context, _ string, _ mlflow.Action, r mlflow.Resource) error {
			asked = append(asked, r)
			return errors.New("not for you")
		}})
	s.get("/metrics").fails(403, "PERMISSION_DENIED", "not for you")
	require.Equal(t, []mlflow.Resource{{Kind: mlflow.KindMetrics}}, asked)
}

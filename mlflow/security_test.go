package mlflow_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

func text(n int) string { return strings.Repeat("x", n) }

// raw sends a request that net/http's client would have tidied up.
func (s *testServer) raw(method, target, host string, header ...string) reply {
	s.t.Helper()
	return s.rawJSON(method, target, host, fields{}, header...)
}

func (s *testServer) rawJSON(method, target, host string, v fields, header ...string) reply {
	s.t.Helper()
	text, err := json.Marshal(v)
	require.NoError(s.t, err)
	body := string(text)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(s.t, err)
	defer conn.Close()
	lines := append([]string{method + " " + target + " HTTP/1.1", "Host: " + host, "Connection: close"}, header...)
	if method == http.MethodGet || method == http.MethodHead {
		body = ""
	}
	lines = append(lines, "Content-Type: application/json", fmt.Sprint("Content-Length: ", len(body)), "", body)
	_, err = io.WriteString(conn, strings.Join(lines, "\r\n"))
	require.NoError(s.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(s.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return reply{t: s.t, status: resp.StatusCode, header: resp.Header, body: got}
}

// A populated server has one thing of each kind.
type populated struct {
	*testServer
	rows  backend.Backend
	files string // the directory that the blobs are in
	v     *modelregistry.Version
	run   *modelregistry.Run
	model *modelregistry.LoggedModel
	gone  *modelregistry.Experiment // that is deleted
	hook  *modelregistry.Webhook
}

func newPopulated(t *testing.T, opts *mlflow.Options) *populated {
	p := &populated{rows: memory.New(), files: filepath.Join(t.TempDir(), "blobs")}
	blobs, err := blob.Open(t.Context(), (&url.URL{Scheme: "file", Path: filepath.ToSlash(p.files)}).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	reg, err := modelregistry.New(t.Context(), p.rows, blobs, nil)
	require.NoError(t, err)
	p.v, err = reg.Register(t.Context(), "m", modelregistry.VersionSpec{
		Files: fstest.MapFS{"a": {Data: []byte("content")}}, Aliases: []string{"a"}, Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	p.run, err = reg.StartRun(t.Context(), modelregistry.RunSpec{Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	p.model, err = reg.CreateLoggedModel(t.Context(), modelregistry.LoggedModelSpec{RunID: p.run.ID, Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	for _, path := range []string{"a/b", p.run.ArtifactPath("a"), p.model.Artifacts + "/a"} {
		_, err = reg.PutArtifact(t.Context(), path, strings.NewReader("content"))
		require.NoError(t, err)
	}
	p.gone, err = reg.CreateExperiment(t.Context(), "gone", modelregistry.ExperimentSpec{})
	require.NoError(t, err)
	_, err = reg.UpdateExperiment(t.Context(), p.gone.ID, modelregistry.ExperimentPatch{Deleted: new(true)})
	require.NoError(t, err)
	_, err = reg.UpdateExperiment(t.Context(), modelregistry.DefaultExperiment, modelregistry.ExperimentPatch{SetTags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	p.hook, err = reg.CreateWebhook(t.Context(), modelregistry.WebhookSpec{Name: "hook", URL: "https://127.0.0.1:1/",
		Events: []string{"model_version.created"}})
	require.NoError(t, err)
	p.testServer = newServerFor(t, reg, opts)
	return p
}

var tables = []string{"models", "versions", "manifests", "events", "names", "chains", "nodes", "edges", "uploads", "condemned", "sweeps", "manifest_parts",
	"experiments", "runs", "points", "logged_models", "artifacts", "webhooks"}

// state is all that the registry holds.
func (p *populated) state() string {
	p.t.Helper()
	var out strings.Builder
	for _, table := range tables {
		rows, err := p.rows.Find(context.Background(), backend.Query{Table: table})
		require.NoError(p.t, err)
		for _, row := range rows {
			fmt.Fprintf(&out, "%s %v %s\n", table, row.Key, row.Doc)
		}
	}
	return out.String()
}

func TestPathsThatLeadOutwardAreRefused(t *testing.T) {
	p := newPopulated(t, nil)
	before := p.state()
	const proxy = "2.0/mlflow-artifacts/"
	inPath := map[string][]string{
		"artifacts/":    {http.MethodPut, http.MethodGet, http.MethodHead, http.MethodDelete},
		"mpu/create/":   {http.MethodPost},
		"mpu/complete/": {http.MethodPost},
		"mpu/abort/":    {http.MethodPost},
		"presigned/":    {http.MethodGet},
	}
	inQuery := []string{
		proxy + "artifacts?path=",
		"2.0/mlflow/artifacts/list?run_id=" + p.run.ID + "&path=",
		"2.0/mlflow/logged-models/" + p.model.ID + "/artifacts/directories?artifact_directory_path=",
		"2.0/mlflow/logged-models/" + p.model.ID + "/artifacts/files?artifact_file_path=",
	}
	var targets [][2]string // method and target
	for _, path := range coded {
		targets = append(targets, [2]string{http.MethodGet, "/api/" + inQuery[0] + path})
	}
	for _, root := range []string{"/api/", "/ajax-api/"} {
		for route, methods := range inPath {
			for _, path := range slices.Concat(outward, coded) {
				for _, method := range methods {
					targets = append(targets, [2]string{method, root + proxy + route + path})
				}
			}
		}
		for _, path := range slices.Concat(outward, onlyInQueries) {
			for _, route := range inQuery {
				targets = append(targets, [2]string{http.MethodGet, root + route + path})
			}
		}
	}
	for _, path := range slices.Concat(outward, onlyInQueries) {
		targets = append(targets,
			[2]string{http.MethodGet, "/get-artifact?run_id=" + p.run.ID + "&path=" + path},
			[2]string{http.MethodGet, "/model-versions/get-artifact?name=m&version=1&path=" + path})
	}
	for _, target := range targets {
		if _, query, _ := strings.Cut(target[1], "?"); strings.Contains(query, ";") {
			target[1] = strings.ReplaceAll(target[1], ";", "%3b") // net/http drops fields with one
		}
		got := p.raw(target[0], target[1], "localhost")
		require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", target, got.body)
		if target[0] != http.MethodHead {
			require.Contains(t, string(got.body), `"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"`, target)
		}
	}
	require.Equal(t, before, p.state())
	beside, err := os.ReadDir(filepath.Dir(p.files))
	require.NoError(t, err)
	require.Len(t, beside, 1)
}

// Nothing may be made of a redirect: it is answered before anybody was asked.
func TestNoPathIsRedirected(t *testing.T) {
	p := newPopulated(t, nil)
	for _, e := range mlflow.Endpoints() {
		for _, target := range []string{e.Path, restRE.ReplaceAllString(e.Path, ""), e.Path + "/", "/" + e.Path, strings.Replace(e.Path, "/mlflow", "//mlflow", 1), "/x/.." + e.Path} {
			got := p.raw(e.Method, wildcardRE.ReplaceAllString(target, "x"), "localhost")
			require.False(t, got.status >= 300 && got.status < 400, "%s %s: %d", e.Method, target, got.status)
			require.Less(t, got.status, 502, target)
		}
	}
	for _, target := range []string{"*", "localhost:80", "http://localhost/../health", "//health", "/health/", "/", "/%2e%2e", "/api/2.0/mlflow/nope<script>"} {
		got := p.raw(http.MethodGet, target, "localhost")
		require.Contains(t, []int{400, 404}, got.status, target)
		require.NotContains(t, got.header.Get("Content-Type"), "html", target)
	}
}

func TestSourcesThatLeadElsewhereAreRefused(t *testing.T) {
	p := newPopulated(t, nil)
	before := p.state()
	for _, source := range notSources {
		for name, body := range map[string]fields{
			"alone":      {},
			"of a run":   {"run_id": p.run.ID},
			"prompt":     {"tags": []fields{{"key": "mlflow.prompt.is_prompt", "value": "true"}}}, // 2026-2614
			"of a model": {"model_id": p.model.ID},
		} {
			body["name"], body["source"] = "m", source
			got := p.post("model-versions/create", body)
			require.Contains(t, []int{400, 404}, got.status, "%s, %s: %s", source, name, got.body)
			require.NotContains(t, string(got.body), "ENDPOINT_NOT_FOUND")
		}
	}
	require.Equal(t, before, p.state())
}

func TestHostsAndOrigins(t *testing.T) {
	s := newServer(t, &mlflow.Options{Logger: slog.New(slog.DiscardHandler),
		AllowedOrigins: []string{"https://tools.example.com", "not an origin"}})
	for i, c := range hostCases {
		name := fmt.Sprintf("%+v", c)
		var header []string
		if c.origin != "" {
			header = append(header, "Origin: "+c.origin)
		}
		if c.site != "" {
			header = append(header, "Sec-Fetch-Site: "+c.site)
		}
		got := s.rawJSON(c.method, c.path, c.host, fields{"name": fmt.Sprint("e", i)}, header...)
		require.Equal(t, c.status, got.status, "%s: %s", name, got.body)
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), name)
		require.Equal(t, "SAMEORIGIN", got.header.Get("X-Frame-Options"), name)
		require.Equal(t, "same-origin", got.header.Get("Cross-Origin-Resource-Policy"), name)
		require.Contains(t, got.header.Values("Vary"), "Origin", name)
		if c.status == 403 && c.method != http.MethodHead {
			require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"), name)
			want := "Cross-origin request blocked"
			if c.origin == "" && c.site == "" {
				want = "Invalid Host header - possible DNS rebinding attack detected"
			}
			require.Equal(t, want, string(got.body), name)
		}
		if c.origin == "https://tools.example.com" {
			require.Equal(t, c.origin, got.header.Get("Access-Control-Allow-Origin"), name)
		} else {
			require.Empty(t, got.header.Get("Access-Control-Allow-Origin"), name)
		}
	}
	asked := s.raw(http.MethodOptions, changing, "localhost", "Origin: https://tools.example.com", "Access-Control-Request-Method: POST")
	require.Equal(t, http.StatusNoContent, asked.status)
	require.Equal(t, "Authorization, Content-Type, Range", asked.header.Get("Access-Control-Allow-Headers"))
	asked = s.raw(http.MethodOptions, changing, "localhost", "Origin: http://evil.example", "Access-Control-Request-Method: POST")
	require.Equal(t, http.StatusForbidden, asked.status)
	for name := range asked.header {
		require.NotContains(t, name, "Access-Control")
	}
}

func TestAllowedHosts(t *testing.T) {
	s := newServer(t, &mlflow.Options{AllowedHosts: []string{"mlflow.example.com", "*.corp.example:8080", "[2001:db8::1]"}})
	for host, status := range map[string]int{
		"mlflow.example.com": 200, "MLflow.Example.Com:5000": 200, "a.corp.example:8080": 200, "[2001:db8::1]:5000": 200,
		"localhost:5000": 200, "10.0.0.1": 200, "[2001:db8::2]": 403,
		"a.corp.example": 403, "a.corp.example:80": 403, "corp.example:8080": 403, "mlflow-example.com": 403,
		"xmlflow.example.com": 403, "mlflow.example.com.evil.example": 403, "evil.example:1.corp.example:8080": 403,
	} {
		require.Equal(t, status, s.raw(http.MethodGet, reading, host).status, host)
	}
	for allowed, status := range map[string]int{"*": 200, "none.example": 403} {
		s := newServer(t, &mlflow.Options{AllowedHosts: []string{allowed}})
		require.Equal(t, status, s.raw(http.MethodGet, reading, "any.example").status)
	}
}

// 2024-27132, 2024-27133, 2026-33865: whatever a file holds or is called, a browser saves it.
func TestFilesAreNeverShown(t *testing.T) {
	p := newPopulated(t, nil)
	for _, name := range []string{"evil.html", "evil.svg", "evil.xhtml", "evil.js", "MLmodel", "a\"; filename=x.html", "模型.htm"} {
		_, err := p.reg.PutArtifact(t.Context(), p.run.ArtifactPath(name), strings.NewReader("<script>alert(1)</script>"))
		require.NoError(t, err)
		for _, target := range []string{artifactsURL + "/" + url.PathEscape(p.run.ArtifactPath("")) + "/" + url.PathEscape(name),
			"/ajax-api/2.0/mlflow-artifacts/artifacts/" + p.run.ArtifactPath(url.PathEscape(name)),
			"/get-artifact?run_id=" + p.run.ID + "&path=" + url.QueryEscape(name)} {
			got := p.get(target)
			require.Equal(t, http.StatusOK, got.status, "%s: %s", target, got.body)
			require.Equal(t, "application/octet-stream", got.header.Get("Content-Type"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
			require.Contains(t, got.header.Get("Content-Security-Policy"), "sandbox")
			require.Regexp(t, `^attachment; filename(\*=utf-8''[A-Za-z0-9%._~-]+|="([^"\\]|\\.)+"|=[A-Za-z0-9._-]+)$`, got.header.Get("Content-Disposition"))
		}
	}
	// A name that would end a header's line cannot be given at all.
	_, err := p.reg.PutArtifact(t.Context(), p.run.ArtifactPath("b\r\nX-Evil: 1.html"), strings.NewReader("x"))
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	// 2023-6568: an error repeats no header, and is no page.
	got := p.raw(http.MethodPost, changing, "localhost", "X-Evil: <script>", "Accept: text/html")
	require.NotContains(t, string(got.body), "script")
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
}

func TestLimits(t *testing.T) {
	p := newPopulated(t, nil)
	before := p.state()
	for _, c := range limitCases(p.run.ID) {
		var got reply
		if query, ok := c.body.(fields); ok && c.method == http.MethodGet {
			var pairs []string
			for key, value := range query {
				pairs = append(pairs, key, value.(string))
			}
			got = p.get(c.path, pairs...)
		} else {
			got = p.do(c.method, c.path, c.body)
		}
		require.Equal(t, c.status, got.status, "%s: %.300s", c.name, got.body)
		require.Contains(t, string(got.body), `"error_code"`, c.name)
		require.NotContains(t, string(got.body), "ENDPOINT_NOT_FOUND", c.name)
	}
	require.Equal(t, before, p.state())
}

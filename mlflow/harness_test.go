package mlflow_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A testServer is a handler behind HTTP, and a client of it.
type testServer struct {
	t   testing.TB
	url string                 // of the server, without a slash at the end
	reg modelregistry.Registry // that it serves
	as  string                 // the request's X-Principal, if any: for Options.Authenticate
}

// fields are a JSON object.
type fields = map[string]any

// newServer serves an empty registry in memory until the test ends. Its clock starts at noon of a day in 2024 and goes a
// second further with each look.
func newServer(t testing.TB, opts *mlflow.Options) *testServer {
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return newServerOn(t, b, opts)
}

// newServerOn is newServer on a backend.
func newServerOn(t testing.TB, b backend.Backend, opts *mlflow.Options) *testServer {
	blobs, err := blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	start := time.Date(2024, 5, 31, 12, 0, 0, 0, time.UTC)
	var looks atomic.Int64
	reg, err := modelregistry.New(t.Context(), b, blobs, &modelregistry.Options{Actor: "server",
		Now: func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Second) }})
	require.NoError(t, err)
	return newServerFor(t, reg, opts)
}

// newServerFor serves a registry until the test ends.
func newServerFor(t testing.TB, reg modelregistry.Registry, opts *mlflow.Options) *testServer {
	srv := httptest.NewServer(mlflow.Handler(reg, opts))
	t.Cleanup(srv.Close)
	return &testServer{t: t, url: srv.URL, reg: reg}
}

// byHeader makes the header X-Principal who a request is from.
func byHeader(r *http.Request) (string, error) { return r.Header.Get("X-Principal"), nil }

// asking is the client for another principal.
func (s *testServer) asking(principal string) *testServer {
	other := *s
	other.as = principal
	return &other
}

// do sends a request: path is below /api/2.0/mlflow/ unless it starts with a slash, body a text, bytes, nil for none, or
// what becomes JSON.
func (s *testServer) do(method, path string, body any) reply {
	s.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/api/2.0/mlflow/" + path
	}
	var content io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(body)
	case []byte:
		content = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		require.NoError(s.t, err)
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, content)
	require.NoError(s.t, err)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.as != "" {
		req.Header.Set("X-Principal", s.as)
	}
	return s.send(req)
}

// send sends a request of the test's own making.
func (s *testServer) send(req *http.Request) reply {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return reply{t: s.t, status: resp.StatusCode, header: resp.Header, body: body}
}

// get asks with a query of pairs of key and value.
func (s *testServer) get(path string, pairs ...string) reply {
	s.t.Helper()
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Add(pairs[i], pairs[i+1])
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return s.do(http.MethodGet, path, nil)
}

func (s *testServer) post(path string, body any) reply {
	s.t.Helper()
	return s.do(http.MethodPost, path, body)
}

func (s *testServer) patch(path string, body any) reply {
	s.t.Helper()
	return s.do(http.MethodPatch, path, body)
}

func (s *testServer) delete(path string, body any) reply {
	s.t.Helper()
	return s.do(http.MethodDelete, path, body)
}

// A reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// ok requires success and returns the JSON object; numbers are json.Number.
func (r reply) ok() fields {
	r.t.Helper()
	var v fields
	r.into(&v)
	return v
}

// into requires success and decodes the JSON.
func (r reply) into(v any) {
	r.t.Helper()
	require.Equal(r.t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(r.t, "application/json", r.header.Get("Content-Type"))
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	require.NoError(r.t, d.Decode(v), "%s", r.body)
}

// fails requires an error with this status, error_code and message.
func (r reply) fails(status int, code, message string) {
	r.t.Helper()
	var e struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	require.Equal(r.t, status, r.status, "%s", r.body)
	require.NoError(r.t, json.Unmarshal(r.body, &e), "%s", r.body)
	require.Equal(r.t, code, e.Code)
	require.Equal(r.t, message, e.Message)
}

// golden requires the answer to be, byte for byte, what testdata/golden/name has.
func (r reply) golden(name string) {
	r.t.Helper()
	path := filepath.Join("testdata", "golden", name)
	body := append(bytes.Clone(r.body), '\n')
	if *update {
		require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(r.t, os.WriteFile(path, body, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(r.t, err, "write it with: go test ./mlflow -update")
	require.Equal(r.t, string(want), string(body))
}

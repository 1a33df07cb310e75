package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A running is the command serve under way.
type running struct {
	url    string
	client *http.Client
	stop   func() int // and the exit status
	log    *buffer
}

// A buffer is a log that is written and read at the same time.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs serve until the test ends or it is stopped.
func start(t *testing.T, flags ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	r := &running{client: http.DefaultClient, log: &buffer{}}
	ended := make(chan int, 1)
	go func() {
		status := dispatch(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...), streams{in, r.log})
		_ = in.Close()
		ended <- status
	}()
	r.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { r.stop() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%s", r.log)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "MLFLOW_TRACKING_URI=")
	require.True(t, ok, line)
	r.url = url
	return r
}

func (r *running) do(t *testing.T, method, path, body string, header ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(text)
}

const (
	createModel = "/api/2.0/mlflow/registered-models/create"
	getModel    = "/api/2.0/mlflow/registered-models/get?name=iris"
)

func TestServeKeepsEverythingBelowOneDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := start(t, "--data", dir)
	status, answer := r.do(t, http.MethodPost, createModel, `{"name": "iris"}`)
	require.Equal(t, http.StatusOK, status, answer)
	status, _ = r.do(t, http.MethodPut, "/api/2.0/mlflow-artifacts/artifacts/0/a.txt", "text")
	require.Equal(t, http.StatusOK, status)
	require.Zero(t, r.stop(), "%s", r.log)

	r = start(t, "--data", dir)
	status, _ = r.do(t, http.MethodGet, getModel, "")
	require.Equal(t, http.StatusOK, status, "it is there after a restart")
	status, answer = r.do(t, http.MethodGet, "/api/2.0/mlflow-artifacts/artifacts/0/a.txt", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "text", answer)
	require.FileExists(t, filepath.Join(dir, "registry.db"))
	require.DirExists(t, filepath.Join(dir, "artifacts"))
	info, err := os.Stat(filepath.Join(dir, "webhook.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestServeMakesTheDirectoriesItIsGiven(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	r := start(t, "--data", t.TempDir(), "--backend", "sqlite://"+dir+"/a/b/registry.db", "--artifacts", "file://"+dir+"/c/d/files")
	status, _ := r.do(t, http.MethodPut, "/api/2.0/mlflow-artifacts/artifacts/0/a.txt", "text")
	require.Equal(t, http.StatusOK, status)
	require.FileExists(t, filepath.Join(dir, "a", "b", "registry.db"))
	require.DirExists(t, filepath.Join(dir, "c", "d", "files"))
}

func TestServeObserves(t *testing.T) {
	r := start(t, "--data", t.TempDir(), "--log-json")
	r.do(t, http.MethodPost, createModel, `{"name": "iris"}`)
	r.do(t, http.MethodGet, getModel, "")
	r.do(t, http.MethodGet, "/no/such/path", "")
	status, metrics := r.do(t, http.MethodGet, "/metrics", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, metrics, `modelregistry_http_requests_total{code="200",method="GET",route="/api/2.0/mlflow/registered-models/get"} 1`)
	require.Contains(t, metrics, `modelregistry_http_requests_total{code="200",method="POST",route="/api/2.0/mlflow/registered-models/create"} 1`)
	require.Contains(t, metrics, `modelregistry_http_requests_total{code="404",method="any",route="none"} 1`)
	require.Contains(t, metrics, "go_goroutines")
	require.Contains(t, r.log.String(), `"path":"/api/2.0/mlflow/registered-models/get","status":200`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/metrics", nil)
	require.NoError(t, err)
	req.Host = "rebound.example.com"
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "a page of another name reads nothing")
	require.NotContains(t, r.log.String(), "anybody who reaches", "loopback is for those on this machine")
}

// The API refuses paths that can be read in two ways; what the command serves beside it must not redirect them first.
func TestServeRedirectsNothing(t *testing.T) {
	r := start(t, "--data", t.TempDir())
	r.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"//metrics", "/x/../metrics", "//health", "/api/2.0/mlflow-artifacts/artifacts//etc/passwd", "/api/2.0/mlflow-artifacts/artifacts/../../etc"} {
		status, answer := r.do(t, http.MethodPut, path, "text")
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", path, answer)
	}
	status, answer := r.do(t, http.MethodPost, "/metrics", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Contains(t, answer, "ENDPOINT_NOT_FOUND")
}

func TestServeTriesPrivateWebhooks(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(receiver.Close)
	for want, flags := range map[string][]string{`"success": false`: nil, `"success": true`: {"--private-webhooks"}} {
		r := start(t, append(flags, "--data", t.TempDir())...)
		const hooks = "/api/2.0/mlflow/webhooks"
		status, answer := r.do(t, http.MethodPost, hooks, `{"name": "w", "url": "`+receiver.URL+`", "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]}`)
		require.Equal(t, http.StatusOK, status, answer)
		var made struct {
			Webhook struct {
				ID string `json:"webhook_id"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &made))
		status, answer = r.do(t, http.MethodPost, hooks+"/"+made.Webhook.ID+"/test", "{}")
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, answer, want)
	}
}

func TestServeAsksForTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(file, []byte("# who may\nann  ann-token-0123456789\nbob\tbob-token-0123456789 read\n"), 0o600))
	r := start(t, "--data", t.TempDir(), "--tokens", file)
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }

	for _, path := range []string{getModel, "/metrics"} {
		status, _ := r.do(t, http.MethodGet, path, "")
		require.Equal(t, http.StatusUnauthorized, status, path)
	}
	status, _ := r.do(t, http.MethodGet, "/health", "")
	require.Equal(t, http.StatusOK, status, "that it answers is no secret")
	status, _ = r.do(t, http.MethodPost, createModel, `{"name": "iris"}`, bearer("ann-token-012345678")...)
	require.Equal(t, http.StatusUnauthorized, status)
	status, answer := r.do(t, http.MethodPost, createModel, `{"name": "iris"}`, bearer("bob-token-0123456789")...)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, answer, "bob may only read")
	status, _ = r.do(t, http.MethodPost, createModel, `{"name": "iris"}`, bearer("ann-token-0123456789")...)
	require.Equal(t, http.StatusOK, status)
	status, _ = r.do(t, http.MethodGet, getModel, "", bearer("bob-token-0123456789")...)
	require.Equal(t, http.StatusOK, status)

	status, _ = r.do(t, http.MethodGet, getModel, "", "Authorization", "bearer bob-token-0123456789")
	require.Equal(t, http.StatusOK, status, "schemes have no case")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+getModel, nil)
	require.NoError(t, err)
	for name, want := range map[string]int{"ann": http.StatusOK, "bob": http.StatusUnauthorized} {
		req.SetBasicAuth(name, "ann-token-0123456789")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, "a password is for one name")
	}
}

func TestServeSpeaksTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	r := start(t, "--data", t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	require.True(t, strings.HasPrefix(r.url, "https://"))
	r.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer r.client.CloseIdleConnections()
	status, answer := r.do(t, http.MethodGet, "/health", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "OK", answer)
}

func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return cert, key, pool
}

// A request under way when the server is told to stop is answered.
func TestServeLetsRequestsEnd(t *testing.T) {
	r := start(t, "--data", t.TempDir())
	body, in := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+"/api/2.0/mlflow-artifacts/artifacts/0/slow", body)
	require.NoError(t, err)
	answered := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	_, err = in.Write([]byte("begun")) // returns when it is read, for sending
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, metrics := r.do(t, http.MethodGet, "/metrics", "")
		return strings.Contains(metrics, "modelregistry_http_requests_running 2") // that one, and this
	}, 10*time.Second, 5*time.Millisecond)
	stopped := make(chan int, 1)
	go func() { stopped <- r.stop() }()
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "stopping") }, 10*time.Second, 5*time.Millisecond)
	_, err = in.Write([]byte(" and ended"))
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.Equal(t, http.StatusOK, <-answered)
	require.Zero(t, <-stopped, "%s", r.log)
}

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 0, "serve"},
		{"help", 0, "import"},
		{"nonsense", 2, "usage"},
		{"serve -h", 0, "-listen"},
		{"serve --no-such-flag", 2, "no-such-flag"},
		{"serve now", 2, "there are only flags"},
		{"serve --tls-cert a", 1, "come together"},
		{"serve --backend nonsense://", 1, "nonsense"},
		{"serve --tokens /no/such/file", 1, "no such file"},
		{"import --from nonsense", 1, "is like http://"},
		{"sweep --min-age soon", 2, "min-age"},
	} {
		var out, errs bytes.Buffer
		t.Chdir(t.TempDir())
		status := dispatch(t.Context(), strings.Fields(c.args), streams{&out, &errs})
		require.Equal(t, c.status, status, "%s: %s", c.args, &errs)
		require.Contains(t, errs.String(), c.says, c.args)
	}
}

func TestImportAndSweep(t *testing.T) {
	r := start(t, "--data", t.TempDir())
	r.do(t, http.MethodPost, createModel, `{"name": "iris"}`)
	status, answer := r.do(t, http.MethodPost, "/api/2.0/mlflow/model-versions/create", `{"name": "iris", "source": "dbfs:/iris"}`)
	require.Equal(t, http.StatusOK, status, answer)

	dir := t.TempDir()
	for _, want := range []string{"models         1 copied, 0 here already", "models         0 copied, 1 here already"} {
		var out, errs bytes.Buffer
		require.Zero(t, dispatch(t.Context(), []string{"import", "--from", r.url, "--data", dir, "--without-files"}, streams{&out, &errs}), "%s", &errs)
		require.Contains(t, out.String(), want)
	}
	var out, errs bytes.Buffer
	require.Zero(t, dispatch(t.Context(), []string{"sweep", "--data", dir, "--dry-run"}, streams{&out, &errs}), "%s", &errs)
	require.Contains(t, errs.String(), "would remove 0 blobs")
	require.Zero(t, dispatch(t.Context(), []string{"purge", "--data", dir, "--older-than", "24h"}, streams{&out, &errs}), "%s", &errs)
	require.Contains(t, errs.String(), "removed 0 runs")
	require.Equal(t, 1, dispatch(t.Context(), []string{"purge", "--data", dir, "--run-ids", "none"}, streams{&out, &errs}))
	require.Contains(t, errs.String(), "run none: not found")
}

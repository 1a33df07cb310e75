package mlflow_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// fake is a server with faults.
func fake(t *testing.T, opts *mlflow.ClientOptions, answer http.HandlerFunc) *mlflow.Client {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	if opts == nil {
		opts = &mlflow.ClientOptions{}
	}
	if opts.Backoff == 0 {
		opts.Backoff = time.Microsecond
	}
	return newClient(t, srv.URL, opts)
}

const oneModel = `{"registered_model": {"name": "m", "creation_timestamp": "1", "unknown": {}}}`

func TestClientRetries(t *testing.T) {
	fail := func(status int, code string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error_code": %q, "message": "no"}`, code)
		}
	}
	hangUp := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	read := func(c *mlflow.Client) error { _, err := c.Model(t.Context(), "m"); return err }
	create := func(c *mlflow.Client) error {
		_, err := c.CreateModel(t.Context(), "m", modelregistry.ModelSpec{})
		return err
	}
	for name, test := range map[string]struct {
		fault func(w http.ResponseWriter)
		call  func(c *mlflow.Client) error
		tries int32 // of a call that fails three times at most
		want  error
	}{
		"429 of a read":                 {fail(429, "REQUEST_LIMIT_EXCEEDED"), read, 4, nil},
		"429 of a change":               {fail(429, "REQUEST_LIMIT_EXCEEDED"), create, 4, nil},
		"503 of a read":                 {fail(503, "TEMPORARILY_UNAVAILABLE"), read, 4, nil},
		"503 of a change":               {fail(503, "TEMPORARILY_UNAVAILABLE"), create, 1, errAny},
		"500 of a read":                 {fail(500, "INTERNAL_ERROR"), read, 4, nil},
		"502 in HTML":                   {func(w http.ResponseWriter) { w.WriteHeader(502); fmt.Fprint(w, "<html>") }, read, 4, nil},
		"500 of what is not idempotent": {fail(500, "INTERNAL_ERROR"), create, 1, errAny},
		"501":                           {fail(501, "NOT_IMPLEMENTED"), read, 1, errors.ErrUnsupported},
		"404":                           {fail(404, "RESOURCE_DOES_NOT_EXIST"), read, 1, modelregistry.ErrNotFound},
		"404 in HTML":                   {func(w http.ResponseWriter) { w.WriteHeader(404); fmt.Fprint(w, "<html>") }, read, 1, errors.ErrUnsupported},
		"400":                           {fail(400, "INVALID_PARAMETER_VALUE"), create, 1, modelregistry.ErrInvalid},
		"400 of what is taken":          {fail(400, "RESOURCE_ALREADY_EXISTS"), create, 1, modelregistry.ErrExists},
		"403":                           {fail(403, "PERMISSION_DENIED"), read, 1, fs.ErrPermission},
		"500 of a feature that is off":  {fail(500, "FEATURE_DISABLED"), read, 1, errors.ErrUnsupported},
		"a lost connection of a read":   {hangUp, read, 4, nil},
		"a lost connection of a change": {hangUp, create, 1, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int32
			c := fake(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if tries.Add(1) <= 3 {
					test.fault(w)
					return
				}
				fmt.Fprint(w, oneModel)
			})
			err := test.call(c)
			require.Equal(t, test.tries, tries.Load())
			switch {
			case test.want == nil:
				require.NoError(t, err)
			case test.want == errAny:
				require.Error(t, err)
			default:
				require.ErrorIs(t, err, test.want)
				var e *modelregistry.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, "m", e.Ref)
			}
		})
	}
}

var errAny = errors.New("any error")

func TestClientGivesUp(t *testing.T) {
	var tries atomic.Int32
	down := func(after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			tries.Add(1)
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	t.Run("after so many tries", func(t *testing.T) {
		tries.Store(0)
		_, err := fake(t, &mlflow.ClientOptions{Retries: 2}, down("")).Model(t.Context(), "m")
		require.ErrorContains(t, err, "503")
		require.EqualValues(t, 3, tries.Load())
	})
	t.Run("at once where it may not try", func(t *testing.T) {
		tries.Store(0)
		_, err := fake(t, &mlflow.ClientOptions{Retries: -1}, down("")).Model(t.Context(), "m")
		require.ErrorContains(t, err, "503")
		require.EqualValues(t, 1, tries.Load())
	})
	t.Run("when it would wait longer than the context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := fake(t, nil, down("30")).Model(ctx, "m")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(begin), 4*time.Second)
	})
	t.Run("when it would wait for very long", func(t *testing.T) {
		tries.Store(0)
		_, err := fake(t, nil, down("86400")).Model(t.Context(), "m")
		require.ErrorContains(t, err, "503")
		require.EqualValues(t, 1, tries.Load())
	})
	t.Run("when the context ends while it waits", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := fake(t, nil, func(w http.ResponseWriter, r *http.Request) {
			down("30")(w, r)
			cancel()
		})
		_, err := c.Model(ctx, "m")
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("when the context ends while the server thinks", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := fake(t, nil, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		_, err := c.Model(ctx, "m")
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("after the wait that the server asks for", func(t *testing.T) {
		tries.Store(0)
		c := fake(t, &mlflow.ClientOptions{Backoff: time.Hour}, func(w http.ResponseWriter, r *http.Request) {
			if tries.Load() == 0 {
				down(time.Now().Add(time.Second).UTC().Format(http.TimeFormat))(w, r)
				return
			}
			fmt.Fprint(w, oneModel)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := c.Model(ctx, "m")
		require.True(t, err == nil || errors.Is(err, context.DeadlineExceeded), "%v", err)
	})
}

func TestClientSends(t *testing.T) {
	var got http.Header
	answer := func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		fmt.Fprint(w, oneModel)
	}
	for name, test := range map[string]struct {
		opts mlflow.ClientOptions
		want map[string]string
	}{
		"a token":     {mlflow.ClientOptions{Token: "t"}, map[string]string{"Authorization": "Bearer t", "User-Agent": "modelregistry-go"}},
		"a password":  {mlflow.ClientOptions{Username: "u", Password: "p"}, map[string]string{"Authorization": "Basic dTpw"}},
		"a workspace": {mlflow.ClientOptions{Workspace: "w", UserAgent: "x/1"}, map[string]string{"X-Mlflow-Workspace": "w", "User-Agent": "x/1", "Authorization": ""}},
		"what a function adds": {mlflow.ClientOptions{Authenticate: func(r *http.Request) error {
			r.Header.Set("X-Key", "k")
			return nil
		}}, map[string]string{"X-Key": "k"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fake(t, &test.opts, answer).Model(t.Context(), "m")
			require.NoError(t, err)
			for key, value := range test.want {
				require.Equal(t, value, got.Get(key), key)
			}
		})
	}
	c := fake(t, &mlflow.ClientOptions{Authenticate: func(*http.Request) error { return errAny }}, answer)
	_, err := c.Model(t.Context(), "m")
	require.ErrorIs(t, err, errAny)
}

func TestClientOptionsAreChecked(t *testing.T) {
	for url, opts := range map[string]*mlflow.ClientOptions{
		"": nil, "127.0.0.1:5000": nil, "ftp://x": nil, "http://": nil, "http://x?y": nil, "http://x#y": nil, "http://x\x00": nil,
		"http://a": {Token: "t", Username: "u"}, "http://u:p@b": {Token: "t"},
		"http://c": {Sources: []string{"s3://b"}}, "http://d": {OpenSource: blob.OpenFS}, "http://e": {Sources: []string{"b"}, OpenSource: blob.OpenFS},
	} {
		_, err := mlflow.NewClient(url, opts)
		require.ErrorIs(t, err, modelregistry.ErrInvalid, url)
	}
}

// Credentials and files go to no other server.
func TestClientRedirects(t *testing.T) {
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(other.Close)
	c := fake(t, &mlflow.ClientOptions{Token: "t"}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	_, err := c.Model(t.Context(), "m")
	require.ErrorContains(t, err, "another")
	_, err = c.PutArtifact(t.Context(), "a", strings.NewReader("x"))
	require.Error(t, err)
	require.Zero(t, leaked.Load())
	c = fake(t, nil, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	_, err = c.Model(t.Context(), "m")
	require.ErrorContains(t, err, "circle")
}

// What a server lists leads out of no directory, and does not go on for ever.
func TestClientRefusesHostileNames(t *testing.T) {
	for _, name := range []string{"../up", "/etc/passwd", "a/../../b", "..", ".", "", "a/b", "nul\x00", "bad\xff", "a//b"} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			c := fake(t, nil, listing(func(string) []any { return []any{map[string]any{"path": name, "file_size": 1}} }))
			dir := filepath.Join(t.TempDir(), "model")
			err := modelregistry.Download(t.Context(), c, &modelregistry.Version{Model: "m", Number: 1}, dir, nil)
			if name == "bad\xff" { // JSON makes it another name, which is plain
				require.Error(t, err)
			} else {
				require.ErrorIs(t, err, modelregistry.ErrCorrupt)
			}
			require.NoDirExists(t, dir)
		})
	}
	endless := fake(t, nil, listing(func(string) []any { return []any{map[string]any{"path": "deeper", "is_dir": true}} }))
	_, err := endless.Manifest(t.Context(), &modelregistry.Version{Model: "m", Number: 1})
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	twice := fake(t, nil, listing(func(string) []any { return []any{map[string]any{"path": "a"}, map[string]any{"path": "a"}} }))
	_, err = twice.Manifest(t.Context(), &modelregistry.Version{Model: "m", Number: 1})
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
}

// listing is a server with a version whose directories list so; it has no files.
func listing(files func(dir string) []any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := any(map[string]any{"artifact_uri": "mlflow-artifacts:/1/m"})
		switch {
		case strings.HasSuffix(r.URL.Path, "/mlflow-artifacts/artifacts"):
			answer = map[string]any{"files": files(r.URL.Query().Get("path"))}
		case strings.Contains(r.URL.Path, "/mlflow-artifacts/"):
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// A file that breaks off is gone on with where it broke, and one that is not what was listed is found out.
func TestClientVerifiesFiles(t *testing.T) {
	content := strings.Repeat("weights ", 10_000)
	sum := sha256.Sum256([]byte(content))
	digest := `"sha256:` + hex.EncodeToString(sum[:]) + `"`
	size := func(n int) func(string) []any {
		return func(string) []any { return []any{map[string]any{"path": "f", "file_size": n}} }
	}
	for name, test := range map[string]struct {
		size  int
		serve func(w http.ResponseWriter, r *http.Request, try int32)
		want  error
	}{
		"right, with a digest": {len(content), func(w http.ResponseWriter, r *http.Request, _ int32) {
			w.Header().Set("ETag", digest)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
		}, nil},
		"another content": {len(content), func(w http.ResponseWriter, r *http.Request, _ int32) {
			w.Header().Set("ETag", digest)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.ToUpper(content)))
		}, modelregistry.ErrCorrupt},
		"shorter than listed": {len(content) + 1, func(w http.ResponseWriter, r *http.Request, _ int32) {
			_, _ = io.WriteString(w, content)
		}, modelregistry.ErrCorrupt},
		"longer than listed": {len(content) - 1, func(w http.ResponseWriter, r *http.Request, _ int32) {
			_, _ = io.WriteString(w, content)
		}, modelregistry.ErrCorrupt},
		"empty in the list only": {0, func(w http.ResponseWriter, r *http.Request, _ int32) {
			_, _ = io.WriteString(w, content)
		}, modelregistry.ErrCorrupt},
		"broken off twice, with a digest": {len(content), func(w http.ResponseWriter, r *http.Request, try int32) {
			w.Header().Set("ETag", digest)
			breakOff(w, r, content, try)
		}, nil},
		"broken off twice, without": {len(content), func(w http.ResponseWriter, r *http.Request, try int32) {
			breakOff(w, r, content, try)
		}, nil},
		"broken off, and changed": {len(content), func(w http.ResponseWriter, r *http.Request, try int32) {
			w.Header().Set("ETag", digest)
			if try > 1 {
				w.Header().Set("ETag", `"sha256:`+strings.Repeat("0", 64)+`"`)
			}
			breakOff(w, r, content, try)
		}, modelregistry.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int32
			list := listing(size(test.size))
			c := fake(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/f") && r.Method == http.MethodGet {
					test.serve(w, r, tries.Add(1))
					return
				}
				list(w, r)
			})
			got, err := fs.ReadFile(c.Files(t.Context(), &modelregistry.Version{Model: "m", Number: 1}), "f")
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
				return
			}
			require.NoError(t, err)
			require.True(t, content == string(got))
		})
	}
}

// breakOff serves content with ranges, but the first two tries end early.
func breakOff(w http.ResponseWriter, r *http.Request, content string, try int32) {
	if try > 2 {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
		return
	}
	var from int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	}
	_, _ = io.WriteString(w, content[from:from+20_000])
	panic(http.ErrAbortHandler)
}

// Files that are not behind the proxy are read by what the program has linked, and only where it allows that.
func TestClientReadsForeignSources(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "f"), []byte("weights"), 0o600))
	source := "file://" + filepath.ToSlash(dir)
	serve := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"artifact_uri": %q}`, source) }
	v := &modelregistry.Version{Model: "m", Number: 1}
	_, err := fs.ReadFile(fake(t, nil, serve).Files(t.Context(), v), "sub/f")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "Sources")
	c := fake(t, &mlflow.ClientOptions{Sources: []string{source}, OpenSource: blob.OpenFS}, serve)
	require.NoError(t, fstest.TestFS(c.Files(t.Context(), v), "sub/f"))
	files, err := c.Manifest(t.Context(), v)
	require.NoError(t, err)
	require.Equal(t, []modelregistry.File{{Path: "sub/f", Size: 7}}, files)
	to := filepath.Join(t.TempDir(), "model")
	require.NoError(t, modelregistry.Download(t.Context(), c, v, to, nil))
	require.FileExists(t, filepath.Join(to, "sub", "f"))
}

// A server's word opens nothing: how a place is opened is what the program says, and other places are not opened at all.
func TestClientOpensAllowedSourcesOnly(t *testing.T) {
	type opened struct{ url, file string }
	bucket, secret := "s3://ours/models?region=eu&endpoint=https://s3.internal", "s3://ours/secret"
	for source, want := range map[string]*opened{
		"s3://ours/models":                          {bucket, "f"},
		"s3://ours/models/":                         {bucket, "f"},
		"S3://ours//models/./":                      {bucket, "f"},
		"s3://ours/models/a":                        {bucket, "a/f"},
		"s3://ours/models/a//b/":                    {bucket, "a/b/f"},
		"/mnt/mlruns/1/model":                       {"file:///mnt/mlruns", "1/model/f"},
		"file:///mnt/mlruns":                        {"file:///mnt/mlruns", "f"},
		"gs://whole/any":                            {"gs://whole", "any/f"},
		"s3://ours":                                 nil,
		"s3://ours/models2":                         nil,
		secret:                                      nil,
		"s3://ours/models/../secret":                nil,
		"s3://ours/models/%2e%2e/x":                 nil,
		"s3://ours:80/models":                       nil,
		"s3://user@ours/models":                     nil,
		"s3://ours/models?endpoint=http://attacker": nil,
		"s3://ours/models?region=eu&endpoint=https://s3.internal": nil,
		"s3://ours/models?":  nil,
		"s3://ours/models#f": nil,
		"azblob://container/m?domain=attacker&protocol=http&localemu=true": nil,
		"file:///etc":                     nil,
		"FILE:///etc":                     nil,
		"/etc":                            nil,
		"/mnt/mlruns/../etc":              nil,
		`file:///mnt/mlruns\..\etc`:       nil,
		"//mnt/mlruns":                    nil,
		"mem://":                          nil,
		"s3:ours/models":                  nil,
		"ours/models":                     nil,
		"mlflow-artifacts://attacker/1/x": nil,
		"http://attacker/x":               nil,
		"s3://ours/models%":               nil,
	} {
		t.Run(source, func(t *testing.T) {
			var got []string
			fsys := fstest.MapFS{}
			opts := &mlflow.ClientOptions{
				Sources: []string{bucket, "file:///mnt/mlruns", "gs://whole"},
				OpenSource: func(_ context.Context, url string) (fs.FS, io.Closer, error) {
					got = append(got, url)
					return fsys, io.NopCloser(nil), nil
				},
			}
			if want != nil {
				fsys[want.file] = &fstest.MapFile{Data: []byte("weights")}
			}
			c := fake(t, opts, func(w http.ResponseWriter, r *http.Request) {
				require.NoError(t, json.NewEncoder(w).Encode(map[string]string{"artifact_uri": source}))
			})
			content, err := fs.ReadFile(c.Files(t.Context(), &modelregistry.Version{Model: "m", Number: 1}), "f")
			if want == nil {
				require.Error(t, err)
				require.Empty(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "weights", string(content))
			require.Equal(t, []string{want.url}, got)
		})
	}
}

package mlflow_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/mlflowtest"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// A lossy server passes requests on to another, but for the first that creates a version: that one it may keep to itself,
// and what is answered to it is spoil's.
type lossy struct {
	to        http.Handler
	keep      bool // the request
	noLogged  bool // the server is older than logged models
	spoil     func(w http.ResponseWriter)
	creations atomic.Int32
}

func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case l.noLogged && strings.Contains(r.URL.Path, "/logged-models"):
		http.NotFound(w, r)
		return
	case !strings.HasSuffix(r.URL.Path, "/model-versions/create") || l.creations.Add(1) > 1:
		l.to.ServeHTTP(w, r)
		return
	case !l.keep:
		l.to.ServeHTTP(httptest.NewRecorder(), r)
	}
	l.spoil(w)
}

// behindLossy is a client of the server at a URL.
func behindLossy(t *testing.T, to string, l *lossy) *mlflow.Client {
	target, err := url.Parse(to)
	require.NoError(t, err)
	l.to = httputil.NewSingleHostReverseProxy(target)
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	return newClient(t, srv.URL, &mlflow.ClientOptions{Backoff: time.Millisecond})
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func status(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// losses are answers that leave open whether what was asked for was done.
var losses = map[string]func(http.ResponseWriter){
	"a connection that breaks": hangUp,
	"an answer cut short": func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"model_version": {`))
	},
	"an answer that is none": status(200, "<html>Welcome"),
	"500":                    status(500, `{"error_code": "INTERNAL_ERROR", "message": "no"}`),
	"502":                    status(502, "<html>"),
	"503":                    status(503, ""),
	"504":                    status(504, ""),
}

var weights = fstest.MapFS{"model.bin": {Data: []byte("weights")}}

// A version that the server has created keeps its files and is what Register returns, whatever became of the answer.
func TestRegisterFindsWhatTheServerHasCreated(t *testing.T) {
	servers := map[string]func(t *testing.T) string{
		"ours":     func(t *testing.T) string { return newServer(t, nil).url },
		"MLflow's": func(t *testing.T) string { return mlflowtest.Server(t) },
	}
	for name, spoil := range losses {
		for kind, server := range servers {
			for _, older := range []bool{false, true} {
				t.Run(name+" from "+kind+map[bool]string{true: ", an older one"}[older], func(t *testing.T) {
					l := &lossy{spoil: spoil, noLogged: older}
					c := behindLossy(t, server(t), l)
					model := strings.ReplaceAll(t.Name(), "/", " ")
					_, err := c.CreateModel(t.Context(), model, modelregistry.ModelSpec{})
					require.NoError(t, err)
					v, err := c.Register(t.Context(), model, modelregistry.VersionSpec{Files: weights, Aliases: []string{"champion"}})
					require.NoError(t, err)
					require.Equal(t, 1, v.Number)
					require.True(t, v.Aliases.Has("champion"))
					got, err := fs.ReadFile(c.Files(t.Context(), v), "model.bin")
					require.NoError(t, err)
					require.Equal(t, "weights", string(got))
					require.EqualValues(t, 1, l.creations.Load(), "one call, one creation")
				})
			}
		}
	}
}

// What has no files is told apart as well, but for a source of the caller's own.
func TestACreationIsSentOnceUnlessNothingWasDone(t *testing.T) {
	for name, spoil := range losses {
		t.Run(name, func(t *testing.T) {
			for source, found := range map[string]bool{"": true, "s3://bucket/model": false} {
				l := &lossy{spoil: spoil}
				c := behindLossy(t, newServer(t, nil).url, l)
				_, err := c.CreateModel(t.Context(), "m", modelregistry.ModelSpec{})
				require.NoError(t, err)
				v, err := c.Register(t.Context(), "m", modelregistry.VersionSpec{Source: source})
				if found {
					require.NoError(t, err)
					require.Equal(t, 1, v.Number)
					require.Empty(t, v.Source)
				} else {
					require.ErrorContains(t, err, "whether it was done is not known")
				}
				require.EqualValues(t, 1, l.creations.Load())
				page, err := c.SearchVersions(t.Context(), modelregistry.Query{})
				require.NoError(t, err)
				require.Len(t, page.Versions, 1)
			}
		})
	}
	t.Run("429", func(t *testing.T) {
		l := &lossy{keep: true, spoil: status(429, "")}
		c := behindLossy(t, newServer(t, nil).url, l)
		_, err := c.CreateModel(t.Context(), "m", modelregistry.ModelSpec{})
		require.NoError(t, err)
		v, err := c.Register(t.Context(), "m", modelregistry.VersionSpec{Files: weights})
		require.NoError(t, err)
		require.Equal(t, 1, v.Number)
		require.EqualValues(t, 2, l.creations.Load())
	})
}

// Files of a version that is not there are taken away only if the server cannot be at its creation any more.
func TestRegisterLeavesFilesThatAVersionMayYetHave(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(http.ResponseWriter)
		stay  bool
	}{
		"the server refuses":         {status(400, `{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}`), false},
		"the server fails":           {status(500, `{"error_code": "INTERNAL_ERROR", "message": "no"}`), false},
		"the connection breaks":      {hangUp, true},
		"a proxy gives up waiting":   {status(504, ""), true},
		"a proxy finds no server":    {status(503, ""), true},
		"a proxy says no such thing": {status(404, "<html>"), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil)
			c := behindLossy(t, s.url, &lossy{keep: true, spoil: test.spoil})
			_, err := c.CreateModel(t.Context(), "m", modelregistry.ModelSpec{})
			require.NoError(t, err)
			_, err = c.Register(t.Context(), "m", modelregistry.VersionSpec{Files: weights})
			require.Error(t, err)
			found, err2 := s.reg.SearchLoggedModels(t.Context(), modelregistry.Query{})
			require.NoError(t, err2)
			require.Len(t, found.Models, 1)
			_, missing := s.reg.OpenArtifact(t.Context(), found.Models[0].Artifacts+"/model.bin")
			if test.stay {
				require.NoError(t, missing)
				require.ErrorContains(t, err, "models:/"+found.Models[0].ID, "the error says where they are")
			} else {
				require.ErrorIs(t, missing, modelregistry.ErrNotFound)
			}
		})
	}
}

// A version that was created while the caller gave up is there, and its files with it.
func TestRegisterThatIsCancelledLosesNoFiles(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := &lossy{spoil: func(http.ResponseWriter) {
		cancel()
		<-ctx.Done()
	}}
	c := behindLossy(t, newServer(t, nil).url, l)
	_, err := c.CreateModel(t.Context(), "m", modelregistry.ModelSpec{})
	require.NoError(t, err)
	_, err = c.Register(ctx, "m", modelregistry.VersionSpec{Files: weights})
	require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
	v, err := c.Version(t.Context(), "m", 1)
	require.NoError(t, err)
	_, err = fs.ReadFile(c.Files(t.Context(), v), "model.bin")
	require.NoError(t, err)
}

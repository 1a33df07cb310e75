package mlflow_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// Content that is lost and a bucket that is gone are faults of the server, which its log explains: never "not found", which
// a client takes for an answer, and nothing that tells of the server's directories.
func TestFaultsOfStorageAreNotAbsence(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "bucket")
	require.NoError(t, os.Mkdir(dir, 0o755))
	blobs, err := blob.Open(ctx, "file://"+filepath.ToSlash(dir))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	rows := memory.New()
	t.Cleanup(func() { require.NoError(t, rows.Close()) })
	reg, err := modelregistry.New(ctx, rows, blobs, nil)
	require.NoError(t, err)
	v, err := reg.Register(ctx, "m", modelregistry.VersionSpec{Files: fstest.MapFS{"model.bin": {Data: []byte("weights")}}})
	require.NoError(t, err)
	_, err = reg.PutArtifact(ctx, "0/run/artifacts/a.txt", strings.NewReader("a"))
	require.NoError(t, err)

	var logged bytes.Buffer
	handler := mlflow.Handler(reg, &mlflow.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	fails := func(method, path string) {
		t.Helper()
		logged.Reset()
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1"+path, strings.NewReader("new")))
		require.Equal(t, http.StatusInternalServerError, answer.Code, "%s %s: %s", method, path, answer.Body)
		require.NotContains(t, answer.Body.String(), filepath.Base(dir), "%s %s", method, path)
		require.NotContains(t, answer.Body.String(), "no such file", "%s %s", method, path)
		require.Contains(t, logged.String(), path[:strings.IndexAny(path+"?", "?")], "%s %s is logged", method, path)
		require.Contains(t, logged.String(), "level=ERROR", "%s %s is logged", method, path)
	}
	const version, artifact = "/model-versions/get-artifact?name=m&version=1&path=model.bin", artifactsURL + "/0/run/artifacts/a.txt"

	var lost []string
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		if string(text) == "weights" {
			lost = append(lost, path)
		}
		return err
	}))
	require.Len(t, lost, 1)
	require.NoError(t, os.Remove(filepath.Join(dir, lost[0])))
	_, err = fs.ReadFile(reg.Files(ctx, v), "model.bin")
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	fails(http.MethodGet, version)

	require.NoError(t, os.RemoveAll(dir))
	fails(http.MethodGet, artifact)
	fails(http.MethodGet, version)
	fails(http.MethodPut, artifactsURL+"/0/run/artifacts/b.txt")
}

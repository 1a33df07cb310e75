package bench_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func artifactURL(server, path string) string {
	return server + "/api/2.0/mlflow-artifacts/artifacts/" + path
}

func upload(b *testing.B, client *http.Client, url string, content []byte) {
	req, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(content))
	require.NoError(b, err)
	resp, err := client.Do(req)
	require.NoError(b, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	require.NoError(b, resp.Body.Close())
	require.Equal(b, http.StatusOK, resp.StatusCode, "%s", text)
}

func download(b *testing.B, client *http.Client, url string, size int) {
	resp, err := client.Get(url)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, resp.StatusCode)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	require.NoError(b, err)
	require.EqualValues(b, size, n)
	require.NoError(b, resp.Body.Close())
}

func (s *server) upload(b *testing.B, path string, content []byte) {
	upload(b, s.client, artifactURL(s.url, path), content)
}

func (s *server) download(b *testing.B, path string, size int) {
	download(b, s.client, artifactURL(s.url, path), size)
}

// serverFiles sends a file through the proxy and reads it back, each time another one: equal content is not written again.
// What a round stored is removed behind the servers' backs, for a disk and a memory that are used for the first time can be
// much slower: MLflow writes over its file, and ours would have new ones each time.
func serverFiles(b *testing.B, _ *store) []result {
	const rounds = 7
	size := sized(256 << 20)
	dirs := []string{b.TempDir(), b.TempDir()}
	ours, theirs := startOurs(b, dirs[0]), startMLflow(b, dirs[1])
	defer ours.stop()
	defer theirs.stop()
	content := random(size)
	// The least that a server can do: it forgets what it gets, and sends what is in memory.
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10)) // the client notices
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(content) // likewise
	}))
	defer plain.Close()
	var n uint64
	m := alternate(rounds,
		once(func() { sha256.Sum256(content) }),
		once(func() { upload(b, plain.Client(), plain.URL, content) }),
		once(func() { download(b, plain.Client(), plain.URL, size) }),
		once(func() { ours.upload(b, "0/large", content) }),
		once(func() { ours.download(b, "0/large", size) }),
		once(func() { theirs.upload(b, "0/large", content) }),
		once(func() { theirs.download(b, "0/large", size) }),
		func() float64 {
			n++ // another file for the next round
			binary.LittleEndian.PutUint64(content, n)
			for _, dir := range dirs {
				require.NoError(b, filepath.WalkDir(filepath.Join(dir, "artifacts"), func(path string, e fs.DirEntry, err error) error {
					if err != nil || e.IsDir() {
						return err
					}
					return os.Remove(path)
				}))
			}
			return 0
		})
	hashed := m[0]
	speed := func(ns float64) string { return digits(float64(size)/ns*1e9/(1<<20)) + " MiB/s" }
	var table []result
	for i, what := range []string{"artifact of 256 MiB up", "artifact of 256 MiB down"} {
		raw, own, other := m[1+i], m[3+i], m[5+i]
		table = append(table,
			atLeast(what, speed(own), "MLflow "+speed(other), other/own, 3),
			atLeast(what+", to the limit", speed(own), fmt.Sprintf("SHA-256 %s, loopback HTTP %s", speed(hashed), speed(raw)), max(hashed, raw)/own, 0.8))
	}
	return table
}

package mlflow_test

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
)

// A heapMeter passes bytes on, counts and hashes them, and looks every now and then how large the heap is.
type heapMeter struct {
	n    int64
	peak uint64
	hash hash.Hash
}

const lookEvery = 32 << 20

func (m *heapMeter) Write(p []byte) (int, error) {
	if m.n/lookEvery != (m.n+int64(len(p)))/lookEvery {
		m.peak = max(m.peak, liveHeap())
	}
	m.n += int64(len(p))
	return m.hash.Write(p)
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// zeros are no end of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestArtifactsPassThroughAtFlatMemory(t *testing.T) {
	const size, growth = 256 << 20, 32 << 20
	blobs, err := blob.Open(t.Context(), (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	reg, err := modelregistry.New(t.Context(), memory.New(), blobs, nil)
	require.NoError(t, err)
	s := newServerFor(t, reg, nil)

	before := liveHeap()
	up := &heapMeter{hash: sha256.New()}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+artifactsURL+"/0/weights",
		io.TeeReader(io.LimitReader(zeros{}, size), up))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, s.send(req).status)
	require.EqualValues(t, size, up.n)

	down := &heapMeter{hash: sha256.New()}
	resp, err := http.Get(s.url + artifactsURL + "/0/weights")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.EqualValues(t, size, resp.ContentLength)
	_, err = io.Copy(down, resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, size, down.n)

	digest := hex.EncodeToString(up.hash.Sum(nil))
	require.Equal(t, digest, hex.EncodeToString(down.hash.Sum(nil)))
	require.Equal(t, `"sha256:`+digest+`"`, resp.Header.Get("ETag"))
	require.Less(t, max(up.peak, down.peak), before+growth)
}

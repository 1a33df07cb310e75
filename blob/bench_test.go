package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/blob"
)

const big = 256 << 20

// BenchmarkPutLarge puts 256 MiB into a directory durably. ratio is its speed over that of the slower of SHA-256 in
// memory and write + fsync of the same bytes.
func BenchmarkPutLarge(b *testing.B) {
	root, content := benchDir(b), random(1, big)
	src := filepath.Join(root, "source")
	require.NoError(b, os.WriteFile(src, content, 0o600))
	store := openIn(b, root)
	var hashing, writing, putting time.Duration
	for i := 0; b.Loop(); i++ {
		binary.LittleEndian.PutUint64(content, uint64(i)) // or nothing would be written
		f, err := os.OpenFile(src, os.O_RDWR, 0)
		require.NoError(b, err)
		_, err = f.WriteAt(content[:8], 0)
		require.NoError(b, err)
		require.NoError(b, f.Sync())

		hashing += timed(func() { sha256.Sum256(content) })
		writing += timed(func() { writeSynced(b, filepath.Join(root, fmt.Sprint("plain", i)), content) })
		putting += timed(func() {
			_, _, err := store.Put(b.Context(), f)
			require.NoError(b, err)
		})
		require.NoError(b, f.Close())
	}
	b.SetBytes(big)
	b.ReportMetric(hashing.Seconds()/float64(b.N), "sha256-s/op")
	b.ReportMetric(writing.Seconds()/float64(b.N), "write-s/op")
	b.ReportMetric(putting.Seconds()/float64(b.N), "put-s/op")
	b.ReportMetric(max(hashing, writing).Seconds()/putting.Seconds(), "ratio")
}

// BenchmarkReadLarge reads 256 MiB and hashes them on a second goroutine, as a verifying reader does. ratio is its speed over
// that of the slower of SHA-256 in memory and reading the same file.
func BenchmarkReadLarge(b *testing.B) {
	root, content := benchDir(b), random(1, big)
	store := openIn(b, root)
	digest, _, err := store.Put(b.Context(), bytes.NewReader(content))
	require.NoError(b, err)
	var hashing, plain, verified time.Duration
	for b.Loop() {
		hashing += timed(func() { sha256.Sum256(content) })
		plain += timed(func() {
			f, err := os.Open(pathIn(filepath.Join(root, "blobs"), digest))
			require.NoError(b, err)
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
			require.NoError(b, err)
			require.NoError(b, f.Close())
		})
		verified += timed(func() {
			r, err := store.Open(b.Context(), digest)
			require.NoError(b, err)
			sum, size, err := blob.HashBeside(b.Context(), r)
			require.NoError(b, err)
			require.EqualValues(b, big, size)
			require.Equal(b, digest, "sha256:"+hex.EncodeToString(sum[:]))
			require.NoError(b, r.Close())
		})
	}
	b.SetBytes(big)
	b.ReportMetric(hashing.Seconds()/float64(b.N), "sha256-s/op")
	b.ReportMetric(plain.Seconds()/float64(b.N), "read-s/op")
	b.ReportMetric(verified.Seconds()/float64(b.N), "verified-s/op")
	b.ReportMetric(max(hashing, plain).Seconds()/verified.Seconds(), "ratio")
}

// BenchmarkPutSmall puts 10,000 files of 4 KiB from 64 goroutines. ratio is its speed over writing, syncing and renaming one
// after the other.
func BenchmarkPutSmall(b *testing.B) {
	const files, size, callers = 10_000, 4 << 10, 64
	root := benchDir(b)
	store := openIn(b, root)
	var plain, putting time.Duration
	for i := 0; b.Loop(); i++ {
		content := random(uint64(i), files*size)
		folder := filepath.Join(root, fmt.Sprint("plain", i))
		require.NoError(b, os.Mkdir(folder, 0o700))
		plain += timed(func() {
			for j := range files {
				c := content[j*size : (j+1)*size]
				sum := sha256.Sum256(c)
				to := filepath.Join(folder, hex.EncodeToString(sum[:]))
				writeSynced(b, to+".tmp", c)
				require.NoError(b, os.Rename(to+".tmp", to))
			}
		})
		putting += timed(func() {
			var wg sync.WaitGroup
			next := make(chan []byte)
			for range callers {
				wg.Go(func() {
					for c := range next {
						if _, _, err := store.Put(context.Background(), bytes.NewReader(c)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for j := range files {
				next <- content[j*size : (j+1)*size]
			}
			close(next)
			wg.Wait()
		})
	}
	b.ReportMetric(plain.Seconds()/float64(b.N), "plain-s/op")
	b.ReportMetric(putting.Seconds()/float64(b.N), "put-s/op")
	b.ReportMetric(plain.Seconds()/putting.Seconds(), "ratio")
}

func timed(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}

func writeSynced(b *testing.B, path string, content []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(b, err)
	_, err = f.Write(content)
	require.NoError(b, err)
	require.NoError(b, f.Sync())
	require.NoError(b, f.Close())
}

// benchDir is not removed before the benchmark ends: file systems make files slowly for minutes after many were removed.
func benchDir(b *testing.B) string { return b.TempDir() }

func openIn(b *testing.B, root string) *blob.Store {
	store, err := blob.Open(b.Context(), "file://"+root+"/blobs")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	return store
}

// pathIn is where a directory keeps content: part of the documented layout.
func pathIn(root, digest string) string {
	sum := digest[len("sha256:"):]
	return filepath.Join(root, "blobs", "sha256", sum[:2], sum)
}

func random(seed uint64, size int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

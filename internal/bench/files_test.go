package bench_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
)

// withBucket is a registry on SQLite with a file bucket, in a directory.
func withBucket(b *testing.B, dir string) modelregistry.Registry {
	meta, err := sqlite.Open(b.Context(), filepath.Join(dir, "registry.db"), nil)
	require.NoError(b, err)
	files, err := blob.Open(b.Context(), "file://"+filepath.Join(dir, "bucket"))
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, meta.Close())
		require.NoError(b, files.Close())
	})
	reg, err := modelregistry.New(b.Context(), meta, files, nil)
	require.NoError(b, err)
	return reg
}

func random(size int) []byte {
	content := make([]byte, size)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], rand.Uint64())
	_, _ = rand.NewChaCha8(seed).Read(content) // it never fails
	return content
}

// largeFile registers a file of 256 MiB and reads it back, each time another one: equal content is not written again.
func largeFile(b *testing.B, _ *store) []result {
	const rounds = 5
	size := sized(256 << 20)
	ctx := context.Background()
	dir := b.TempDir()
	reg := withBucket(b, dir)
	content := random(size)
	source := filepath.Join(dir, "source")
	require.NoError(b, os.Mkdir(source, 0o700))
	writeSynced(b, filepath.Join(source, "model.bin"), content)
	var n uint64
	var v *modelregistry.Version
	m := alternate(rounds,
		once(func() {
			var err error
			v, err = reg.Register(ctx, "large", modelregistry.VersionSpec{Files: os.DirFS(source)})
			require.NoError(b, err)
		}),
		once(func() { sha256.Sum256(content) }),
		func() float64 {
			path := filepath.Join(dir, "plain")
			took := once(func() { writeSynced(b, path, content) })()
			require.NoError(b, os.Remove(path))
			return took
		},
		once(func() {
			f, err := reg.Files(ctx, v).Open("model.bin")
			require.NoError(b, err)
			read, err := io.Copy(io.Discard, f)
			require.NoError(b, err)
			require.EqualValues(b, size, read)
			require.NoError(b, f.Close())
		}),
		func() float64 {
			took := once(func() {
				f, err := os.Open(filepath.Join(source, "model.bin"))
				require.NoError(b, err)
				_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
				require.NoError(b, err)
				require.NoError(b, f.Close())
			})()
			n++ // another file for the next round
			binary.LittleEndian.PutUint64(content, n)
			f, err := os.OpenFile(filepath.Join(source, "model.bin"), os.O_WRONLY, 0)
			require.NoError(b, err)
			_, err = f.WriteAt(content[:8], 0)
			require.NoError(b, err)
			require.NoError(b, f.Sync())
			require.NoError(b, f.Close())
			return took
		})
	put, hashed, written, verified, plain := m[0], m[1], m[2], m[3], m[4]
	speed := func(ns float64) string { return digits(float64(size)/ns*1e9/(1<<20)) + " MiB/s" }
	limits := func(what string, other float64) string {
		return fmt.Sprintf("SHA-256 %s, %s %s", speed(hashed), what, speed(other))
	}
	return []result{
		atLeast("register 256 MiB durably, file bucket", speed(put), limits("write and fsync", written), max(hashed, written)/put, 0.85),
		atLeast("verified read of it", speed(verified), limits("read", plain), max(hashed, plain)/verified, 0.85),
	}
}

// largeFileMemory compares the most memory in use while a file of 4 GiB is registered and one of 256 MiB.
func largeFileMemory(b *testing.B, _ *store) []result {
	reg := withBucket(b, b.TempDir())
	peak := func(size int64) float64 {
		floor := float64(heap())
		stop, most := make(chan struct{}), make(chan float64)
		go func() {
			sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			var high float64
			for {
				metrics.Read(sample)
				high = max(high, float64(sample[0].Value.Uint64()))
				select {
				case <-stop:
					most <- high
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		}()
		_, err := reg.Register(context.Background(), "large", modelregistry.VersionSpec{Files: endless{size}})
		require.NoError(b, err)
		close(stop)
		return <-most - floor
	}
	small, large := peak(sized[int64](256<<20)), peak(sized[int64](4<<30))
	mib := func(x float64) string { return digits(x/(1<<20)) + " MiB" }
	return []result{atMost("memory to register 4 GiB", mib(large), "to register 256 MiB "+mib(small), large/small, 2)}
}

// endless is a directory with one file of that many bytes, which are made as they are read.
type endless struct{ size int64 }

func (e endless) Open(name string) (fs.File, error) {
	if name != "model.bin" {
		return fstest.MapFS{"model.bin": &fstest.MapFile{}}.Open(name)
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], rand.Uint64())
	return &endlessFile{e, io.LimitReader(rand.NewChaCha8(seed), e.size)}, nil
}

type endlessFile struct {
	endless
	io.Reader
}

func (f *endlessFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *endlessFile) Close() error               { return nil }
func (f *endlessFile) Name() string               { return "model.bin" }
func (f *endlessFile) Size() int64                { return f.size }
func (f *endlessFile) Mode() fs.FileMode          { return 0o444 }
func (f *endlessFile) ModTime() time.Time         { return began }
func (f *endlessFile) IsDir() bool                { return false }
func (f *endlessFile) Sys() any                   { return nil }

func smallFiles(b *testing.B, _ *store) []result {
	const size, rounds = 4 << 10, 3
	files := sized(10_000)
	dir := b.TempDir()
	reg := withBucket(b, dir)
	round := 0
	m := alternate(rounds, func() float64 {
		round++
		source := filepath.Join(dir, fmt.Sprint("source", round))
		require.NoError(b, os.Mkdir(source, 0o700))
		for i := range files {
			require.NoError(b, os.WriteFile(filepath.Join(source, fmt.Sprint(i)), random(size), 0o600))
		}
		return once(func() {
			_, err := reg.Register(context.Background(), "small", modelregistry.VersionSpec{Files: os.DirFS(source)})
			require.NoError(b, err)
		})()
	}, func() float64 {
		folder := filepath.Join(dir, fmt.Sprint("plain", round))
		require.NoError(b, os.Mkdir(folder, 0o700))
		content := random(files * size)
		return once(func() {
			for c := range slices.Chunk(content, size) {
				sum := sha256.Sum256(c)
				path := filepath.Join(folder, hex.EncodeToString(sum[:]))
				writeSynced(b, path+".tmp", c)
				require.NoError(b, os.Rename(path+".tmp", path))
			}
		})()
	})
	return []result{atLeast("register 10,000 files of 4 KiB durably", duration(m[0]), "write, fsync, rename "+duration(m[1]), m[1]/m[0], 2)}
}

func writeSynced(b *testing.B, path string, content []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	require.NoError(b, err)
	_, err = f.Write(content)
	require.NoError(b, err)
	require.NoError(b, f.Sync())
	require.NoError(b, f.Close())
}

package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	gocloudblob "gocloud.dev/blob"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/buckettest"
)

const MiB = 1 << 20

// bucket is one kind of bucket, as a test sees it.
type bucket struct{ kind, url string }

// open opens a store that is new to the test.
func (b bucket) open(t *testing.T) *blob.Store {
	store, err := blob.Open(t.Context(), b.url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// TestStore is what a Store promises on every kind of bucket.
func TestStore(t *testing.T) {
	promises := map[string]func(*testing.T, bucket){
		"keeps content of every size":               testSizes,
		"takes every kind of reader":                testReaders,
		"reads ranges":                              testRanges,
		"lists and removes":                         testListRemove,
		"tells what is not there":                   testMissing,
		"writes equal content once":                 testDedupe,
		"remembers registries beside the content":   testMarks,
		"takes equal content from many at once":     testConcurrent,
		"stores nothing when the reader fails":      testFailingReader,
		"stores nothing when the content changes":   testChangingContent,
		"stores nothing when it is cancelled":       testCancel,
		"streams large content through flat memory": testFlatMemory,
		"keeps prefixes apart":                      testPrefixes,
		"refuses unknown parameters":                testParameters,
		"refuses to work once it is closed":         testClosed,
	}
	for _, kind := range buckettest.Kinds() {
		t.Run(kind, func(t *testing.T) {
			bucketURL := buckettest.URL(t, kind)
			i := 0
			for promise, test := range promises {
				u, err := url.Parse(bucketURL)
				require.NoError(t, err)
				q := u.Query()
				q.Set("prefix", fmt.Sprintf("%s%d", q.Get("prefix"), i))
				u.RawQuery = q.Encode()
				i++
				t.Run(promise, func(t *testing.T) {
					t.Setenv("TMPDIR", t.TempDir()) // where uploads are spooled
					test(t, bucket{kind, u.String()})
				})
			}
		})
	}
}

func testSizes(t *testing.T, b bucket) {
	store := b.open(t)
	for _, size := range []int64{0, 1, 4096, MiB - 1, MiB, MiB + 1, 9*MiB + 3} {
		c := content{seed: size, size: size}
		digest, n, err := store.Put(t.Context(), c.reader())
		require.NoError(t, err)
		require.Equal(t, size, n)
		require.Equal(t, c.digest(), digest)

		n, err = store.Stat(t.Context(), digest)
		require.NoError(t, err)
		require.Equal(t, size, n)
		r, err := store.Open(t.Context(), digest)
		require.NoError(t, err)
		require.Equal(t, digest, digestOf(t, r), "size %d", size)
		require.NoError(t, r.Close())
	}
}

func testReaders(t *testing.T, b bucket) {
	const size = MiB + MiB/2
	store := b.open(t)
	file := func(c content) *os.File {
		path := filepath.Join(t.TempDir(), "content")
		require.NoError(t, os.WriteFile(path, c.bytes(), 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	readers := []func(content) io.Reader{
		func(c content) io.Reader { return bytes.NewReader(c.bytes()) },
		func(c content) io.Reader { return bytes.NewBuffer(c.bytes()) },
		func(c content) io.Reader { return iotest.HalfReader(c.reader()) },
		func(c content) io.Reader { return iotest.DataErrReader(c.reader()) },
		func(c content) io.Reader { return file(c) },
		func(c content) io.Reader { // an *os.File that cannot seek
			r, w, err := os.Pipe()
			require.NoError(t, err)
			go func() { _, _ = w.Write(c.bytes()); w.Close() }()
			t.Cleanup(func() { r.Close() })
			return r
		},
		func(c content) io.Reader { // one that does not stand at its beginning
			f := file(content{seed: c.seed, size: c.size + 100})
			_, err := f.Seek(100, io.SeekStart)
			require.NoError(t, err)
			return f
		},
	}
	for i, reader := range readers {
		for range 2 { // the second time it is there already
			c := content{seed: int64(i), size: size}
			want := c.digest()
			if i == len(readers)-1 {
				sum := sha256.Sum256(content{seed: c.seed, size: size + 100}.bytes()[100:])
				want = "sha256:" + hex.EncodeToString(sum[:])
			}
			digest, n, err := store.Put(t.Context(), reader(c))
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			require.Equal(t, want, digest, "reader %d", i)
		}
	}
}

func testRanges(t *testing.T, b bucket) {
	store := b.open(t)
	for _, size := range []int64{0, 10, 3 * MiB} {
		c := content{seed: size, size: size}
		digest, _, err := store.Put(t.Context(), c.reader())
		require.NoError(t, err)
		for _, offset := range []int64{0, 1, 9, 10, size / 2, size - 1, size} {
			for _, length := range []int64{-1, 0, 1, 5, size, size + 1} {
				if offset < 0 || offset > size {
					continue
				}
				end := size
				if length >= 0 {
					end = min(size, offset+length)
				}
				r, err := store.OpenRange(t.Context(), digest, offset, length)
				require.NoError(t, err, "%d bytes from %d of %d", length, offset, size)
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				require.NoError(t, r.Close())
				require.True(t, bytes.Equal(c.bytes()[offset:end], got), "%d bytes from %d of %d", length, offset, size)
			}
		}
		for _, offset := range []int64{-1, size + 1, size + MiB} {
			_, err = store.OpenRange(t.Context(), digest, offset, 1)
			require.ErrorIs(t, err, modelregistry.ErrInvalid, "offset %d of %d", offset, size)
		}
	}
	_, err := store.OpenRange(t.Context(), absent, 5, 5)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
}

const absent = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func testListRemove(t *testing.T, b bucket) {
	store := b.open(t)
	require.Empty(t, listed(t, store))
	want := map[string]int64{}
	for i := range int64(20) {
		digest, size, err := store.Put(t.Context(), content{seed: i, size: i * 10}.reader())
		require.NoError(t, err)
		want[digest] = size
	}
	got := map[string]int64{}
	for digest, info := range listed(t, store) {
		require.False(t, info.ModTime.IsZero())
		got[digest] = info.Size
	}
	require.Equal(t, want, got)
	for range store.Blobs(t.Context()) {
		break // ending early is no error
	}
	for digest := range want {
		require.NoError(t, store.Remove(t.Context(), digest))
		require.NoError(t, store.Remove(t.Context(), digest), "removing what is not there")
		_, err := store.Stat(t.Context(), digest)
		require.ErrorIs(t, err, modelregistry.ErrNotFound)
	}
	require.Empty(t, listed(t, store))
	// Content that was removed can be stored again.
	for range 2 {
		c := content{size: 2 * MiB}
		digest, _, err := store.Put(t.Context(), c.reader())
		require.NoError(t, err)
		require.Contains(t, listed(t, store), digest)
		require.NoError(t, store.Remove(t.Context(), digest))
	}
}

func testMissing(t *testing.T, b bucket) {
	store := b.open(t)
	_, err := store.Open(t.Context(), absent)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	require.ErrorContains(t, err, absent)
	_, err = store.Stat(t.Context(), absent)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	require.NoError(t, store.Remove(t.Context(), absent))
	for _, bad := range []string{"", "sha256:", absent[7:], "sha256:" + absent[8:], "md5:" + absent[7:], "SHA256:" + absent[7:],
		"sha256:../" + absent[10:], "sha256:" + "ABCDEF" + absent[13:], absent + "0"} {
		_, err := store.Open(t.Context(), bad)
		require.ErrorIs(t, err, modelregistry.ErrInvalid, bad)
		_, err = store.Stat(t.Context(), bad)
		require.ErrorIs(t, err, modelregistry.ErrInvalid, bad)
		require.ErrorIs(t, store.Remove(t.Context(), bad), modelregistry.ErrInvalid, bad)
	}
}

func testMarks(t *testing.T, b bucket) {
	store := b.open(t)
	marks := func(want ...string) {
		t.Helper()
		got, err := store.Marks(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, want, got)
	}
	marks()
	for range 2 {
		require.NoError(t, store.Mark(t.Context(), "b2"))
		require.NoError(t, store.Mark(t.Context(), "a1"))
	}
	marks("a1", "b2")
	require.Empty(t, listed(t, store), "a mark is no content")
	for range 2 {
		require.NoError(t, store.Unmark(t.Context(), "b2"))
	}
	marks("a1")
	for _, bad := range []string{"", "A", "../a", "a/b", strings.Repeat("a", 65)} {
		require.ErrorIs(t, store.Mark(t.Context(), bad), modelregistry.ErrInvalid)
		require.ErrorIs(t, store.Unmark(t.Context(), bad), modelregistry.ErrInvalid)
	}
}

func testDedupe(t *testing.T, b bucket) {
	store := b.open(t)
	for _, size := range []int64{0, 100, 2 * MiB} {
		c := content{seed: size, size: size}
		digest, _, err := store.Put(t.Context(), c.reader())
		require.NoError(t, err)
		before := listed(t, store)
		for _, r := range []io.Reader{c.reader(), struct{ io.Reader }{c.reader()}} {
			again, n, err := store.Put(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, digest, again)
			require.Equal(t, size, n)
		}
		require.Equal(t, before, listed(t, store))
	}
}

func testConcurrent(t *testing.T, b bucket) {
	store := b.open(t)
	for _, size := range []int64{1000, 2 * MiB} {
		c := content{seed: size, size: size}
		want := c.digest()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				r := c.reader()
				if i%2 == 0 {
					r = struct{ io.Reader }{r}
				}
				digest, n, err := store.Put(t.Context(), r)
				if err != nil || digest != want || n != size {
					t.Errorf("Put: %s, %d bytes, %v", digest, n, err)
				}
			})
		}
		wg.Wait()
		r, err := store.Open(t.Context(), want)
		require.NoError(t, err)
		require.Equal(t, want, digestOf(t, r))
		require.NoError(t, r.Close())
	}
	require.Len(t, listed(t, store), 2)
}

func testFailingReader(t *testing.T, b bucket) {
	store := b.open(t)
	broken := errors.New("broken")
	c := content{size: 20 * MiB}
	for _, at := range []int64{0, 1, MiB - 1, MiB, MiB + 1, 12*MiB + 5, 20 * MiB} {
		for _, why := range []error{broken, io.ErrUnexpectedEOF} {
			fails := io.MultiReader(io.LimitReader(c.reader(), at), iotest.ErrReader(why))
			_, _, err := store.Put(t.Context(), fails)
			require.ErrorIs(t, err, why)
		}
		// The second reading fails: some had been uploaded by then.
		s := &seeker{content: c, fail: func(pass int, off int64) error {
			if pass == 2 && off >= at {
				return broken
			}
			return nil
		}}
		_, _, err := store.Put(t.Context(), s)
		if b.kind != "file" { // which reads once
			require.ErrorIs(t, err, broken, "at %d", at)
		} else {
			require.NoError(t, err)
			require.NoError(t, store.Remove(t.Context(), c.digest()))
		}
	}
	requireNothing(t, b, store)
}

func testChangingContent(t *testing.T, b bucket) {
	store := b.open(t)
	if b.kind == "file" {
		// A directory reads twice only what it seems to have.
		_, _, err := store.Put(t.Context(), content{seed: 1, size: 10 * MiB}.reader())
		require.NoError(t, err)
	}
	first := content{seed: 1, size: 10 * MiB}
	second := []content{
		{seed: 2, size: 10 * MiB},       // other bytes
		{seed: 1, size: 10*MiB - 1},     // shorter
		{seed: 1, size: 10*MiB + 1},     // longer
		{seed: 1, size: 10*MiB + 9*MiB}, // by more than a part
	}
	for _, c := range second {
		s := &seeker{content: first}
		s.again = func() { s.content = c }
		digest, size, err := store.Put(t.Context(), s)
		if b.kind == "file" {
			require.NoError(t, err)
			require.Equal(t, first.digest(), digest)
			require.Equal(t, first.size, size)
			continue
		}
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		require.ErrorContains(t, err, "changed")
	}
	if b.kind == "file" {
		require.Len(t, listed(t, store), 1)
		return
	}
	requireNothing(t, b, store)
}

func testCancel(t *testing.T, b bucket) {
	store := b.open(t)
	stopped := errors.New("stopped by the test")
	for _, at := range []int64{0, MiB / 2, 3 * MiB, 18 * MiB} {
		for _, pass := range []int{1, 2} {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := &seeker{content: content{size: 20 * MiB}, fail: func(p int, off int64) error {
				if p == pass && off >= at {
					cancel(stopped)
				}
				return nil
			}}
			_, _, err := store.Put(ctx, s)
			cancel(nil)
			if pass == 2 && b.kind == "file" {
				require.NoError(t, err)
				require.NoError(t, store.Remove(t.Context(), s.content.digest()))
				continue
			}
			require.ErrorIs(t, err, context.Canceled, "at %d of pass %d", at, pass)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := store.Put(ctx, bytes.NewReader(nil))
	require.ErrorIs(t, err, context.Canceled)
	_, err = store.Open(ctx, absent)
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range store.Blobs(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	requireNothing(t, b, store)
}

func testFlatMemory(t *testing.T, b bucket) {
	if b.kind == "mem" {
		return // keeps it all, as its name says
	}
	const size, limit = 100 * MiB, 64 * MiB
	store := b.open(t)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	for seed, seekable := range []bool{true, false} {
		before, peak := heap(), uint64(0)
		s := &seeker{content: content{seed: int64(seed), size: size}, fail: func(_ int, off int64) error {
			if off%(10*MiB) < 32<<10 {
				peak = max(peak, heap())
			}
			return nil
		}}
		var r io.Reader = s
		if !seekable {
			r = struct{ io.Reader }{s}
		}
		digest, n, err := store.Put(t.Context(), r)
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		require.Less(t, int64(peak)-int64(before), int64(limit), "bytes of memory")
		got, err := store.Open(t.Context(), digest)
		require.NoError(t, err)
		require.Equal(t, digest, digestOf(t, got))
		require.NoError(t, got.Close())
	}
}

func testPrefixes(t *testing.T, b bucket) {
	if b.kind == "mem" {
		return // each is another
	}
	u, err := url.Parse(b.url)
	require.NoError(t, err)
	inner := *u
	q := u.Query()
	q.Set("prefix", q.Get("prefix")+"/inner/")
	inner.RawQuery = q.Encode()
	one, two := b.open(t), bucket{b.kind, inner.String()}.open(t)
	digest, _, err := two.Put(t.Context(), bytes.NewReader([]byte("inner")))
	require.NoError(t, err)
	require.Empty(t, listed(t, one))
	require.Contains(t, listed(t, two), digest)
	_, err = one.Stat(t.Context(), digest)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
}

func testParameters(t *testing.T, b bucket) {
	_, err := blob.Open(t.Context(), b.url+"&colour=red")
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, `"colour"`)
}

func testClosed(t *testing.T, b bucket) {
	store, err := blob.Open(t.Context(), b.url)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	require.NoError(t, store.Close())
	_, _, err = store.Put(t.Context(), bytes.NewReader(nil))
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = store.Open(t.Context(), absent)
	require.ErrorIs(t, err, fs.ErrClosed)
}

// requireNothing: no content, no temporary file, no upload that the service still waits for.
func requireNothing(t *testing.T, b bucket, store *blob.Store) {
	t.Helper()
	require.Empty(t, listed(t, store))
	u, err := url.Parse(b.url)
	require.NoError(t, err)
	prefix := u.Query().Get("prefix")
	switch b.kind {
	case "file":
		left, err := os.ReadDir(filepath.Join(u.Path, filepath.FromSlash(prefix), "blobs", "tmp"))
		require.NoError(t, err)
		require.Empty(t, left)
	case "s3":
		require.NoError(t, store.Close()) // waits for aborted uploads
		q := u.Query()
		q.Del("prefix")
		u.RawQuery = q.Encode()
		opened, err := gocloudblob.OpenBucket(t.Context(), u.String())
		require.NoError(t, err)
		defer opened.Close()
		var client *s3.Client
		require.True(t, opened.As(&client))
		pending, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &u.Host, Prefix: &prefix})
		require.NoError(t, err)
		require.Empty(t, pending.Uploads)
	}
	spooled, err := filepath.Glob(filepath.Join(os.TempDir(), "modelregistry-upload-*"))
	require.NoError(t, err)
	require.Empty(t, spooled)
}

func listed(t *testing.T, store modelregistry.SweepBlobs) map[string]modelregistry.BlobInfo {
	t.Helper()
	m := map[string]modelregistry.BlobInfo{}
	for info, err := range store.Blobs(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, m, info.Digest)
		m[info.Digest] = info
	}
	return m
}

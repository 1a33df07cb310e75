package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/fileblob"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
)

func TestBucketWritesEqualContentOnce(t *testing.T) {
	f, b := newFaulty()
	defer b.Close()
	store := blob.New(b, &blob.Options{Prefix: "team"})
	for i, size := range []int64{0, 10, 3 * MiB} {
		c := content{seed: size, size: size}
		digest := put(t, store, c)
		require.EqualValues(t, i+1, f.writes.Load())
		for _, r := range []io.Reader{c.reader(), struct{ io.Reader }{c.reader()}} {
			again, _, err := store.Put(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, digest, again)
		}
		require.EqualValues(t, i+1, f.writes.Load(), "%d bytes", size)
	}
	require.NoError(t, store.Close())
	ok, err := b.IsAccessible(t.Context())
	require.NoError(t, err)
	require.True(t, ok, "the bucket belongs to the application")
}

func TestBucketFaults(t *testing.T) {
	broken := errors.New("broken")
	for _, call := range []string{"Attributes", "NewTypedWriter", "Write"} {
		for _, size := range []int64{10, 3 * MiB} {
			f, b := newFaulty()
			store := blob.New(b, nil)
			f.fail = func(c string) error {
				if c == call {
					return broken
				}
				return nil
			}
			for _, r := range []io.Reader{content{size: size}.reader(), struct{ io.Reader }{content{size: size}.reader()}} {
				_, _, err := store.Put(t.Context(), r)
				require.ErrorContains(t, err, "broken", call)
			}
			f.fail = nil
			require.Empty(t, listed(t, store), call)
			requireContent(t, store, put(t, store, content{size: size}))
			require.NoError(t, b.Close())
		}
	}
}

func TestBucketTruncatedRead(t *testing.T) {
	f, b := newFaulty()
	defer b.Close()
	store := blob.New(b, nil)
	digest := put(t, store, content{size: 2 * MiB})
	f.cut = func(r io.ReadCloser) io.ReadCloser {
		return struct {
			io.Reader
			io.Closer
		}{io.LimitReader(r, MiB), r}
	}
	r, err := store.Open(t.Context(), digest)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r)
	require.EqualValues(t, MiB, n)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, r.Close())

	r, err = store.OpenRange(t.Context(), digest, 10, MiB) // the service yields no more than this
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

func TestBucketMendsDamage(t *testing.T) {
	_, b := newFaulty()
	defer b.Close()
	store := blob.New(b, nil)
	for _, size := range []int64{10, 3 * MiB} {
		c := content{seed: size, size: size}
		digest := put(t, store, c)
		sum := digest[len("sha256:"):]
		require.NoError(t, b.WriteAll(t.Context(), "blobs/sha256/"+sum[:2]+"/"+sum, []byte("cut"), nil))
		require.Equal(t, digest, put(t, store, c))
		requireContent(t, store, digest)
	}
}

func TestBucketListsOnlyContent(t *testing.T) {
	_, b := newFaulty()
	defer b.Close()
	store := blob.New(b, nil)
	digest := put(t, store, content{size: 10})
	sum := digest[len("sha256:"):]
	for _, key := range []string{"blobs/sha256/README", "blobs/sha256/" + sum, "blobs/sha256/00/" + sum, "blobs/sha256/" + sum[:2] + "/" + sum + ".1f.tmp",
		"other/blobs/sha256/" + sum[:2] + "/" + sum} {
		require.NoError(t, b.WriteAll(t.Context(), key, nil, nil))
	}
	require.Len(t, listed(t, store), 1)
}

// fileblob keeps what an upload has written so far unless it is cancelled.
func TestBucketOfFileblobStoresNothingHalf(t *testing.T) {
	b, err := fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	defer b.Close()
	store := blob.New(b, nil)
	c := content{seed: 1, size: 5 * MiB}
	broken := errors.New("broken")
	for _, at := range []int64{0, MiB, 4 * MiB} {
		fails := &seeker{content: c, fail: func(pass int, off int64) error {
			if pass == 2 && off >= at {
				return broken
			}
			return nil
		}}
		_, _, err := store.Put(t.Context(), fails)
		require.ErrorIs(t, err, broken)
		changes := &seeker{content: c}
		changes.again = func() { changes.content = content{seed: 2, size: at} }
		_, _, err = store.Put(t.Context(), changes)
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		ctx, cancel := context.WithCancel(t.Context())
		cancels := &seeker{content: c, fail: func(pass int, off int64) error {
			if pass == 2 && off >= at {
				cancel()
			}
			return nil
		}}
		_, _, err = store.Put(ctx, cancels)
		require.ErrorIs(t, err, context.Canceled)
	}
	it := b.List(nil)
	_, err = it.Next(t.Context())
	require.ErrorIs(t, err, io.EOF)
	digest, _, err := store.Put(t.Context(), bytes.NewReader(c.bytes()))
	require.NoError(t, err)
	requireContent(t, store, digest)
}

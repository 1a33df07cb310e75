package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
)

// origin counts what a cache asks of a store, and can be made to fail.
type origin struct {
	modelregistry.Blobs
	opens atomic.Int64
	open  func(context.Context, string) (io.ReadCloser, error) // instead of the store's; may be nil
}

func (o *origin) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	o.opens.Add(1)
	if o.open != nil {
		return o.open(ctx, digest)
	}
	return o.Blobs.Open(ctx, digest)
}

func newOrigin(t *testing.T) *origin {
	return &origin{Blobs: bucket{"mem", "mem://"}.open(t)}
}

func newCache(t *testing.T, o modelregistry.Blobs, dir string, limit int64) *blob.Cache {
	t.Helper()
	c, err := blob.NewCache(o, dir, &blob.CacheOptions{MaxBytes: limit})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func put(t *testing.T, b modelregistry.Blobs, c content) string {
	t.Helper()
	digest, _, err := b.Put(t.Context(), c.reader())
	require.NoError(t, err)
	return digest
}

func requireContent(t *testing.T, b modelregistry.Blobs, digest string) {
	t.Helper()
	r, err := b.Open(t.Context(), digest)
	require.NoError(t, err)
	require.Equal(t, digest, digestOf(t, r))
	require.NoError(t, r.Close())
}

func TestCacheFetchesOnce(t *testing.T) {
	o, dir := newOrigin(t), filepath.Join(t.TempDir(), "made", "by", "NewCache")
	c := newCache(t, o, dir, 10*MiB)
	for _, size := range []int64{0, 10, 3 * MiB} {
		digest := put(t, c, content{seed: size, size: size})
		o.opens.Store(0)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { requireContent(t, c, digest) })
		}
		wg.Wait()
		require.EqualValues(t, 1, o.opens.Load(), "callers at the same time share a transfer")
		n, err := c.Stat(t.Context(), digest)
		require.NoError(t, err)
		require.Equal(t, size, n)

		// Another cache in the same directory, as in another process or after a restart.
		requireContent(t, newCache(t, o, dir, 10*MiB), digest)
		require.EqualValues(t, 1, o.opens.Load())
	}
}

func TestCacheReadsRanges(t *testing.T) {
	o := newOrigin(t)
	whole := content{seed: 1, size: 2 * MiB}
	digest := put(t, o, whole)
	for name, limit := range map[string]int64{"kept": 10 * MiB, "too large to keep": MiB} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, o, t.TempDir(), limit)
			for _, rng := range [][2]int64{{0, -1}, {5, 10}, {MiB, -1}, {2*MiB - 1, 100}, {2 * MiB, 1}, {7, 0}} {
				r, err := c.OpenRange(t.Context(), digest, rng[0], rng[1])
				require.NoError(t, err)
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				require.NoError(t, r.Close())
				end := whole.size
				if rng[1] >= 0 {
					end = min(end, rng[0]+rng[1])
				}
				require.True(t, bytes.Equal(whole.bytes()[rng[0]:end], got), "%v", rng)
			}
			for _, offset := range []int64{-1, 2*MiB + 1} {
				_, err := c.OpenRange(t.Context(), digest, offset, 1)
				require.ErrorIs(t, err, modelregistry.ErrInvalid)
			}
		})
	}
}

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	o, dir := newOrigin(t), t.TempDir()
	c := newCache(t, o, dir, 350)
	var digests []string
	for i := range int64(5) {
		digests = append(digests, put(t, o, content{seed: i, size: 100}))
	}
	for _, i := range []int{0, 1, 2, 0, 3, 4} { // 1 and 2 have to go
		requireContent(t, c, digests[i])
	}
	require.EqualValues(t, 5, o.opens.Load())
	requireKept := func(want ...int) {
		t.Helper()
		var names []string
		for _, i := range want {
			names = append(names, digests[i][len("sha256:"):])
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		require.ElementsMatch(t, names, got)
	}
	requireKept(0, 3, 4)

	// A smaller limit, and larger content than it, after a restart.
	c = newCache(t, o, dir, 150)
	requireKept(4)
	large := put(t, o, content{seed: 9, size: 200})
	requireContent(t, c, large)
	requireKept(4)
}

func TestCacheHoldsItsLimitAmongMany(t *testing.T) {
	const limit = 20 * 1000
	o, dir := newOrigin(t), t.TempDir()
	var digests []string
	for i := range int64(60) {
		digests = append(digests, put(t, o, content{seed: i, size: 1000}))
	}
	caches := []*blob.Cache{newCache(t, o, dir, limit), newCache(t, o, dir, limit)} // two processes
	var wg sync.WaitGroup
	for i, c := range caches {
		for j := range 4 {
			wg.Go(func() {
				for k := range digests {
					requireContent(t, c, digests[(k*7+i*13+j*29)%len(digests)])
				}
			})
		}
	}
	wg.Wait()
	newCache(t, o, dir, limit) // looks at the directory
	var kept int64
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		kept += info.Size()
	}
	require.LessOrEqual(t, kept, int64(limit))
	require.Positive(t, kept)
}

func TestCacheRefusesWrongContent(t *testing.T) {
	o, dir := newOrigin(t), t.TempDir()
	digest := put(t, o, content{seed: 1, size: 2 * MiB})
	for name, wrong := range map[string]content{"other bytes": {seed: 2, size: 2 * MiB}, "shorter": {seed: 1, size: MiB}, "longer": {seed: 1, size: 3 * MiB}} {
		o.open = func(context.Context, string) (io.ReadCloser, error) { return io.NopCloser(wrong.reader()), nil }
		c := newCache(t, o, dir, 10*MiB)
		_, err := c.Open(t.Context(), digest)
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries, name)
	}
}

func TestCacheReplacesDamagedCopies(t *testing.T) {
	o, dir := newOrigin(t), t.TempDir()
	whole := content{seed: 1, size: 2 * MiB}
	digest := put(t, o, whole)
	kept := filepath.Join(dir, digest[len("sha256:"):])
	for name, damaged := range map[string][]byte{"a bit": append([]byte{whole.bytes()[0] ^ 1}, whole.bytes()[1:]...), "cut": whole.bytes()[:MiB], "empty": nil} {
		require.NoError(t, os.WriteFile(kept, damaged, 0o600))
		c := newCache(t, o, dir, 10*MiB)
		r, err := c.Open(t.Context(), digest)
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
		require.NoError(t, r.Close())
		requireContent(t, c, digest)
	}
}

func TestCacheTransferOutlivesItsFirstCaller(t *testing.T) {
	o, dir := newOrigin(t), t.TempDir()
	digest := put(t, o, content{seed: 1, size: 2 * MiB})
	started, proceed := make(chan context.Context, 10), make(chan struct{})
	o.open = func(ctx context.Context, digest string) (io.ReadCloser, error) {
		started <- ctx
		select {
		case <-proceed:
			return o.Blobs.Open(ctx, digest)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c := newCache(t, o, dir, 10*MiB)

	// The only caller leaves: the transfer ends.
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { _, err := c.Open(ctx, digest); failed <- err }()
	transfer := <-started
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	<-transfer.Done()

	// The first of two leaves: the other gets the content.
	ctx, cancel = context.WithCancel(t.Context())
	go func() { _, err := c.Open(ctx, digest); failed <- err }()
	transfer = <-started
	got := make(chan io.ReadCloser, 1)
	go func() {
		r, err := c.Open(t.Context(), digest)
		got <- r
		failed <- err
	}()
	require.Eventually(t, func() bool { return blob.Waiting(c, digest) == 2 }, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.NoError(t, transfer.Err())
	close(proceed)
	r := <-got
	require.NoError(t, <-failed)
	require.Equal(t, digest, digestOf(t, r))
	require.NoError(t, r.Close())
}

func TestCachePassesOn(t *testing.T) {
	store := bucket{"mem", "mem://"}.open(t)
	c := newCache(t, store, t.TempDir(), MiB)
	digest := put(t, c, content{seed: 1, size: 10})
	requireContent(t, c, digest)
	require.Contains(t, listed(t, c), digest)
	require.NoError(t, c.Remove(t.Context(), digest))
	_, err := c.Open(t.Context(), digest)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	_, err = c.Stat(t.Context(), digest)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	_, err = c.Open(t.Context(), "nonsense")
	require.ErrorIs(t, err, modelregistry.ErrInvalid)

	bare := newCache(t, newOrigin(t), t.TempDir(), MiB)
	require.ErrorIs(t, bare.Remove(t.Context(), digest), errors.ErrUnsupported)
	for _, err := range bare.Blobs(t.Context()) {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	_, err = blob.NewCache(store, t.TempDir(), &blob.CacheOptions{MaxBytes: -1})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = blob.NewCache(store, "", nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
}

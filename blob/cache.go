package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// DefaultCacheBytes is how much a Cache keeps unless its options say otherwise: 10 GiB.
const DefaultCacheBytes = 10 << 30

// A Cache keeps content of other Blobs in a local directory, so that what is read again, also after a restart, does not
// travel again. Content is checked against its digest before it is kept, and once more by the first reader in each process
// that reads a kept copy to its end; a copy that is damaged is dropped, and fetched again by the next Open. When there is
// more than the limit, what was used longest ago goes first.
//
// Callers that want the same content at the same time share one transfer. Several processes may share the directory; the
// limit then holds as of the last look that one of them took. It is safe for concurrent use.
type Cache struct {
	origin modelregistry.Blobs
	dir    string
	limit  int64

	mu       sync.Mutex // of all that follows
	flights  map[name]*flight
	known    map[name]bool // verified by this process
	reserved int64         // bytes of transfers that are under way
	kept     int64         // bytes in dir, as of the last look and what was kept since
	unseen   int64         // bytes kept since the last look
	closed   bool
	ending   sync.WaitGroup
}

var (
	_ modelregistry.Blobs      = (*Cache)(nil)
	_ modelregistry.RangeBlobs = (*Cache)(nil)
	_ modelregistry.SweepBlobs = (*Cache)(nil)

	_ modelregistry.MarkedBlobs = (*Cache)(nil)
	_ modelregistry.VerifyBlobs = (*Cache)(nil)
)

// CacheOptions are the options of [NewCache]; nil is all zero.
type CacheOptions struct {
	// MaxBytes is the most that is kept; 0 is DefaultCacheBytes. Content that is larger is passed through.
	MaxBytes int64
}

// NewCache puts a cache in dir, which is made if it is not there, in front of origin. The directory must hold nothing else.
// Closing the cache does not close origin.
func NewCache(origin modelregistry.Blobs, dir string, opts *CacheOptions) (*Cache, error) {
	if opts == nil {
		opts = &CacheOptions{}
	}
	limit := opts.MaxBytes
	switch {
	case limit < 0:
		return nil, fmt.Errorf("open blob cache: %w: MaxBytes is %d, less than 0", modelregistry.ErrInvalid, limit)
	case limit == 0:
		limit = DefaultCacheBytes
	}
	if dir == "" {
		return nil, fmt.Errorf("open blob cache: %w: no directory", modelregistry.ErrInvalid)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o777)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob cache: %w", err)
	}
	c := &Cache{origin: origin, dir: dir, limit: limit, flights: map[name]*flight{}, known: map[name]bool{}}
	if err := c.evict(); err != nil {
		return nil, fmt.Errorf("open blob cache: %w", err)
	}
	return c, nil
}

// Put stores into the origin; content is kept once it is read.
func (c *Cache) Put(ctx context.Context, r io.Reader) (digest string, size int64, err error) {
	return c.origin.Put(ctx, r)
}

// PutVerified stores into the origin; errors.ErrUnsupported if that is no [modelregistry.VerifyBlobs].
func (c *Cache) PutVerified(ctx context.Context, r io.Reader) (digest string, size int64, err error) {
	v, ok := c.origin.(modelregistry.VerifyBlobs)
	if !ok {
		return "", 0, fmt.Errorf("blob put: the cache's origin: %w", errors.ErrUnsupported)
	}
	return v.PutVerified(ctx, r)
}

// Stat asks the origin, unless the content is kept.
func (c *Cache) Stat(ctx context.Context, digest string) (int64, error) {
	n, err := parseDigest(digest)
	if err != nil {
		return 0, fmt.Errorf("blob stat: %w", err)
	}
	if info, err := statPlain(c.path(n)); err == nil {
		return info.Size(), nil
	}
	return c.origin.Stat(ctx, digest)
}

// Open returns the content under digest. If it is not kept, Open returns once it has been fetched whole and checked:
// ErrCorrupt says that the origin yields other content. Content that does not fit, also beside other transfers, is
// passed through unchecked.
func (c *Cache) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	return c.OpenRange(ctx, digest, 0, -1)
}

// OpenRange returns length bytes of the content from offset on; see [Store.OpenRange]. It too fetches the content whole.
func (c *Cache) OpenRange(ctx context.Context, digest string, offset, length int64) (io.ReadCloser, error) {
	n, err := parseDigest(digest)
	if err == nil && offset < 0 {
		err = fmt.Errorf("%w: offset %d: less than 0", modelregistry.ErrInvalid, offset)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("blob open: %w", err)
	}
	// Between the fetch and the open another process may make room and remove it again.
	for range 3 {
		r, err := c.openKept(ctx, n, offset, length)
		if !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
		err = c.fetch(ctx, n)
		if errors.Is(err, errNoRoom) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return c.passThrough(ctx, n, offset, length)
}

func (c *Cache) openKept(ctx context.Context, n name, offset, length int64) (io.ReadCloser, error) {
	f, err := openPlain(c.dir, c.path(n))
	if errors.Is(err, modelregistry.ErrCorrupt) { // a link, say: it is as good as nothing
		if err := c.drop(n); err != nil {
			return nil, err
		}
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	// The time of change is the time of last use: access times are often not kept.
	now := time.Now()
	_ = os.Chtimes(c.path(n), now, now)
	r, err := section(ctx, f, n, offset, length)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("blob open %s: in the cache: %w", n.digest(), err)
	}
	if offset == 0 && length < 0 && !c.isKnown(n) {
		r = &checking{ReadCloser: r, cache: c, name: n, hash: sha256.New()}
	}
	return r, nil
}

// passThrough reads from the origin.
func (c *Cache) passThrough(ctx context.Context, n name, offset, length int64) (io.ReadCloser, error) {
	if offset == 0 && length < 0 {
		return c.origin.Open(ctx, n.digest())
	}
	if ranges, ok := c.origin.(modelregistry.RangeBlobs); ok {
		return ranges.OpenRange(ctx, n.digest(), offset, length)
	}
	size, err := c.origin.Stat(ctx, n.digest())
	if err != nil {
		return nil, err
	}
	if offset > size {
		return nil, fmt.Errorf("blob open %s: %w", n.digest(), pastEnd(offset, size))
	}
	r, err := c.origin.Open(ctx, n.digest())
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		return nil, errors.Join(fmt.Errorf("blob open %s: skip to offset %d: %w", n.digest(), offset, err), r.Close())
	}
	return newSized(r, n, size, offset, length), nil
}

// Blobs yields what the origin stores; errors.ErrUnsupported if the origin is no [modelregistry.SweepBlobs].
func (c *Cache) Blobs(ctx context.Context) iter.Seq2[modelregistry.BlobInfo, error] {
	if s, ok := c.origin.(modelregistry.SweepBlobs); ok {
		return s.Blobs(ctx)
	}
	return func(yield func(modelregistry.BlobInfo, error) bool) {
		yield(modelregistry.BlobInfo{}, fmt.Errorf("blob list: the cache's origin: %w", errors.ErrUnsupported))
	}
}

// Remove deletes the content from the origin and from this cache, not from other caches; errors.ErrUnsupported if the
// origin is no [modelregistry.SweepBlobs].
func (c *Cache) Remove(ctx context.Context, digest string) error {
	n, err := parseDigest(digest)
	if err != nil {
		return fmt.Errorf("blob remove: %w", err)
	}
	s, ok := c.origin.(modelregistry.SweepBlobs)
	if !ok {
		return fmt.Errorf("blob remove %s: the cache's origin: %w", digest, errors.ErrUnsupported)
	}
	if err := s.Remove(ctx, digest); err != nil {
		return err
	}
	return c.drop(n)
}

// Marks are the origin's; errors.ErrUnsupported if it is no [modelregistry.MarkedBlobs].
func (c *Cache) Marks(ctx context.Context) ([]string, error) {
	m, err := c.marked("marks")
	if err != nil {
		return nil, err
	}
	return m.Marks(ctx)
}

// Mark leaves a mark in the origin.
func (c *Cache) Mark(ctx context.Context, registry string) error {
	m, err := c.marked("mark")
	if err != nil {
		return err
	}
	return m.Mark(ctx, registry)
}

// Unmark removes a mark from the origin.
func (c *Cache) Unmark(ctx context.Context, registry string) error {
	m, err := c.marked("unmark")
	if err != nil {
		return err
	}
	return m.Unmark(ctx, registry)
}

func (c *Cache) marked(op string) (modelregistry.MarkedBlobs, error) {
	m, ok := c.origin.(modelregistry.MarkedBlobs)
	if !ok {
		return nil, fmt.Errorf("blob %s: the cache's origin: %w", op, errors.ErrUnsupported)
	}
	return m, nil
}

// Close ends transfers that are under way. What is kept stays.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.flights {
		f.cancel()
	}
	c.mu.Unlock()
	c.ending.Wait()
	return nil
}

func (c *Cache) path(n name) string { return filepath.Join(c.dir, string(n)) }

func (c *Cache) isKnown(n name) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[n]
}

// drop removes a copy.
func (c *Cache) drop(n name) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, n)
	info, err := os.Lstat(c.path(n))
	if err == nil {
		err = os.Remove(c.path(n))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("drop %s from the cache: %w", n.digest(), err)
	}
	if info.Mode().IsRegular() {
		c.kept -= info.Size()
	}
	return nil
}

// checking verifies a copy that an earlier process has kept, as it is read.
type checking struct {
	io.ReadCloser
	cache *Cache
	name  name
	hash  hash.Hash
	err   error // what the end was
}

func (r *checking) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p)
	r.hash.Write(p[:n])
	switch {
	case err == io.EOF && nameOf([32]byte(r.hash.Sum(nil))) == r.name:
		r.cache.mu.Lock()
		r.cache.known[r.name] = true
		r.cache.mu.Unlock()
		r.err = io.EOF
	case err == io.EOF || errors.Is(err, modelregistry.ErrCorrupt):
		r.err = errors.Join(fmt.Errorf("%w: the cache's copy of %s was damaged and is dropped", modelregistry.ErrCorrupt, r.name.digest()),
			r.cache.drop(r.name))
	default:
		return n, err
	}
	return n, r.err
}

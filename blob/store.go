package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync/atomic"

	gocloudblob "gocloud.dev/blob"

	"github.com/modelregistry-go/modelregistry"
)

// A Store keeps content under its digest, in a directory or in a bucket. It is a [modelregistry.Blobs],
// [modelregistry.RangeBlobs], [modelregistry.SweepBlobs] and [modelregistry.MarkedBlobs], and safe for concurrent use.
type Store struct {
	place  string // for messages; without parameters, which may hold secrets
	in     storage
	closed atomic.Bool
}

var (
	_ modelregistry.Blobs      = (*Store)(nil)
	_ modelregistry.RangeBlobs = (*Store)(nil)
	_ modelregistry.SweepBlobs = (*Store)(nil)

	_ modelregistry.MarkedBlobs = (*Store)(nil)
	_ modelregistry.VerifyBlobs = (*Store)(nil)
)

// storage is what differs between a directory and a bucket. What is not there is modelregistry.ErrNotFound.
type storage interface {
	// putSmall stores content whose name is known.
	putSmall(ctx context.Context, n name, content []byte) error
	// putLarge stores head, which was read from r, and what follows in r. What is there already is read whole if asked to.
	putLarge(ctx context.Context, head []byte, r io.Reader, whole bool) (name, int64, error)
	stat(ctx context.Context, n name) (int64, error)
	// open is called with offset >= 0; length < 0 is all that follows.
	open(ctx context.Context, n name, offset, length int64) (io.ReadCloser, error)
	list(ctx context.Context, yield func(modelregistry.BlobInfo) bool) error
	remove(ctx context.Context, n name) error
	// marks lists the marks; mark and unmark change one.
	marks(ctx context.Context) ([]string, error)
	mark(ctx context.Context, id string) error
	unmark(ctx context.Context, id string) error
	close() error
}

// Options are the options of [New]; nil is all zero.
type Options struct {
	// Prefix is put before all keys, followed by a slash if it does not end in one.
	Prefix string
}

// New makes a Store of a bucket that the application has opened, and closes, itself.
//
// A bucket of gocloud's fileblob works but does not survive a power loss, since fileblob never syncs: use [Open] for
// directories. A Put into S3 that is cancelled leaves the parts that it has uploaded for the bucket's lifecycle rule to
// remove; a Store that Open made aborts them.
func New(bucket *gocloudblob.Bucket, opts *Options) *Store {
	if opts == nil {
		opts = &Options{}
	}
	return &Store{place: "the bucket", in: newBucket(bucket, opts.Prefix, "the bucket")}
}

// Put stores what r yields until io.EOF; see [modelregistry.Blobs]. Content up to 1 MiB is buffered. Larger content goes
// straight into a directory, hashed beside the writing. For an object store its name is needed first: if r is an
// io.Seeker it is read twice, else it is spooled to a file in os.TempDir. An r that is an io.Seeker is also read twice,
// and not written at all, if a directory seems to have the content already.
//
// Content that is there already is compared before it is counted on: all of it up to 1 MiB, the first of larger content.
// What is not right is written anew. See PutVerified for all of it.
//
// ErrInvalid: the content changed between the two readings.
func (s *Store) Put(ctx context.Context, r io.Reader) (digest string, size int64, err error) {
	return s.putAny(ctx, r, false)
}

// PutVerified is Put that reads content which is there already to its end, and writes it anew if its digest is not right.
func (s *Store) PutVerified(ctx context.Context, r io.Reader) (digest string, size int64, err error) {
	return s.putAny(ctx, r, true)
}

func (s *Store) putAny(ctx context.Context, r io.Reader, whole bool) (digest string, size int64, err error) {
	n, size, err := s.put(ctx, r, whole)
	if err != nil {
		return "", 0, s.explain(ctx, "put", "", err)
	}
	return n.digest(), size, nil
}

func (s *Store) put(ctx context.Context, r io.Reader, whole bool) (name, int64, error) {
	if err := s.usable(ctx); err != nil {
		return "", 0, err
	}
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	m, err := fill(ctx, r, block[:])
	switch {
	case err == io.EOF:
		n := nameOf(sha256.Sum256(block[:m]))
		return n, int64(m), s.in.putSmall(ctx, n, block[:m])
	case err != nil:
		return "", 0, err
	}
	return s.in.putLarge(ctx, block[:], r, whole)
}

// Open returns the content under digest; see [modelregistry.Blobs]. Reads fail with ErrCorrupt where the content ends
// before the size that the store recorded.
func (s *Store) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	return s.OpenRange(ctx, digest, 0, -1)
}

// OpenRange returns length bytes of the content from offset on, fewer if it ends before, all that follow if length is
// negative. ErrInvalid: offset is negative or greater than the size.
func (s *Store) OpenRange(ctx context.Context, digest string, offset, length int64) (io.ReadCloser, error) {
	n, err := parseDigest(digest)
	if err == nil {
		err = s.usable(ctx)
	}
	if err == nil && offset < 0 {
		err = fmt.Errorf("%w: offset %d: less than 0", modelregistry.ErrInvalid, offset)
	}
	var r io.ReadCloser
	if err == nil {
		r, err = s.in.open(ctx, n, offset, length)
	}
	if err != nil {
		return nil, s.explain(ctx, "open", digest, err)
	}
	return r, nil
}

// Stat returns the size in bytes of the content under digest; ErrNotFound if it is not there.
func (s *Store) Stat(ctx context.Context, digest string) (int64, error) {
	n, err := parseDigest(digest)
	if err == nil {
		err = s.usable(ctx)
	}
	var size int64
	if err == nil {
		size, err = s.in.stat(ctx, n)
	}
	if err != nil {
		return 0, s.explain(ctx, "stat", digest, err)
	}
	return size, nil
}

// Blobs yields what is stored, in no particular order. It ends at the first error.
func (s *Store) Blobs(ctx context.Context) iter.Seq2[modelregistry.BlobInfo, error] {
	return func(yield func(modelregistry.BlobInfo, error) bool) {
		err := s.usable(ctx)
		if err == nil {
			err = s.in.list(ctx, func(b modelregistry.BlobInfo) bool { return yield(b, nil) })
		}
		if err != nil {
			yield(modelregistry.BlobInfo{}, s.explain(ctx, "list", "", err))
		}
	}
}

// Remove deletes the content under digest; that it is not there is no error.
func (s *Store) Remove(ctx context.Context, digest string) error {
	n, err := parseDigest(digest)
	if err == nil {
		err = s.usable(ctx)
	}
	if err == nil {
		err = s.in.remove(ctx, n)
	}
	if err != nil {
		return s.explain(ctx, "remove", digest, err)
	}
	return nil
}

// Close releases what Open opened. The bucket of a Store made by New stays open.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.in.close()
}

func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return fmt.Errorf("the store was closed: %w", fs.ErrClosed)
	}
	return ctx.Err()
}

// explain says what failed where, and makes the end of ctx visible to errors.Is: cloud clients hide it under their own.
func (s *Store) explain(ctx context.Context, op, digest string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	what := strings.TrimSpace("blob " + op + " " + digest)
	return fmt.Errorf("%s: %s: %w", what, s.place, err)
}

package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	gocloudblob "gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/modelregistry-go/modelregistry"
)

// bucket keeps content in whatever gocloud.dev/blob opened.
type bucket struct {
	b      *gocloudblob.Bucket
	prefix string // of all keys of content
	place  string
	owned  bool // close b
	// abort: the driver cleans up behind an upload whose reader fails. Only S3's does, and it has to; others may store
	// what they have read by then, and are cancelled instead.
	abort   bool
	aborted sync.WaitGroup // uploads that are still cleaning up
}

func newBucket(b *gocloudblob.Bucket, prefix, place string) *bucket {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return &bucket{b: b, prefix: prefix + "blobs/sha256/", place: place}
}

func (b *bucket) key(n name) string { return b.prefix + n.shard() + "/" + string(n) }

// nameOf is the opposite of key. Other keys are not ours, such as the temporary files of fileblob.
func (b *bucket) nameOf(key string) (name, bool) {
	rest, ok := strings.CutPrefix(key, b.prefix)
	if !ok || len(rest) != hexLen+3 || rest[2] != '/' || !isName(rest[3:]) || rest[:2] != rest[3:5] {
		return "", false
	}
	return name(rest[3:]), true
}

func (b *bucket) stat(ctx context.Context, n name) (int64, error) {
	attrs, err := b.b.Attributes(ctx, b.key(n))
	if err != nil {
		return 0, b.missing(ctx, err)
	}
	return attrs.Size, nil
}

// missing turns gocloud's "not found" into ErrNotFound, and finds out whether it is the content or the bucket that is
// not there: most services answer alike.
func (b *bucket) missing(ctx context.Context, err error) error {
	if gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	if gone := b.reachable(ctx); gone != nil {
		return gone
	}
	return modelregistry.ErrNotFound
}

// reachable says whether the bucket is there, at the cost of one request.
func (b *bucket) reachable(ctx context.Context) error {
	ok, err := b.b.IsAccessible(ctx)
	if err != nil {
		return fmt.Errorf("reach the bucket: %w", err)
	}
	if !ok {
		return fmt.Errorf("%w: there is no such bucket", errGone)
	}
	return nil
}

// has reports whether content of that size is there that begins with head, or is right to its end if that is asked for. If
// not, what is there was damaged, and it is written again.
func (b *bucket) has(ctx context.Context, n name, size int64, head []byte, whole bool) (bool, error) {
	attrs, err := b.b.Attributes(ctx, b.key(n))
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look whether it is there already: %w", err)
	case attrs.Size != size:
		return false, nil
	}
	length := int64(len(head))
	if whole {
		length = -1
	}
	r, err := b.open(ctx, n, 0, length)
	if err == nil {
		var right bool
		right, err = holds(ctx, r, n, head, whole)
		if err = errors.Join(err, r.Close()); err == nil {
			return right, nil
		}
	}
	if errors.Is(err, modelregistry.ErrNotFound) || errors.Is(err, modelregistry.ErrCorrupt) {
		return false, nil
	}
	return false, fmt.Errorf("look whether what is there is right: %w", err)
}

func (b *bucket) open(ctx context.Context, n name, offset, length int64) (io.ReadCloser, error) {
	var err error
	if length != 0 {
		var r *gocloudblob.Reader
		if r, err = b.b.NewRangeReader(ctx, b.key(n), offset, length, nil); err == nil {
			if offset > r.Size() {
				return nil, errors.Join(pastEnd(offset, r.Size()), r.Close())
			}
			return newSized(r, n, r.Size(), offset, length), nil
		}
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil, b.missing(ctx, err)
		}
		if offset == 0 && length < 0 {
			return nil, err
		}
	}
	// Services refuse a range that begins at the end, also that of empty content, each with another error.
	size, serr := b.stat(ctx, n)
	switch {
	case serr != nil:
		return nil, serr
	case offset > size:
		return nil, pastEnd(offset, size)
	case offset == size || length == 0:
		return io.NopCloser(strings.NewReader("")), nil
	}
	return nil, err
}

// newSized limits r, which begins at offset, to what a range of content of that size has.
func newSized(r io.ReadCloser, n name, size, offset, length int64) io.ReadCloser {
	left := size - offset
	if length >= 0 {
		left = min(left, length)
	}
	return &sized{ReadCloser: r, left: left, end: fmt.Errorf("%w: %s ended before its %d bytes: %w",
		modelregistry.ErrCorrupt, n.digest(), size, io.ErrUnexpectedEOF)}
}

func pastEnd(offset, size int64) error {
	return fmt.Errorf("%w: offset %d: the content has %d bytes", modelregistry.ErrInvalid, offset, size)
}

func (b *bucket) list(ctx context.Context, yield func(modelregistry.BlobInfo) bool) error {
	it := b.b.List(&gocloudblob.ListOptions{Prefix: b.prefix})
	found := false
	for {
		obj, err := it.Next(ctx)
		if err == io.EOF {
			if !found {
				return b.reachable(ctx) // a bucket that is gone lists as empty on some services
			}
			return nil
		}
		if err != nil {
			return b.missing(ctx, err)
		}
		n, ok := b.nameOf(obj.Key)
		if !ok {
			continue
		}
		found = true
		if !yield(modelregistry.BlobInfo{Digest: n.digest(), Size: obj.Size, ModTime: obj.ModTime}) {
			return nil
		}
	}
}

func (b *bucket) remove(ctx context.Context, n name) error {
	err := b.b.Delete(ctx, b.key(n))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return b.reachable(ctx)
	}
	return err
}

func (b *bucket) close() error {
	b.aborted.Wait()
	if !b.owned {
		return nil
	}
	if err := b.b.Close(); err != nil {
		return fmt.Errorf("close %s: %w", b.place, err)
	}
	return nil
}

package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"time"

	gocloudblob "gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/modelregistry-go/modelregistry"
)

const (
	// partSize is how much goes into one request of a large upload, unless the content is so large that the service
	// would not take that many parts. Memory holds parallelParts of them.
	partSize      = 8 << 20
	parallelParts = 4
	maxParts      = 9000 // S3 takes 10,000
	// abortGrace is how long an upload that failed may take to clean up behind it.
	abortGrace = 10 * time.Second
)

func (b *bucket) putSmall(ctx context.Context, n name, content []byte) error {
	if there, err := b.has(ctx, n, int64(len(content)), content, false); there || err != nil {
		return err
	}
	return b.upload(ctx, n, int64(len(content)), bytes.NewReader(content))
}

func writerOptions(size int64) *gocloudblob.WriterOptions {
	return &gocloudblob.WriterOptions{
		ContentType:    "application/octet-stream",
		BufferSize:     int(max(partSize, size/maxParts+1)),
		MaxConcurrency: parallelParts,
	}
}

// refused explains why a write failed. That something was not found can only be the bucket.
func (b *bucket) refused(ctx context.Context, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		if gone := b.reachable(ctx); gone != nil {
			return fmt.Errorf("%w: %w", gone, err)
		}
	}
	return err
}

func (b *bucket) putLarge(ctx context.Context, head []byte, r io.Reader, whole bool) (name, int64, error) {
	if s, ok := r.(io.Seeker); ok {
		// Pipes are Seekers whose Seek fails.
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			return b.putSeeker(ctx, head, r, s, at, whole)
		}
	}
	spool, err := os.CreateTemp("", "modelregistry-upload-*") // mode 0600
	if err != nil {
		return "", 0, fmt.Errorf("spool for the upload: %w", err)
	}
	// Removed at once where that is possible, so that no crash leaves it, else in the end.
	removed := os.Remove(spool.Name()) == nil
	defer func() {
		spool.Close()
		if !removed {
			os.Remove(spool.Name())
		}
	}()
	sum, size, err := tee(ctx, spool, head, r)
	if err != nil {
		return "", 0, fmt.Errorf("spool for the upload: %w", err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return "", 0, fmt.Errorf("spool for the upload: %w", err)
	}
	return nameOf(sum), size, b.putNamed(ctx, nameOf(sum), size, head, spool, whole)
}

// putSeeker reads s, which stands behind head, once for the name and once more if the content is not there.
func (b *bucket) putSeeker(ctx context.Context, head []byte, r io.Reader, s io.Seeker, at int64, whole bool) (name, int64, error) {
	sum, size, err := tee(ctx, io.Discard, head, r)
	if err != nil {
		return "", 0, err
	}
	if there, err := b.has(ctx, nameOf(sum), size, head, whole); there || err != nil {
		return nameOf(sum), size, err
	}
	if _, err := s.Seek(at-int64(len(head)), io.SeekStart); err != nil {
		return "", 0, fmt.Errorf("go back to the beginning of the content: %w", err)
	}
	return nameOf(sum), size, b.upload(ctx, nameOf(sum), size, r)
}

func (b *bucket) putNamed(ctx context.Context, n name, size int64, head []byte, r io.Reader, whole bool) error {
	if there, err := b.has(ctx, n, size, head, whole); there || err != nil {
		return err
	}
	return b.upload(ctx, n, size, r)
}

// upload stores what r yields if, and only if, it is what n and size say.
//
// It goes by Bucket.Upload alone. Azure's driver dereferences nil when a Writer is closed whose upload has failed.
func (b *bucket) upload(ctx context.Context, n name, size int64, r io.Reader) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &feed{ctx: ctx, r: r, want: n, left: size, hash: sha256.New(), failed: cancel}
	if b.abort {
		f.failed = func() {}
	}
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- b.b.Upload(work, b.key(n), f, writerOptions(size))
	}()
	select {
	case err := <-done:
		if failed := f.stop(); failed != nil {
			return failed // the client's own error is about what followed from it
		}
		return b.refused(ctx, err)
	case <-ctx.Done():
	}
	f.stop() // from here on r is not touched any more
	if !b.abort {
		<-done
		return ctx.Err()
	}
	// The caller does not wait for the network.
	b.aborted.Go(func() {
		defer cancel()
		select {
		case <-done:
		case <-time.After(abortGrace):
		}
	})
	return ctx.Err()
}

// feed yields the content of an upload and ends only if it was what its name says: until the end is read, no service
// makes an object of what it got.
type feed struct {
	ctx    context.Context
	failed func() // called before Read returns an error

	mu   sync.Mutex // held while r is read
	r    io.Reader
	want name
	left int64
	hash hash.Hash
	err  error // why no more is read, if not for the end
}

func (f *feed) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = f.ctx.Err()
	}
	if f.err != nil {
		f.failed()
		return 0, f.err
	}
	n, err := f.r.Read(p)
	f.hash.Write(p[:n])
	f.left -= int64(n)
	switch {
	case err == io.EOF && f.left == 0 && nameOf([32]byte(f.hash.Sum(nil))) == f.want:
		return n, io.EOF
	case err == io.EOF || f.left < 0:
		f.err = fmt.Errorf("%w: the content changed while it was being stored", modelregistry.ErrInvalid)
	default:
		f.err = err
	}
	if f.err != nil {
		f.failed()
	}
	return n, f.err
}

// WriteTo is for drivers that are written to; gocloud would read 1 KiB at a time. After a write that fails it closes the
// writer, which would store what was written so far.
func (f *feed) WriteTo(w io.Writer) (int64, error) {
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, block[:chunkSize])
	if err != nil {
		f.failed()
	}
	return n, err
}

var errStopped = errors.New("the upload was given up")

// stop waits for the read that is under way and ends all others. It returns why reading had ended before, if it failed.
func (f *feed) stop() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.err
	if f.err == nil {
		f.err = errStopped
		f.failed()
	}
	return was
}

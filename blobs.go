package modelregistry

import (
	"context"
	"io"
	"iter"
	"time"
)

// Blobs keeps immutable content under its digest: "sha256:" and 64 lower-case hexadecimal digits. Package blob
// implements it over gocloud.dev buckets. It is safe for concurrent use.
type Blobs interface {
	// Put stores what r yields until io.EOF and returns its digest and size in bytes. It streams: memory use does not
	// grow with the size. When it returns, the content is durable as far as the store can make it so. Content that is
	// there already is not written again. An error of r, or the end of ctx, stores nothing.
	//
	// Content that is there is not taken to be right by its size alone, which rot leaves as it is.
	//
	// If r is also an io.Seeker, Put may read it twice from where it stands.
	Put(ctx context.Context, r io.Reader) (digest string, size int64, err error)

	// Open returns the content under digest, from its first byte; ErrNotFound if it is not there, and for no other reason:
	// that all of the store is gone is a fault. What it yields is not verified: callers compare size and digest as they read.
	Open(ctx context.Context, digest string) (io.ReadCloser, error)

	// Stat returns the size in bytes of the content under digest; ErrNotFound if it is not there.
	Stat(ctx context.Context, digest string) (size int64, err error)
}

// RangeBlobs is Blobs that can begin reading anywhere. It is optional and only for speed (seeking, resuming).
type RangeBlobs interface {
	// OpenRange returns length bytes of the content from offset on, or all that follow if length is negative.
	OpenRange(ctx context.Context, digest string, offset, length int64) (io.ReadCloser, error)
}

// SweepBlobs is Blobs that Sweep can clean up.
type SweepBlobs interface {
	// Blobs yields what is stored, in no particular order.
	Blobs(ctx context.Context) iter.Seq2[BlobInfo, error]
	// Remove deletes the content under digest; that it is not there is no error. It ends with ctx: what removes content
	// long after it was asked to may meet a registration that has stored it anew.
	Remove(ctx context.Context, digest string) error
}

// VerifyBlobs is Blobs that can look at all of what they have before they count on it.
type VerifyBlobs interface {
	// PutVerified is Put that reads content which is there already to its end, and writes it anew if it is not right.
	PutVerified(ctx context.Context, r io.Reader) (digest string, size int64, err error)
}

// MarkedBlobs is Blobs that know which registries keep files in them. Sweep then refuses to remove from where another
// registry keeps files: opened on the wrong database, it would find that nothing names them. It is optional: without it
// Sweep refuses only where this registry names no content at all.
type MarkedBlobs interface {
	// Marks are what was given to Mark, and not yet to Unmark.
	Marks(ctx context.Context) ([]string, error)
	// Mark remembers a mark, durably: a registry's ID and what else it wants to know again, of lower-case letters and
	// digits, at most 64.
	Mark(ctx context.Context, mark string) error
	// Unmark forgets one; that it was not known is no error.
	Unmark(ctx context.Context, mark string) error
}

// BlobInfo describes one stored content.
type BlobInfo struct {
	Digest  string
	Size    int64     // bytes
	ModTime time.Time // when it was stored
}

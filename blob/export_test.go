package blob

import (
	"context"
	"io"
)

// HashBeside hashes r on a second goroutine.
func HashBeside(ctx context.Context, r io.Reader) ([32]byte, int64, error) {
	return tee(ctx, io.Discard, nil, r)
}

// Waiting is how many callers wait for a transfer into c.
func Waiting(c *Cache, digest string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[name(digest[len(algorithm):])]; f != nil {
		return f.waiting
	}
	return 0
}

package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
)

// holds says whether r yields what it should: from its first byte on head, and all of it what the name says if whole is set.
func holds(ctx context.Context, r io.Reader, n name, head []byte, whole bool) (bool, error) {
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	got := block[:len(head)]
	m, err := fill(ctx, r, got)
	if err != nil && err != io.EOF {
		return false, err
	}
	if m < len(head) || !bytes.Equal(got, head) {
		return false, nil
	}
	if !whole {
		return true, nil
	}
	hash := sha256.New()
	hash.Write(head)
	for {
		m, err := fill(ctx, r, block[:chunkSize])
		hash.Write(block[:m])
		if err == io.EOF {
			return nameOf([32]byte(hash.Sum(nil))) == n, nil
		}
		if err != nil {
			return false, err
		}
	}
}

package blob

import (
	"context"
	"crypto/sha256"
	"io"
	"sync"
)

const (
	// blockSize is the most content that is kept in memory before it is stored; larger content streams.
	blockSize = 1 << 20
	// chunkSize is how much streams at a time: 256 KiB stays in a core's cache between the copy and the hash, and
	// measured faster than 1 or 4 MiB.
	chunkSize = 256 << 10
)

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// fill reads until b is full, r ends (io.EOF), r fails or ctx ends. Unlike io.ReadFull it never turns an end into
// io.ErrUnexpectedEOF, which readers of broken connections return for what is no end.
func fill(ctx context.Context, r io.Reader, b []byte) (n int, err error) {
	for idle := 0; n < len(b) && err == nil; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		var m int
		m, err = r.Read(b[n:])
		n += m
		if m > 0 {
			idle = 0
		} else if idle++; idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// tee writes head and then what r yields to w, and returns the SHA-256 and the length of all of it. It hashes on a second
// goroutine: on two cores the slower of hashing and writing is all that one waits for.
func tee(ctx context.Context, w io.Writer, head []byte, r io.Reader) (sum [32]byte, n int64, err error) {
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)

	free := make(chan []byte, blockSize/chunkSize)
	for i := 0; i < blockSize; i += chunkSize {
		free <- block[i : i+chunkSize : i+chunkSize]
	}
	written := make(chan []byte, blockSize/chunkSize)
	hash := sha256.New()
	hashed := make(chan struct{})
	go func() {
		defer close(hashed)
		hash.Write(head)
		for b := range written {
			hash.Write(b)
			free <- b[:chunkSize]
		}
	}()
	copyAll := func() error {
		// Also when r panics, the goroutine has to be done with the block before the block is given back.
		defer func() { close(written); <-hashed }()
		if len(head) > 0 {
			if _, err := w.Write(head); err != nil {
				return err
			}
			n = int64(len(head))
		}
		for {
			b := <-free
			m, rerr := fill(ctx, r, b)
			if rerr != nil && rerr != io.EOF {
				return rerr
			}
			if m > 0 {
				if _, err := w.Write(b[:m]); err != nil {
					return err
				}
				n += int64(m)
				written <- b[:m]
			}
			if rerr == io.EOF {
				return nil
			}
		}
	}
	if err := copyAll(); err != nil {
		return sum, n, err
	}
	return [32]byte(hash.Sum(nil)), n, nil
}

// sized is a reader that knows how much it has to yield: some drivers end a truncated read without an error.
type sized struct {
	io.ReadCloser
	left int64
	end  error // returned for an end that comes too early
}

func (s *sized) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.ReadCloser.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if err == io.EOF && s.left > 0 {
		return n, s.end
	}
	return n, err
}

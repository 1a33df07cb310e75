package mlflow

import (
	"fmt"
	"io"
)

const (
	aheadPiece  = 128 << 10
	aheadPieces = 3
	// aheadFrom is the size of files that are worth a goroutine and its memory.
	aheadFrom = 512 << 10
)

// A readAhead reads on a goroutine of its own, so that the digest of what comes next is computed while what came before is
// being sent: on two cores the slower of the two is all that a client waits for.
type readAhead struct {
	pieces chan filePiece // those that are read; closed behind the last
	free   chan []byte
	stop   chan struct{}
	now    filePiece
	used   int // of now
}

type filePiece struct {
	b   []byte
	err error // that came with it, or io.EOF
}

// newReadAhead begins to read. Nobody else may use r until close returns.
func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{pieces: make(chan filePiece, aheadPieces+1), free: make(chan []byte, aheadPieces), stop: make(chan struct{})}
	for range aheadPieces {
		a.free <- make([]byte, aheadPiece)
	}
	go a.run(r)
	return a
}

// run never waits for room among the pieces, of which there are no more than buffers, and one for a panic.
func (a *readAhead) run(r io.Reader) {
	defer close(a.pieces)
	defer func() {
		if p := recover(); p != nil { // which net/http cannot do for other goroutines than its own
			a.pieces <- filePiece{err: fmt.Errorf("read file: panic: %v", p)}
		}
	}()
	for {
		select {
		case <-a.stop:
			return
		case b := <-a.free:
			n, err := r.Read(b)
			a.pieces <- filePiece{b[:n], err}
			if err != nil {
				return
			}
		}
	}
}

func (a *readAhead) Read(p []byte) (int, error) {
	for a.used == len(a.now.b) {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.b != nil {
			a.free <- a.now.b[:aheadPiece]
		}
		a.now, a.used = <-a.pieces, 0
	}
	n := copy(p, a.now.b[a.used:])
	a.used += n
	return n, nil
}

// close waits until nothing is being read any more.
func (a *readAhead) close() {
	close(a.stop)
	for range a.pieces {
	}
}

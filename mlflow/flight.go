package mlflow

import (
	"io"
	"net/http"
	"reflect"
	"sync"
)

const (
	// freeBytes of a request, and of its answer, are not counted: what is small is answered however much others hold.
	freeBytes = 64 << 10
	// bodyWeight is how many bytes a byte of a body is counted as, for what is made of it.
	bodyWeight = 4
)

// A flight counts the bytes that all requests hold at once: of bodies that were read, and of answers that are not yet sent.
type flight struct {
	mu   sync.Mutex
	left int64
}

func (f *flight) take(n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n > f.left {
		return false
	}
	f.left -= n
	return true
}

func (f *flight) give(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left += n
}

// hold counts n bytes more for the call, or says that others hold too much.
func (c *call) hold(n int64) error {
	if !c.s.flight.take(n) {
		return &apiError{Code: "REQUEST_LIMIT_EXCEEDED", Message: "The server holds as much for other requests as it may; nothing was done, try again."}
	}
	c.held += n
	return nil
}

func (c *call) release() { c.s.flight.give(c.held) }

// holdAnswer is hold for what is answered, until the client has it. Who has changed something is told so in any case: it is
// about one thing.
func (c *call) holdAnswer(answer any) error {
	n := weight(reflect.ValueOf(answer))
	if n <= freeBytes {
		return nil
	}
	if err := c.hold(n); err != nil && !c.changes {
		return err
	}
	return nil
}

// readBody reads the body, counting it as it comes: a client that announces much and sends little takes little.
func (c *call) readBody() ([]byte, error) {
	body := http.MaxBytesReader(c.w, c.r.Body, c.s.opts.MaxBody)
	text := make([]byte, 0, min(max(c.r.ContentLength, 0), freeBytes)+1)
	for {
		if size := cap(text); len(text) == size {
			size = max(2*size, 512)
			if known := c.r.ContentLength + 1; int64(len(text)) < known {
				size = int(min(int64(size), known))
			}
			if size > freeBytes+1 {
				if err := c.hold(int64(size-cap(text)) * bodyWeight); err != nil {
					_, _ = io.Copy(io.Discard, body) // a client that is still sending would not read why
					return nil, err
				}
			}
			text = append(make([]byte, 0, size), text...)
		}
		n, err := body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

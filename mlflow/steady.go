package mlflow

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// stallLimit is how long a client may neither send nor take a byte.
const stallLimit = time.Minute

// steadyPiece is how many bytes a client has to take before the limit begins anew.
const steadyPiece = 64 << 10

// A pace ends requests of clients that stall. http.Server's own timeouts are for whole requests, so that they are too short
// for files or too long for all else; where they are set, only files go by the limit instead.
type pace struct {
	control *http.ResponseController
	reads   bool // go by the limit
	writes  bool
}

func (p *pace) reading() {
	if p.reads {
		_ = p.control.SetReadDeadline(time.Now().Add(stallLimit)) // what serves this may not be able to
	}
}

func (p *pace) writing() {
	if p.writes {
		_ = p.control.SetWriteDeadline(time.Now().Add(stallLimit)) // likewise
	}
}

// steady puts a pace under a request's body and the answer to it.
func steady(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	p := &pace{control: http.NewResponseController(w), reads: true, writes: true}
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		p.reads, p.writes = srv.ReadTimeout <= 0, srv.WriteTimeout <= 0
	}
	if r.Body != nil && r.Body != http.NoBody {
		p.reading() // also for a body that nobody reads: the server does before the next request
		r = r.WithContext(r.Context())
		r.Body = &steadyBody{ReadCloser: r.Body, pace: p}
	}
	return &steadyWriter{ResponseWriter: w, pace: p}, r
}

// movesFile says that the call may take as long as it needs, whatever the server's timeouts are.
func (c *call) movesFile() {
	if w, ok := c.w.(*steadyWriter); ok {
		w.pace.reads, w.pace.writes = true, true
		w.pace.writing() // the server's time for the answer began with the request
	}
}

// A steadyBody is the body of a request from a client that keeps sending. What is wrong with it is the client's
// mistake, and told as such.
type steadyBody struct {
	io.ReadCloser
	pace *pace
	n    int64
}

func (b *steadyBody) Read(p []byte) (int, error) {
	b.pace.reading()
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	switch {
	case err == io.EOF:
		// From here on the server reads ahead, and would take the deadline for the client's end.
		_ = b.pace.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &apiError{Code: "BAD_REQUEST", status: http.StatusRequestTimeout,
			Message: fmt.Sprintf("The request stopped after %d bytes of its body.", b.n)}
	case err != nil:
		err = &apiError{Code: "BAD_REQUEST", Message: fmt.Sprintf("The request broke off after %d bytes of its body.", b.n)}
	}
	return n, err
}

// A steadyWriter writes to a client that keeps reading.
type steadyWriter struct {
	http.ResponseWriter
	pace *pace
}

func (w *steadyWriter) Write(p []byte) (int, error) {
	done := 0
	for {
		w.pace.writing()
		n, err := w.ResponseWriter.Write(p[done:min(done+steadyPiece, len(p))])
		if done += n; err != nil || done == len(p) {
			return done, err
		}
	}
}

// Unwrap is for http.ResponseController.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

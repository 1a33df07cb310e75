package mlflow_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// A pipeServer serves over net.Pipe, whose deadlines go by the fake clock of a synctest bubble, and which keeps nothing
// back: what one side writes the other has read.
type pipeServer struct {
	t      *testing.T
	reg    modelregistry.Registry
	rows   backend.Backend
	logged bytes.Buffer
	conns  chan net.Conn
	ended  chan struct{} // a value for each request that was answered or given up
}

func newPipeServer(t *testing.T, timeout time.Duration) *pipeServer {
	s := &pipeServer{t: t, rows: memory.New(), conns: make(chan net.Conn), ended: make(chan struct{}, 100)}
	blobs, err := blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	s.reg, err = modelregistry.New(t.Context(), s.rows, blobs, nil)
	require.NoError(t, err)
	handler := mlflow.Handler(s.reg, &mlflow.Options{Logger: slog.New(slog.NewTextHandler(&s.logged, nil))})
	srv := &http.Server{ReadTimeout: timeout, WriteTimeout: 2 * timeout, IdleTimeout: 2 * time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { s.ended <- struct{}{} }()
		handler.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(s)
	}()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		<-served
		time.Sleep(time.Second) // of the fake clock: net/http lets a client that it has refused read the answer
		require.NoError(t, blobs.Close())
		require.NoError(t, s.rows.Close())
	})
	return s
}

// Accept, Close and Addr make the server its own net.Listener.
func (s *pipeServer) Accept() (net.Conn, error) {
	if conn, ok := <-s.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (s *pipeServer) Close() error { close(s.conns); return nil }

func (s *pipeServer) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial is a connection, and what is read from it.
func (s *pipeServer) dial() (net.Conn, *bufio.Reader) {
	near, far := net.Pipe()
	s.conns <- far
	return near, bufio.NewReader(near)
}

func (s *pipeServer) write(conn net.Conn, text string) {
	s.t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(s.t, err)
}

// nothing requires that no artifact is there, that no upload holds a sweep up, and that nobody was told of a fault.
func (s *pipeServer) nothing() {
	s.t.Helper()
	page, err := s.reg.ListArtifacts(s.t.Context(), "", modelregistry.Query{})
	require.NoError(s.t, err)
	require.Empty(s.t, page.Artifacts)
	leases, err := s.rows.Find(context.WithoutCancel(s.t.Context()), backend.Query{Table: "uploads"})
	require.NoError(s.t, err)
	require.Empty(s.t, leases)
	require.Empty(s.t, s.logged.String())
}

const (
	putHead  = "PUT " + artifactsURL + "/0/f HTTP/1.1\r\nHost: localhost\r\n"
	jsonHead = "POST " + changing + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
)

func TestAnUploadThatEndsEarlyLeavesNothing(t *testing.T) {
	for name, request := range map[string]string{
		"length": putHead + "Content-Length: 3000000\r\n\r\n" + strings.Repeat("x", 2_000_000),
		"chunks": putHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"chunk":  putHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newPipeServer(t, 0)
				conn, _ := s.dial()
				s.write(conn, request)
				require.NoError(t, conn.Close())
				<-s.ended
				s.nothing()
			})
		})
	}
}

func TestAClientThatStopsSendingIsEnded(t *testing.T) {
	for name, request := range map[string]string{
		"upload": putHead + "Content-Length: 10\r\n\r\n12345",
		"json":   jsonHead + "{",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newPipeServer(t, 0)
				conn, in := s.dial()
				s.write(conn, request)
				started := time.Now()
				resp, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
				require.Equal(t, time.Minute, time.Since(started))
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				_, err = in.ReadByte()
				require.Equal(t, io.EOF, err, "the connection is closed")
				s.nothing()
			})
		})
	}
}

// Neither the server's timeouts nor how long it takes, nor the next request on the same connection, have to do with the limit.
func TestAClientThatIsSlowIsServed(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Second} {
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newPipeServer(t, timeout)
				conn, in := s.dial()
				s.write(conn, putHead+"Content-Length: 60\r\n\r\n")
				for range 60 {
					time.Sleep(59 * time.Second)
					s.write(conn, "x")
				}
				resp, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)

				for range 2 {
					time.Sleep(time.Hour)
					s.write(conn, "GET "+artifactsURL+"/0/f HTTP/1.1\r\nHost: localhost\r\n\r\n")
					time.Sleep(59 * time.Second)
					resp, err = http.ReadResponse(in, nil)
					require.NoError(t, err)
					content, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.Equal(t, strings.Repeat("x", 60), string(content))
				}
				require.NoError(t, conn.Close())
			})
		})
	}
}

// For what moves no file the server's timeouts hold where they are set.
func TestTimeoutsOfTheServerHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t, 10*time.Second)
		conn, in := s.dial()
		s.write(conn, jsonHead+"{")
		started := time.Now()
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		require.Equal(t, 10*time.Second, time.Since(started))
		require.NoError(t, conn.Close())
		<-s.ended
		s.nothing()
	})
}

func TestAClientThatStopsReadingIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPipeServer(t, 0)
		_, err := s.reg.PutArtifact(t.Context(), "0/f", strings.NewReader(strings.Repeat("x", 1_000_000)))
		require.NoError(t, err)
		for path, begin := range map[string]string{artifactsURL + "/0/f": "HTTP/1.1 200 OK\r\n", "/docs": ""} {
			conn, in := s.dial()
			s.write(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
			for range len(begin) {
				_, err := in.ReadByte()
				require.NoError(t, err)
			}
			time.Sleep(time.Minute + time.Second)
			_, err = io.WriteString(conn, "GET ")
			require.Equal(t, io.ErrClosedPipe, err, "the connection is closed")
		}
		require.Empty(t, s.logged.String())
	})
}

// What is corrupt is told as a fault while that is possible, and then cut off: never does it look complete.
func TestACorruptArtifactIsNeverCompleted(t *testing.T) {
	blobs := &spoilt{content: map[string][]byte{}}
	rows := memory.New()
	reg, err := modelregistry.New(t.Context(), rows, blobs, nil)
	require.NoError(t, err)
	s := newServerFor(t, reg, &mlflow.Options{Logger: slog.New(slog.DiscardHandler)})
	for name, size := range map[string]int{"small": 1000, "large": 1_000_000} {
		s.do(http.MethodPut, artifactsURL+"/"+name, strings.Repeat("x", size)).ok()
	}
	blobs.spoil = true
	s.get(artifactsURL+"/small").fails(500, "INTERNAL_ERROR", "The registry failed; the server's log says why.")
	resp, err := http.Get(s.url + artifactsURL + "/large")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	n, err := io.Copy(io.Discard, resp.Body)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Less(t, n, int64(1_000_000))

	second := httptest.NewUnstartedServer(mlflow.Handler(reg, &mlflow.Options{Logger: slog.New(slog.DiscardHandler)}))
	second.EnableHTTP2 = true
	second.StartTLS()
	t.Cleanup(second.Close)
	resp, err = second.Client().Get(second.URL + artifactsURL + "/large")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)
	_, err = io.Copy(io.Discard, resp.Body)
	require.ErrorContains(t, err, "INTERNAL_ERROR", "the stream is reset")
}

// spoilt is Blobs that lose a bit of each content when told to.
type spoilt struct {
	content map[string][]byte
	spoil   bool
}

func (b *spoilt) Put(_ context.Context, r io.Reader) (string, int64, error) {
	content, err := io.ReadAll(r)
	digest := digestOf(string(content))
	b.content[digest] = content
	return digest, int64(len(content)), err
}

func (b *spoilt) Stat(_ context.Context, digest string) (int64, error) {
	content, ok := b.content[digest]
	if !ok {
		return 0, fmt.Errorf("content %s: %w", digest, modelregistry.ErrNotFound)
	}
	return int64(len(content)), nil
}

func (b *spoilt) Open(_ context.Context, digest string) (io.ReadCloser, error) {
	content, ok := b.content[digest]
	if !ok {
		return nil, fmt.Errorf("content %s: %w", digest, modelregistry.ErrNotFound)
	}
	if b.spoil {
		content = bytes.Clone(content)
		content[len(content)/2] ^= 1
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

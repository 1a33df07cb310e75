package mlflowtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var server struct {
	sync.Mutex
	running *running
	err     error
}

// Server is the URL of an MLflow server of the Current version: one for the test process, started when it is first needed
// and gone when the process ends. It has workspaces; that of requests which name none is for tests that need no empty one.
func Server(t testing.TB) string {
	t.Helper()
	python := Python(t, Current)
	server.Lock()
	defer server.Unlock()
	if server.running == nil && server.err == nil {
		server.running, server.err = start(python)
	}
	if server.err != nil {
		t.Fatalf("start MLflow: %v", server.err)
	}
	return server.running.url
}

// Workspace makes an empty workspace on the server and returns its name.
func Workspace(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test-%016x", rand.Uint64())
	resp, err := http.Post(Server(t)+"/api/3.0/mlflow/workspaces", "application/json", strings.NewReader(`{"name": "`+name+`"}`))
	if err != nil {
		t.Fatalf("make a workspace: %v", err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("make a workspace: %s: %s (%v)", resp.Status, text, err)
	}
	return name
}

type running struct {
	url   string
	input io.Closer // the server ends with it
}

// supervisor runs the server until its own input ends, which is when this process does, however it ends; then it stops the
// server with all its processes, which are those of its group, and removes the directory.
const supervisor = `dir=$0; trap '' TERM; (trap - TERM; exec "$@") & pid=$!
cat >/dev/null; kill -TERM 0; wait $pid; rm -rf "$dir"; kill -KILL 0`

func start(python string) (s *running, err error) {
	for range 3 { // somebody else may take the port before the server does
		if s, err = serve(python); err == nil || !errors.Is(err, errPort) {
			return s, err
		}
	}
	return nil, err
}

var errPort = errors.New("no free port")

func serve(python string) (*running, error) {
	dir, err := os.MkdirTemp("", "mlflowtest-*")
	if err != nil {
		return nil, err
	}
	logPath := filepath.Join(dir, "log")
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", supervisor, dir, python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", strconv.Itoa(port),
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"), "--artifacts-destination", filepath.Join(dir, "artifacts"),
		"--serve-artifacts", "--workers", "1", "--enable-workspaces")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(environment(""), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
	ownGroup(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s := &running{url: "http://127.0.0.1:" + strconv.Itoa(port), input: input}
	if err := await(s.url+"/health", exited); err != nil {
		text, _ := os.ReadFile(logPath) // it only explains
		_ = input.Close()
		<-exited
		if bytes.Contains(bytes.ToLower(text), []byte("address already in use")) {
			return nil, errPort
		}
		return nil, fmt.Errorf("the server does not answer: %w\n%s", err, text)
	}
	return s, nil
}

// freePort finds a port below those that systems give to whoever wants any: MLflow takes seconds to listen, and other tests
// would have it by then.
func freePort() (port int, err error) {
	for range 20 {
		port = 20_000 + rand.IntN(12_000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// await waits until the server answers: it makes its tables first.
func await(url string, exited <-chan struct{}) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		select {
		case <-exited:
			return errors.New("it ended")
		default:
		}
		resp, err := http.Get(url)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
}

package bench_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Both servers are processes with their metadata in an SQLite file and artifacts in a directory, as their commands make them
// without further options, except that MLflow's has one worker, and neither its jobs nor its telemetry.

var serverFigures = []figure{
	{"server requests", nil, besideMLflow("requests by HTTP", serverRequests)},
	{"server log_model", nil, besideMLflow("log_model by the stock client", serverLogModel)},
	{"server artifacts", nil, besideMLflow("artifacts by HTTP", serverFiles)},
	{"server start", nil, besideMLflow("server's start", serverStart)},
	{"server memory", nil, besideMLflow("server's memory", serverMemory)},
}

// besideMLflow is a figure that is left out where there is no MLflow.
func besideMLflow(what string, run func(*testing.B, *store) []result) func(*testing.B, *store) []result {
	return func(b *testing.B, s *store) []result {
		if os.Getenv("BENCH_MLFLOW_PYTHON") == "" {
			return []result{{figure: what, peer: "left out: MLflow is not installed"}}
		}
		return run(b, s)
	}
}

// A server is one of the two that are compared.
type server struct {
	name   string
	url    string
	pid    int
	client *http.Client // over a connection that is kept
	stop   func()
}

// program is the modelregistry command, built for the first server; the one benchmark removes it.
var program struct {
	sync.Once
	path string
}

// startOurs serves what is in dir, of which registry.db may be filled already.
func startOurs(b *testing.B, dir string) *server {
	program.Do(func() {
		program.path = filepath.Join(b.TempDir(), "modelregistry")
		out, err := exec.Command("go", "build", "-o", program.path, "../../cmd/modelregistry").CombinedOutput()
		require.NoError(b, err, string(out))
	})
	return start(b, "ours", dir, func(port string) *exec.Cmd {
		return exec.Command(program.path, "serve", "--listen", "127.0.0.1:"+port, "--data", dir)
	})
}

// startMLflow serves what is in dir, of which mlflow.db may be filled already.
func startMLflow(b *testing.B, dir string) *server {
	return start(b, "MLflow", dir, func(port string) *exec.Cmd {
		cmd := exec.Command(os.Getenv("BENCH_MLFLOW_PYTHON"), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port,
			"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"),
			"--artifacts-destination", filepath.Join(dir, "artifacts"), "--serve-artifacts", "--workers", "1")
		cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
		return cmd
	})
}

// start runs a command and waits until its server answers /health.
func start(b *testing.B, name, dir string, command func(port string) *exec.Cmd) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(b, err)
	require.NoError(b, l.Close())
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(b, err)
	defer func() { require.NoError(b, log.Close()) }() // the server has its own
	cmd := command(port)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all of MLflow's processes can be ended
	require.NoError(b, cmd.Start())
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }() // it is ended by a signal
	s := &server{name: name, url: "http://127.0.0.1:" + port, pid: cmd.Process.Pid,
		client: &http.Client{Transport: &http.Transport{MaxIdleConns: 1, MaxConnsPerHost: 1}}}
	s.stop = sync.OnceFunc(func() {
		s.client.CloseIdleConnections()
		_ = syscall.Kill(-s.pid, syscall.SIGTERM) // it may have ended by itself
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
		}
		_ = syscall.Kill(-s.pid, syscall.SIGKILL)
		<-exited
	})
	b.Cleanup(s.stop)
	for try := time.NewTicker(time.Millisecond); ; {
		if resp, err := s.client.Get(s.url + "/health"); err == nil {
			require.NoError(b, resp.Body.Close())
			require.Equal(b, http.StatusOK, resp.StatusCode)
			try.Stop()
			return s
		}
		select {
		case <-try.C:
		case <-exited:
			text, err := os.ReadFile(log.Name())
			require.NoError(b, err)
			b.Fatalf("%s ended before it answered:\n%s", name, text)
		}
	}
}

// processes are the fields of /proc/PID/stat, from the state on, of the server's processes.
func (s *server) processes(b *testing.B) map[int][]string {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(b, err)
	all := map[int][]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(b, err)
		// The command's name, in parentheses, may have any characters in it.
		all[pid] = strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	}
	group := strconv.Itoa(s.pid)
	for pid, fields := range all {
		if fields[2] != group {
			delete(all, pid)
		}
	}
	require.NotEmpty(b, all, "%s has ended", s.name)
	return all
}

// tick is the unit of times in /proc, on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// cpu is the time that the server has computed for, with those of its processes that have ended. Differences between looks
// that follow each other add up to the whole, so that what one of them lacks of a tick another one has.
func (s *server) cpu(b *testing.B) float64 {
	var ticks int
	for _, fields := range s.processes(b) {
		for _, f := range fields[11:15] { // utime, stime, and those of children that were waited for
			n, err := strconv.Atoi(f)
			require.NoError(b, err)
			ticks += n
		}
	}
	return float64(ticks) * float64(tick)
}

// resident is the memory that the server's processes have, in bytes, and how much of it is files: programs and libraries.
func (s *server) resident(b *testing.B) (all, files float64) {
	for pid := range s.processes(b) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it ended
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			for name, sum := range map[string]*float64{"VmRSS:": &all, "RssFile:": &files} {
				if fields[0] == name {
					n, err := strconv.Atoi(fields[1])
					require.NoError(b, err)
					*sum += float64(n) * 1024
				}
			}
		}
	}
	return all, files
}

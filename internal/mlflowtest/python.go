// Package mlflowtest has the real MLflow to test against: its clients, in Python, and its server.
package mlflowtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// The versions of MLflow that are tested with.
const (
	Current  = "3.17.2"
	Previous = "2.22.5"
)

var (
	pythonMutex  sync.Mutex
	interpreters = map[string]string{}
)

// Python is an interpreter that has one version of MLflow, in a virtual environment that is made if it is not there.
func Python(t testing.TB, version string) string {
	t.Helper()
	pythonMutex.Lock()
	defer pythonMutex.Unlock()
	if path, ok := interpreters[version]; ok {
		return path
	}
	cmd := exec.Command(filepath.Join(root(), "internal", "tools", "venv.sh"), version)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make a virtual environment with MLflow %s: %v\n%s", version, err, stderr.Bytes())
	}
	interpreters[version] = strings.TrimSpace(string(out))
	return interpreters[version]
}

// root is the directory of the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// environment is that of a Python process of a test: nothing but what it needs to talk to uri, and no telemetry.
func environment(uri string) []string {
	env := []string{
		"MLFLOW_TRACKING_URI=" + uri, "MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES=1",
		"GIT_PYTHON_REFRESH=quiet", "OMP_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore",
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

package mlflowtest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Pytest runs the tests in directory python, or those in some of its files, with the client of one version against the server
// at uri.
func Pytest(t testing.TB, version, uri string, files ...string) {
	t.Helper()
	cmd := exec.Command(Python(t, version), "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=short")
	if len(files) == 0 {
		files = []string{"."}
	}
	cmd.Args = append(cmd.Args, files...)
	cmd.Dir = filepath.Join(root(), "internal", "mlflowtest", "python")
	cmd.Env = environment(uri)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tests with MLflow %s: %v\n%s", version, err, out)
	}
	t.Logf("MLflow %s: %s", version, out)
}

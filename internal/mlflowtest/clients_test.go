package mlflowtest_test

import (
	"bufio"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/internal/buckettest"
	"github.com/modelregistry-go/modelregistry/internal/mlflowtest"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// The real clients do what MLflow's users do, against the command as it is run: with MODELREGISTRY_TEST_THOROUGH all of
// them, else one.
func TestClients(t *testing.T) {
	program := build(t)
	cases := []struct {
		name, version string
		flags         func(t *testing.T) []string
	}{
		{"3 on SQLite and a directory", mlflowtest.Current, func(t *testing.T) []string { return []string{"--data", t.TempDir()} }},
		{"2 on SQLite and a directory", mlflowtest.Previous, func(t *testing.T) []string { return []string{"--data", t.TempDir()} }},
		{"3 on Postgres and S3", mlflowtest.Current, func(t *testing.T) []string {
			return []string{"--data", t.TempDir(), "--backend", pgtest.DSN(t), "--artifacts", buckettest.URL(t, "s3")}
		}},
	}
	if os.Getenv("MODELREGISTRY_TEST_THOROUGH") == "" {
		cases = cases[:1]
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			mlflowtest.Pytest(t, c.version, serve(t, program, c.flags(t)...))
		})
	}
}

// A program made for MLflow that cannot take aliases in what a search finds copies a model that has one.
func TestExportAndImportByATool(t *testing.T) {
	mlflowtest.Pytest(t, mlflowtest.Current, serve(t, build(t), "--data", t.TempDir(), "--plain-search"), "check_export_import.py")
}

// build builds the command.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "modelregistry")
	out, err := exec.Command("go", "build", "-o", program, "github.com/modelregistry-go/modelregistry/cmd/modelregistry").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// serve runs the command until the test ends, and returns the URL that it prints.
func serve(t *testing.T, program string, flags ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0", "--quiet"}, flags...)...)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), "the server ends well when it is asked to")
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	uri, ok := strings.CutPrefix(strings.TrimSpace(line), "MLFLOW_TRACKING_URI=")
	require.True(t, ok, "it printed %q", line)
	_, err = url.Parse(uri)
	require.NoError(t, err)
	return uri
}

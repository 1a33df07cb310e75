package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// mlflow compares with MLflow's store. BENCH_MLFLOW_PYTHON is a Python that has MLflow.
func mlflow(b *testing.B, _ *store) []result {
	python := os.Getenv("BENCH_MLFLOW_PYTHON")
	if python == "" {
		return []result{{"register, promote, resolve, search", "", "MLflow is not installed", 0, "5x, 5x, 100x, 20x", false}}
	}
	const versions = 10_000
	s := fill(b, stores.SQLite, versions)
	defer s.close()
	cmd := exec.Command(python, "mlflow_peer.py", filepath.Join(b.TempDir(), "mlflow.db"), strconv.Itoa(s.models), strconv.Itoa(perModel))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	lines := bufio.NewScanner(out)
	line := func() string {
		require.True(b, lines.Scan(), "mlflow_peer.py ended")
		return lines.Text()
	}
	require.Equal(b, "ready", line())
	theirs := func(operation string) func() float64 {
		count := 1
		return func() float64 {
			_, err := fmt.Fprintln(in, operation, count)
			require.NoError(b, err)
			seconds, err := strconv.ParseFloat(strings.TrimSpace(line()), 64)
			require.NoError(b, err)
			ns := seconds * 1e9 / float64(count)
			count = max(1, int(float64(2*slice)/ns)) // for the next time
			return ns
		}
	}

	ctx := context.Background()
	turn := 0
	pick := func() string { return modelName(rand.IntN(s.models)) }
	resolve := func(suffix string) func() {
		return func() {
			_, err := s.reg.Resolve(ctx, "models:/"+pick()+suffix)
			require.NoError(b, err)
		}
	}
	var table []result
	for _, op := range []struct {
		figure, theirs string
		ours           func()
		limit          float64
	}{
		// First what reads, for a search finds as many versions as there are.
		{"resolve by alias", "alias", resolve("@champion"), 100},
		{"resolve by stage", "stage", resolve("/Production"), 100},
		{"search page of 100", "search", func() {
			page, err := s.reg.SearchVersions(ctx, modelregistry.Query{Filter: "name = " + modelregistry.Quote(pick())})
			require.NoError(b, err)
			require.Len(b, page.Versions, perModel)
		}, 20},
		{"register", "register", func() { register(b, s.reg, pick()) }, 5},
		{"promote", "promote", func() {
			turn++
			_, err := s.reg.Promote(ctx, pick(), 1+turn%50, modelregistry.Production, nil)
			require.NoError(b, err)
		}, 5},
	} {
		m := alternate(9, perCall(1, op.ours), theirs(op.theirs))
		table = append(table, atLeast(op.figure+" at 10,000 versions, SQLite", duration(m[0]), "MLflow "+duration(m[1]), m[1]/m[0], op.limit))
	}
	require.NoError(b, in.Close())
	require.NoError(b, cmd.Wait())
	return table
}

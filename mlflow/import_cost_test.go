package mlflow_test

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// An import costs what there is to take: of a run with eight times as many metrics, eight times as many bytes are written.
func TestImportIsLinearInMetrics(t *testing.T) {
	bytes := map[int]int{}
	for _, keys := range []int{1000, 8000} {
		source := newRegistry(t)
		run, err := source.StartRun(t.Context(), modelregistry.RunSpec{Experiment: "e"})
		require.NoError(t, err)
		entries := modelregistry.RunEntries{}
		for i := range keys {
			entries.Metrics = append(entries.Metrics, modelregistry.MetricPoint{Key: fmt.Sprintf("layer.%05d", i), Value: 0.5, Step: 1})
		}
		require.NoError(t, source.LogRun(t.Context(), run.ID, entries))
		srv := httptest.NewServer(mlflow.Handler(source, nil))
		defer srv.Close()

		var count sqlcount.Counter
		b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), &sqlite.Options{Wrap: count.Wrap})
		require.NoError(t, err)
		defer func() { require.NoError(t, b.Close()) }()
		blobs, err := blob.Open(t.Context(), "mem://")
		require.NoError(t, err)
		defer func() { require.NoError(t, blobs.Close()) }()
		reg, err := modelregistry.New(t.Context(), b, blobs, nil)
		require.NoError(t, err)
		count.TakeCalls()
		report, err := mlflow.Import(t.Context(), newClient(t, srv.URL, nil), reg, nil)
		require.NoError(t, err)
		require.Empty(t, report.Left)
		for _, c := range count.TakeCalls() {
			for _, arg := range c.Args {
				bytes[keys] += len(fmt.Sprint(arg.Value))
			}
		}
		got, err := reg.Run(t.Context(), run.ID)
		require.NoError(t, err)
		require.Len(t, got.Metrics, keys)
	}
	require.Less(t, bytes[8000], 9*bytes[1000])
}

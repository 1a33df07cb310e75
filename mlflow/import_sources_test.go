package mlflow_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/mlflowtest"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// A slash too many in a source keeps back no version.
func TestImportTakesSourcesWithSlashesTooMany(t *testing.T) {
	for name, server := range map[string]func(t *testing.T) string{
		"ours":     func(t *testing.T) string { return newServer(t, nil).url },
		"MLflow's": func(t *testing.T) string { return mlflowtest.Server(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url := server(t)
			c := newClient(t, url, nil)
			model := "slashes" + strconv.FormatUint(rand.Uint64(), 36)
			run, err := c.StartRun(t.Context(), modelregistry.RunSpec{ExperimentID: "0"})
			require.NoError(t, err)
			_, err = c.PutArtifact(t.Context(), run.ArtifactPath("model/f"), strings.NewReader("weights"))
			require.NoError(t, err)
			_, err = c.CreateModel(t.Context(), model, modelregistry.ModelSpec{})
			require.NoError(t, err)
			artifacts := "mlflow-artifacts:/" + run.Artifacts
			for _, source := range []string{
				"runs:/" + run.ID + "/model", "runs:/" + run.ID + "/model/", "runs:/" + run.ID + "//model",
				artifacts + "/model/", artifacts + "//model", artifacts + "//model//",
			} {
				body, err := json.Marshal(fields{"name": model, "source": source, "run_id": run.ID})
				require.NoError(t, err)
				resp, err := http.Post(url+"/api/2.0/mlflow/model-versions/create", "application/json", bytes.NewReader(body))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusOK, resp.StatusCode, source)
			}
			reg := newRegistry(t)
			report, err := mlflow.Import(t.Context(), c, reg, &mlflow.ImportOptions{Models: []string{model}, ModelsOnly: true})
			require.NoError(t, err)
			require.Empty(t, report.Left)
			require.Equal(t, 6, report.Versions.Taken)
			for number := 1; number <= 6; number++ {
				v, err := reg.Version(t.Context(), model, number)
				require.NoError(t, err)
				content, err := fs.ReadFile(reg.Files(t.Context(), v), "f")
				require.NoError(t, err)
				require.Equal(t, "weights", string(content))
			}
		})
	}
}

package modelregistry_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/sign"
)

// The README's tour, line by line.
func TestReadme(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("out", 0o700))
	require.NoError(t, os.WriteFile(filepath.Join("out", "model.json"), []byte(`{"w":[1,2]}`), 0o600))
	bucket := (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String()

	ctx := context.Background()
	rows, err := sqlite.Open(ctx, "registry.db", nil)
	require.NoError(t, err)
	defer rows.Close()
	files, err := blob.Open(ctx, bucket) // file:///var/lib/models, s3://models, …
	require.NoError(t, err)
	defer files.Close()
	reg, err := modelregistry.New(ctx, rows, files, nil)
	require.NoError(t, err)
	_, err = reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{})
	require.NoError(t, err)
	_, err = reg.Promote(ctx, "IrisClassifier", 1, modelregistry.Production, nil)
	require.NoError(t, err)
	lastTuesday := time.Now()

	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
		Files:   os.DirFS("out"),
		Bump:    modelregistry.BumpMinor,
		Params:  map[string]string{"max_depth": "5"},
		Metrics: map[string]float64{"accuracy": 0.97},
		Lineage: []modelregistry.Origin{{
			Type: modelregistry.TrainedOn,
			Node: modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "2023-06"},
		}},
	})
	require.NoError(t, err)

	run, err := reg.StartRun(ctx, modelregistry.RunSpec{Experiment: "iris"})
	require.NoError(t, err)
	err = reg.LogRun(ctx, run.ID, modelregistry.RunEntries{
		Metrics: []modelregistry.MetricPoint{{Key: "loss", Value: 0.2, Step: 1}, {Key: "loss", Value: 0.1, Step: 2}},
	})
	require.NoError(t, err)
	err = reg.LogArtifacts(ctx, run.ArtifactPath("model"), os.DirFS("out"), nil)
	require.NoError(t, err)
	fromRun, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
		RunID:     run.ID,
		Artifacts: run.ArtifactPath("model"),
	})
	require.NoError(t, err)
	require.Equal(t, v.Digest, fromRun.Digest)

	p, err := reg.Promote(ctx, "IrisClassifier", v.Number, modelregistry.Production, nil)
	require.NoError(t, err)
	require.Equal(t, 1, p.Displaced[0].Number)
	p, err = reg.Rollback(ctx, "IrisClassifier", modelregistry.Production, nil)
	require.NoError(t, err)
	require.Equal(t, 1, p.Version.Number)
	reg, err = modelregistry.New(ctx, rows, files, &modelregistry.Options{Gates: []modelregistry.GateRule{
		{Stage: modelregistry.Production, Gate: modelregistry.MetricAtLeast("accuracy", 0.95)},
		{Stage: modelregistry.Production, Gate: modelregistry.FilesVerified()},
	}})
	require.NoError(t, err)
	plan, err := reg.Plan(ctx, "IrisClassifier", v.Number, modelregistry.Production, nil)
	require.NoError(t, err)
	require.NoError(t, plan.Err())
	require.Len(t, plan.Verdicts, 2)
	_, err = reg.UpdateModel(ctx, "IrisClassifier", modelregistry.ModelPatch{Require: []modelregistry.Requirement{
		{Gate: "accuracy >= 0.95", Stage: modelregistry.Production},
	}})
	require.NoError(t, err)
	reg, err = modelregistry.New(ctx, rows, files, nil)
	require.NoError(t, err)
	_, err = reg.Promote(ctx, "IrisClassifier", v.Number, modelregistry.Production, nil)
	require.ErrorIs(t, err, modelregistry.ErrConflict)
	_, err = reg.UpdateModel(ctx, "IrisClassifier", modelregistry.ModelPatch{Unrequire: []modelregistry.Requirement{
		{Gate: "accuracy >= 0.95", Stage: modelregistry.Production},
	}, Reason: "the tour goes on without"})
	require.NoError(t, err)
	_, err = reg.Promote(ctx, "IrisClassifier", v.Number, modelregistry.Production, nil)
	require.NoError(t, err)

	v, err = reg.Resolve(ctx, "models:/IrisClassifier/Production")
	require.NoError(t, err)
	weights, err := fs.ReadFile(reg.Files(ctx, v), "model.json")
	require.NoError(t, err)
	require.JSONEq(t, `{"w":[1,2]}`, string(weights))
	err = modelregistry.Download(ctx, reg, v, "model", nil)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join("model", "model.json"))

	for v, err := range reg.Versions(ctx, modelregistry.Query{
		Filter:  "name = 'IrisClassifier' AND (stage = 'Production' OR metrics.accuracy > 0.95)",
		OrderBy: []string{"creation_timestamp DESC"},
	}) {
		fmt.Println(v.Ref(), v.Stage, err)
	}

	v, err = reg.At(lastTuesday).Resolve(ctx, "models:/IrisClassifier/Production")
	require.NoError(t, err)
	require.Equal(t, 1, v.Number)
	report, err := reg.Verify(ctx, "IrisClassifier")
	require.NoError(t, err)
	require.Empty(t, report.Problem)

	trusted, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	checkpoint, err := reg.Checkpoint(ctx)
	require.NoError(t, err)
	envelope, err := sign.SealCheckpoint(checkpoint, key)
	require.NoError(t, err)
	checkpoint, err = sign.OpenCheckpoint(envelope, trusted)
	require.NoError(t, err)
	for report, err := range reg.VerifyAll(ctx, checkpoint) {
		fmt.Println(report.Model, report.Events, report.Problem, err)
	}
}

// Every line of Go in the README stands in this file, in that order.
func TestReadmeIsCompiled(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	rest := string(source)
	for _, block := range strings.Split(string(readme), "```go\n")[1:] {
		code, _, ok := strings.Cut(block, "```")
		require.True(t, ok)
		for line := range strings.Lines(code) {
			line = strings.TrimSpace(line)
			_, after, found := strings.Cut(rest, line)
			require.True(t, found, "the README has a line that is not compiled, or not in this place: %s", line)
			rest = after
		}
	}
}

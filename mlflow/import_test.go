package mlflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/mlflowtest"
	"github.com/modelregistry-go/modelregistry/mlflow"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

func newRegistry(t *testing.T) modelregistry.Registry {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	blobs, err := blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	reg, err := modelregistry.New(t.Context(), b, blobs, &modelregistry.Options{Actor: "importer"})
	require.NoError(t, err)
	return reg
}

// furnish fills a server with something of everything.
func furnish(t *testing.T, c *mlflow.Client) (run *modelregistry.Run, logged *modelregistry.LoggedModel) {
	t.Helper()
	ctx := t.Context()
	run, err := c.StartRun(ctx, modelregistry.RunSpec{Experiment: "iris", Name: "first", User: "ann", Tags: map[string]string{"k": "v"}, Params: map[string]string{"depth": "3"}})
	require.NoError(t, err)
	points := make([]modelregistry.MetricPoint, 1500)
	for i := range points {
		points[i] = modelregistry.MetricPoint{Key: "loss", Value: 1 / float64(i+1), Step: int64(i), Time: time.UnixMilli(int64(1_700_000_000_000 + i))}
	}
	require.NoError(t, c.LogRun(ctx, run.ID, modelregistry.RunEntries{Metrics: points}))
	require.NoError(t, c.LogArtifacts(ctx, run.Artifacts, fstest.MapFS{"plots/roc.png": {Data: []byte("png")}}, nil))
	logged, err = c.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{RunID: run.ID, Name: "model", Params: map[string]string{"p": "1"}})
	require.NoError(t, err)
	require.NoError(t, c.LogArtifacts(ctx, logged.Artifacts, fstest.MapFS{"MLmodel": {Data: []byte("flavors: {}")}, "a b/ü": {Data: []byte("weights")}}, nil))
	ready := modelregistry.LoggedModelReady
	_, err = c.UpdateLoggedModel(ctx, logged.ID, modelregistry.LoggedModelPatch{Status: &ready})
	require.NoError(t, err)
	require.NoError(t, c.LogRun(ctx, run.ID, modelregistry.RunEntries{Outputs: []modelregistry.RunOutput{{ModelID: logged.ID}}}))
	finished := modelregistry.RunFinished
	_, err = c.UpdateRun(ctx, run.ID, modelregistry.RunPatch{Status: &finished})
	require.NoError(t, err)
	gone, err := c.StartRun(ctx, modelregistry.RunSpec{Experiment: "iris", Name: "gone", Status: modelregistry.RunFailed})
	require.NoError(t, err)
	_, err = c.UpdateRun(ctx, gone.ID, modelregistry.RunPatch{Deleted: new(true)})
	require.NoError(t, err)

	_, err = c.CreateModel(ctx, "fraud", modelregistry.ModelSpec{Description: "who pays", Tags: map[string]string{"team": "risk"}})
	require.NoError(t, err)
	_, err = c.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: logged.Artifacts, RunID: run.ID, Description: "the first", Tags: map[string]string{"a": "b"}, Aliases: []string{"champion"}})
	require.NoError(t, err)
	for i := 2; i <= 5; i++ {
		_, err = c.Register(ctx, "fraud", modelregistry.VersionSpec{Files: fstest.MapFS{"w": {Data: fmt.Append(nil, i)}}})
		require.NoError(t, err)
	}
	require.NoError(t, c.DeleteVersion(ctx, "fraud", 3, nil))
	_, err = c.Register(ctx, "plain", modelregistry.VersionSpec{})
	require.NoError(t, err)
	for number, stage := range map[int]modelregistry.Stage{1: modelregistry.Production, 2: modelregistry.Production, 4: modelregistry.Archived} {
		_, err = c.Transition(ctx, "fraud", number, stage, &modelregistry.TransitionOptions{Keep: true})
		require.NoError(t, err)
	}
	return run, logged
}

// imported requires all that furnish has made to be in reg.
func imported(t *testing.T, reg modelregistry.Registry, run *modelregistry.Run) {
	t.Helper()
	ctx := t.Context()
	got, err := reg.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, "first", got.Name)
	require.Equal(t, "ann", got.User)
	require.Equal(t, modelregistry.RunFinished, got.Status)
	require.Equal(t, "3", got.Params.Get("depth"))
	require.Equal(t, "v", got.Tags.Get("k"))
	require.True(t, run.Started.Equal(got.Started))
	page, err := reg.MetricHistory(ctx, run.ID, "loss", modelregistry.Query{PageSize: 10_000})
	require.NoError(t, err)
	require.Len(t, page.Points, 1500)
	require.InDelta(t, 1.0/1500, page.Points[1499].Value, 1e-12)
	plot, err := fs.ReadFile(reg.Artifacts(ctx, got.Artifacts), "plots/roc.png")
	require.NoError(t, err)
	require.Equal(t, "png", string(plot))
	require.Len(t, got.Outputs, 1)
	logged, err := reg.LoggedModel(ctx, got.Outputs[0].ModelID)
	require.NoError(t, err)
	require.Equal(t, run.ID, logged.RunID)
	require.Equal(t, modelregistry.LoggedModelReady, logged.Status)
	deleted, err := reg.SearchRuns(ctx, modelregistry.Query{Filter: "lifecycle_stage = 'deleted'"})
	require.NoError(t, err)
	require.Len(t, deleted.Runs, 1)
	require.Equal(t, modelregistry.RunFailed, deleted.Runs[0].Status)

	m, err := reg.Model(ctx, "fraud")
	require.NoError(t, err)
	require.Equal(t, "who pays", m.Description)
	require.Equal(t, "risk", m.Tags.Get("team"))
	require.Equal(t, map[string]int{"champion": 1}, m.Aliases)
	require.Equal(t, []int{1, 2}, m.Holders[modelregistry.Production])
	require.Equal(t, 5, m.Last)
	_, err = reg.Version(ctx, "fraud", 3)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	v, err := reg.Version(ctx, "fraud", 1)
	require.NoError(t, err)
	require.Equal(t, "the first", v.Description)
	require.Equal(t, run.ID, v.RunID)
	require.Equal(t, "b", v.Tags.Get("a"))
	weights, err := fs.ReadFile(reg.Files(ctx, v), "a b/ü")
	require.NoError(t, err)
	require.Equal(t, "weights", string(weights))
	v, err = reg.Version(ctx, "fraud", 4)
	require.NoError(t, err)
	require.Equal(t, modelregistry.Archived, v.Stage)
	weights, err = fs.ReadFile(reg.Files(ctx, v), "w")
	require.NoError(t, err)
	require.Equal(t, "4", string(weights))
	_, err = reg.Version(ctx, "plain", 1)
	require.NoError(t, err)
	require.NoError(t, registrytest.Check(ctx, reg))
}

func testImport(t *testing.T, c *mlflow.Client) {
	run, _ := furnish(t, c)
	reg := newRegistry(t)
	var last mlflow.ImportProgress
	report, err := mlflow.Import(t.Context(), c, reg, &mlflow.ImportOptions{Progress: func(p mlflow.ImportProgress) { last = p }})
	require.NoError(t, err)
	require.Empty(t, report.Left)
	require.Equal(t, last.Total, last.Done)
	require.Equal(t, mlflow.ImportCount{Taken: 5}, report.Versions)
	require.Equal(t, 2, report.Runs.Taken)
	imported(t, reg, run)

	// Again, it does nothing, and what was changed here stays.
	_, err = reg.Promote(t.Context(), "fraud", 4, modelregistry.Production, nil)
	require.NoError(t, err)
	_, err = reg.SetAlias(t.Context(), "fraud", "champion", 4, nil)
	require.NoError(t, err)
	before, err := reg.Model(t.Context(), "fraud")
	require.NoError(t, err)
	report, err = mlflow.Import(t.Context(), c, reg, nil)
	require.NoError(t, err)
	require.Empty(t, report.Left)
	require.Zero(t, report.Versions.Taken+report.Runs.Taken+report.Models.Taken+report.LoggedModels.Taken+report.Experiments.Taken)
	after, err := reg.Model(t.Context(), "fraud")
	require.NoError(t, err)
	require.Equal(t, before, after)

	// What is new is taken.
	_, err = c.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: fstest.MapFS{"w": {Data: []byte("6")}}, Aliases: []string{"newest"}})
	require.NoError(t, err)
	report, err = mlflow.Import(t.Context(), c, reg, &mlflow.ImportOptions{ModelsOnly: true, Models: []string{"fraud", "none"}})
	require.NoError(t, err)
	require.Equal(t, 1, report.Versions.Taken)
	require.Len(t, report.Left, 1)
	require.ErrorIs(t, report.Left[0].Err, modelregistry.ErrNotFound)
	v, err := reg.Resolve(t.Context(), "models:/fraud@newest")
	require.NoError(t, err)
	require.Equal(t, 6, v.Number)
}

func TestImportFromMLflow(t *testing.T) {
	testImport(t, newClient(t, mlflowtest.Server(t), &mlflow.ClientOptions{Workspace: mlflowtest.Workspace(t)}))
}

func TestImportFromHandler(t *testing.T) {
	srv := httptest.NewServer(mlflow.Handler(newRegistry(t), nil))
	t.Cleanup(srv.Close)
	testImport(t, newClient(t, srv.URL, nil))
}

// failing is a registry whose n-th change fails, as if the program were killed then.
type failing struct {
	modelregistry.Registry
	left int
	err  error
}

// An import that was interrupted anywhere goes on there, and ends with the same.
func TestImportGoesOn(t *testing.T) {
	srv := httptest.NewServer(mlflow.Handler(newRegistry(t), nil))
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL, nil)
	run, _ := furnish(t, c)
	reg := newRegistry(t)
	killed := errors.New("killed")
	for n := 1; ; n++ {
		require.Less(t, n, 200)
		_, err := mlflow.Import(t.Context(), c, &failing{reg, 1 + n/10, killed}, nil) // first at every change
		if err == nil {
			break
		}
		require.ErrorIs(t, err, killed)
	}
	imported(t, reg, run)
}

// What is somebody's own is left alone, and what cannot be read is told.
func TestImportLeaves(t *testing.T) {
	there := newRegistry(t)
	srv := httptest.NewServer(mlflow.Handler(there, nil))
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL, nil)
	for _, name := range []string{"mine", "foreign", "fine"} {
		_, err := c.Register(t.Context(), name, modelregistry.VersionSpec{Source: map[bool]string{true: "s3://bucket/" + strings.Repeat("x", 3)}[name == "foreign"]})
		require.NoError(t, err)
	}
	reg := newRegistry(t)
	_, err := reg.Register(t.Context(), "mine", modelregistry.VersionSpec{Metrics: map[string]float64{"m": math.Pi}})
	require.NoError(t, err)
	report, err := mlflow.Import(t.Context(), c, reg, nil)
	require.NoError(t, err)
	require.Len(t, report.Left, 2)
	require.Contains(t, report.Left[0].What, "foreign/1")
	require.ErrorIs(t, report.Left[0].Err, errors.ErrUnsupported)
	require.Equal(t, "model mine", report.Left[1].What)
	require.ErrorIs(t, report.Left[1].Err, modelregistry.ErrExists)
	report, err = mlflow.Import(t.Context(), c, reg, &mlflow.ImportOptions{WithoutFiles: true})
	require.NoError(t, err)
	v, err := reg.Version(t.Context(), "foreign", 1)
	require.NoError(t, err)
	require.Equal(t, "s3://bucket/xxx", v.Source)
	require.Equal(t, 1, report.Versions.Taken)
}

// A bucket that is gone keeps back what is in it, and nothing else.
func TestImportLeavesSourcesThatFail(t *testing.T) {
	there := newRegistry(t)
	srv := httptest.NewServer(mlflow.Handler(there, nil))
	t.Cleanup(srv.Close)
	gone := errors.New("no such bucket")
	for how, open := range map[string]func(context.Context, string) (fs.FS, io.Closer, error){
		"opening": func(context.Context, string) (fs.FS, io.Closer, error) { return nil, nil, gone },
		"reading": func(context.Context, string) (fs.FS, io.Closer, error) { return brokenFS{gone}, io.NopCloser(nil), nil },
	} {
		c := newClient(t, srv.URL, &mlflow.ClientOptions{Sources: []string{"s3://gone"}, OpenSource: open})
		if _, err := there.Model(t.Context(), "a"); err != nil {
			for _, name := range []string{"a", "b"} {
				_, err := c.Register(t.Context(), name, modelregistry.VersionSpec{Source: map[string]string{"a": "s3://gone/m"}[name]})
				require.NoError(t, err)
			}
		}
		reg := newRegistry(t)
		report, err := mlflow.Import(t.Context(), c, reg, nil)
		require.NoError(t, err, how)
		require.Len(t, report.Left, 1, how)
		require.Contains(t, report.Left[0].What, "a/1")
		require.ErrorIs(t, report.Left[0].Err, gone)
		_, err = reg.Version(t.Context(), "b", 1)
		require.NoError(t, err, how)
		report, err = mlflow.Import(t.Context(), c, reg, &mlflow.ImportOptions{WithoutFiles: true})
		require.NoError(t, err, how)
		require.Equal(t, 1, report.Versions.Taken, how)
	}
}

// brokenFS answers everything with an error.
type brokenFS struct{ err error }

func (b brokenFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: b.err}
}

package faulty_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/faulty"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// A world is a registry on a storage that fails by plan, and the same storage without faults.
type world struct {
	*testing.T
	plan   *faulty.Plan
	store  backend.Backend
	blobs  *blob.Store
	faulty modelregistry.Registry
	r      modelregistry.Registry // that does not fail

	mu     sync.Mutex
	passed time.Duration // that the clock is ahead
	hurry  time.Duration // that passes besides with each look at the clock

	models int // that were made so far
}

func newWorld(t *testing.T, kind string) *world {
	w := &world{T: t, plan: &faulty.Plan{}, store: stores.Fresh(t, kind)}
	var err error
	w.blobs, err = blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.blobs.Close()) })
	opts := &modelregistry.Options{Actor: "ada", Now: w.now}
	w.r, err = modelregistry.New(t.Context(), w.store, w.blobs, opts)
	require.NoError(t, err)
	w.faulty, err = modelregistry.New(t.Context(), w.plan.Backend(w.store), w.plan.Blobs(w.blobs), opts)
	require.NoError(t, err)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed += w.hurry
	return time.Now().Add(w.passed)
}

// hurries lets time run: who waits for the dead would take minutes.
func (w *world) hurries() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurry = 4 * time.Minute
}

func files(content string) fs.FS {
	return fstest.MapFS{"a": {Data: []byte(content)}, "b/c": {Data: []byte(content + content)}}
}

// An action is a call on a model, after setUp.
type action struct {
	name string
	do   func(ctx context.Context, r modelregistry.Registry, model string) error
}

// setUp makes a model with a history: 1 is archived, 2 in Production with an alias, 3 in Staging and requested for
// Production; and artifacts of it.
func (w *world) setUp(model string) {
	w.Helper()
	for i := range 3 {
		_, err := w.r.Register(w.Context(), model, modelregistry.VersionSpec{Bump: modelregistry.BumpMinor, Files: files(fmt.Sprint("setup", i))})
		require.NoError(w, err)
	}
	for _, number := range []int{1, 2} {
		_, err := w.r.Promote(w.Context(), model, number, modelregistry.Production, nil)
		require.NoError(w, err)
	}
	_, err := w.r.Promote(w.Context(), model, 3, modelregistry.Staging, nil)
	require.NoError(w, err)
	_, err = w.r.SetAlias(w.Context(), model, "champion", 2, nil)
	require.NoError(w, err)
	_, err = w.r.RequestTransition(w.Context(), model, 3, modelregistry.Production, modelregistry.RequestSpec{})
	require.NoError(w, err)
	require.NoError(w, w.r.LogArtifacts(w.Context(), model+"/run", files("left"), nil))
}

func version(model, number string) modelregistry.Node {
	return modelregistry.Node{Kind: modelregistry.ModelVersion, Name: model, Version: number}
}

func dataset(model string) modelregistry.Node {
	return modelregistry.Node{Kind: modelregistry.Dataset, Name: model, Path: "s3://data"}
}

var actions = []action{
	{"create", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.CreateModel(ctx, model+"-new", modelregistry.ModelSpec{Tags: map[string]string{"k": "v"}})
		return err
	}},
	{"register", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.Register(ctx, model, modelregistry.VersionSpec{Description: "d"})
		return err
	}},
	{"register with files and all else", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.Register(ctx, model, modelregistry.VersionSpec{
			Files: files("fresh"), Bump: modelregistry.BumpPatch, Aliases: []string{"champion", "blue"}, Tags: map[string]string{"k": "v"},
			Metrics: map[string]float64{"m": 1}, Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: dataset(model)}},
		})
		return err
	}},
	{"register in a new model", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.Register(ctx, model+"-new", modelregistry.VersionSpec{Files: files("setup1")})
		return err
	}},
	{"register artifacts", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.Register(ctx, model, modelregistry.VersionSpec{Artifacts: model + "/run"})
		return err
	}},
	{"put an artifact", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.PutArtifact(ctx, model+"/new/b/c", struct{ io.Reader }{strings.NewReader("put")})
		return err
	}},
	{"log artifacts", func(ctx context.Context, r modelregistry.Registry, model string) error {
		return r.LogArtifacts(ctx, model+"/run", files("logged"), nil)
	}},
	{"delete artifacts", func(ctx context.Context, r modelregistry.Registry, model string) error {
		return r.DeleteArtifacts(ctx, model+"/run/b/c")
	}},
	{"delete the last artifacts", func(ctx context.Context, r modelregistry.Registry, model string) error {
		return r.DeleteArtifacts(ctx, model+"/run")
	}},
	{"update model", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.UpdateModel(ctx, model, modelregistry.ModelPatch{SetTags: map[string]string{"k": "v"}})
		return err
	}},
	{"update version", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.UpdateVersion(ctx, model, 2, modelregistry.VersionPatch{SetTags: map[string]string{"k": "v"}})
		return err
	}},
	{"promote", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.Promote(ctx, model, 3, modelregistry.Production, nil)
		return err
	}},
	{"roll back", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.Rollback(ctx, model, modelregistry.Production, nil)
		return err
	}},
	{"request", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.RequestTransition(ctx, model, 1, modelregistry.Production, modelregistry.RequestSpec{})
		return err
	}},
	{"approve", func(ctx context.Context, r modelregistry.Registry, model string) error {
		for q, err := range r.Requests(ctx, modelregistry.RequestQuery{Model: model}) {
			if err != nil {
				return err
			}
			_, err = r.As("bob").Approve(ctx, q.ID, "fine")
			return err
		}
		return nil
	}},
	{"delete by rules", func(ctx context.Context, r modelregistry.Registry, model string) error {
		plan, err := r.PlanRetention(ctx, model, modelregistry.RetentionRules{KeepLast: 1})
		if err == nil {
			_, err = r.ApplyRetention(ctx, plan, nil)
		}
		return err
	}},
	{"set alias", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.SetAlias(ctx, model, "champion", 3, nil)
		return err
	}},
	{"delete alias", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.DeleteAlias(ctx, model, "champion", nil)
		return err
	}},
	{"delete version", func(ctx context.Context, r modelregistry.Registry, model string) error {
		return r.DeleteVersion(ctx, model, 2, &modelregistry.DeleteOptions{Force: true})
	}},
	{"delete model", func(ctx context.Context, r modelregistry.Registry, model string) error {
		return r.DeleteModel(ctx, model, &modelregistry.DeleteOptions{Force: true})
	}},
	{"rename", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.RenameModel(ctx, model, model+"-new", nil)
		return err
	}},
	{"copy", func(ctx context.Context, r modelregistry.Registry, model string) error {
		_, err := r.CopyVersion(ctx, "models:/"+model+"@champion", model+"-new", nil)
		return err
	}},
	{"link", func(ctx context.Context, r modelregistry.Registry, model string) error {
		return r.Link(ctx, nil,
			modelregistry.Edge{From: version(model, "2"), Type: "from", To: dataset(model)},
			modelregistry.Edge{From: dataset(model), Type: "from", To: version(model, "1")})
	}},
}

// Whatever step of a call fails, the call happened whole or not at all, and the registry works on.
func TestEveryStep(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			for _, a := range actions {
				t.Run(a.name, func(t *testing.T) {
					t.Parallel()
					newWorld(t, kind).failEveryStep(a)
				})
			}
		})
	}
}

func (w *world) failEveryStep(a action) {
	ctx := w.Context()
	w.setUp("whole")
	before := w.state("whole")
	w.plan.Arm(0, faulty.Before)
	require.NoError(w, a.do(ctx, w.faulty, "whole"))
	steps := w.plan.Steps()
	after := w.state("whole")
	require.NotEqual(w, before, after)
	commits := 0
	for n, step := range steps {
		if step == faulty.Commit {
			commits++
		}
		for _, mode := range faulty.Modes() {
			model := fmt.Sprintf("m%d-%d", n, mode)
			what := fmt.Sprintf("%s: %v step %d of %d, %s", a.name, mode, n+1, len(steps), step)
			w.setUp(model)
			w.plan.Arm(n+1, mode)
			err := a.do(ctx, w.faulty, model)
			failed := w.plan.Steps()
			w.plan.Arm(0, faulty.Before)
			state := w.state(model)
			if err == nil {
				require.Equal(w, after, state, "%s was acknowledged and did not happen", what)
			} else {
				require.ErrorIs(w, err, faulty.Err, what)
				var e *modelregistry.Error
				require.ErrorAs(w, err, &e, what)
				if state != before {
					require.Equal(w, after, state, "%s happened by half", what)
					require.Equal(w, faulty.Commit, failed[n], "%s: it happened, and failed for something else than a lost acknowledgement", what)
				}
			}
			if err := a.do(ctx, w.r, model); err != nil && state == before {
				w.Fatalf("%s: again, without a fault: %v", what, err)
			}
			w.worksOn(what, model)
		}
	}
	require.Positive(w, commits)
	w.cleansUp(a.name)
	require.NoError(w, registrytest.Check(ctx, w.r), a.name)
}

var varying = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*Z"|"(model_)?id":"[a-z0-9]{16}"`)

// state is all that has to do with a model, as it would be for a model of another name at another time.
func (w *world) state(model string) string {
	w.Helper()
	ctx := w.Context()
	var b strings.Builder
	for _, name := range []string{model, model + "-new"} {
		m, err := w.r.Model(ctx, name)
		if errors.Is(err, modelregistry.ErrNotFound) {
			continue
		}
		require.NoError(w, err)
		show(&b, m)
		for v, err := range w.r.Versions(ctx, modelregistry.Query{Filter: fmt.Sprintf("name = '%s'", name)}) {
			require.NoError(w, err)
			show(&b, v)
			g, err := w.r.Lineage(ctx, version(name, fmt.Sprint(v.Number)), nil)
			require.NoError(w, err)
			slices.SortFunc(g.Edges, func(a, b modelregistry.Edge) int { return strings.Compare(a.To.Name, b.To.Name) })
			show(&b, g.Edges)
		}
		for q, err := range w.r.Requests(ctx, modelregistry.RequestQuery{Model: name}) {
			require.NoError(w, err)
			fmt.Fprintln(&b, "request", q.Version, q.State, len(q.Votes))
		}
		for e, err := range w.r.Events(ctx, modelregistry.EventQuery{ModelID: m.ID}) {
			require.NoError(w, err)
			fmt.Fprintln(&b, e.Kind, e.Version, e.Alias)
		}
	}
	artifacts := w.r.Artifacts(ctx, model)
	require.NoError(w, fs.WalkDir(artifacts, ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			content, readErr := fs.ReadFile(artifacts, path)
			err = readErr
			fmt.Fprintln(&b, path, string(content))
		}
		return err
	}))
	return strings.ReplaceAll(varying.ReplaceAllString(b.String(), "…"), model, "model")
}

func show(b *strings.Builder, v any) {
	doc, err := json.Marshal(v)
	fmt.Fprintln(b, string(doc), err)
}

// worksOn proves that nothing of a model is broken, and that the next calls do what they should.
func (w *world) worksOn(what, model string) {
	w.Helper()
	ctx := w.Context()
	for _, name := range []string{model, model + "-new"} {
		require.NoError(w, registrytest.CheckModel(ctx, w.r, name), what)
	}
	last := 0
	if m, err := w.r.Model(ctx, model); err == nil {
		last = m.Last
	}
	v, err := w.r.Register(ctx, model, modelregistry.VersionSpec{Files: files("fresh"), Aliases: []string{"champion"}})
	require.NoError(w, err, what)
	require.Equal(w, last+1, v.Number, what)
	p, err := w.r.Promote(ctx, model, v.Number, modelregistry.Production, nil)
	require.NoError(w, err, what)
	require.LessOrEqual(w, len(p.Displaced), 1, what)
	for _, name := range []string{model, model + "-new"} {
		require.NoError(w, registrytest.CheckModel(ctx, w.r, name), what)
		if m, err := w.r.Model(ctx, name); err == nil {
			require.LessOrEqual(w, len(m.Holders[modelregistry.Production]), 1, what)
		}
	}
}

// cleansUp proves that what died holds nobody up once its time has passed, and that Sweep leaves nothing of it.
func (w *world) cleansUp(what string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	_, _, err := w.blobs.Put(ctx, strings.NewReader("nobody names this"))
	require.NoError(w, err)
	w.hurries()
	_, err = w.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.NoError(w, err, what)
	for _, table := range []string{"uploads", "condemned", "sweeps"} {
		rows, err := w.store.Find(ctx, backend.Query{Table: table})
		require.NoError(w, err)
		require.Empty(w, rows, "%s: rows of the dead in %s", what, table)
	}
	dry, err := w.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1, DryRun: true})
	require.NoError(w, err)
	require.Empty(w, dry.Removed, "%s: blobs of the dead", what)
}

package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// What the contract promises to backends, in bytes.
const (
	longestKeyPart = backend.MaxKeyPart
	longestValue   = backend.MaxValue
)

// A watched is a backend that looks whether the rows that the registry writes keep to the contract, and remembers how
// long the texts are that came into keys and unique indexes.
type watched struct {
	backend.Backend
	mu      sync.Mutex
	schema  backend.Schema
	longest map[string]int // by table and field
	broken  []string
}

func (b *watched) Declare(ctx context.Context, s backend.Schema) error {
	b.schema = s
	return b.Backend.Declare(ctx, s)
}

func (b *watched) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	return b.Backend.Update(ctx, locks, func(tx backend.Tx) error { return fn(watchedTx{tx, b}) })
}

type watchedTx struct {
	backend.Tx
	b *watched
}

func (tx watchedTx) Insert(table string, rows ...backend.Row) error {
	tx.b.look(table, rows)
	return tx.Tx.Insert(table, rows...)
}

func (tx watchedTx) Put(table string, rows ...backend.Row) error {
	tx.b.look(table, rows)
	return tx.Tx.Put(table, rows...)
}

func (tx watchedTx) Append(table string, rows ...backend.Row) (backend.Position, error) {
	tx.b.look(table, rows)
	return tx.Tx.Append(table, rows...)
}

// keyed calls fn for each text that is a key part or uniquely indexed, with its table and field.
func (b *watched) keyed(fn func(t *backend.Table, field string)) {
	for i := range b.schema.Tables {
		t := &b.schema.Tables[i]
		for _, f := range t.Key {
			if f.Kind == backend.String {
				fn(t, f.Name)
			}
		}
		for _, f := range t.Fields {
			for _, index := range t.Indexes {
				if index.Unique && f.Kind == backend.String && strings.Contains(strings.Join(index.Fields, " ")+" ", f.Name+" ") {
					fn(t, f.Name)
				}
			}
		}
	}
}

func (b *watched) look(table string, rows []backend.Row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	unique := map[string]bool{}
	b.keyed(func(t *backend.Table, field string) { unique[t.Name+"."+field] = true })
	text := func(field string, n int) {
		name := table + "." + field
		b.longest[name] = max(b.longest[name], n)
		limit := longestValue
		if unique[name] {
			limit = longestKeyPart
		}
		if n > limit {
			b.broken = append(b.broken, fmt.Sprintf("%s: %d bytes", name, n))
		}
	}
	for i := range b.schema.Tables {
		t := &b.schema.Tables[i]
		if t.Name != table {
			continue
		}
		for _, row := range rows {
			for i, part := range row.Key {
				if part.Kind() == backend.String {
					text(t.Key[i].Name, len(part.Str()))
				}
			}
			for name, value := range row.Fields {
				switch value := value.(type) {
				case backend.Value:
					text(name, len(value.Str()))
				case []string:
					for _, member := range value {
						text(name, len(member))
					}
				case map[string]backend.Value:
					for entry, v := range value {
						text(name, len(v.Str()))
						if len(entry) > longestKeyPart {
							b.broken = append(b.broken, fmt.Sprintf("name in %s.%s: %d bytes", table, name, len(entry)))
						}
					}
				}
			}
		}
	}
}

// Every text of a caller's that becomes part of a key or an index is tried at lengths around all limits, in letters of
// one, two and four bytes: each backend takes it or refuses it as the others do, none meets a fault, and none gets what
// the contract says it never will.
func TestWhatReachesKeysIsBoundedInBytes(t *testing.T) {
	type call struct {
		what string
		do   func(r modelregistry.Registry, text string) error
	}
	ctx := t.Context()
	dataset := func(name, version string) modelregistry.Node {
		return modelregistry.Node{Kind: modelregistry.Dataset, Name: name, Version: version}
	}
	register := func(r modelregistry.Registry, model string, spec modelregistry.VersionSpec) error {
		_, err := r.Register(ctx, model, spec)
		return err
	}
	link := func(r modelregistry.Registry, n modelregistry.Node) error {
		return r.Link(ctx, nil, modelregistry.Edge{From: dataset("down", ""), Type: modelregistry.TrainedOn, To: n})
	}
	run := func(r modelregistry.Registry, spec modelregistry.RunSpec, entries modelregistry.RunEntries) error {
		run, err := r.StartRun(ctx, spec)
		if err == nil {
			err = r.LogRun(ctx, run.ID, entries)
		}
		return err
	}
	serial := 0
	calls := []call{
		{"model", func(r modelregistry.Registry, s string) error { return register(r, s, modelregistry.VersionSpec{}) }},
		{"new name of a model", func(r modelregistry.Registry, s string) error {
			serial++
			name := fmt.Sprint("renamed ", serial)
			if err := register(r, name, modelregistry.VersionSpec{}); err != nil {
				return err
			}
			_, err := r.RenameModel(ctx, name, "n"+s, nil)
			return err
		}},
		{"alias", func(r modelregistry.Registry, s string) error { _, err := r.SetAlias(ctx, "m", s, 1, nil); return err }},
		{"semantic version", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Semver: "1.0.0-" + s})
		}},
		{"tag", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Tags: map[string]string{s: s}})
		}},
		{"param", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Params: map[string]string{s: s}})
		}},
		{"metric", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Metrics: map[string]float64{s: 1}})
		}},
		{"run of a version", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{RunID: s})
		}},
		{"source", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Source: s})
		}},
		{"file", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Files: fstest.MapFS{s: {Data: []byte("x")}}})
		}},
		{"artifact", func(r modelregistry.Registry, s string) error {
			return r.LogArtifacts(ctx, "a", fstest.MapFS{s: {Data: []byte("x")}}, nil)
		}},
		{"directory", func(r modelregistry.Registry, s string) error {
			return r.LogArtifacts(ctx, s, fstest.MapFS{"f": {Data: []byte("x")}}, nil)
		}},
		{"node", func(r modelregistry.Registry, s string) error { return link(r, dataset(s, "")) }},
		{"version of a node", func(r modelregistry.Registry, s string) error { return link(r, dataset("d", s)) }},
		{"node and version", func(r modelregistry.Registry, s string) error { return link(r, dataset(s, s)) }},
		{"kind of a node", func(r modelregistry.Registry, s string) error {
			return link(r, modelregistry.Node{Kind: modelregistry.NodeKind(s), Name: strings.Repeat("d", 475), Version: strings.Repeat("v", 475)})
		}},
		{"type of an edge", func(r modelregistry.Registry, s string) error {
			return r.Link(ctx, nil, modelregistry.Edge{From: dataset(strings.Repeat("f", 475), ""), Type: modelregistry.EdgeType(s), To: dataset(strings.Repeat("t", 475), "")})
		}},
		{"origin of a version", func(r modelregistry.Registry, s string) error {
			return register(r, "m", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: dataset(s, s)}}})
		}},
		{"endpoint", func(r modelregistry.Registry, s string) error {
			return r.RecordDeployment(ctx, "m", 1, modelregistry.Endpoint{Name: s, Target: s}, nil)
		}},
		{"test", func(r modelregistry.Registry, s string) error {
			return r.RecordOutcomes(ctx, s, s, []modelregistry.Tally{{Variant: s, Exposed: 1}})
		}},
		{"experiment", func(r modelregistry.Registry, s string) error {
			_, err := r.CreateExperiment(ctx, s, modelregistry.ExperimentSpec{})
			return err
		}},
		{"tag of an experiment", func(r modelregistry.Registry, s string) error {
			serial++
			_, err := r.CreateExperiment(ctx, fmt.Sprint("e", serial), modelregistry.ExperimentSpec{Tags: map[string]string{s: s}})
			return err
		}},
		{"run", func(r modelregistry.Registry, s string) error {
			return run(r, modelregistry.RunSpec{Name: s, User: s}, modelregistry.RunEntries{})
		}},
		{"entries of a run", func(r modelregistry.Registry, s string) error {
			return run(r, modelregistry.RunSpec{}, modelregistry.RunEntries{
				Params: map[string]string{s: s}, Tags: map[string]string{s: s}, Metrics: []modelregistry.MetricPoint{{Key: s, Value: 1}}})
		}},
		{"data of a run", func(r modelregistry.Registry, s string) error {
			return run(r, modelregistry.RunSpec{}, modelregistry.RunEntries{
				Inputs: []modelregistry.RunInput{{Dataset: &modelregistry.DatasetInput{Name: s, Digest: s, SourceType: s, Source: s}}}})
		}},
		{"logged model", func(r modelregistry.Registry, s string) error {
			_, err := r.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{Name: s, Type: s, Params: map[string]string{s: s}, Tags: map[string]string{s: s}})
			return err
		}},
		{"points of a logged model", func(r modelregistry.Registry, s string) error {
			m, err := r.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{})
			if err != nil {
				return err
			}
			return run(r, modelregistry.RunSpec{}, modelregistry.RunEntries{
				Metrics: []modelregistry.MetricPoint{{Key: s, Value: 1, ModelID: m.ID, DatasetName: s, DatasetDigest: s}}})
		}},
		{"webhook", func(r modelregistry.Registry, s string) error {
			_, err := r.CreateWebhook(ctx, modelregistry.WebhookSpec{Name: s, URL: "https://example.com", Events: []string{s}})
			return err
		}},
		{"actor", func(r modelregistry.Registry, s string) error {
			return register(r.As(s), "m", modelregistry.VersionSpec{})
		}},
		{"required gate", func(r modelregistry.Registry, s string) error {
			_, err := r.UpdateModel(ctx, "m", modelregistry.ModelPatch{Require: []modelregistry.Requirement{{Gate: s, Stage: modelregistry.Staging}}})
			return err
		}},
		{"request of an ID", func(r modelregistry.Registry, s string) error { _, err := r.Request(ctx, s); return err }},
		{"filter", func(r modelregistry.Registry, s string) error {
			for _, filter := range []string{"name = ", "tags.`" + s + "` = ", "alias = ", "run_id = ", "name LIKE "} {
				if _, err := r.SearchVersions(ctx, modelregistry.Query{Filter: filter + modelregistry.Quote(s)}); err != nil {
					return err
				}
			}
			return nil
		}},
	}
	var texts []string
	for _, letter := range []string{"x", "é", "𝒳"} {
		for _, n := range []int{65, 122, 250, 255, 256, 257, 300, 479, 480, 500, 958, 959, 1024, 1025, 5000} {
			texts = append(texts, strings.Repeat(letter, n))
		}
	}
	answers := map[string]string{} // of the first backend
	for _, kind := range stores.Kinds() {
		b := &watched{Backend: stores.Fresh(t, kind), longest: map[string]int{}}
		r, err := modelregistry.New(ctx, b, memBlobs(t), nil)
		require.NoError(t, err)
		require.NoError(t, register(r, "m", modelregistry.VersionSpec{}))
		for _, c := range calls {
			for _, s := range texts {
				what := fmt.Sprintf("%s of %d letters, %d bytes", c.what, len([]rune(s)), len(s))
				err := c.do(r, s)
				answer := "taken"
				switch {
				case errors.Is(err, modelregistry.ErrInvalid):
					answer = "refused"
				case errors.Is(err, modelregistry.ErrNotFound):
					answer = "not there"
				case err != nil:
					t.Errorf("%s: %s: a fault: %.300v", kind, what, err)
				}
				if first, ok := answers[what]; ok && first != answer {
					t.Errorf("%s: %s is %s, and %s by another backend", kind, what, answer, first)
				}
				answers[what] = answer
			}
		}
		require.Empty(t, b.broken, kind)
		// What has a key of callers' words was tried with long ones.
		short := map[string]string{
			"models.id": "made here", "chains.id": "a model's", "facts.model_id": "made here", "facts.kind": "one of five", "uploads.id": "made here",
			"condemned.digest": "a digest", "manifests.digest": "a digest", "manifest_parts.digest": "a digest", "sweeps.id": "made here",
			"self.name": "one word", "approvals.id": "made here", "versions.semver": "at most 128",
			"logged_models.id": "made here", "webhooks.id": "made here", "runs.id": "made here", "edges.type": "at most 64", "run_entries.run": "made here", "points.run": "made here", "points.value": "the bits of a number",
			"model_points.model": "made here", "model_points.run": "made here", "model_points.value": "the bits of a number", "model_points.data": "a hash",
		}
		b.keyed(func(table *backend.Table, field string) {
			name := table.Name + "." + field
			if _, ok := short[name]; !ok && b.longest[name] < 900 {
				t.Errorf("%s: no long text came into %s (%d bytes): try a call that writes it, or say why it is short", kind, name, b.longest[name])
			}
		})
	}
}

// What a model or a version gathers over many calls is bounded as what one call brings.
func TestWhatGathersIsBounded(t *testing.T) {
	ctx := t.Context()
	r, err := modelregistry.New(ctx, stores.Fresh(t, stores.Memory), nil, nil)
	require.NoError(t, err)
	many := func(from, n int) map[string]string {
		tags := map[string]string{}
		for i := range n {
			tags[fmt.Sprint("tag ", from+i)] = "x"
		}
		return tags
	}
	_, err = r.Register(ctx, "m", modelregistry.VersionSpec{Tags: many(0, 9000)})
	require.NoError(t, err)
	_, err = r.UpdateVersion(ctx, "m", 1, modelregistry.VersionPatch{SetTags: many(9000, 1000)})
	require.NoError(t, err)
	_, err = r.UpdateVersion(ctx, "m", 1, modelregistry.VersionPatch{SetTags: many(10_000, 1)})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, "10001 tags in all, at most 10000")
	_, err = r.UpdateVersion(ctx, "m", 1, modelregistry.VersionPatch{SetTags: many(10_000, 1), DeleteTags: []string{"tag 0"}})
	require.NoError(t, err)
	for i := range 3 {
		_, err = r.UpdateModel(ctx, "m", modelregistry.ModelPatch{SetTags: many(i*9000, 9000)})
		require.Equal(t, i > 0, errors.Is(err, modelregistry.ErrInvalid), err)
	}

	var aliases []string
	for i := range 1000 {
		aliases = append(aliases, fmt.Sprint("alias", i))
	}
	_, err = r.Register(ctx, "m", modelregistry.VersionSpec{Aliases: aliases})
	require.NoError(t, err)
	_, err = r.SetAlias(ctx, "m", "another", 1, nil)
	require.ErrorIs(t, err, modelregistry.ErrConflict)
	require.ErrorContains(t, err, "1000 aliases")
	_, err = r.SetAlias(ctx, "m", "alias0", 1, nil)
	require.NoError(t, err)
	_, err = r.DeleteAlias(ctx, "m", "alias1", nil)
	require.NoError(t, err)
	_, err = r.SetAlias(ctx, "m", "another", 1, nil)
	require.NoError(t, err)

	// Of params there can be as many as one document holds.
	params := map[string]string{}
	for i := range 200 {
		params[fmt.Sprint("p", i)] = strings.Repeat("x", 6000)
	}
	_, err = r.Register(ctx, "m", modelregistry.VersionSpec{Params: params})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, "in all, at most")
}

package modelregistry_test

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"database/sql"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// lockCounter is a backend that remembers the most locks that an Update took, and how many Updates there were.
type lockCounter struct {
	backend.Backend
	most, updates atomic.Int64
}

func (b *lockCounter) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	b.updates.Add(1)
	b.most.Store(max(b.most.Load(), int64(len(locks))))
	return b.Backend.Update(ctx, locks, fn)
}

// However many names a call has, it takes a bounded number of locks; and for names that it made up none.
func TestLocksOfACallAreBounded(t *testing.T) {
	const most = 400 // of the 6,400 that a Postgres has room for by default
	ctx := t.Context()
	b := &lockCounter{Backend: memory.New()}
	r, err := modelregistry.New(ctx, b, nil, nil)
	require.NoError(t, err)
	run, err := r.StartRun(ctx, modelregistry.RunSpec{})
	require.NoError(t, err)

	var madeUp, real []modelregistry.MetricPoint
	var inputs []modelregistry.RunInput
	var edges, edgesMadeUp []modelregistry.Edge
	var origins []modelregistry.Origin
	for i := range 1000 {
		m, err := r.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{RunID: run.ID})
		require.NoError(t, err)
		madeUp = append(madeUp, modelregistry.MetricPoint{Key: "loss", ModelID: fmt.Sprintf("m-%032x", i)})
		real = append(real, modelregistry.MetricPoint{Key: "loss", ModelID: m.ID})
		inputs = append(inputs, modelregistry.RunInput{Dataset: &modelregistry.DatasetInput{Name: fmt.Sprint("d", i), Digest: "1", Source: "s3://d"}})
		v, err := r.Register(ctx, fmt.Sprint("model", i), modelregistry.VersionSpec{})
		require.NoError(t, err)
		node := modelregistry.DatasetNode(fmt.Sprint("d", i), "1", "s3://d", nil)
		edges = append(edges, modelregistry.Edge{From: v.Node(), Type: modelregistry.TrainedOn, To: node})
		edgesMadeUp = append(edgesMadeUp, modelregistry.Edge{
			From: modelregistry.Node{Kind: modelregistry.ModelVersion, Name: fmt.Sprint("none", i), Version: "1"}, Type: modelregistry.TrainedOn, To: node,
		})
		origins = append(origins, modelregistry.Origin{Type: modelregistry.TrainedOn, Node: node})
	}
	for name, call := range map[string]func() error{
		"points":  func() error { return r.LogRun(ctx, run.ID, modelregistry.RunEntries{Metrics: real}) },
		"inputs":  func() error { return r.LogRun(ctx, run.ID, modelregistry.RunEntries{Inputs: inputs}) },
		"edges":   func() error { return r.Link(ctx, nil, edges...) },
		"origins": func() error { _, err := r.Register(ctx, "m", modelregistry.VersionSpec{Lineage: origins}); return err },
	} {
		b.most.Store(0)
		require.NoError(t, call(), name)
		require.LessOrEqual(t, b.most.Load(), int64(most), name)
	}
	for name, call := range map[string]func() error{
		"points": func() error { return r.LogRun(ctx, run.ID, modelregistry.RunEntries{Metrics: madeUp}) },
		"edges":  func() error { return r.Link(ctx, nil, edgesMadeUp...) },
	} {
		b.updates.Store(0)
		require.ErrorIs(t, call(), modelregistry.ErrNotFound, name)
		require.Zero(t, b.updates.Load(), name)
	}
}

// held is a backend that holds Updates up between what they do and their commit.
type held struct {
	backend.Backend
	written, commit chan struct{}
}

func (b *held) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	return b.Backend.Update(ctx, locks, func(tx backend.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		b.written <- struct{}{}
		<-b.commit
		return nil
	})
}

// Of a node, one change says where it is and another what it is like, at the same time: both hold.
func TestNothingThatIsSaidOfANodeIsLost(t *testing.T) {
	ctx := t.Context()
	u, err := url.Parse(pgtest.DSN(t))
	require.NoError(t, err)
	q := u.Query()
	q.Set("application_name", "says_half")
	u.RawQuery = q.Encode()
	b, err := postgres.Open(ctx, u.String(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	raw, err := sql.Open("postgres", u.String())
	require.NoError(t, err)
	defer func() { require.NoError(t, raw.Close()) }()
	quick, err := modelregistry.New(ctx, b, nil, nil)
	require.NoError(t, err)
	run, err := quick.StartRun(ctx, modelregistry.RunSpec{})
	require.NoError(t, err)
	_, err = quick.Register(ctx, "deployed", modelregistry.VersionSpec{})
	require.NoError(t, err)

	const path = "s3://half"
	attributes := map[string]string{"rows": "150"}
	dataset := func(name string) modelregistry.Node { return modelregistry.DatasetNode(name, "1", path, nil) }
	for name, c := range map[string]struct {
		node modelregistry.Node
		say  func(r modelregistry.Registry, n modelregistry.Node) error // where it is
	}{
		"register": {dataset("registered"), func(r modelregistry.Registry, n modelregistry.Node) error {
			_, err := r.Register(ctx, "one", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: n}}})
			return err
		}},
		"register a copy": {dataset("copied"), func(r modelregistry.Registry, n modelregistry.Node) error {
			_, err := r.Register(ctx, "copy", modelregistry.VersionSpec{
				CopyOf: "models:/deployed/1", Lineage: []modelregistry.Origin{{Type: modelregistry.EvaluatedOn, Node: n}},
			})
			return err
		}},
		"link": {dataset("linked"), func(r modelregistry.Registry, n modelregistry.Node) error {
			return r.Link(ctx, nil, modelregistry.Edge{From: n, Type: modelregistry.DerivedFrom, To: modelregistry.DatasetNode("raw", "", "", nil)})
		}},
		"log an input": {dataset("logged"), func(r modelregistry.Registry, n modelregistry.Node) error {
			return r.LogRun(ctx, run.ID, modelregistry.RunEntries{Inputs: []modelregistry.RunInput{
				{Dataset: &modelregistry.DatasetInput{Name: n.Name, Digest: n.Version, Source: n.Path}},
			}})
		}},
		"deploy": {modelregistry.Endpoint{Name: "api", URL: path}.Node(), func(r modelregistry.Registry, n modelregistry.Node) error {
			return r.RecordDeployment(ctx, "deployed", 1, modelregistry.Endpoint{Name: n.Name, URL: n.Path, Traffic: 100}, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			slow := &held{Backend: b, written: make(chan struct{}), commit: make(chan struct{})}
			late, err := modelregistry.New(ctx, slow, nil, nil)
			require.NoError(t, err)
			errs := make(chan error, 2)
			go func() { errs <- c.say(late, c.node) }()
			<-slow.written
			half := c.node
			half.Path, half.Attributes = "", modelregistry.MapOf(attributes)
			go func() {
				_, err := quick.Register(ctx, "other", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: half}}})
				errs <- err
			}()
			require.Eventually(t, func() bool { // it waits: for a lock before it reads, or else for the row that it read before
				var waiting int
				require.NoError(t, raw.QueryRow(`SELECT count(*) FROM pg_stat_activity
					WHERE application_name = 'says_half' AND wait_event_type = 'Lock'`).Scan(&waiting))
				return waiting > 0
			}, 20*time.Second, 5*time.Millisecond)
			close(slow.commit)
			require.NoError(t, <-errs)
			require.NoError(t, <-errs)
			g, err := quick.Lineage(ctx, c.node, nil)
			require.NoError(t, err)
			require.Equal(t, path, g.Root.Path)
			require.Equal(t, "150", g.Root.Attributes.Get("rows"))
		})
	}
}

package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// A question about a lineage of 10,000 nodes in 20 levels costs a statement a level and few besides.
func TestLineageBudgets(t *testing.T) { onCountedRegistries(t, lineageBudgets) }

func lineageBudgets(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
	const levels, width = 20, 500
	ctx := t.Context()
	for range 50 { // of two models, so that names have to be looked up
		_, err := r.Register(ctx, "base", modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	deployed, err := r.Register(ctx, "deployed", modelregistry.VersionSpec{})
	require.NoError(t, err)
	_, err = r.Promote(ctx, "deployed", 1, modelregistry.Production, nil)
	require.NoError(t, err)
	node := func(level, i int) modelregistry.Node {
		switch {
		case level == levels-1 && i == 0:
			return deployed.Node()
		case level == levels-2 && i < 50:
			return modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "base", Version: fmt.Sprint(i + 1)}
		case level == 0:
			return modelregistry.DatasetNode("raw", fmt.Sprint(i), fmt.Sprintf("s3://raw/%d", i), nil)
		}
		return modelregistry.DatasetNode(fmt.Sprintf("d%02d", level), fmt.Sprint(i), "", nil)
	}
	for level := 1; level < levels; level++ {
		edges := make([]modelregistry.Edge, width)
		for i := range edges {
			edges[i] = modelregistry.Edge{From: node(level, i), Type: modelregistry.DerivedFrom, To: node(level-1, i)}
		}
		// All nodes of a level come from the first and the last of the one before, so that each question meets all 10,000.
		for i := 1; i < width; i++ {
			edges = append(edges, modelregistry.Edge{From: node(level, i), Type: modelregistry.DerivedFrom, To: node(level-1, 0)})
		}
		if level == levels-1 {
			for i := 1; i < width; i++ {
				edges = append(edges, modelregistry.Edge{From: node(level, 0), Type: modelregistry.DerivedFrom, To: node(level-1, i)})
			}
		}
		require.NoError(t, r.Link(ctx, nil, edges...))
	}
	for _, c := range []struct {
		name  string
		nodes int
		node  modelregistry.Node
		opts  modelregistry.LineageOptions
	}{
		{"up from a version", (levels-1)*width + 1, deployed.Node(), modelregistry.LineageOptions{DownDepth: -1}},
		{"down from data", (levels-1)*width + 1, node(0, 0), modelregistry.LineageOptions{UpDepth: -1}},
		{"up and down from the middle", 2*width + 1, node(levels/2, 7), modelregistry.LineageOptions{}},
		{"all of it, and who is in Production", levels * width, modelregistry.Node{Kind: modelregistry.Dataset, Name: "raw"},
			modelregistry.LineageOptions{AnyVersion: true, UpDepth: -1, Stages: []modelregistry.Stage{modelregistry.Production}}},
	} {
		count.Take()
		g, err := r.Lineage(ctx, c.node, &c.opts)
		require.NoError(t, err, c.name)
		texts := count.Take()
		t.Logf("%s: %d nodes, %d edges, %d statements", c.name, len(g.Nodes), len(g.Edges), len(texts))
		require.LessOrEqual(t, len(texts), 25, "%s:\n%s", c.name, strings.Join(texts, "\n"))
		if c.name != "up and down from the middle" {
			require.Len(t, g.Nodes, c.nodes, c.name)
		}
		require.False(t, g.Truncated, c.name)
	}
}

func TestDigestDataset(t *testing.T) {
	files := fstest.MapFS{"a/train.csv": {Data: []byte("1,2\n")}, "test.csv": {Data: []byte("3,4,5\n")}}
	n, err := modelregistry.DigestDataset(t.Context(), "iris", "s3://data/iris", files)
	require.NoError(t, err)
	require.Equal(t, "bytes=10 files=2", n.Attributes.String())

	r, err := modelregistry.New(t.Context(), memory.New(), memBlobs(t), nil)
	require.NoError(t, err)
	v, err := r.Register(t.Context(), "m", modelregistry.VersionSpec{Files: files})
	require.NoError(t, err)
	require.Equal(t, v.Digest, n.Version, "the digest is formed as a version's")

	files["test.csv"].Data = []byte("3,4,6\n")
	changed, err := modelregistry.DigestDataset(t.Context(), "iris", "", files)
	require.NoError(t, err)
	require.NotEqual(t, n.Version, changed.Version)

	_, err = modelregistry.DigestDataset(t.Context(), "iris", "", fstest.MapFS{})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = modelregistry.DigestDataset(t.Context(), " ", "", files)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = modelregistry.DigestDataset(ended, "iris", "", files)
	require.ErrorIs(t, err, context.Canceled)
}

func ExampleImpactOf() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	data := modelregistry.DatasetNode("transactions", "2023-06", "s3://ml-data/train_v2023-06.parquet", nil)
	steps := []func() error{
		func() error {
			_, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: data}}})
			return err
		},
		func() error {
			parent := modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "fraud", Version: "1"}
			_, err := reg.Register(ctx, "fraud-eu", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.FineTunedFrom, Node: parent}}})
			return err
		},
		func() error {
			_, err := reg.Promote(ctx, "fraud-eu", 1, modelregistry.Production, nil)
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			log.Fatal(err)
		}
	}

	// Which production models used the data set, in whatever state?
	impact, err := modelregistry.ImpactOf(ctx, reg, modelregistry.DatasetNode("transactions", "", "", nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	for i, v := range impact.Versions {
		fmt.Println(v.Ref())
		for _, e := range impact.Paths[i] {
			fmt.Printf("  %s %s\n", e.Type, e.To)
		}
	}
	// Output:
	// fraud-eu/1
	//   fine-tuned-from version fraud/1
	//   trained-on dataset transactions/2023-06
}

func ExamplePathBetween() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	data := modelregistry.DatasetNode("iris", "3", "", nil)
	script := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "train.go", Version: "def456"}
	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.ProducedBy, Node: script}}})
	if err != nil {
		log.Fatal(err)
	}
	if err := reg.Link(ctx, nil, modelregistry.Edge{From: script, Type: modelregistry.TrainedOn, To: data}); err != nil {
		log.Fatal(err)
	}
	path, err := modelregistry.PathBetween(ctx, reg, data, v.Node(), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range path {
		fmt.Println(e.From, e.Type, e.To)
	}
	_, err = modelregistry.PathBetween(ctx, reg, data, modelregistry.DatasetNode("wine", "", "", nil), nil)
	fmt.Println(errors.Is(err, modelregistry.ErrNotFound), err)
	// Output:
	// version IrisClassifier/1 produced-by code train.go/def456
	// code train.go/def456 trained-on dataset iris/3
	// true PathBetween wine: node "dataset wine": not found
}

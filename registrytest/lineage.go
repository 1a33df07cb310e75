package registrytest

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

var lineagePromises = []promise{
	{"Lineage goes up to origins and down to descendants", lineageWalk},
	{"depth and size limits cut off, and say so", lineageLimits},
	{"an edge that closes a cycle is refused, with all that came with it", lineageCycles},
	{"an edge does not end in a version that never was", lineageMissing},
	{"versions keep their lineage when their model is renamed, deleted or made anew", lineageRenamed},
	{"what is known of a node is what was said last", lineageFacts},
	{"any kind of node and edge can be recorded", lineageKinds},
	{"an edge is there once", lineageTwice},
	{"a name without a version stands for all its versions", lineageAnyVersion},
	{"ImpactOf finds who came from a node and holds a stage now", lineageImpact},
	{"the holders in a graph are of its models, not of others by their names", lineageHolders},
	{"PathBetween goes from the descendant to the origin, whichever is named first", lineagePath},
}

func dataset(name string) modelregistry.Node {
	return modelregistry.Node{Kind: modelregistry.Dataset, Name: name}
}

func version(model string, number int) modelregistry.Node {
	return modelregistry.Node{Kind: modelregistry.ModelVersion, Name: model, Version: strconv.Itoa(number)}
}

func edge(from modelregistry.Node, t modelregistry.EdgeType, to modelregistry.Node) modelregistry.Edge {
	return modelregistry.Edge{From: from, Type: t, To: to}
}

func (s *trial) lineage(n modelregistry.Node, opts *modelregistry.LineageOptions) *modelregistry.Graph {
	s.Helper()
	g, err := s.r.Lineage(s.ctx, n, opts)
	s.ok(err)
	return g
}

// nodes are the names of a graph's nodes, sorted.
func nodes(g *modelregistry.Graph) string {
	var names []string
	for _, n := range g.Nodes {
		name := n.Name
		if n.Version != "" {
			name += "/" + n.Version
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return fmt.Sprint(names)
}

func lineageWalk(s *trial) {
	base := s.add("base", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{
		{Type: modelregistry.TrainedOn, Node: modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "3", Path: "s3://d/iris"}},
		{Type: modelregistry.ProducedBy, Node: modelregistry.Node{Kind: modelregistry.TrainingRun, Name: "run-1"}},
	}})
	s.add("fraud", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.FineTunedFrom, Node: version("base", base.Number)}}})
	s.ok(s.r.Link(s.ctx, nil,
		edge(modelregistry.Node{Kind: modelregistry.Deployment, Name: "eu"}, modelregistry.Serves, version("fraud", 1)),
		edge(modelregistry.Node{Kind: modelregistry.TrainingRun, Name: "run-1"}, "ran", modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "repo", Version: "abc"}),
	))
	s.ok(s.r.Link(s.ctx, nil, edge(version("base", 1), modelregistry.EvaluatedOn, dataset("holdout"))))
	up, down := &modelregistry.LineageOptions{DownDepth: -1}, &modelregistry.LineageOptions{UpDepth: -1}
	for _, c := range []struct {
		node modelregistry.Node
		opts *modelregistry.LineageOptions
		want string
	}{
		{version("fraud", 1), nil, "[base/1 eu fraud/1 holdout iris/3 repo/abc run-1]"},
		{version("fraud", 1), up, "[base/1 fraud/1 holdout iris/3 repo/abc run-1]"},
		{version("fraud", 1), down, "[eu fraud/1]"},
		{version("base", 1), down, "[base/1 eu fraud/1]"},
		{modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "3"}, nil, "[base/1 eu fraud/1 iris/3]"},
		{modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "repo", Version: "abc"}, nil, "[base/1 eu fraud/1 repo/abc run-1]"},
		{modelregistry.Node{Kind: modelregistry.Deployment, Name: "eu"}, up, "[base/1 eu fraud/1 holdout iris/3 repo/abc run-1]"},
	} {
		g := s.lineage(c.node, c.opts)
		equal(s, "lineage of "+c.node.Name, nodes(g), c.want)
		equal(s, "root", g.Root.Name, c.node.Name)
		equal(s, "first node", text(g.Nodes[0]), text(g.Root))
		equal(s, "truncated", g.Truncated, false)
	}
	g := s.lineage(version("base", 1), up)
	equal(s, "edges", len(g.Edges), 4)
	i := slices.IndexFunc(g.Edges, func(e modelregistry.Edge) bool { return e.To.Name == "iris" })
	equal(s, "edge", text(g.Edges[i]), text(edge(version("base", 1), modelregistry.TrainedOn,
		modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "3", Path: "s3://d/iris"})))
	_, err := s.r.Lineage(s.ctx, dataset("none"), nil)
	s.fails(err, modelregistry.ErrNotFound, `"dataset none"`)
	equal(s, "a version without lineage", nodes(s.lineage(version("alone", s.register("alone", 1).Number), nil)), "[alone/1]")
}

func lineageLimits(s *trial) {
	var edges []modelregistry.Edge
	for i := range 30 {
		edges = append(edges, edge(dataset(fmt.Sprintf("d%02d", i)), "from", dataset(fmt.Sprintf("d%02d", i+1))))
	}
	for i := range 50 {
		edges = append(edges, edge(dataset("wide"), "from", dataset(fmt.Sprintf("w%02d", i))))
	}
	s.ok(s.r.Link(s.ctx, nil, edges...))
	for _, c := range []struct {
		node      string
		opts      modelregistry.LineageOptions
		nodes     int
		truncated bool
	}{
		{"d00", modelregistry.LineageOptions{}, 21, true},
		{"d00", modelregistry.LineageOptions{UpDepth: 30}, 31, false},
		{"d00", modelregistry.LineageOptions{UpDepth: 3}, 4, true},
		{"d15", modelregistry.LineageOptions{UpDepth: 2, DownDepth: 3}, 6, true},
		{"d15", modelregistry.LineageOptions{UpDepth: -1, DownDepth: -1}, 1, false},
		{"d15", modelregistry.LineageOptions{MaxNodes: 5}, 5, true},
		{"wide", modelregistry.LineageOptions{}, 51, false},
		{"wide", modelregistry.LineageOptions{MaxNodes: 51}, 51, false},
		{"wide", modelregistry.LineageOptions{MaxNodes: 20}, 20, true},
		{"wide", modelregistry.LineageOptions{MaxNodes: math.MaxInt}, 51, false},
		{"wide", modelregistry.LineageOptions{MaxNodes: math.MaxInt/10 + 1, UpDepth: math.MaxInt, DownDepth: math.MaxInt}, 51, false},
	} {
		g := s.lineage(dataset(c.node), &c.opts)
		equal(s, fmt.Sprintf("nodes of %s with %+v", c.node, c.opts), len(g.Nodes), c.nodes)
		equal(s, fmt.Sprintf("truncated, %s with %+v", c.node, c.opts), g.Truncated, c.truncated)
		for _, e := range g.Edges {
			for _, n := range []modelregistry.Node{e.From, e.To} {
				if !slices.ContainsFunc(g.Nodes, func(m modelregistry.Node) bool { return m.Name == n.Name }) {
					s.Fatalf("edge %s leads to a node that is not in the graph", text(e))
				}
			}
		}
	}
	_, err := s.r.Lineage(s.ctx, dataset("wide"), &modelregistry.LineageOptions{MaxNodes: -1})
	s.fails(err, modelregistry.ErrInvalid, "-1")
}

func lineageCycles(s *trial) {
	s.register("m", 2)
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("a"), "from", dataset("b")), edge(dataset("b"), "from", dataset("c"))))
	s.ok(s.r.Link(s.ctx, nil, edge(version("m", 1), "from", dataset("a"))))
	before, graph := s.state(), text(s.lineage(dataset("b"), nil))
	for _, edges := range [][]modelregistry.Edge{
		{edge(dataset("a"), "from", dataset("a"))},
		{edge(dataset("c"), "from", dataset("a"))},
		{edge(dataset("c"), "other-type", dataset("b"))},
		{edge(dataset("x"), "from", dataset("y")), edge(dataset("y"), "from", dataset("x"))},
		{edge(dataset("new"), "from", dataset("c")), edge(dataset("c"), "from", version("m", 1))},
		{edge(version("m", 1), "from", version("m", 1))},
	} {
		s.fails(s.r.Link(s.ctx, nil, edges...), modelregistry.ErrInvalid, "cycle")
	}
	s.unchanged(before)
	equal(s, "graph", text(s.lineage(dataset("b"), nil)), graph)
	_, err := s.r.Lineage(s.ctx, dataset("new"), nil)
	s.fails(err, modelregistry.ErrNotFound, "new")
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("a"), "from", dataset("c")), edge(version("m", 2), "from", version("m", 1)))) // a diamond is none
}

func lineageMissing(s *trial) {
	s.register("m", 1)
	before := s.state()
	for _, n := range []modelregistry.Node{version("m", 2), version("none", 1)} {
		s.fails(s.r.Link(s.ctx, nil, edge(dataset("d"), "from", n)), modelregistry.ErrNotFound, n.Name)
		s.fails(s.r.Link(s.ctx, nil, edge(n, "from", dataset("d"))), modelregistry.ErrNotFound, n.Name)
		_, err := s.r.Register(s.ctx, "m", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: "from", Node: n}}})
		s.fails(err, modelregistry.ErrNotFound, n.Name)
		_, err = s.r.Lineage(s.ctx, n, nil)
		s.fails(err, modelregistry.ErrNotFound, n.Name)
	}
	s.unchanged(before)
}

func lineageRenamed(s *trial) {
	s.add("old", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: dataset("d")}}})
	s.add("other", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.DerivedFrom, Node: version("old", 1)}}})
	_, err := s.r.RenameModel(s.ctx, "old", "new", nil)
	s.ok(err)
	equal(s, "lineage by the new name", nodes(s.lineage(version("new", 1), nil)), "[d new/1 other/1]")
	equal(s, "lineage of the data", nodes(s.lineage(dataset("d"), nil)), "[d new/1 other/1]")
	s.register("old", 1)
	equal(s, "lineage of another model by the old name", nodes(s.lineage(version("old", 1), nil)), "[old/1]")
	s.ok(s.r.DeleteModel(s.ctx, "new", nil))
	equal(s, "lineage through a deleted model", nodes(s.lineage(version("other", 1), nil)), "[d new/1 other/1]")
	s.register("new", 1)
	equal(s, "lineage of a model made anew", nodes(s.lineage(version("new", 1), nil)), "[new/1]")
	s.ok(s.r.DeleteVersion(s.ctx, "other", 1, nil))
	equal(s, "lineage of a deleted version", nodes(s.lineage(version("other", 1), nil)), "[d new/1 other/1]")
}

func lineageFacts(s *trial) {
	d := modelregistry.Node{Kind: modelregistry.Dataset, Name: "d", Version: "1", Path: "s3://old", Attributes: modelregistry.MapOf(map[string]string{"rows": "150"})}
	plain := modelregistry.Node{Kind: modelregistry.Dataset, Name: "d", Version: "1"}
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("x"), "from", d)))
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("y"), "from", plain))) // says nothing more
	equal(s, "node", text(s.lineage(plain, nil).Root), text(d))
	moved := plain
	moved.Path, d.Path = "s3://new", "s3://new"
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("z"), "from", moved))) // says nothing of attributes
	equal(s, "node", text(s.lineage(plain, nil).Root), text(d))
	counted := plain
	d.Attributes = modelregistry.MapOf(map[string]string{"rows": "151"})
	counted.Attributes = d.Attributes
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("w"), "from", counted))) // says nothing of the path
	equal(s, "node", text(s.lineage(plain, nil).Root), text(d))
	equal(s, "another version is another node", nodes(s.lineage(dataset("x"), nil)), "[d/1 x]")
}

func lineageKinds(s *trial) {
	odd := modelregistry.Node{Kind: "notebook", Name: "a b/ünï:code", Version: "v 1 ✓"}
	s.ok(s.r.Link(s.ctx, nil, edge(odd, "looked-at", dataset("d"))))
	g := s.lineage(odd, nil)
	equal(s, "edges", text(g.Edges), text([]modelregistry.Edge{edge(odd, "looked-at", dataset("d"))}))
}

func lineageTwice(s *trial) {
	e := edge(dataset("a"), "from", dataset("b"))
	s.ok(s.r.Link(s.ctx, nil, e, e))
	s.ok(s.r.Link(s.ctx, nil, e))
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("a"), "of", dataset("b"))))
	equal(s, "edges", len(s.lineage(dataset("a"), nil).Edges), 2)
	equal(s, "events", kinds(s.events(modelregistry.EventQuery{})), "lineage.linked lineage.linked")
}

func release(name, version string) modelregistry.Node {
	return modelregistry.DatasetNode(name, version, "", nil)
}

func lineageAnyVersion(s *trial) {
	s.ok(s.r.Link(s.ctx, nil, edge(release("iris", "1"), "from", dataset("raw")), edge(release("iris", "2"), "from", release("iris", "1")),
		edge(dataset("x"), "from", release("iris", "2")), edge(dataset("iris-like"), "from", dataset("raw")), edge(dataset("y"), "from", release("iris-like", "1"))))
	every, up, down := modelregistry.LineageOptions{AnyVersion: true}, modelregistry.LineageOptions{AnyVersion: true, DownDepth: -1}, modelregistry.LineageOptions{AnyVersion: true, UpDepth: -1}
	g := s.lineage(dataset("iris"), &every)
	equal(s, "root", text(g.Root), text(dataset("iris")))
	equal(s, "both", nodes(g), "[iris/1 iris/2 raw x]")
	equal(s, "first nodes", text(g.Nodes[:2]), text([]modelregistry.Node{release("iris", "1"), release("iris", "2")}))
	equal(s, "up", nodes(s.lineage(dataset("iris"), &up)), "[iris/1 iris/2 raw]")
	equal(s, "down", nodes(s.lineage(dataset("iris"), &down)), "[iris/1 iris/2 x]")
	equal(s, "a version that is named", nodes(s.lineage(release("iris", "2"), &down)), "[iris/2 x]")
	g = s.lineage(dataset("iris"), &modelregistry.LineageOptions{AnyVersion: true, MaxNodes: 1})
	equal(s, "limited", nodes(g), "[iris/1]")
	equal(s, "truncated", g.Truncated, true)
	_, err := s.r.Lineage(s.ctx, dataset("iris"), nil)
	s.fails(err, modelregistry.ErrNotFound, `"dataset iris"`)
	_, err = s.r.Lineage(s.ctx, dataset("iri"), &every)
	s.fails(err, modelregistry.ErrNotFound, `"dataset iri"`)
	s.add("m", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: release("iris", "1")}}})
	s.add("m", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: release("iris", "2")}}})
	equal(s, "all versions of a model", nodes(s.lineage(modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "m"}, &up)), "[iris/1 iris/2 m/1 m/2 raw]")
	_, err = s.r.Lineage(s.ctx, modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "none"}, &every)
	s.fails(err, modelregistry.ErrNotFound, "none")
}

func lineageImpact(s *trial) {
	from := func(t modelregistry.EdgeType, n modelregistry.Node) modelregistry.VersionSpec {
		return modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: t, Node: n}}}
	}
	s.add("base", from(modelregistry.TrainedOn, release("iris", "1")))
	s.add("tuned", from(modelregistry.FineTunedFrom, version("base", 1)))
	s.add("tuned", from(modelregistry.TrainedOn, release("iris", "2")))
	s.add("other", from(modelregistry.TrainedOn, dataset("wine")))
	impact := func(n modelregistry.Node, stages ...modelregistry.Stage) string {
		s.Helper()
		i, err := modelregistry.ImpactOf(s.ctx, s.r, n, &modelregistry.LineageOptions{Stages: stages})
		s.ok(err)
		var out []string
		for k, v := range i.Versions {
			out = append(out, fmt.Sprintf("%s in %d", v.Ref(), len(i.Paths[k])))
		}
		return fmt.Sprint(out)
	}
	equal(s, "before anything is promoted", impact(dataset("iris")), "[]")
	s.promote("tuned", 1, modelregistry.Production)
	s.promote("base", 1, modelregistry.Staging)
	s.promote("other", 1, modelregistry.Production)
	equal(s, "any state of the data", impact(dataset("iris")), "[tuned/1 in 2]")
	equal(s, "the first", impact(release("iris", "1")), "[tuned/1 in 2]")
	equal(s, "the second", impact(release("iris", "2")), "[]")
	equal(s, "a model", impact(modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "base"}), "[tuned/1 in 1]")
	equal(s, "itself", impact(version("base", 1), modelregistry.Staging), "[base/1 in 0]")
	equal(s, "two stages", impact(dataset("iris"), modelregistry.Production, modelregistry.Staging), "[base/1 in 1 tuned/1 in 2]")
	s.promote("tuned", 2, modelregistry.Production)
	equal(s, "after a promotion", impact(dataset("iris")), "[tuned/2 in 1]")
	equal(s, "those that are kept", impact(dataset("iris"), modelregistry.Archived, modelregistry.None), "[tuned/1 in 2]")

	s.ok(s.r.Link(s.ctx, nil, edge(version("other", 1), modelregistry.EvaluatedOn, release("iris", "1"))))
	equal(s, "with those that were evaluated on it", impact(dataset("iris")), "[other/1 in 1 tuned/2 in 1]")
	learnt := &modelregistry.LineageOptions{Types: []modelregistry.EdgeType{modelregistry.TrainedOn, modelregistry.FineTunedFrom}}
	i, err := modelregistry.ImpactOf(s.ctx, s.r, dataset("iris"), learnt)
	s.ok(err)
	equal(s, "those that were trained on it", len(i.Versions), 1)
	equal(s, "who was trained on it", i.Versions[0].Ref(), "tuned/2")
	g := s.lineage(release("iris", "1"), &modelregistry.LineageOptions{DownDepth: 2, Types: learnt.Types})
	equal(s, "nodes of these types", nodes(g), "[base/1 iris/1 tuned/1]")
	equal(s, "truncated", g.Truncated, false)
	g = s.lineage(release("iris", "1"), &modelregistry.LineageOptions{Types: []modelregistry.EdgeType{modelregistry.Serves}})
	equal(s, "nodes of no such type", nodes(g), "[iris/1]")
	_, err = s.r.Lineage(s.ctx, dataset("iris"), &modelregistry.LineageOptions{Types: []modelregistry.EdgeType{"Trained On"}})
	s.fails(err, modelregistry.ErrInvalid, `"Trained On"`)

	_, err = modelregistry.ImpactOf(s.ctx, s.r, dataset("none"), nil)
	s.fails(err, modelregistry.ErrNotFound, `"dataset none"`)
	_, err = modelregistry.ImpactOf(s.ctx, s.r, dataset("iris"), &modelregistry.LineageOptions{Stages: []modelregistry.Stage{"Prod"}})
	s.fails(err, modelregistry.ErrInvalid, `"Prod"`)
}

func lineageHolders(s *trial) {
	s.add("m", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: dataset("d")}}})
	s.ok(s.r.DeleteModel(s.ctx, "m", nil))
	s.register("m", 1)
	s.promote("m", 1, modelregistry.Production)
	g := s.lineage(dataset("d"), &modelregistry.LineageOptions{Stages: []modelregistry.Stage{modelregistry.Production}})
	equal(s, "nodes", nodes(g), "[d m/1]")
	equal(s, "holders", len(g.Holders), 0)
}

func lineagePath(s *trial) {
	s.register("m", 1)
	s.ok(s.r.Link(s.ctx, nil, edge(version("m", 1), "from", dataset("a")), edge(dataset("a"), "from", dataset("b")), edge(dataset("b"), "from", dataset("c")),
		edge(version("m", 1), "from", dataset("b")), edge(dataset("elsewhere"), "from", dataset("c"))))
	want := text([]modelregistry.Edge{edge(version("m", 1), "from", dataset("b")), edge(dataset("b"), "from", dataset("c"))})
	for _, ends := range [][2]modelregistry.Node{{version("m", 1), dataset("c")}, {dataset("c"), version("m", 1)}} {
		path, err := modelregistry.PathBetween(s.ctx, s.r, ends[0], ends[1], nil)
		s.ok(err)
		equal(s, "path", text(path), want)
	}
	path, err := modelregistry.PathBetween(s.ctx, s.r, dataset("c"), dataset("c"), nil)
	s.ok(err)
	equal(s, "path to itself", len(path), 0)
	for _, c := range []struct {
		a, b modelregistry.Node
		opts *modelregistry.LineageOptions
		want string
	}{
		{version("m", 1), dataset("elsewhere"), nil, "elsewhere"},
		{version("m", 1), dataset("none"), nil, `"dataset none"`},
		{dataset("none"), version("m", 1), nil, `"dataset none"`},
		{version("m", 2), dataset("a"), nil, "version 2"},
		{version("m", 1), dataset("c"), &modelregistry.LineageOptions{UpDepth: 1}, "within the limits"},
	} {
		_, err := modelregistry.PathBetween(s.ctx, s.r, c.a, c.b, c.opts)
		s.fails(err, modelregistry.ErrNotFound, c.want)
	}
	g := s.lineage(dataset("b"), nil)
	equal(s, "ancestors", text(g.Ancestors(dataset("a"))), text([]modelregistry.Node{dataset("b"), dataset("c")}))
	equal(s, "descendants", text(g.Descendants(dataset("b"))), text([]modelregistry.Node{dataset("a"), version("m", 1)}))
}

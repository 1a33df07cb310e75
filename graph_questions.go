package modelregistry

import (
	"context"
	"fmt"
	"slices"
)

// key tells nodes apart by what says which they are.
func (n Node) key() string { return n.id(n.Name) }

// Ancestors are the nodes of g that node came from, the nearest first. None: it is an origin, or not in g.
func (g *Graph) Ancestors(node Node) []Node {
	return g.reach(node, func(e Edge) (near, far Node) { return e.From, e.To })
}

// Descendants are the nodes of g that came from node, the nearest first.
func (g *Graph) Descendants(node Node) []Node {
	return g.reach(node, func(e Edge) (near, far Node) { return e.To, e.From })
}

func (g *Graph) reach(node Node, ends func(Edge) (near, far Node)) []Node {
	next := map[string][]Node{}
	for _, e := range g.Edges {
		near, far := ends(e)
		next[near.key()] = append(next[near.key()], far)
	}
	var out []Node
	seen := map[string]bool{node.key(): true}
	for at := []Node{node}; len(at) > 0; at = at[1:] {
		for _, n := range next[at[0].key()] {
			if !seen[n.key()] {
				seen[n.key()] = true
				out = append(out, n)
				at = append(at, n)
			}
		}
	}
	return out
}

// Path is a shortest way from a node up to one that it came from, an edge after the other; nil if g has none.
func (g *Graph) Path(from, to Node) []Edge {
	edges := map[string][]Edge{}
	for _, e := range g.Edges {
		edges[e.From.key()] = append(edges[e.From.key()], e)
	}
	came := map[string]Edge{} // the edge that first led to a node
	for at := []string{from.key()}; len(at) > 0; at = at[1:] {
		if at[0] == to.key() {
			break
		}
		for _, e := range edges[at[0]] {
			id := e.To.key()
			if _, ok := came[id]; !ok && id != from.key() {
				came[id] = e
				at = append(at, id)
			}
		}
	}
	var path []Edge
	for id := to.key(); id != from.key(); {
		e, ok := came[id]
		if !ok {
			return nil
		}
		path = append(path, e)
		id = e.From.key()
	}
	slices.Reverse(path)
	return path
}

// PathBetween is a shortest way up between two nodes, whichever of them came from the other: an edge after the other,
// from the descendant to the origin. The limits are opts' UpDepth, MaxNodes and Types. ErrNotFound: one of the nodes is
// not there (the message says which), or neither came from the other within the limits.
func PathBetween(ctx context.Context, store LineageStore, a, b Node, opts *LineageOptions) ([]Edge, error) {
	if opts == nil {
		opts = &LineageOptions{}
	}
	limits := &LineageOptions{UpDepth: opts.UpDepth, DownDepth: -1, MaxNodes: opts.MaxNodes, Types: opts.Types}
	truncated := false
	for _, ends := range [][2]Node{{a, b}, {b, a}} {
		g, err := store.Lineage(ctx, ends[0], limits)
		if err != nil {
			return nil, wrap("PathBetween", ends[0].label(), err)
		}
		if path := g.Path(ends[0], ends[1]); path != nil {
			return path, nil
		}
		truncated = truncated || g.Truncated
	}
	if a.key() == b.key() {
		return nil, nil
	}
	within := ""
	if truncated {
		within = " within the limits of depth and size"
	}
	return nil, wrap("PathBetween", a.label(), fmt.Errorf("path between %q and %q%s: %w", a, b, within, ErrNotFound))
}

// An Impact is who is affected by a node of the lineage.
type Impact struct {
	// Versions came from the node, or are it, and hold one of the stages now; by name of model and number.
	Versions []*Version
	// Paths say how each came from the node: a shortest way up, an edge after the other.
	Paths [][]Edge
	// Truncated says that a depth or size limit cut something off: there may be more.
	Truncated bool
}

// ImpactOf answers which versions that matter now came from a node: "which production models used data set X?" A node
// without a Version stands for all that have its Kind and Name. Stages are those asked for, none for Production. The
// limits are opts' DownDepth and MaxNodes. Evaluation counts as use: "which were trained on it?" is asked with Types. It
// costs a statement a level and a constant number besides.
func ImpactOf(ctx context.Context, store LineageStore, node Node, opts *LineageOptions) (*Impact, error) {
	if opts == nil {
		opts = &LineageOptions{}
	}
	ask := &LineageOptions{UpDepth: -1, DownDepth: opts.DownDepth, MaxNodes: opts.MaxNodes, AnyVersion: true, Types: opts.Types, Stages: opts.Stages}
	if len(ask.Stages) == 0 {
		ask.Stages = []Stage{Production}
	}
	g, err := store.Lineage(ctx, node, ask)
	if err != nil {
		return nil, wrap("ImpactOf", node.label(), err)
	}
	impact := &Impact{Versions: g.Holders, Truncated: g.Truncated}
	down := g.fromRoots(node)
	for _, v := range g.Holders {
		impact.Paths = append(impact.Paths, down[v.Node().key()])
	}
	return impact, nil
}

// fromRoots are shortest ways up to a node, or to any version of it, by the key of the node where they begin.
func (g *Graph) fromRoots(root Node) map[string][]Edge {
	below := map[string][]Edge{}
	for _, e := range g.Edges {
		below[e.To.key()] = append(below[e.To.key()], e)
	}
	paths := map[string][]Edge{}
	var at []string
	for _, n := range g.Nodes {
		if n.Kind == root.Kind && n.Name == root.Name && (root.Version == "" || n.Version == root.Version) {
			paths[n.key()] = nil
			at = append(at, n.key())
		}
	}
	for ; len(at) > 0; at = at[1:] {
		for _, e := range below[at[0]] {
			id := e.From.key()
			if _, ok := paths[id]; !ok {
				paths[id] = append([]Edge{e}, paths[at[0]]...)
				at = append(at, id)
			}
		}
	}
	return paths
}

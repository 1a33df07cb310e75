package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
	defaultDepth = 20
	defaultNodes = 10_000
	mostNodes    = 1_000_000
)

func (r *registry) Lineage(ctx context.Context, node Node, opts *LineageOptions) (*Graph, error) {
	g, err := r.lineage(ctx, node, opts)
	return g, wrap("Lineage", node.label(), err)
}

func (r *registry) lineage(ctx context.Context, node Node, opts *LineageOptions) (*Graph, error) {
	if opts == nil {
		opts = &LineageOptions{}
	}
	every := opts.AnyVersion && node.Version == ""
	if err := node.checkAsked(every); err != nil {
		return nil, err
	}
	if opts.MaxNodes < 0 {
		return nil, fmt.Errorf("lineage of at most %d nodes: %w: at least 1, or 0 for %d", opts.MaxNodes, ErrInvalid, defaultNodes)
	}
	var stages []backend.Value
	for _, stage := range opts.Stages {
		s, err := stage.normal()
		if err != nil {
			return nil, err
		}
		stages = append(stages, backend.StringValue(s.column()))
	}
	types, err := checkTypes(opts.Types)
	if err != nil {
		return nil, err
	}
	var w *walk
	err = r.backend.View(ctx, func(tx backend.Reader) error {
		ids, err := identify(tx, []Node{node}, nil)
		if err != nil {
			return err
		}
		w = &walk{tx: tx, max: min(opts.MaxNodes, mostNodes), root: ids.of(node), every: every, types: types, at: map[string]int{}, known: map[string]bool{}}
		if w.max == 0 {
			w.max = defaultNodes
		}
		if err := w.walk(opts); err != nil {
			return err
		}
		if err := w.describe(node, ids); err != nil {
			return err
		}
		return w.hold(stages)
	})
	if err != nil {
		return nil, err
	}
	return &w.graph, nil
}

// checkAsked is check for a node that is asked about: that version, or every one of it.
func (n Node) checkAsked(every bool) error {
	if every && n.Kind == ModelVersion {
		n.Version = "1"
	}
	return n.check()
}

// A walk collects a graph level by level.
type walk struct {
	tx    backend.Reader
	max   int
	root  string         // the root's ID
	every bool           // or what the IDs of all roots begin with
	types []backend.Cond // that edges meet to be followed
	at    map[string]int
	order []string // node IDs; at has their places
	edges []backend.Key
	known map[string]bool // edges, by key
	graph Graph
}

// A direction is the field of the end that a walk stands at, and the places of both ends in an edge's key.
type direction struct {
	field       string
	near, other int
}

var (
	up   = direction{"from_id", 0, 2}
	down = direction{"to_id", 2, 0}
)

// first reads the edges of the root, or of all roots, in one direction.
func (w *walk) first(d direction, limit int, types ...backend.Cond) ([]backend.Row, error) {
	if w.every {
		return findEdges(w.tx, limit, append(slices.Clip(types), backend.Cond{Field: d.field, Op: backend.Prefix, Value: backend.StringValue(w.root)})...)
	}
	return findEdges(w.tx, limit, append(slices.Clip(types), isOneOf(d.field, []string{w.root}))...)
}

// checkTypes is the condition that edges are of one of the types, or none if there are none.
func checkTypes(types []EdgeType) ([]backend.Cond, error) {
	var names []string
	for _, t := range types {
		if err := t.check(); err != nil {
			return nil, err
		}
		names = append(names, string(t))
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return []backend.Cond{isOneOf("type", slices.Compact(names))}, nil
}

// walk walks up and down. The first levels of both directions are read before all others: they say what the roots are.
func (w *walk) walk(opts *LineageOptions) error {
	var rows [2][]backend.Row
	roots := []string{w.root}
	if w.every {
		roots = nil
	}
	directions := []struct {
		direction
		depth int
	}{{up, opts.UpDepth}, {down, opts.DownDepth}}
	for i, d := range directions {
		if d.depth < 0 {
			continue
		}
		var err error
		if rows[i], err = w.first(d.direction, w.maxEdges(), w.types...); err != nil {
			return err
		}
		for _, row := range rows[i] {
			if w.every {
				roots = append(roots, row.Key[d.near].Str())
			}
		}
	}
	slices.Sort(roots)
	roots = slices.Compact(roots)
	for _, id := range roots {
		w.add(id)
	}
	for i, d := range directions {
		if d.depth < 0 {
			continue
		}
		if err := w.follow(d.direction, roots, rows[i], d.depth); err != nil {
			return err
		}
	}
	return nil
}

// add makes room for a node, if it is new and fits.
func (w *walk) add(id string) {
	if _, ok := w.at[id]; ok {
		return
	}
	if len(w.order) == w.max {
		w.graph.Truncated = true
		return
	}
	w.at[id] = len(w.order)
	w.order = append(w.order, id)
}

// maxEdges is how many edges a level may have: a node may have many.
func (w *walk) maxEdges() int { return 10 * w.max }

// follow walks from roots, whose edges in that direction are rows, level by level.
func (w *walk) follow(d direction, roots []string, rows []backend.Row, depth int) error {
	if depth == 0 {
		depth = defaultDepth
	}
	seen := map[string]bool{}
	for _, id := range roots {
		seen[id] = true
	}
	for level := 1; len(rows) > 0; level++ {
		w.graph.Truncated = w.graph.Truncated || len(rows) == w.maxEdges()
		var frontier []string
		for _, row := range rows {
			if _, in := w.at[row.Key[d.near].Str()]; !in {
				continue
			}
			id := row.Key[d.other].Str()
			w.add(id)
			if _, in := w.at[id]; !in {
				continue
			}
			if key := row.Key.String(); !w.known[key] {
				w.known[key] = true
				w.edges = append(w.edges, row.Key)
			}
			if !seen[id] {
				seen[id] = true
				frontier = append(frontier, id)
			}
		}
		if len(frontier) == 0 {
			return nil
		}
		limit := w.maxEdges()
		if level == depth {
			limit = 1 // only whether there are more
		}
		var err error
		if rows, err = findEdges(w.tx, limit, append(slices.Clip(w.types), isOneOf(d.field, frontier))...); err != nil {
			return err
		}
		if level == depth {
			w.graph.Truncated = w.graph.Truncated || len(rows) > 0
			return nil
		}
	}
	return nil
}

// describe turns IDs into nodes: the names that models have now, and what was recorded of the others. known are the
// models whose names need no statement.
func (w *walk) describe(root Node, known nodeIDs) error {
	facts, err := w.facts()
	if err != nil {
		return err
	}
	if root.Kind != ModelVersion && len(w.edges) == 0 && len(facts) == 0 {
		if err := w.linked(root); err != nil {
			return err
		}
	}
	names := map[string]string{}
	for name, id := range known {
		names[id] = name
	}
	nodes := make([]Node, len(w.order))
	var models []backend.Value
	for i, id := range w.order {
		if nodes[i], err = nodeOf(id); err != nil {
			return err
		}
		if n, ok := facts[id]; ok {
			nodes[i] = n
		} else if nodes[i].Kind == ModelVersion && names[nodes[i].Name] == "" {
			models = append(models, backend.StringValue(nodes[i].Name))
		}
	}
	if err := modelNames(w.tx, models, names); err != nil {
		return err
	}
	for i, n := range nodes {
		if n.Kind == ModelVersion {
			nodes[i].Name = names[n.Name]
		}
	}
	w.graph.Root, w.graph.Nodes = root, nodes
	if !w.every {
		w.graph.Root = nodes[0]
	}
	for _, key := range w.edges {
		w.graph.Edges = append(w.graph.Edges, Edge{
			From: nodes[w.at[key[0].Str()]], Type: EdgeType(key[1].Str()), To: nodes[w.at[key[2].Str()]],
		})
	}
	return nil
}

// linked refuses a root that no edge begins or ends at: one that the walk's limits or types left alone may still have some.
func (w *walk) linked(root Node) error {
	for _, d := range []direction{up, down} {
		if rows, err := w.first(d, 1); err != nil || len(rows) > 0 {
			return err
		}
	}
	return fmt.Errorf("node %q: %w", root, ErrNotFound)
}

// hold reads which versions of the graph hold one of the stages now.
func (w *walk) hold(stages []backend.Value) error {
	var models []backend.Value
	for _, n := range w.graph.Nodes {
		if n.Kind == ModelVersion {
			models = append(models, backend.StringValue(n.Name))
		}
	}
	if len(stages) == 0 || len(models) == 0 {
		return nil
	}
	for _, values := range []*[]backend.Value{&stages, &models} {
		slices.SortFunc(*values, backend.Value.Compare)
		*values = slices.Compact(*values)
	}
	rows, err := w.tx.Find(backend.Query{Table: tableVersions, Where: []backend.Cond{
		{Field: "model", Op: backend.In, Values: models}, {Field: "stage", Op: backend.In, Values: stages},
	}})
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	for _, row := range rows {
		v, err := decodeVersion(row)
		if err != nil {
			return err
		}
		// By the model's ID: the node may be of a model that had the name before.
		if _, in := w.at[v.Node().id(v.ModelID)]; in {
			w.graph.Holders = append(w.graph.Holders, v)
		}
	}
	return nil
}

// isOneOf holds for rows whose field is one of ids, which it sorts.
func isOneOf(field string, ids []string) backend.Cond {
	slices.Sort(ids)
	values := make([]backend.Value, len(ids))
	for i, id := range ids {
		values[i] = backend.StringValue(id)
	}
	return backend.Cond{Field: field, Op: backend.In, Values: values}
}

// findEdges reads the edges that meet all conditions.
func findEdges(tx backend.Reader, limit int, where ...backend.Cond) ([]backend.Row, error) {
	rows, err := tx.Find(backend.Query{Table: tableEdges, Limit: limit, Where: where})
	if err != nil {
		return nil, fmt.Errorf("read edges: %w", err)
	}
	return rows, nil
}

// facts reads what was recorded of the nodes. Of versions nothing is: theirs are their own.
func (w *walk) facts() (map[string]Node, error) {
	var ids []string
	for _, id := range w.order {
		if !strings.HasPrefix(id, string(ModelVersion)+nodeSeparator) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := w.tx.Find(backend.Query{Table: tableNodes, Where: []backend.Cond{isOneOf("id", ids)}})
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	facts := make(map[string]Node, len(rows))
	for _, row := range rows {
		var n Node
		if err := json.Unmarshal(row.Doc, &n); err != nil {
			return nil, fmt.Errorf("node %v: %w: %w", row.Key, ErrCorrupt, err)
		}
		facts[row.Key[0].Str()] = n
	}
	return facts, nil
}

// modelNames adds the names of models by ID, also of those that were deleted.
func modelNames(tx backend.Reader, ids []backend.Value, names map[string]string) error {
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, backend.Value.Compare)
	ids = slices.Compact(ids)
	rows, err := tx.Find(backend.Query{Table: tableModels, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: ids}}})
	if err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	for _, row := range rows {
		m, err := decodeModelRow(row)
		if err != nil {
			return err
		}
		names[m.ID] = m.Name
	}
	if len(rows) == len(ids) {
		return nil
	}
	rows, err = tx.Find(backend.Query{Table: tableChains, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: ids}}})
	if err != nil {
		return fmt.Errorf("read deleted models: %w", err)
	}
	for _, row := range rows {
		c, err := decodeChain(row)
		if err != nil {
			return err
		}
		names[row.Key[0].Str()] = c.Name
	}
	return nil
}

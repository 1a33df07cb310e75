package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
	defaultDepth = 20
	defaultNodes = 10_000
	maxCycleWalk = 1_000_000 // edges looked at for a cycle
	lineageLock  = "lineage"
)

func (r *registry) Link(ctx context.Context, opts *ChangeOptions, edges ...Edge) error {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	return wrap("Link", "", r.link(ctx, opts.Reason, edges))
}

func (r *registry) link(ctx context.Context, reason string, edges []Edge) error {
	if len(edges) > maxEntries {
		return fmt.Errorf("%w: %d edges, at most %d in one call", ErrInvalid, len(edges), maxEntries)
	}
	if err := r.checkChange(reason); err != nil {
		return err
	}
	locks := []string{lineageLock}
	var nodes []Node
	for _, e := range edges {
		if err := (Origin{e.Type, e.From}).check(); err != nil {
			return err
		}
		if err := e.To.check(); err != nil {
			return err
		}
		nodes = append(nodes, e.From, e.To)
		if lock := modelLock(e.From.Name); e.From.Kind == ModelVersion && !slices.Contains(locks, lock) {
			locks = append(locks, lock)
		}
	}
	return r.backend.Update(ctx, locks, func(tx backend.Tx) error {
		ids, err := identify(tx, nodes, nil)
		if err != nil {
			return err
		}
		fresh, err := newEdges(tx, edges, ids)
		if err != nil || len(fresh) == 0 {
			return err
		}
		if err := putNodes(tx, nodes, ids); err != nil {
			return err
		}
		if err := putEdges(tx, fresh, ids); err != nil {
			return err
		}
		return r.tellLinks(tx, reason, fresh)
	})
}

// newEdges are those that are not there yet. ErrInvalid: with them the graph would have a cycle.
func newEdges(tx backend.Reader, edges []Edge, ids nodeIDs) ([]Edge, error) {
	up := map[string][]string{} // from to its origins, stored and new
	stored := map[string]bool{}
	read := func(from []string) (next []string, err error) {
		rows, err := findEdges(tx, "from_id", from, maxCycleWalk-len(stored)+1)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if stored[row.Key.String()] = true; len(stored) > maxCycleWalk {
				return nil, fmt.Errorf("lineage: %w: more than %d edges lie above; too many to look for cycles in", ErrInvalid, maxCycleWalk)
			}
			from, to := row.Key[0].Str(), row.Key[2].Str()
			up[from] = append(up[from], to)
			next = append(next, to)
		}
		return next, nil
	}
	seen := map[string]bool{}
	var frontier []string
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			frontier = append(frontier, id)
		}
	}
	for _, e := range edges {
		add(ids.of(e.From))
		add(ids.of(e.To))
	}
	for len(frontier) > 0 {
		level := frontier
		frontier = nil
		next, err := read(level)
		if err != nil {
			return nil, err
		}
		for _, id := range next {
			add(id)
		}
	}
	var fresh []Edge
	for _, e := range edges {
		from, to := ids.of(e.From), ids.of(e.To)
		key := edgeKey(from, e.Type, to).String()
		if stored[key] {
			continue
		}
		stored[key] = true
		if reaches(up, to, from) {
			return nil, fmt.Errorf("edge from %q to %q: %w: it closes a cycle: the second comes from the first already",
				e.From, e.To, ErrInvalid)
		}
		up[from] = append(up[from], to)
		fresh = append(fresh, e)
	}
	return fresh, nil
}

// reaches says whether target is from, or lies above it.
func reaches(up map[string][]string, from, target string) bool {
	seen := map[string]bool{from: true}
	for stack := []string{from}; len(stack) > 0; {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if id == target {
			return true
		}
		for _, next := range up[id] {
			if !seen[next] {
				seen[next] = true
				stack = append(stack, next)
			}
		}
	}
	return false
}

// label names the node for messages.
func (n Node) label() string {
	if n.Version == "" {
		return n.Name
	}
	return n.Name + "/" + n.Version
}

// String names the node: "dataset iris/2023-06", "version IrisClassifier/3".
func (n Node) String() string { return string(n.Kind) + " " + n.label() }

// tellLinks writes an event for each node that edges lead from: a version's into its model's chain, others into the
// lineage's own.
func (r *registry) tellLinks(tx backend.Tx, reason string, edges []Edge) error {
	changes := map[string]*change{}
	var order []string
	var others []Edge
	for _, e := range edges {
		if e.From.Kind != ModelVersion {
			others = append(others, e)
			continue
		}
		c := changes[e.From.Name]
		if c == nil {
			var err error
			if c, err = r.newChange(tx, e.From.Name, reason, false); err != nil {
				return err
			}
			changes[e.From.Name] = c
			order = append(order, e.From.Name)
		}
		number, _ := parseNumber(e.From.Version)
		i := slices.IndexFunc(c.events, func(ev *Event) bool { return ev.Version == number })
		if i < 0 {
			c.event(LineageLinked, number)
			i = len(c.events) - 1
		}
		c.events[i].Edges = append(c.events[i].Edges, e)
	}
	for _, name := range order {
		if err := changes[name].flush(); err != nil {
			return err
		}
	}
	if len(others) == 0 {
		return nil
	}
	end, err := readChain(tx, lineageChain)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		return err
	}
	now := r.now()
	if now.Before(end.Time) {
		now = end.Time
	}
	row, err := end.seal(&Event{Time: now, Actor: r.actor, Reason: reason, Kind: LineageLinked, ModelID: lineageChain, Edges: others})
	if err != nil {
		return err
	}
	if _, err := tx.Append(tableEvents, row); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return putChain(tx, lineageChain, end)
}

// findEdges reads the edges that begin (from_id) or end (to_id) at any of the nodes.
func findEdges(tx backend.Reader, side string, ids []string, limit int) ([]backend.Row, error) {
	slices.Sort(ids)
	values := make([]backend.Value, len(ids))
	for i, id := range ids {
		values[i] = backend.StringValue(id)
	}
	rows, err := tx.Find(backend.Query{Table: tableEdges, Limit: limit, Where: []backend.Cond{{Field: side, Op: backend.In, Values: values}}})
	if err != nil {
		return nil, fmt.Errorf("read edges: %w", err)
	}
	return rows, nil
}

func (r *registry) Lineage(ctx context.Context, node Node, opts *LineageOptions) (*Graph, error) {
	g, err := r.lineage(ctx, node, opts)
	return g, wrap("Lineage", node.label(), err)
}

func (r *registry) lineage(ctx context.Context, node Node, opts *LineageOptions) (*Graph, error) {
	if err := node.check(); err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &LineageOptions{}
	}
	w := &walk{max: opts.MaxNodes}
	if w.max <= 0 {
		w.max = defaultNodes
	}
	err := r.backend.View(ctx, func(tx backend.Reader) error {
		ids, err := identify(tx, []Node{node}, nil)
		if err != nil {
			return err
		}
		root := ids.of(node)
		w.add(root)
		if err := w.follow(tx, root, "from_id", 2, opts.UpDepth); err != nil {
			return err
		}
		if err := w.follow(tx, root, "to_id", 0, opts.DownDepth); err != nil {
			return err
		}
		return w.describe(tx, node)
	})
	if err != nil {
		return nil, err
	}
	return &w.graph, nil
}

// A walk collects a graph level by level.
type walk struct {
	max   int
	at    map[string]int // node ID to its place in order
	order []string
	edges []backend.Key
	known map[string]bool
	graph Graph
}

// add says whether the node is new and fits.
func (w *walk) add(id string) bool {
	if w.at == nil {
		w.at, w.known = map[string]int{}, map[string]bool{}
	}
	if _, ok := w.at[id]; ok {
		return false
	}
	if len(w.order) == w.max {
		w.graph.Truncated = true
		return false
	}
	w.at[id] = len(w.order)
	w.order = append(w.order, id)
	return true
}

// follow walks from root over edges whose one end is the field side, to their other end, which is key part other.
func (w *walk) follow(tx backend.Reader, root, side string, other, depth int) error {
	if depth < 0 {
		return nil
	}
	if depth == 0 {
		depth = defaultDepth
	}
	seen := map[string]bool{root: true}
	frontier := []string{root}
	for level := 0; len(frontier) > 0; level++ {
		limit := 10 * w.max // edges: a node may have many
		if level == depth {
			limit = 1 // only whether there are more
		}
		rows, err := findEdges(tx, side, frontier, limit)
		if err != nil {
			return err
		}
		if level == depth {
			w.graph.Truncated = w.graph.Truncated || len(rows) > 0
			return nil
		}
		w.graph.Truncated = w.graph.Truncated || len(rows) == limit
		frontier = nil
		for _, row := range rows {
			id := row.Key[other].Str()
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
	}
	return nil
}

// describe turns IDs into nodes: the names that models have now, and what was recorded of the others.
func (w *walk) describe(tx backend.Reader, root Node) error {
	facts, err := w.facts(tx)
	if err != nil {
		return err
	}
	if root.Kind != ModelVersion && len(w.edges) == 0 && len(facts) == 0 {
		if err := w.linked(tx, root); err != nil {
			return err
		}
	}
	nodes := make([]Node, len(w.order))
	var models []backend.Value
	for i, id := range w.order {
		if nodes[i], err = nodeOf(id); err != nil {
			return err
		}
		if nodes[i].Kind == ModelVersion {
			models = append(models, backend.StringValue(nodes[i].Name))
		} else if n, ok := facts[id]; ok {
			nodes[i] = n
		}
	}
	names, err := modelNames(tx, models)
	if err != nil {
		return err
	}
	for i, n := range nodes {
		if n.Kind == ModelVersion {
			nodes[i].Name = names[n.Name]
		}
	}
	w.graph.Root, w.graph.Nodes = nodes[0], nodes
	for _, key := range w.edges {
		w.graph.Edges = append(w.graph.Edges, Edge{From: nodes[w.at[key[0].Str()]], Type: EdgeType(key[1].Str()), To: nodes[w.at[key[2].Str()]]})
	}
	return nil
}

// linked refuses a root that no edge begins or ends at: one that the walk's limits left alone may still have some.
func (w *walk) linked(tx backend.Reader, root Node) error {
	for _, side := range []string{"from_id", "to_id"} {
		if rows, err := findEdges(tx, side, w.order, 1); err != nil || len(rows) > 0 {
			return err
		}
	}
	return fmt.Errorf("node %q: %w", root, ErrNotFound)
}

// facts reads what was recorded of the nodes.
func (w *walk) facts(tx backend.Reader) (map[string]Node, error) {
	ids := slices.Sorted(slices.Values(w.order))
	values := make([]backend.Value, len(ids))
	for i, id := range ids {
		values[i] = backend.StringValue(id)
	}
	rows, err := tx.Find(backend.Query{Table: tableNodes, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: values}}})
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

// modelNames finds the names of models by ID, also of those that were deleted.
func modelNames(tx backend.Reader, ids []backend.Value) (map[string]string, error) {
	names := map[string]string{}
	if len(ids) == 0 {
		return names, nil
	}
	slices.SortFunc(ids, backend.Value.Compare)
	ids = slices.Compact(ids)
	rows, err := tx.Find(backend.Query{Table: tableModels, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: ids}}})
	if err != nil {
		return nil, fmt.Errorf("read models: %w", err)
	}
	for _, row := range rows {
		m, err := decodeModelRow(row)
		if err != nil {
			return nil, err
		}
		names[m.ID] = m.Name
	}
	if len(rows) == len(ids) {
		return names, nil
	}
	rows, err = tx.Find(backend.Query{Table: tableChains, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: ids}}})
	if err != nil {
		return nil, fmt.Errorf("read deleted models: %w", err)
	}
	for _, row := range rows {
		c, err := decodeChain(row)
		if err != nil {
			return nil, err
		}
		names[row.Key[0].Str()] = c.Name
	}
	return names, nil
}

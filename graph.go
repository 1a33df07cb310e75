package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
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
	locks = append(locks, nodeLocks(nodes...)...)
	if err := r.checkModels(ctx, nodes); err != nil {
		return err
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
		rows, err := findEdges(tx, maxCycleWalk-len(stored)+1, isOneOf("from_id", from))
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
	now, err := settleTime(tx, r.now(), end.Time)
	if err != nil {
		return err
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

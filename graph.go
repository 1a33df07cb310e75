package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// newEdges are those that are not there yet. ErrInvalid: with them the graph would have a cycle. Two statements say so of
// edges from what nothing came from; of others it is one more for each level above.
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
	var from, to []string
	heads := map[string]bool{} // what edges lead from
	for _, e := range edges {
		from, to = append(from, ids.of(e.From)), append(to, ids.of(e.To))
		heads[ids.of(e.From)] = true
	}
	next, err := read(distinct(len(from), func(i int) string { return from[i] }))
	if err != nil {
		return nil, err
	}
	// A cycle leads back to where an edge begins. Most edges begin at what nothing came from yet: nothing leads there.
	back := slices.ContainsFunc(to, func(id string) bool { return heads[id] })
	if !back {
		rows, err := findEdges(tx, 1, isOneOf("to_id", distinct(len(from), func(i int) string { return from[i] })))
		if err != nil {
			return nil, err
		}
		back = len(rows) > 0
	}
	if back {
		seen := heads // they were read
		for level := append(next, to...); ; {
			var frontier []string
			for _, id := range level {
				if !seen[id] {
					seen[id] = true
					frontier = append(frontier, id)
				}
			}
			if len(frontier) == 0 {
				break
			}
			if level, err = read(frontier); err != nil {
				return nil, err
			}
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

// tellModels lets tell add events to the histories of models, whose locks are held, in a constant number of statements.
func (r *registry) tellModels(tx backend.Tx, reason string, names []string, tell func(*change)) error {
	if len(names) == 0 {
		return nil
	}
	found, err := tx.Find(backend.Query{Table: tableModels, Where: []backend.Cond{isOneOf("name", slices.Clone(names))}})
	if err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	if len(found) != len(names) {
		return fmt.Errorf("models of lineage: %w: one of %d is gone", ErrNotFound, len(names))
	}
	var models, events []backend.Row
	for _, row := range found {
		c := &change{r: r, tx: tx, reason: reason, now: r.now(), versions: map[int]*tracked{}}
		if err := c.take(row); err != nil {
			return err
		}
		tell(c)
		sealed, err := c.seal()
		if err != nil {
			return err
		}
		if row, err = c.model.row(); err != nil {
			return err
		}
		models, events = append(models, row), append(events, sealed...)
	}
	if _, err := tx.Append(tableEvents, events...); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := tx.Put(tableModels, models...); err != nil {
		return fmt.Errorf("write models: %w", err)
	}
	return nil
}

// tellLinks writes an event for each node that edges lead from: a version's into its model's chain, others into the
// lineage's own.
func (r *registry) tellLinks(tx backend.Tx, reason string, edges []Edge) error {
	numbers := map[string][]int{}
	var others []Edge
	byVersion := map[string][]Edge{}
	for _, e := range edges {
		if e.From.Kind != ModelVersion {
			others = append(others, e)
			continue
		}
		number, _ := parseNumber(e.From.Version)
		ref := versionRef(e.From.Name, number)
		if byVersion[ref] == nil {
			numbers[e.From.Name] = append(numbers[e.From.Name], number)
		}
		byVersion[ref] = append(byVersion[ref], e)
	}
	if err := r.tellModels(tx, reason, slices.Sorted(maps.Keys(numbers)), func(c *change) {
		for _, number := range numbers[c.model.Name] {
			c.event(LineageLinked, number).Edges = byVersion[versionRef(c.model.Name, number)]
		}
	}); err != nil {
		return err
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

package modelregistry

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Names that callers can make up share locks, so that no call takes more than there is room for. On Postgres a lock takes
// a place in a table of all sessions of the server, 6,400 by default. A call may name 10,000 models and as many nodes: it
// takes 64 or 256 locks of a kind, 321 at most, of which twenty such calls at once have room.
//
// What shares a lock waits for the other without need. Models have the most, for their changes are what a registry is
// about: of 16 that are changed at once, two share a lock in every third moment.
const (
	modelSlots  = 256
	loggedSlots = 64
	nodeSlots   = 64
)

func slotLock(kind string, slots uint32, name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	return kind + "/" + strconv.Itoa(int(h.Sum32()%slots))
}

func modelLock(name string) string { return slotLock("model", modelSlots, name) }

func loggedModelLock(id string) string { return slotLock("logged_model", loggedSlots, id) }

// nodeLocks are the locks behind which nodes are written: what one change says of a node is put together with what
// others said before.
func nodeLocks(nodes ...Node) []string {
	locks := map[string]bool{}
	for _, n := range nodes {
		if n.stored() {
			locks[slotLock("node", nodeSlots, n.id(""))] = true
		}
	}
	return slices.Sorted(maps.Keys(locks))
}

func originLocks(origins []Origin) []string {
	nodes := make([]Node, len(origins))
	for i, o := range origins {
		nodes[i] = o.Node
	}
	return nodeLocks(nodes...)
}

// manyNames is from how many names on a call looks whether they are there before it takes their locks. It looks again
// behind them: this is only to let no call hold everybody up for the sake of names that it made up.
const manyNames = 8

// checkLoggedModels looks for logged models that points are about, if they are many.
func (r *registry) checkLoggedModels(ctx context.Context, points []MetricPoint) error {
	ids := map[string]bool{}
	for _, p := range points {
		ids[p.ModelID] = true
	}
	if len(ids) < manyNames {
		return nil
	}
	in := make([]backend.Value, 0, len(ids))
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		in = append(in, backend.StringValue(id))
	}
	rows, err := r.backend.Find(ctx, backend.Query{Table: tableLoggedModels, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: in}}})
	if err != nil {
		return fmt.Errorf("read logged models: %w", err)
	}
	for _, row := range rows {
		delete(ids, row.Key[0].Str())
	}
	for _, id := range in {
		if ids[id.Str()] {
			return errNoLoggedModel(id.Str())
		}
	}
	return nil
}

// checkModels looks for the versions that nodes name, if their models are many.
func (r *registry) checkModels(ctx context.Context, nodes []Node) error {
	names := map[string]bool{}
	for _, n := range nodes {
		if n.Kind == ModelVersion {
			names[n.Name] = true
		}
	}
	if len(names) < manyNames {
		return nil
	}
	return r.backend.View(ctx, func(reader backend.Reader) error {
		_, err := identify(reader, nodes, nil)
		return err
	})
}

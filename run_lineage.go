package modelregistry

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (in *RunInput) check() error {
	if err := checkEntries("tag", maps.Collect(in.Tags.All()), maxTagValue); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	d := in.Dataset
	if d == nil {
		if err := checkLoggedID(in.ModelID); err != nil {
			return fmt.Errorf("input that is no data set: %w", err)
		}
		return nil
	}
	if in.ModelID != "" {
		return fmt.Errorf("input: %w: a data set and a logged model are two inputs", ErrInvalid)
	}
	if d.Digest == "" {
		return fmt.Errorf("dataset %.80q: %w: it has no digest", d.Name, ErrInvalid)
	}
	for _, err := range []error{
		d.node().check(),
		checkText("source type of dataset", d.SourceType, maxDataset),
		checkText("source of dataset", d.Source, maxDatasetText),
		checkText("schema of dataset", d.Schema, maxDatasetText),
		checkText("profile of dataset", d.Profile, maxDatasetText),
	} {
		if err != nil {
			return fmt.Errorf("input: %w", err)
		}
	}
	return nil
}

// node is the data in the lineage.
func (d *DatasetInput) node() Node {
	n := Node{Kind: Dataset, Name: d.Name, Version: d.Digest}
	if checkText("", d.Source, maxNodePath) == nil {
		n.Path = d.Source
	}
	return n
}

// same says whether both are about one thing.
func (in *RunInput) same(as *RunInput) bool {
	if in.Dataset == nil || as.Dataset == nil {
		return in.Dataset == nil && as.Dataset == nil && in.ModelID == as.ModelID
	}
	return in.Dataset.Name == as.Dataset.Name && in.Dataset.Digest == as.Dataset.Digest
}

// runNode is a run in the lineage.
func runNode(id string) Node { return Node{Kind: TrainingRun, Name: id} }

// trainedOn are the edges to the data that a run read.
func trainedOn(run string, inputs []RunInput) []Edge {
	var edges []Edge
	for i, in := range inputs {
		if in.Dataset != nil && !slices.ContainsFunc(inputs[:i], func(before RunInput) bool { return before.same(&in) }) {
			edges = append(edges, Edge{From: runNode(run), Type: TrainedOn, To: in.Dataset.node()})
		}
	}
	return edges
}

// linkInputs records edges, behind the lineage's lock. One that would close a cycle is left out, for what a run read is
// a fact, and the run has it: data that a run made and then read again came from the run.
func (r *registry) linkInputs(tx backend.Tx, edges []Edge) error {
	if len(edges) == 0 {
		return nil
	}
	fresh, err := newEdges(tx, edges, nodeIDs{})
	if errors.Is(err, ErrInvalid) {
		fresh = nil
		for _, e := range edges {
			one, err := newEdges(tx, []Edge{e}, nodeIDs{})
			if err != nil && !errors.Is(err, ErrInvalid) {
				return err
			}
			fresh = append(fresh, one...)
		}
	} else if err != nil {
		return err
	}
	if len(fresh) == 0 {
		return nil
	}
	nodes := make([]Node, len(fresh))
	for i, e := range fresh {
		nodes[i] = e.To
	}
	if err := putNodes(tx, nodes, nodeIDs{}); err != nil {
		return err
	}
	if err := putEdges(tx, fresh, nodeIDs{}); err != nil {
		return err
	}
	return r.tellLinks(tx, "", fresh)
}

// origins are what a new version came from: what the caller says, and the run that made it if that is one of the
// registry's own. Others have IDs of other forms mostly, and cost no read then.
func (c *change) origins(spec VersionSpec) ([]Origin, error) {
	run := Origin{Type: ProducedBy, Node: runNode(spec.RunID)}
	told := func(o Origin) bool { return o.Type == run.Type && o.Node.id("") == run.Node.id("") }
	if !runIDRE.MatchString(spec.RunID) || slices.ContainsFunc(spec.Lineage, told) {
		return spec.Lineage, nil
	}
	_, err := c.tx.Get(tableRuns, backend.StringValue(spec.RunID))
	switch {
	case errors.Is(err, backend.ErrNotFound) && spec.ForeignRun:
		return spec.Lineage, nil
	case errors.Is(err, backend.ErrNotFound):
		return nil, fmt.Errorf("%w; ForeignRun says that it is another tracking server's", errNoRun(spec.RunID))
	case err != nil:
		return nil, fmt.Errorf("read run: %w", err)
	}
	return append(slices.Clip(spec.Lineage), run), nil
}

package modelregistry

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A NodeKind says what a node of the lineage is. Any other lower-case word is a kind too.
type NodeKind string

// The kinds of node that the registry's own docs speak of.
const (
	Dataset      NodeKind = "dataset"
	CodeCommit   NodeKind = "code"
	FeatureSet   NodeKind = "features"
	TrainingRun  NodeKind = "run"
	ModelVersion NodeKind = "version" // a version of a registered model; Name is the model, Version the number
	Deployment   NodeKind = "deployment"
)

// A Node is a thing that models come from or go to. Kind, Name and Version together say which.
type Node struct {
	Kind NodeKind `json:"kind"`
	Name string   `json:"name"`
	// Version tells states of one thing apart: a data set's release, a commit, a model version's number.
	Version string `json:"version,omitempty"`
	// Path is where it is (a URL or path), for people and tools; the registry never opens it.
	Path string `json:"path,omitempty"`
	// Attributes are further facts, such as a digest or a row count. Of these, as of Path, the latest that was recorded
	// holds.
	Attributes Map[string] `json:"attributes,omitzero"`
}

// An EdgeType says how one node came from another. Any other lower-case words joined by hyphens are a type too.
type EdgeType string

// The types of edge that the registry's own docs speak of; each reads "From … To". All point the way things came about,
// a deployment to the version that it serves too: an edge served-by would lead from a version to its future.
const (
	TrainedOn     EdgeType = "trained-on"
	DerivedFrom   EdgeType = "derived-from"
	FineTunedFrom EdgeType = "fine-tuned-from"
	ProducedBy    EdgeType = "produced-by"
	EvaluatedOn   EdgeType = "evaluated-on"
	Serves        EdgeType = "serves" // a deployment serves a version
)

// An Edge says that From came from To, and how. Going up follows edges from From to To: to the origins.
type Edge struct {
	From Node     `json:"from"`
	Type EdgeType `json:"type"`
	To   Node     `json:"to"`
}

// An Origin is an edge's type and To: what a new version came from.
type Origin struct {
	Type EdgeType
	Node Node
}

// LineageOptions bound a walk. Nil means up and down, 20 edges far, 10,000 nodes.
type LineageOptions struct {
	UpDepth   int // edges to follow to origins; 0 is 20, negative none
	DownDepth int // edges to follow to descendants; 0 is 20, negative none
	MaxNodes  int // 0 is 10,000; more than 1,000,000 is as many
	// AnyVersion asks about all that have the node's Kind and Name, if its Version is "": every state of a data set, every
	// version of a model.
	AnyVersion bool
	// Types are the types of edge to follow: with TrainedOn, DerivedFrom, FineTunedFrom and ProducedBy (a version's to its
	// run) a data set leads to what learnt from it, and not to what was only evaluated on it. None: all.
	Types []EdgeType
	// Stages asks who in the graph holds one of these stages now: Graph.Holders, for one statement.
	Stages []Stage
}

// A Graph is a part of the lineage.
type Graph struct {
	Root  Node   // as it was asked for
	Nodes []Node // Root first (or with AnyVersion those that have edges), then by distance, origins before descendants
	Edges []Edge
	// Holders are the versions in the graph that hold one of LineageOptions.Stages, by name of model and number.
	Holders []*Version
	// Truncated says that a depth or size limit cut something off.
	Truncated bool
}

const (
	maxNodePart = 500 // characters of a node's name or version
	// maxNodeBytes is for both: with the kind they are a part of a key.
	maxNodeBytes = maxKeyBytes - 64 - 2*len(nodeSeparator)
	maxNodePath  = 2000
)

var kindRE = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// check says whether o can be recorded.
func (o Origin) check() error {
	if err := o.Type.check(); err != nil {
		return err
	}
	return o.Node.check()
}

func (t EdgeType) check() error {
	if !kindRE.MatchString(string(t)) {
		return fmt.Errorf("edge type %.80q: %w: lower-case letters, digits and hyphens, such as trained-on", t, ErrInvalid)
	}
	return nil
}

func (n Node) check() error {
	if !kindRE.MatchString(string(n.Kind)) {
		return fmt.Errorf("node kind %.80q: %w: lower-case letters, digits and hyphens, such as dataset", n.Kind, ErrInvalid)
	}
	if strings.TrimSpace(n.Name) == "" {
		return fmt.Errorf("node of kind %s: %w: it has no name", n.Kind, ErrInvalid)
	}
	if strings.ContainsAny(n.Name+n.Version, nodeSeparator) {
		return fmt.Errorf("node %.80q: %w: its name contains a control character", n.Name, ErrInvalid)
	}
	if size := len(n.Name) + len(n.Version); size > maxNodeBytes {
		return fmt.Errorf("node %.40q…: %w: %d bytes of name and version, at most %d", n.Name, ErrInvalid, size, maxNodeBytes)
	}
	for _, err := range []error{
		checkName("node name", n.Name, maxNodePart),
		checkName("node version", n.Version, maxNodePart),
		checkText("node path", n.Path, maxNodePath),
		checkEntries("attribute", n.Attributes.Clone(), maxTagValue),
	} {
		if err != nil {
			return err
		}
	}
	if n.Kind != ModelVersion {
		return nil
	}
	if err := checkModelName(n.Name); err != nil {
		return err
	}
	number, problem := parseNumber(n.Version)
	if problem == "" && n.Version[0] == '0' { // it would be another node than the one without
		problem = fmt.Sprintf("write %d", number)
	}
	if problem != "" {
		return fmt.Errorf("version node %.80q: %w: its Version is the number of the model's version: %s", n.Name+"/"+n.Version, ErrInvalid, problem)
	}
	return nil
}

// nodeSeparator stands between the parts of a node's ID.
const nodeSeparator = "\x1f"

// id is the key of a node: its kind, name and version. A model's version goes by the model's ID, so that it keeps its
// lineage when the model is renamed, and a model made anew under the name does not inherit it.
func (n Node) id(modelID string) string {
	name := n.Name
	if n.Kind == ModelVersion {
		name = modelID
	}
	return string(n.Kind) + nodeSeparator + name + nodeSeparator + n.Version
}

// nodeOf is the node of an ID; a version's has the model's ID for a name.
func nodeOf(id string) (Node, error) {
	parts := strings.Split(id, nodeSeparator)
	if len(parts) != 3 {
		return Node{}, fmt.Errorf("node %q: %w: not an ID", id, ErrCorrupt)
	}
	return Node{Kind: NodeKind(parts[0]), Name: parts[1], Version: parts[2]}, nil
}

// stored says whether more is known of n than its name. A version's facts are its own.
func (n Node) stored() bool {
	return n.Kind != ModelVersion && (n.Path != "" || n.Attributes.Len() > 0)
}

// putNodes stores what is known of nodes beside their names, whose nodeLocks are held. What a node does not say, its path
// or its attributes, stays as it was said before.
func putNodes(tx backend.Tx, nodes []Node, ids nodeIDs) error {
	known := map[string]Node{}
	var partial []backend.Value
	for _, n := range nodes {
		if !n.stored() {
			continue
		}
		id := ids.of(n)
		known[id] = n.over(known[id])
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if n := known[id]; n.Path == "" || n.Attributes.Len() == 0 {
			partial = append(partial, backend.StringValue(id))
		}
	}
	if len(partial) > 0 {
		rows, err := tx.Find(backend.Query{Table: tableNodes, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: partial}}})
		if err != nil {
			return fmt.Errorf("read nodes: %w", err)
		}
		for _, row := range rows {
			var before Node
			if err := json.Unmarshal(row.Doc, &before); err != nil {
				return fmt.Errorf("node %v: %w: %w", row.Key, ErrCorrupt, err)
			}
			id := row.Key[0].Str()
			known[id] = known[id].over(before)
		}
	}
	rows := make([]backend.Row, 0, len(known))
	for _, id := range slices.Sorted(maps.Keys(known)) {
		doc, err := json.Marshal(known[id])
		if err != nil {
			return fmt.Errorf("encode node: %w", err)
		}
		rows = append(rows, backend.Row{Key: backend.Key{backend.StringValue(id)}, Doc: doc})
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.Put(tableNodes, rows...); err != nil {
		return fmt.Errorf("write nodes: %w", err)
	}
	return nil
}

// over is n, with what it does not say as before says it.
func (n Node) over(before Node) Node {
	if n.Path == "" {
		n.Path = before.Path
	}
	if n.Attributes.Len() == 0 {
		n.Attributes = before.Attributes
	}
	return n
}

// nodeIDs are the IDs of the models whose versions nodes name, by name.
type nodeIDs map[string]string

func (ids nodeIDs) of(n Node) string { return n.id(ids[n.Name]) }

// identify finds the models that nodes name, and refuses versions that never were: an edge does not end in nothing.
// known is a model that was read already, or nil.
func identify(tx backend.Reader, nodes []Node, known *modelRow) (nodeIDs, error) {
	byName := map[string]*modelRow{}
	if known != nil {
		byName[known.Name] = known
	}
	var ask []backend.Value
	for _, n := range nodes {
		if n.Kind == ModelVersion && byName[n.Name] == nil {
			ask = append(ask, backend.StringValue(n.Name))
		}
	}
	if len(ask) > 0 {
		slices.SortFunc(ask, backend.Value.Compare)
		rows, err := tx.Find(backend.Query{Table: tableModels, Where: []backend.Cond{{Field: "name", Op: backend.In, Values: slices.Compact(ask)}}})
		if err != nil {
			return nil, fmt.Errorf("read models: %w", err)
		}
		for _, row := range rows {
			m, err := decodeModelRow(row)
			if err != nil {
				return nil, err
			}
			byName[m.Name] = m
		}
	}
	ids := nodeIDs{}
	for _, n := range nodes {
		if n.Kind != ModelVersion {
			continue
		}
		m := byName[n.Name]
		if m == nil {
			return nil, errNoModel(n.Name)
		}
		if number, _ := parseNumber(n.Version); number > m.Last {
			return nil, errNoVersion(n.Name, number)
		}
		ids[n.Name] = m.ID
	}
	return ids, nil
}

func edgeKey(from string, t EdgeType, to string) backend.Key {
	return backend.Key{backend.StringValue(from), backend.StringValue(string(t)), backend.StringValue(to)}
}

// linkNew records where a version that is being registered came from. Nothing comes from it yet, so no cycle can close.
func (c *change) linkNew(v *Version, edges []Edge) error {
	nodes := make([]Node, len(edges))
	for i, e := range edges {
		if e.To.Kind == ModelVersion && e.To.Name == v.Model {
			if number, _ := parseNumber(e.To.Version); number >= v.Number {
				return fmt.Errorf("lineage: %w", errNoVersion(v.Model, number))
			}
		}
		nodes[i] = e.To
	}
	ids, err := identify(c.tx, nodes, c.model)
	if err != nil {
		return fmt.Errorf("lineage: %w", err)
	}
	if err := putNodes(c.tx, nodes, ids); err != nil {
		return err
	}
	ids[v.Model] = v.ModelID
	return putEdges(c.tx, edges, ids)
}

func putEdges(tx backend.Tx, edges []Edge, ids nodeIDs) error {
	rows := make([]backend.Row, len(edges))
	for i, e := range edges {
		rows[i] = backend.Row{Key: edgeKey(ids.of(e.From), e.Type, ids.of(e.To)), Doc: []byte("{}")}
	}
	slices.SortFunc(rows, func(a, b backend.Row) int { return a.Key.Compare(b.Key) })
	rows = slices.CompactFunc(rows, func(a, b backend.Row) bool { return a.Key.Compare(b.Key) == 0 })
	if err := tx.Put(tableEdges, rows...); err != nil {
		return fmt.Errorf("write edges: %w", err)
	}
	return nil
}

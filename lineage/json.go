package lineage

import (
	"encoding/json"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

// jsonFormat is raised with every change that a reader of the document has to know of.
const jsonFormat = 1

type jsonGraph struct {
	Format    int                      `json:"format"`
	Root      modelregistry.Node       `json:"root"`
	Nodes     []modelregistry.Node     `json:"nodes"`
	Edges     []jsonEdge               `json:"edges"`
	Holders   []*modelregistry.Version `json:"holders,omitempty"`
	Truncated bool                     `json:"truncated,omitempty"`
}

type jsonEdge struct {
	From int                    `json:"from"`
	Type modelregistry.EdgeType `json:"type"`
	To   int                    `json:"to"`
}

// JSON writes a graph as a document that Parse reads:
//
//	{
//	  "format": 1,
//	  "root": {"kind": "version", "name": "fraud", "version": "3"},
//	  "nodes": [{"kind": …, "name": …, "version": …, "path": …, "attributes": {…}}, …],
//	  "edges": [{"from": 0, "type": "trained-on", "to": 1}, …],
//	  "holders": [versions],
//	  "truncated": true
//	}
//
// from and to are places in nodes, from 0. A node's version, path and attributes, holders and truncated are left out where
// there are none. Members may be added; a change of their meaning raises format.
func JSON(g *modelregistry.Graph) ([]byte, error) {
	n := number(g)
	doc := jsonGraph{Format: jsonFormat, Root: g.Root, Nodes: n.nodes, Edges: []jsonEdge{}, Holders: g.Holders, Truncated: g.Truncated}
	if doc.Nodes == nil {
		doc.Nodes = []modelregistry.Node{}
	}
	for _, e := range n.edges {
		doc.Edges = append(doc.Edges, jsonEdge{e.from, e.kind, e.to})
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode lineage: %w", err)
	}
	return append(out, '\n'), nil
}

// Parse reads what JSON wrote. ErrInvalid: it is no such document, or of a newer format.
func Parse(data []byte) (*modelregistry.Graph, error) {
	var doc jsonGraph
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("lineage: %w: %w", modelregistry.ErrInvalid, err)
	}
	if doc.Format != jsonFormat {
		return nil, fmt.Errorf("lineage: %w: format %d; this program reads %d", modelregistry.ErrInvalid, doc.Format, jsonFormat)
	}
	g := &modelregistry.Graph{Root: doc.Root, Nodes: doc.Nodes, Holders: doc.Holders, Truncated: doc.Truncated}
	for i, e := range doc.Edges {
		if e.From < 0 || e.From >= len(doc.Nodes) || e.To < 0 || e.To >= len(doc.Nodes) {
			return nil, fmt.Errorf("lineage: %w: edge %d leads from node %d to node %d; there are %d", modelregistry.ErrInvalid, i, e.From, e.To, len(doc.Nodes))
		}
		g.Edges = append(g.Edges, modelregistry.Edge{From: doc.Nodes[e.From], Type: e.Type, To: doc.Nodes[e.To]})
	}
	return g, nil
}

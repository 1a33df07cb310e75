package lineage

import (
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// Text draws a graph for a terminal: each node that nothing came from, and below it, indented, what it came from. What
// was drawn already is not drawn again, but for its name.
func Text(g *modelregistry.Graph) string {
	n := number(g)
	up := make([][]numberedEdge, len(n.nodes))
	hasDown := make([]bool, len(n.nodes))
	for _, e := range n.edges {
		up[e.from] = append(up[e.from], e)
		hasDown[e.to] = true
	}
	var b strings.Builder
	drawn := make([]bool, len(n.nodes))
	var draw func(i int, indent string)
	draw = func(i int, indent string) {
		b.WriteString(string(n.nodes[i].Kind) + " " + label(n.nodes[i]))
		again := drawn[i] && len(up[i]) > 0
		if isRoot(g, n.nodes[i]) && !drawn[i] {
			b.WriteString(" *")
		}
		if drawn[i] = true; again {
			b.WriteString(" (see above)\n")
			return
		}
		b.WriteString("\n")
		for k, e := range up[i] {
			branch, below := "├─ ", "│  "
			if k == len(up[i])-1 {
				branch, below = "└─ ", "   "
			}
			b.WriteString(indent + branch + string(e.kind) + " ")
			draw(e.to, indent+below)
		}
	}
	for i := range n.nodes {
		if !hasDown[i] {
			draw(i, "")
		}
	}
	for i := range n.nodes { // those on a cycle, which only a parsed document has
		if !drawn[i] {
			draw(i, "")
		}
	}
	if g.Truncated {
		b.WriteString("(" + cut + ")\n")
	}
	return b.String()
}

package lineage

import (
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// DOT draws a graph in Graphviz's language. What is known of a node besides its name is its tooltip.
func DOT(g *modelregistry.Graph) string {
	n := number(g)
	var b strings.Builder
	b.WriteString("digraph lineage {\n  rankdir=BT;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	for i, node := range n.nodes {
		fmt.Fprintf(&b, "  n%d [label=\"%s\\n%s\", shape=%s", i, dotText(string(node.Kind)), dotText(label(node)), dotShape(node.Kind))
		if isRoot(g, node) {
			b.WriteString(", penwidth=3")
		}
		known := facts(node)
		if full := name(node); full != label(node) {
			known = append([]string{full}, known...)
		}
		if len(known) > 0 {
			for i := range known {
				known[i] = dotText(known[i])
			}
			fmt.Fprintf(&b, ", tooltip=\"%s\"", strings.Join(known, "\\n"))
		}
		b.WriteString("];\n")
	}
	for _, e := range n.edges {
		fmt.Fprintf(&b, "  n%d -> n%d [label=\"%s\"];\n", e.from, e.to, dotText(string(e.kind)))
	}
	if g.Truncated {
		fmt.Fprintf(&b, "  cut [label=\"%s\", style=dashed];\n", cut)
	}
	b.WriteString("}\n")
	return b.String()
}

func dotShape(kind modelregistry.NodeKind) string {
	switch kind {
	case modelregistry.Dataset, modelregistry.FeatureSet:
		return "cylinder"
	case modelregistry.CodeCommit:
		return "note"
	case modelregistry.TrainingRun:
		return "ellipse"
	case modelregistry.Deployment:
		return "component"
	}
	return "box"
}

// dotEscaper knows that Graphviz reads HTML's entities in labels, and \N and the like.
var dotEscaper = strings.NewReplacer(`\`, `\\`, `"`, `&quot;`, `&`, `&amp;`, `<`, `&lt;`, `>`, `&gt;`)

func dotText(s string) string { return dotEscaper.Replace(oneLine(s)) }

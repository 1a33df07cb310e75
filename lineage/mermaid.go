package lineage

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/modelregistry-go/modelregistry"
)

// Mermaid draws a graph as a Mermaid flowchart, which many viewers of Markdown render in a block of code of the language
// mermaid. Data sets are drums, code has double sides, runs are rounded, deployments have round ends.
func Mermaid(g *modelregistry.Graph) string {
	n := number(g)
	var b strings.Builder
	b.WriteString("flowchart BT\n")
	for i, node := range n.nodes {
		left, right := mermaidShape(node.Kind)
		fmt.Fprintf(&b, "  n%d%s\"%s<br/>%s\"%s\n", i, left, mermaidText(string(node.Kind)), mermaidText(label(node)), right)
	}
	for _, e := range n.edges {
		fmt.Fprintf(&b, "  n%d -->|\"%s\"| n%d\n", e.from, mermaidText(string(e.kind)), e.to)
	}
	for i, node := range n.nodes {
		if isRoot(g, node) {
			fmt.Fprintf(&b, "  style n%d stroke-width:3px\n", i)
		}
	}
	if g.Truncated {
		fmt.Fprintf(&b, "  cut[\"%s\"]\n  style cut stroke-dasharray:4\n", cut)
	}
	return b.String()
}

func mermaidShape(kind modelregistry.NodeKind) (left, right string) {
	switch kind {
	case modelregistry.Dataset, modelregistry.FeatureSet:
		return "[(", ")]"
	case modelregistry.CodeCommit:
		return "[[", "]]"
	case modelregistry.TrainingRun:
		return "(", ")"
	case modelregistry.Deployment:
		return "([", "])"
	}
	return "[", "]"
}

// mermaidText writes all but letters, digits and harmless signs as Mermaid's character codes: its quoted strings know no
// backslash, and give a meaning to backquotes, HTML, %%{ and #. They are Markdown besides, in which addresses become links
// and what begins a line may make a list: Mermaid shows an error in place of either.
func mermaidText(s string) string {
	var b strings.Builder
	text := []rune(oneLine(s))
	for i, r := range text {
		safe := plainRune(r) || r == ' ' || r == '/' || r == ','
		switch r {
		case '_': // within a word it is no emphasis
			safe = i > 0 && i < len(text)-1 && plainRune(text[i-1]) && plainRune(text[i+1])
		case '-', '+', '=':
			safe = i > 0
		case '.':
			before := string(text[:i])
			safe = strings.TrimLeft(before, "0123456789") != "" && !strings.HasSuffix(strings.ToLower(before), "www")
		}
		if safe {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

func plainRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

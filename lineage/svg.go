package lineage

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/modelregistry-go/modelregistry"
)

// SVG draws a graph as a picture to put into a page or a file of its own: boxes in layers, origins on top. It holds no
// script, no link and no style sheet; what is known of a node besides its name shows under the mouse. It is for graphs
// that fit a page: bound those of hundreds of nodes with LineageOptions.
func SVG(g *modelregistry.Graph) string {
	n := number(g)
	l := place(n, func(i int) string { return shorten(label(n.nodes[i])) })
	height := l.height
	if g.Truncated {
		height += 20
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="lineage" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="sans-serif" font-size="12">`+"\n",
		l.width, height, l.width, height)
	b.WriteString(`<defs><marker id="lineage-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>` + "\n")
	for _, line := range l.lines {
		drawLine(&b, line)
	}
	for _, layer := range l.layers {
		for _, c := range layer {
			if c.node >= 0 {
				drawBox(&b, c, n.nodes[c.node], isRoot(g, n.nodes[c.node]))
			}
		}
	}
	for _, line := range l.lines {
		x, y := line.label()
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle" font-size="10" fill="#445" stroke="#fff" stroke-width="3" paint-order="stroke">%s</text>`+"\n",
			x, y+3, svgText(string(line.edge.kind)))
	}
	if g.Truncated {
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" font-style="italic" fill="#445">%s</text>`+"\n", margin, height-8, cut)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawLine draws from the top of the descendant's box, through the gaps that were kept, to the bottom of the origin's.
func drawLine(b *strings.Builder, l line) {
	at := l.cells[0]
	fmt.Fprintf(b, `<path fill="none" stroke="#99a" marker-end="url(#lineage-arrow)" d="M%.1f %.1f`, at.x, at.y())
	for i, next := range l.cells[1:] {
		bottom := next.y() + boxHeight
		fmt.Fprintf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", at.x, at.y()-gapDown/2, next.x, bottom+gapDown/2, next.x, bottom)
		if i < len(l.cells)-2 {
			fmt.Fprintf(b, "V%.1f", next.y())
		}
		at = next
	}
	b.WriteString("\"/>\n")
}

func drawBox(b *strings.Builder, c *cell, n modelregistry.Node, root bool) {
	stroke := 1
	if root {
		stroke = 3
	}
	title := append([]string{string(n.Kind) + " " + name(n)}, facts(n)...)
	fmt.Fprintf(b, `<g><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%.0f" rx="%d" fill="%s" stroke="#556" stroke-width="%d"/>`,
		svgText(strings.Join(title, "\n")), c.x-c.width/2, c.y(), c.width, boxHeight, corner(n.Kind), fill(n.Kind), stroke)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" font-size="10" fill="#556">%s</text>`, c.x, c.y()+16, svgText(shorten(oneLine(string(n.Kind)))))
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#112">%s</text></g>`+"\n", c.x, c.y()+33, svgText(shorten(label(n))))
}

func corner(kind modelregistry.NodeKind) int {
	switch kind {
	case modelregistry.Dataset, modelregistry.FeatureSet, modelregistry.CodeCommit:
		return 0
	case modelregistry.Deployment, modelregistry.TrainingRun:
		return 20
	}
	return 5
}

func fill(kind modelregistry.NodeKind) string {
	switch kind {
	case modelregistry.Dataset, modelregistry.FeatureSet:
		return "#e6f0fb"
	case modelregistry.CodeCommit, modelregistry.TrainingRun:
		return "#f1f1ec"
	case modelregistry.ModelVersion:
		return "#fdf3d8"
	case modelregistry.Deployment:
		return "#e4f5e4"
	}
	return "#ffffff"
}

// svgText also replaces what XML has no character for, and what nobody sees and something obeys.
func svgText(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, s))
}

package lineage

import (
	"slices"
	"unicode/utf8"
)

// The measures of a picture, in pixels.
const (
	boxHeight  = 44.0
	boxMin     = 96.0
	gapAcross  = 28.0
	gapDown    = 56.0
	charWidth  = 7.2 // of an average character of the font; wide ones take two
	margin     = 12.0
	maxLabel   = 32 // characters
	sweepsMade = 6
)

// A cell is a box, or the place where a long edge passes a layer.
type cell struct {
	node  int // -1: an edge passes
	width float64
	x     float64 // of its middle
	above []*cell // to which lines lead from it
	below []*cell
	layer int
}

// A line is an edge with the cells that it goes through, from the descendant up to the origin.
type line struct {
	cells []*cell
	edge  numberedEdge
}

// A layout has places for the boxes and lines of a graph: layers with the origins on top, ordered so that few lines
// cross, and moved so that lines are short.
type layout struct {
	layers [][]*cell
	lines  []line
	width  float64
	height float64
}

func place(g *numbered, label func(i int) string) *layout {
	out := &layout{}
	ranks := g.rank()
	boxes := make([]*cell, len(g.nodes))
	put := func(c *cell) *cell {
		for len(out.layers) <= c.layer {
			out.layers = append(out.layers, nil)
		}
		out.layers[c.layer] = append(out.layers[c.layer], c)
		return c
	}
	for i := range g.nodes {
		boxes[i] = put(&cell{node: i, layer: ranks[i], width: max(boxMin, textWidth(label(i))+20)})
	}
	for _, e := range g.edges {
		at := boxes[e.from]
		l := line{cells: []*cell{at}, edge: e}
		for layer := at.layer - 1; layer > ranks[e.to]; layer-- {
			width := 12.0
			if len(l.cells) == 1 {
				width = textWidth(string(e.kind)) // room for what the line says
			}
			l.cells = append(l.cells, put(&cell{node: -1, layer: layer, width: width}))
		}
		l.cells = append(l.cells, boxes[e.to])
		for i := 1; i < len(l.cells); i++ {
			below, above := l.cells[i-1], l.cells[i]
			below.above = append(below.above, above)
			above.below = append(above.below, below)
		}
		out.lines = append(out.lines, l)
	}
	out.order()
	out.spread()
	return out
}

// order sorts each layer by where the neighbours are, down and up in turns.
func (l *layout) order() {
	for _, layer := range l.layers {
		for i, c := range layer {
			c.x = float64(i)
		}
	}
	sortLayer := func(layer []*cell, neighbours func(*cell) []*cell) {
		at := map[*cell]float64{}
		for _, c := range layer {
			at[c] = mean(neighbours(c), c.x)
		}
		slices.SortStableFunc(layer, func(a, b *cell) int {
			switch {
			case at[a] < at[b]:
				return -1
			case at[a] > at[b]:
				return 1
			}
			return 0
		})
		for i, c := range layer {
			c.x = float64(i)
		}
	}
	for range sweepsMade {
		for _, layer := range l.layers {
			sortLayer(layer, func(c *cell) []*cell { return c.above })
		}
		for _, layer := range slices.Backward(l.layers) {
			sortLayer(layer, func(c *cell) []*cell { return c.below })
		}
	}
}

// spread gives the cells their places across: as near to their neighbours as others leave room for.
func (l *layout) spread() {
	for _, layer := range l.layers {
		x := 0.0
		for _, c := range layer {
			c.x = x + c.width/2
			x += c.width + gapAcross
		}
		for _, c := range layer {
			c.x -= (x - gapAcross) / 2
		}
	}
	for range sweepsMade {
		for _, layer := range l.layers {
			pull(layer, func(c *cell) []*cell { return c.above })
		}
		for _, layer := range slices.Backward(l.layers) {
			pull(layer, func(c *cell) []*cell { return c.below })
		}
	}
	left, right := 0.0, 0.0
	for _, layer := range l.layers {
		for _, c := range layer {
			left, right = min(left, c.x-c.width/2), max(right, c.x+c.width/2)
		}
	}
	for _, layer := range l.layers {
		for _, c := range layer {
			c.x += margin - left
		}
	}
	l.width = right - left + 2*margin
	l.height = 2*margin + float64(len(l.layers))*(boxHeight+gapDown) - gapDown
}

// pull moves the cells of a layer to the middle of their neighbours, keeps their order and gaps, and then moves all so
// that what some had to give way is shared.
func pull(layer []*cell, neighbours func(*cell) []*cell) {
	wish := make([]float64, len(layer))
	off := 0.0
	for i, c := range layer {
		wish[i] = mean(neighbours(c), c.x)
		c.x = wish[i]
		if i > 0 {
			before := layer[i-1]
			c.x = max(c.x, before.x+before.width/2+gapAcross+c.width/2)
		}
		off += c.x - wish[i]
	}
	for _, c := range layer {
		c.x -= off / float64(len(layer))
	}
}

func mean(cells []*cell, none float64) float64 {
	if len(cells) == 0 {
		return none
	}
	sum := 0.0
	for _, c := range cells {
		sum += c.x
	}
	return sum / float64(len(cells))
}

// label is the middle of the text on a line: in the line's first gap, near the end that it has for itself.
func (l line) label() (x, y float64) {
	from, to := l.cells[0], l.cells[1]
	t := 0.5
	switch {
	case len(from.above) > len(to.below):
		t = 0.75
	case len(from.above) < len(to.below):
		t = 0.25
	}
	// A cubic curve that leaves and arrives upright, as lines are drawn.
	x = from.x + (to.x-from.x)*(3*t*t-2*t*t*t)
	y = from.y() - gapDown*(t*t*t+1.5*t*(1-t))
	return x, y
}

// y is the upper end of a layer's boxes.
func (c *cell) y() float64 { return margin + float64(c.layer)*(boxHeight+gapDown) }

// textWidth guesses how wide text is, as no font is at hand.
func textWidth(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += charWidth
		if r >= 0x1100 {
			w += charWidth
		}
	}
	return w
}

// shorten cuts text to a box's width.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxLabel {
		return s
	}
	r := []rune(s)
	return string(r[:maxLabel*2/3]) + "…" + string(r[len(r)-maxLabel/3+1:])
}

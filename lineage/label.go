package lineage

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/modelregistry-go/modelregistry"
)

// numbered gives the nodes of a graph numbers, and finds those of edges' ends.
type numbered struct {
	nodes []modelregistry.Node
	at    map[string]int
	edges []numberedEdge
}

// A numberedEdge leads from the node of one number to that of another.
type numberedEdge struct {
	from, to int
	kind     modelregistry.EdgeType
}

// key tells nodes apart; control characters are in no kind.
func key(n modelregistry.Node) string {
	return string(n.Kind) + "\x00" + n.Name + "\x00" + n.Version
}

// number numbers the nodes as g has them; ends of edges that g does not list come behind.
func number(g *modelregistry.Graph) *numbered {
	out := &numbered{at: map[string]int{}}
	add := func(n modelregistry.Node) int {
		i, ok := out.at[key(n)]
		if !ok {
			i = len(out.nodes)
			out.at[key(n)] = i
			out.nodes = append(out.nodes, n)
		}
		return i
	}
	for _, n := range g.Nodes {
		add(n)
	}
	for _, e := range g.Edges {
		out.edges = append(out.edges, numberedEdge{add(e.From), add(e.To), e.Type})
	}
	return out
}

// isRoot says whether n is what g was asked for: that node, or one of its versions.
func isRoot(g *modelregistry.Graph, n modelregistry.Node) bool {
	return n.Kind == g.Root.Kind && n.Name == g.Root.Name && (g.Root.Version == "" || n.Version == g.Root.Version)
}

// name is a node's name with its version, in one line.
func name(n modelregistry.Node) string {
	if n.Version == "" {
		return oneLine(n.Name)
	}
	return oneLine(n.Name + "/" + n.Version)
}

// digestRE finds digests and the hashes of commits, which are wider than any picture.
var digestRE = regexp.MustCompile(`\b(sha256:)?([0-9a-f]{12})[0-9a-f]{28,52}\b`)

// label is name with the first twelve digits of digests, as package compare shows them.
func label(n modelregistry.Node) string { return digestRE.ReplaceAllString(name(n), "$1$2") }

// oneLine makes one line of any text: whatever moves the pen, or turns the direction of writing, is a space.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
}

// cut is said where a graph does not show all.
const cut = "limits cut off a part"

// rank says how far above its furthest origin each node is: 0 for origins.
func (g *numbered) rank() []int {
	up := make([][]int, len(g.nodes))
	for _, e := range g.edges {
		up[e.from] = append(up[e.from], e.to)
	}
	ranks := make([]int, len(g.nodes))
	state := make([]byte, len(g.nodes)) // 1: under way, 2: done
	var visit func(i int)
	visit = func(i int) {
		state[i] = 1
		for _, j := range up[i] {
			if state[j] == 0 {
				visit(j)
			}
			if state[j] == 2 { // else a cycle, which a registry has none of, but a parsed document may
				ranks[i] = max(ranks[i], ranks[j]+1)
			}
		}
		state[i] = 2
	}
	for i := range g.nodes {
		if state[i] == 0 {
			visit(i)
		}
	}
	return ranks
}

// facts are what is known of a node besides its name, a line each.
func facts(n modelregistry.Node) []string {
	var out []string
	if n.Path != "" {
		out = append(out, oneLine(n.Path))
	}
	for name, value := range n.Attributes.All() {
		out = append(out, oneLine(fmt.Sprintf("%s: %s", name, value)))
	}
	return out
}

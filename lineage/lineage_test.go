package lineage_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/lineage"
)

// hostile are names that mean something in some format.
var hostile = []string{
	`plain`, `quote " and ' and back` + "`" + `quote`, `[brackets] (of) {all} <kinds> |x|`, "two\nlines\r\nand\ttabs",
	`</script><script>alert(1)</script>`, `]]> --> <!-- %%{init: {}}%% ;`, `back\slash \N \G \n`, `&amp; &#34; #quot; #35;`,
	`subgraph end style class click`, "\u2028\u2029\u202e\x7f\x1b[31m", `n1 --> n2`, `日本語 ünï ✓ 🙂`, `1. list`, `- item`, `__bold__ a_b`, `https://x.example/y www.z.example me@x.example`, strings.Repeat("long ", 90),
}

// hostileGraph is a graph in which every text is hostile.
func hostileGraph() *modelregistry.Graph {
	g := &modelregistry.Graph{}
	for i, name := range hostile {
		n := modelregistry.Node{Kind: modelregistry.Dataset, Name: name, Version: hostile[(i+1)%len(hostile)],
			Path: hostile[(i+2)%len(hostile)], Attributes: modelregistry.MapOf(map[string]string{hostile[(i+3)%len(hostile)]: name})}
		switch i % 4 {
		case 1:
			n.Kind = modelregistry.CodeCommit
		case 2:
			n.Kind = modelregistry.TrainingRun
		case 3:
			n.Kind = "note_book"
		}
		g.Nodes = append(g.Nodes, n)
	}
	for i, n := range g.Nodes {
		for _, j := range []int{2*i + 1, 2*i + 2, i + 5} {
			if j < len(g.Nodes) {
				g.Edges = append(g.Edges, modelregistry.Edge{From: n, Type: modelregistry.DerivedFrom, To: g.Nodes[j]})
			}
		}
	}
	g.Root, g.Truncated = g.Nodes[0], true
	return g
}

// grammar checks that every line of a picture is one of the lines that it is made of, with text only inside of quotes.
func grammar(t *testing.T, text string, lines ...string) map[string]int {
	t.Helper()
	whole := regexp.MustCompile(`^(?:` + strings.Join(lines, "|") + `)$`)
	counts := map[string]int{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		require.Regexp(t, whole, line)
		for _, l := range lines {
			if regexp.MustCompile("^(?:" + l + ")$").MatchString(line) {
				counts[l]++
			}
		}
	}
	return counts
}

func TestMermaidIsOneWhateverNamesHold(t *testing.T) {
	g := hostileGraph()
	const (
		safe = `(?:[\pL\pN\pM _./,=+-]|#\d+;)*`
		node = `  n\d+(?:\[|\[\(|\(|\[\[|\(\[)"` + safe + `<br/>` + safe + `"(?:\]|\)\]|\)|\]\]|\]\))`
		edge = `  n\d+ -->\|"` + safe + `"\| n\d+`
	)
	counts := grammar(t, lineage.Mermaid(g), `flowchart BT`, node, edge, `  style n\d+ stroke-width:3px`, `  cut\["limits cut off a part"\]`, `  style cut stroke-dasharray:4`)
	require.Equal(t, len(g.Nodes), counts[node])
	require.Equal(t, len(g.Edges), counts[edge])
	for name, want := range map[string]string{
		"1. list": "1#46; list", "- item": "#45; item", "_a_ b_c": "#95;a#95; b_c", "https://x.go": "https#58;//x.go", "v1.2": "v1.2", "www.z": "www#46;z",
	} {
		one := &modelregistry.Graph{Nodes: []modelregistry.Node{modelregistry.DatasetNode(name, "", "", nil)}}
		require.Contains(t, lineage.Mermaid(one), "<br/>"+want+`"`, "what Markdown would make a list, a link or emphasis of")
	}
}

func TestDOTIsOneWhateverNamesHold(t *testing.T) {
	g := hostileGraph()
	const (
		text = `"(?:[^"\\<>]|\\\\|\\n)*"`
		node = `  n\d+ \[label=` + text + `, shape=\w+(?:, penwidth=3)?(?:, tooltip=` + text + `)?\];`
		edge = `  n\d+ -> n\d+ \[label=` + text + `\];`
	)
	counts := grammar(t, lineage.DOT(g), `digraph lineage \{`, `  rankdir=BT;`, `  (?:node|edge) \[[^\]]*\];`, node, edge, `  cut \[label="limits cut off a part", style=dashed\];`, `\}`)
	require.Equal(t, len(g.Nodes), counts[node])
	require.Equal(t, len(g.Edges), counts[edge])
}

func TestSVGIsOneWhateverNamesHold(t *testing.T) {
	g := hostileGraph()
	svg := lineage.SVG(g)
	require.Equal(t, svg, lineage.SVG(g))
	elements := map[string]int{}
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
	// An arrow's head, and then for each edge a line and a text, for each node a box, two texts and a title.
	n, e := len(g.Nodes), len(g.Edges)
	require.Equal(t, map[string]int{"svg": 1, "defs": 1, "marker": 1, "path": 1 + e, "g": n, "title": n, "rect": n, "text": 2*n + e + 1}, elements)
}

func TestTextIsALineEachWhateverNamesHold(t *testing.T) {
	text := lineage.Text(hostileGraph())
	require.Equal(t, len(hostileGraph().Edges)+1+1, strings.Count(text, "\n"), "a line for the one node that nothing came from, for each edge, and for the cut")
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\u202e")
}

func TestNoFormatLetsAScriptEnd(t *testing.T) {
	g := hostileGraph()
	doc, err := lineage.JSON(g)
	require.NoError(t, err)
	for _, text := range []string{lineage.Mermaid(g), lineage.DOT(g), lineage.SVG(g), string(doc)} {
		require.NotContains(t, text, "</script")
		require.NotContains(t, text, "<script")
		require.NotContains(t, text, "<!--")
	}
}

func TestJSONRoundTrips(t *testing.T) {
	for _, g := range []*modelregistry.Graph{hostileGraph(), {Root: modelregistry.DatasetNode("d", "", "", nil)}, {
		Root: modelregistry.DatasetNode("d", "", "", nil), Nodes: []modelregistry.Node{{Kind: "x", Name: "y"}},
		Holders: []*modelregistry.Version{{Model: "m", Number: 3, Stage: modelregistry.Production, Created: time.Unix(1, 0).UTC()}},
	}} {
		doc, err := lineage.JSON(g)
		require.NoError(t, err)
		back, err := lineage.Parse(doc)
		require.NoError(t, err)
		again, err := lineage.JSON(back)
		require.NoError(t, err)
		require.Equal(t, string(doc), string(again))
		require.Equal(t, len(g.Edges), len(back.Edges))
		for i := range g.Edges {
			require.Equal(t, g.Edges[i], back.Edges[i])
		}
	}
	for _, doc := range []string{"", "[]", `{}`, `{"format":2}`, `{"format":1,"nodes":[{"kind":"a","name":"b"}],"edges":[{"from":0,"to":1}]}`, `{"format":1,"edges":[{"from":-1,"to":0}]}`} {
		_, err := lineage.Parse([]byte(doc))
		require.ErrorIs(t, err, modelregistry.ErrInvalid, doc)
	}
}

// A document may claim what a registry never has.
func TestGraphsWithACycleAreDrawn(t *testing.T) {
	a, b := modelregistry.DatasetNode("a", "", "", nil), modelregistry.DatasetNode("b", "", "", nil)
	g := &modelregistry.Graph{Root: a, Edges: []modelregistry.Edge{{From: a, Type: "x", To: b}, {From: b, Type: "x", To: a}, {From: a, Type: "x", To: a}}}
	require.Contains(t, lineage.Text(g), "see above")
	require.Contains(t, lineage.SVG(g), "</svg>")
	require.Nil(t, g.Path(a, modelregistry.DatasetNode("c", "", "", nil)))
	require.Len(t, g.Ancestors(a), 1)
	_, err := lineage.OpenLineage(g, nil)
	require.NoError(t, err)
}

// schemas compiles OpenLineage's schema of events and those of the facets.
func schemas(t *testing.T) (event *jsonschema.Schema, facets map[string]*jsonschema.Schema) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	files, err := filepath.Glob("testdata/openlineage/*.json")
	require.NoError(t, err)
	ids := map[string]string{}
	for _, file := range files {
		f, err := os.Open(file)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(f)
		require.NoError(t, errors.Join(err, f.Close()))
		id := doc.(map[string]any)["$id"].(string)
		require.NoError(t, c.AddResource(id, doc))
		ids[filepath.Base(file)] = id
	}
	facets = map[string]*jsonschema.Schema{}
	for file, id := range ids {
		s, err := c.Compile(id)
		require.NoError(t, err)
		if file == "OpenLineage.json" {
			event = s
		} else {
			facets[id] = s
		}
	}
	return event, facets
}

func TestOpenLineageEventsKeepToTheSchema(t *testing.T) {
	event, facets := schemas(t)
	run := modelregistry.Node{Kind: modelregistry.TrainingRun, Name: "0123456789abcdef0123456789abcdef"}
	code := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "train.go", Version: "def456", Path: "https://git.example/fraud/train.go"}
	data := modelregistry.DatasetNode("data", "2", "s3://ml/train.parquet", map[string]string{"rows": "5"})
	v := modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "fraud", Version: "3"}
	deployment := modelregistry.Node{Kind: modelregistry.Deployment, Name: "eu"}
	g := &modelregistry.Graph{Root: v, Edges: []modelregistry.Edge{
		{From: v, Type: modelregistry.ProducedBy, To: run}, {From: v, Type: modelregistry.TrainedOn, To: data}, {From: run, Type: modelregistry.TrainedOn, To: data},
		{From: run, Type: modelregistry.ProducedBy, To: code}, {From: deployment, Type: modelregistry.Serves, To: v}, {From: code, Type: modelregistry.DerivedFrom, To: data},
	}}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	events, err := lineage.OpenLineage(g, &lineage.OpenLineageOptions{Time: at})
	require.NoError(t, err)
	var told []string
	for _, e := range events {
		told = append(told, fmt.Sprintf("%s %s %d->%d", e.EventType, e.Job.Name, len(e.Inputs), len(e.Outputs)))
	}
	require.Equal(t, []string{"START code.train.go 1->0", "COMPLETE code.train.go 1->1", "START train.fraud 2->0", "COMPLETE train.fraud 2->1", "START deployment.eu 1->0"}, told)
	require.Equal(t, "01234567-89ab-cdef-0123-456789abcdef", events[2].Run.RunID)
	require.Equal(t, "https://git.example/fraud/train.go", events[2].Job.Facets["sourceCodeLocation"]["url"])
	again, err := lineage.OpenLineage(g, &lineage.OpenLineageOptions{Time: at})
	require.NoError(t, err)
	require.Equal(t, events, again, "the same node has the same run again")

	odd, err := lineage.OpenLineage(hostileGraph(), nil)
	require.NoError(t, err)
	require.NotEmpty(t, odd)
	used := map[string]bool{}
	for _, e := range append(events, odd...) {
		valid(t, event, e)
		all := []map[string]map[string]any{e.Job.Facets}
		for _, d := range append(e.Inputs, e.Outputs...) {
			all = append(all, d.Facets)
		}
		for _, of := range all {
			for name, facet := range of {
				id := facet["_schemaURL"].(string)
				require.Contains(t, facets, id)
				valid(t, facets[id], map[string]any{name: facet})
				used[id] = true
			}
		}
	}
	require.Len(t, used, len(facets), "every schema that is kept is used")

	wrong := events[0]
	wrong.Run.RunID = "1"
	doc, err := json.Marshal(wrong)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(doc)))
	require.NoError(t, err)
	require.Error(t, event.Validate(value), "the validator validates")
	_, err = lineage.OpenLineage(g, &lineage.OpenLineageOptions{Producer: "me"})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
}

func valid(t *testing.T, schema *jsonschema.Schema, v any) {
	t.Helper()
	doc, err := json.Marshal(v)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(doc)))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(value), "%s", doc)
}

// Whole digests make pictures that no page holds; tools have them in JSON, and people under the mouse.
func TestPicturesShortenDigests(t *testing.T) {
	digest, commit := "sha256:"+strings.Repeat("0123456789abcdef", 4), strings.Repeat("a1", 20)
	data := modelregistry.DatasetNode("iris", digest, "", nil)
	code := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "train.go", Version: commit}
	run := modelregistry.Node{Kind: modelregistry.TrainingRun, Name: strings.Repeat("5e", 16)} // is what people look up
	g := &modelregistry.Graph{Root: run, Nodes: []modelregistry.Node{run, data, code}, Edges: []modelregistry.Edge{
		{From: run, Type: modelregistry.TrainedOn, To: data}, {From: run, Type: modelregistry.ProducedBy, To: code},
	}}
	require.Equal(t, "run "+run.Name+" *\n├─ trained-on dataset iris/sha256:0123456789ab\n└─ produced-by code train.go/a1a1a1a1a1a1\n", lineage.Text(g))
	require.NotContains(t, lineage.Mermaid(g), digest[7:])
	require.Contains(t, lineage.DOT(g), `label="dataset\niris/sha256:0123456789ab"`)
	require.Contains(t, lineage.DOT(g), `tooltip="iris/`+digest+`"`)
	require.Contains(t, lineage.SVG(g), "<title>dataset iris/"+digest+"</title>")
}

// Package lineage draws and exports a part of the lineage: what modelregistry.Registry.Lineage returns.
//
//	g, err := reg.Lineage(ctx, v.Node(), nil)
//	fmt.Print(lineage.Text(g))    // for terminals
//	fmt.Print(lineage.Mermaid(g)) // for Markdown
//	dot := lineage.DOT(g)         // for Graphviz
//	svg := lineage.SVG(g)         // for HTML, without any program
//	doc, err := lineage.JSON(g)   // for programs; Parse reads it
//	events, err := lineage.OpenLineage(g, nil)
//
// In all pictures origins are above and what came of them below; an arrow goes as its edge reads, from the one that came
// to the one that it came from: "version fraud/3, trained-on, dataset transactions".
//
// Names are anybody's: they may hold quotes, brackets, line ends and markup. Each format gets them escaped, so that
// what they show is text. The same graph gives the same bytes.
package lineage

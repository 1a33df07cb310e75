// Package card makes a model card: one version as a page for people, in Markdown or HTML.
//
//	c, err := card.New(ctx, reg, v, nil)
//	page, err := c.HTML() // one file: a little CSS, a picture of the lineage, no script, nothing to load
//	text := c.Markdown()  // with the lineage as a Mermaid diagram
//
// A card says what the version is, where it stands, what it came from, how it does beside the version that was in Production
// before it, what it takes and returns, how it was made and is served, which files it has, who vouches for it, who let it
// through and why. Sections that have nothing to say are left out. The same registry gives the same bytes: a card says
// nothing of when it was made.
//
// Everything that anybody could have written is escaped in both forms.
package card

package card

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"github.com/modelregistry-go/modelregistry/internal/markdown"
	"github.com/modelregistry-go/modelregistry/lineage"
)

// Markdown is the card in Markdown, with the lineage as a block of Mermaid.
func (c *Card) Markdown() string {
	var b strings.Builder
	b.WriteString("# " + markdown.Escape(c.title()) + "\n")
	for _, s := range c.sections() {
		if s.title != "" {
			b.WriteString("\n## " + markdown.Escape(s.title) + "\n")
		}
		for _, paragraph := range s.text {
			for line := range strings.Lines(paragraph) {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				b.WriteString("\n" + atLineStart(markdown.Escape(line)) + "\n")
			}
		}
		if s.picture {
			b.WriteString("\n```mermaid\n" + lineage.Mermaid(c.Lineage) + "```\n")
		}
		if len(s.rows) > 0 {
			b.WriteString("\n" + markdown.Table(s.head, s.rows))
		}
	}
	return b.String()
}

// atLineStart takes the meaning from what makes a list, a rule or a title at the beginning of a line.
func atLineStart(s string) string {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	rest := s[digits:]
	if digits > 0 && rest != "" && (rest[0] == '.' || rest[0] == ')') {
		return s[:digits] + `\` + rest
	}
	if s != "" && strings.ContainsRune("-+=", rune(s[0])) {
		return `\` + s
	}
	return s
}

// HTML is the card as a page of its own: it loads nothing and runs nothing.
func (c *Card) HTML() ([]byte, error) {
	type view struct {
		Title   string
		Text    []string
		Head    []string
		Rows    [][]string
		Picture template.HTML
	}
	page := struct {
		Title    string
		Stage    string
		Sections []view
	}{Title: markdown.Plain(c.title()), Stage: string(c.Version.Stage)}
	for _, s := range c.sections() {
		v := view{Title: s.title, Text: plain(s.text), Head: plain(s.head)}
		for _, row := range s.rows {
			v.Rows = append(v.Rows, plain(row))
		}
		if s.picture {
			v.Picture = template.HTML(lineage.SVG(c.Lineage)) // which escapes all that it shows
		}
		page.Sections = append(page.Sections, v)
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("card of %s: %w", c.Version.Ref(), err)
	}
	return b.Bytes(), nil
}

func plain(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = markdown.Plain(text)
	}
	return out
}

var pageTemplate = template.Must(template.New("card").Funcs(template.FuncMap{
	"tone": tone,
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-bottom: .2rem; border-bottom: 1px solid #d5d9de }
.stage { font-size: .8rem; font-weight: 600; padding: .15rem .6rem; border-radius: 1rem; background: #e8ebef; vertical-align: middle }
.stage.Production { background: #d7f0d9 } .stage.Staging { background: #fdf0cd }
p { margin: .4rem 0; white-space: pre-line; overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #eceff2; overflow-wrap: anywhere; min-width: 5rem }
th { font-weight: 600; color: #57606a } td:first-child { white-space: pre-wrap }
td.mono { font: .85em ui-monospace, monospace } .good { color: #146c2e } .bad { color: #b3261e }
svg { max-width: 100%; height: auto }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } }
</style>
</head>
<body>
<h1>{{.Title}} <span class="stage {{.Stage}}">{{.Stage}}</span></h1>
{{- range .Sections}}
<section>
{{- if .Title}}
<h2>{{.Title}}</h2>
{{- end}}
{{- range .Text}}
<p>{{.}}</p>
{{- end}}
{{- if .Picture}}
<div class="wide">
{{.Picture}}</div>
{{- end}}
{{- if .Rows}}
<div class="wide"><table>
{{- if index .Head 0}}
<thead><tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr></thead>
{{- end}}
<tbody>
{{- range .Rows}}
<tr>{{range .}}<td{{with tone .}} class="{{.}}"{{end}}>{{.}}</td>{{end}}</tr>
{{- end}}
</tbody></table></div>
{{- end}}
</section>
{{- end}}
</body>
</html>
`))

// tone is the class of a cell.
func tone(cell string) string {
	switch {
	case strings.HasPrefix(cell, "sha256:"):
		return "mono"
	case cell == "passed" || strings.HasSuffix(cell, " better"):
		return "good"
	case cell == "refused" || strings.HasSuffix(cell, " worse"):
		return "bad"
	}
	return ""
}

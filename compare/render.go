package compare

import (
	"fmt"
	"strings"
)

// String is the comparison as tables whose columns line up. Long values are cut.
func (c *Comparison) String() string {
	var b strings.Builder
	writeText(&b, c.tables(false))
	return b.String()
}

// Markdown is the comparison as tables of Markdown, with everything escaped.
func (c *Comparison) Markdown() string {
	var b strings.Builder
	writeMarkdown(&b, c.tables(true))
	return b.String()
}

// tables lays the comparison out. Parts with no rows are left out.
func (c *Comparison) tables(whole bool) []table {
	digest := func(s string) string {
		if whole || len(s) < len("sha256:")+12 {
			return s
		}
		return s[:len("sha256:")+12]
	}
	var refs []string
	for _, v := range c.Versions {
		refs = append(refs, v.Ref())
	}
	var out []table
	part := func(title string, rows [][]string) {
		if len(rows) > 0 {
			out = append(out, table{head: append([]string{title}, refs...), rows: rows})
		}
	}
	about := textRows(c.About)
	for _, row := range about {
		if row[0] == "digest" {
			for i := range row[1:] {
				row[i+1] = digest(row[i+1])
			}
		}
	}
	part("version", about)
	part("metric", c.metricRows())
	part("param", textRows(c.Params))
	part("tag", textRows(c.Tags))
	var signatures [][]string
	for i, s := range c.Signatures {
		for _, change := range s.Changes {
			signatures = append(signatures, []string{refs[i], change})
		}
	}
	if len(signatures) > 0 {
		out = append(out, table{head: []string{"signature", "change from " + refs[0]}, rows: signatures})
	}
	var files [][]string
	for _, f := range c.Files {
		row := []string{f.Path}
		for i, file := range f.Files {
			cell := string(f.Changes[i])
			if file != nil {
				cell = Size(file.Size)
				if i == 0 || f.Changes[i] != Same {
					cell += " " + digest(file.Digest)
				}
				if i > 0 {
					cell += " " + string(f.Changes[i])
				}
			}
			row = append(row, cell)
		}
		files = append(files, row)
	}
	part("file", files)
	var origins [][]string
	for _, o := range c.Origins {
		row := []string{fmt.Sprintf("%s %s", o.Type, o.Node)}
		for _, in := range o.In {
			cell := "no"
			if in {
				cell = "yes"
			}
			row = append(row, cell)
		}
		origins = append(origins, row)
	}
	part("origin", origins)
	return out
}

func textRows(texts []Text) [][]string {
	var rows [][]string
	for _, t := range texts {
		row := []string{t.Name}
		for _, v := range t.Values {
			if v == nil {
				row = append(row, "")
			} else {
				row = append(row, *v)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func (c *Comparison) metricRows() [][]string {
	var rows [][]string
	for _, m := range c.Metrics {
		row := []string{m.Name}
		for i, v := range m.Values {
			cell := string(m.Changes[i])
			if v != nil {
				cell = v.String()
				if d := m.Deltas[i]; i > 0 && d != nil && *d != 0 {
					cell += " (" + d.Signed()
					if m.Changes[i] == Better || m.Changes[i] == Worse {
						cell += " " + string(m.Changes[i])
					}
					cell += ")"
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

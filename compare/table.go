package compare

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/modelregistry-go/modelregistry/internal/markdown"
)

// A table is a part of what is printed.
type table struct {
	head []string
	rows [][]string
}

const maxCell = 60 // characters of a cell in aligned text

// writeText writes the tables with columns that line up, all alike.
func writeText(b *strings.Builder, tables []table) {
	for i, t := range tables {
		if i > 0 {
			b.WriteString("\n")
		}
		w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.head}, t.rows...) {
			for k, cell := range row {
				row[k] = plain(cell)
			}
			fmt.Fprintln(w, strings.Join(row, "\t")) // into a strings.Builder: cannot fail
		}
		w.Flush()
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	b.Reset()
	b.WriteString(strings.Join(lines, "\n"))
}

func writeMarkdown(b *strings.Builder, tables []table) {
	for i, t := range tables {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(markdown.Table(t.head, t.rows))
	}
}

// plain is a cell in one short line without anything that moves the cursor.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxCell {
		s = string(r[:maxCell-1]) + "…"
	}
	return s
}

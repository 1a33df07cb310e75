// Package markdown writes text that is anybody's into Markdown, so that it shows as text.
package markdown

import (
	"strings"
	"unicode"
)

var escaper = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `{`, `\{`, `}`, `\}`, `[`, `\[`, `]`, `\]`, `|`, `\|`, `~`, `\~`, `#`, `\#`, `$`, `\$`,
	`<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `@`, `&#64;`, // @ would call somebody on some sites
)

// Plain is text without what nobody sees and something obeys: a terminal that a page is read on, or the order of writing.
// Ends of lines and tabs stay.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
}

var oneLine = strings.NewReplacer("\n", " ", "\t", " ")

// Escape is text that Markdown shows as s, in one line.
func Escape(s string) string { return escaper.Replace(oneLine.Replace(Plain(s))) }

// Table is a table with escaped cells. A row that is shorter than the head is filled up.
func Table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for i := range head {
			cell := ""
			if i < len(cells) {
				cell = Escape(cells[i])
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	b.WriteString(strings.Repeat("| --- ", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

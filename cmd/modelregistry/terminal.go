package main

import (
	"io"
	"strconv"
	"strings"
	"unicode"
)

// A plainWriter writes text for a terminal: what a foreign server says may be in it, and must not move the cursor, give the
// window a title, or turn the direction of writing. Such characters are shown as Go writes them in a string.
type plainWriter struct{ io.Writer }

func (w plainWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, plain(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plain shows what is not to be seen, but for ends of lines and tabs.
func plain(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], string(r)): // a byte that is no UTF-8
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[i]), 16))
		case r == '\n' || r == '\t' || unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// line is plain text of one line: what a stranger says must not look like the next.
func line(text string) string { return strings.ReplaceAll(plain(text), "\n", `\n`) }

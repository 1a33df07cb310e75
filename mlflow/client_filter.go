package mlflow

import (
	"errors"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// quote writes text as a value in MLflow's filters, which have no way to write a quote inside the same quotes.
func quote(text string) (string, error) {
	switch {
	case !strings.Contains(text, "'"):
		return "'" + text + "'", nil
	case !strings.Contains(text, `"`):
		return `"` + text + `"`, nil
	}
	return "", fmt.Errorf("%.80q: %w: MLflow's filters cannot hold text with both quotes", text, errors.ErrUnsupported)
}

func nameFilter(model string) (string, error) {
	quoted, err := quote(model)
	return "name = " + quoted, err
}

// A piece is a part of a filter: a word, a quoted text, a symbol.
type piece struct {
	text   string // with its quotes
	quoted byte   // which quote, or 0
	value  string // between the quotes, doubled ones single
	begin  int    // in the filter
}

// pieces cuts a filter up. A text without end is one piece to the end: the server says what it thinks of it.
func pieces(filter string) []piece {
	var out []piece
	for i := 0; i < len(filter); {
		switch ch := filter[i]; {
		case strings.IndexByte(" \t\r\n", ch) >= 0:
			i++
			continue
		case ch == '\'' || ch == '"' || ch == '`':
			end, value := quotedEnd(filter, i)
			out = append(out, piece{filter[i:end], ch, value, i})
			i = end
			continue
		case strings.IndexByte("(),=<>!", ch) >= 0:
			end := i + 1
			if end < len(filter) && strings.IndexByte("<>!", ch) >= 0 && strings.IndexByte("=>", filter[end]) >= 0 {
				end++
			}
			out = append(out, piece{text: filter[i:end], begin: i})
			i = end
			continue
		}
		end := i
		for end < len(filter) && strings.IndexByte(" \t\r\n'\"`(),=<>!", filter[end]) < 0 {
			end++
		}
		out = append(out, piece{text: filter[i:end], begin: i})
		i = end
	}
	return out
}

// quotedEnd finds the end of the quoted text that begins at i.
func quotedEnd(filter string, i int) (end int, value string) {
	q := filter[i]
	var b strings.Builder
	for j := i + 1; j < len(filter); j++ {
		if filter[j] != q {
			b.WriteByte(filter[j])
			continue
		}
		if j+1 < len(filter) && filter[j+1] == q {
			b.WriteByte(q)
			j++
			continue
		}
		return j + 1, b.String()
	}
	return len(filter), b.String()
}

// translateFilter writes a filter of Query's language so that MLflow understands it: a doubled quote is nothing to MLflow.
func translateFilter(filter string) (string, error) {
	if err := checkText(filter); err != nil {
		return "", err
	}
	const longest = 100_000
	if len(filter) > longest {
		return "", fmt.Errorf("filter: %w: %d bytes, at most %d", modelregistry.ErrInvalid, len(filter), longest)
	}
	var b strings.Builder
	at := 0
	for _, p := range pieces(filter) {
		if p.quoted != '\'' && p.quoted != '"' || !strings.ContainsRune(p.value, rune(p.quoted)) {
			continue
		}
		text, err := quote(p.value)
		if err != nil {
			return "", err
		}
		b.WriteString(filter[at:p.begin])
		b.WriteString(text)
		at = p.begin + len(p.text)
	}
	b.WriteString(filter[at:])
	return b.String(), nil
}

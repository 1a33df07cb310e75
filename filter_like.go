package modelregistry

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pattern is that of a LIKE or an ILIKE: % stands for any characters, _ for one, and \ takes the meaning from the
// character behind it. It means the same on every backend, for it is matched here, and only its beginning is left
// to them.
type pattern struct {
	text  string
	fold  bool // ILIKE: letters that differ by case only are equal, by Unicode's simple folding
	parts []part
}

// A part is what stands between two %. There is one more part than there are %.
type part struct {
	literal string // folded if the pattern folds; with a gap, the part up to the first _
	runes   []rune // with a gap: all characters, with anyRune for _
}

const anyRune rune = -1

func compilePattern(text string, fold bool) (p *pattern, problem string) {
	if utf8.RuneCountInString(text) > maxPatternLength {
		return nil, "a pattern has at most " + strconv.Itoa(maxPatternLength) + " characters"
	}
	p = &pattern{text: text, fold: fold}
	var runes []rune
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			runes, escaped = append(runes, p.folded(r)), false
		case r == '\\':
			escaped = true
		case r == '%':
			p.parts = append(p.parts, makePart(runes))
			runes = nil
		case r == '_':
			runes = append(runes, anyRune)
		default:
			runes = append(runes, p.folded(r))
		}
	}
	if escaped {
		return nil, `a pattern does not end in a single \; write \\ for the character itself`
	}
	p.parts = append(p.parts, makePart(runes))
	return p, ""
}

func makePart(runes []rune) part {
	for i, r := range runes {
		if r == anyRune {
			return part{literal: string(runes[:i]), runes: runes}
		}
	}
	return part{literal: string(runes)}
}

func (p *pattern) folded(r rune) rune {
	if p.fold {
		return foldRune(r)
	}
	return r
}

// foldRune returns the lowest of the characters that differ from r by case only.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToUpper(r) // the others of its kind are above
	}
	low := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		low = min(low, next)
	}
	return low
}

// exact returns the one text that the pattern fits, if there is only one.
func (p *pattern) exact() (text string, ok bool) {
	return p.parts[0].literal, !p.fold && len(p.parts) == 1 && p.parts[0].runes == nil
}

// prefix returns what each text that fits begins with, and whether each text that begins so fits.
func (p *pattern) prefix() (prefix string, all bool) {
	if p.fold {
		return "", false
	}
	return p.parts[0].literal, p.parts[0].runes == nil && len(p.parts) == 2 && p.parts[1].literal == "" && p.parts[1].runes == nil
}

// match says whether the pattern fits all of s. Each part is looked for once, from left to right, behind the one
// before: there is no backtracking, and the cost is at most the product of the lengths.
func (p *pattern) match(s string) bool {
	if p.fold {
		s = strings.Map(foldRune, s)
	}
	last := len(p.parts) - 1
	n, ok := p.parts[0].at(s)
	if !ok || last == 0 {
		return ok && n == len(s)
	}
	s = s[n:]
	for _, part := range p.parts[1:last] {
		end := part.find(s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return p.parts[last].atEnd(s)
}

// at says whether the part fits the beginning of s, and how long that is.
func (p part) at(s string) (n int, ok bool) {
	if p.runes == nil {
		return len(p.literal), strings.HasPrefix(s, p.literal)
	}
	for _, want := range p.runes {
		r, size := utf8.DecodeRuneInString(s[n:])
		if size == 0 || want != anyRune && want != r {
			return 0, false
		}
		n += size
	}
	return n, true
}

// find returns where the first fit of the part in s ends, or -1.
func (p part) find(s string) int {
	from := 0
	for {
		i := strings.Index(s[from:], p.literal)
		if i < 0 {
			return -1
		}
		from += i
		if n, ok := p.at(s[from:]); ok {
			return from + n
		}
		_, size := utf8.DecodeRuneInString(s[from:])
		if size == 0 {
			return -1
		}
		from += size
	}
}

// atEnd says whether the part fits the end of s.
func (p part) atEnd(s string) bool {
	if p.runes == nil {
		return strings.HasSuffix(s, p.literal)
	}
	start := len(s)
	for range p.runes {
		_, size := utf8.DecodeLastRuneInString(s[:start])
		if size == 0 {
			return false
		}
		start -= size
	}
	_, ok := p.at(s[start:])
	return ok
}

package modelregistry

import (
	"slices"
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
	gaps    gaps   // with a gap
}

// gaps is a part with a gap, as the set of places at which each character may stand: bit i of a set is the i-th character.
type gaps struct {
	any    []uint64          // of a character that the part does not have
	places map[rune][]uint64 // of those that it has
}

// An effort counts the steps of looking at text: a byte that is looked at, once for each set of 64 characters of a pattern
// with gaps. It is what bounds a search, so that whatever the filter it costs about so much.
type effort int64

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
	gap := slices.Index(runes, anyRune)
	if gap < 0 {
		return part{literal: string(runes)}
	}
	words := (len(runes) + 63) / 64
	g := gaps{any: make([]uint64, words), places: map[rune][]uint64{}}
	for i, r := range runes {
		if r == anyRune {
			g.any[i/64] |= 1 << (i % 64)
		} else if g.places[r] == nil {
			g.places[r] = make([]uint64, words)
		}
	}
	for r, set := range g.places {
		for i, other := range runes {
			if other == r || other == anyRune {
				set[i/64] |= 1 << (i % 64)
			}
		}
	}
	return part{literal: string(runes[:gap]), runes: runes, gaps: g}
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
// before, and what it takes is in proportion to s: a part with gaps takes a step for each 64 characters that it has at each
// of s. The steps are added to spent.
func (p *pattern) match(s string, spent *effort) bool {
	*spent += effort(len(s))
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
		end := part.find(s, spent)
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
func (p part) find(s string, spent *effort) int {
	if p.runes == nil {
		i := strings.Index(s, p.literal)
		if i < 0 {
			return -1
		}
		return i + len(p.literal)
	}
	return p.findGaps(s, spent)
}

// findGaps follows all places at once at which the part may have begun: bit i of begun says that the last i+1 characters fit
// the first i+1 of the part.
func (p part) findGaps(s string, spent *effort) int {
	last := len(p.runes) - 1
	begun := make([]uint64, len(p.gaps.any))
	some := false
	for n := 0; n < len(s); {
		if !some { // nothing has begun before the next beginning
			i := strings.Index(s[n:], p.literal)
			if i < 0 {
				return -1
			}
			n += i
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		n += size
		places, ok := p.gaps.places[r]
		if !ok {
			places = p.gaps.any
		}
		*spent += effort(len(begun))
		carry := uint64(1)
		some = false
		for i, word := range begun {
			begun[i] = (word<<1 | carry) & places[i]
			carry = word >> 63
			some = some || begun[i] != 0
		}
		if begun[last/64]&(1<<(last%64)) != 0 {
			return n
		}
	}
	return -1
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

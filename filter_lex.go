package modelregistry

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a name or a keyword; dots and dashes belong to it
	tokenString           // 'text' or "text"; a quote is doubled to stand for itself
	tokenTicked           // `text`
	tokenNumber           // as written
	tokenSign             // an operator or a punctuation mark
	tokenBad              // what begins nothing; text says why
)

type token struct {
	kind tokenKind
	text string // of a quoted one, without quotes
	raw  string // as it stands in the filter
	at   int    // byte offset
}

// lexer cuts a filter into tokens, one at a time, so that a long filter that is wrong early costs little.
type lexer struct {
	src string
	pos int
}

func (l *lexer) next() token {
	l.pos += len(l.src[l.pos:]) - len(strings.TrimLeftFunc(l.src[l.pos:], unicode.IsSpace))
	rest := l.src[l.pos:]
	if rest == "" {
		return token{kind: tokenEnd, at: l.pos}
	}
	kind, n, text := scanToken(rest)
	t := token{kind: kind, text: text, raw: rest[:n], at: l.pos}
	l.pos += n
	return t
}

// scanToken reads one token from the beginning of s: its kind, its length in bytes and its text.
func scanToken(s string) (kind tokenKind, n int, text string) {
	first, size := utf8.DecodeRuneInString(s)
	switch {
	case first == '\'' || first == '"' || first == '`':
		return scanQuoted(s)
	case first == '_' || unicode.IsLetter(first):
		n := strings.IndexFunc(s, func(r rune) bool { return !wordRune(r) })
		if n < 0 {
			n = len(s)
		}
		return tokenWord, n, s[:n]
	case strings.ContainsRune("0123456789+-.", first):
		return scanNumber(s)
	}
	for _, sign := range [...]string{"<=", ">=", "!=", "==", "<>", "=", "<", ">", "(", ")", ","} {
		if strings.HasPrefix(s, sign) {
			return tokenSign, len(sign), sign
		}
	}
	return tokenBad, size, "this character means nothing here"
}

func wordRune(r rune) bool {
	return r == '_' || r == '.' || r == '-' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

func scanQuoted(s string) (kind tokenKind, n int, text string) {
	quote := s[:1]
	for n = 1; ; {
		i := strings.Index(s[n:], quote)
		if i < 0 {
			return tokenBad, len(s), "the quote that opens here is never closed"
		}
		n += i + 1
		if !strings.HasPrefix(s[n:], quote) {
			break
		}
		n++ // a doubled quote stands for itself
	}
	kind = tokenString
	if quote == "`" {
		kind = tokenTicked
	}
	return kind, n, strings.ReplaceAll(s[1:n-1], quote+quote, quote)
}

func scanNumber(s string) (kind tokenKind, n int, text string) {
	digits := func() int {
		from := n
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n - from
	}
	if s[0] == '+' || s[0] == '-' {
		n++
	}
	count := digits()
	if n < len(s) && s[n] == '.' {
		n++
		count += digits()
	}
	good := count > 0
	if good && n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		n++
		if n < len(s) && (s[n] == '+' || s[n] == '-') {
			n++
		}
		good = digits() > 0
	}
	// What goes on like a word is not a number, as 1.2.3 and 12ab.
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !wordRune(r) {
			break
		}
		good = false
		n += size
	}
	if !good {
		return tokenBad, max(n, 1), "this is not a number; text is quoted"
	}
	return tokenNumber, n, s[:n]
}

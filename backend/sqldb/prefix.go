package sqldb

import "unicode/utf8"

// prefixEnd is the least string above all that begin with prefix; ok is false if there is none. It counts up the last
// rune rather than the last byte, since engines take no strings that are not UTF-8.
func prefixEnd(prefix string) (end string, ok bool) {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == utf8.MaxRune:
			continue
		case r == 0xD7FF: // the surrogates follow, which are no runes
			return prefix + "\uE000", true
		}
		return prefix + string(r+1), true
	}
	return "", false
}

// firstChars is what left(s, n) makes of s.
func firstChars(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

package mlflow

import (
	"slices"
	"strings"
	"unicode"
)

// Prompts are models with a tag that MLflow's registry keeps beside the others. Searches leave them out unless the filter
// asks for them, and MLflow's clients add to every filter a condition that does not: tag.`mlflow.prompt.is_prompt` != 'true'.
// Taken by the word it would select nothing, for a condition on a tag selects what has it.

// withoutPrompts takes from a filter the conditions that ask for what are no prompts. prompts says that it asks for
// prompts: they belong to what is found then.
func withoutPrompts(filter string) (rest string, prompts bool) {
	const longest = 128 << 10 // bytes; the registry refuses more
	if len(filter) > longest {
		return filter, false
	}
	rest = filter
	for tokens := cutFilter(filter); ; {
		from, to, asks := promptCondition(tokens)
		if from < 0 || asks {
			return rest, asks || mentionsPrompts(tokens)
		}
		// Blanks in its place leave what the registry says of characters true.
		begin, end := tokens[from].at, tokens[to].end()
		rest = rest[:begin] + strings.Repeat(" ", end-begin) + rest[end:]
		if tokens = slices.Delete(tokens, from, to+1); len(tokens) == 0 {
			return "", false
		}
	}
}

// promptCondition finds the first condition about prompts that stands beside all others, joined to them by AND: with one
// AND it is tokens[from] to tokens[to]. from is -1 if there is none. asks says that it is about what are prompts.
func promptCondition(tokens []filterToken) (from, to int, asks bool) {
	or := hasOuterOr(tokens)
	depth := 0
	for i := range tokens {
		switch {
		case tokens[i].is("("):
			depth++
		case tokens[i].is(")"):
			depth--
		}
		key := promptKey(tokens[i:])
		if depth != 0 || key == 0 || i+key+1 >= len(tokens) {
			continue
		}
		operator, value := tokens[i+key], tokens[i+key+1]
		last := i + key + 1
		first, final := i == 0, last == len(tokens)-1
		before, after := i > 1 && tokens[i-1].is("AND"), last < len(tokens)-2 && tokens[last+1].is("AND")
		if !value.quoted || !first && !before || !final && !after || or && !(before && final) {
			continue
		}
		switch {
		case operator.text == "=" && strings.EqualFold(value.text, "true"), operator.text == "!=" && strings.EqualFold(value.text, "false"):
			return i, last, true
		case operator.text != "=" && operator.text != "!=" && !operator.is("LIKE") && !operator.is("ILIKE"):
			continue
		case before:
			return i - 1, last, false
		case after:
			return i, last + 1, false
		}
		return i, last, false
	}
	return -1, -1, false
}

// promptKey is how many tokens name the tag of prompts, or 0 if these begin with something else.
func promptKey(tokens []filterToken) int {
	first := tokens[0]
	switch {
	case first.quoted:
		return 0
	case first.text == "tag."+tagPrompt, first.text == "tags."+tagPrompt:
		return 1
	case (first.text == "tag." || first.text == "tags.") && len(tokens) > 1 && tokens[1].quoted && tokens[1].text == tagPrompt:
		return 2
	}
	return 0
}

func mentionsPrompts(tokens []filterToken) bool {
	for i := range tokens {
		if promptKey(tokens[i:]) > 0 {
			return true
		}
	}
	return false
}

func hasOuterOr(tokens []filterToken) bool {
	depth := 0
	for _, t := range tokens {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth == 0 && t.is("OR"):
			return true
		}
	}
	return false
}

// A filterToken is a word, an operator, a mark or a quoted text.
type filterToken struct {
	text   string // without quotes
	quoted bool
	at     int
	length int // in bytes, with quotes
}

func (t filterToken) end() int { return t.at + t.length }

func (t filterToken) is(keyword string) bool { return !t.quoted && strings.EqualFold(t.text, keyword) }

// cutFilter cuts a filter into tokens, as the registry's parser does, which alone says what is wrong with one.
func cutFilter(filter string) []filterToken {
	var tokens []filterToken
	for at := 0; at < len(filter); {
		t := scanFilter(filter, at)
		at = t.end()
		if t.quoted || strings.TrimSpace(t.text) != "" {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

func scanFilter(filter string, at int) filterToken {
	rest := filter[at:]
	t := filterToken{at: at}
	end := 0
	switch first := rest[0]; first {
	case '\'', '"', '`':
		return scanQuoted(rest, at)
	case '=', '!', '<', '>':
		end = strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("=!<>", r) })
	case '(', ')', ',':
		end = 1
	default:
		if end = len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace)); end > 0 {
			break
		}
		end = strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("'\"`=!<>(),", r) })
	}
	if end < 0 {
		end = len(rest)
	}
	t.text, t.length = rest[:end], end
	return t
}

// scanQuoted reads a quoted text, in which a doubled quote stands for itself; one that is never closed ends with the filter.
func scanQuoted(rest string, at int) filterToken {
	quote := rest[:1]
	for n := 1; ; {
		i := strings.Index(rest[n:], quote)
		if i < 0 {
			return filterToken{text: rest[1:], quoted: true, at: at, length: len(rest)}
		}
		n += i + 1
		if !strings.HasPrefix(rest[n:], quote) {
			return filterToken{text: strings.ReplaceAll(rest[1:n-1], quote+quote, quote), quoted: true, at: at, length: n}
		}
		n++
	}
}

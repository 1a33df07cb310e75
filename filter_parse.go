package modelregistry

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a filter: a person or a program that writes a longer one should ask several questions.
const (
	maxFilterLen     = 128 << 10 // bytes
	maxFilterConds   = 200       // conditions
	maxFilterDepth   = 50        // parentheses and NOTs within each other
	maxFilterValues  = 2000      // in all of it
	maxPatternLength = 1000      // characters of one LIKE
)

// A Searched is what a Query selects from.
type Searched string

// What there is to be searched.
const (
	SearchedModels       Searched = "models"
	SearchedVersions     Searched = "versions"
	SearchedExperiments  Searched = "experiments"
	SearchedRuns         Searched = "runs"
	SearchedLoggedModels Searched = "logged models"
)

// CheckFilter says what is wrong with a Query's Filter, by ErrInvalid: for a program that adds conditions of its own to what
// a user wrote, since the search's error speaks of all of it. A filter that passes can stand in parentheses.
func CheckFilter(what Searched, filter string) error {
	for _, subject := range []*searchSubject{&modelSubject, &versionSubject, &experimentSubject, &runSubject, &loggedModelSubject} {
		if subject.what == string(what) {
			_, err := parseFilter(subject, filter)
			return err
		}
	}
	return fmt.Errorf("search for %.80q: %w: there are models, versions, experiments, runs and logged models", what, ErrInvalid)
}

// parseFilter reads a filter on subject; "" is nil, everything. Query.Filter has the language.
func parseFilter(subject *searchSubject, text string) (*filter, error) {
	switch {
	case len(text) > maxFilterLen:
		return nil, fmt.Errorf("filter %.40q…: %w: %d bytes, at most %d", text, ErrInvalid, len(text), maxFilterLen)
	case text == "":
		return nil, nil
	case strings.TrimSpace(text) == "":
		return nil, fmt.Errorf("filter %.40q: %w: blank; an empty filter selects everything", text, ErrInvalid)
	}
	if err := checkText("filter", text, maxFilterLen); err != nil {
		return nil, err
	}
	p := &filterParser{subject: subject, lex: lexer{src: text}}
	p.advance()
	f, err := p.parseOr(0, false)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		if p.tok.raw == ")" {
			return nil, p.fail("this parenthesis closes nothing")
		}
		return nil, p.fail("between conditions stands AND or OR, and nothing follows the last one")
	}
	return f, nil
}

type filterParser struct {
	subject *searchSubject
	lex     lexer
	tok     token // the next one
	conds   int
	values  int
}

func (p *filterParser) advance() { p.tok = p.lex.next() }

// fail says what is wrong at the next token, and where that is.
func (p *filterParser) fail(format string, args ...any) error {
	return p.failAt(p.tok, format, args...)
}

func (p *filterParser) failAt(t token, format string, args ...any) error {
	found := "its end"
	if t.kind != tokenEnd {
		found = fmt.Sprintf("%.40q", t.raw)
	}
	for i, a := range args {
		if s, ok := a.(string); ok && len(s) > 400 { // no list of what would be right is as long, but a name in the filter may be
			args[i] = clip(s)
		}
	}
	reason := fmt.Sprintf(format, args...)
	if t.kind == tokenBad {
		reason = t.text
	}
	char := utf8.RuneCountInString(p.lex.src[:t.at]) + 1
	return fmt.Errorf("filter at character %d (%s): %w: %s", char, found, ErrInvalid, reason)
}

// keyword says whether the next token is that word, in any case, and takes it.
func (p *filterParser) keyword(word string) bool {
	if p.tok.kind == tokenWord && strings.EqualFold(p.tok.text, word) {
		p.advance()
		return true
	}
	return false
}

func (p *filterParser) sign(sign string) bool {
	if p.tok.kind == tokenSign && p.tok.text == sign {
		p.advance()
		return true
	}
	return false
}

// parseOr reads what AND and OR join. not says that all of it is negated, which turns one into the other.
func (p *filterParser) parseOr(depth int, not bool) (*filter, error) {
	return p.parseJoined("OR", !not, func() (*filter, error) {
		return p.parseJoined("AND", not, func() (*filter, error) { return p.parseUnary(depth, not) })
	})
}

func (p *filterParser) parseJoined(word string, or bool, parse func() (*filter, error)) (*filter, error) {
	var kids []*filter
	for {
		kid, err := parse()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
		if !p.keyword(word) {
			return junction(or, kids), nil
		}
	}
}

func (p *filterParser) parseUnary(depth int, not bool) (*filter, error) {
	if depth > maxFilterDepth {
		return nil, p.fail("more than %d parentheses or NOTs within each other", maxFilterDepth)
	}
	if p.keyword("NOT") {
		return p.parseUnary(depth+1, !not)
	}
	if p.sign("(") {
		f, err := p.parseOr(depth+1, not)
		if err == nil && !p.sign(")") {
			err = p.fail("a parenthesis is still open: here stands AND, OR or )")
		}
		return f, err
	}
	if p.conds++; p.conds > maxFilterConds {
		return nil, p.fail("more than %d conditions", maxFilterConds)
	}
	c, err := p.parseCondition()
	if err != nil {
		return nil, err
	}
	if not {
		c.negate()
	}
	return &filter{cond: c}, nil
}

func (c *condition) negate() {
	switch c.op {
	case opLt:
		c.op = opGe
	case opLe:
		c.op = opGt
	case opGt:
		c.op = opLe
	case opGe:
		c.op = opLt
	default:
		c.not = !c.not
	}
}

var filterKeywords = []string{"AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "IS", "NULL"}

// parseCondition reads: field operator value.
func (p *filterParser) parseCondition() (*condition, error) {
	c, err := p.parseField()
	if err != nil {
		return nil, err
	}
	at := p.tok
	switch {
	case p.keyword("IS"):
		c.op, c.not = opNull, p.keyword("NOT")
		if !p.keyword("NULL") {
			return nil, p.fail("here stands IS NULL or IS NOT NULL")
		}
		return c, nil
	case p.keyword("NOT"):
		c.not = true
		at = p.tok
		if !p.atKeyword("IN", "LIKE", "ILIKE") {
			return nil, p.fail("behind the NOT of a comparison stands IN, LIKE or ILIKE")
		}
	}
	switch {
	case p.keyword("IN"):
		c.op = opIn
		return c, p.parseList(c)
	case p.atKeyword("LIKE", "ILIKE"):
		c.op = opLike
		fold := strings.EqualFold(p.tok.text, "ILIKE")
		p.advance()
		return c, p.parsePattern(c, at, fold)
	case p.tok.kind != tokenSign:
		return nil, p.fail("behind %s stands an operator: = != < <= > >= LIKE ILIKE IN, NOT IN, IS NULL or IS NOT NULL", c.field())
	}
	ordered := true
	switch p.tok.text {
	case "=":
		c.op, ordered = opIn, false
	case "!=":
		c.op, c.not, ordered = opIn, true, false
	case "<":
		c.op = opLt
	case "<=":
		c.op = opLe
	case ">":
		c.op = opGt
	case ">=":
		c.op = opGe
	case "==":
		return nil, p.fail("equality is written =")
	case "<>":
		return nil, p.fail("inequality is written !=")
	default:
		return nil, p.fail("behind %s stands an operator, such as = or LIKE", c.field())
	}
	p.advance()
	value := p.tok
	if err := p.parseValue(c); err != nil {
		return nil, err
	}
	if ordered && c.texts != nil {
		return nil, p.failAt(at, "%s is text, which is compared by = != LIKE ILIKE IN NOT IN%s", c.field(), numberHint(c, value))
	}
	return c, nil
}

func numberHint(c *condition, value token) string {
	if c.entity == entParam {
		return "; to compare numbers leave out the quotes of " + value.raw
	}
	return ""
}

func (p *filterParser) atKeyword(words ...string) bool {
	return p.tok.kind == tokenWord && slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(p.tok.text, w) })
}

// parseField reads an attribute, or tags.key and the like; the key may be quoted.
func (p *filterParser) parseField() (*condition, error) {
	t := p.tok
	switch {
	case t.kind == tokenTicked && p.subject.wide:
		p.advance()
		return p.attributeField(t, p.subject.attribute(t.text), t.text)
	case t.kind == tokenTicked:
		return nil, p.fail("the names of attributes are not quoted; the names of tags are, behind tags.")
	case t.kind == tokenString || t.kind == tokenNumber:
		return nil, p.fail("a value stands on the right of the operator; on the left stands a field, such as name or tags.key")
	case t.kind != tokenWord || p.atKeyword(filterKeywords...):
		return nil, p.fail("here stands a field, such as name or tags.key")
	}
	p.advance()
	prefix, key, dotted := strings.Cut(t.text, ".")
	if dotted && key == "" {
		quoted := p.tok.kind == tokenString || p.tok.kind == tokenTicked
		switch {
		case p.tok.at != t.at+len(t.raw) || !quoted:
			return nil, p.fail("behind %.80s stands a name, quoted if it has other characters than letters, digits, dots, dashes and underscores", t.text)
		case prefix == "attribute" && !p.subject.wide:
			return nil, p.fail("the names of attributes are not quoted")
		}
		key = p.tok.text
		p.advance()
	}
	if !dotted {
		return p.attributeField(t, p.subject.attribute(prefix), prefix)
	}
	if !slices.Contains(p.subject.entities, prefix) {
		return nil, p.failAt(t, "no %s.; a search for %s knows %s", prefix, p.subject.what, strings.Join(p.subject.entities, ", "))
	}
	ent, attr := p.subject.field(prefix, key)
	if ent == entAttribute {
		return p.attributeField(t, attr, key)
	}
	return &condition{entity: ent, key: key}, p.checkFieldKey(t, key)
}

// attributeField is a condition on attr, that was found as name, or nil.
func (p *filterParser) attributeField(t token, attr *attribute, name string) (*condition, error) {
	if attr == nil {
		return nil, p.failAt(t, "no attribute %.80q; %s have %s, and tags.key%s", name, p.subject.what, p.subject.attributeNames(), p.subject.moreEntities())
	}
	return &condition{attr: attr}, nil
}

func (s *searchSubject) moreEntities() string {
	if slices.Contains(s.entities, "metrics") {
		return ", params.key and metrics.key"
	}
	return ""
}

func (p *filterParser) checkFieldKey(at token, key string) error {
	if key == "" || utf8.RuneCountInString(key) > maxKey {
		return p.failAt(at, "the name behind the dot has 1 to %d characters", maxKey)
	}
	return nil
}

// field names what c is about, for messages and for printing.
func (c *condition) field() string {
	switch c.entity {
	case entTag:
		return "tags." + quoteText(c.key, "`")
	case entParam:
		return "params." + quoteText(c.key, "`")
	case entMetric:
		return "metrics." + quoteText(c.key, "`")
	}
	return c.attr.name()
}

func quoteText(s, quote string) string {
	return quote + strings.ReplaceAll(s, quote, quote+quote) + quote
}

// parseList reads the values of an IN; a comma may follow the last, as in Python.
func (p *filterParser) parseList(c *condition) error {
	if !p.sign("(") {
		return p.fail("behind IN stand values in parentheses")
	}
	for n := 0; ; n++ {
		if p.sign(")") {
			if n == 0 {
				return p.fail("the list of IN is empty")
			}
			return nil
		}
		if err := p.parseValue(c); err != nil {
			return err
		}
		if !p.sign(",") && !(p.tok.kind == tokenSign && p.tok.text == ")") {
			return p.fail("between the values of a list stand commas, and ) behind the last")
		}
	}
}

func (p *filterParser) parsePattern(c *condition, operator token, fold bool) error {
	textual := c.entity == entTag || c.entity == entParam ||
		c.entity == entAttribute && (c.attr.kind == kindText || c.attr.kind == kindSet || c.attr.kind == kindStage)
	if !textual {
		return p.failAt(operator, "%s is not text; it is compared by = != < <= > >= IN NOT IN", c.field())
	}
	if p.tok.kind != tokenString {
		return p.fail("a pattern is quoted text, in which %% stands for any characters and _ for one")
	}
	like, problem := compilePattern(p.tok.text, fold)
	if problem != "" {
		return p.fail("%s", problem)
	}
	c.like = like
	p.advance()
	return nil
}

package modelregistry

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parseValue reads one value, of the type that c's field has, and adds it to c.
func (p *filterParser) parseValue(c *condition) error {
	t := p.tok
	switch {
	case t.kind == tokenWord:
		return p.fail("text is quoted: '%.80s'", t.text)
	case t.kind == tokenTicked:
		return p.fail("text is quoted by ' or \", not by `")
	case t.kind != tokenString && t.kind != tokenNumber:
		return p.fail("here stands a value for %s", c.field())
	}
	if p.values++; p.values > maxFilterValues {
		return p.fail("more than %d values", maxFilterValues)
	}
	if err := p.addValue(c, t); err != nil {
		return err
	}
	p.advance()
	return nil
}

func (p *filterParser) addValue(c *condition, t token) error {
	switch {
	case c.entity == entMetric || c.entity == entParam && t.kind == tokenNumber:
		f, err := strconv.ParseFloat(t.text, 64)
		if t.kind != tokenNumber || err != nil {
			return p.fail("%s is compared with a number, without quotes", c.field())
		}
		if len(c.texts) > 0 {
			return p.fail("the values of a list are all text or all numbers")
		}
		c.numbers = append(c.numbers, f)
		return nil
	case c.entity == entAttribute && c.attr.kind == kindInt:
		return p.addInt(c, t)
	case c.entity == entAttribute && c.attr.kind == kindTime:
		return p.addTime(c, t)
	case t.kind == tokenNumber:
		return p.fail("%s is text, which is quoted: '%.80s'", c.field(), t.raw)
	case len(c.numbers) > 0:
		return p.fail("the values of a list are all text or all numbers")
	case c.entity == entAttribute && c.attr.kind == kindSemver:
		v, problem := parseSemver(completeSemver(t.text))
		if problem != "" {
			return p.fail("not a semantic version: %s", problem)
		}
		c.semvers = append(c.semvers, v)
		return nil
	case c.entity == entAttribute && c.attr.kind == kindStage:
		stage, err := ParseStage(t.text)
		if err != nil {
			return p.fail("the stages are None, Staging, Production, Archived")
		}
		c.texts = append(c.texts, string(stage))
		return nil
	}
	c.texts = append(c.texts, t.text)
	return nil
}

// completeSemver makes 1.2.0 of 1.2, for comparing: semver >= '1.2' says all there is to say.
func completeSemver(s string) string {
	end := strings.IndexAny(s, "-+")
	if end < 0 {
		end = len(s)
	}
	if missing := 2 - strings.Count(s[:end], "."); missing > 0 && end > 0 {
		return s[:end] + strings.Repeat(".0", missing) + s[end:]
	}
	return s
}

func (p *filterParser) addInt(c *condition, t token) error {
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil {
		return p.fail("%s is compared with whole numbers", c.field())
	}
	c.spans = append(c.spans, span{n, n})
	return nil
}

const dateLayout = "2006-01-02"

// addTime reads milliseconds since 1970, quoted or not, or a quoted RFC 3339 time, or a quoted date, a day in UTC.
func (p *filterParser) addTime(c *condition, t token) error {
	var first, last time.Time
	ms, err := strconv.ParseInt(t.text, 10, 64)
	if err == nil && ms > -maxMillis && ms < maxMillis {
		first = time.UnixMilli(ms)
		last = first.Add(time.Millisecond - time.Microsecond)
	} else if day, err := time.Parse(dateLayout, t.text); err == nil {
		first, last = day, day.AddDate(0, 0, 1).Add(-time.Microsecond)
	} else if instant, err := time.Parse(time.RFC3339Nano, t.text); err == nil {
		first, last = instant, instant
	}
	if first.Year() < 1 || last.Year() > 9999 || first.IsZero() {
		return p.fail("%s is compared with milliseconds since 1970, or a quoted time such as '2024-05-31T12:00:00Z' or '2024-05-31'", c.field())
	}
	c.spans = append(c.spans, span{first.UnixMicro(), last.UnixMicro()})
	return nil
}

const maxMillis = math.MaxInt64 / 1000 // what fits into microseconds; years are checked besides

// String prints the filter in one form, which parses to the same: page tokens are bound to it.
func (f *filter) String() string {
	if f == nil {
		return ""
	}
	if f.cond != nil {
		return f.cond.String()
	}
	join, parts := " AND ", make([]string, len(f.kids))
	if f.or {
		join = " OR "
	}
	for i, kid := range f.kids {
		parts[i] = kid.String()
		if kid.cond == nil && kid.or { // AND binds tighter
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, join)
}

// String prints the condition as a filter has it, and the data behind it.
func (c *condition) String() string {
	if len(c.about) > 0 {
		bare := *c
		bare.about = nil
		return fmt.Sprintf("%s ON %q", bare.String(), c.about)
	}
	not := ""
	if c.not {
		not = "NOT "
	}
	switch c.op {
	case opNull:
		return c.field() + " IS " + not + "NULL"
	case opLike:
		word := "LIKE "
		if c.like.fold {
			word = "ILIKE "
		}
		return c.field() + " " + not + word + quoteText(c.like.text, "'")
	case opIn:
		return c.field() + " " + not + "IN (" + strings.Join(c.printValues(), ", ") + ")"
	}
	return c.field() + " " + [...]string{opLt: "<", opLe: "<=", opGt: ">", opGe: ">="}[c.op] + " " + c.printValues()[0]
}

func (c *condition) printValues() []string {
	var out []string
	for _, s := range c.texts {
		out = append(out, quoteText(s, "'"))
	}
	for _, f := range c.numbers {
		out = append(out, strconv.FormatFloat(f, 'g', -1, 64))
	}
	for _, v := range c.semvers {
		out = append(out, quoteText(v.String(), "'"))
	}
	for _, s := range c.spans {
		out = append(out, s.print(c.attr.kind))
	}
	return out
}

func (s span) print(kind attrKind) string {
	switch {
	case kind == kindInt:
		return strconv.FormatInt(s.lo, 10)
	case s.hi-s.lo == 999:
		return strconv.FormatInt(time.UnixMicro(s.lo).UnixMilli(), 10)
	case s.hi > s.lo:
		return quoteText(time.UnixMicro(s.lo).UTC().Format(dateLayout), "'")
	}
	return quoteText(time.UnixMicro(s.lo).UTC().Format(time.RFC3339Nano), "'")
}

// in says whether x lies in one of spans.
func inSpans(spans []span, x int64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.lo <= x && x <= s.hi })
}

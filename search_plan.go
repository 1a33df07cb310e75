package modelregistry

import (
	"math"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A searchPlan is what of a filter the backend looks up, and what is left to look at row by row.
type searchPlan struct {
	where   []backend.Cond
	rest    *filter      // nil: where says it all
	asides  []*condition // all hold, and are about what is in another table
	nothing bool         // no row can be selected
}

// maxKeyBytes is the longest key part or uniquely indexed value: backends take no longer one in conditions either.
const maxKeyBytes = 1024

// planFilter puts into where all that every selected row has to meet and a backend can look up.
func planFilter(subject *searchSubject, f *filter) searchPlan {
	var plan searchPlan
	conds, rest := f.conjuncts()
	for _, c := range conds {
		if subject.aside != nil && subject.aside.holds(c.entity) {
			plan.asides = append(plan.asides, c)
			continue
		}
		where, exact := c.lookup()
		for _, w := range where {
			plan.nothing = plan.nothing || w.Op == backend.In && len(w.Values) == 0
		}
		plan.where = append(plan.where, where...)
		if !exact {
			rest = append(rest, &filter{cond: c})
		}
	}
	if len(rest) > 0 {
		plan.rest = junction(false, rest)
	}
	return plan
}

// lookup translates c to conditions for the backend. exact: they say all that c says, else c has to be looked at
// besides.
func (c *condition) lookup() (where []backend.Cond, exact bool) {
	var cond backend.Cond
	kind := backend.String
	switch c.entity {
	case entTag:
		cond = backend.Cond{Field: "tags", Name: c.key}
	case entParam:
		cond = backend.Cond{Field: "params", Name: c.key}
	case entMetric:
		cond = backend.Cond{Field: "metrics", Name: c.key}
		kind = backend.Float
	case entAttribute:
		if c.attr.field == "" {
			return nil, false
		}
		cond.Field = c.attr.field
		return c.lookupAttribute(cond)
	}
	present := cond // whatever value it has
	present.Op, present.Value = backend.Ge, backend.StringValue("")
	if kind == backend.Float {
		present.Value = backend.FloatValue(math.Inf(-1))
	}
	switch {
	case c.op == opNull:
		if !c.not {
			return nil, false
		}
		return []backend.Cond{present}, true
	case c.not, c.entity == entParam && len(c.numbers) > 0:
		return []backend.Cond{present}, false
	case kind == backend.Float:
		return c.lookupNumbers(cond), true
	}
	if where, exact = c.lookupText(cond); where == nil {
		where = []backend.Cond{present}
	}
	return where, exact
}

func (c *condition) lookupNumbers(cond backend.Cond) []backend.Cond {
	values := make([]backend.Value, len(c.numbers))
	for i, f := range c.numbers {
		values[i] = backend.FloatValue(f)
	}
	if c.op == opIn {
		return []backend.Cond{equal(cond, values)}
	}
	cond.Op, cond.Value = c.op.ordered(), values[0]
	return []backend.Cond{cond}
}

func (op condOp) ordered() backend.Op {
	return [...]backend.Op{opLt: backend.Lt, opLe: backend.Le, opGt: backend.Gt, opGe: backend.Ge}[op]
}

// equal is cond with one of values.
func equal(cond backend.Cond, values []backend.Value) backend.Cond {
	if len(values) == 1 {
		cond.Op, cond.Value = backend.Eq, values[0]
	} else {
		cond.Op, cond.Values = backend.In, values
	}
	return cond
}

// lookupText is for a positive opIn or opLike.
func (c *condition) lookupText(cond backend.Cond) (where []backend.Cond, exact bool) {
	texts := c.texts
	if c.op == opLike {
		text, only := c.like.exact()
		if !only {
			prefix, all := c.like.prefix()
			if prefix == "" || len(prefix) > maxKeyBytes {
				return nil, false
			}
			cond.Op, cond.Value = backend.Prefix, backend.StringValue(prefix)
			return []backend.Cond{cond}, all
		}
		texts = []string{text}
	}
	var values []backend.Value
	for _, s := range texts {
		if c.entity == entAttribute && len(s) > maxKeyBytes {
			continue // longer than any that is stored
		}
		if c.entity == entAttribute && c.attr.kind == kindStage {
			s = Stage(s).column()
		}
		if v := backend.StringValue(s); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return []backend.Cond{equal(cond, values)}, true
}

func (c *condition) lookupAttribute(cond backend.Cond) (where []backend.Cond, exact bool) {
	switch c.attr.kind {
	case kindInt, kindTime:
		return c.lookupSpans(cond)
	case kindSemver:
		return c.lookupSemvers(cond)
	}
	switch {
	case c.not && c.op == opNull && c.attr.kind != kindSet: // not empty
		cond.Op, cond.Value = backend.Gt, backend.StringValue("")
		return []backend.Cond{cond}, true
	case c.not && c.op == opNull: // a set with a member
		cond.Op, cond.Value = backend.Ge, backend.StringValue("")
		return []backend.Cond{cond}, true
	case c.op == opNull && c.attr.kind != kindSet:
		return []backend.Cond{equal(cond, []backend.Value{backend.StringValue("")})}, true
	case c.not, c.op == opNull:
		return nil, false
	case c.op == opLike && c.attr.kind == kindStage:
		return nil, false // None is stored as ""
	}
	return c.lookupText(cond)
}

func (c *condition) lookupSpans(cond backend.Cond) (where []backend.Cond, exact bool) {
	value := backend.IntValue
	if c.attr.kind == kindTime {
		value = backend.MicrosValue
	}
	some := cond // a value at all
	some.Op, some.Value = backend.Gt, value(noTime)
	switch {
	case c.op == opNull && !c.attr.optional():
		return nil, false
	case c.op == opNull && c.not:
		return []backend.Cond{some}, true
	case c.op == opNull:
		return []backend.Cond{equal(cond, []backend.Value{value(noTime)})}, true
	case c.not:
		return nil, false
	}
	first := c.spans[0]
	switch c.op {
	case opIn:
		var values []backend.Value
		lo, hi := first.lo, first.hi
		for _, s := range c.spans {
			values = append(values, value(s.lo))
			lo, hi = min(lo, s.lo), max(hi, s.hi)
		}
		if !slices.ContainsFunc(c.spans, func(s span) bool { return s.lo != s.hi }) {
			return []backend.Cond{equal(cond, values)}, true
		}
		from, to := cond, cond
		from.Op, from.Value = backend.Ge, value(lo)
		to.Op, to.Value = backend.Le, value(hi)
		return []backend.Cond{from, to}, len(c.spans) == 1
	case opLt, opGe:
		cond.Value = value(first.lo)
	default:
		cond.Value = value(first.hi)
	}
	cond.Op = c.op.ordered()
	if c.attr.optional() && (c.op == opLt || c.op == opLe) {
		return []backend.Cond{some, cond}, true
	}
	return []backend.Cond{cond}, true
}

// lookupSemvers compares by sort keys, in which "" is no version.
func (c *condition) lookupSemvers(cond backend.Cond) (where []backend.Cond, exact bool) {
	some := cond
	some.Op, some.Value = backend.Gt, backend.StringValue("")
	switch {
	case c.op == opNull && !c.not:
		return []backend.Cond{equal(cond, []backend.Value{backend.StringValue("")})}, true
	case c.op == opNull:
		return []backend.Cond{some}, true
	case c.not:
		return []backend.Cond{some}, false
	case c.op == opIn:
		var values []backend.Value
		for _, v := range c.semvers {
			values = append(values, backend.StringValue(v.SortKey()))
		}
		return []backend.Cond{equal(cond, values)}, true
	}
	cond.Op, cond.Value = c.op.ordered(), backend.StringValue(c.semvers[0].SortKey())
	if c.op == opLt || c.op == opLe {
		return []backend.Cond{some, cond}, true
	}
	return []backend.Cond{cond}, true
}

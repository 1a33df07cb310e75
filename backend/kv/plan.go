package kv

import (
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// maxSpans is how many spans the In conditions of a query may be multiplied to; beyond it they are tested row by row.
const maxSpans = 4096

// How the entries of a plan's spans come.
type ordered uint8

const (
	unordered ordered = iota // in another order than the query's
	perSpan                  // in the query's order within each span
	inFull                   // in the query's order, span after span
)

// A plan says which entries of which path a query reads, and what is left to do with them.
type plan struct {
	t       *table
	conds   []cond
	order   *column // nil is the key alone
	desc    bool
	limit   int
	after   *after
	p       *path
	use     use
	spans   []span
	ordered ordered
	rest    []*cond // to be tested on the rows
}

// A span is a range of encoded keys: from low up to, not including, high; nil is the end.
type span struct{ low, high []byte }

// An after is the row behind which a query continues.
type after struct {
	order []byte // raw; nil without an Order
	key   []byte
}

// newPlan plans q, which was checked.
func (t *table) newPlan(q backend.Query) *plan {
	pl := &plan{t: t, desc: q.Desc, limit: q.Limit, conds: make([]cond, len(q.Where))}
	buf := make([]byte, 0, 128)
	for i, c := range q.Where {
		pl.conds[i], buf = t.newCond(c, buf)
	}
	if q.Order != "" {
		c, _ := t.column(q.Order)
		pl.order = &c
	}
	if values := q.After; len(values) > 0 {
		pl.after = &after{}
		if pl.order != nil {
			pl.after.order = appendRaw([]byte{}, values[0])
			values = values[1:]
		}
		pl.after.key = appendKey(nil, values)
	}
	pl.choose()
	for i := range pl.conds {
		if !slices.Contains(pl.use.fixed, i) && !slices.Contains(pl.use.bounds, i) || !pl.conds[i].covered() {
			pl.rest = append(pl.rest, &pl.conds[i])
		}
	}
	pl.makeSpans()
	return pl
}

// A use is how a path can use the conditions: those that fix its first columns, one each, and those that bound the next.
type use struct {
	fixed  []int // Eq and In, by place in conds
	bounds []int
	eqs    int
	ins    int
}

// choose picks the path. There are no statistics: the longest run of fixed columns wins, then a range, then the order.
func (pl *plan) choose() {
	best := -1
	var mem [24]int
	u := use{fixed: mem[:0:8], bounds: mem[8:8:12]} // the one that is tried; the best so far has the other half
	pl.use = use{fixed: mem[12:12:20], bounds: mem[20:20:24]}
	for _, p := range pl.t.paths {
		if p.building || !pl.useOf(p, &u) {
			continue
		}
		o := pl.orderOf(p, u)
		if score := pl.score(p, u, o); score > best {
			best, pl.p, pl.ordered = score, p, o
			pl.use, u = u, pl.use
		}
	}
}

func (pl *plan) score(p *path, u use, o ordered) int {
	score := 10*u.eqs + 8*u.ins
	if pl.atMostOne(p, u) {
		score += 1000
	}
	if len(u.bounds) > 0 {
		score += 5
	}
	switch {
	case o == inFull && pl.limit > 0:
		score += 2
	case o != unordered && score > 0:
		score++
	}
	if score == 0 && p.n > 0 {
		return -1 // nothing is gained over reading the rows by key
	}
	return score
}

// atMostOne says whether the conditions fix all of a row's key, or all of a unique index.
func (pl *plan) atMostOne(p *path, u use) bool {
	n := p.n
	if n == 0 {
		n = len(p.cols)
	} else if !p.unique {
		return false
	}
	return len(u.fixed) >= n && !slices.ContainsFunc(u.fixed[:n], func(k int) bool { return pl.conds[k].op == backend.In })
}

// useOf sets u to how p can use the conditions; false means that p does not have all the rows that the query is about,
// or has them several times.
func (pl *plan) useOf(p *path, u *use) bool {
	*u = use{fixed: u.fixed[:0], bounds: u.bounds[:0]}
	spans := 1
	for i, c := range p.cols {
		if k := pl.find(c, func(c *cond) bool { return c.op == backend.Eq }); k >= 0 {
			u.fixed = append(u.fixed, k)
			u.eqs++
			continue
		}
		again := slices.ContainsFunc(p.cols[:i], func(d column) bool { return d.Name == c.Name })
		k := pl.find(c, func(c *cond) bool { return c.op == backend.In })
		if k >= 0 && !again && spans*len(pl.conds[k].values) <= maxSpans {
			spans *= len(pl.conds[k].values)
			u.fixed = append(u.fixed, k)
			u.ins++
			continue
		}
		u.bounds = pl.findBounds(c, u.bounds)
		break
	}
	if p.many && len(u.fixed) < p.n && (len(u.fixed) < p.n-1 || len(u.bounds) == 0) {
		return false
	}
	if !p.sparse {
		return true
	}
	for _, c := range p.indexed() {
		if c.part < 0 && c.Shape == backend.One && c.Kind == backend.String && pl.find(c, (*cond).excludesEmpty) < 0 {
			return false
		}
	}
	return true
}

// find returns the first condition on column c that is as wanted, or -1.
func (pl *plan) find(c column, wanted func(*cond) bool) int {
	return slices.IndexFunc(pl.conds, func(d cond) bool { return d.Name == c.Name && wanted(&d) })
}

// findBounds appends the conditions that bound a range of column c together. Two on a Set may be met by two elements,
// and two on a Map may be about two names.
func (pl *plan) findBounds(c column, bounds []int) []int {
	for i := range pl.conds {
		d := &pl.conds[i]
		if d.Name != c.Name || !d.ranges() {
			continue
		}
		if len(bounds) == 0 || c.Shape == backend.One || c.Shape == backend.Map && string(d.entry) == string(pl.conds[bounds[0]].entry) {
			bounds = append(bounds, i)
		}
	}
	return bounds
}

// repeats says whether a row may be met more than once: a Set has several elements in a range, or in a list.
func (pl *plan) repeats() bool {
	if !pl.p.many || pl.p.cols[pl.p.n-1].Shape != backend.Set {
		return false
	}
	return len(pl.use.fixed) < pl.p.n || pl.conds[pl.use.fixed[pl.p.n-1]].op == backend.In
}

// orderOf says how the entries of p come, if the conditions are used as in u.
func (pl *plan) orderOf(p *path, u use) ordered {
	switch {
	case pl.follows(p, u, false):
		return inFull
	case u.ins > 0 && pl.follows(p, u, true):
		return perSpan
	}
	return unordered
}

// follows says whether p's columns order the rows as the query wants, not counting columns of which all rows have the
// same value; within a span those with a list have one, too.
func (pl *plan) follows(p *path, u use, withinSpan bool) bool {
	var mem [16]int
	done := mem[:0] // the columns that need no order any more
	for i := range pl.conds {
		if c := &pl.conds[i]; c.op == backend.Eq && c.Shape == backend.One {
			done = append(done, c.place)
		}
	}
	if withinSpan {
		for i := range u.fixed {
			if c := &p.cols[i]; c.Shape == backend.One {
				done = append(done, c.place)
			}
		}
	}
	want := pl.wanted(done)
	for i := range p.cols {
		c := &p.cols[i]
		single := i < len(u.fixed) && (withinSpan || pl.conds[u.fixed[i]].op == backend.Eq)
		if single || slices.Contains(done, c.place) {
			continue
		}
		if c.place != want {
			break
		}
		done = append(done, want)
		want = pl.wanted(done)
	}
	return want < 0
}

// wanted is the next column by which the query orders rows, after those that are done; -1 is none.
func (pl *plan) wanted(done []int) int {
	if pl.order != nil && !slices.Contains(done, pl.order.place) {
		return pl.order.place
	}
	for i := range pl.t.key {
		if !slices.Contains(done, i) {
			return i
		}
	}
	return -1
}

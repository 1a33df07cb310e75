package modelregistry

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Some subjects have what filters and orders ask of in rows of their own, of another table. Two things make up for the
// join that backends do not know: what a condition on it selects, if it is little, narrows the search to the keys of
// just these; and for each batch of rows that is looked at, what the filter and the order name of them is read in one
// statement, or two.

// An aside is how a subject's rows are found by, and told, what is in another table.
type aside struct {
	table string            // the first part of its key is the key of the subject's rows
	holds func(entity) bool // what conditions are about it
	// lookup translates a condition to ones on that table; nil: it cannot be looked up. exact: they say all of it.
	lookup func(c *condition) (where []backend.Cond, exact bool)
	// bytes is about how long what a row has there is.
	bytes func(found) int
	// load gives rows what a filter and an order name.
	load func(find finder, rows []candidate, names *names) error
}

// names are what a filter and an order name that is not in a subject's own rows.
type names struct {
	keys []orderKey // tags, params and metrics
	sets bool       // attributes that are sets
}

func (n *names) add(ent entity, attr *attribute, key string) {
	switch k := (orderKey{entity: ent, key: key}); {
	case ent == entAttribute:
		n.sets = n.sets || attr.kind == kindSet
	case !slices.ContainsFunc(n.keys, k.same):
		n.keys = append(n.keys, k)
	}
}

func (n *names) addFilter(f *filter) {
	switch {
	case f == nil:
	case f.cond != nil:
		n.add(f.cond.entity, f.cond.attr, f.cond.key)
	default:
		for _, kid := range f.kids {
			n.addFilter(kid)
		}
	}
}

// namesOf is nil if nothing is named.
func namesOf(rest *filter, order []orderKey) *names {
	n := &names{}
	n.addFilter(rest)
	for _, k := range order {
		n.add(k.entity, k.attr, k.key)
	}
	if len(n.keys) == 0 && !n.sets {
		return nil
	}
	return n
}

const (
	// maxNarrow is how many rows a search is narrowed to at most: a condition that selects more is met by so many that
	// looking at the rows in order finds a page soon.
	maxNarrow = 1000
	// maxNarrowings is how many conditions are tried.
	maxNarrowings = 2
)

// narrow looks up what a filter's conditions on another table select, and so where to look; what they do not say is left
// in the rest of the plan.
func (w *walker) narrow(plan *searchPlan) error {
	a := w.subject.aside
	type lookup struct {
		cond  *condition
		where []backend.Cond
		exact bool
		rank  int
	}
	var lookups []lookup
	for _, c := range plan.asides {
		where, exact := a.lookup(c)
		if where != nil {
			lookups = append(lookups, lookup{c, where, exact, c.breadth()})
		}
	}
	slices.SortStableFunc(lookups, func(a, b lookup) int { return cmp.Compare(a.rank, b.rank) })
	var said *condition
	for _, l := range lookups[:min(len(lookups), maxNarrowings)] {
		q := backend.Query{Table: a.table, Where: l.where, Order: "value", Limit: maxNarrow + 1}
		for _, c := range plan.where {
			if c.Field == "experiment" {
				q.Where = append(q.Where, c)
			}
		}
		rows, err := w.backend.Find(w.ctx, q)
		if err != nil {
			return fmt.Errorf("search %s: %w", w.subject.what, err)
		}
		if len(rows) > maxNarrow {
			continue
		}
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = row.Key[0].Str()
		}
		plan.nothing = len(ids) == 0
		plan.where = append(plan.where, equal(backend.Cond{Field: w.subject.key[0]}, stringValues(ids)))
		if l.exact {
			said = l.cond
		}
		break
	}
	var rest []*filter
	if plan.rest != nil {
		rest = append(rest, plan.rest)
	}
	for _, c := range plan.asides {
		if c != said {
			rest = append(rest, &filter{cond: c})
		}
	}
	if len(rest) > 0 {
		plan.rest = junction(false, rest)
	}
	return nil
}

// breadth says of two conditions which is likely to select more.
func (c *condition) breadth() int {
	switch {
	case c.not, c.op == opNull, c.entity == entParam && len(c.numbers) > 0:
		return 3
	case c.op == opIn:
		return 0
	case c.op == opLike:
		return 1
	}
	return 2
}

// entryName is the name of a tag, a param or a metric of a run.
func entryName(ent entity, key string) string {
	return [...]string{entTag: tagEntry, entParam: paramEntry, entMetric: metricEntry}[ent] + key
}

// lookupEntry is what c asks of the entries of a run, as conditions on their table.
func (c *condition) lookupEntry() (where []backend.Cond, exact bool) {
	return c.lookupNamed(backend.Cond{Field: "entry", Value: backend.StringValue(entryName(c.entity, c.key))})
}

// lookupNamed is what c asks of the rows that meet named, which have what is compared in the field value.
func (c *condition) lookupNamed(named backend.Cond) (where []backend.Cond, exact bool) {
	where = []backend.Cond{named}
	conds, exact := c.lookup()
	if conds == nil {
		return nil, false
	}
	for _, cond := range conds {
		cond.Field, cond.Name = "value", ""
		if c.entity == entMetric {
			cond.Value, cond.Values = bitsValue(cond.Value), slices.Clone(cond.Values)
			for i, v := range cond.Values {
				cond.Values[i] = bitsValue(v)
			}
		}
		where = append(where, cond)
	}
	if c.entity == entMetric && c.op != opIn { // not NaN, which is above all numbers
		where = append(where, backend.Cond{Field: "value", Op: backend.Le, Value: backend.StringValue(bitsText(math.Inf(1)))})
	}
	return where, exact
}

func bitsValue(v backend.Value) backend.Value {
	if v.Kind() != backend.Float {
		return v
	}
	return backend.StringValue(bitsText(v.Float()))
}

var runAside = &aside{
	table: tableRunEntries, lookup: (*condition).lookupEntry,
	holds: func(ent entity) bool { return ent != entAttribute },
	bytes: func(x found) int { return x.(foundRun).bytes },
	load: func(find finder, rows []candidate, names *names) error {
		runs := make([]*Run, len(rows))
		ids := make([]string, len(rows))
		for i, x := range rows {
			runs[i] = x.found.(foundRun).Run
			ids[i] = runs[i].ID
		}
		entries := map[string][]runEntry{}
		if len(names.keys) > 0 {
			wanted := make([]string, len(names.keys))
			for i, k := range names.keys {
				wanted[i] = entryName(k.entity, k.key)
			}
			var err error
			if entries, err = entriesOfRuns(find, ids, wanted); err != nil {
				return err
			}
		}
		if names.sets {
			inputs, err := inputsOfRuns(find, ids)
			if err != nil {
				return err
			}
			for id, in := range inputs {
				entries[id] = append(entries[id], in...)
			}
		}
		for _, run := range runs {
			run.setEntries(entries[run.ID])
		}
		return nil
	},
}

package kv

import (
	"bytes"
	"context"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// checkEvery is how many entries a scan goes on for before it looks at the context again.
const checkEvery = 1024

// A hit is a row that a query found.
type hit struct {
	key   []byte
	order []byte // raw; nil without an Order
	cell  *Cell
}

// A finder runs a plan.
type finder struct {
	*plan
	ctx     context.Context
	r       MemoryReader
	seen    map[string]struct{} // the keys met, if a row may be met more than once
	hits    []hit
	run     int // hits[run:] begin with the same maxIndexed bytes of the Order: the path does not order them
	inSpan  int // hits of this span
	worst   hit // if trimmed: what is not in front of it cannot be among the first
	trimmed bool
	entries int
}

// find returns the rows that meet q, which was checked.
func (t *table) find(ctx context.Context, r MemoryReader, q backend.Query) ([]backend.Row, error) {
	hits, err := t.newPlan(q).hits(ctx, r)
	if err != nil {
		return nil, err
	}
	rows := make([]backend.Row, len(hits))
	for i, h := range hits {
		if rows[i], err = t.row(h); err != nil {
			return nil, err
		}
		rows[i].Doc = bytes.Clone(rows[i].Doc)
		if !q.Fields {
			continue
		}
		if rows[i].Fields, err = t.rowFields(h.cell.Value); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// row decodes a hit. The document is the store's.
func (t *table) row(h hit) (row backend.Row, err error) {
	if row.Key, err = decodeKey(h.key, t.key); err != nil {
		return row, err
	}
	_, row.Doc, err = splitRow(h.cell.Value)
	return row, err
}

// hits reads the plan's spans.
func (pl *plan) hits(ctx context.Context, r MemoryReader) ([]hit, error) {
	f := &finder{plan: pl, ctx: ctx, r: r}
	if pl.repeats() {
		f.seen = map[string]struct{}{}
	}
	spans := slices.Values(pl.spans)
	if pl.desc {
		spans = func(yield func(span) bool) {
			for i := len(pl.spans) - 1; i >= 0 && yield(pl.spans[i]); i-- {
			}
		}
	}
	for s := range spans {
		if err := f.scan(s); err != nil {
			return nil, err
		}
		if pl.ordered == inFull && f.full() {
			break
		}
	}
	if pl.ordered == inFull {
		f.sortRun()
	} else {
		slices.SortFunc(f.hits, f.compare)
	}
	if f.limit > 0 && len(f.hits) > f.limit {
		f.hits = f.hits[:f.limit]
	}
	return f.hits, nil
}

// scan reads one span.
func (f *finder) scan(s span) error {
	var failed error
	f.inSpan = 0
	err := f.r.Scan(f.p.space, s.low, s.high, f.desc, func(key []byte, cell *Cell) bool {
		f.entries++
		if f.entries%checkEvery == 0 {
			if failed = f.ctx.Err(); failed != nil {
				return false
			}
		}
		more, err := f.entry(key, cell)
		failed = err
		return more && err == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

// entry looks at one entry of the path; false means that the span has nothing more to give.
func (f *finder) entry(key []byte, cell *Cell) (more bool, err error) {
	for _, c := range f.p.indexed() {
		n, err := columnLen(key, c)
		if err != nil {
			return false, err
		}
		key = key[n:]
	}
	if f.seen != nil {
		if _, again := f.seen[string(key)]; again {
			return true, nil
		}
	}
	if cell == nil { // the entry of an index in a store of bytes
		if cell, err = f.r.Get(f.t.name, key); err != nil {
			return false, err
		}
		if cell == nil {
			return false, errCorrupt
		}
	}
	h := hit{key: key, cell: cell}
	ok, err := f.meets(&h)
	if err != nil || !ok {
		return true, err
	}
	if f.trimmed && f.compare(h, f.worst) >= 0 {
		return f.ordered == unordered, nil
	}
	if f.seen != nil {
		f.seen[string(key)] = struct{}{}
	}
	return f.add(h), nil
}

// meets says whether the row is behind After and meets the conditions that the span does not ensure; it sets h.order.
func (f *finder) meets(h *hit) (bool, error) {
	if len(f.rest) == 0 && f.order == nil && f.after == nil {
		return true, nil
	}
	fields, _, err := splitRow(h.cell.Value)
	if err != nil {
		return false, err
	}
	if f.order != nil {
		if h.order, err = f.t.raw(*f.order, h.key, fields); err != nil {
			return false, err
		}
	}
	if f.after != nil && f.compare(*h, hit{key: f.after.key, order: f.after.order}) <= 0 {
		return false, nil
	}
	for _, c := range f.rest {
		if ok, err := c.holds(f.t, h.key, fields); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// raw returns the raw value of a One field or key part of a row.
func (t *table) raw(c column, key, fields []byte) ([]byte, error) {
	if c.part < 0 {
		return t.content(fields, c.id)
	}
	part, err := t.keyPart(key, c.part)
	if err != nil {
		return nil, err
	}
	return rawPart(part, c.Kind), nil
}

// compare orders hits as the query wants them.
func (f *finder) compare(a, b hit) int {
	c := bytes.Compare(a.order, b.order)
	if c == 0 {
		c = bytes.Compare(a.key, b.key)
	}
	if f.desc {
		return -c
	}
	return c
}

// add keeps a hit; false means that the span has nothing more to give.
func (f *finder) add(h hit) bool {
	h.key = bytes.Clone(h.key)
	cut := f.order != nil && !f.order.exact(h.order)
	if f.order != nil && f.order.part >= 0 {
		h.order = bytes.Clone(h.order) // was a part of the key
	}
	if f.ordered == inFull && f.run < len(f.hits) && !(cut && sameCut(h.order, f.hits[f.run].order)) {
		f.sortRun()
		if f.full() {
			return false
		}
	}
	f.hits = append(f.hits, h)
	f.inSpan++
	switch {
	case f.ordered == inFull && !cut:
		f.run = len(f.hits)
		return !f.full()
	case f.ordered == inFull || f.limit == 0:
		return true
	case f.ordered == perSpan && !cut && f.inSpan >= f.limit:
		return false
	}
	if len(f.hits) >= checkEvery && len(f.hits)/2 >= f.limit {
		slices.SortFunc(f.hits, f.compare)
		clear(f.hits[f.limit:])
		f.hits = f.hits[:f.limit]
		f.worst, f.trimmed = f.hits[f.limit-1], true
	}
	return true
}

// full says whether the first hits, those that are surely in order, are enough.
func (f *finder) full() bool { return f.limit > 0 && f.run >= f.limit }

// sortRun puts hits in order whose Order an index holds only the beginning of.
func (f *finder) sortRun() {
	slices.SortFunc(f.hits[f.run:], f.compare)
	f.run = len(f.hits)
}

func sameCut(a, b []byte) bool {
	return len(a) >= maxIndexed && len(b) >= maxIndexed && bytes.Equal(a[:maxIndexed], b[:maxIndexed])
}

package kv

import (
	"bytes"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// makeSpans makes the spans of the chosen path, in ascending order.
func (pl *plan) makeSpans() {
	if slices.ContainsFunc(pl.conds, func(c cond) bool { return c.op == backend.In && len(c.values) == 0 }) {
		return
	}
	prefixes := [][]byte{make([]byte, 0, 64)}
	for _, k := range pl.use.fixed {
		c := &pl.conds[k]
		if c.op == backend.Eq {
			for i, prefix := range prefixes {
				prefixes[i] = c.appendTo(prefix, c.value)
			}
			continue
		}
		longer := make([][]byte, 0, len(prefixes)*len(c.values))
		for _, prefix := range prefixes {
			for _, v := range c.values {
				longer = append(longer, c.appendTo(slices.Clip(prefix), v))
			}
		}
		prefixes = slices.CompactFunc(longer, bytes.Equal) // long values are cut, and may then coincide
	}
	whole := pl.wholeAfter()
	for _, prefix := range prefixes {
		s, ok := pl.bounded(prefix)
		if ok {
			s = pl.afterIn(s, prefix, whole)
		}
		if ok && (s.high == nil || bytes.Compare(s.low, s.high) < 0) {
			pl.spans = append(pl.spans, s)
		}
	}
}

// bounded returns the span of the entries that begin with prefix and whose next column is within the bounds; false
// means that there can be none.
func (pl *plan) bounded(prefix []byte) (s span, ok bool) {
	if len(pl.use.bounds) > 0 {
		prefix = pl.conds[pl.use.bounds[0]].appendEntry(slices.Clip(prefix))
	}
	s = span{low: prefix, high: prefixEnd(bytes.Clone(prefix))}
	for _, k := range pl.use.bounds {
		c := &pl.conds[k]
		if c.op == backend.Prefix {
			begin := c.value
			if c.part < 0 {
				begin = begin[:min(len(begin), maxIndexed)]
			}
			begin = slices.Concat(prefix, begin)
			s.raise(begin)
			s.lower(prefixEnd(bytes.Clone(begin)))
			continue
		}
		at := c.appendPart(slices.Clip(prefix), c.value)
		behind := prefixEnd(bytes.Clone(at))
		switch {
		case c.op == backend.Ge, c.op == backend.Gt && !c.exact(c.value):
			s.raise(at)
		case c.op == backend.Gt && behind == nil:
			return s, false
		case c.op == backend.Gt:
			s.raise(behind)
		case c.op == backend.Lt && c.exact(c.value):
			s.lower(at)
		default: // Le, or Lt of a value that is cut
			s.lower(behind)
		}
	}
	return s, true
}

func (s *span) raise(low []byte) {
	if bytes.Compare(low, s.low) > 0 {
		s.low = low
	}
}

func (s *span) lower(high []byte) {
	if high != nil && (s.high == nil || bytes.Compare(high, s.high) < 0) {
		s.high = high
	}
}

// afterIn cuts off the part of s that is not behind After. It may leave some: rows are compared with After again.
func (pl *plan) afterIn(s span, prefix []byte, whole func(prefix []byte) (key []byte, exact bool)) span {
	if pl.after == nil {
		return s
	}
	var at []byte
	exact := false
	switch {
	case whole != nil:
		at, exact = whole(prefix)
	case pl.ordered == perSpan && pl.nextIsOrder():
		at = pl.order.appendPart(slices.Clip(prefix), pl.after.order)
	default:
		return s
	}
	switch {
	case pl.desc && exact:
		s.lower(at)
	case pl.desc:
		s.lower(prefixEnd(bytes.Clone(at)))
	case exact:
		s.raise(append(at, 0))
	default:
		s.raise(at)
	}
	return s
}

// nextIsOrder says whether the first column that is not fixed is the Order.
func (pl *plan) nextIsOrder() bool {
	n := len(pl.use.fixed)
	return pl.order != nil && n < len(pl.p.cols) && pl.p.cols[n].Name == pl.order.Name
}

// wholeAfter returns a function that makes the encoded key, on the plan's path, of the row that After names; exact is
// false if the key had to be cut. It is nil if the path is in another order, or if a condition fixes a column to
// another value than After has: then that value decides what is behind After, wherever the column is.
func (pl *plan) wholeAfter() func(prefix []byte) (key []byte, exact bool) {
	if pl.after == nil || pl.ordered != inFull {
		return nil
	}
	for i := range pl.conds {
		c := &pl.conds[i]
		if c.op != backend.Eq || c.Shape != backend.One {
			continue
		}
		if raw, ok := pl.afterValue(c.column); ok && !bytes.Equal(raw, c.value) {
			return nil
		}
	}
	return func(prefix []byte) (key []byte, exact bool) {
		for i, c := range pl.p.cols {
			var fixed []byte
			if i < len(pl.use.fixed) {
				n, _ := columnLen(prefix, c) // this package made it
				fixed, prefix = prefix[:n], prefix[n:]
			}
			raw, ok := pl.afterValue(c)
			if !ok && fixed != nil {
				key = append(key, fixed...)
				continue
			}
			if !ok {
				k := pl.find(c, func(c *cond) bool { return c.op == backend.Eq })
				if k < 0 {
					return key, false // the columns so far order the rows
				}
				raw = pl.conds[k].value
			}
			key = c.appendPart(key, raw)
			if !c.exact(raw) {
				return key, false
			}
		}
		return key, true
	}
}

// afterValue is the raw value of column c in After, if After has it.
func (pl *plan) afterValue(c column) ([]byte, bool) {
	if c.part >= 0 {
		part, err := pl.t.keyPart(pl.after.key, c.part)
		return rawPart(part, c.Kind), err == nil
	}
	if pl.order != nil && pl.order.Name == c.Name {
		return pl.after.order, true
	}
	return nil, false
}

// columnLen is how many bytes column c takes at the beginning of an encoded key.
func columnLen(b []byte, c column) (int, error) {
	n := 0
	if c.Shape == backend.Map {
		var err error
		if n, err = partLen(b, backend.String); err != nil {
			return 0, err
		}
	}
	m, err := partLen(b[n:], c.Kind)
	return n + m, err
}

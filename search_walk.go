package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
	// What one page may look at before it comes back short, with a token to go on: rows, and steps of comparing text.
	scanBudget   = 20_000
	effortBudget = 32 << 20
	// pageBytes is how long the documents of a page's rows may be in all, but for the last one's.
	pageBytes = 16 << 20
	// The rows that one statement reads when not each of them is sure to be selected: more each time.
	firstBatch = 128
	maxBatch   = 2_000
	// The rows that one statement reads while it is not known how long they are. After that, they are as many as a page's
	// bytes let expect, and no more than so many times those that have been read.
	blindBatch = 256
	maxGrowth  = 8
	// groupSlack is read beyond what a page needs, so that the page's last group of equal rows is mostly whole.
	groupSlack = 31
)

// errStop ends a walk that has what it wants; it never leaves this file but to runSearch.
var errStop = errors.New("page complete")

// A walker goes through the rows of one search in order, and takes those that are selected, up to a page.
//
// A backend orders by one field and then the whole key, all in one direction. An order that fits is streamed. In any
// other the walker goes from one value of the first key to the next: rows that are equal in it form a group, which is
// sorted here if it was read whole, and else walked by the rest of the keys, where the first is a condition now.
// No group has to fit into memory, and the cost is a statement or two more a page.
type walker struct {
	ctx     context.Context
	backend backend.Backend
	subject *searchSubject
	rest    *filter // what the conditions do not say
	names   *names  // that are in another table than the rows; nil: none
	order   []orderKey
	decode  func(backend.Row) (found, error)
	take    func(candidate)
	most    int // bytes to be taken, but for the last row's

	left  int // still to be taken
	read  int // rows, for the budget
	bytes int // of them all
	taken int // bytes of those that were taken
	spent effort
	batch int // the last one's size
	more  bool
	last  found // a candidate, the last that was looked at, and with
	depth int   // so many values of the order, the position to go on behind
}

// A candidate is a row that was read, and how long its document is.
type candidate struct {
	found
	bytes int
}

// walk goes through the rows that meet where, in order of the keys from depth on: those before have one value each.
// after, if not empty, is the values from there on behind which to begin.
func (w *walker) walk(where []backend.Cond, depth int, after []place) error {
	for depth < len(w.order)-1 && isFixed(where, w.order[depth].field()) {
		if len(after) > 0 {
			after = after[1:]
		}
		depth++
	}
	q, ok := w.streamed(where, depth)
	if !ok {
		return w.groups(where, depth, after)
	}
	if len(after) > 0 {
		if len(after) != len(w.order)-depth {
			return fmt.Errorf("page token: %w: cut short", ErrInvalid)
		}
		q.After = w.after(q, where, func(field string) (backend.Value, bool) {
			i := slices.IndexFunc(w.order[depth:], func(k orderKey) bool { return k.field() == field })
			if i < 0 {
				return backend.Value{}, false
			}
			return after[i].value, true
		})
	}
	return w.stream(q)
}

// isFixed says whether all rows that meet where have one value in field.
func isFixed(where []backend.Cond, field string) bool {
	_, ok := fixedValue(where, field)
	return ok
}

func fixedValue(where []backend.Cond, field string) (backend.Value, bool) {
	for _, c := range where {
		if c.Field == field && c.Op == backend.Eq && c.Name == "" {
			return c.Value, true
		}
	}
	return backend.Value{}, false
}

// streamed returns the query whose rows come in order of the keys from depth on, if there is one.
func (w *walker) streamed(where []backend.Cond, depth int) (backend.Query, bool) {
	var open []orderKey // the keys that are not fixed
	for _, k := range w.order[depth:] {
		if !isFixed(where, k.field()) {
			open = append(open, k)
		}
	}
	if len(open) == 0 {
		return backend.Query{Table: w.subject.table, Where: where}, true
	}
	q := backend.Query{Table: w.subject.table, Where: where, Desc: open[0].desc, Order: w.orderField(where, open[0])}
	var natural []string // the order that q gives
	if q.Order != "" {
		natural = append(natural, q.Order)
	}
	for _, part := range w.subject.key {
		if part != q.Order && !isFixed(where, part) {
			natural = append(natural, part)
		}
	}
	same := slices.EqualFunc(open, natural, func(k orderKey, field string) bool { return k.field() == field && k.desc == q.Desc })
	return q, same
}

// orderField is what a query orders by to have k first: nothing if the key begins with it.
func (w *walker) orderField(where []backend.Cond, k orderKey) string {
	for _, part := range w.subject.key {
		if part == k.field() {
			return ""
		}
		if !isFixed(where, part) {
			break
		}
	}
	return k.field()
}

// after makes a Query.After of a position: the value of the order, then the key; what is fixed is not in the position.
func (w *walker) after(q backend.Query, where []backend.Cond, value func(field string) (backend.Value, bool)) []backend.Value {
	fields := w.subject.key
	if q.Order != "" {
		fields = append([]string{q.Order}, fields...)
	}
	after := make([]backend.Value, len(fields))
	for i, field := range fields {
		v, ok := value(field)
		if !ok {
			v, _ = fixedValue(where, field)
		}
		after[i] = v
	}
	return after
}

func (w *walker) stream(q backend.Query) error {
	for {
		q.Limit = w.nextBatch(0)
		rows, err := w.find(q)
		if err != nil {
			return err
		}
		for _, x := range rows {
			if err := w.look(x); err != nil {
				return err
			}
		}
		if len(rows) < q.Limit {
			return nil
		}
		last := rows[len(rows)-1]
		q.After = w.after(q, nil, func(field string) (backend.Value, bool) { return last.column(field), true })
	}
}

// groups goes from one value of the key at depth to the next.
func (w *walker) groups(where []backend.Cond, depth int, after []place) error {
	k := w.order[depth]
	next := backend.Cond{Field: k.field(), Op: backend.Gt}
	if k.desc {
		next.Op = backend.Lt
	}
	started := len(after) > 0
	if started {
		next.Value = after[0].value
	}
	if len(after) > 1 {
		if err := w.group(where, depth, after[0].value, after[1:]); err != nil {
			return err
		}
	}
	for {
		q := backend.Query{Table: w.subject.table, Where: where, Order: w.orderField(where, k), Desc: k.desc, Limit: w.nextBatch(groupSlack)}
		if started {
			q.Where = append(slices.Clip(where), next)
		}
		rows, err := w.find(q)
		if err != nil {
			return err
		}
		full := len(rows) == q.Limit
		for len(rows) > 0 {
			next.Value, started = rows[0].column(k.field()), true
			n := slices.IndexFunc(rows, func(x candidate) bool { return x.column(k.field()) != next.Value })
			if n < 0 && full { // there may be more of this group
				if err := w.group(where, depth, next.Value, nil); err != nil {
					return err
				}
				break
			}
			if n < 0 {
				n = len(rows)
			}
			slices.SortFunc(rows[:n], func(a, b candidate) int { return compareFound(w.order[depth+1:], a, b) })
			for _, x := range rows[:n] {
				if err := w.look(x); err != nil {
					return err
				}
			}
			w.depth = depth + 1
			rows = rows[n:]
		}
		if !full {
			return nil
		}
	}
}

// group walks the rows that have value in the key at depth.
func (w *walker) group(where []backend.Cond, depth int, value backend.Value, after []place) error {
	before := w.last
	err := w.walk(append(slices.Clip(where), backend.Cond{Field: w.order[depth].field(), Value: value}), depth+1, after)
	if err == nil && w.last != before {
		w.depth = depth + 1
	}
	return err
}

// nextBatch is how many rows to ask for next.
func (w *walker) nextBatch(slack int) int {
	need := w.left + 1 + slack // one more tells whether there is another page
	few := blindBatch
	if w.subject.small {
		few = math.MaxInt
	} else if w.read > 0 {
		few = max(min(pageBytes/(w.bytes/w.read+1), maxGrowth*w.read), 1+slack)
	}
	switch {
	case w.rest == nil:
		w.batch = need
	case w.batch == 0:
		w.batch = min(max(need, firstBatch), maxBatch)
	default:
		w.batch = min(2*w.batch, maxBatch)
	}
	w.batch = min(w.batch, few)
	return w.batch
}

// find reads rows, unless enough has been done for this page.
func (w *walker) find(q backend.Query) ([]candidate, error) {
	if w.last != nil && (w.left == 0 && w.rest != nil || w.read >= scanBudget || w.full()) {
		w.more = true // as far as is known
		return nil, errStop
	}
	rows, err := w.backend.Find(w.ctx, q)
	if err != nil {
		return nil, err
	}
	w.read += len(rows)
	out := make([]candidate, len(rows))
	for i, row := range rows {
		out[i].bytes = len(row.Doc)
		w.bytes += len(row.Doc)
		if out[i].found, err = w.decode(row); err != nil {
			return nil, err
		}
	}
	if a := w.subject.aside; a != nil {
		for i, x := range out { // that is read of those only that are taken
			out[i].bytes += a.bytes(x.found)
		}
	}
	if w.names != nil && len(out) > 0 {
		find := func(q backend.Query) ([]backend.Row, error) { return w.backend.Find(w.ctx, q) }
		if err := w.subject.aside.load(find, out, w.names); err != nil {
			return nil, err
		}
	}
	return out, w.ctx.Err()
}

// full says whether the page has used up what it may, rows and their number apart.
func (w *walker) full() bool { return w.taken >= w.most || w.spent >= effortBudget }

// look takes x if it is selected and there is room.
func (w *walker) look(x candidate) error {
	if err := w.ctx.Err(); err != nil { // a row may take long, and a batch of them very long
		return err
	}
	if w.last != nil && w.full() {
		w.more = true
		return errStop
	}
	if w.rest.weighs(x.found, &w.spent) {
		if w.left == 0 {
			w.more = true
			return errStop
		}
		w.left--
		w.taken += x.bytes
		w.take(x)
	}
	w.last, w.depth = x, len(w.order)
	return nil
}

// sorted takes a page in an order that no backend has, by sorting all that is selected; it returns the position of the
// last one taken if there are more.
func (w *walker) sorted(where []backend.Cond, after []place) ([]place, error) {
	var first []candidate // of those behind after: more than a page, which is all that is kept
	bytes, all := 0, true
	keep := func() {
		slices.SortFunc(first, func(a, b candidate) int { return compareFound(w.order, a, b) })
		bytes = 0
		for i, x := range first {
			if i == w.left || bytes >= w.most {
				clear(first[i:])
				first, all = first[:i], false
				return
			}
			bytes += x.bytes
		}
	}
	scan := *w
	scan.order = w.subject.scanOrder()
	scan.left, scan.most = maxPageSize, math.MaxInt
	scan.take = func(x candidate) {
		if after != nil && !isBehind(w.order, x, after) {
			return
		}
		first = append(first, x)
		if bytes += x.bytes; len(first) > 2*w.left+firstBatch || bytes >= 2*w.most {
			keep()
		}
	}
	if err := scan.walk(where, 0, nil); err != nil && err != errStop {
		return nil, fmt.Errorf("search %s: %w", w.subject.what, err)
	}
	if scan.more {
		sorts := slices.IndexFunc(w.order, func(k orderKey) bool { return !k.streams() })
		if scan.left > 0 {
			return nil, fmt.Errorf("order_by %s: %w: more than %d %s to look through for what the filter selects; narrow the filter, to %s for example",
				w.order[sorts].name(), ErrInvalid, scan.read, w.subject.what, w.subject.one)
		}
		return nil, fmt.Errorf("order_by %s: %w: more %s to sort than %d; narrow the filter, to %s for example",
			w.order[sorts].name(), ErrInvalid, w.subject.what, maxPageSize, w.subject.one)
	}
	keep()
	for _, x := range first {
		w.take(x)
	}
	if all {
		return nil, nil
	}
	return positionOf(w.order, first[len(first)-1]), nil
}

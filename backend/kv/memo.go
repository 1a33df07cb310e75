package kv

import (
	"context"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

// FindMemo implements [backend.Memoizer]. Over a [MemoryStore] the result of decode is kept beside the row, and the
// answers to queries whose conditions are all Eq are remembered until a write touches what they depend on. Over any
// other store decode runs every time.
func (b *Backend) FindMemo(ctx context.Context, q backend.Query, decode func(backend.Row) (any, error)) (any, error) {
	q.Limit = 1
	if b.answers == nil {
		return b.findMemo(ctx, q, decode)
	}
	if b.calls.closed.Load() {
		return nil, backend.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("find: %w", err)
	}
	var buf [maxQuestion]byte
	question, ok := appendQuestion(buf[:0], &q)
	if !ok {
		return b.findMemo(ctx, q, decode)
	}
	if result, ok := b.answers.get(question); ok {
		return result, nil
	}
	return b.findMemo(ctx, q, decode)
}

// findMemo plans and runs q, and remembers the answer if it can.
func (b *Backend) findMemo(ctx context.Context, q backend.Query, decode func(backend.Row) (any, error)) (result any, err error) {
	done := b.done.Load() // before the snapshot is taken, which has at least these Updates
	err = b.View(ctx, func(br backend.Reader) error {
		x := br.(*reader)
		t, err := x.table(q.Table)
		if err != nil {
			return err
		}
		if err := t.decl.CheckQuery(q); err != nil {
			return err
		}
		pl := t.newPlan(q)
		hits, err := pl.hits(ctx, x.r)
		if err != nil {
			return fmt.Errorf("table %s: find: %w", q.Table, err)
		}
		if len(hits) == 0 {
			return fmt.Errorf("table %s: %w", q.Table, backend.ErrNotFound)
		}
		if result, err = t.memo(hits[0], decode); err != nil {
			return err
		}
		b.remember(q, pl, done, result)
		return nil
	})
	return result, err
}

// memo returns what decode made of the row, now or earlier.
func (t *table) memo(h hit, decode func(backend.Row) (any, error)) (any, error) {
	if memo := h.cell.memo.Load(); memo != nil {
		return *memo, nil
	}
	row, err := t.row(h)
	if err != nil {
		return nil, err
	}
	result, err := decode(row)
	if err != nil {
		return nil, err
	}
	h.cell.memo.Store(&result)
	return result, nil
}

// remember keeps the answer to q if its plan reads the rows with one value in some columns, so that exactly the writes
// to such rows can change it.
func (b *Backend) remember(q backend.Query, pl *plan, done uint64, result any) {
	if b.answers == nil || len(pl.spans) != 1 || len(pl.use.fixed) == 0 || pl.use.ins > 0 {
		return
	}
	if question, ok := appendQuestion(nil, &q); ok {
		n := min(len(pl.use.fixed), pl.p.touched())
		b.answers.put(question, result, done, b.answers.stripe(pl.p, pl.spans[0].low[:pl.p.columnsLen(pl.spans[0].low, n)]))
	}
}

// touched is how many of p's columns the writes of a row are told apart by.
func (p *path) touched() int {
	if p.n == 0 {
		return len(p.cols)
	}
	return p.n
}

// columnsLen is how many bytes the first n columns take of an encoded key.
func (p *path) columnsLen(key []byte, n int) int {
	at := 0
	for _, c := range p.cols[:n] {
		size, _ := columnLen(key[at:], c) // this package made it
		at += size
	}
	return at
}

// touch makes the remembered answers invalid that depend on rows with this entry.
func (x *tx) touch(p *path, entry []byte) {
	if x.b.answers == nil {
		return
	}
	for n := 1; n <= p.touched(); n++ {
		x.b.answers.stripe(p, entry[:p.columnsLen(entry, n)]).Store(x.number)
	}
}

// maxQuestion bounds the encoded form of the queries whose answers are remembered.
const maxQuestion = 256

// appendQuestion appends a form of q in which no two queries are alike; false means that it is of a sort that is not
// remembered.
func appendQuestion(dst []byte, q *backend.Query) ([]byte, bool) {
	if len(q.After) > 0 || q.Settled {
		return nil, false
	}
	size := len(q.Table) + len(q.Order)
	for i := range q.Where {
		c := &q.Where[i]
		if c.Op != backend.Eq {
			return nil, false
		}
		size += len(c.Field) + len(c.Name) + len(c.Value.Str()) + 16
	}
	if size > maxQuestion-8 {
		return nil, false
	}
	dst = appendShort(dst, q.Table)
	dst = appendShort(dst, q.Order)
	desc := byte(0)
	if q.Desc {
		desc = 1
	}
	dst = append(dst, desc)
	for i := range q.Where {
		c := &q.Where[i]
		dst = appendShort(dst, c.Field)
		dst = appendShort(dst, c.Name)
		dst = append(dst, byte(c.Value.Kind()))
		if c.Value.Kind() == backend.String {
			dst = appendShort(dst, c.Value.Str())
		} else {
			dst = appendRaw(dst, c.Value)
		}
	}
	return dst, true
}

// appendShort appends s after its length, which is less than maxQuestion.
func appendShort(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }

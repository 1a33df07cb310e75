package faulty

import (
	"context"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Backend is b with steps that fail by plan. It is no Memoizer, so that every read is a step.
func (p *Plan) Backend(b backend.Backend) backend.Backend { return &faultyBackend{b, p} }

type faultyBackend struct {
	backend.Backend
	plan *Plan
}

func (b *faultyBackend) Find(ctx context.Context, q backend.Query) (rows []backend.Row, err error) {
	err = b.plan.do("find "+q.Table, func() error {
		rows, err = b.Backend.Find(ctx, q)
		return err
	})
	return rows, err
}

func (b *faultyBackend) View(ctx context.Context, fn func(backend.Reader) error) error {
	return b.plan.do(Begin, func() error {
		return b.Backend.View(ctx, func(r backend.Reader) error { return fn(&reader{r, b.plan}) })
	})
}

// Update has steps at its beginning and at its commit. That a commit fails before it is done looks to the backend as if
// fn had failed: it leaves no trace.
func (b *faultyBackend) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	if before, _ := b.plan.step(Begin); before != nil {
		return before
	}
	var lost error // the acknowledgement
	err := b.Backend.Update(ctx, locks, func(x backend.Tx) error {
		if err := fn(&tx{reader{x, b.plan}, x}); err != nil {
			return err
		}
		before, after := b.plan.step(Commit)
		lost = after
		return before
	})
	if err != nil {
		return err
	}
	return lost
}

type reader struct {
	r    backend.Reader
	plan *Plan
}

func (r *reader) Get(table string, key ...backend.Value) (row backend.Row, err error) {
	err = r.plan.do("get "+table, func() error {
		row, err = r.r.Get(table, key...)
		return err
	})
	return row, err
}

func (r *reader) Find(q backend.Query) (rows []backend.Row, err error) {
	err = r.plan.do("find "+q.Table, func() error {
		rows, err = r.r.Find(q)
		return err
	})
	return rows, err
}

type tx struct {
	reader
	x backend.Tx
}

func (t *tx) Insert(table string, rows ...backend.Row) error {
	return t.plan.do("insert "+table, func() error { return t.x.Insert(table, rows...) })
}

func (t *tx) Put(table string, rows ...backend.Row) error {
	return t.plan.do("put "+table, func() error { return t.x.Put(table, rows...) })
}

func (t *tx) Delete(table string, keys ...backend.Key) error {
	return t.plan.do("delete "+table, func() error { return t.x.Delete(table, keys...) })
}

func (t *tx) Append(table string, rows ...backend.Row) (at backend.Position, err error) {
	err = t.plan.do("append "+table, func() error {
		at, err = t.x.Append(table, rows...)
		return err
	})
	return at, err
}

package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An EventQuery selects events. The zero value selects all.
type EventQuery struct {
	Model   string // by name: the model that has it, or had it last
	ModelID string // or by ID, for a model that was deleted
	Version int    // of the model; 0: all, and what is about the model itself
	Alias   string // events about that alias of the model
	Since   time.Time
	Until   time.Time // inclusive; zero: no limit
	Newest  bool      // newest first
	After   string    // an Event's Cursor: only events behind it, in the order asked for
	Limit   int       // 0: all
}

const eventPage = 500

func (r *registry) Events(ctx context.Context, q EventQuery) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		find, err := r.eventQuery(ctx, q)
		if err != nil {
			yield(nil, wrap("Events", q.Model, err))
			return
		}
		left := q.Limit
		for e, err := range events(r.find(ctx), find) {
			if err != nil {
				yield(nil, wrap("Events", q.Model, err))
				return
			}
			if !yield(e, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func (r *registry) eventQuery(ctx context.Context, q EventQuery) (backend.Query, error) {
	find := backend.Query{Table: tableEvents, Desc: q.Newest, Limit: eventPage}
	if q.Limit > 0 {
		find.Limit = min(q.Limit, eventPage)
	}
	after, _, err := readCursor(q.After)
	if err != nil {
		return find, err
	}
	if after != "" {
		find.After = []backend.Value{backend.StringValue(after)}
	}
	if (q.Version != 0 || q.Alias != "") && q.Model == "" && q.ModelID == "" {
		return find, fmt.Errorf("events: %w: Version and Alias need a Model", ErrInvalid)
	}
	if q.Model != "" {
		t, err := r.tenureAt(ctx, q.Model, time.Time{})
		if err != nil {
			return find, err
		}
		if q.ModelID != "" && q.ModelID != t.ModelID {
			return find, fmt.Errorf("events: %w: Model and ModelID are two models", ErrInvalid)
		}
		q.ModelID = t.ModelID
	}
	if q.ModelID != "" {
		find.Where = append(find.Where, backend.Cond{Field: "model_id", Value: backend.StringValue(q.ModelID)})
	}
	if q.Version != 0 {
		find.Where = append(find.Where, backend.Cond{Field: "version", Value: backend.IntValue(int64(q.Version))})
	}
	if q.Alias != "" {
		find.Where = append(find.Where, backend.Cond{Field: "alias", Value: backend.StringValue(q.Alias)})
	}
	if !q.Since.IsZero() {
		find.Where = append(find.Where, backend.Cond{Field: "time", Op: backend.Ge, Value: backend.TimeValue(storable(q.Since))})
	}
	if !q.Until.IsZero() {
		find.Where = append(find.Where, backend.Cond{Field: "time", Op: backend.Le, Value: backend.TimeValue(storable(q.Until))})
	}
	return find, nil
}

// events yields what q selects, page after page; q.Limit is the size of a page.
func events(find func(backend.Query) ([]backend.Row, error), q backend.Query) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		q := q
		for {
			rows, err := find(q)
			if err != nil {
				yield(nil, fmt.Errorf("read history: %w", err))
				return
			}
			for _, row := range rows {
				e, err := decodeEvent(row, cursorSeen)
				if !yield(e, err) || err != nil {
					return
				}
			}
			if len(rows) < q.Limit {
				return
			}
			q.After = rows[len(rows)-1].Key
		}
	}
}

func (r *registry) Follow(ctx context.Context, cursor string) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		q := backend.Query{Table: tableEvents, Limit: eventPage, Settled: true}
		after, err := settledPosition(cursor)
		if err != nil { // a mistake is told whatever became of ctx
			yield(nil, wrap("Follow", "", err))
			return
		}
		if err := r.checkThere(ctx, after); err != nil {
			if ctx.Err() == nil {
				yield(nil, wrap("Follow", "", err))
			}
			return
		}
		if after != "" {
			q.After = []backend.Value{backend.StringValue(after)}
		}
		tick := time.NewTicker(r.poll)
		defer tick.Stop()
		for ctx.Err() == nil {
			rows, err := r.backend.Find(ctx, q)
			if err != nil {
				if ctx.Err() == nil {
					yield(nil, wrap("Follow", "", err))
				}
				return
			}
			for _, row := range rows {
				e, err := decodeEvent(row, cursorSettled)
				if !yield(e, wrap("Follow", "", err)) || err != nil {
					return
				}
				q.After = row.Key
			}
			if len(rows) == q.Limit {
				continue
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}
}

func readChain(tx backend.Reader, id string) (c chain, err error) {
	row, err := tx.Get(tableChains, backend.StringValue(id))
	if err != nil {
		return c, fmt.Errorf("read end of chain: %w", err)
	}
	return decodeChain(row)
}

func decodeChain(row backend.Row) (c chain, err error) {
	if err := json.Unmarshal(row.Doc, &c); err != nil {
		return c, fmt.Errorf("end of chain %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return c, nil
}

// tenureAt finds the model that has a name, or had it at a time; the zero time asks for the latest.
func (r *registry) tenureAt(ctx context.Context, name string, at time.Time) (tenure, error) {
	if err := checkModelName(name); err != nil {
		return tenure{}, err
	}
	rows := &pager{find: r.find(ctx), q: backend.Query{Table: tableNames, Desc: true, Limit: 1, Where: []backend.Cond{
		{Field: "name", Value: backend.StringValue(name)},
	}}}
	if !at.IsZero() {
		rows.q.Limit = 50 // mostly all
	}
	row, err := rows.next()
	for row != nil && err == nil {
		var t tenure
		if t, err = decodeTenure(*row); err != nil || at.IsZero() {
			return t, err
		}
		var before *backend.Row
		if before, err = rows.next(); err != nil {
			break
		}
		begun, err := r.begun(ctx, t, before, at)
		if err != nil {
			return t, err
		}
		if begun {
			ended, err := r.byThen(ctx, t.ModelID, t.Until, at)
			if err == nil && t.Until != 0 && ended {
				err = fmt.Errorf("model %q at %v: %w", name, at.UTC().Format(time.RFC3339), ErrNotFound)
			}
			return t, err
		}
		row = before
	}
	if err != nil {
		return tenure{}, fmt.Errorf("read name: %w", err)
	}
	return tenure{}, errNoModel(name)
}

// begun says whether a tenure had begun by a time. One of a host whose clock was ahead came after the one before it.
func (r *registry) begun(ctx context.Context, t tenure, before *backend.Row, at time.Time) (bool, error) {
	begun, err := r.byThen(ctx, t.ModelID, t.Since, at)
	if err != nil || !begun || t.Since <= at.UnixMicro() || before == nil {
		return begun, err
	}
	last, err := decodeTenure(*before)
	if err != nil {
		return false, err
	}
	return r.byThen(ctx, last.ModelID, last.Until, at)
}

// byThen says whether a model's event that is dated (in microseconds) was by a time. As in moment, one that is further ahead
// of this clock than clocks can be apart came right behind the event before it.
func (r *registry) byThen(ctx context.Context, modelID string, dated int64, at time.Time) (bool, error) {
	ahead := r.now().Add(clockLeap)
	if dated <= at.UnixMicro() || dated <= ahead.UnixMicro() {
		return dated <= at.UnixMicro(), nil
	}
	id := backend.Cond{Field: "model_id", Value: backend.StringValue(modelID)}
	row, err := r.findOne(ctx, backend.Query{Table: tableEvents, Where: []backend.Cond{
		id, {Field: "time", Value: backend.TimeValue(time.UnixMicro(dated))},
	}})
	if err == nil {
		row, err = r.findOne(ctx, backend.Query{Table: tableEvents, Desc: true, Where: []backend.Cond{
			id, {Field: "time", Op: backend.Le, Value: backend.TimeValue(ahead)},
			{Field: backend.PositionField, Op: backend.Lt, Value: row.Key[0]},
		}})
	}
	if errors.Is(err, backend.ErrNotFound) || errors.Is(err, ErrNotFound) {
		return true, nil // it was the first
	}
	if err != nil {
		return false, fmt.Errorf("read history: %w", err)
	}
	e, err := decodeEvent(row, cursorSeen)
	return err == nil && !e.Time.After(at), err
}

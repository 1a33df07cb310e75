package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// past resolves as of a time, from the events.
type past struct {
	r    *registry
	time time.Time
}

func (r *registry) At(t time.Time) Resolver { return &past{r, storable(t)} }

func (p *past) Files(ctx context.Context, v *Version) fs.FS { return p.r.Files(ctx, v) }

func (p *past) Resolve(ctx context.Context, uri string) (*Version, error) {
	u, err := ParseURI(uri)
	if err == nil {
		var v *Version
		if v, err = p.resolve(ctx, u); err == nil {
			return v, nil
		}
	}
	return nil, wrap("Resolve", clip(uri)+" at "+p.time.Format(time.RFC3339Nano), err)
}

func (p *past) resolve(ctx context.Context, u URI) (*Version, error) {
	if u.RunID != "" {
		return nil, fmt.Errorf("%w: what runs leave has no history; ask the registry itself", errors.ErrUnsupported)
	}
	t, err := p.r.tenureAt(ctx, u.Model, p.time)
	if err != nil {
		return nil, err
	}
	var v *Version
	err = p.r.backend.View(ctx, func(tx backend.Reader) error {
		m, err := p.moment(tx, t.ModelID)
		if err != nil {
			return err
		}
		number, err := m.number(u)
		if err != nil {
			return err
		}
		if number == 0 {
			if number, err = m.highest(u); err != nil || number == 0 {
				return err
			}
		}
		v, err = m.version(number)
		return err
	})
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, u.notFound()
	}
	return v, u.checkPin(v)
}

// A moment is a point in a model's history.
type moment struct {
	tx      backend.Reader
	modelID string
	model   *modelRow     // as it is now; nil if it was deleted
	last    *Event        // the newest event by then
	until   backend.Value // the position of the first event behind, if there is one
	open    bool          // there is none
}

// moment is where the history stood at p's time: behind the newest event of that time or before. Each event came after all
// before it, whatever they say. So one whose clock was ahead is before what follows it at an earlier time, and one that is
// further ahead of this clock than clocks can be apart came right behind the event before it. ErrNotFound: the model was
// not there.
func (p *past) moment(tx backend.Reader, modelID string) (*moment, error) {
	m := &moment{tx: tx, modelID: modelID, open: true}
	rows, err := tx.Find(backend.Query{Table: tableModels, Limit: 1, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(modelID)}}})
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	if len(rows) > 0 {
		if m.model, err = decodeModelRow(rows[0]); err != nil {
			return nil, err
		}
	}
	// By time, which an index orders, first: as long as no clock was ahead the next by time is the next in the chain.
	last, key, err := m.first(backend.Query{Order: "time", Desc: true}, backend.Le, p.time)
	if err != nil {
		return nil, err
	}
	var after []backend.Value
	if last != nil {
		after = append([]backend.Value{backend.TimeValue(last.Time)}, key...)
	}
	next, nextKey, err := m.first(backend.Query{Order: "time", After: after}, backend.Gt, time.Time{})
	if err != nil {
		return nil, err
	}
	ahead := p.r.now().Add(clockLeap)
	switch {
	case last != nil && next == nil && m.model != nil && last.Seq == m.model.Chain.Seq:
		m.last = last
		return m, nil
	case last != nil && next != nil && next.Seq == last.Seq+1 && !next.Time.After(ahead):
		m.last, m.until, m.open = last, nextKey[0], false
		return m, nil
	}
	return m, m.search(p.time, ahead)
}

// search finds the moment where times do not go up with the chain, or its end is not known.
func (m *moment) search(at, ahead time.Time) error {
	last, key, err := m.first(backend.Query{Desc: true}, backend.Le, at)
	if err != nil {
		return err
	}
	next, nextKey, err := m.first(backend.Query{After: key}, backend.Le, ahead)
	if err != nil {
		return err
	}
	if next != nil {
		m.until, m.open = nextKey[0], false
	}
	if last == nil && next != nil && next.Seq == 1 {
		return fmt.Errorf("model %s: %w", m.modelID, ErrNotFound)
	}
	if last == nil || next == nil || next.Seq > last.Seq+1 {
		rows, err := m.tx.Find(backend.Query{Table: tableEvents, Desc: true, Limit: 1, Where: m.where()})
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if len(rows) == 0 {
			return fmt.Errorf("model %s: %w", m.modelID, ErrNotFound)
		}
		if last, err = decodeEvent(rows[0], cursorSeen); err != nil {
			return err
		}
	}
	m.last = last
	return nil
}

// first is the first of the model's events that q selects and whose time meets a condition, with its key; or nil.
func (m *moment) first(q backend.Query, op backend.Op, at time.Time) (*Event, backend.Key, error) {
	q.Table, q.Limit = tableEvents, 1
	q.Where = []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(m.modelID)}, {Field: "time", Op: op, Value: backend.TimeValue(at)},
	}
	rows, err := m.tx.Find(q)
	if err != nil {
		return nil, nil, fmt.Errorf("read history: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil, nil
	}
	e, err := decodeEvent(rows[0], cursorSeen)
	return e, rows[0].Key, err
}

// where are conditions on the model's events up to the moment.
func (m *moment) where(more ...backend.Cond) []backend.Cond {
	where := append([]backend.Cond{{Field: "model_id", Value: backend.StringValue(m.modelID)}}, more...)
	if !m.open {
		where = append(where, backend.Cond{Field: backend.PositionField, Op: backend.Lt, Value: m.until})
	}
	return where
}

// number finds which version u named then, where the history answers by itself: numbers, aliases and held stages. 0: ask
// highest. ErrNotFound: none.
func (m *moment) number(u URI) (int, error) {
	switch {
	case u.Number != 0:
		return u.Number, nil
	case u.Alias != "":
		e, err := m.newest("alias", u.Alias)
		if err != nil {
			return 0, err
		}
		if e == nil || e.Kind == AliasDeleted {
			return 0, u.notFound()
		}
		return e.Version, nil
	case u.Stage.active():
		from, err := m.newest("stage_from", string(u.Stage))
		if err != nil {
			return 0, err
		}
		to, err := m.newest("stage_to", string(u.Stage))
		if err != nil {
			return 0, err
		}
		e := from
		if e == nil || to != nil && to.Seq > e.Seq {
			e = to
		}
		if e == nil || len(e.Holders[u.Stage].After) == 0 {
			return 0, u.notFound()
		}
		return slices.Max(e.Holders[u.Stage].After), nil
	}
	return 0, nil
}

// newest is the newest event by then of the model with that value in a field, or nil.
func (m *moment) newest(field, value string) (*Event, error) {
	rows, err := m.tx.Find(backend.Query{Table: tableEvents, Desc: true, Limit: 1,
		Where: m.where(backend.Cond{Field: field, Value: backend.StringValue(value)})})
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return decodeEvent(rows[0], cursorSeen)
}

// version is a version as it was then: as it is now, or was when it was deleted, with the events since undone. Nil: it
// was not there then.
func (m *moment) version(number int) (*Version, error) {
	tx, modelID := m.tx, m.modelID
	fields := map[string]json.RawMessage{}
	if m.model != nil {
		row, err := tx.Get(tableVersions, versionKey(m.model.Name, number)...)
		if err == nil {
			err = json.Unmarshal(row.Doc, &fields)
		}
		if err != nil && !errors.Is(err, backend.ErrNotFound) {
			return nil, fmt.Errorf("read version: %w", err)
		}
	}
	q := backend.Query{Table: tableEvents, Desc: true, Limit: eventPage, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(modelID)},
		{Field: "version", Value: backend.IntValue(int64(number))},
	}}
	registered := false
	for e, err := range events(tx.Find, q) {
		if err != nil {
			return nil, err
		}
		if e.Seq <= m.last.Seq {
			registered = true
			break
		}
		if e.undo(fields); e.Kind == VersionRegistered {
			break
		}
	}
	if !registered || len(fields) == 0 {
		return nil, nil
	}
	doc, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode version: %w", err)
	}
	v := new(Version)
	if err := json.Unmarshal(doc, v); err != nil {
		return nil, fmt.Errorf("history of version %d: %w: %w", number, ErrCorrupt, err)
	}
	v.Model = m.last.Model // renaming writes no event for each version
	return v, nil
}

// trait is what a URI can ask of a version, at a point of the replay.
type trait struct {
	Stage  Stage  `json:"stage"`
	Semver Semver `json:"semver"`
	Digest string `json:"digest"`
}

// highest replays the model's events up to then and picks the version that u names: the highest number that fits, or
// the highest semantic version in a range. 0: none.
func (m *moment) highest(u URI) (int, error) {
	traits := map[int]*trait{}
	q := backend.Query{Table: tableEvents, Limit: eventPage, Where: m.where()}
	for e, err := range events(m.tx.Find, q) {
		if err != nil {
			return 0, err
		}
		switch e.Kind {
		case VersionDeleted:
			delete(traits, e.Version)
			continue
		case VersionRegistered:
			traits[e.Version] = &trait{Stage: None}
		}
		t := traits[e.Version]
		if t == nil {
			continue
		}
		for name, into := range map[string]any{"stage": &t.Stage, "semver": &t.Semver, "digest": &t.Digest} {
			if text, ok := e.After[name]; ok {
				if err := json.Unmarshal(text, into); err != nil {
					return 0, fmt.Errorf("event %d: %w: %w", e.Seq, ErrCorrupt, err)
				}
			}
		}
	}
	best := 0
	for number, t := range traits {
		if !u.matches(t) {
			continue
		}
		if best == 0 || u.Range.IsZero() && number > best || !u.Range.IsZero() && t.Semver.Compare(traits[best].Semver) > 0 {
			best = number
		}
	}
	return best, nil
}

// matches says whether u, by something else than number or alias, may name a version like t.
func (u URI) matches(t *trait) bool {
	switch {
	case u.Stage != "":
		return t.Stage == u.Stage
	case !u.Semver.IsZero():
		return t.Semver.Compare(u.Semver) == 0
	case !u.Range.IsZero():
		return !t.Semver.IsZero() && u.Range.Contains(t.Semver)
	case u.Digest != "" && !u.Latest:
		return t.Digest == u.Digest
	}
	return true
}

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

func (r *registry) At(t time.Time) Resolver { return &past{r, t.UTC()} }

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
		number, err := p.number(tx, t.ModelID, u)
		if err != nil {
			return err
		}
		if number == 0 {
			if number, err = p.highest(tx, t.ModelID, u); err != nil || number == 0 {
				return err
			}
		}
		v, err = p.version(tx, t.ModelID, number)
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

// number finds which version u named then, where the history answers by itself: numbers, aliases and held stages. 0: ask
// highest. ErrNotFound: none.
func (p *past) number(tx backend.Reader, modelID string, u URI) (int, error) {
	switch {
	case u.Number != 0:
		return u.Number, nil
	case u.Alias != "":
		e, err := p.last(tx, modelID, "alias", u.Alias)
		if err != nil {
			return 0, err
		}
		if e == nil || e.Kind == AliasDeleted {
			return 0, u.notFound()
		}
		return e.Version, nil
	case u.Stage.active():
		from, err := p.last(tx, modelID, "stage_from", string(u.Stage))
		if err != nil {
			return 0, err
		}
		to, err := p.last(tx, modelID, "stage_to", string(u.Stage))
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

// last is the newest event by then of the model with that value in a field, or nil.
func (p *past) last(tx backend.Reader, modelID, field, value string) (*Event, error) {
	rows, err := tx.Find(backend.Query{Table: tableEvents, Desc: true, Limit: 1, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(modelID)},
		{Field: field, Value: backend.StringValue(value)},
		{Field: "time", Op: backend.Le, Value: backend.TimeValue(p.time)},
	}})
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
func (p *past) version(tx backend.Reader, modelID string, number int) (*Version, error) {
	fields := map[string]json.RawMessage{}
	rows, err := tx.Find(backend.Query{Table: tableModels, Limit: 1, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(modelID)}}})
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	if len(rows) > 0 {
		row, err := tx.Get(tableVersions, rows[0].Key[0], backend.IntValue(int64(number)))
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
		if !e.Time.After(p.time) {
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
	v.Model, err = p.modelName(tx, modelID) // renaming writes no event for each version
	return v, err
}

// modelName is what the model was called then.
func (p *past) modelName(tx backend.Reader, modelID string) (string, error) {
	rows, err := tx.Find(backend.Query{Table: tableEvents, Order: "time", Desc: true, Limit: 1, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(modelID)},
		{Field: "time", Op: backend.Le, Value: backend.TimeValue(p.time)},
	}})
	if err != nil {
		return "", fmt.Errorf("read history: %w", err)
	}
	if len(rows) == 0 {
		return "", fmt.Errorf("model %s: %w", modelID, ErrNotFound)
	}
	e, err := decodeEvent(rows[0], cursorSeen)
	if err != nil {
		return "", err
	}
	return e.Model, nil
}

// trait is what a URI can ask of a version, at a point of the replay.
type trait struct {
	Stage  Stage  `json:"stage"`
	Semver Semver `json:"semver"`
	Digest string `json:"digest"`
}

// highest replays the model's events up to then and picks the version that u names: the highest number that fits, or
// the highest semantic version in a range. 0: none.
func (p *past) highest(tx backend.Reader, modelID string, u URI) (int, error) {
	traits := map[int]*trait{}
	q := backend.Query{Table: tableEvents, Limit: eventPage, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(modelID)},
		{Field: "time", Op: backend.Le, Value: backend.TimeValue(p.time)},
	}}
	for e, err := range events(tx.Find, q) {
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

package registrytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// A tale is what the events say of one model.
type tale struct {
	name     string
	deleted  bool
	last     int // the highest number
	versions map[int]map[string]json.RawMessage
	holders  map[modelregistry.Stage][]int
	requests map[string]*request
	end      *modelregistry.Event
}

// followed are the fields whose whole story is in the events.
var followed = []string{"stage", "aliases", "semver", "digest"}

// replay tells the tale of every model, by ID, from all events in their order. Each event has to fit those before it.
func replay(events []*modelregistry.Event) (map[string]*tale, error) {
	tales := map[string]*tale{}
	for _, e := range events {
		t := tales[e.ModelID]
		if t == nil {
			t = &tale{name: e.Model, versions: map[int]map[string]json.RawMessage{}, holders: map[modelregistry.Stage][]int{}, requests: map[string]*request{}}
			tales[e.ModelID] = t
		}
		if err := t.tell(e); err != nil {
			return nil, fmt.Errorf("event %d of model %q (%s, version %d): %w", e.Seq, e.Model, e.Kind, e.Version, err)
		}
	}
	return tales, nil
}

func (t *tale) tell(e *modelregistry.Event) error {
	if err := t.chained(e); err != nil {
		return err
	}
	switch e.Kind {
	case modelregistry.ModelRenamed:
		if err := json.Unmarshal(e.After["name"], &t.name); err != nil {
			return fmt.Errorf("it does not say the new name: %w", err)
		}
	case modelregistry.ModelDeleted:
		if len(t.versions) > 0 {
			return fmt.Errorf("%d versions were not deleted before", len(t.versions))
		}
		t.deleted = true
	case modelregistry.VersionRegistered:
		if e.Version != t.last+1 {
			return fmt.Errorf("the version before it is %d", t.last)
		}
		t.last = e.Version
		t.versions[e.Version] = map[string]json.RawMessage{"stage": json.RawMessage(`"None"`)}
	}
	if e.Version != 0 && e.Kind != modelregistry.LineageLinked {
		if err := t.change(e); err != nil {
			return err
		}
	}
	if err := t.asked(e); err != nil {
		return err
	}
	for stage, h := range e.Holders {
		if !slices.Equal(t.holders[stage], h.Before) {
			return fmt.Errorf("it says that %v held %s, and those before it that %v did", h.Before, stage, t.holders[stage])
		}
		t.holders[stage] = h.After
	}
	return nil
}

// chained looks at what every event carries.
func (t *tale) chained(e *modelregistry.Event) error {
	seq, prev := int64(0), ""
	if t.end != nil {
		seq, prev = t.end.Seq, t.end.Hash
		// Of more than a day, the one before was written by a clock that was ahead.
		if e.Time.Before(t.end.Time) && t.end.Time.Sub(e.Time) <= 24*time.Hour {
			return fmt.Errorf("it is older (%v) than the one before it (%v)", e.Time, t.end.Time)
		}
		if e.Cursor <= t.end.Cursor {
			return fmt.Errorf("its cursor %q is not behind %q", e.Cursor, t.end.Cursor)
		}
	}
	t.end = e
	switch {
	case e.Seq != seq+1 || e.Prev != prev || e.Hash == "":
		return fmt.Errorf("it is not chained to event %d", seq)
	case t.deleted:
		return fmt.Errorf("the model was deleted before")
	case e.Actor == "" || e.Time.IsZero():
		return fmt.Errorf("it does not say who and when")
	}
	return nil
}

// change takes the fields of a version from before to after.
func (t *tale) change(e *modelregistry.Event) error {
	fields := t.versions[e.Version]
	if fields == nil {
		return fmt.Errorf("there is no such version by then")
	}
	for _, name := range followed {
		_, changes := e.After[name]
		if was, ok := e.Before[name]; ok || changes {
			if string(was) != string(fields[name]) {
				return fmt.Errorf("it says that %s was %s, and those before it %s", name, was, fields[name])
			}
		}
		if _, ok := e.Before[name]; ok {
			delete(fields, name)
		}
		if changes {
			fields[name] = e.After[name]
		}
	}
	if e.Kind == modelregistry.VersionDeleted {
		delete(t.versions, e.Version)
	}
	return nil
}

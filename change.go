package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A change is one call's work on one model inside an Update: it reads the model's row and the versions it needs, lets
// the call alter them, and then writes what differs together with its events. The model's lock is held all the while.
type change struct {
	r      *registry
	tx     backend.Tx
	reason string
	now    time.Time // not before the model's last event, unless that was ahead: see settleTime

	model    *modelRow
	isNew    bool  // the model is not stored yet
	turn     int64 // of the name that the model comes to have; see afterName
	versions map[int]*tracked
	order    []int // of versions, as they were touched
	events   []*Event
}

// tracked is a version in a change.
type tracked struct {
	now   *Version
	told  *Version // as the last event left it; nil before there is one for a new version
	isNew bool
	gone  bool // it is being deleted
}

// changeModel runs fn on the model of that name in one transaction. fn may run again, so it keeps nothing.
func (r *registry) changeModel(ctx context.Context, name, reason string, create bool, locks []string, fn func(*change) error) error {
	if err := checkModelName(name); err != nil {
		return err
	}
	if err := r.checkChange(reason); err != nil {
		return err
	}
	if lock := modelLock(name); !slices.Contains(locks, lock) {
		locks = append(locks, lock)
	}
	return r.backend.Update(ctx, locks, func(tx backend.Tx) error {
		c, err := r.newChange(tx, name, reason, create)
		if err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
		return c.flush()
	})
}

// newChange begins a change of one model in tx; with create, of one that is not there too.
func (r *registry) newChange(tx backend.Tx, name, reason string, create bool) (*change, error) {
	c := &change{r: r, tx: tx, reason: reason, now: r.now(), versions: map[int]*tracked{}}
	return c, c.loadModel(name, create)
}

// checkChange checks what every event carries.
func (r *registry) checkChange(reason string) error {
	if err := checkName("actor", r.actor, maxActor); err != nil {
		return err
	}
	return checkText("reason", reason, maxReason)
}

func (c *change) loadModel(name string, create bool) error {
	row, err := c.tx.Get(tableModels, modelKey(name))
	if errors.Is(err, backend.ErrNotFound) {
		if !create {
			return errNoModel(name)
		}
		c.isNew = true
		left, err := c.afterName(name)
		if err != nil {
			return err
		}
		c.model = &modelRow{Model: Model{
			Name: name, ID: newID(), CreatedBy: c.r.actor, Created: c.now, Updated: c.now,
			Requires: left.Requires, ProtectedAliases: left.ProtectedAliases,
		}}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	return c.take(row)
}

// take makes the model of a row the one that the change is about.
func (c *change) take(row backend.Row) (err error) {
	if c.model, err = decodeModelRow(row); err != nil {
		return err
	}
	c.now, err = settleTime(c.tx, c.now, c.model.Chain.Time)
	return err
}

func errNoModel(name string) error { return fmt.Errorf("model %q: %w", name, ErrNotFound) }

func errNoVersion(model string, number int) error {
	return fmt.Errorf("version %d of model %q: %w", number, model, ErrNotFound)
}

// load reads versions, in one query; those that are not there are left out.
func (c *change) load(numbers ...int) error {
	var values []backend.Value
	for _, n := range numbers {
		if _, ok := c.versions[n]; !ok && n > 0 {
			values = append(values, backend.IntValue(int64(n)))
		}
	}
	if len(values) == 0 {
		return nil
	}
	slices.SortFunc(values, backend.Value.Compare)
	rows, err := c.tx.Find(backend.Query{Table: tableVersions, Where: []backend.Cond{
		{Field: "model", Value: backend.StringValue(c.model.Name)},
		{Field: "number", Op: backend.In, Values: slices.Compact(values)},
	}})
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	for _, row := range rows {
		v, err := decodeVersion(row)
		if err != nil {
			return err
		}
		told := *v
		c.versions[v.Number] = &tracked{now: v, told: &told}
	}
	return nil
}

// version returns a loaded version to alter, or ErrNotFound.
func (c *change) version(number int) (*Version, error) {
	t, ok := c.versions[number]
	if !ok || t.gone {
		return nil, errNoVersion(c.model.Name, number)
	}
	return t.now, nil
}

// event adds an event about a version, or with number 0 about the model.
func (c *change) event(kind EventKind, number int) *Event {
	e := &Event{
		Time: c.now, Actor: c.r.actor, Reason: c.reason, Kind: kind,
		Model: c.model.Name, ModelID: c.model.ID, Version: number,
	}
	c.events = append(c.events, e)
	switch kind {
	case VersionUpdated, AliasSet, AliasMoved, AliasDeleted: // see Model.Updated
	default:
		c.model.Updated = c.now
	}
	return e
}

// altersVersion says whether a change counts for Version.Updated.
func altersVersion(kind EventKind, told, now *Version) bool {
	switch kind {
	case AliasSet, AliasMoved, AliasDeleted:
		return false
	case VersionUpdated:
		return told == nil || told.Description != now.Description
	}
	return true
}

// touch marks a version as altered and adds an event that tells what changed since the last one about it. Versions that
// give something up (a stage, an alias) are touched before those that take it: unique indexes are checked row by row.
func (c *change) touch(v *Version, kind EventKind) (*Event, error) {
	t := c.versions[v.Number]
	if altersVersion(kind, t.told, v) {
		v.Updated = c.now
	}
	if !slices.Contains(c.order, v.Number) {
		c.order = append(c.order, v.Number)
	}
	e := c.event(kind, v.Number)
	var err error
	if t.gone {
		e.Before, _, err = diff(t.told, nil)
	} else if t.told != nil {
		e.Before, e.After, err = diff(t.told, v)
	}
	told := *v
	t.told = &told
	return e, err
}

// flush writes the versions, the model and the events.
func (c *change) flush() error {
	if len(c.events) == 0 {
		return nil // nothing changed
	}
	var inserts, puts []backend.Row
	var gone []backend.Key
	var goneNumbers []int
	for _, number := range c.order {
		t := c.versions[number]
		if t.gone {
			gone = append(gone, versionKey(c.model.Name, number))
			goneNumbers = append(goneNumbers, number)
			continue
		}
		row, err := t.now.row()
		if err != nil {
			return err
		}
		if t.isNew {
			inserts = append(inserts, row)
		} else {
			puts = append(puts, row)
		}
	}
	if len(gone) > 0 {
		if err := c.tx.Delete(tableVersions, gone...); err != nil {
			return fmt.Errorf("delete versions: %w", err)
		}
		if err := c.deleteFacts(goneNumbers...); err != nil {
			return err
		}
	}
	if len(puts) > 0 {
		if err := c.tx.Put(tableVersions, puts...); err != nil {
			return fmt.Errorf("write versions: %w", err)
		}
	}
	if len(inserts) > 0 {
		if err := c.tx.Insert(tableVersions, inserts...); err != nil {
			return fmt.Errorf("write new version: %w", err)
		}
	}
	if err := c.append(); err != nil {
		return err
	}
	row, err := c.model.row()
	if err != nil {
		return err
	}
	if c.isNew {
		if err := c.nameModel(c.model.Name); err != nil {
			return err
		}
		err = c.tx.Insert(tableModels, row)
	} else {
		err = c.tx.Put(tableModels, row)
	}
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	return nil
}

// append seals the events behind the model's chain and writes them.
func (c *change) append() error {
	rows, err := c.seal()
	if err != nil {
		return err
	}
	if _, err := c.tx.Append(tableEvents, rows...); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// seal seals the events behind the model's chain.
func (c *change) seal() ([]backend.Row, error) {
	rows := make([]backend.Row, len(c.events))
	for i, e := range c.events {
		row, err := c.model.Chain.seal(e)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	c.events = nil
	return rows, nil
}

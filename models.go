package modelregistry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// newID is a name that nothing else will have: 80 random bits.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

func (r *registry) CreateModel(ctx context.Context, name string, spec ModelSpec) (m *Model, err error) {
	if err := checkText("description", spec.Description, maxDescription); err != nil {
		return nil, wrap("CreateModel", name, err)
	}
	if err := checkEntries("tag", spec.Tags, maxTagValue); err != nil {
		return nil, wrap("CreateModel", name, err)
	}
	if err := checkTags(MapOf(spec.Tags)); err != nil {
		return nil, wrap("CreateModel", name, err)
	}
	err = r.changeModel(ctx, name, spec.Reason, true, nil, func(c *change) error {
		if !c.isNew {
			return fmt.Errorf("model %q: %w", name, ErrExists)
		}
		c.model.Description = spec.Description
		c.model.Tags = MapOf(spec.Tags)
		if err := c.created(); err != nil {
			return err
		}
		m = &c.model.Model
		return nil
	})
	if err != nil {
		return nil, wrap("CreateModel", name, err)
	}
	return m, nil
}

// created adds the event of a new model.
func (c *change) created() (err error) {
	e := c.event(ModelCreated, 0)
	if e.After, err = jsonFields(&c.model.Model); err != nil {
		return err
	}
	return c.noteTurn(e)
}

// noteTurn tells in the event which of the name's models this is, of those behind the first.
func (c *change) noteTurn(e *Event) error {
	if c.turn <= 1 {
		return nil
	}
	turn, err := jsonFields(map[string]int64{"turn": c.turn})
	maps.Copy(e.After, turn)
	return err
}

func (r *registry) Model(ctx context.Context, name string) (*Model, error) {
	m, err := r.model(ctx, name)
	if err != nil {
		return nil, wrap("Model", name, err)
	}
	return &m.Model, nil
}

func (r *registry) model(ctx context.Context, name string) (*modelRow, error) {
	if err := checkModelName(name); err != nil {
		return nil, err
	}
	row, err := r.findOne(ctx, backend.Query{Table: tableModels, Where: []backend.Cond{{Field: "name", Value: modelKey(name)}}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoModel(name)
	}
	if err != nil {
		return nil, err
	}
	return decodeModelRow(row)
}

// findOne is the first row that meets q, or ErrNotFound.
func (r *registry) findOne(ctx context.Context, q backend.Query) (backend.Row, error) {
	q.Limit = 1
	rows, err := r.backend.Find(ctx, q)
	if err != nil {
		return backend.Row{}, err
	}
	if len(rows) == 0 {
		return backend.Row{}, ErrNotFound
	}
	return rows[0], nil
}

func (r *registry) UpdateModel(ctx context.Context, name string, patch ModelPatch) (m *Model, err error) {
	if err := errors.Join(checkPatch(patch.Description, patch.SetTags), patch.checkProtection(), patch.checkRequirements()); err != nil {
		return nil, wrap("UpdateModel", name, err)
	}
	err = r.changeModel(ctx, name, patch.Reason, false, nil, func(c *change) error {
		m = &c.model.Model
		told := *m
		if patch.Description != nil {
			m.Description = *patch.Description
		}
		m.Tags = m.Tags.with(patch.SetTags, patch.DeleteTags)
		if len(patch.SetTags) > 0 {
			if err := checkTags(m.Tags); err != nil {
				return err
			}
		}
		if err := m.protect(&patch); err != nil {
			return err
		}
		if err := m.require(&patch); err != nil {
			return err
		}
		before, after, err := diff(&told, m)
		if err != nil || len(before)+len(after) == 0 {
			return err
		}
		e := c.event(ModelUpdated, 0)
		e.Before, e.After = before, after
		if onlyTags(before) && onlyTags(after) {
			m.Updated = told.Updated
		}
		return nil
	})
	if err != nil {
		return nil, wrap("UpdateModel", name, err)
	}
	return m, nil
}

// onlyTags says whether nothing else is among the fields of a change.
func onlyTags(fields map[string]json.RawMessage) bool {
	_, tags := fields["tags"]
	return len(fields) == 0 || len(fields) == 1 && tags
}

func checkPatch(description *string, tags map[string]string) error {
	if description != nil {
		if err := checkText("description", *description, maxDescription); err != nil {
			return err
		}
	}
	return checkEntries("tag", tags, maxTagValue)
}

// nameModel records that the model has this name from now on. afterName was called for it.
func (c *change) nameModel(name string) error {
	return c.putName(name, c.turn, tenure{ModelID: c.model.ID, Since: c.now.UnixMicro()})
}

// afterName makes a name the next of which the model takes possession, and the time of the change not before it became
// free: a name has one model at a time, unless whoever took it away had a clock ahead. It returns what stands by the name.
func (c *change) afterName(name string) (guard, error) {
	turn, last, err := c.lastTenure(name)
	c.turn = turn + 1
	if err != nil || turn == 0 {
		return guard{}, err
	}
	c.now, err = settleTime(c.tx, c.now, time.UnixMicro(last.Until).UTC())
	return last.Guard, err
}

// lastTenure reads the newest tenure of a name and which it is, from 1 on; 0: nobody ever had it.
func (c *change) lastTenure(name string) (turn int64, t tenure, err error) {
	rows, err := c.tx.Find(backend.Query{Table: tableNames, Desc: true, Limit: 1,
		Where: []backend.Cond{{Field: "name", Value: backend.StringValue(name)}}})
	if err != nil {
		return 0, t, fmt.Errorf("read name: %w", err)
	}
	if len(rows) == 0 {
		return 0, t, nil
	}
	t, err = decodeTenure(rows[0])
	return rows[0].Key[1].Int(), t, err
}

// tenure says which model has or had a name, and when, in microseconds since the Unix epoch.
type tenure struct {
	ModelID string `json:"model_id"`
	Since   int64  `json:"since"`
	Until   int64  `json:"until,omitempty"` // 0: it has it still
	Guard   guard  `json:"guard,omitzero"`  // when it was left
}

func (t tenure) fields() map[string]any {
	return map[string]any{"model_id": backend.StringValue(t.ModelID)}
}

func decodeTenure(row backend.Row) (t tenure, err error) {
	if err := json.Unmarshal(row.Doc, &t); err != nil {
		return t, fmt.Errorf("name %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return t, nil
}

func (c *change) putName(name string, turn int64, t tenure) error {
	doc, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode name: %w", err)
	}
	err = c.tx.Put(tableNames, backend.Row{Key: backend.Key{backend.StringValue(name), backend.IntValue(turn)}, Fields: t.fields(), Doc: doc})
	if err != nil {
		return fmt.Errorf("write name: %w", err)
	}
	return nil
}

// unnameModel records that the model has lost its name.
func (c *change) unnameModel(name string) error {
	turn, t, err := c.lastTenure(name)
	if err != nil {
		return err
	}
	if turn == 0 {
		return fmt.Errorf("name %q: %w: not recorded", name, ErrCorrupt)
	}
	t.Until, t.Guard = c.now.UnixMicro(), c.model.guard()
	return c.putName(name, turn, t)
}

func (r *registry) RenameModel(ctx context.Context, name, newName string, opts *ChangeOptions) (m *Model, err error) {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	if err := checkModelName(newName); err != nil {
		return nil, wrap("RenameModel", name, err)
	}
	err = r.changeModel(ctx, name, opts.Reason, false, []string{modelLock(newName)}, func(c *change) error {
		m = &c.model.Model
		if newName == name {
			return nil
		}
		if err := c.checkUnprotected("renamed"); err != nil {
			return err
		}
		for _, rule := range r.gates { // under another name it would pass
			if rule.Model == name || rule.Model == newName {
				return &Conflict{Model: name, Reason: fmt.Sprintf("gate %q is for a model named %q; change the program's gates first", rule.Name, rule.Model)}
			}
		}
		return c.rename(newName)
	})
	if err != nil {
		return nil, wrap("RenameModel", name, err)
	}
	return m, nil
}

// rename moves the model's row and its versions' under the new name: the name is in their keys, which makes resolving by
// name one statement and renaming, which is rare, the dear one.
func (c *change) rename(newName string) error {
	name := c.model.Name
	if _, err := c.tx.Get(tableModels, modelKey(newName)); err == nil {
		return fmt.Errorf("model %q: %w", newName, ErrExists)
	} else if !errors.Is(err, backend.ErrNotFound) {
		return fmt.Errorf("read model: %w", err)
	}
	left, err := c.afterName(newName)
	if err != nil {
		return err
	}
	if err := c.model.checkGuard(newName, left); err != nil {
		return err
	}
	if err := c.unnameModel(name); err != nil {
		return err
	}
	if err := c.tx.Delete(tableModels, backend.Key{modelKey(name)}); err != nil {
		return fmt.Errorf("delete model: %w", err)
	}
	err = c.eachVersion(func(versions []*Version) error {
		keys := make([]backend.Key, len(versions))
		rows := make([]backend.Row, len(versions))
		for i, v := range versions {
			keys[i] = versionKey(name, v.Number)
			v.Model = newName
			row, err := v.row()
			if err != nil {
				return err
			}
			rows[i] = row
		}
		if err := c.tx.Delete(tableVersions, keys...); err != nil {
			return fmt.Errorf("delete versions: %w", err)
		}
		if err := c.tx.Insert(tableVersions, rows...); err != nil {
			return fmt.Errorf("write versions: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.renameRequests(newName); err != nil {
		return err
	}
	c.model.Name = newName
	c.isNew = true // under this name
	e := c.event(ModelRenamed, 0)
	if e.Before, e.After, err = diff(map[string]string{"name": name}, map[string]string{"name": newName}); err != nil {
		return err
	}
	return c.noteTurn(e)
}

// eachVersion calls fn with the model's versions, a batch at a time.
func (c *change) eachVersion(fn func([]*Version) error) error {
	const batch = 500
	q := backend.Query{Table: tableVersions, Limit: batch, Where: []backend.Cond{{Field: "model", Value: modelKey(c.model.Name)}}}
	for {
		rows, err := c.tx.Find(q)
		if err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		q.After = rows[len(rows)-1].Key
		versions := make([]*Version, len(rows))
		for i, row := range rows {
			if versions[i], err = decodeVersion(row); err != nil {
				return err
			}
		}
		if err := fn(versions); err != nil {
			return err
		}
		if len(rows) < batch {
			return nil
		}
	}
}

func (r *registry) DeleteModel(ctx context.Context, name string, opts *DeleteOptions) error {
	if opts == nil {
		opts = &DeleteOptions{}
	}
	err := r.changeModel(ctx, name, opts.Reason, false, nil, func(c *change) error {
		if err := c.checkUnprotected("deleted"); err != nil {
			return err
		}
		if !opts.Force {
			if err := c.checkUnused(); err != nil {
				return err
			}
		}
		return c.deleteModel()
	})
	return wrap("DeleteModel", name, err)
}

// checkUnused refuses to delete a model that programs may be serving.
func (c *change) checkUnused() error {
	if holders := c.model.Holders[Production]; len(holders) > 0 {
		return &Conflict{Model: c.model.Name, Stage: Production, Current: holders,
			Reason: fmt.Sprintf("%s of model %q is in Production; archive it first, or force", versionList(holders...), c.model.Name)}
	}
	for alias, number := range c.model.Aliases {
		return &Conflict{Model: c.model.Name, Alias: alias, Current: []int{number},
			Reason: fmt.Sprintf("alias %q of model %q names version %d; delete it first, or force", alias, c.model.Name, number)}
	}
	if served := c.model.Served; len(served) > 0 {
		return &Conflict{Model: c.model.Name, Current: served,
			Reason: fmt.Sprintf("%s of model %q is deployed; end its deployments first, or force", versionList(served...), c.model.Name)}
	}
	return nil
}

// deleteModel removes the model and its versions. Their events stay, and the end of their chain.
func (c *change) deleteModel() error {
	name := c.model.Name
	err := c.eachVersion(func(versions []*Version) error {
		var keys []backend.Key
		var numbers []int
		for _, v := range versions {
			told := *v
			c.versions[v.Number] = &tracked{now: v, told: &told, gone: true}
			if _, err := c.touch(v, VersionDeleted); err != nil {
				return err
			}
			keys = append(keys, versionKey(name, v.Number))
			numbers = append(numbers, v.Number)
		}
		if err := c.append(); err != nil {
			return err
		}
		if err := c.deleteFacts(numbers...); err != nil {
			return err
		}
		clear(c.versions)
		c.order = nil
		if err := c.tx.Delete(tableVersions, keys...); err != nil {
			return fmt.Errorf("delete versions: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.deleteRequests(); err != nil {
		return err
	}
	e := c.event(ModelDeleted, 0)
	if e.Before, err = jsonFields(&c.model.Model); err != nil {
		return err
	}
	from := c.handover()
	c.model.Holders = nil
	c.noteHandover(from, "", 0)
	if err := c.append(); err != nil {
		return err
	}
	if err := c.unnameModel(name); err != nil {
		return err
	}
	c.model.Chain.Name = name
	if err := putChain(c.tx, c.model.ID, c.model.Chain); err != nil {
		return err
	}
	if err := c.tx.Delete(tableModels, backend.Key{modelKey(name)}); err != nil {
		return fmt.Errorf("delete model: %w", err)
	}
	return nil
}

func putChain(tx backend.Tx, id string, c chain) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode chain: %w", err)
	}
	if err := tx.Put(tableChains, backend.Row{Key: backend.Key{backend.StringValue(id)}, Doc: doc}); err != nil {
		return fmt.Errorf("write chain: %w", err)
	}
	return nil
}

func (r *registry) SearchModels(ctx context.Context, q Query) (ModelPage, error) {
	page, err := searchModels(ctx, r.backend, q)
	return page, wrap("SearchModels", "", err)
}

func (r *registry) Models(ctx context.Context, q Query) iter.Seq2[*Model, error] {
	return pages(q, func(q Query) ([]*Model, string, error) {
		page, err := r.SearchModels(ctx, q)
		return page.Models, page.Next, err
	})
}

package mlflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/modelregistry-go/modelregistry"
)

// CreateModel creates a model. ErrExists: there is one of that name.
func (c *Client) CreateModel(ctx context.Context, name string, spec modelregistry.ModelSpec) (*modelregistry.Model, error) {
	m, err := c.createModel(ctx, name, spec)
	return m, failed("CreateModel", name, modelText(name), err)
}

func (c *Client) createModel(ctx context.Context, name string, spec modelregistry.ModelSpec) (*modelregistry.Model, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	body := map[string]any{"name": name}
	if spec.Description != "" {
		body["description"] = spec.Description
	}
	if len(spec.Tags) > 0 {
		body["tags"] = tagList(spec.Tags)
	}
	return c.modelCall(ctx, &request{method: http.MethodPost, path: "registered-models/create", body: body, once: true})
}

// modelCall sends a request whose answer is a model.
func (c *Client) modelCall(ctx context.Context, q *request) (*modelregistry.Model, error) {
	var answer struct {
		Model remoteModel `json:"registered_model"`
	}
	if err := c.call(ctx, q, &answer); err != nil {
		return nil, err
	}
	return answer.Model.model()
}

// checkName refuses what a server that knows no model of that name would take for a missing parameter.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("model name: %w: empty", modelregistry.ErrInvalid)
	}
	return nil
}

// Model reads a model.
func (c *Client) Model(ctx context.Context, name string) (*modelregistry.Model, error) {
	m, err := c.model(ctx, name)
	return m, failed("Model", name, modelText(name), err)
}

func (c *Client) model(ctx context.Context, name string) (*modelregistry.Model, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return c.modelCall(ctx, get("registered-models/get", url.Values{"name": {name}}))
}

// UpdateModel changes a model by several requests, in this order: description, tags to set in order of their names, tags
// to delete. It reads the model first, and sends only what changes something.
func (c *Client) UpdateModel(ctx context.Context, name string, patch modelregistry.ModelPatch) (*modelregistry.Model, error) {
	if patch.Protect != nil || len(patch.ProtectAliases) > 0 || len(patch.UnprotectAliases) > 0 {
		return nil, unable("UpdateModel", name, "MLflow's registry has no protection")
	}
	m, err := c.updateModel(ctx, name, patch)
	return m, failed("UpdateModel", name, modelText(name), err)
}

func (c *Client) updateModel(ctx context.Context, name string, patch modelregistry.ModelPatch) (*modelregistry.Model, error) {
	m, err := c.model(ctx, name)
	if err != nil {
		return nil, err
	}
	p := patcher{c: c, kind: "registered-models", id: map[string]any{"name": name}}
	changed, err := p.apply(ctx, m.Description, m.Tags, patch.Description, patch.SetTags, patch.DeleteTags)
	if err != nil || !changed {
		return m, err
	}
	return c.model(ctx, name)
}

// A patcher changes description and tags of a model or version.
type patcher struct {
	c    *Client
	kind string         // of endpoint
	id   map[string]any // what names the thing
}

func (p *patcher) send(ctx context.Context, method, action string, more map[string]any) error {
	body := map[string]any{}
	for _, fields := range []map[string]any{p.id, more} {
		maps.Copy(body, fields)
	}
	return p.c.call(ctx, &request{method: method, path: p.kind + "/" + action, body: body}, nil)
}

// apply sends what is not so yet and says whether there was something.
func (p *patcher) apply(ctx context.Context, oldDescription string, oldTags modelregistry.Map[string], description *string, set map[string]string, unset []string) (changed bool, err error) {
	if description != nil && *description != oldDescription {
		changed = true
		if err := p.send(ctx, http.MethodPatch, "update", map[string]any{"description": *description}); err != nil {
			return changed, err
		}
	}
	for _, t := range tagList(set) {
		if old, ok := oldTags.Lookup(t.Key); ok && old == t.Value {
			continue
		}
		changed = true
		if err := p.send(ctx, http.MethodPost, "set-tag", map[string]any{"key": t.Key, "value": t.Value}); err != nil {
			return changed, fmt.Errorf("tag %.80q: %w", t.Key, err)
		}
	}
	for _, key := range unset {
		_, was := oldTags.Lookup(key)
		if _, is := set[key]; !was && !is {
			continue
		}
		changed = true
		if err := p.send(ctx, http.MethodDelete, "delete-tag", map[string]any{"key": key}); err != nil {
			return changed, fmt.Errorf("tag %.80q: %w", key, err)
		}
	}
	return changed, nil
}

// RenameModel renames a model. opts' reason is not sent.
func (c *Client) RenameModel(ctx context.Context, name, newName string, _ *modelregistry.ChangeOptions) (*modelregistry.Model, error) {
	what := fmt.Sprintf("model %q, to be renamed %q", name, newName)
	if err := errors.Join(checkName(name), checkName(newName)); err != nil {
		return nil, failed("RenameModel", name, "", err)
	}
	if name == newName {
		m, err := c.model(ctx, name)
		return m, failed("RenameModel", name, what, err)
	}
	err := c.call(ctx, &request{method: http.MethodPost, path: "registered-models/rename", once: true,
		body: map[string]any{"name": name, "new_name": newName}}, nil)
	if err != nil {
		return nil, failed("RenameModel", name, what, err)
	}
	m, err := c.model(ctx, newName)
	return m, failed("RenameModel", name, what, err)
}

// DeleteModel deletes a model. MLflow deletes what is in use too: unless forced, the client looks first, and what changes
// between its look and the deletion goes unnoticed.
func (c *Client) DeleteModel(ctx context.Context, name string, opts *modelregistry.DeleteOptions) error {
	err := checkName(name)
	if err == nil && (opts == nil || !opts.Force) {
		var m *modelregistry.Model
		if m, err = c.model(ctx, name); err == nil {
			err = inUse(m)
		}
	}
	if err == nil {
		err = c.call(ctx, &request{method: http.MethodDelete, path: "registered-models/delete", once: true, body: map[string]any{"name": name}}, nil)
	}
	return failed("DeleteModel", name, modelText(name), err)
}

// inUse is a Conflict if a version of m is in Production or named by an alias.
func inUse(m *modelregistry.Model) error {
	if number := m.Holder(modelregistry.Production); number != 0 {
		return &modelregistry.Conflict{Model: m.Name, Stage: modelregistry.Production, Current: []int{number},
			Reason: fmt.Sprintf("%s is in Production; archive it first, or force", versionText(m.Name, number))}
	}
	for _, alias := range slices.Sorted(maps.Keys(m.Aliases)) {
		number := m.Aliases[alias]
		return &modelregistry.Conflict{Model: m.Name, Alias: alias, Current: []int{number},
			Reason: fmt.Sprintf("alias %q of model %q names version %d; delete it first, or force", alias, m.Name, number)}
	}
	return nil
}

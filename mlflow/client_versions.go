package mlflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

// checkVersion refuses what names no version.
func checkVersion(model string, number int) error {
	if err := checkName(model); err != nil {
		return err
	}
	return checkVersionNumber(number)
}

// versionCall sends a request whose answer is a version.
func (c *Client) versionCall(ctx context.Context, q *request) (*modelregistry.Version, error) {
	var answer struct {
		Version remoteVersion `json:"model_version"`
	}
	if err := c.call(ctx, q, &answer); err != nil {
		return nil, err
	}
	return answer.Version.version()
}

// Version reads a version.
func (c *Client) Version(ctx context.Context, model string, number int) (*modelregistry.Version, error) {
	v, err := c.version(ctx, model, number)
	return v, failed("Version", versionRef(model, number), versionText(model, number), err)
}

func (c *Client) version(ctx context.Context, model string, number int) (*modelregistry.Version, error) {
	if err := checkVersion(model, number); err != nil {
		return nil, err
	}
	return c.versionCall(ctx, get("model-versions/get", url.Values{"name": {model}, "version": {strconv.Itoa(number)}}))
}

// versionID names a version in the body of a request.
func versionID(model string, number int) map[string]any {
	return map[string]any{"name": model, "version": strconv.Itoa(number)}
}

// UpdateVersion changes a version as UpdateModel does a model.
func (c *Client) UpdateVersion(ctx context.Context, model string, number int, patch modelregistry.VersionPatch) (*modelregistry.Version, error) {
	v, err := c.updateVersion(ctx, model, number, patch)
	return v, failed("UpdateVersion", versionRef(model, number), versionText(model, number), err)
}

func (c *Client) updateVersion(ctx context.Context, model string, number int, patch modelregistry.VersionPatch) (*modelregistry.Version, error) {
	v, err := c.version(ctx, model, number)
	if err != nil {
		return nil, err
	}
	p := patcher{c: c, kind: "model-versions", id: versionID(model, number)}
	changed, err := p.apply(ctx, v.Description, v.Tags, patch.Description, patch.SetTags, patch.DeleteTags)
	if err != nil || !changed {
		return v, err
	}
	return c.version(ctx, model, number)
}

// DeleteVersion deletes a version. As DeleteModel it looks first, unless forced, whether it is in use.
func (c *Client) DeleteVersion(ctx context.Context, model string, number int, opts *modelregistry.DeleteOptions) error {
	return failed("DeleteVersion", versionRef(model, number), versionText(model, number), c.deleteVersion(ctx, model, number, opts))
}

func (c *Client) deleteVersion(ctx context.Context, model string, number int, opts *modelregistry.DeleteOptions) error {
	if err := checkVersion(model, number); err != nil {
		return err
	}
	if opts == nil || !opts.Force {
		v, err := c.version(ctx, model, number)
		if err != nil {
			return err
		}
		if v.Stage == modelregistry.Production {
			return &modelregistry.Conflict{Model: model, Stage: v.Stage, Current: []int{number},
				Reason: fmt.Sprintf("%s is in Production; archive it first, or force", versionText(model, number))}
		}
		for alias := range v.Aliases.All() {
			return &modelregistry.Conflict{Model: model, Alias: alias, Current: []int{number},
				Reason: fmt.Sprintf("alias %q of model %q names version %d; delete it first, or force", alias, model, number)}
		}
	}
	return c.call(ctx, &request{method: http.MethodDelete, path: "model-versions/delete", once: true, body: versionID(model, number)}, nil)
}

// CopyVersion registers a version once more by MLflow's own means: the copy's source is the models:/ URI of the original,
// and its files are the original's, wherever they are. It finds the original first, then creates toModel if it is not there.
func (c *Client) CopyVersion(ctx context.Context, uri, toModel string, _ *modelregistry.ChangeOptions) (*modelregistry.Version, error) {
	v, err := c.copyVersion(ctx, uri, toModel)
	return v, failed("CopyVersion", uri, modelText(toModel), err)
}

func (c *Client) copyVersion(ctx context.Context, uri, toModel string) (*modelregistry.Version, error) {
	if err := checkName(toModel); err != nil {
		return nil, err
	}
	from, err := c.resolve(ctx, uri)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"name": toModel, "source": from.URI()}
	switch {
	case from.Number == 0:
		body["source"] = from.Source // the URI of a run
	case from.Source == "":
		body["source"] = withoutFiles + "/" + randomID()
	}
	if from.RunID != "" {
		body["run_id"] = from.RunID
	}
	if from.Description != "" {
		body["description"] = from.Description
	}
	if from.Tags.Len() > 0 {
		body["tags"] = tagList(from.Tags.Clone())
	}
	return c.createVersion(ctx, body)
}

// createVersion creates a version, and its model if that is not there.
func (c *Client) createVersion(ctx context.Context, body map[string]any) (*modelregistry.Version, error) {
	q := &request{method: http.MethodPost, path: "model-versions/create", body: body, once: true}
	v, err := c.versionCall(ctx, q)
	if !errors.Is(err, modelregistry.ErrNotFound) {
		return v, err
	}
	name := body["name"].(string)
	if _, missing := c.model(ctx, name); !errors.Is(missing, modelregistry.ErrNotFound) {
		return nil, err // something else is not there, such as the source
	}
	if _, err := c.createModel(ctx, name, modelregistry.ModelSpec{}); err != nil && !errors.Is(err, modelregistry.ErrExists) {
		if d := (*doubt)(nil); errors.As(err, &d) {
			err = d.err // there is none about the version: it was not asked for again
		}
		return nil, fmt.Errorf("create model %q: %w", name, err)
	}
	if v, err = c.versionCall(ctx, q); err != nil {
		return nil, fmt.Errorf("%w; the model was created", err)
	}
	return v, nil
}

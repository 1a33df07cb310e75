package mlflow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// Resolve finds the version that a URI names: by number, stage, latest, alias or run; of a run it is one that is not
// registered, whose files are the directory that the run has under the path, or the model that it logged by that name.
// Semantic versions and digests are not supported: MLflow has neither.
func (c *Client) Resolve(ctx context.Context, uri string) (*modelregistry.Version, error) {
	v, err := c.resolve(ctx, uri)
	return v, failed("Resolve", uri, "", err)
}

func (c *Client) resolve(ctx context.Context, uri string) (*modelregistry.Version, error) {
	u, err := modelregistry.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	v, what, err := c.find(ctx, &u)
	if errors.Is(err, modelregistry.ErrNotFound) {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return v, err
}

// find finds the version that u names; what says which that would be.
func (c *Client) find(ctx context.Context, u *modelregistry.URI) (v *modelregistry.Version, what string, err error) {
	switch {
	case u.Digest != "":
		return nil, "", fmt.Errorf("%w: MLflow keeps no digest of a version", errors.ErrUnsupported)
	case !u.Semver.IsZero() || !u.Range.IsZero():
		return nil, "", fmt.Errorf("%w: MLflow has no semantic versions", errors.ErrUnsupported)
	case u.RunID != "":
		v, err = c.ofRun(ctx, u)
		return v, fmt.Sprintf("files of run %q at %q", u.RunID, u.Path), err
	case u.Number != 0:
		v, err = c.version(ctx, u.Model, u.Number)
		return v, versionText(u.Model, u.Number), err
	case u.Alias != "":
		v, err = c.ofAlias(ctx, u.Model, u.Alias)
		return v, aliasText(u.Model, u.Alias), err
	case u.Stage != "":
		v, err = c.newest(ctx, u.Model, string(u.Stage))
		return v, fmt.Sprintf("version of model %q in %s", u.Model, u.Stage), err
	}
	v, err = c.newest(ctx, u.Model)
	return v, modelText(u.Model), err
}

// newest is the version with the highest number in a stage, or in any.
func (c *Client) newest(ctx context.Context, model string, stages ...string) (*modelregistry.Version, error) {
	versions, err := c.latest(ctx, model, stages...)
	if err != nil {
		return nil, err
	}
	if v := latestOf(versions); v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("it has no version: %w", modelregistry.ErrNotFound)
}

// ofAlias is the version that an alias names. That there is none is not "not found" in MLflow, but a bad parameter.
func (c *Client) ofAlias(ctx context.Context, model, alias string) (*modelregistry.Version, error) {
	v, err := c.versionCall(ctx, get("registered-models/alias", url.Values{"name": {model}, "alias": {alias}}))
	if e := (*serverError)(nil); errors.As(err, &e) && e.kind == modelregistry.ErrInvalid && strings.Contains(e.message, "not found") {
		return nil, fmt.Errorf("%w: %s", modelregistry.ErrNotFound, e.message)
	}
	return v, err
}

// ofRun is a version that is not registered, of what a run left.
func (c *Client) ofRun(ctx context.Context, u *modelregistry.URI) (*modelregistry.Version, error) {
	run, err := c.run(ctx, u.RunID)
	if err != nil {
		return nil, err
	}
	if _, err := c.leftByRun(ctx, run, u.Path); err != nil {
		return nil, err
	}
	return &modelregistry.Version{Stage: modelregistry.None, RunID: run.ID, Source: u.String(), Created: run.Started, Updated: run.Started}, nil
}

// leftByRun finds where a run left a directory or file: among its artifacts, or in a logged model, whose name is then the
// first element of the path.
func (c *Client) leftByRun(ctx context.Context, run *modelregistry.Run, dir string) (place, error) {
	at, err := c.look(ctx, run.Artifacts, dir)
	if !errors.Is(err, modelregistry.ErrNotFound) || dir == "" {
		return at, err
	}
	name, rest, _ := strings.Cut(dir, "/")
	quoted, errQuote := quote(name)
	if errQuote != nil {
		return at, err
	}
	page, errSearch := c.searchLoggedModels(ctx, modelregistry.Query{PageSize: 1, OrderBy: []string{"creation_timestamp DESC"},
		Filter: "experiment_id = '" + run.ExperimentID + "' AND name = " + quoted + " AND source_run_id = '" + run.ID + "'"})
	if errSearch != nil && !errors.Is(errSearch, errNoEndpoint) {
		return at, errSearch
	}
	if len(page.Models) == 0 {
		return at, err
	}
	return c.look(ctx, page.Models[0].Artifacts, rest)
}

// look finds a directory or file below a run's or logged model's artifacts. ErrNotFound: there is neither.
func (c *Client) look(ctx context.Context, artifacts, name string) (place, error) {
	at := c.placeOf(uriOf(artifacts))
	if !at.proxied {
		return c.placeOf(strings.TrimSuffix(uriOf(artifacts), "/") + strings.TrimSuffix("/"+name, "/")), nil // whether it is there shows when it is read
	}
	whole := path.Join(at.dir, name)
	files, err := c.listProxied(ctx, whole)
	if err != nil || len(files) > 0 {
		return place{proxied: true, dir: whole}, err
	}
	at = place{proxied: true, dir: path.Dir(whole), only: path.Base(whole)}
	if name != "" {
		if files, err = c.listProxied(ctx, at.dir); err != nil {
			return at, err
		}
		if slices.ContainsFunc(files, func(f listedFile) bool { return f.Name == at.only && !f.IsDir }) {
			return at, nil
		}
	}
	return at, fmt.Errorf("%w: there is nothing at %q", modelregistry.ErrNotFound, whole)
}

var aliasForm = regexp.MustCompile(`^[\p{L}\p{N}_\-]+$`)

// checkAlias refuses what MLflow would, where it would only find out half-way.
func checkAlias(alias string) error {
	if aliasForm.MatchString(alias) && !strings.EqualFold(alias, "latest") {
		return nil
	}
	return fmt.Errorf("alias %.80q: %w: it may contain letters, digits, underscores and dashes, and latest is reserved", alias, modelregistry.ErrInvalid)
}

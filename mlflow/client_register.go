package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Register puts the files below a new logged model, as MLflow 3 does itself, or on an older server below the run's
// artifacts or those of a run that it makes for this; then it creates the version, and then sets the aliases. If something
// fails, it removes what it has put there, but for a version whose aliases could not be set.
//
// If the answer to the creation of the version is lost, it looks whether the version is there, which then is what it
// returns. If it is not, and the server may be at it still, the error says where the files are, and they stay.
//
// The run has to be one that the server knows if it is older than logged models. Semantic versions, params, metrics,
// lineage, and a Source beside files, are not supported: MLflow's versions have no such things.
func (c *Client) Register(ctx context.Context, model string, spec modelregistry.VersionSpec) (*modelregistry.Version, error) {
	v, err := c.register(ctx, model, &spec)
	return v, failed("Register", model, modelText(model), err)
}

func (c *Client) register(ctx context.Context, model string, spec *modelregistry.VersionSpec) (*modelregistry.Version, error) {
	if err := checkSpec(model, spec); err != nil {
		return nil, err
	}
	at, err := c.placeFiles(ctx, spec)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"name": model, "source": at.source}
	if spec.Description != "" {
		body["description"] = spec.Description
	}
	if len(spec.Tags) > 0 {
		body["tags"] = tagList(spec.Tags)
	}
	if at.runID != "" {
		body["run_id"] = at.runID
	}
	if at.modelID != "" {
		body["model_id"] = at.modelID
	}
	v, err := c.createVersion(ctx, body)
	if err != nil {
		if v, err = c.afterFailure(ctx, model, at, err); err != nil {
			return nil, err
		}
	}
	if len(spec.Aliases) == 0 {
		return v, nil
	}
	for _, alias := range spec.Aliases {
		if err := c.setAlias(ctx, model, alias, v.Number); err != nil {
			return nil, fmt.Errorf("%s is registered; set alias %q: %w", versionText(model, v.Number), alias, err)
		}
	}
	return c.version(ctx, model, v.Number)
}

// checkSpec refuses what the server would only find out half-way, and what it has no place for.
func checkSpec(model string, spec *modelregistry.VersionSpec) error {
	if err := checkName(model); err != nil {
		return err
	}
	for _, alias := range spec.Aliases {
		if err := checkAlias(alias); err != nil {
			return err
		}
	}
	for _, t := range tagList(spec.Tags) {
		if t.Key == "" {
			return fmt.Errorf("tag name: %w: empty", modelregistry.ErrInvalid)
		}
	}
	if spec.Files != nil && spec.Artifacts != "" {
		return fmt.Errorf("%w: both Files and Artifacts", modelregistry.ErrInvalid)
	}
	if err := someFiles(spec.Files); err != nil {
		return err
	}
	reason := ""
	switch {
	case spec.Semver != "" || spec.Bump != "":
		reason = "MLflow has no semantic versions; a tag could hold one"
	case len(spec.Params) > 0 || len(spec.Metrics) > 0:
		reason = "MLflow keeps params and metrics with runs, not with versions"
	case spec.Signature != nil || spec.Provenance != nil || spec.Serving != nil:
		reason = "MLflow keeps a signature and the like in the file MLmodel, not with versions"
	case len(spec.Lineage) > 0:
		reason = "MLflow's registry has no lineage but a version's run"
	case spec.Source != "" && (spec.Files != nil || spec.Artifacts != ""):
		reason = "MLflow keeps as source where the files are"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", errors.ErrUnsupported, reason)
}

// placed says where the files of a version are that is not registered yet.
type placed struct {
	source  string
	unique  bool // no other version has this source
	runID   string
	modelID string
	remove  func(ctx context.Context) error // takes the files away again
}

func nothingPlaced(context.Context) error { return nil }

// placeFiles puts the files of a version where the server wants them.
func (c *Client) placeFiles(ctx context.Context, spec *modelregistry.VersionSpec) (placed, error) {
	at := placed{source: withoutFiles + "/" + randomID(), unique: true, runID: spec.RunID, remove: nothingPlaced}
	switch {
	case spec.Files != nil && c.noLogged.Load():
		return c.placeInRun(ctx, spec)
	case spec.Files != nil:
		at, err := c.placeInModel(ctx, spec)
		if errors.Is(err, errNoEndpoint) {
			c.noLogged.Store(true)
			return c.placeInRun(ctx, spec)
		}
		return at, err
	case spec.Artifacts != "":
		return artifactsPlaced(spec)
	case spec.Source != "":
		at.source, at.unique = spec.Source, false
	}
	return at, nil
}

var (
	modelDir = regexp.MustCompile(`(?:^|/)models/(m-[0-9a-f]{32})/artifacts$`)
	runDir   = regexp.MustCompile(`(?:^|/)([0-9a-f]{32})/artifacts(?:/|$)`)
)

// artifactsPlaced finds whose artifacts a version is to have: MLflow wants to know, and takes only whose they are.
func artifactsPlaced(spec *modelregistry.VersionSpec) (placed, error) {
	at := placed{source: uriOf(spec.Artifacts), runID: spec.RunID, remove: nothingPlaced}
	if err := checkPath(spec.Artifacts); err != nil {
		return at, err
	}
	if m := modelDir.FindStringSubmatch(spec.Artifacts); m != nil {
		at.modelID, at.source = m[1], "models:/"+m[1]
	} else if m := runDir.FindStringSubmatch(spec.Artifacts); m != nil && at.runID == "" {
		at.runID = m[1]
	}
	return at, nil
}

// placeInModel puts files below a new logged model.
func (c *Client) placeInModel(ctx context.Context, spec *modelregistry.VersionSpec) (placed, error) {
	none := placed{remove: nothingPlaced}
	experiment, err := c.uploadExperiment(ctx)
	if err != nil {
		return none, err
	}
	m, err := c.createLoggedModel(ctx, modelregistry.LoggedModelSpec{ExperimentID: experiment, Name: "model"})
	if err != nil {
		return none, err
	}
	at := placed{source: "models:/" + m.ID, unique: true, modelID: m.ID, runID: spec.RunID, remove: func(ctx context.Context) error {
		return c.cleanUp(ctx, func(ctx context.Context) error {
			return errors.Join(c.removeFiles(ctx, m.Artifacts), c.deleteLoggedModel(ctx, m.ID))
		})
	}}
	if err = c.uploadTo(ctx, m.Artifacts, spec); err == nil {
		err = c.finalizeLoggedModel(ctx, m.ID, modelregistry.LoggedModelReady)
	}
	if err != nil {
		return none, errors.Join(err, at.remove(ctx))
	}
	return at, nil
}

// placeInRun puts files below a directory of the run's artifacts that nothing else has, or of those of a new run.
func (c *Client) placeInRun(ctx context.Context, spec *modelregistry.VersionSpec) (placed, error) {
	none := placed{remove: nothingPlaced}
	var run *modelregistry.Run
	var err error
	made := spec.RunID == ""
	if made {
		experiment, errExperiment := c.uploadExperiment(ctx)
		if errExperiment != nil {
			return none, errExperiment
		}
		run, err = c.startRun(ctx, modelregistry.RunSpec{ExperimentID: experiment, Name: "register"})
	} else {
		run, err = c.run(ctx, spec.RunID)
	}
	if err != nil {
		return none, err
	}
	dir := path.Join(run.Artifacts, "registered-"+randomID())
	at := placed{source: uriOf(dir), unique: true, runID: run.ID, remove: func(ctx context.Context) error {
		return c.cleanUp(ctx, func(ctx context.Context) error {
			err := c.removeFiles(ctx, dir)
			if made {
				err = errors.Join(err, c.deleteRun(ctx, run.ID, true))
			}
			return err
		})
	}}
	if err = c.uploadTo(ctx, dir, spec); err == nil && made {
		err = c.endRun(ctx, run.ID)
	}
	if err != nil {
		return none, errors.Join(err, at.remove(ctx))
	}
	return at, nil
}

// afterFailure removes the files of a version that was not created, or returns the version if it was after all.
func (c *Client) afterFailure(ctx context.Context, model string, at placed, failure error) (*modelregistry.Version, error) {
	d := (*doubt)(nil)
	if !errors.As(failure, &d) {
		return nil, errors.Join(failure, at.remove(ctx))
	}
	if !at.unique { // and nothing that could be removed
		return nil, failure
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	for try := 0; ; try++ {
		v, err := c.versionWithSource(ctx, model, at.source)
		switch {
		case v != nil:
			return v, nil
		case err == nil && d.outcome == ended:
			return nil, errors.Join(failure, at.remove(ctx))
		case err == nil && try < c.opts.Retries:
			err = sleep(ctx, backoff(c.opts.Backoff, try), failure)
		case err == nil:
			err = errors.New("it is not there yet")
		}
		if err != nil {
			return nil, fmt.Errorf("%w; look for the version with source %s, whose files stay: %w", failure, at.source, err)
		}
	}
}

// versionWithSource is the model's version that has a source, or nil.
func (c *Client) versionWithSource(ctx context.Context, model, source string) (*modelregistry.Version, error) {
	filter, err := quote(source)
	if err != nil {
		return nil, err
	}
	filter = "source_path = " + filter
	if byName, err := nameFilter(model); err == nil { // else the source alone has to do
		filter = byName + " AND " + filter
	}
	page, err := c.searchVersions(ctx, modelregistry.Query{Filter: filter, OrderBy: []string{"version_number DESC"}, PageSize: 1})
	if err != nil || len(page.Versions) == 0 {
		return nil, err
	}
	return page.Versions[0], nil
}

// detached is a context for what has to be done after a call also if that was cancelled.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// cleanUp removes what a failed call has made, also if the call was cancelled.
func (c *Client) cleanUp(ctx context.Context, remove func(ctx context.Context) error) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := remove(ctx); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

func (c *Client) removeFiles(ctx context.Context, dir string) error {
	if !c.placeOf(uriOf(dir)).proxied {
		return nil // nothing was put there
	}
	return c.call(ctx, &request{method: "DELETE", path: proxyPath + "/" + escapePath(dir)}, nil)
}

// uploadTo puts the files below a run's or logged model's artifacts.
func (c *Client) uploadTo(ctx context.Context, artifacts string, spec *modelregistry.VersionSpec) error {
	p := c.placeOf(uriOf(artifacts))
	if !p.proxied {
		return fmt.Errorf("%w: the server keeps artifacts at %.200s, not behind its proxy (mlflow server --serve-artifacts); put the files there, and register them by Source",
			errors.ErrUnsupported, artifacts)
	}
	return c.upload(ctx, p.dir, spec.Files, spec.Progress)
}

// uploadExperiment is the ID of the experiment below whose artifacts Register puts files.
func (c *Client) uploadExperiment(ctx context.Context) (string, error) {
	c.experiment.Lock()
	defer c.experiment.Unlock()
	if c.experiment.id != "" {
		return c.experiment.id, nil
	}
	id, err := c.experimentID(ctx, c.opts.Experiment)
	if err != nil {
		return "", fmt.Errorf("experiment %q: %w", c.opts.Experiment, err)
	}
	c.experiment.id = id
	return id, nil
}

var _ fs.FS = (*remoteFS)(nil)

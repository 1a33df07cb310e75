package mlflow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/modelregistry-go/modelregistry"
)

type remoteExperiment struct {
	ID        string      `json:"experiment_id"`
	Name      string      `json:"name"`
	Artifacts string      `json:"artifact_location"`
	Lifecycle string      `json:"lifecycle_stage"`
	Created   remoteInt   `json:"creation_time"`
	Updated   remoteInt   `json:"last_update_time"`
	Tags      []remoteTag `json:"tags"`
}

func (c *Client) experimentOf(e *remoteExperiment) *modelregistry.Experiment {
	return &modelregistry.Experiment{
		ID: e.ID, Name: e.Name, Artifacts: c.artifactsOf(e.Artifacts), Tags: tagMap(e.Tags), Deleted: e.Lifecycle == "deleted",
		Created: e.Created.time(), Updated: e.Updated.time(),
	}
}

func experimentText(id string) string { return fmt.Sprintf("experiment %q", id) }

// CreateExperiment creates an experiment.
func (c *Client) CreateExperiment(ctx context.Context, name string, spec modelregistry.ExperimentSpec) (*modelregistry.Experiment, error) {
	e, err := c.createExperiment(ctx, name, spec)
	return e, failed("CreateExperiment", name, experimentText(name), err)
}

func (c *Client) createExperiment(ctx context.Context, name string, spec modelregistry.ExperimentSpec) (*modelregistry.Experiment, error) {
	body := map[string]any{"name": name}
	if spec.Artifacts != "" {
		body["artifact_location"] = uriOf(spec.Artifacts)
	}
	if len(spec.Tags) > 0 {
		body["tags"] = tagList(spec.Tags)
	}
	var answer struct {
		ID string `json:"experiment_id"`
	}
	if err := c.call(ctx, &request{method: http.MethodPost, path: "experiments/create", body: body, once: true}, &answer); err != nil {
		return nil, err
	}
	return c.experimentByID(ctx, answer.ID)
}

// Experiment reads an experiment.
func (c *Client) Experiment(ctx context.Context, id string) (*modelregistry.Experiment, error) {
	e, err := c.experimentByID(ctx, id)
	return e, failed("Experiment", id, experimentText(id), err)
}

func (c *Client) experimentByID(ctx context.Context, id string) (*modelregistry.Experiment, error) {
	return c.experimentCall(ctx, get("experiments/get", url.Values{"experiment_id": {id}}))
}

func (c *Client) experimentCall(ctx context.Context, q *request) (*modelregistry.Experiment, error) {
	var answer struct {
		Experiment remoteExperiment `json:"experiment"`
	}
	if err := c.call(ctx, q, &answer); err != nil {
		return nil, err
	}
	return c.experimentOf(&answer.Experiment), nil
}

// ExperimentByName reads an experiment.
func (c *Client) ExperimentByName(ctx context.Context, name string) (*modelregistry.Experiment, error) {
	e, err := c.experimentByName(ctx, name)
	return e, failed("ExperimentByName", name, experimentText(name), err)
}

func (c *Client) experimentByName(ctx context.Context, name string) (*modelregistry.Experiment, error) {
	return c.experimentCall(ctx, get("experiments/get-by-name", url.Values{"experiment_name": {name}}))
}

// experimentID is the ID of the experiment of that name, which is created if it is not there.
func (c *Client) experimentID(ctx context.Context, name string) (string, error) {
	for range 2 {
		e, err := c.experimentByName(ctx, name)
		if err == nil {
			return e.ID, nil
		}
		if !errors.Is(err, modelregistry.ErrNotFound) {
			return "", err
		}
		if e, err = c.createExperiment(ctx, name, modelregistry.ExperimentSpec{}); err == nil {
			return e.ID, nil
		}
		if !errors.Is(err, modelregistry.ErrExists) { // another was faster
			return "", err
		}
	}
	return "", modelregistry.ErrConflict
}

// UpdateExperiment changes an experiment by several requests: restored first, deleted last. Tags are not deleted by servers
// older than MLflow 3.
func (c *Client) UpdateExperiment(ctx context.Context, id string, patch modelregistry.ExperimentPatch) (*modelregistry.Experiment, error) {
	e, err := c.updateExperiment(ctx, id, patch)
	return e, failed("UpdateExperiment", id, experimentText(id), err)
}

func (c *Client) updateExperiment(ctx context.Context, id string, patch modelregistry.ExperimentPatch) (*modelregistry.Experiment, error) {
	send := func(action string, more map[string]any) error {
		more["experiment_id"] = id
		return c.call(ctx, &request{method: http.MethodPost, path: "experiments/" + action, body: more}, nil)
	}
	e, err := c.experimentByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if patch.Deleted != nil && !*patch.Deleted && e.Deleted {
		err = send("restore", map[string]any{})
	}
	if err == nil && patch.Name != nil && *patch.Name != e.Name {
		err = send("update", map[string]any{"new_name": *patch.Name})
	}
	for _, t := range tagList(patch.SetTags) {
		if err == nil {
			err = send("set-experiment-tag", map[string]any{"key": t.Key, "value": t.Value})
		}
	}
	for _, key := range patch.DeleteTags {
		_, was := e.Tags.Lookup(key)
		if _, is := patch.SetTags[key]; err == nil && (was || is) {
			err = send("delete-experiment-tag", map[string]any{"key": key})
		}
	}
	if err == nil && patch.Deleted != nil && *patch.Deleted && !e.Deleted {
		err = send("delete", map[string]any{})
	}
	if err != nil {
		return nil, err
	}
	return c.experimentByID(ctx, id)
}

// SearchExperiments searches as SearchRuns does.
func (c *Client) SearchExperiments(ctx context.Context, q modelregistry.Query) (modelregistry.ExperimentPage, error) {
	page, err := c.searchExperiments(ctx, q)
	return page, failed("SearchExperiments", "", "", err)
}

func (c *Client) searchExperiments(ctx context.Context, q modelregistry.Query) (modelregistry.ExperimentPage, error) {
	const most = 1000
	filter, scope, err := translateScope(q.Filter)
	if err == nil && scope.experiments != nil {
		err = fmt.Errorf("filter: %w: MLflow does not search experiments by ID; Experiment reads one", modelregistry.ErrInvalid)
	}
	if err != nil {
		return modelregistry.ExperimentPage{}, err
	}
	size, token, seal, err := searchPage("experiments", q, most)
	if err != nil {
		return modelregistry.ExperimentPage{}, err
	}
	body := searchBody(q.OrderBy, size, token)
	body["filter"], body["view_type"] = filter, scope.view
	var answer struct {
		Experiments []remoteExperiment `json:"experiments"`
		Next        string             `json:"next_page_token"`
	}
	if err := c.call(ctx, &request{method: http.MethodPost, path: "experiments/search", body: body}, &answer); err != nil {
		return modelregistry.ExperimentPage{}, err
	}
	page := modelregistry.ExperimentPage{Next: seal(answer.Next)}
	for i := range answer.Experiments {
		page.Experiments = append(page.Experiments, c.experimentOf(&answer.Experiments[i]))
	}
	return page, nil
}

// experimentsIn lists the IDs of the experiments that a filter is about: all, if it names none.
func (c *Client) experimentsIn(ctx context.Context, s scope) ([]string, error) {
	ids := s.experiments
	if ids == nil {
		for e, err := range c.experiments(ctx) {
			if err != nil {
				return nil, fmt.Errorf("list experiments: %w", err)
			}
			ids = append(ids, e.ID)
		}
	}
	return ids, nil
}

// experiments yields all experiments, those deleted too.
func (c *Client) experiments(ctx context.Context) iter.Seq2[*modelregistry.Experiment, error] {
	q := modelregistry.Query{PageSize: 1000, OrderBy: []string{"creation_time ASC"}}
	return paged("SearchExperiments", q, func(q modelregistry.Query) ([]*modelregistry.Experiment, string, error) {
		page, err := c.searchExperiments(ctx, q)
		return page.Experiments, page.Next, err
	})
}

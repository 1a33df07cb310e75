package mlflow

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

func experimentRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "experiments/create", about: "create an experiment", handle: (*call).createExperiment},
		{method: http.MethodGet, path: "experiments/get", about: "an experiment by its ID", handle: (*call).getExperiment},
		{method: http.MethodGet, path: "experiments/get-by-name", about: "an experiment by its name", handle: (*call).getExperimentByName},
		{method: http.MethodGet, path: "experiments/search", about: "search experiments", handle: (*call).searchExperiments},
		{method: http.MethodPost, path: "experiments/search", about: "search experiments", handle: (*call).searchExperiments},
		{method: http.MethodPost, path: "experiments/search-datasets", about: "the data sets that runs of experiments read", handle: (*call).searchDatasets},
		{method: http.MethodPost, path: "experiments/update", about: "rename an experiment", handle: (*call).updateExperiment},
		{method: http.MethodPost, path: "experiments/delete", about: "delete an experiment and its runs, to be restored", handle: (*call).deleteExperiment},
		{method: http.MethodPost, path: "experiments/restore", about: "restore a deleted experiment", handle: (*call).restoreExperiment},
		{method: http.MethodPost, path: "experiments/set-experiment-tag", about: "set a tag of an experiment", handle: (*call).setExperimentTag},
		{method: http.MethodPost, path: "experiments/delete-experiment-tag", about: "delete a tag of an experiment", handle: (*call).deleteExperimentTag},
	}
}

type experimentJSON struct {
	ID             string    `json:"experiment_id"`
	Name           string    `json:"name"`
	Artifacts      string    `json:"artifact_location"`
	LifecycleStage string    `json:"lifecycle_stage"`
	Updated        int64     `json:"last_update_time"`
	Created        int64     `json:"creation_time"`
	Tags           []tagJSON `json:"tags,omitempty"`
}

func experimentOf(e *modelregistry.Experiment) experimentJSON {
	return experimentJSON{
		ID: e.ID, Name: e.Name, Artifacts: artifactURI(e.Artifacts), LifecycleStage: lifecycle(e.Deleted),
		Updated: e.Updated.UnixMilli(), Created: e.Created.UnixMilli(), Tags: tagsOf(e.Tags),
	}
}

// lifecycle is what MLflow calls the stage of what can be deleted and restored.
func lifecycle(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

// experimentID checks the ID of an experiment, as decimal numbers may be written in several ways.
func experimentID(text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return "", invalid("Invalid experiment ID '%s'. Experiment ID must be a valid integer.", clip(text))
	}
	return strconv.FormatInt(n, 10), nil
}

// requiredExperiment is the field experiment_id.
func (c *call) requiredExperiment() string {
	text := c.required("experiment_id")
	if text == "" {
		return ""
	}
	id, err := experimentID(text)
	if err != nil {
		c.mistake(err)
	}
	return id
}

func experimentResource(id string) Resource { return Resource{Kind: KindExperiment, Name: id} }

// noExperiment is err, as MLflow says it of an experiment that is not there or not in the right stage.
func noExperiment(err error, id string) error {
	if errors.Is(err, modelregistry.ErrConflict) {
		return inactive("experiment", id)
	}
	return orNotFound(err, "No Experiment with id=%s exists", id)
}

// inactive is about something that is deleted.
func inactive(what, id string) error {
	return invalid("The %s %s must be in the 'active' state. Current state is deleted.", what, id)
}

func (c *call) createExperiment() (any, error) {
	name := c.required("name")
	tags := c.tags()
	location, err := artifactLocation(c.text("artifact_location"))
	if c.problem != nil {
		return nil, c.problem
	}
	if err != nil {
		return nil, err
	}
	reg, err := c.authorize(Create, experimentResource(""))
	if err != nil {
		return nil, err
	}
	e, err := reg.CreateExperiment(c.r.Context(), name, modelregistry.ExperimentSpec{Artifacts: location, Tags: tags})
	if err != nil {
		return nil, orExists(err, "Experiment '%s' already exists.", name)
	}
	return fields{"experiment_id": e.ID}, nil
}

func (c *call) getExperiment() (any, error) {
	_, e, err := c.experiment(Read)
	if err != nil {
		return nil, err
	}
	return fields{"experiment": experimentOf(e)}, nil
}

// experiment is the one that the field experiment_id names, and the registry for doing action with it.
func (c *call) experiment(action Action) (modelregistry.Registry, *modelregistry.Experiment, error) {
	id := c.requiredExperiment()
	if c.problem != nil {
		return nil, nil, c.problem
	}
	reg, err := c.authorize(action, experimentResource(id))
	if err != nil {
		return nil, nil, err
	}
	e, err := reg.Experiment(c.r.Context(), id)
	return reg, e, noExperiment(err, id)
}

func (c *call) getExperimentByName() (any, error) {
	name := c.required("experiment_name")
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorize(Read, experimentResource(""))
	if err != nil {
		return nil, err
	}
	e, err := reg.ExperimentByName(c.r.Context(), name)
	if err != nil {
		return nil, orNotFound(err, "Could not find experiment with name '%s'", name)
	}
	if !c.may(Read, experimentResource(e.ID)) {
		return nil, c.denied
	}
	return fields{"experiment": experimentOf(e)}, nil
}

func (c *call) searchExperiments() (any, error) {
	limit := min(c.maxResults(1000, maxRunResults), maxRows)
	filter, err := narrow(modelregistry.SearchedExperiments, c.text("filter"), c.view("view_type"))
	q := modelregistry.Query{Filter: filter, OrderBy: c.texts("order_by"), PageToken: c.pageToken()}
	if c.problem != nil {
		return nil, c.problem
	}
	if err != nil {
		return nil, err
	}
	reg, err := c.authorize(Read, experimentResource(""))
	if err != nil {
		return nil, err
	}
	found, next, err := fill(limit, q, func(q modelregistry.Query) ([]*modelregistry.Experiment, string, error) {
		page, err := reg.SearchExperiments(c.r.Context(), q)
		return page.Experiments, page.Next, err
	}, func(e *modelregistry.Experiment) bool { return c.may(Read, experimentResource(e.ID)) })
	if err != nil {
		return nil, err
	}
	return struct {
		Experiments []experimentJSON `json:"experiments,omitempty"`
		Next        string           `json:"next_page_token,omitempty"`
	}{each(found, experimentOf), c.wireToken(next)}, nil
}

func (c *call) updateExperiment() (any, error) {
	name := c.required("new_name")
	reg, e, err := c.experiment(Update)
	if err != nil {
		return nil, err
	}
	if e.Deleted {
		return nil, invalid("Cannot rename a non-active experiment.")
	}
	_, err = reg.UpdateExperiment(c.r.Context(), e.ID, modelregistry.ExperimentPatch{Name: &name})
	return nil, orExists(noExperiment(err, e.ID), "Experiment '%s' already exists.", name)
}

func (c *call) deleteExperiment() (any, error) { return c.putExperiment(Delete, true) }

func (c *call) restoreExperiment() (any, error) { return c.putExperiment(Update, false) }

// putExperiment deletes or restores an experiment. Who asks for what is so already meant another one.
func (c *call) putExperiment(action Action, deleted bool) (any, error) {
	reg, e, err := c.experiment(action)
	if err != nil {
		return nil, err
	}
	if e.Deleted == deleted {
		return nil, notFound("No Experiment with id=%s exists", e.ID)
	}
	_, err = reg.UpdateExperiment(c.r.Context(), e.ID, modelregistry.ExperimentPatch{Deleted: &deleted})
	return nil, noExperiment(err, e.ID)
}

func (c *call) setExperimentTag() (any, error) {
	key, value := c.tagKey(), c.text("value")
	reg, e, err := c.experiment(Update)
	if err != nil {
		return nil, err
	}
	if e.Deleted {
		return nil, inactive("experiment", e.ID)
	}
	_, err = reg.UpdateExperiment(c.r.Context(), e.ID, modelregistry.ExperimentPatch{SetTags: map[string]string{key: value}})
	return nil, noExperiment(err, e.ID)
}

func (c *call) deleteExperimentTag() (any, error) {
	key := c.tagKey()
	reg, e, err := c.experiment(Update)
	if err != nil {
		return nil, err
	}
	if e.Deleted {
		return nil, inactive("experiment", e.ID)
	}
	if _, ok := e.Tags.Lookup(key); !ok {
		return nil, notFound("No tag with name: %s in experiment with id %s", key, e.ID)
	}
	_, err = reg.UpdateExperiment(c.r.Context(), e.ID, modelregistry.ExperimentPatch{DeleteTags: []string{key}})
	return nil, noExperiment(err, e.ID)
}

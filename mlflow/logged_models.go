package mlflow

import (
	"net/http"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

func loggedModelRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "logged-models", about: "begin to log a model", handle: (*call).createLoggedModel},
		{method: http.MethodPost, path: "logged-models/search", about: "search logged models", handle: (*call).searchLoggedModels},
		{method: http.MethodGet, path: "logged-models/{model_id}", about: "a logged model", handle: (*call).getLoggedModel},
		{method: http.MethodPatch, path: "logged-models/{model_id}", about: "say whether all of a logged model is there", handle: (*call).finalizeLoggedModel},
		{method: http.MethodDelete, path: "logged-models/{model_id}", about: "delete a logged model", handle: (*call).deleteLoggedModel},
		{method: http.MethodPatch, path: "logged-models/{model_id}/tags", about: "set tags of a logged model", handle: (*call).setLoggedModelTags},
		{method: http.MethodDelete, path: "logged-models/{model_id}/tags/{tag_key...}", about: "delete a tag of a logged model", handle: (*call).deleteLoggedModelTag},
		{method: http.MethodPost, path: "logged-models/{model_id}/params", about: "add params to a logged model", handle: (*call).logLoggedModelParams},
		{method: http.MethodGet, path: "logged-models/{model_id}/artifacts/directories", about: "what a logged model has under a path", handle: (*call).listModelArtifacts},
	}
}

type loggedModelJSON struct {
	Info loggedModelInfoJSON `json:"info"`
	Data loggedModelDataJSON `json:"data"`
}

type loggedModelInfoJSON struct {
	ID            string    `json:"model_id"`
	ExperimentID  string    `json:"experiment_id"`
	Name          string    `json:"name"`
	Created       int64     `json:"creation_timestamp_ms"`
	Updated       int64     `json:"last_updated_timestamp_ms"`
	Artifacts     string    `json:"artifact_uri"`
	Status        string    `json:"status"`
	Type          string    `json:"model_type"`
	RunID         string    `json:"source_run_id"`
	StatusMessage string    `json:"status_message,omitempty"`
	Tags          []tagJSON `json:"tags,omitempty"`
}

type loggedModelDataJSON struct {
	Params  []tagJSON    `json:"params,omitempty"`
	Metrics []metricJSON `json:"metrics,omitempty"`
}

// statusPrefix is what MLflow has in front of a LoggedModelStatus.
const statusPrefix = "LOGGED_MODEL_"

func loggedModelOf(m *modelregistry.LoggedModel) loggedModelJSON {
	return loggedModelJSON{
		Info: loggedModelInfoJSON{
			ID: m.ID, ExperimentID: m.ExperimentID, Name: m.Name, Created: m.Created.UnixMilli(), Updated: m.Updated.UnixMilli(),
			Artifacts: artifactURI(m.Artifacts), Status: statusPrefix + string(m.Status), Type: m.Type, RunID: m.RunID,
			StatusMessage: m.StatusMessage, Tags: tagsOf(m.Tags),
		},
		Data: loggedModelDataJSON{Params: paramsOf(m.Params), Metrics: each(m.Metrics, func(p modelregistry.LoggedMetric) metricJSON {
			out := pointOf(p.MetricPoint)
			out.ModelID, out.DatasetName, out.DatasetDigest, out.RunID = m.ID, p.DatasetName, p.DatasetDigest, p.RunID
			return out
		})},
	}
}

func loggedModelResource(m *modelregistry.LoggedModel) Resource {
	return Resource{Kind: KindLoggedModel, Name: m.ID, Parent: m.ExperimentID}
}

func noLoggedModel(err error, id string) error {
	return orNotFound(err, "Logged model with ID '%s' not found.", clip(id))
}

// loggedModel is the one in the path, and the registry for doing action with it.
func (c *call) loggedModel(action Action) (modelregistry.Registry, *modelregistry.LoggedModel, error) {
	id := c.r.PathValue("model_id")
	reg, err := c.authorize(action, Resource{Kind: KindLoggedModel, Name: id})
	if err != nil {
		return nil, nil, err
	}
	m, err := reg.LoggedModel(c.r.Context(), id)
	if err != nil {
		return nil, nil, noLoggedModel(err, id)
	}
	if !c.may(action, loggedModelResource(m)) {
		return nil, nil, c.denied
	}
	return reg, m, nil
}

// patchLoggedModel changes the model in the path. It is read only if there is somebody to be told of its experiment.
func (c *call) patchLoggedModel(action Action, patch modelregistry.LoggedModelPatch) (*modelregistry.LoggedModel, error) {
	id := c.r.PathValue("model_id")
	reg, err := c.authorize(action, Resource{Kind: KindLoggedModel, Name: id})
	if err == nil && c.s.opts.Authorize != nil {
		reg, _, err = c.loggedModel(action)
	}
	if err != nil {
		return nil, err
	}
	m, err := reg.UpdateLoggedModel(c.r.Context(), id, patch)
	return m, noLoggedModel(err, id)
}

// badModelName are the characters that a logged model's name cannot have.
const badModelName = `/:.%"'`

func (c *call) createLoggedModel() (any, error) {
	spec := modelregistry.LoggedModelSpec{
		ExperimentID: c.requiredExperiment(), RunID: c.text("source_run_id"), Name: c.text("name"), Type: c.text("model_type"),
		Tags: c.tags(), Params: c.pairs("params"),
	}
	if strings.ContainsAny(spec.Name, badModelName) {
		c.mistake(invalid("Invalid model name ('%s') provided. Model name must be a non-empty string and cannot contain the following characters: %s",
			clip(spec.Name), badModelName))
	}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorize(Create, Resource{Kind: KindLoggedModel, Parent: spec.ExperimentID})
	if err != nil {
		return nil, err
	}
	if err := c.mayReference(spec.RunID, nil); err != nil {
		return nil, err
	}
	m, err := reg.CreateLoggedModel(c.r.Context(), spec)
	if err != nil {
		return nil, noExperiment(err, spec.ExperimentID)
	}
	return fields{"model": loggedModelOf(m)}, nil
}

func (c *call) getLoggedModel() (any, error) {
	_, m, err := c.loggedModel(Read)
	if err != nil {
		return nil, err
	}
	return fields{"model": loggedModelOf(m)}, nil
}

func (c *call) finalizeLoggedModel() (any, error) {
	status := c.choice("status", statusPrefix+"PENDING", statusPrefix+"READY", statusPrefix+"UPLOAD_FAILED")
	if status == "" {
		c.missing("status")
	}
	if c.problem != nil {
		return nil, c.problem
	}
	m, err := c.patchLoggedModel(Update, modelregistry.LoggedModelPatch{
		Status: new(modelregistry.LoggedModelStatus(strings.TrimPrefix(status, statusPrefix))),
	})
	if err != nil {
		return nil, err
	}
	return fields{"model": loggedModelOf(m)}, nil
}

func (c *call) deleteLoggedModel() (any, error) {
	_, err := c.patchLoggedModel(Delete, modelregistry.LoggedModelPatch{Deleted: new(true)})
	return nil, err
}

func (c *call) setLoggedModelTags() (any, error) {
	tags := c.tags()
	if c.problem != nil {
		return nil, c.problem
	}
	_, err := c.patchLoggedModel(Update, modelregistry.LoggedModelPatch{SetTags: tags})
	return nil, err
}

func (c *call) deleteLoggedModelTag() (any, error) {
	key := c.r.PathValue("tag_key")
	c.mistake(checkOwnTag(key))
	if c.problem != nil {
		return nil, c.problem
	}
	reg, m, err := c.loggedModel(Update)
	if err != nil {
		return nil, err
	}
	if _, ok := m.Tags.Lookup(key); !ok {
		return nil, notFound("No tag with key '%s' found for model with ID '%s'.", clip(key), m.ID)
	}
	_, err = reg.UpdateLoggedModel(c.r.Context(), m.ID, modelregistry.LoggedModelPatch{DeleteTags: []string{key}})
	return nil, noLoggedModel(err, m.ID)
}

func (c *call) logLoggedModelParams() (any, error) {
	params := c.pairs("params")
	if c.problem != nil {
		return nil, c.problem
	}
	_, err := c.patchLoggedModel(Update, modelregistry.LoggedModelPatch{Params: params})
	return nil, err
}

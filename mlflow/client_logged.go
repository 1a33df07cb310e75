package mlflow

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

type remoteLoggedModel struct {
	Info struct {
		ID         string      `json:"model_id"`
		Experiment string      `json:"experiment_id"`
		RunID      string      `json:"source_run_id"`
		Name       string      `json:"name"`
		Type       string      `json:"model_type"`
		Status     any         `json:"status"` // a name, or protobuf's number for it
		Message    string      `json:"status_message"`
		Artifacts  string      `json:"artifact_uri"`
		Created    remoteInt   `json:"creation_timestamp_ms"`
		Updated    remoteInt   `json:"last_updated_timestamp_ms"`
		Tags       []remoteTag `json:"tags"`
	} `json:"info"`
	Data struct {
		Params  []remoteTag    `json:"params"`
		Metrics []remoteMetric `json:"metrics"`
	} `json:"data"`
}

func (c *Client) loggedModelOf(m *remoteLoggedModel) *modelregistry.LoggedModel {
	out := &modelregistry.LoggedModel{
		ID: m.Info.ID, ExperimentID: m.Info.Experiment, RunID: m.Info.RunID, Name: m.Info.Name, Type: m.Info.Type,
		Status: loggedStatus(m.Info.Status), StatusMessage: m.Info.Message, Artifacts: c.artifactsOf(m.Info.Artifacts),
		Tags: tagMap(m.Info.Tags), Params: tagMap(m.Data.Params), Created: m.Info.Created.time(), Updated: m.Info.Updated.time(),
	}
	for _, p := range m.Data.Metrics {
		out.Metrics = append(out.Metrics, modelregistry.LoggedMetric{MetricPoint: p.point(), RunID: p.RunID})
	}
	return out
}

func loggedStatus(v any) modelregistry.LoggedModelStatus {
	switch v := v.(type) {
	case string:
		return modelregistry.LoggedModelStatus(strings.TrimPrefix(v, "LOGGED_MODEL_"))
	case float64:
		switch v {
		case 2:
			return modelregistry.LoggedModelReady
		case 3:
			return modelregistry.LoggedModelFailed
		}
	}
	return modelregistry.LoggedModelPending
}

func loggedText(id string) string { return fmt.Sprintf("logged model %q", id) }

func loggedPath(id string, more string) string { return "logged-models/" + url.PathEscape(id) + more }

func (c *Client) loggedCall(ctx context.Context, q *request) (*modelregistry.LoggedModel, error) {
	var answer struct {
		Model remoteLoggedModel `json:"model"`
	}
	if err := c.call(ctx, q, &answer); err != nil {
		return nil, err
	}
	return c.loggedModelOf(&answer.Model), nil
}

// CreateLoggedModel begins a logged model: one that a run leaves, in MLflow 3.
func (c *Client) CreateLoggedModel(ctx context.Context, spec modelregistry.LoggedModelSpec) (*modelregistry.LoggedModel, error) {
	m, err := c.createLoggedModel(ctx, spec)
	return m, failed("CreateLoggedModel", spec.Name, "", err)
}

func (c *Client) createLoggedModel(ctx context.Context, spec modelregistry.LoggedModelSpec) (*modelregistry.LoggedModel, error) {
	experiment := spec.ExperimentID
	var err error
	switch {
	case experiment != "":
	case spec.RunID != "":
		run, err := c.run(ctx, spec.RunID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", runText(spec.RunID), err)
		}
		experiment = run.ExperimentID
	default:
		if experiment, err = c.uploadExperiment(ctx); err != nil {
			return nil, err
		}
	}
	body := map[string]any{"experiment_id": experiment}
	for key, value := range map[string]string{"name": spec.Name, "source_run_id": spec.RunID, "model_type": spec.Type} {
		if value != "" {
			body[key] = value
		}
	}
	if len(spec.Tags) > 0 {
		body["tags"] = tagList(spec.Tags)
	}
	if len(spec.Params) > 0 {
		body["params"] = tagList(spec.Params)
	}
	return c.loggedCall(ctx, &request{method: http.MethodPost, path: "logged-models", body: body, once: true})
}

// LoggedModel reads a logged model.
func (c *Client) LoggedModel(ctx context.Context, id string) (*modelregistry.LoggedModel, error) {
	m, err := c.loggedModel(ctx, id)
	return m, failed("LoggedModel", id, loggedText(id), err)
}

func (c *Client) loggedModel(ctx context.Context, id string) (*modelregistry.LoggedModel, error) {
	if id == "" {
		return nil, fmt.Errorf("ID of a logged model: %w: empty", modelregistry.ErrInvalid)
	}
	return c.loggedCall(ctx, get(loggedPath(id, ""), nil))
}

// UpdateLoggedModel changes a logged model by several requests: params, tags to set, tags to delete, status, deletion. A
// status message is not supported, and MLflow restores none.
func (c *Client) UpdateLoggedModel(ctx context.Context, id string, patch modelregistry.LoggedModelPatch) (*modelregistry.LoggedModel, error) {
	switch {
	case len(patch.IfTags) > 0:
		return nil, unable("UpdateLoggedModel", id, "MLflow's API has no conditions on tags")
	case patch.StatusMessage != nil:
		return nil, unable("UpdateLoggedModel", id, "MLflow's API sets no status message")
	case patch.Deleted != nil && !*patch.Deleted:
		return nil, unable("UpdateLoggedModel", id, "MLflow's API does not restore logged models")
	}
	m, err := c.updateLoggedModel(ctx, id, patch)
	return m, failed("UpdateLoggedModel", id, loggedText(id), err)
}

func (c *Client) updateLoggedModel(ctx context.Context, id string, patch modelregistry.LoggedModelPatch) (*modelregistry.LoggedModel, error) {
	m, err := c.loggedModel(ctx, id)
	if err != nil {
		return nil, err
	}
	for params := tagList(patch.Params); len(params) > 0; {
		var some []remoteTag
		some, params = firstOf(params, mostParams)
		if err := c.call(ctx, &request{method: http.MethodPost, path: loggedPath(id, "/params"), body: map[string]any{"model_id": id, "params": some}}, nil); err != nil {
			return nil, err
		}
	}
	if len(patch.SetTags) > 0 {
		if err := c.call(ctx, &request{method: http.MethodPatch, path: loggedPath(id, "/tags"), body: map[string]any{"model_id": id, "tags": tagList(patch.SetTags)}}, nil); err != nil {
			return nil, err
		}
	}
	for _, key := range patch.DeleteTags {
		_, was := m.Tags.Lookup(key)
		if _, is := patch.SetTags[key]; !was && !is {
			continue
		}
		if err := c.call(ctx, &request{method: http.MethodDelete, path: loggedPath(id, "/tags/"+url.PathEscape(key))}, nil); err != nil {
			return nil, fmt.Errorf("tag %.80q: %w", key, err)
		}
	}
	if patch.Status != nil && *patch.Status != m.Status {
		if err := c.finalizeLoggedModel(ctx, id, *patch.Status); err != nil {
			return nil, err
		}
	}
	if patch.Deleted == nil {
		return c.loggedModel(ctx, id)
	}
	if m, err = c.loggedModel(ctx, id); err != nil {
		return nil, err
	}
	m.Deleted = true
	return m, c.deleteLoggedModel(ctx, id)
}

func (c *Client) finalizeLoggedModel(ctx context.Context, id string, status modelregistry.LoggedModelStatus) error {
	return c.call(ctx, &request{method: http.MethodPatch, path: loggedPath(id, ""),
		body: map[string]any{"model_id": id, "status": "LOGGED_MODEL_" + string(status)}}, nil)
}

func (c *Client) deleteLoggedModel(ctx context.Context, id string) error {
	return c.call(ctx, &request{method: http.MethodDelete, path: loggedPath(id, ""), once: true}, nil)
}

// SearchLoggedModels searches as SearchRuns does, without lifecycle_stage: deleted ones are not found.
func (c *Client) SearchLoggedModels(ctx context.Context, q modelregistry.Query) (modelregistry.LoggedModelPage, error) {
	page, err := c.searchLoggedModels(ctx, q)
	return page, failed("SearchLoggedModels", "", "", err)
}

func (c *Client) searchLoggedModels(ctx context.Context, q modelregistry.Query) (modelregistry.LoggedModelPage, error) {
	const most = 50 // that MLflow answers
	filter, scope, err := translateScope(q.Filter)
	if err != nil {
		return modelregistry.LoggedModelPage{}, err
	}
	size, token, seal, err := searchPage("logged models", q, most)
	if err != nil {
		return modelregistry.LoggedModelPage{}, err
	}
	experiments, err := c.experimentsIn(ctx, scope)
	if err != nil {
		return modelregistry.LoggedModelPage{}, err
	}
	var order []map[string]any
	for _, key := range q.OrderBy {
		order = append(order, modelOrderOf(key))
	}
	body := searchBody(order, size, token)
	body["experiment_ids"] = experiments
	if filter != "" {
		body["filter"] = filter
	}
	var datasets []map[string]any
	for _, d := range q.Datasets {
		on := map[string]any{"dataset_name": d.Name}
		if d.Digest != "" {
			on["dataset_digest"] = d.Digest
		}
		datasets = append(datasets, on)
	}
	if len(datasets) > 0 {
		body["datasets"] = datasets
	}
	var answer struct {
		Models []remoteLoggedModel `json:"models"`
		Next   string              `json:"next_page_token"`
	}
	if err := c.call(ctx, &request{method: http.MethodPost, path: "logged-models/search", body: body}, &answer); err != nil {
		return modelregistry.LoggedModelPage{}, err
	}
	page := modelregistry.LoggedModelPage{Next: seal(answer.Next)}
	for i := range answer.Models {
		page.Models = append(page.Models, c.loggedModelOf(&answer.Models[i]))
	}
	return page, nil
}

// modelOrderRE are the parts of a key of Query.OrderBy for logged models.
var modelOrderRE = regexp.MustCompile(`(?is)^\s*(.+?)(?:\s+ON\s+'((?:[^']|'')*)'(?:\s+'((?:[^']|'')*)')?)?(?:\s+(ASC|DESC))?\s*$`)

// modelOrderOf is a key of Query.OrderBy as MLflow has it; what is none is for the server to refuse.
func modelOrderOf(key string) map[string]any {
	part := modelOrderRE.FindStringSubmatch(key)
	if part == nil {
		return map[string]any{"field_name": key}
	}
	field := part[1]
	if name, ok := strings.CutPrefix(field, "metrics.`"); ok {
		field = "metrics." + strings.ReplaceAll(strings.TrimSuffix(name, "`"), "``", "`")
	}
	out := map[string]any{"field_name": field, "ascending": !strings.EqualFold(part[4], "DESC")}
	for i, member := range []string{"dataset_name", "dataset_digest"} {
		if text := part[i+2]; text != "" {
			out[member] = strings.ReplaceAll(text, "''", "'")
		}
	}
	return out
}

// randomID tells apart directories.
func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

package mlflow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

type remoteMetric struct {
	Key           string      `json:"key"`
	Value         remoteFloat `json:"value"`
	Time          remoteInt   `json:"timestamp"`
	Step          remoteInt   `json:"step"`
	ModelID       string      `json:"model_id,omitempty"`
	DatasetName   string      `json:"dataset_name,omitempty"`
	DatasetDigest string      `json:"dataset_digest,omitempty"`
	RunID         string      `json:"run_id,omitempty"`
}

func (m *remoteMetric) point() modelregistry.MetricPoint {
	return modelregistry.MetricPoint{Key: m.Key, Value: float64(m.Value), Step: int64(m.Step), Time: m.Time.time(),
		ModelID: m.ModelID, DatasetName: m.DatasetName, DatasetDigest: m.DatasetDigest}
}

type remoteDataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type,omitempty"`
	Source     string `json:"source,omitempty"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

type remoteDatasetInput struct {
	Tags    []remoteTag   `json:"tags,omitempty"`
	Dataset remoteDataset `json:"dataset"`
}

type remoteModelInput struct {
	ModelID string `json:"model_id"`
}

type remoteOutput struct {
	ModelID string    `json:"model_id"`
	Step    remoteInt `json:"step"`
}

type remoteRun struct {
	Info struct {
		ID         string    `json:"run_id"`
		UUID       string    `json:"run_uuid"`
		Experiment string    `json:"experiment_id"`
		Name       string    `json:"run_name"`
		User       string    `json:"user_id"`
		Status     string    `json:"status"`
		Started    remoteInt `json:"start_time"`
		Ended      remoteInt `json:"end_time"`
		Artifacts  string    `json:"artifact_uri"`
		Lifecycle  string    `json:"lifecycle_stage"`
	} `json:"info"`
	Data struct {
		Metrics []remoteMetric `json:"metrics"`
		Params  []remoteTag    `json:"params"`
		Tags    []remoteTag    `json:"tags"`
	} `json:"data"`
	Inputs struct {
		Datasets []remoteDatasetInput `json:"dataset_inputs"`
		Models   []remoteModelInput   `json:"model_inputs"`
	} `json:"inputs"`
	Outputs struct {
		Models []remoteOutput `json:"model_outputs"`
	} `json:"outputs"`
}

func (c *Client) runOf(r *remoteRun) *modelregistry.Run {
	out := &modelregistry.Run{
		ID: r.Info.ID, ExperimentID: r.Info.Experiment, Name: r.Info.Name, Status: modelregistry.RunStatus(r.Info.Status), User: r.Info.User,
		Started: r.Info.Started.time(), Ended: r.Info.Ended.time(), Deleted: r.Info.Lifecycle == "deleted",
		Artifacts: c.artifactsOf(r.Info.Artifacts), Tags: tagMap(r.Data.Tags), Params: tagMap(r.Data.Params),
	}
	if out.ID == "" {
		out.ID = r.Info.UUID
	}
	// Name and user are tags besides, for MLflow's user interface.
	tags := out.Tags.Clone()
	for key, value := range map[string]string{"mlflow.runName": out.Name, "mlflow.user": out.User} {
		if tags[key] == value {
			delete(tags, key)
		}
	}
	out.Tags = modelregistry.MapOf(tags)
	for _, m := range r.Data.Metrics {
		if out.Metrics == nil {
			out.Metrics = map[string]modelregistry.MetricPoint{}
		}
		out.Metrics[m.Key] = m.point()
	}
	for _, d := range r.Inputs.Datasets {
		set := modelregistry.DatasetInput(d.Dataset)
		out.Inputs = append(out.Inputs, modelregistry.RunInput{Tags: tagMap(d.Tags), Dataset: &set})
	}
	for _, m := range r.Inputs.Models {
		out.Inputs = append(out.Inputs, modelregistry.RunInput{ModelID: m.ModelID})
	}
	for _, m := range r.Outputs.Models {
		out.Outputs = append(out.Outputs, modelregistry.RunOutput{ModelID: m.ModelID, Step: int64(m.Step)})
	}
	return out
}

func runText(id string) string { return fmt.Sprintf("run %q", id) }

// Run reads a run.
func (c *Client) Run(ctx context.Context, id string) (*modelregistry.Run, error) {
	r, err := c.run(ctx, id)
	return r, failed("Run", id, runText(id), err)
}

func (c *Client) run(ctx context.Context, id string) (*modelregistry.Run, error) {
	return c.runCall(ctx, get("runs/get", url.Values{"run_id": {id}}))
}

func (c *Client) runCall(ctx context.Context, q *request) (*modelregistry.Run, error) {
	var answer struct {
		Run remoteRun `json:"run"`
	}
	if err := c.call(ctx, q, &answer); err != nil {
		return nil, err
	}
	return c.runOf(&answer.Run), nil
}

// StartRun begins a run, and then logs its params and sets a status other than RunRunning. MLflow gives the ID.
func (c *Client) StartRun(ctx context.Context, spec modelregistry.RunSpec) (*modelregistry.Run, error) {
	r, err := c.startRun(ctx, spec)
	return r, failed("StartRun", spec.Name, "", err)
}

func (c *Client) startRun(ctx context.Context, spec modelregistry.RunSpec) (*modelregistry.Run, error) {
	experiment := spec.ExperimentID
	switch {
	case spec.ID != "":
		return nil, fmt.Errorf("%w: an MLflow server gives a run its ID itself", errors.ErrUnsupported)
	case spec.Experiment != "" && experiment != "":
		return nil, fmt.Errorf("%w: an experiment is named both by name and by ID", modelregistry.ErrInvalid)
	case spec.Experiment != "":
		var err error
		if experiment, err = c.experimentID(ctx, spec.Experiment); err != nil {
			return nil, fmt.Errorf("experiment %q: %w", spec.Experiment, err)
		}
	case experiment == "":
		var err error
		if experiment, err = c.uploadExperiment(ctx); err != nil {
			return nil, err
		}
	}
	if spec.Started.IsZero() {
		spec.Started = time.Now()
	}
	body := map[string]any{"experiment_id": experiment, "start_time": spec.Started.UnixMilli()}
	if spec.Name != "" {
		body["run_name"] = spec.Name
	}
	if spec.User != "" {
		body["user_id"] = spec.User
	}
	if len(spec.Tags) > 0 {
		body["tags"] = tagList(spec.Tags)
	}
	r, err := c.runCall(ctx, &request{method: http.MethodPost, path: "runs/create", body: body, once: true})
	if err != nil {
		return nil, err
	}
	if len(spec.Params) == 0 && (spec.Status == "" || spec.Status == r.Status) {
		return r, nil
	}
	if err := c.logRun(ctx, r.ID, modelregistry.RunEntries{Params: spec.Params}); err != nil {
		return nil, fmt.Errorf("run %s is started: %w", r.ID, err)
	}
	if spec.Status != "" && spec.Status != r.Status {
		if err := c.setRun(ctx, r.ID, map[string]any{"status": string(spec.Status)}); err != nil {
			return nil, fmt.Errorf("run %s is started: %w", r.ID, err)
		}
	}
	return c.run(ctx, r.ID)
}

func (c *Client) setRun(ctx context.Context, id string, fields map[string]any) error {
	fields["run_id"] = id
	return c.call(ctx, &request{method: http.MethodPost, path: "runs/update", body: fields}, nil)
}

func (c *Client) endRun(ctx context.Context, id string) error {
	return c.setRun(ctx, id, map[string]any{"status": string(modelregistry.RunFinished), "end_time": time.Now().UnixMilli()})
}

func (c *Client) deleteRun(ctx context.Context, id string, deleted bool) error {
	path := "runs/delete"
	if !deleted {
		path = "runs/restore"
	}
	return c.call(ctx, &request{method: http.MethodPost, path: path, body: map[string]any{"run_id": id}}, nil)
}

// UpdateRun changes a run by several requests: restored first, deleted last.
func (c *Client) UpdateRun(ctx context.Context, id string, patch modelregistry.RunPatch) (*modelregistry.Run, error) {
	r, err := c.updateRun(ctx, id, patch)
	return r, failed("UpdateRun", id, runText(id), err)
}

func (c *Client) updateRun(ctx context.Context, id string, patch modelregistry.RunPatch) (*modelregistry.Run, error) {
	if patch.Deleted != nil && !*patch.Deleted {
		if err := c.deleteRun(ctx, id, false); err != nil {
			return nil, err
		}
	}
	fields := map[string]any{}
	if patch.Name != nil {
		fields["run_name"] = *patch.Name
	}
	if patch.Status != nil {
		fields["status"] = string(*patch.Status)
		if patch.Ended == nil && *patch.Status != modelregistry.RunRunning && *patch.Status != modelregistry.RunScheduled {
			r, err := c.run(ctx, id)
			if err != nil {
				return nil, err
			}
			if r.Status != *patch.Status || r.Ended.IsZero() { // else it has ended already
				fields["end_time"] = time.Now().UnixMilli()
			}
		}
	}
	if patch.Ended != nil {
		fields["end_time"] = patch.Ended.UnixMilli()
	}
	if len(fields) > 0 {
		if err := c.setRun(ctx, id, fields); err != nil {
			return nil, err
		}
	}
	if err := c.logRun(ctx, id, modelregistry.RunEntries{Tags: patch.SetTags}); err != nil {
		return nil, err
	}
	if len(patch.DeleteTags) > 0 {
		if err := c.deleteRunTags(ctx, id, patch); err != nil {
			return nil, err
		}
	}
	if patch.Deleted != nil && *patch.Deleted {
		if err := c.deleteRun(ctx, id, true); err != nil {
			return nil, err
		}
	}
	return c.run(ctx, id)
}

// deleteRunTags deletes those that are there: of a run, MLflow refuses to delete another.
func (c *Client) deleteRunTags(ctx context.Context, id string, patch modelregistry.RunPatch) error {
	r, err := c.run(ctx, id)
	if err != nil {
		return err
	}
	for _, key := range patch.DeleteTags {
		if _, ok := r.Tags.Lookup(key); !ok {
			continue
		}
		err := c.call(ctx, &request{method: http.MethodPost, path: "runs/delete-tag", body: map[string]any{"run_id": id, "key": key}}, nil)
		if err != nil {
			return fmt.Errorf("tag %.80q: %w", key, err)
		}
	}
	return nil
}

// What one request of MLflow's API may hold.
const (
	mostMetrics = 1000
	mostParams  = 100
	mostDatums  = 1000
)

// LogRun adds to a run. More than 100 params or tags, 1000 metrics, inputs and outputs go by several requests, in the order
// tags, params, metrics, inputs, outputs; each is whole or not at all.
func (c *Client) LogRun(ctx context.Context, id string, entries modelregistry.RunEntries) error {
	return failed("LogRun", id, runText(id), c.logRun(ctx, id, entries))
}

func (c *Client) logRun(ctx context.Context, id string, e modelregistry.RunEntries) error {
	tags, params := tagList(e.Tags), tagList(e.Params)
	metrics := make([]remoteMetric, 0, len(e.Metrics))
	for _, p := range e.Metrics {
		if err := checkText(p.Key); err != nil {
			return err
		}
		if p.Time.IsZero() {
			p.Time = time.Now()
		}
		metrics = append(metrics, remoteMetric{Key: p.Key, Value: remoteFloat(p.Value), Time: remoteInt(p.Time.UnixMilli()), Step: remoteInt(p.Step),
			ModelID: p.ModelID, DatasetName: p.DatasetName, DatasetDigest: p.DatasetDigest})
	}
	for len(tags)+len(params)+len(metrics) > 0 {
		body := map[string]any{"run_id": id}
		body["tags"], tags = firstOf(tags, mostParams)
		body["params"], params = firstOf(params, mostParams)
		body["metrics"], metrics = firstOf(metrics, mostMetrics-2*mostParams)
		if err := c.call(ctx, &request{method: http.MethodPost, path: "runs/log-batch", body: body}, nil); err != nil {
			return err
		}
	}
	return c.logInOut(ctx, id, e)
}

// firstOf returns the first n of a list and the rest.
func firstOf[T any](list []T, n int) (first, rest []T) {
	n = min(n, len(list))
	return list[:n:n], list[n:]
}

func (c *Client) logInOut(ctx context.Context, id string, e modelregistry.RunEntries) error {
	var datasets []remoteDatasetInput
	var models []remoteModelInput
	for _, in := range e.Inputs {
		if in.Dataset != nil {
			datasets = append(datasets, remoteDatasetInput{Tags: tagList(in.Tags.Clone()), Dataset: remoteDataset(*in.Dataset)})
		} else {
			models = append(models, remoteModelInput{in.ModelID})
		}
	}
	for len(datasets)+len(models) > 0 {
		body := map[string]any{"run_id": id}
		body["datasets"], datasets = firstOf(datasets, mostDatums)
		body["models"], models = firstOf(models, mostDatums)
		if err := c.call(ctx, &request{method: http.MethodPost, path: "runs/log-inputs", body: body}, nil); err != nil {
			return fmt.Errorf("inputs: %w", err)
		}
	}
	var outputs []remoteOutput
	for _, out := range e.Outputs {
		outputs = append(outputs, remoteOutput{out.ModelID, remoteInt(out.Step)})
	}
	for len(outputs) > 0 {
		body := map[string]any{"run_id": id}
		body["models"], outputs = firstOf(outputs, mostDatums)
		if err := c.call(ctx, &request{method: http.MethodPost, path: "runs/outputs", body: body}, nil); err != nil {
			return fmt.Errorf("outputs: %w", err)
		}
	}
	return nil
}

// MetricHistory is a page of the points of a metric, in MLflow's order: of time, step and value.
func (c *Client) MetricHistory(ctx context.Context, id, metric string, q modelregistry.Query) (modelregistry.MetricPage, error) {
	page, err := c.metricHistory(ctx, id, metric, q)
	return page, failed("MetricHistory", id+"/"+metric, runText(id), err)
}

func (c *Client) metricHistory(ctx context.Context, id, metric string, q modelregistry.Query) (modelregistry.MetricPage, error) {
	if q.Filter != "" || len(q.OrderBy) > 0 {
		return modelregistry.MetricPage{}, fmt.Errorf("history of a metric: %w: it has no filter and no order but that of time", modelregistry.ErrInvalid)
	}
	size, token, seal, err := searchPage("metric "+id+" "+metric, q, largestHistory)
	if err != nil {
		return modelregistry.MetricPage{}, err
	}
	params := url.Values{"run_id": {id}, "metric_key": {metric}, "max_results": {strconv.Itoa(size)}}
	if token != "" {
		params.Set("page_token", token)
	}
	var answer struct {
		Metrics []remoteMetric `json:"metrics"`
		Next    string         `json:"next_page_token"`
	}
	if err := c.call(ctx, get("metrics/get-history", params), &answer); err != nil {
		return modelregistry.MetricPage{}, err
	}
	page := modelregistry.MetricPage{Next: seal(answer.Next)}
	for _, m := range answer.Metrics {
		page.Points = append(page.Points, m.point())
	}
	return page, nil
}

// SearchRuns searches by MLflow's own filters, in which experiment_id and lifecycle_stage may besides stand as conditions
// joined by AND. Without one about experiments it asks for them first, and searches all.
func (c *Client) SearchRuns(ctx context.Context, q modelregistry.Query) (modelregistry.RunPage, error) {
	page, err := c.searchRuns(ctx, q)
	return page, failed("SearchRuns", "", "", err)
}

func (c *Client) searchRuns(ctx context.Context, q modelregistry.Query) (modelregistry.RunPage, error) {
	filter, scope, err := translateScope(q.Filter)
	if err != nil {
		return modelregistry.RunPage{}, err
	}
	size, token, seal, err := searchPage("runs", q, largestPage)
	if err != nil {
		return modelregistry.RunPage{}, err
	}
	experiments, err := c.experimentsIn(ctx, scope)
	if err != nil {
		return modelregistry.RunPage{}, err
	}
	body := searchBody(q.OrderBy, size, token)
	body["experiment_ids"], body["filter"], body["run_view_type"] = experiments, filter, scope.view
	var answer struct {
		Runs []remoteRun `json:"runs"`
		Next string      `json:"next_page_token"`
	}
	if err := c.call(ctx, &request{method: http.MethodPost, path: "runs/search", body: body}, &answer); err != nil {
		return modelregistry.RunPage{}, err
	}
	page := modelregistry.RunPage{Next: seal(answer.Next)}
	for i := range answer.Runs {
		page.Runs = append(page.Runs, c.runOf(&answer.Runs[i]))
	}
	return page, nil
}

// Runs yields what SearchRuns finds, page by page.
func (c *Client) Runs(ctx context.Context, q modelregistry.Query) iter.Seq2[*modelregistry.Run, error] {
	return paged("Runs", q, func(q modelregistry.Query) ([]*modelregistry.Run, string, error) {
		page, err := c.searchRuns(ctx, q)
		return slices.Clip(page.Runs), page.Next, err
	})
}

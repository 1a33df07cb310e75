package mlflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry"
)

// MLflow's limits of one log-batch.
const (
	maxBatchMetrics = 1000
	maxBatchEntries = 1000
	maxBatchParams  = 100 // and tags
)

// maxParam is how many characters of a param are kept. MLflow cuts what is longer, and its autologging counts on that.
const maxParam = 6000

// maxRunName is how many characters a run's name has at most, and so the tag that says it too.
const maxRunName = 250

func (c *call) logMetric() (any, error) {
	id := c.runID()
	p := c.whole().point()
	if c.problem != nil {
		return nil, c.problem
	}
	return c.log(id, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{p}})
}

func (c *call) logParam() (any, error) {
	id, key, value := c.runID(), c.required("key"), c.text("value")
	if c.problem != nil {
		return nil, c.problem
	}
	return c.log(id, modelregistry.RunEntries{Params: map[string]string{key: cutParam(value)}})
}

func (c *call) logBatch() (any, error) {
	id := c.runID()
	metrics, params, tags := c.objects("metrics"), c.objects("params"), c.objects("tags")
	for _, batch := range []struct {
		what      string
		most, has int
	}{
		{"metrics", maxBatchMetrics, len(metrics)},
		{"params", maxBatchParams, len(params)},
		{"tags", maxBatchParams, len(tags)},
		{"metrics, params, and tags", maxBatchEntries, len(metrics) + len(params) + len(tags)},
	} {
		if batch.has > batch.most {
			c.mistake(invalid("A batch logging request can contain at most %d %s. Got %d %s. Please split up %s across multiple requests and try again.",
				batch.most, batch.what, batch.has, batch.what, batch.what))
		}
	}
	entries := modelregistry.RunEntries{Params: map[string]string{}, Tags: c.tags()}
	for _, m := range metrics {
		entries.Metrics = append(entries.Metrics, m.point())
	}
	var twice []string
	for _, p := range params {
		key := p.required("key")
		if _, ok := entries.Params[key]; ok {
			twice = append(twice, "'"+key+"'")
		}
		entries.Params[key] = cutParam(p.text("value"))
	}
	if len(twice) > 0 {
		c.mistake(invalid("Duplicate parameter keys have been submitted: [%s]. Please ensure the request contains only one param value per param key.",
			clip(strings.Join(twice, ", "))))
	}
	if c.problem != nil {
		return nil, c.problem
	}
	return c.log(id, entries)
}

func (c *call) logInputs() (any, error) {
	id := c.runID()
	var entries modelregistry.RunEntries
	for _, in := range c.objects("datasets") {
		d := in.object("dataset")
		entries.Inputs = append(entries.Inputs, modelregistry.RunInput{
			Tags: modelregistry.MapOf(in.tags()),
			Dataset: &modelregistry.DatasetInput{
				Name: d.required("name"), Digest: d.required("digest"), SourceType: d.text("source_type"), Source: d.text("source"),
				Schema: d.text("schema"), Profile: d.text("profile"),
			},
		})
	}
	for _, m := range c.objects("models") {
		entries.Inputs = append(entries.Inputs, modelregistry.RunInput{ModelID: m.required("model_id")})
	}
	if c.problem != nil {
		return nil, c.problem
	}
	return c.log(id, entries)
}

func (c *call) logOutputs() (any, error) {
	id := c.runID()
	if !c.has("models") {
		c.missing("models")
	}
	var entries modelregistry.RunEntries
	for _, m := range c.objects("models") {
		entries.Outputs = append(entries.Outputs, modelregistry.RunOutput{ModelID: m.required("model_id"), Step: m.integer("step", 0)})
	}
	if c.problem != nil {
		return nil, c.problem
	}
	return c.log(id, entries)
}

// log adds entries to a run.
func (c *call) log(id string, entries modelregistry.RunEntries) (any, error) {
	reg, err := c.authorizeRun(Update, id)
	if err != nil {
		return nil, err
	}
	var models []string
	for _, p := range entries.Metrics {
		if p.ModelID != "" {
			models = append(models, p.ModelID)
		}
	}
	slices.Sort(models)
	if err := c.authorizeModels(Update, slices.Compact(models)); err != nil {
		return nil, err
	}
	if err := c.mayReference("", referenced(entries)); err != nil {
		return nil, err
	}
	name, named := entries.Tags[tagRunName]
	if named && name == "" {
		delete(entries.Tags, tagRunName) // MLflow names no run so, and keeps tag and name alike
	}
	if name != "" && (strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > maxRunName) {
		return nil, invalid("Invalid run name '%s': it has to have from 1 to %d characters, not all blank.", clip(name), maxRunName)
	}
	if err := reg.LogRun(c.r.Context(), id, entries); err != nil {
		return nil, c.unlogged(reg, id, entries, err)
	}
	if name != "" {
		_, err := reg.UpdateRun(c.r.Context(), id, modelregistry.RunPatch{Name: &name, SetTags: map[string]string{tagRunName: name}})
		return nil, noRun(err, id)
	}
	return nil, nil
}

// referenced are the logged models that are said to be what a run read or made.
func referenced(entries modelregistry.RunEntries) []string {
	var ids []string
	for _, in := range entries.Inputs {
		if in.ModelID != "" {
			ids = append(ids, in.ModelID)
		}
	}
	for _, out := range entries.Outputs {
		ids = append(ids, out.ModelID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// unlogged is err of a LogRun, as MLflow says it.
func (c *call) unlogged(reg modelregistry.Registry, id string, entries modelregistry.RunEntries, err error) error {
	switch {
	case errors.Is(err, modelregistry.ErrConflict):
		return inactive("run", id)
	case errors.Is(err, modelregistry.ErrNotFound) || errors.Is(err, modelregistry.ErrInvalid) && len(entries.Params) > 0:
		run, readErr := reg.Run(c.r.Context(), id)
		if readErr != nil {
			return noRun(readErr, id)
		}
		return changedParams(run, entries.Params, err)
	}
	return err
}

// changedParams is otherwise, or if params have other values than a run's, MLflow's message for that.
func changedParams(run *modelregistry.Run, params map[string]string, otherwise error) error {
	var changed []string
	for key, old := range run.Params.All() {
		value, ok := params[key]
		switch {
		case !ok || value == old:
		case len(params) == 1:
			return invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s' for run ID='%s'. Attempted logging new value '%s'.",
				key, clip(old), run.ID, clip(value))
		default:
			changed = append(changed, fmt.Sprintf("{'key': '%s', 'old_value': '%s', 'new_value': '%s'}", key, clip(old), clip(value)))
		}
	}
	if len(changed) == 0 {
		return otherwise
	}
	return invalid("Changing param values is not allowed. Params were already logged='[%s]' for run ID='%s'.", strings.Join(changed, ", "), run.ID)
}

// point is the point of a metric that the object describes.
func (o object) point() modelregistry.MetricPoint {
	return modelregistry.MetricPoint{
		Key: o.required("key"), Value: o.needed("value").number("value"), Step: o.integer("step", 0), Time: o.needed("timestamp").instant("timestamp"),
		ModelID: o.text("model_id"), DatasetName: o.text("dataset_name"), DatasetDigest: o.text("dataset_digest"),
	}
}

// cutParam is what is kept of a param's value.
func cutParam(value string) string {
	if len(value) <= maxParam || utf8.RuneCountInString(value) <= maxParam {
		return value
	}
	return string([]rune(value)[:maxParam])
}

package mlflow

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// fields is an answer of a few fields.
type fields map[string]any

type tagJSON struct { // a tag or a param
	Key   string `json:"key"`
	Value string `json:"value"`
}

// tagsOf are the tags that clients see.
func tagsOf(m modelregistry.Map[string]) []tagJSON {
	return slices.DeleteFunc(paramsOf(m), func(t tagJSON) bool { return strings.HasPrefix(t.Key, ownTags) })
}

func paramsOf(m modelregistry.Map[string]) []tagJSON {
	out := make([]tagJSON, 0, m.Len())
	for key, value := range m.All() {
		out = append(out, tagJSON{key, value})
	}
	return out
}

// double is a number as protobuf's JSON has it.
type double float64

func (d double) MarshalJSON() ([]byte, error) {
	switch f := float64(d); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(f)
	}
}

type metricJSON struct {
	Key           string `json:"key"`
	Value         double `json:"value"`
	Timestamp     int64  `json:"timestamp"`
	Step          int64  `json:"step"`
	DatasetName   string `json:"dataset_name,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
	ModelID       string `json:"model_id,omitempty"`
	RunID         string `json:"run_id,omitempty"`
}

// pointOf is a point as runs have it: MLflow tells only logged models what it is about.
func pointOf(p modelregistry.MetricPoint) metricJSON {
	return metricJSON{Key: p.Key, Value: double(p.Value), Timestamp: p.Time.UnixMilli(), Step: p.Step}
}

type runJSON struct {
	Info    runInfoJSON    `json:"info"`
	Data    runDataJSON    `json:"data"`
	Inputs  runInputsJSON  `json:"inputs"`
	Outputs runOutputsJSON `json:"outputs"`
}

type runInfoJSON struct {
	UUID           string `json:"run_uuid"` // the same as run_id, for clients of long ago
	ExperimentID   string `json:"experiment_id"`
	Name           string `json:"run_name,omitempty"`
	User           string `json:"user_id"`
	Status         string `json:"status"`
	Started        int64  `json:"start_time"`
	Ended          int64  `json:"end_time,omitempty"`
	Artifacts      string `json:"artifact_uri"`
	LifecycleStage string `json:"lifecycle_stage"`
	ID             string `json:"run_id"`
}

type runDataJSON struct {
	Metrics []metricJSON `json:"metrics,omitempty"`
	Params  []tagJSON    `json:"params,omitempty"`
	Tags    []tagJSON    `json:"tags,omitempty"`
}

type runInputsJSON struct {
	Datasets []datasetInputJSON `json:"dataset_inputs,omitempty"`
	Models   []modelInputJSON   `json:"model_inputs,omitempty"`
}

type datasetInputJSON struct {
	Tags    []tagJSON   `json:"tags,omitempty"`
	Dataset datasetJSON `json:"dataset"`
}

type datasetJSON struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type,omitempty"`
	Source     string `json:"source,omitempty"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

type modelInputJSON struct {
	ModelID string `json:"model_id"`
}

type runOutputsJSON struct {
	Models []modelOutputJSON `json:"model_outputs,omitempty"`
}

type modelOutputJSON struct {
	ModelID string `json:"model_id"`
	Step    int64  `json:"step"`
}

func runOf(run *modelregistry.Run) runJSON {
	out := runJSON{Info: runInfoJSON{
		UUID: run.ID, ExperimentID: run.ExperimentID, Name: run.Name, User: run.User, Status: string(run.Status),
		Started: run.Started.UnixMilli(), Artifacts: artifactURI(run.Artifacts), LifecycleStage: lifecycle(run.Deleted), ID: run.ID,
	}}
	if !run.Ended.IsZero() {
		out.Info.Ended = run.Ended.UnixMilli()
	}
	for _, key := range slices.Sorted(maps.Keys(run.Metrics)) {
		p := run.Metrics[key]
		p.Key = key
		out.Data.Metrics = append(out.Data.Metrics, pointOf(p))
	}
	out.Data.Params, out.Data.Tags = paramsOf(run.Params), tagsOf(described(run))
	for _, in := range run.Inputs {
		if d := in.Dataset; d != nil {
			out.Inputs.Datasets = append(out.Inputs.Datasets, datasetInputJSON{tagsOf(in.Tags),
				datasetJSON{d.Name, d.Digest, d.SourceType, d.Source, d.Schema, d.Profile}})
		} else {
			out.Inputs.Models = append(out.Inputs.Models, modelInputJSON{in.ModelID})
		}
	}
	for _, o := range run.Outputs {
		out.Outputs.Models = append(out.Outputs.Models, modelOutputJSON(o))
	}
	return out
}

// described are the tags of a run, with those that say what its fields do: runs that did not come from MLflow lack them.
func described(run *modelregistry.Run) modelregistry.Map[string] {
	_, named := run.Tags.Lookup(tagRunName)
	_, owned := run.Tags.Lookup(tagUser)
	if (named || run.Name == "") && (owned || run.User == "") {
		return run.Tags
	}
	tags := run.Tags.Clone()
	if !named && run.Name != "" {
		tags[tagRunName] = run.Name
	}
	if !owned && run.User != "" {
		tags[tagUser] = run.User
	}
	return modelregistry.MapOf(tags)
}

package modelregistry

import (
	"context"
	"iter"
	"time"
)

// RunStore is the part of a Registry about experiments and the runs in them: what was tried, with which params, and how
// well it did. A run's params and metric points are only ever added to, so it is its own history: it has no events.
type RunStore interface {
	// CreateExperiment makes an experiment. ErrExists: the name is taken, if only by one that is deleted.
	CreateExperiment(ctx context.Context, name string, spec ExperimentSpec) (*Experiment, error)
	// Experiment is the experiment of that ID, deleted or not.
	Experiment(ctx context.Context, id string) (*Experiment, error)
	ExperimentByName(ctx context.Context, name string) (*Experiment, error)
	// UpdateExperiment changes an experiment. With more than 200 runs its deletion, or restoration, is several steps, with
	// the experiment deleted from the first or to the last: the same call goes on with what was broken off.
	UpdateExperiment(ctx context.Context, id string, patch ExperimentPatch) (*Experiment, error)
	SearchExperiments(ctx context.Context, q Query) (ExperimentPage, error)

	// StartRun begins a run. An experiment that is named and not there is created. ErrConflict: the experiment is
	// deleted.
	StartRun(ctx context.Context, spec RunSpec) (*Run, error)
	// Run is the run of that ID, deleted or not.
	Run(ctx context.Context, id string) (*Run, error)
	// UpdateRun changes what describes a run; its end too. ErrConflict: it is deleted, and is not being restored; or it
	// is, and its experiment is deleted.
	UpdateRun(ctx context.Context, id string, patch RunPatch) (*Run, error)
	// LogRun adds to a run: all of entries, or nothing; at most 10,000. What it writes is in proportion to that, however
	// much the run has; and a run has at most 100,000 tags, params, metrics, inputs and outputs, of 64 MiB. ErrInvalid: a
	// param has another value already. ErrConflict: the run is deleted. An input that is there stays as it was first
	// logged. A data set among the inputs is in the lineage then: the run was trained-on it.
	LogRun(ctx context.Context, id string, entries RunEntries) error
	// MetricHistory is a page of the points of one metric of a run, by time, step and value. Filter and OrderBy have
	// to be empty.
	MetricHistory(ctx context.Context, id, metric string, q Query) (MetricPage, error)
	SearchRuns(ctx context.Context, q Query) (RunPage, error)
	Runs(ctx context.Context, q Query) iter.Seq2[*Run, error]
}

// A RunStatus says how far a run has come.
type RunStatus string

// The statuses.
const (
	RunRunning   RunStatus = "RUNNING"
	RunScheduled RunStatus = "SCHEDULED"
	RunFinished  RunStatus = "FINISHED"
	RunFailed    RunStatus = "FAILED"
	RunKilled    RunStatus = "KILLED"
)

// A Run is one execution of training code. It is a snapshot; changing it changes nothing in the registry.
type Run struct {
	ID           string    `json:"id"` // 32 hexadecimal digits
	ExperimentID string    `json:"experiment_id"`
	Name         string    `json:"name,omitempty"`
	Status       RunStatus `json:"status"`
	User         string    `json:"user,omitempty"`
	Started      time.Time `json:"started"`
	Ended        time.Time `json:"ended,omitzero"`
	Deleted      bool      `json:"deleted,omitempty"` // and can be restored
	// DeletedAt is when it was deleted; restoring an experiment restores the runs that were deleted with it.
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	// Artifacts is the path of its files among the registry's artifacts (see ArtifactStore), or a URL elsewhere.
	Artifacts string                 `json:"artifacts"`
	Tags      Map[string]            `json:"tags,omitzero"`
	Params    Map[string]            `json:"params,omitzero"`
	Metrics   map[string]MetricPoint `json:"metrics,omitempty"` // the newest point of each: of the highest step, then time, then value
	Inputs    []RunInput             `json:"inputs,omitempty"`
	Outputs   []RunOutput            `json:"outputs,omitempty"`
}

// URI is the runs:/ URI of what the run left under a path; "" is all of it.
func (r *Run) URI(path string) string {
	if path == "" {
		return "runs:/" + r.ID
	}
	return "runs:/" + r.ID + "/" + path
}

// ArtifactPath is the path among the registry's artifacts of what the run keeps under a path of its own; "" is all of it.
func (r *Run) ArtifactPath(path string) string {
	if path == "" {
		return r.Artifacts
	}
	return r.Artifacts + "/" + path
}

// RunSpec describes a run to start. The zero value is enough.
type RunSpec struct {
	ID           string    // "": one of its own; else 32 hexadecimal digits, as of a run that is imported. ErrExists: it is taken
	Experiment   string    // its name; created if it is not there
	ExperimentID string    // or its ID; with neither, DefaultExperiment
	Name         string    // "": a random one
	User         string    // "": the actor
	Status       RunStatus // "": RunRunning
	Started      time.Time // zero: now
	Tags         map[string]string
	Params       map[string]string
}

// RunPatch changes a run. Nil fields and absent tags are left as they are.
type RunPatch struct {
	Name       *string
	Status     *RunStatus // any but RunRunning and RunScheduled ends it
	Ended      *time.Time // nil: now, if Status ends a run that had not ended
	Deleted    *bool
	SetTags    map[string]string
	DeleteTags []string // that one is not there is no error
}

// RunEntries are what LogRun adds.
type RunEntries struct {
	Metrics []MetricPoint
	Params  map[string]string
	Tags    map[string]string
	Inputs  []RunInput
	Outputs []RunOutput
}

// A MetricPoint is one value of a metric. A point that is there already is not added again.
type MetricPoint struct {
	Key   string
	Value float64 // may be infinite or NaN
	Step  int64
	Time  time.Time // zero: now
	// ModelID is the logged model that it is about, and DatasetName and DatasetDigest the data that it was measured on; may be empty.
	ModelID       string
	DatasetName   string
	DatasetDigest string
}

// A MetricPage is one page of a metric's history.
type MetricPage struct {
	Points []MetricPoint
	Next   string // the PageToken of the next page; "" if this is the last
}

// A RunInput is a data set or a logged model that a run read.
type RunInput struct {
	Tags    Map[string]   `json:"tags,omitzero"` // such as mlflow.data.context: training
	Dataset *DatasetInput `json:"dataset,omitempty"`
	ModelID string        `json:"model_id,omitempty"` // or a logged model
}

// A DatasetInput describes data, in MLflow's terms. Name and Digest say which.
type DatasetInput struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type,omitempty"`
	Source     string `json:"source,omitempty"` // never opened
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

// A RunOutput is a logged model that a run made.
type RunOutput struct {
	ModelID string `json:"model_id"`
	Step    int64  `json:"step,omitempty"`
}

// A RunPage is one page of a search for runs.
type RunPage struct {
	Runs []*Run
	Next string // the PageToken of the next page; "" if this is the last
}

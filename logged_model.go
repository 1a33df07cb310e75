package modelregistry

import (
	"context"
	"time"
)

// LoggedModelStore is the part of a Registry about models that runs have left but nobody has registered yet: MLflow 3
// logs a model under an ID of its own, and registers it from there.
type LoggedModelStore interface {
	// CreateLoggedModel begins a model, which is LoggedModelPending. ErrConflict: the experiment is deleted.
	CreateLoggedModel(ctx context.Context, spec LoggedModelSpec) (*LoggedModel, error)
	// LoggedModel is the model of that ID; ErrNotFound also if it was deleted.
	LoggedModel(ctx context.Context, id string) (*LoggedModel, error)
	// UpdateLoggedModel changes a model. ErrNotFound: there is none, or it is deleted and is not being restored.
	UpdateLoggedModel(ctx context.Context, id string, patch LoggedModelPatch) (*LoggedModel, error)
	// SearchLoggedModels is a page of those that q selects; see Query.
	SearchLoggedModels(ctx context.Context, q Query) (LoggedModelPage, error)
}

// A LoggedModelStatus says whether all of a logged model is there.
type LoggedModelStatus string

// The statuses.
const (
	LoggedModelPending LoggedModelStatus = "PENDING"
	LoggedModelReady   LoggedModelStatus = "READY"
	LoggedModelFailed  LoggedModelStatus = "UPLOAD_FAILED"
)

// A LoggedModel is a model that a run left. It is a snapshot; changing it changes nothing in the registry.
type LoggedModel struct {
	ID            string            `json:"id"` // "m-" and 32 hexadecimal digits
	ExperimentID  string            `json:"experiment_id"`
	RunID         string            `json:"run_id,omitempty"`
	Name          string            `json:"name"`
	Type          string            `json:"type,omitempty"` // such as Agent
	Status        LoggedModelStatus `json:"status"`
	StatusMessage string            `json:"status_message,omitempty"`
	Artifacts     string            `json:"artifacts"` // where its files are; see Run
	Tags          Map[string]       `json:"tags,omitzero"`
	Params        Map[string]       `json:"params,omitzero"`
	// Metrics are all points about it, in order of key, data set, time and step; of more than 10,000 the newest.
	Metrics []LoggedMetric `json:"metrics,omitempty"`
	Created time.Time      `json:"created"`
	Updated time.Time      `json:"updated"`
	Deleted bool           `json:"deleted,omitempty"` // and can be restored
}

// A LoggedMetric is a point about a logged model, and the run that logged it.
type LoggedMetric struct {
	MetricPoint
	RunID string
}

// LoggedModelSpec describes a model that is being logged.
type LoggedModelSpec struct {
	ExperimentID string // "": that of the run, or DefaultExperiment
	RunID        string // the run that made it; it has to be there if ExperimentID is ""
	Name         string // "": a random one; without / : . % " and '
	Type         string
	Tags         map[string]string
	Params       map[string]string
}

// LoggedModelPatch changes a logged model. Nil fields and absent names are left as they are.
type LoggedModelPatch struct {
	Status        *LoggedModelStatus
	StatusMessage *string
	Deleted       *bool // false restores it
	SetTags       map[string]string
	DeleteTags    []string          // that one is not there is no error
	Params        map[string]string // to be added; ErrInvalid: one has another value already
	// IfTags are tags as they have to be for anything to be changed, "" for one that is empty or not there. ErrConflict: one
	// is otherwise.
	IfTags map[string]string
}

// A LoggedModelPage is one page of a search for logged models.
type LoggedModelPage struct {
	Models []*LoggedModel
	Next   string // the PageToken of the next page; "" if this is the last
}

package modelregistry

import "time"

// An Experiment groups runs. It is a snapshot; changing it changes nothing in the registry.
type Experiment struct {
	ID   string `json:"id"` // a decimal number; DefaultExperiment is always there
	Name string `json:"name"`
	// Artifacts is below which path of the registry's artifacts (see ArtifactStore) new runs keep theirs, or a URL
	// elsewhere, which the registry never opens.
	Artifacts string      `json:"artifacts"`
	Tags      Map[string] `json:"tags,omitzero"`
	Deleted   bool        `json:"deleted,omitempty"` // and can be restored; its name stays taken
	CreatedBy string      `json:"created_by,omitempty"`
	Created   time.Time   `json:"created"`
	Updated   time.Time   `json:"updated"`
}

// DefaultExperiment is the ID of the experiment of runs that name none; its name is "Default".
const DefaultExperiment = "0"

// ExperimentSpec describes an experiment to create. The zero value is enough.
type ExperimentSpec struct {
	Artifacts string // see Experiment; "" is a path of its own
	Tags      map[string]string
}

// ExperimentPatch changes an experiment. Nil fields and absent tags are left as they are.
type ExperimentPatch struct {
	Name       *string
	Deleted    *bool // also of its runs; a run that was deleted before stays so when they are restored
	SetTags    map[string]string
	DeleteTags []string // that one is not there is no error
}

// An ExperimentPage is one page of a search for experiments.
type ExperimentPage struct {
	Experiments []*Experiment
	Next        string // the PageToken of the next page; "" if this is the last
}

package modelregistry

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Model is a registered model: a name under which versions are numbered. It is a snapshot; changing it changes
// nothing in the registry.
type Model struct {
	Name string `json:"name"`
	// ID stays when the model is renamed, and tells apart a model that was deleted from one made anew under its name.
	ID          string          `json:"id"`
	Description string          `json:"description,omitempty"`
	Tags        Map[string]     `json:"tags,omitzero"`
	Aliases     map[string]int  `json:"aliases,omitempty"` // alias to version number
	Holders     map[Stage][]int `json:"holders,omitempty"` // who is in Staging and Production, ascending
	Last        int             `json:"last,omitempty"`    // the highest number ever given; 0 if there never was a version
	Semver      Semver          `json:"semver,omitzero"`   // the highest semantic version ever given
	// Protected says that the model can be neither deleted nor renamed, and ProtectedAliases which of its aliases, once they
	// name a version, can be neither moved nor deleted, by force neither; nor can the model or its name then. See ModelPatch.
	Protected        bool `json:"protected,omitempty"`
	ProtectedAliases Set  `json:"protected_aliases,omitzero"`
	// Requires are the gates without which no version comes into a stage or under an alias, in order.
	Requires  []Requirement `json:"requires,omitempty"`
	CreatedBy string        `json:"created_by,omitempty"`
	Created   time.Time     `json:"created"`
	// Updated is when the model was described or renamed, or a version registered, moved or deleted. As in MLflow, tags and
	// aliases do not count, nor what is said of a version; History has all.
	Updated time.Time `json:"updated"`
}

// Holder is the number of the version that models:/name/<stage> names, for Staging and Production: the highest that
// holds it, or 0. With new it is the expectation of a compare-and-swap: IfCurrent: new(m.Holder(Production)).
func (m *Model) Holder(stage Stage) int {
	if holders := m.Holders[stage]; len(holders) > 0 {
		return holders[len(holders)-1]
	}
	return 0
}

// ModelSpec describes a model to create. The zero value is enough.
type ModelSpec struct {
	Description string
	Tags        map[string]string
	Reason      string // kept in the event
}

// ModelPatch changes a model. Nil fields and absent tags are left as they are.
type ModelPatch struct {
	Description *string
	SetTags     map[string]string
	DeleteTags  []string // that one is not there is no error
	// Protect makes the model Protected, or no longer; ProtectAliases and UnprotectAliases do so with aliases, which need
	// not be there yet. To take protection away takes a Reason.
	Protect          *bool
	ProtectAliases   []string
	UnprotectAliases []string
	// Require adds to what the model Requires, and Unrequire takes away from it, which takes a Reason, too.
	Require   []Requirement
	Unrequire []Requirement
	Reason    string // kept in the event
}

// modelRow is a model with what only the registry needs to know of it.
type modelRow struct {
	Model
	Chain   chain            `json:"chain"`
	Pending []pendingRequest `json:"pending,omitempty"` // requests for approval
	Served  []int            `json:"served,omitempty"`  // the versions that are served at endpoints, ascending
}

// chain is the end of a chain of events.
type chain struct {
	Seq  int64     `json:"seq"`            // events so far
	Head string    `json:"head,omitempty"` // hash of the last one
	Time time.Time `json:"time"`           // of the last one
	Name string    `json:"name,omitempty"` // of a deleted model, the name it had last
}

func decodeModelRow(row backend.Row) (*modelRow, error) {
	var m modelRow
	if err := json.Unmarshal(row.Doc, &m); err != nil {
		return nil, fmt.Errorf("row of model %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return &m, nil
}

// decodeModel reads a model from its row.
func decodeModel(row backend.Row) (*Model, error) {
	m, err := decodeModelRow(row)
	if err != nil {
		return nil, err
	}
	return &m.Model, nil
}

func modelKey(name string) backend.Value { return backend.StringValue(name) }

func (m *modelRow) row() (backend.Row, error) {
	doc, err := json.Marshal(m)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode model: %w", err)
	}
	if err := checkBytes(fmt.Sprintf("model %q with its tags, aliases and holders", m.Name), len(doc), maxRow); err != nil {
		return backend.Row{}, err
	}
	return backend.Row{
		Key: backend.Key{modelKey(m.Name)},
		Fields: map[string]any{
			"id":      backend.StringValue(m.ID),
			"created": backend.TimeValue(m.Created),
			"updated": backend.TimeValue(m.Updated),
			"tags":    stringField(m.Tags),
		},
		Doc: doc,
	}, nil
}

func stringField(m Map[string]) map[string]backend.Value {
	out := make(map[string]backend.Value, m.Len())
	for name, value := range m.All() {
		out[name] = backend.StringValue(value)
	}
	return out
}

package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// The names of MLflow's payloads: its entity, a dot, its action.
const (
	RegisteredModelCreated   = "registered_model.created"
	ModelVersionCreated      = "model_version.created"
	ModelVersionTagSet       = "model_version_tag.set"
	ModelVersionTagDeleted   = "model_version_tag.deleted"
	ModelVersionAliasCreated = "model_version_alias.created"
	ModelVersionAliasDeleted = "model_version_alias.deleted"
)

// The names of payloads about what MLflow tells nobody of.
const (
	RegisteredModelUpdated    = "registered_model.updated"
	RegisteredModelRenamed    = "registered_model.renamed"
	RegisteredModelDeleted    = "registered_model.deleted"
	RegisteredModelTagSet     = "registered_model_tag.set"
	RegisteredModelTagDeleted = "registered_model_tag.deleted"
	ModelVersionUpdated       = "model_version.updated"
	ModelVersionStageChanged  = "model_version.stage_changed"
	ModelVersionDeleted       = "model_version.deleted"
)

// The data of payloads, with the members in MLflow's order.
type (
	modelCreated struct {
		Name        string            `json:"name"`
		Tags        map[string]string `json:"tags"`
		Description string            `json:"description"`
	}
	versionCreated struct {
		Name        string            `json:"name"`
		Version     string            `json:"version"`
		Source      string            `json:"source"`
		RunID       *string           `json:"run_id"`
		Tags        map[string]string `json:"tags"`
		Description *string           `json:"description"`
	}
	tagged struct {
		Name    string  `json:"name"`
		Version string  `json:"version,omitempty"`
		Key     string  `json:"key"`
		Value   *string `json:"value,omitempty"` // nil if it was deleted
	}
	aliased struct {
		Name    string `json:"name"`
		Alias   string `json:"alias"`
		Version string `json:"version,omitempty"` // "" if it was deleted
	}
	// changed is the data of payloads of our own.
	changed struct {
		Name        string  `json:"name"`
		NewName     string  `json:"new_name,omitempty"`
		Version     string  `json:"version,omitempty"`
		Description *string `json:"description,omitempty"`
		FromStage   string  `json:"from_stage,omitempty"`
		ToStage     string  `json:"to_stage,omitempty"`
		User        string  `json:"user_id,omitempty"`
		Reason      string  `json:"reason,omitempty"`
	}
)

// MLflow makes the payloads that MLflow sends of an event, and in the same form those that it forgets: of stages, renames,
// deletions, descriptions and models' tags. An event that set three tags makes three. Lineage makes none.
//
// What a version was registered with is not in its event; it is read from reg, as of then.
func MLflow(ctx context.Context, reg modelregistry.Registry, e *modelregistry.Event) ([]Payload, error) {
	v := &modelregistry.Version{}
	if e.Kind == modelregistry.VersionRegistered {
		uri := modelregistry.URI{Model: e.Model, Number: e.Version}
		var err error
		// It is not found if it was gone before the clock went on. Then what it was is nobody's concern any more.
		if v, err = reg.At(e.Time).Resolve(ctx, uri.String()); errors.Is(err, modelregistry.ErrNotFound) {
			v = &modelregistry.Version{}
		} else if err != nil {
			return nil, fmt.Errorf("what was registered: %w", err)
		}
	}
	return mlflowPayloads(e, v), nil
}

// mlflowPayloads is MLflow. v is the version that e registered, if it did.
func mlflowPayloads(e *modelregistry.Event, v *modelregistry.Version) []Payload {
	m := mlflow{event: e}
	version := ""
	if e.Version != 0 {
		version = strconv.Itoa(e.Version)
	}
	own := changed{Name: e.Model, Version: version, User: e.Actor, Reason: e.Reason}
	switch e.Kind {
	case modelregistry.ModelCreated:
		m.add(RegisteredModelCreated, modelCreated{Name: e.Model, Tags: tags(e.After), Description: text(e.After, "description")})
	case modelregistry.VersionRegistered:
		m.add(ModelVersionCreated, versionCreated{
			Name: e.Model, Version: version, Source: v.Source, RunID: orNull(v.RunID), Tags: v.Tags.Clone(), Description: orNull(v.Description),
		})
	case modelregistry.ModelUpdated:
		m.updated(RegisteredModelUpdated, RegisteredModelTagSet, RegisteredModelTagDeleted, own)
	case modelregistry.VersionUpdated:
		m.updated(ModelVersionUpdated, ModelVersionTagSet, ModelVersionTagDeleted, own)
	case modelregistry.ModelRenamed:
		own.Name, own.NewName = text(e.Before, "name"), e.Model
		m.add(RegisteredModelRenamed, own)
	case modelregistry.ModelDeleted:
		m.add(RegisteredModelDeleted, own)
	case modelregistry.VersionDeleted:
		m.add(ModelVersionDeleted, own)
	case modelregistry.StageChanged, modelregistry.StageRolledBack:
		if from, to, ok := e.StageChange(); ok {
			own.FromStage, own.ToStage = string(from), string(to)
			m.add(ModelVersionStageChanged, own)
		}
	case modelregistry.AliasSet:
		m.add(ModelVersionAliasCreated, aliased{Name: e.Model, Alias: e.Alias, Version: version})
	case modelregistry.AliasDeleted:
		m.add(ModelVersionAliasDeleted, aliased{Name: e.Model, Alias: e.Alias})
	}
	return m.payloads
}

// mlflow collects the payloads of an event.
type mlflow struct {
	event    *modelregistry.Event
	payloads []Payload
}

func (m *mlflow) add(name string, data any) {
	entity, action, _ := strings.Cut(name, ".")
	body, err := json.Marshal(struct {
		Entity    string `json:"entity"`
		Action    string `json:"action"`
		Timestamp string `json:"timestamp"`
		Data      any    `json:"data"`
	}{entity, action, m.event.Time.UTC().Format(isoFormat), data})
	if err != nil {
		return // of strings only, which cannot fail
	}
	m.payloads = append(m.payloads, Payload{Name: name, Body: body})
}

// isoFormat is how Python writes a time in UTC.
const isoFormat = "2006-01-02T15:04:05.000000-07:00"

// updated adds the payloads of an event that may be about a description, tags, or both.
func (m *mlflow) updated(update, set, deleted string, own changed) {
	before, after := text(m.event.Before, "description"), text(m.event.After, "description")
	if before != after {
		own.Description = &after
		m.add(update, own)
	}
	had, has := tags(m.event.Before), tags(m.event.After)
	for _, key := range slices.Sorted(maps.Keys(has)) {
		if value := has[key]; !hasValue(had, key, value) {
			m.add(set, tagged{Name: own.Name, Version: own.Version, Key: key, Value: &value})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(had)) {
		if _, kept := has[key]; !kept {
			m.add(deleted, tagged{Name: own.Name, Version: own.Version, Key: key})
		}
	}
}

func hasValue(tags map[string]string, key, value string) bool {
	v, ok := tags[key]
	return ok && v == value
}

// text reads a field of an event; "" if it is not there.
func text(fields map[string]json.RawMessage, name string) (s string) {
	_ = json.Unmarshal(fields[name], &s) // the registry wrote it: it is text, or not there
	return s
}

func tags(fields map[string]json.RawMessage) map[string]string {
	out := map[string]string{}
	_ = json.Unmarshal(fields["tags"], &out) // as for text
	return out
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

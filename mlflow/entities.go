package mlflow

import (
	"maps"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

// The fields of modelJSON and versionJSON are in protobuf's order, which is MLflow's.

type modelJSON struct {
	Name        string        `json:"name"`
	Created     int64         `json:"creation_timestamp"` // milliseconds since 1970, as all times are
	Updated     int64         `json:"last_updated_timestamp"`
	Description string        `json:"description,omitempty"`
	Latest      []versionJSON `json:"latest_versions,omitempty"`
	Tags        []tagJSON     `json:"tags,omitempty"`
	Aliases     []aliasJSON   `json:"aliases,omitempty"`
}

type aliasJSON struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

type versionJSON struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Created     int64     `json:"creation_timestamp"`
	Updated     int64     `json:"last_updated_timestamp"`
	Stage       string    `json:"current_stage"`
	Description string    `json:"description"`
	Source      string    `json:"source"`
	RunID       string    `json:"run_id"`
	Status      string    `json:"status"` // always READY: clients poll for minutes if it is anything else
	Tags        []tagJSON `json:"tags,omitempty"`
	RunLink     string    `json:"run_link"`
	Aliases     []string  `json:"aliases,omitempty"`
}

type modelAnswer struct {
	Model modelJSON `json:"registered_model"`
}

type versionAnswer struct {
	Version versionJSON `json:"model_version"`
}

type modelsAnswer struct {
	Models []modelJSON `json:"registered_models,omitempty"`
	Next   string      `json:"next_page_token,omitempty"`
}

type versionsAnswer struct {
	Versions []versionJSON `json:"model_versions,omitempty"`
	Next     string        `json:"next_page_token,omitempty"`
}

// What MLflow keeps of a version and the registry has no field for is in tags that clients neither see nor set. So are the
// marks of an import, which it believes.
const (
	ownTags         = "modelregistry."
	tagRunLink      = ownTags + "mlflow.run_link"
	tagModelID      = ownTags + "mlflow.model_id"
	tagStorage      = ownTags + "mlflow.storage_location" // where the files are, if that is not where source says
	tagPrompt       = "mlflow.prompt.is_prompt"           // of models and versions that are prompts, MLflow's other use of them
	promptTagValue  = "true"
	maxTagValue     = 100_000
	maxTagKey       = 250
	maxAlias        = 255
	maxModelResults = 1000
	maxVersionsPage = 200_000
)

func isPrompt(tags modelregistry.Map[string]) bool { return tags.Get(tagPrompt) == promptTagValue }

func modelOf(m *modelregistry.Model, latest []*modelregistry.Version) modelJSON {
	out := modelJSON{
		Name: m.Name, Created: m.Created.UnixMilli(), Updated: m.Updated.UnixMilli(), Description: m.Description,
		Latest: each(latest, versionOf), Tags: tagsOf(m.Tags),
	}
	for _, alias := range slices.Sorted(maps.Keys(m.Aliases)) {
		out.Aliases = append(out.Aliases, aliasJSON{alias, strconv.Itoa(m.Aliases[alias])})
	}
	return out
}

func versionOf(v *modelregistry.Version) versionJSON {
	return versionJSON{
		Name: v.Model, Version: strconv.Itoa(v.Number), Created: v.Created.UnixMilli(), Updated: v.Updated.UnixMilli(),
		Stage: string(v.Stage), Description: v.Description, Source: v.Source, RunID: v.RunID, Status: "READY",
		Tags:    tagsOf(v.Tags),
		RunLink: v.Tags.Get(tagRunLink), Aliases: slices.Collect(v.Aliases.All()),
	}
}

// downloadURI is where clients find a version's files.
func downloadURI(v *modelregistry.Version) string {
	if v.Digest != "" {
		return artifactURI(versionArtifactPath(v))
	}
	if location, ok := v.Tags.Lookup(tagStorage); ok {
		return location
	}
	return v.Source
}

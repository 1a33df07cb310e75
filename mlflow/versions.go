package mlflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry"
)

func versionRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "model-versions/create", about: "register a version", handle: (*call).createVersion},
		{method: http.MethodGet, path: "model-versions/get", about: "a version", handle: (*call).getVersion},
		{method: http.MethodPatch, path: "model-versions/update", about: "change a version's description", handle: (*call).updateVersion},
		{method: http.MethodPost, path: "model-versions/transition-stage", about: "move a version to a stage", handle: (*call).transitionStage},
		{method: http.MethodDelete, path: "model-versions/delete", about: "delete a version", handle: (*call).deleteVersion},
		{method: http.MethodGet, path: "model-versions/search", about: "search versions", handle: (*call).searchVersions},
		{method: http.MethodGet, path: "model-versions/get-download-uri", about: "where a version's files are", handle: (*call).getDownloadURI},
		{method: http.MethodPost, path: "model-versions/set-tag", about: "set a tag of a version", handle: (*call).setVersionTag},
		{method: http.MethodDelete, path: "model-versions/delete-tag", about: "delete a tag of a version", handle: (*call).deleteVersionTag},
	}
}

func (c *call) createVersion() (any, error) {
	name, source, tags := c.required("name"), c.required("source"), c.pairs("tags")
	runID, modelID, runLink := c.text("run_id"), c.text("model_id"), c.text("run_link")
	spec := modelregistry.VersionSpec{Description: c.text("description"), Tags: tags, ExistingModel: true}
	if err := c.wrong(checkModelName(name), checkTags(tags)); err != nil {
		return nil, err
	}
	reg, err := c.authorizeVersion(Create, name, 0)
	if err != nil {
		return nil, err
	}
	if err := c.mayReference(runID, nil); err != nil {
		return nil, err
	}
	src := &versionSource{text: source, runID: runID}
	if strings.EqualFold(tags[tagPrompt], promptTagValue) {
		if source != "dummy-source" && source != "prompt-template" {
			return nil, invalid("Invalid prompt source: '%s'. Prompt sources must use an MLflow placeholder.", clip(source))
		}
	} else if src, err = c.versionSource(source, runID, modelID); err != nil {
		return nil, err
	}
	if err := c.mayReadBelow(reg, src.artifacts); err != nil {
		return nil, err
	}
	spec.Source, spec.RunID, spec.ForeignRun = src.text, src.runID, true // MLflow asks of no run
	for key, value := range map[string]string{tagRunLink: runLink, tagModelID: src.modelID, tagStorage: src.storage} {
		if value != "" {
			spec.Tags[key] = value
		}
	}
	v, err := c.register(reg, name, spec, src)
	if err != nil {
		return nil, noModel(err, name)
	}
	if src.modelID != "" && src.copyOf == nil {
		if err := c.tellLoggedModel(reg, src.modelID, v); err != nil { // the version is there, and a retry would make another
			c.s.opts.Logger.WarnContext(c.r.Context(), "note a version on its logged model", "model_id", src.modelID, "error", err)
		}
	}
	return versionAnswer{versionOf(v)}, nil
}

// register makes a version with the files that its source names among the registry's artifacts, if there are any.
func (c *call) register(reg modelregistry.Registry, name string, spec modelregistry.VersionSpec, src *versionSource) (*modelregistry.Version, error) {
	if original := src.copyOf; original != nil {
		// MLflow has no params and metrics of versions that a client could have copied.
		spec.CopyOf, spec.Params, spec.Metrics = original.URI(), original.Params.Clone(), original.Metrics.Clone()
		return reg.Register(c.r.Context(), name, spec)
	}
	spec.Artifacts = src.artifacts
	v, err := reg.Register(c.r.Context(), name, spec)
	if spec.Artifacts != "" && errors.Is(err, modelregistry.ErrNotFound) { // no files there, or no model
		spec.Artifacts = ""
		v, err = reg.Register(c.r.Context(), name, spec)
	}
	return v, err
}

// tagModelVersions is where MLflow keeps which versions were made of a logged model: a JSON list.
const tagModelVersions = "mlflow.modelVersions"

// tellLoggedModel notes a version on the logged model that it was made of, in a tag.
func (c *call) tellLoggedModel(reg modelregistry.Registry, id string, v *modelregistry.Version) error {
	for { // each time around another version was noted meanwhile
		m, err := reg.LoggedModel(c.r.Context(), id)
		if err != nil {
			return notMissing(err)
		}
		old := m.Tags.Get(tagModelVersions)
		text, err := withVersion(old, v)
		if err != nil || text == "" {
			return err
		}
		_, err = reg.UpdateLoggedModel(c.r.Context(), id, modelregistry.LoggedModelPatch{
			SetTags: map[string]string{tagModelVersions: text}, IfTags: map[string]string{tagModelVersions: old},
		})
		if !errors.Is(err, modelregistry.ErrConflict) {
			return notMissing(err)
		}
	}
}

// withVersion adds a version to the text of tagModelVersions, in which the newest have room; "" if it is the caller's own.
func withVersion(text string, v *modelregistry.Version) (string, error) {
	var made []json.RawMessage
	if text != "" && json.Unmarshal([]byte(text), &made) != nil {
		return "", nil
	}
	name, err := json.Marshal(v.Model)
	if err != nil {
		return "", err
	}
	made = append(made, json.RawMessage(fmt.Sprintf(`{"name": %s, "version": %d}`, name, v.Number)))
	for ; ; made = made[1:] {
		text := "[" + strings.Join(each(made, func(m json.RawMessage) string { return string(m) }), ", ") + "]"
		if utf8.RuneCountInString(text) <= maxHistory {
			return text, nil
		}
	}
}

// versionParameters are the name of a model and the number of a version of it, which is 0 if there is no such.
func (c *call) versionParameters(checks ...error) (name string, number int, err error) {
	name, version := c.required("name"), c.required("version")
	number, bad := parseVersion(version)
	return name, number, c.wrong(append([]error{checkModelName(name), bad}, checks...)...)
}

// toVersion is the registry, for doing action with a version.
func (c *call) toVersion(action Action, name string, number int) (modelregistry.Registry, error) {
	reg, err := c.authorizeVersion(action, name, number)
	if err == nil && number == 0 {
		err = noVersion(modelregistry.ErrNotFound, name, number)
	}
	return reg, err
}

func (c *call) getVersion() (any, error) {
	name, number, err := c.versionParameters()
	if err != nil {
		return nil, err
	}
	reg, err := c.toVersion(Read, name, number)
	if err != nil {
		return nil, err
	}
	v, err := reg.Version(c.r.Context(), name, number)
	if err != nil {
		return nil, noVersion(err, name, number)
	}
	return versionAnswer{versionOf(v)}, nil
}

func (c *call) patchVersion(name string, number int, patch modelregistry.VersionPatch) (*modelregistry.Version, error) {
	reg, err := c.toVersion(Update, name, number)
	if err != nil {
		return nil, err
	}
	v, err := reg.UpdateVersion(c.r.Context(), name, number, patch)
	return v, noVersion(err, name, number)
}

// updateVersion changes the description, which one that is left out clears.
func (c *call) updateVersion() (any, error) {
	description := c.text("description")
	name, number, err := c.versionParameters()
	if err != nil {
		return nil, err
	}
	v, err := c.patchVersion(name, number, modelregistry.VersionPatch{Description: &description})
	if err != nil {
		return nil, err
	}
	return versionAnswer{versionOf(v)}, nil
}

func (c *call) setVersionTag() (any, error) {
	name, number, key, value, err := c.versionTag()
	if err == nil {
		_, err = c.patchVersion(name, number, modelregistry.VersionPatch{SetTags: map[string]string{key: value}})
	}
	return nil, err
}

func (c *call) deleteVersionTag() (any, error) {
	name, number, key, _, err := c.versionTag()
	if err == nil {
		_, err = c.patchVersion(name, number, modelregistry.VersionPatch{DeleteTags: []string{key}})
	}
	return nil, err
}

// versionTag are the parameters of a request about a tag.
func (c *call) versionTag() (name string, number int, key, value string, err error) {
	name, version := c.required("name"), c.required("version")
	key, value = c.required("key"), c.text("value")
	number, bad := parseVersion(version)
	return name, number, key, value, c.wrong(checkModelName(name), bad, checkTag(key, value))
}

func (c *call) transitionStage() (any, error) {
	name, version, text := c.required("name"), c.required("version"), c.required("stage")
	archive := c.flag("archive_existing_versions")
	stage, bad := parseStage(text)
	if bad == nil && archive && stage != modelregistry.Staging && stage != modelregistry.Production {
		bad = invalid("Model version transition cannot archive existing model versions because '%s' is not an Active stage. "+
			"Valid stages are ['Staging', 'Production']", text)
	}
	number, badVersion := parseVersion(version)
	if err := c.wrong(bad, checkModelName(name), badVersion); err != nil {
		return nil, err
	}
	reg, err := c.authorize(Move, Resource{Kind: KindVersion, Name: name, Version: number, Stage: stage})
	if err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, noVersion(modelregistry.ErrNotFound, name, number)
	}
	moved, err := reg.Transition(c.r.Context(), name, number, stage, &modelregistry.TransitionOptions{Keep: !archive})
	if err != nil {
		return nil, noVersion(err, name, number)
	}
	return versionAnswer{versionOf(moved.Version)}, nil
}

// deleteVersion deletes a version, in use or not, and its aliases with it, as MLflow does.
func (c *call) deleteVersion() (any, error) {
	name, number, err := c.versionParameters()
	if err != nil {
		return nil, err
	}
	reg, err := c.toVersion(Delete, name, number)
	if err != nil {
		return nil, err
	}
	err = reg.DeleteVersion(c.r.Context(), name, number, &modelregistry.DeleteOptions{Force: true})
	return nil, noVersion(err, name, number)
}

func (c *call) getDownloadURI() (any, error) {
	name, version := c.text("name"), c.text("version")
	number, bad := parseVersion(version)
	if err := c.wrong(checkModelName(name), bad); err != nil {
		return nil, err
	}
	reg, err := c.toVersion(Read, name, number)
	if err != nil {
		return nil, err
	}
	v, err := reg.Version(c.r.Context(), name, number)
	if err != nil {
		return nil, noVersion(err, name, number)
	}
	return struct {
		URI string `json:"artifact_uri"`
	}{downloadURI(v)}, nil
}

package mlflow

import (
	"errors"
	"net/http"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

func modelRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "registered-models/create", about: "create a model", handle: (*call).createModel},
		{method: http.MethodGet, path: "registered-models/get", about: "a model with its latest versions", handle: (*call).getModel},
		{method: http.MethodPatch, path: "registered-models/update", about: "change a model's description", handle: (*call).updateModel},
		{method: http.MethodPost, path: "registered-models/rename", about: "rename a model", handle: (*call).renameModel},
		{method: http.MethodDelete, path: "registered-models/delete", about: "delete a model with all its versions", handle: (*call).deleteModel},
		{method: http.MethodGet, path: "registered-models/search", about: "search models", handle: (*call).searchModels},
		{method: http.MethodPost, path: "registered-models/get-latest-versions", about: "the latest version in each stage", handle: (*call).latestVersions},
		{method: http.MethodGet, path: "registered-models/get-latest-versions", about: "the latest version in each stage", handle: (*call).latestVersions},
		{method: http.MethodPost, path: "registered-models/set-tag", about: "set a tag of a model", handle: (*call).setModelTag},
		{method: http.MethodDelete, path: "registered-models/delete-tag", about: "delete a tag of a model", handle: (*call).deleteModelTag},
		{method: http.MethodPost, path: "registered-models/alias", about: "make an alias name a version", handle: (*call).setAlias},
		{method: http.MethodDelete, path: "registered-models/alias", about: "delete an alias", handle: (*call).deleteAlias},
		{method: http.MethodGet, path: "registered-models/alias", about: "the version that an alias names", handle: (*call).getByAlias},
	}
}

// answerModel answers with a model and its latest versions.
func (c *call) answerModel(reg modelregistry.Registry, m *modelregistry.Model) (any, error) {
	latest, err := c.latestOf(reg, m)
	if err != nil {
		return nil, err
	}
	return modelAnswer{modelOf(m, latest[m.Name])}, nil
}

func (c *call) createModel() (any, error) {
	name, tags := c.required("name"), c.pairs("tags")
	spec := modelregistry.ModelSpec{Description: c.text("description"), Tags: tags}
	if err := c.wrong(checkModelName(name), checkTags(tags)); err != nil {
		return nil, err
	}
	reg, err := c.authorizeModel(Create, name)
	if err != nil {
		return nil, err
	}
	m, err := reg.CreateModel(c.r.Context(), name, spec)
	if errors.Is(err, modelregistry.ErrExists) {
		return nil, c.nameTaken(reg, name, tags[tagPrompt] == promptTagValue, err)
	}
	if err != nil {
		return nil, err
	}
	return modelAnswer{modelOf(m, nil)}, nil
}

// nameTaken says by what a name is taken. Clients go on only if it is by what they want to create.
func (c *call) nameTaken(reg modelregistry.Registry, name string, prompt bool, taken error) error {
	kind := map[bool]string{false: "registered model", true: "prompt"}
	title := map[bool]string{false: "Registered Model", true: "Prompt"}
	if m, err := reg.Model(c.r.Context(), name); err == nil && isPrompt(m.Tags) != prompt {
		return exists("Tried to create a %s with name '%s', but the name is already taken by a %s. MLflow does not allow creating "+
			"a model and a prompt with the same name.", kind[prompt], clip(name), kind[!prompt])
	}
	return orExists(taken, "%s (name=%s) already exists.", title[prompt], clip(name))
}

func (c *call) getModel() (any, error) {
	name := c.required("name")
	if err := c.wrong(checkModelName(name)); err != nil {
		return nil, err
	}
	reg, err := c.authorizeModel(Read, name)
	if err != nil {
		return nil, err
	}
	m, err := reg.Model(c.r.Context(), name)
	if err != nil {
		return nil, noModel(err, name)
	}
	return c.answerModel(reg, m)
}

// patchModel changes a model.
func (c *call) patchModel(name string, patch modelregistry.ModelPatch) (modelregistry.Registry, *modelregistry.Model, error) {
	reg, err := c.authorizeModel(Update, name)
	if err != nil {
		return nil, nil, err
	}
	m, err := reg.UpdateModel(c.r.Context(), name, patch)
	return reg, m, noModel(err, name)
}

// updateModel changes the description, which one that is left out clears.
func (c *call) updateModel() (any, error) {
	name, description := c.required("name"), c.text("description")
	if err := c.wrong(checkModelName(name)); err != nil {
		return nil, err
	}
	reg, m, err := c.patchModel(name, modelregistry.ModelPatch{Description: &description})
	if err != nil {
		return nil, err
	}
	return c.answerModel(reg, m)
}

func (c *call) setModelTag() (any, error) {
	name, key, value := c.required("name"), c.required("key"), c.text("value")
	if err := c.wrong(checkModelName(name), checkTag(key, value)); err != nil {
		return nil, err
	}
	_, _, err := c.patchModel(name, modelregistry.ModelPatch{SetTags: map[string]string{key: value}})
	return nil, err
}

func (c *call) deleteModelTag() (any, error) {
	name, key := c.required("name"), c.required("key")
	if err := c.wrong(checkModelName(name), checkTagKey(key)); err != nil {
		return nil, err
	}
	_, _, err := c.patchModel(name, modelregistry.ModelPatch{DeleteTags: []string{key}})
	return nil, err
}

func (c *call) renameModel() (any, error) {
	name, newName := c.required("name"), c.required("new_name")
	var blank error
	if strings.TrimSpace(newName) == "" {
		blank = invalid("Missing value for required parameter 'new_name'.")
	}
	if err := c.wrong(checkModelName(name), blank, checkModelName(newName)); err != nil {
		return nil, err
	}
	if _, err := c.authorizeModel(Create, newName); err != nil {
		return nil, err
	}
	reg, err := c.authorizeModel(Update, name)
	if err != nil {
		return nil, err
	}
	m, err := reg.RenameModel(c.r.Context(), name, newName, nil)
	if err != nil {
		return nil, orExists(noModel(err, name), "Registered Model (name=%s) already exists.", clip(newName))
	}
	return c.answerModel(reg, m)
}

// deleteModel deletes whatever is in use of the model, as MLflow does.
func (c *call) deleteModel() (any, error) {
	name := c.required("name")
	if err := c.wrong(checkModelName(name)); err != nil {
		return nil, err
	}
	reg, err := c.authorizeModel(Delete, name)
	if err != nil {
		return nil, err
	}
	return nil, noModel(reg.DeleteModel(c.r.Context(), name, &modelregistry.DeleteOptions{Force: true}), name)
}

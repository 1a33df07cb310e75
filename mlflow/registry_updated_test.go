package mlflow_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// What counts for last_updated_timestamp is what counts in MLflow: of a model its description, its name and its versions'
// numbers and stages; of a version its description and stage. Tags and aliases count for neither.
func TestWhatCountsAsAnUpdate(t *testing.T) {
	s := newServer(t, nil)
	s.post("registered-models/create", fields{"name": "m"}).ok()
	s.post("model-versions/create", fields{"name": "m", "source": "s3://b/x"}).ok()
	s.post("model-versions/create", fields{"name": "m", "source": "s3://b/y"}).ok()
	updated := func() (model, version json.Number) {
		m := s.get("registered-models/get", "name", "m").ok()["registered_model"].(fields)
		v := s.get("model-versions/get", "name", "m", "version", "1").ok()["model_version"].(fields)
		return m["last_updated_timestamp"].(json.Number), v["last_updated_timestamp"].(json.Number)
	}
	tag := fields{"name": "m", "version": "1", "key": "k", "value": "v"}
	for _, c := range []struct {
		what           string
		do             func()
		model, version bool
	}{
		{"tag of the model", func() { s.post("registered-models/set-tag", tag).ok() }, false, false},
		{"no tag of the model", func() { s.delete("registered-models/delete-tag", tag).ok() }, false, false},
		{"tag of the version", func() { s.post("model-versions/set-tag", tag).ok() }, false, false},
		{"no tag of the version", func() { s.delete("model-versions/delete-tag", tag).ok() }, false, false},
		{"alias", func() { s.post("registered-models/alias", fields{"name": "m", "version": "1", "alias": "a"}).ok() }, false, false},
		{"alias moved", func() { s.post("registered-models/alias", fields{"name": "m", "version": "2", "alias": "a"}).ok() }, false, false},
		{"no alias", func() { s.delete("registered-models/alias", fields{"name": "m", "alias": "a"}).ok() }, false, false},
		{"description of the version", func() { s.patch("model-versions/update", fields{"name": "m", "version": "1", "description": "d"}).ok() }, false, true},
		{"description of the model", func() { s.patch("registered-models/update", fields{"name": "m", "description": "d"}).ok() }, true, false},
		{"stage", func() {
			s.post("model-versions/transition-stage", fields{"name": "m", "version": "1", "stage": "Staging"}).ok()
		}, true, true},
		{"another's stage", func() {
			s.post("model-versions/transition-stage", fields{"name": "m", "version": "2", "stage": "Archived"}).ok()
		}, true, false},
		{"another version", func() { s.post("model-versions/create", fields{"name": "m", "source": "s3://b/z"}).ok() }, true, false},
		{"another deleted", func() { s.delete("model-versions/delete", fields{"name": "m", "version": "2"}).ok() }, true, false},
	} {
		model, version := updated()
		c.do()
		modelNow, versionNow := updated()
		require.Equal(t, c.model, model != modelNow, "the model, %s", c.what)
		require.Equal(t, c.version, version != versionNow, "the version, %s", c.what)
	}
}

package mlflow_test

import (
	"testing"
)

// The answers of the registry's endpoints, byte for byte: the order of fields, what is left out, and what types they have.
func TestRegistryAnswers(t *testing.T) {
	s := newServer(t, nil)
	s.post("registered-models/create", fields{
		"name": "Iris Classifier", "description": "Which iris?", "tags": []fields{{"key": "team", "value": "botany"}, {"key": "empty"}},
	}).golden("registered-models-create.json")
	s.post("registered-models/create", fields{"name": "bare"}).golden("registered-models-create-bare.json")
	s.post("model-versions/create", fields{
		"name": "Iris Classifier", "source": "s3://models/iris/1", "description": "first",
		"run_id": "0123456789abcdef0123456789abcdef", "run_link": "https://ci.example.com/7",
		"tags": []fields{{"key": "risk", "value": "high"}},
	}).golden("model-versions-create.json")
	s.post("model-versions/create", fields{"name": "Iris Classifier", "source": "s3://models/iris/2"}).golden("model-versions-create-bare.json")
	s.post("model-versions/transition-stage", fields{
		"name": "Iris Classifier", "version": "1", "stage": "production", "archive_existing_versions": true,
	}).golden("model-versions-transition-stage.json")
	s.post("registered-models/alias", fields{"name": "Iris Classifier", "alias": "champion", "version": "1"}).golden("empty.json")
	s.post("model-versions/set-tag", fields{"name": "Iris Classifier", "version": "2", "key": "k", "value": "v"}).golden("empty.json")
	s.get("model-versions/get", "name", "Iris Classifier", "version", "1").golden("model-versions-get.json")
	s.get("registered-models/alias", "name", "Iris Classifier", "alias", "champion").golden("model-versions-get.json")
	s.get("registered-models/get", "name", "Iris Classifier").golden("registered-models-get.json")
	s.get("registered-models/get-latest-versions", "name", "Iris Classifier", "stages", "None", "stages", "PRODUCTION").golden("get-latest-versions.json")
	s.post("registered-models/get-latest-versions", fields{"name": "Iris Classifier"}).golden("get-latest-versions.json")
	s.post("registered-models/get-latest-versions", fields{"name": "bare"}).golden("empty.json")
	s.get("registered-models/search", "filter", "tag.`mlflow.prompt.is_prompt` != 'true'").golden("registered-models-search.json")
	s.get("model-versions/search", "filter", "name = 'Iris Classifier'", "max_results", "10000").golden("model-versions-search.json")
	s.get("model-versions/get-download-uri", "name", "Iris Classifier", "version", "1").golden("get-download-uri.json")
	s.patch("registered-models/update", fields{"name": "bare", "description": "no more"}).golden("registered-models-update.json")
	s.get("registered-models/get", "name", "gone").golden("error-not-found.json")
	s.post("registered-models/create", fields{"name": "bare"}).golden("error-exists.json")
	s.post("registered-models/create", fields{}).golden("error-missing.json")
}

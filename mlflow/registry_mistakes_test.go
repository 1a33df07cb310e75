package mlflow_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	invalidValue = "INVALID_PARAMETER_VALUE"
	notThere     = "RESOURCE_DOES_NOT_EXIST"
	isThere      = "RESOURCE_ALREADY_EXISTS"
)

// withModel serves the model m, with the versions 1, 2 and 3, of which 3 is deleted.
func withModel(t *testing.T) *testServer {
	s := newServer(t, nil)
	s.post("registered-models/create", fields{"name": "m"}).ok()
	for range 3 {
		s.post("model-versions/create", fields{"name": "m", "source": "s3://b/k"}).ok()
	}
	s.delete("model-versions/delete", fields{"name": "m", "version": "3"}).ok()
	return s
}

// Clients know mistakes by code and text.
func TestMistakes(t *testing.T) {
	s := withModel(t)
	s.post("registered-models/create", fields{"name": "prompt", "tags": []fields{{"key": "mlflow.prompt.is_prompt", "value": "true"}}}).ok()
	const (
		noModel   = "Registered Model with name=none not found"
		noVersion = "Model Version (name=none, version=1) not found"
		noNine    = "Model Version (name=m, version=9) not found"
		noThree   = "Model Version (name=m, version=3) not found"
		badStage  = "Invalid Model Version stage: Bogus. Value must be one of None, Staging, Production, Archived."
		inactive  = "Model version transition cannot archive existing model versions because 'None' is not an Active stage. Valid stages are ['Staging', 'Production']"
		badNumber = "Parameter 'version' must be an integer, got 'abc'."
		missing   = "Missing value for required parameter 'name'. See the API docs for more information about request parameters."
	)
	for _, m := range []struct {
		method, path string
		body         any // or, of a GET, pairs of the query
		status       int
		code, text   string
	}{
		{"GET", "registered-models/get", []string{"name", "none"}, 404, notThere, noModel},
		{"PATCH", "registered-models/update", fields{"name": "none"}, 404, notThere, noModel},
		{"POST", "registered-models/rename", fields{"name": "none", "new_name": "x"}, 404, notThere, noModel},
		{"DELETE", "registered-models/delete", fields{"name": "none"}, 404, notThere, noModel},
		{"POST", "registered-models/set-tag", fields{"name": "none", "key": "k"}, 404, notThere, noModel},
		{"DELETE", "registered-models/delete-tag", fields{"name": "none", "key": "k"}, 404, notThere, noModel},
		{"POST", "registered-models/get-latest-versions", fields{"name": "none"}, 404, notThere, noModel},
		{"GET", "registered-models/get-latest-versions", []string{"name", "none"}, 404, notThere, noModel},
		{"DELETE", "registered-models/alias", fields{"name": "none", "alias": "a"}, 404, notThere, noModel},
		{"GET", "registered-models/alias", []string{"name", "none", "alias", "a"}, 404, notThere, noModel},
		{"POST", "model-versions/create", fields{"name": "none", "source": "s3://b/k"}, 404, notThere, noModel},

		{"GET", "model-versions/get", []string{"name", "none", "version", "1"}, 404, notThere, noVersion},
		{"POST", "model-versions/transition-stage", fields{"name": "none", "version": "1", "stage": "None"}, 404, notThere, noVersion},
		{"DELETE", "model-versions/delete", fields{"name": "none", "version": "1"}, 404, notThere, noVersion},
		{"POST", "registered-models/alias", fields{"name": "none", "version": "1", "alias": "a"}, 404, notThere, noVersion},
		{"POST", "model-versions/set-tag", fields{"name": "none", "version": "1", "key": "k"}, 404, notThere, noVersion},
		{"DELETE", "model-versions/delete-tag", fields{"name": "none", "version": "1", "key": "k"}, 404, notThere, noVersion},
		{"GET", "model-versions/get-download-uri", []string{"name", "none", "version", "1"}, 404, notThere, noVersion},
		{"GET", "model-versions/get", []string{"name", "m", "version", "9"}, 404, notThere, noNine},
		{"GET", "model-versions/get", []string{"name", "m", "version", "0"}, 404, notThere, "Model Version (name=m, version=0) not found"},
		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": "0", "stage": "None"}, 404, notThere, "Model Version (name=m, version=0) not found"},
		{"GET", "model-versions/get", []string{"name", "m", "version", "3"}, 404, notThere, noThree},
		{"DELETE", "model-versions/delete", fields{"name": "m", "version": "3"}, 404, notThere, noThree},
		{"POST", "registered-models/alias", fields{"name": "m", "version": "3", "alias": "a"}, 404, notThere, noThree},

		{"POST", "registered-models/create", fields{"name": "m"}, 400, isThere, "Registered Model (name=m) already exists."},
		{"POST", "registered-models/rename", fields{"name": "m", "new_name": "prompt"}, 400, isThere, "Registered Model (name=prompt) already exists."},
		{"POST", "registered-models/create", fields{"name": "prompt"}, 400, isThere,
			"Tried to create a registered model with name 'prompt', but the name is already taken by a prompt. MLflow does not allow creating a model and a prompt with the same name."},

		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": "1", "stage": "Bogus"}, 400, invalidValue, badStage},
		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": "1", "stage": " Production"}, 400, invalidValue,
			"Invalid Model Version stage:  Production. Value must be one of None, Staging, Production, Archived."},
		{"POST", "registered-models/get-latest-versions", fields{"name": "m", "stages": []string{"None", "Bogus"}}, 400, invalidValue, badStage},
		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": "1", "stage": "None", "archive_existing_versions": true}, 400, invalidValue, inactive},
		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": "abc", "stage": "Staging", "archive_existing_versions": true}, 400, invalidValue, badNumber},
		{"GET", "model-versions/get", []string{"name", "m", "version", "abc"}, 400, invalidValue, badNumber},
		{"GET", "model-versions/get", []string{"name", "m", "version", "-1"}, 400, invalidValue, "Parameter 'version' must be an integer, got '-1'."},
		{"GET", "model-versions/get", []string{"name", "m", "version", "2147483648"}, 400, invalidValue, "Parameter 'version' must be an integer, got '2147483648'."},
		{"GET", "model-versions/get-download-uri", []string{"name", "m"}, 400, invalidValue, "Parameter 'version' must be an integer, got ''."},
		{"GET", "registered-models/alias", []string{"name", "m", "alias", "nope"}, 400, invalidValue, "Registered model alias nope not found."},

		{"POST", "registered-models/create", fields{}, 400, invalidValue, missing},
		{"POST", "registered-models/create", fields{"name": nil}, 400, invalidValue, missing},
		{"POST", "registered-models/create", "not JSON", 400, invalidValue,
			"The body of the request has to be one JSON object in UTF-8: at byte 0: invalid character 'o' in literal null (expecting 'u')."},
		{"POST", "registered-models/create", `{"name": "x"} {}`, 400, invalidValue,
			"The body of the request has to be one JSON object in UTF-8: there is text behind the value."},
		{"POST", "registered-models/create", `{"name": "x", "name": "y"}`, 400, invalidValue,
			`The body of the request has to be one JSON object in UTF-8: the key "name" is there twice.`},
		{"POST", "registered-models/create", `{"name": "x\ud800"}`, 400, invalidValue,
			"The body of the request has to be one JSON object in UTF-8: at byte 11 stands a half of a surrogate pair."},
		{"POST", "registered-models/create", "{\"name\": \"x\xff\"}", 400, invalidValue,
			"The body of the request has to be one JSON object in UTF-8: it is not UTF-8."},
		{"DELETE", "registered-models/delete", nil, 400, invalidValue, missing},
		{"POST", "registered-models/alias", fields{"name": "m", "version": "1", "alias": ""}, 400, invalidValue,
			"Missing value for required parameter 'alias'. See the API docs for more information about request parameters."},
		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": 1, "stage": "None"}, 400, invalidValue,
			"Invalid value 1 for parameter 'version' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters."},
		{"POST", "model-versions/transition-stage", fields{"name": "m", "version": "1", "stage": "None", "archive_existing_versions": "true"}, 400, invalidValue,
			`Invalid value "true" for parameter 'archive_existing_versions' supplied:  Hint: Value was of type 'str'. See the API docs for more information about request parameters.`},

		{"GET", "registered-models/search", []string{"max_results", "1001"}, 400, invalidValue,
			`Invalid value "1001" for parameter 'max_results' supplied:  Hint: Value was of type 'str'. See the API docs for more information about request parameters.`},
		{"GET", "model-versions/search", []string{"max_results", "0"}, 400, invalidValue, "Invalid value for max_results. It must be a positive integer, but got 0"},
		{"GET", "registered-models/search", []string{"page_token", "evilhax"}, 400, invalidValue, "Invalid page token, could not base64-decode"},
		{"GET", "model-versions/search", []string{"page_token", "evilhax"}, 400, invalidValue, "Invalid page token, could not base64-decode"},
	} {
		path := m.path
		var r reply
		if pairs, ok := m.body.([]string); ok {
			r = s.get(path, pairs...)
		} else {
			r = s.do(m.method, path, m.body)
		}
		require.Equal(t, m.status, r.status, "%s %s %v: %s", m.method, path, m.body, r.body)
		r.fails(m.status, m.code, m.text)
	}
}

// What the registry's own language says of a filter or an order is a mistake of the caller too, and so is a token of
// another search.
func TestSearchMistakes(t *testing.T) {
	s := withModel(t)
	s.post("registered-models/create", fields{"name": "n"}).ok()
	token, _ := s.get("registered-models/search", "max_results", "1").ok()["next_page_token"].(string)
	require.NotEmpty(t, token)
	for _, pairs := range [][]string{
		{"filter", " "}, {"filter", "name"}, {"filter", "name > 'a'"}, {"filter", "foo = 'x'"}, {"filter", "name = 5"},
		{"filter", "name = 'a' name = 'b'"}, {"filter", "name IN ()"}, {"filter", "tags.k = 'unclosed"}, {"filter", "params.x = 'y'"},
		{"filter", "tag.`mlflow.prompt.is_prompt` != 'true' AND"}, {"filter", "name = 'a' OR"}, {"filter", "a\x00b = 'x'"},
		{"order_by", "foo"}, {"order_by", "name ASC DESC"}, {"order_by", ""}, {"order_by", "name", "order_by", "name"},
		{"page_token", "eyJvZmZzZXQiOiAzfQ=="}, {"page_token", token, "filter", "name != 'x'"}, {"max_results", "many"},
	} {
		r := s.get("registered-models/search", pairs...)
		require.Equal(t, http.StatusBadRequest, r.status, "%q: %s", pairs, r.body)
		require.Contains(t, string(r.body), invalidValue, "%q", pairs)
		require.NotContains(t, string(r.body), "SELECT", "%q", pairs)
	}
}

// Names are MLflow's, with its words about those that are not.
func TestNames(t *testing.T) {
	s := withModel(t)
	create := func(name string) reply { return s.post("registered-models/create", fields{"name": name}) }
	for _, name := range []string{" a ", "a%2fb", "%", `a\b`, "a?b", "a#b", "a@b", `it's "x"`, "`", "🙂", "123", "é", "e\u0301", "M", strings.Repeat("n", 256)} {
		require.Equal(t, http.StatusOK, create(name).status, "%q", name)
		s.get("registered-models/get", "name", name).ok()
		s.post("model-versions/create", fields{"name": name, "source": "s3://b/k"}).ok()
		v := s.get("registered-models/get", "name", name).ok()["registered_model"].(fields)["latest_versions"].([]any)
		require.Len(t, v, 1, "%q", name)
	}
	create("a/b").fails(400, invalidValue, "Invalid model name 'a/b'. Names cannot contain '/' or ':'.")
	create("a:b").fails(400, invalidValue, "Invalid model name 'a:b'. Names cannot contain '/' or ':'.")
	create(" \t").fails(400, invalidValue, "Missing value for required parameter 'name'.")
	create("..").fails(400, invalidValue, `Invalid value ".." for parameter 'name' supplied: Names may be treated as files in certain cases, `+
		"and must not resolve to other names when treated as such. This name would resolve to '..'")
	for _, name := range []string{".", "..x", strings.Repeat("n", 257), "a\x00b"} {
		require.Equal(t, http.StatusBadRequest, create(name).status, "%q", name)
	}

	tag := func(key, value string) reply {
		return s.post("model-versions/set-tag", fields{"name": "m", "version": "1", "key": key, "value": value})
	}
	for _, key := range []string{"a/b", "a.b", "a b", "a:b", "a-b_c", "ключ", strings.Repeat("k", 250)} {
		require.Equal(t, http.StatusOK, tag(key, strings.Repeat("é", 5001)).status, "%q", key)
	}
	tag("a@b", "").fails(400, invalidValue, `Invalid value "a@b" for parameter 'key' supplied: Names may only contain alphanumerics, `+
		"underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).")
	tag("/a", "").fails(400, invalidValue, `Invalid value "/a" for parameter 'key' supplied: Names may be treated as files in certain cases, `+
		"and must not resolve to other names when treated as such. This name would resolve to '/a'")
	tag("a//b/", "").fails(400, invalidValue, `Invalid value "a//b/" for parameter 'key' supplied: Names may be treated as files in certain cases, `+
		"and must not resolve to other names when treated as such. This name would resolve to 'a/b'")
	tag(strings.Repeat("k", 251), "").fails(400, invalidValue, "'key' exceeds the maximum length of 250 characters")
	tag("k", strings.Repeat("v", 100_001)).fails(400, invalidValue, "'value' exceeds the maximum length of 100000 characters")
	require.Equal(t, http.StatusBadRequest, tag("modelregistry.mlflow.run_link", "x").status, "the server's own")

	alias := func(alias string) reply {
		return s.post("registered-models/alias", fields{"name": "m", "version": "1", "alias": alias})
	}
	for _, name := range []string{"1", "v", "v1a", "Production", "None", "é", "漢", "Champion", "champion", strings.Repeat("a", 255)} {
		require.Equal(t, http.StatusOK, alias(name).status, "%q", name)
		s.get("registered-models/alias", "name", "m", "alias", name).ok()
	}
	for _, name := range []string{"a b", "a.b", "a\n"} {
		alias(name).fails(400, invalidValue, "Invalid alias name: '"+name+"'. Names may only contain alphanumerics, underscores (_), and dashes (-).")
	}
	alias("LATEST").fails(400, invalidValue, "'latest' alias name (case insensitive) is reserved.")
	alias("v1").fails(400, invalidValue, "Version alias name 'v1' is reserved.")
	alias("V٣").fails(400, invalidValue, "Version alias name 'V٣' is reserved.")
	alias(strings.Repeat("a", 256)).fails(400, invalidValue, "'Registered model alias name' exceeds the maximum length of 255 characters")
	s.delete("registered-models/alias", fields{"name": "m", "alias": "latest"}).ok()
}

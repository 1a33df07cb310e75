package mlflow_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/mlflow"
)

// names are those of the registered models in an answer.
func names(answer fields) []string {
	var out []string
	list, _ := answer["registered_models"].([]any)
	for _, m := range list {
		out = append(out, m.(fields)["name"].(string))
	}
	return out
}

// refs are those of the versions in an answer, such as m/1.
func refs(answer fields) []string {
	var out []string
	list, _ := answer["model_versions"].([]any)
	for _, v := range list {
		out = append(out, v.(fields)["name"].(string)+"/"+v.(fields)["version"].(string))
	}
	return out
}

// pages goes through all pages of a search for models and returns the names on each.
func pages(s *testServer, between func(), pairs ...string) (out [][]string) {
	token := ""
	for range 100 {
		answer := s.get("registered-models/search", append([]string{"page_token", token}, pairs...)...).ok()
		out = append(out, names(answer))
		next, ok := answer["next_page_token"].(string)
		if !ok {
			return out
		}
		token = next
		between()
	}
	s.t.Fatal("the pages do not end")
	return nil
}

const isPromptTag = "mlflow.prompt.is_prompt"

// A filter is as long as the registry takes at most, however many of its conditions are about prompts; and none takes long.
func TestLongFiltersAboutPrompts(t *testing.T) {
	s := newServer(t, nil)
	s.post("registered-models/create", fields{"name": "a"}).ok()
	const condition = "tag.`" + isPromptTag + "` != 'true'"
	long := condition + strings.Repeat(" AND "+condition, 1400)
	search := func(filter string) reply { // in the body: a URL has no room for it
		return s.do(http.MethodGet, "registered-models/search", fields{"filter": filter})
	}
	start := time.Now()
	search(long).ok()
	got := search(strings.Repeat(long+" AND ", 100) + condition)
	require.Equal(t, http.StatusBadRequest, got.status, "%s", got.body)
	require.Contains(t, string(got.body), "at most 131072")
	require.Less(t, time.Since(start), 5*time.Second)
}

// Prompts are found by whoever asks for them, and by nobody else, in all the ways that clients write it.
func TestPrompts(t *testing.T) {
	s := newServer(t, nil)
	prompt := []fields{{"key": isPromptTag, "value": "true"}}
	s.post("registered-models/create", fields{"name": "a", "tags": []fields{{"key": "team", "value": "x AND y"}}}).ok()
	s.post("registered-models/create", fields{"name": "b"}).ok()
	s.post("registered-models/create", fields{"name": "p", "tags": prompt}).ok()
	s.post("registered-models/create", fields{"name": "q", "tags": []fields{{"key": isPromptTag, "value": "TRUE"}}}).ok()
	const tag = "tag.`" + isPromptTag + "`"
	for filter, want := range map[string]string{
		"":                 "a b q",
		tag + " != 'true'": "a b q",
		"tags.\"" + isPromptTag + "\" !=\"true\"":                              "a b q",
		"tags." + isPromptTag + " = 'false'":                                   "a b q",
		tag + " LIKE '%'":                                                      "a b q",
		tag + " = 'true'":                                                      "p",
		tag + " = 'TRUE'":                                                      "q",
		tag + " != 'false'":                                                    "p q",
		"name = 'a' AND " + tag + " != 'true'":                                 "a",
		tag + " != 'true' AND name LIKE '_'":                                   "a b q",
		"name != 'a' and " + tag + " != 'true' and name != 'q'":                "b",
		"name = 'p' AND " + tag + " != 'true'":                                 "",
		tag + " != 'true' AND " + tag + " != 'true'":                           "a b q",
		tag + " = 'true' AND " + tag + " != 'true'":                            "",
		"name = 'a' OR name = 'b' AND " + tag + " != 'true'":                   "a b",
		"(name = 'a' OR name = 'p') AND " + tag + " != 'true'":                 "a",
		"name = 'a' OR " + tag + " = 'true'":                                   "a p",
		"tags.team = 'x AND y' AND " + tag + " != 'true'":                      "a",
		"name != 'it''s ' AND " + tag + " != 'true'":                           "a b q",
		"name != ' AND " + strings.ReplaceAll(tag, "`", "") + " != ''true'' '": "a b q",
		"name != \" OR (\" AND " + tag + " != 'true'":                          "a b q",
		"NOT " + tag + " = 'true'":                                             "q",
		tag + " IS NOT NULL":                                                   "p q",
		"name IN ('a', 'p') AND " + tag + "   !=   'true'   ":                  "a",
	} {
		require.Equal(t, want, strings.Join(names(s.get("registered-models/search", "filter", filter).ok()), " "), "%s", filter)
	}

	s.post("model-versions/create", fields{"name": "p", "source": "prompt-template", "tags": prompt}).ok()
	s.post("model-versions/create", fields{"name": "a", "source": "s3://b/k"}).ok()
	s.post("model-versions/create", fields{"name": "p", "source": "/etc/passwd", "tags": prompt}).
		fails(400, invalidValue, "Invalid prompt source: '/etc/passwd'. Prompt sources must use an MLflow placeholder.")
	s.post("model-versions/create", fields{"name": "a", "source": "models:/p/1"}).
		fails(400, invalidValue, "Invalid model version source: 'models:/p/1'. Prompt versions cannot be used as model version sources.")
	require.Equal(t, []string{"a/1"}, refs(s.get("model-versions/search").ok()))
	require.Equal(t, []string{"p/1"}, refs(s.get("model-versions/search", "filter", tag+" = 'true'").ok()))

	// The last page says that it is the last, although prompts follow.
	answer := s.get("registered-models/search", "max_results", "2", "filter", "name < 'q' OR name = 'p'")
	require.Equal(t, 400, answer.status, "names have no order in filters")
	answer = s.get("registered-models/search", "max_results", "2", "filter", "name IN ('a', 'b', 'p')")
	require.NotContains(t, answer.ok(), "next_page_token")
}

// What comes and goes between two pages makes nothing else appear twice or not at all.
func TestPagesUnderWrites(t *testing.T) {
	s := newServer(t, nil)
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("m%02d", i))
		tags := []fields{}
		if i%7 == 3 {
			tags = append(tags, fields{"key": isPromptTag, "value": "true"})
		}
		s.post("registered-models/create", fields{"name": all[i], "tags": tags}).ok()
	}
	gone := 0
	found := pages(s, func() {
		s.delete("registered-models/delete", fields{"name": all[gone]}).ok() // an earlier page had it
		s.post("registered-models/create", fields{"name": fmt.Sprintf("a%02d", gone)}).ok()
		gone++
	}, "max_results", "3")
	var flat, want []string
	for i, page := range found {
		if i < len(found)-1 {
			require.Len(t, page, 3)
		}
		flat = append(flat, page...)
	}
	for i, name := range all {
		if i%7 != 3 {
			want = append(want, name)
		}
	}
	require.Equal(t, want, flat)
}

// Searches find what the caller may read, in whole pages.
func TestSearchesAreAuthorized(t *testing.T) {
	s := newServer(t, &mlflow.Options{
		Authenticate: byHeader,
		Authorize: func(_ context.Context, principal string, action mlflow.Action, r mlflow.Resource) error {
			if principal == "root" || r.Name == "" && action == mlflow.Read || strings.HasPrefix(r.Name, principal) {
				return nil
			}
			return errors.New(principal + " may not")
		},
	})
	root, ann := s.asking("root"), s.asking("ann")
	var want, wantRefs []string
	for i := range 300 {
		name := fmt.Sprintf("bob%03d", i)
		if i%50 == 20 {
			name = fmt.Sprintf("ann%03d", i)
			want, wantRefs = append(want, name), append(wantRefs, name+"/1")
		}
		root.post("registered-models/create", fields{"name": name, "tags": []fields{{"key": "k", "value": "v"}}}).ok()
		root.post("model-versions/create", fields{"name": name, "source": "s3://b/k"}).ok()
	}
	root.post("registered-models/create", fields{"name": "zoe"}).ok()
	order := []string{"order_by", "last_updated_timestamp", "max_results", "4", "filter", "tags.k = 'v'"}
	require.Equal(t, [][]string{want[:4], want[4:]}, pages(ann, func() {}, order...))

	answer := ann.get("model-versions/search", "max_results", "4", "order_by", "last_updated_timestamp").ok()
	require.Equal(t, wantRefs[:4], refs(answer))
	answer = ann.get("model-versions/search", "max_results", "4", "order_by", "last_updated_timestamp", "page_token", answer["next_page_token"].(string)).ok()
	require.Equal(t, wantRefs[4:], refs(answer))
	require.NotContains(t, answer, "next_page_token", "nothing of hers follows")

	ann.get("registered-models/get", "name", "bob000").fails(403, "PERMISSION_DENIED", "ann may not")
	ann.post("registered-models/rename", fields{"name": want[0], "new_name": "bob"}).fails(403, "PERMISSION_DENIED", "ann may not")
	ann.post("model-versions/create", fields{"name": want[0], "source": "models:/bob000/1"}).fails(403, "PERMISSION_DENIED", "ann may not")
}

// Versions come in MLflow's order, and with their aliases.
func TestSearchVersions(t *testing.T) {
	s := newServer(t, nil)
	for _, name := range []string{"b", "a"} {
		s.post("registered-models/create", fields{"name": name}).ok()
		s.post("model-versions/create", fields{"name": name, "source": "s3://b/k"}).ok()
		s.post("model-versions/create", fields{"name": name, "source": "s3://b/k"}).ok()
	}
	s.patch("model-versions/update", fields{"name": "b", "version": "1", "description": "newest"}).ok()
	require.Equal(t, []string{"b/1", "a/2", "a/1", "b/2"}, refs(s.get("model-versions/search").ok()))
	require.Equal(t, []string{"a/2", "b/2", "a/1", "b/1"}, refs(s.get("model-versions/search", "order_by", "version_number DESC").ok()))
	require.Equal(t, []string{"b/2", "b/1", "a/2", "a/1"}, refs(s.get("model-versions/search", "order_by", "attribute.name DESC").ok()))
	require.Equal(t, []string{"b/1"}, refs(s.get("model-versions/search", "filter", "name = 'b' and version_number < 2").ok()))
	s.post("registered-models/alias", fields{"name": "b", "version": "2", "alias": "x"}).ok()
	found := s.get("model-versions/search", "filter", "name='b' and version_number=2").ok()["model_versions"].([]any)
	require.Equal(t, []any{"x"}, found[0].(fields)["aliases"])
}

package webhook

import (
	"encoding/json"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// mlflowExamples are events that together make one payload of each name. Where MLflow has an example of its own, the
// data are the same.
var mlflowExamples = func() []modelregistry.Event {
	const (
		name   = "example_model"
		tagged = `{"example_key":"example_value"}`
	)
	doc := func(fields ...string) map[string]json.RawMessage {
		out := map[string]json.RawMessage{}
		for i := 0; i < len(fields); i += 2 {
			out[fields[i]] = json.RawMessage(fields[i+1])
		}
		return out
	}
	return []modelregistry.Event{
		{Kind: modelregistry.ModelCreated, Model: name, After: doc("tags", tagged, "description", `"An example registered model"`)},
		{Kind: modelregistry.VersionRegistered, Model: name, Version: 1},
		{Kind: modelregistry.VersionUpdated, Model: name, Version: 1, After: doc("tags", tagged, "description", `"An example model version"`)},
		{Kind: modelregistry.VersionUpdated, Model: name, Version: 1, Before: doc("tags", tagged)},
		{Kind: modelregistry.AliasSet, Model: name, Version: 1, Alias: "example_alias"},
		{Kind: modelregistry.AliasDeleted, Model: name, Version: 1, Alias: "example_alias"},
		{Kind: modelregistry.StageChanged, Model: name, Version: 1, Before: doc("stage", `"Staging"`), After: doc("stage", `"Production"`)},
		{Kind: modelregistry.VersionDeleted, Model: name, Version: 1},
		{Kind: modelregistry.ModelUpdated, Model: name, After: doc("tags", tagged, "description", `"An example registered model"`)},
		{Kind: modelregistry.ModelUpdated, Model: name, Before: doc("tags", tagged)},
		{Kind: modelregistry.ModelRenamed, Model: "new_name", Before: doc("name", `"example_model"`)},
		{Kind: modelregistry.ModelDeleted, Model: name},
	}
}()

var mlflowExampleVersion = modelregistry.Version{
	Source: "models:/123", RunID: "abcd1234abcd5678", Description: "An example model version",
	Tags: modelregistry.MapOf(map[string]string{"example_key": "example_value"}),
}

// MLflowNames are the names of all payloads that MLflow makes.
func MLflowNames() []string {
	var names []string
	for i := range mlflowExamples {
		for _, p := range mlflowPayloads(&mlflowExamples[i], &mlflowExampleVersion) {
			names = append(names, p.Name)
		}
	}
	return names
}

// MLflowExample is a payload of one of MLflowNames to try a webhook with, as if it happened at a time. There is none of
// another name.
func MLflowExample(name string, at time.Time) (p Payload, ok bool) {
	for _, e := range mlflowExamples {
		e.Time = at
		for _, p := range mlflowPayloads(&e, &mlflowExampleVersion) {
			if p.Name == name {
				return p, true
			}
		}
	}
	return Payload{}, false
}

package mlflow

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry"
)

// tagLoggedModels is where MLflow 2 keeps what models a run has logged: a JSON list of what is in their MLmodel files.
const tagLoggedModels = "mlflow.log-model.history"

// maxHistory is how many characters a tag can have.
const maxHistory = 100_000

// logModel appends to a tag, after reading it: of two models that are logged to a run in the same moment, one can be
// missing from the list. Nothing but the user interface reads it.
func (c *call) logModel() (any, error) {
	id, text := c.runID(), c.required("model_json")
	if c.problem != nil {
		return nil, c.problem
	}
	entry, err := modelEntry(text)
	if err != nil {
		return nil, err
	}
	reg, run, err := c.activeRun(Update, id)
	if err != nil {
		return nil, err
	}
	history, err := withModel(run.Tags.Get(tagLoggedModels), entry)
	if err != nil {
		return nil, err
	}
	entries := modelregistry.RunEntries{Tags: map[string]string{tagLoggedModels: history}}
	if err := reg.LogRun(c.r.Context(), id, entries); err != nil {
		return nil, c.unlogged(reg, id, entries, err)
	}
	return nil, nil
}

// modelEntry is what is kept of an MLmodel file.
func modelEntry(text string) (map[string]any, error) {
	var model map[string]json.RawMessage
	if _, err := parseJSON([]byte(text)); err != nil || json.Unmarshal([]byte(text), &model) != nil {
		return nil, invalid("Malformed model info. \n %s \n is not a valid JSON.", clip(text))
	}
	entry := map[string]any{}
	var missing []string
	for _, name := range []string{"artifact_path", "flavors", "run_id", "utc_time_created"} {
		if _, ok := model[name]; !ok {
			missing = append(missing, "'"+name+"'")
		}
	}
	if len(missing) > 0 {
		return nil, invalid("Model json is missing mandatory fields: {%s}", strings.Join(missing, ", "))
	}
	for _, name := range []string{"artifact_path", "model_uuid", "run_id", "utc_time_created"} {
		if value, ok := model[name]; ok {
			entry[name] = value
		}
	}
	var flavors map[string]map[string]json.RawMessage
	if json.Unmarshal(model["flavors"], &flavors) != nil {
		entry["flavors"] = model["flavors"]
		return entry, nil
	}
	for _, flavor := range flavors {
		delete(flavor, "config")
	}
	entry["flavors"] = flavors
	return entry, nil
}

// withModel is a history with one more entry, and without the oldest ones where all is too much.
func withModel(history string, entry map[string]any) (string, error) {
	added, err := json.Marshal(entry)
	if err != nil {
		return "", err
	}
	var list []json.RawMessage
	if history != "" && json.Unmarshal([]byte(history), &list) != nil {
		return "", invalid("The tag %s of the run is not a JSON list.", tagLoggedModels)
	}
	for list = append(list, added); ; list = list[1:] {
		text, err := json.Marshal(list)
		if err != nil || len(list) == 1 || utf8.RuneCount(text) <= maxHistory {
			return string(text), err
		}
	}
}

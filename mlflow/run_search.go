package mlflow

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

const (
	maxRunResults = 50_000
	corePage      = 10_000 // at most what the registry gives at once
)

func each[T, U any](items []T, f func(T) U) []U {
	out := make([]U, len(items))
	for i, item := range items {
		out[i] = f(item)
	}
	return out
}

// narrow is a filter that selects of what a client's filter does only what meets the conditions too; "" is none. What is wrong
// with the client's is said of the client's, not of what becomes of it.
func narrow(what modelregistry.Searched, filter string, conditions ...string) (string, error) {
	if filter != "" {
		if err := modelregistry.CheckFilter(what, filter); err != nil {
			return "", err
		}
		conditions = append([]string{"(" + filter + ")"}, conditions...)
	}
	conditions = slices.DeleteFunc(conditions, func(s string) bool { return s == "" })
	return strings.Join(conditions, " AND "), nil
}

// maxResults is the field max_results.
func (c *call) maxResults(otherwise, most int64) int {
	n := c.integer("max_results", otherwise)
	switch {
	case n < 1:
		c.mistake(invalid("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", n))
	case n > most:
		c.mistake(invalid("Invalid value %d for parameter 'max_results' supplied. It must be at most %d", n, most))
	}
	return int(min(n, most))
}

// view is the condition that a ViewType is; "" is none.
func (c *call) view(name string) string {
	switch c.choice(name, "ACTIVE_ONLY", "DELETED_ONLY", "ALL") {
	case "ALL":
		return ""
	case "DELETED_ONLY":
		return "lifecycle_stage = 'deleted'"
	}
	return "lifecycle_stage = 'active'"
}

// choice is a field that is one of names, or its number counted from 1, as protobuf's JSON allows; "" if it did not come.
func (c *call) choice(name string, names ...string) string {
	v := c.value(name)
	var text string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		text = v
	case json.Number:
		text = v.String()
	}
	if slices.Contains(names, text) {
		return text
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(names) {
		return names[n-1]
	}
	c.wrongType(name, v)
	return ""
}

// maxListed is how many experiments a filter lists; the registry takes 2,000 values in all of it.
const maxListed = 500

// within says how a search is kept to experiments: by a condition, or where there are too many for one, by asking of what
// it finds.
func within(experiments []string) (condition string, has func(experiment string) bool) {
	if len(experiments) <= maxListed {
		return oneOf("experiment_id", experiments), func(string) bool { return true }
	}
	return "", func(experiment string) bool {
		_, ok := slices.BinarySearch(experiments, experiment)
		return ok
	}
}

// oneOf is the condition that an attribute has one of some values.
func oneOf(attribute string, values []string) string {
	return attribute + " IN (" + strings.Join(each(values, modelregistry.Quote), ", ") + ")"
}

// experimentIDs is the field experiment_ids, in order of bytes.
func (c *call) experimentIDs() []string {
	var ids []string
	for _, text := range c.texts("experiment_ids") {
		id, err := experimentID(text)
		if err != nil {
			c.mistake(err)
			return nil
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

type runsJSON struct {
	Runs []runJSON `json:"runs,omitempty"`
	Next string    `json:"next_page_token,omitempty"`
}

func (c *call) searchRuns() (any, error) {
	limit, experiments, view := min(c.maxResults(1000, maxRunResults), maxRows), c.experimentIDs(), c.view("run_view_type")
	q := modelregistry.Query{OrderBy: c.texts("order_by"), PageToken: c.pageToken()}
	filter := c.text("filter")
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorize(Read, Resource{Kind: KindRun})
	if err != nil {
		return nil, err
	}
	if len(experiments) == 0 {
		return runsJSON{}, nil
	}
	condition, has := within(experiments)
	if q.Filter, err = narrow(modelregistry.SearchedRuns, filter, view, condition); err != nil {
		return nil, err
	}
	found, next, err := fill(limit, q, func(q modelregistry.Query) ([]*modelregistry.Run, string, error) {
		page, err := reg.SearchRuns(c.r.Context(), q)
		return page.Runs, page.Next, err
	}, func(run *modelregistry.Run) bool { return has(run.ExperimentID) && c.may(Read, runResource(run)) })
	if err != nil {
		return nil, err
	}
	return runsJSON{each(found, runOf), c.wireToken(next)}, nil
}

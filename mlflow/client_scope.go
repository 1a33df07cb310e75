package mlflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// A scope is what Query says in its filter and MLflow beside it: which experiments' runs, and whether deleted ones too.
type scope struct {
	experiments []string // nil: all
	view        string
}

// translateScope takes the conditions about experiment_id and lifecycle_stage out of a filter, as far as they are joined to
// the rest by AND, and translates what is left.
func translateScope(filter string) (string, scope, error) {
	s := scope{view: "ALL"}
	filter, err := translateFilter(filter)
	if err != nil {
		return "", s, err
	}
	var rest []string
	depth, begin := 0, 0
	all := pieces(filter)
	for i := 0; i <= len(all); i++ {
		switch {
		case i < len(all) && all[i].text == "(":
			depth++
		case i < len(all) && all[i].text == ")":
			depth--
		}
		if i < len(all) && (depth > 0 || all[i].quoted != 0 || !strings.EqualFold(all[i].text, "AND")) {
			continue
		}
		part := all[begin:i]
		begin = i + 1
		taken, err := s.take(part)
		if err != nil {
			return "", s, err
		}
		if !taken && (len(part) > 0 || len(all) > 0) {
			rest = append(rest, span(filter, part))
		}
	}
	return strings.Join(rest, " AND "), s, nil
}

// span is the text of some pieces of a filter.
func span(filter string, part []piece) string {
	if len(part) == 0 {
		return ""
	}
	last := part[len(part)-1]
	return filter[part[0].begin : last.begin+len(last.text)]
}

// take reads a condition, if it is one about the scope.
func (s *scope) take(part []piece) (bool, error) {
	if len(part) < 3 || part[0].quoted != 0 {
		return false, nil
	}
	name := part[0].text
	for _, entity := range []string{"attributes.", "attribute.", "attr.", "run."} {
		name = strings.TrimPrefix(name, entity)
	}
	var values []string
	switch op := strings.ToUpper(part[1].text); {
	case name != "experiment_id" && name != "lifecycle_stage":
		return false, nil
	case op == "=" && len(part) == 3:
		values = []string{part[2].value}
		if part[2].quoted == 0 {
			values[0] = part[2].text
		}
	case op == "IN" && len(part) > 4 && part[2].text == "(" && part[len(part)-1].text == ")":
		for _, p := range part[3 : len(part)-1] {
			if p.quoted != 0 {
				values = append(values, p.value)
			} else if p.text != "," {
				values = append(values, p.text)
			}
		}
	default:
		return false, fmt.Errorf("filter: %w: MLflow compares %s only by = and IN", modelregistry.ErrInvalid, name)
	}
	if name == "experiment_id" {
		if s.experiments == nil {
			s.experiments = values
		} else {
			s.experiments = slices.DeleteFunc(s.experiments, func(id string) bool { return !slices.Contains(values, id) })
		}
		return true, nil
	}
	views := map[string]string{"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY"}
	if len(values) != 1 || views[values[0]] == "" {
		return false, fmt.Errorf("filter: %w: a lifecycle_stage is 'active' or 'deleted'", modelregistry.ErrInvalid)
	}
	s.view = views[values[0]]
	return true, nil
}

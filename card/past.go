package card

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

func (c *Card) gates() section {
	s := section{title: "Gates", head: []string{"when", "gate", "verdict", "reason"}}
	for _, e := range c.History {
		for _, v := range e.Verdicts {
			verdict, reason := "refused", v.Reason
			switch {
			case v.Passed:
				verdict = "passed"
			case v.Waiver != "":
				verdict = "waived by " + v.WaivedBy
				reason = strings.TrimPrefix(reason+"; waived: "+v.Waiver, "; ")
			}
			s.rows = append(s.rows, []string{stamp(e.Time), v.Gate, verdict, reason})
		}
	}
	return s
}

// approvalPrefix begins the kinds of events about requests for approval.
const approvalPrefix = "approval."

func (c *Card) approvals() section {
	s := section{title: "Approvals", head: []string{"when", "who", "what", "why"}}
	for _, e := range c.History {
		if what, found := strings.CutPrefix(string(e.Kind), approvalPrefix); found {
			detail, why := approval(e)
			s.rows = append(s.rows, []string{stamp(e.Time), e.Actor, strings.TrimSpace(what + " " + detail), why})
		}
	}
	return s
}

// approval is what an event about a request for approval says besides its kind, and why. What it does not know it leaves out.
func approval(e *modelregistry.Event) (what, why string) {
	var said struct {
		Stage    modelregistry.Stage `json:"stage"`
		Need     int                 `json:"need"`
		Approved *bool               `json:"approved"`
		State    string              `json:"state"`
		Reason   string              `json:"reason"`
		Comment  string              `json:"comment"`
		Text     string              `json:"text"`
		Outcome  string              `json:"outcome"`
	}
	for _, of := range e.After {
		if json.Unmarshal(of, &said) != nil {
			continue // of a later version of the library
		}
	}
	switch {
	case said.Approved != nil && *said.Approved:
		what = "for it"
	case said.Approved != nil:
		what = "against it"
	case said.Need > 0:
		what = fmt.Sprintf("for %s; %d to approve", said.Stage, said.Need)
	default:
		what = said.State
	}
	return what, cmp.Or(said.Comment, said.Text, said.Outcome, said.Reason, e.Reason)
}

func (c *Card) history() section {
	s := section{title: "History", head: []string{"when", "who", "what", "why"}}
	for _, e := range c.History {
		if !strings.HasPrefix(string(e.Kind), approvalPrefix) {
			s.rows = append(s.rows, []string{stamp(e.Time), e.Actor, deed(e), e.Reason})
		}
	}
	if c.Earlier {
		s.text = []string{"Older events are left out."}
	}
	return s
}

const maxDetail = 100 // bytes of a changed field's value that is told

// deed is what an event is about, without who and why.
func deed(e *modelregistry.Event) string {
	parts := []string{string(e.Kind)}
	if from, to, ok := e.StageChange(); ok {
		parts = append(parts, fmt.Sprintf("%s → %s", from, to))
	} else if e.Stage != "" {
		parts = append(parts, "to "+string(e.Stage))
	}
	if e.Alias != "" {
		parts = append(parts, "@"+e.Alias)
	}
	if at := e.Endpoint(); at != nil {
		parts = append(parts, "at "+strings.TrimSuffix(at.Name+"/"+at.Target, "/"))
	} else {
		for _, edge := range e.Edges {
			parts = append(parts, fmt.Sprintf("%s %s;", edge.Type, edge.To))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.After)) {
		if known[name] || len(e.After[name]) > maxDetail {
			continue
		}
		var value any
		if json.Unmarshal(e.After[name], &value) != nil {
			continue
		}
		switch value.(type) {
		case string, float64, bool:
			parts = append(parts, fmt.Sprintf("%s: %v", name, value))
		}
	}
	return strings.TrimSuffix(strings.Join(parts, " "), ";")
}

// known are fields of an event that are told otherwise, or that say nothing to people.
var known = map[string]bool{
	"stage": true, "stage_since": true, "updated": true, "aliases": true, "digest": true, "facts": true, "record": true,
}

package modelregistry

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A story is what the events of a model have made of it: all that its row and its names have to say. Versions have
// theirs in verify_versions.go, one after the other, so that a model of a million of them takes no more memory.
type story struct {
	fields  map[string]json.RawMessage // of the model, as its own events told
	name    string
	names   []naming
	aliases map[string]int
	holders map[Stage][]int
	last    int
	semver  Semver
	deleted bool

	requests map[string]*requestStory // by ID
	pending  []pendingRequest         // as the model's row lists them
}

// naming is a name that the model had, in microseconds since the Unix epoch; until is 0 of the one it has.
type naming struct {
	name         string
	turn         int64 // which of the name's models it is, from 1 on
	since, until int64
	guard        guard // as the model left it
}

func newStory() *story {
	return &story{aliases: map[string]int{}, holders: map[Stage][]int{}, requests: map[string]*requestStory{}}
}

// tell takes the story on by an event; it answers what of it cannot be.
func (s *story) tell(e *Event) (problem string) {
	if e.ModelID == lineageChain {
		return ""
	}
	if s.fields == nil && e.Kind != ModelCreated || s.deleted {
		return "the model is not there at that time"
	}
	switch e.Kind {
	case ModelCreated:
		s.fields, s.name = maps.Clone(e.After), e.Model
		if err := s.takeName(e); err != nil {
			return "the turn of its name cannot be read"
		}
	case ModelUpdated:
		for name := range e.Before {
			delete(s.fields, name)
		}
		maps.Copy(s.fields, e.After)
	case ModelRenamed:
		if err := s.leaveName(e); err != nil {
			return "what the model required cannot be read"
		}
		if err := json.Unmarshal(e.After["name"], &s.name); err != nil {
			return "it does not say the new name"
		}
		if err := s.takeName(e); err != nil {
			return "the turn of its name cannot be read"
		}
	case ModelDeleted:
		if err := s.leaveName(e); err != nil {
			return "what the model required cannot be read"
		}
		s.deleted = true
	case VersionRegistered:
		if s.last++; e.Version != s.last {
			return fmt.Sprintf("version %d follows version %d", e.Version, s.last-1)
		}
		var r registered
		if err := decodeFields(e.After, &r); err != nil {
			return "what it registered cannot be read"
		}
		if r.Semver.Compare(s.semver) > 0 {
			s.semver = r.Semver
		}
	case VersionDeleted:
		s.pending = slices.DeleteFunc(s.pending, func(p pendingRequest) bool { return p.Version == e.Version })
	case ApprovalRequested, ApprovalVoted, ApprovalCommented, ApprovalWithdrawn, ApprovalDecided:
		if problem := s.tellRequest(e); problem != "" {
			return problem
		}
	case AliasSet:
		s.aliases[e.Alias] = e.Version
	case AliasMoved, AliasDeleted:
		delete(s.aliases, e.Alias)
	}
	for stage, h := range e.Holders {
		if s.holders[stage] = h.After; len(h.After) == 0 {
			delete(s.holders, stage)
		}
	}
	return ""
}

// takeName begins the model's having its name.
func (s *story) takeName(e *Event) error {
	told := struct {
		Turn int64 `json:"turn"`
	}{1}
	err := decodeFields(e.After, &told)
	s.names = append(s.names, naming{name: s.name, turn: told.Turn, since: e.Time.UnixMicro()})
	return err
}

// leaveName ends the model's having its name, which keeps what the model required then.
func (s *story) leaveName(e *Event) error {
	n := &s.names[len(s.names)-1]
	n.until = e.Time.UnixMicro()
	return decodeFields(s.fields, &n.guard)
}

// model is the model as the events made it.
func (s *story) model() (*Model, error) {
	var m Model
	if err := decodeFields(s.fields, &m); err != nil {
		return nil, fmt.Errorf("history of the model: %w: %w", ErrCorrupt, err)
	}
	m.Name, m.Aliases, m.Holders, m.Last, m.Semver = s.name, s.aliases, s.holders, s.last, s.semver
	return &m, nil
}

func decodeFields(fields map[string]json.RawMessage, into any) error {
	doc, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return json.Unmarshal(doc, into)
}

func sortedKeys[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// misfit compares the fields of a row, as it is found by them, with what they have to be. It names the first that is not.
func misfit(row backend.Row, want map[string]any) (problem string) {
	for _, name := range sortedKeys(row.Fields, want) {
		is, should := row.Fields[name], want[name]
		if emptyField(is) && emptyField(should) || reflect.DeepEqual(is, should) {
			continue
		}
		return fmt.Sprintf("%s than its document says: %.80s, not %.80s", name, strings.ReplaceAll(fmt.Sprint(is), "\n", " "), fmt.Sprint(should))
	}
	return ""
}

func emptyField(content any) bool {
	switch c := content.(type) {
	case nil:
		return true
	case []string:
		return len(c) == 0
	case map[string]backend.Value:
		return len(c) == 0
	}
	return false
}

// A pager gives the rows of a query one after the other, page by page; q.Limit is the size of a page.
type pager struct {
	find  func(backend.Query) ([]backend.Row, error)
	q     backend.Query
	after func(row backend.Row) []backend.Value // nil: by key
	rows  []backend.Row
	last  bool
}

// next is the next row, or nil behind the last.
func (p *pager) next() (*backend.Row, error) {
	if len(p.rows) == 0 && !p.last {
		rows, err := p.find(p.q)
		if err != nil {
			return nil, err
		}
		p.rows, p.last = rows, len(rows) < p.q.Limit
		if len(rows) > 0 {
			p.q.After = rows[len(rows)-1].Key
			if p.after != nil {
				p.q.After = p.after(rows[len(rows)-1])
			}
		}
	}
	if len(p.rows) == 0 {
		return nil, nil
	}
	row := p.rows[0]
	p.rows = p.rows[1:]
	return &row, nil
}

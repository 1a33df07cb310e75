package modelregistry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Of large facts a page is short.
const factPage = 20

// recordOf is the digest of a version as it is registered, of all its fields but its model's name, which a renaming
// changes and tells of once.
func recordOf(fields map[string]json.RawMessage) (string, error) {
	fields = maps.Clone(fields)
	delete(fields, "model")
	doc, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("encode version: %w", err)
	}
	sum := sha256.Sum256(doc)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// tellsVersion says whether events of that kind say what became of a version's own fields.
func tellsVersion(kind EventKind) bool {
	switch kind {
	case VersionUpdated, StageChanged, StageRolledBack, AliasSet, AliasMoved, AliasDeleted:
		return true
	}
	return false
}

// versions goes down from the newest version, through its events from the newest back, as At does, and compares each
// state with what the event says that it made; what is left at the registration has to be what was registered.
func (v *verifier) versions() error {
	id := backend.Cond{Field: "model_id", Value: backend.StringValue(v.report.ModelID)}
	events := &pager{
		find: v.tx.Find, after: func(row backend.Row) []backend.Value {
			return []backend.Value{row.Fields["version"].(backend.Value), row.Key[0]}
		},
		q: backend.Query{Table: tableEvents, Order: "version", Desc: true, Limit: eventPage, Fields: true, Where: []backend.Cond{
			id, {Field: "version", Op: backend.Gt, Value: backend.IntValue(0)},
		}},
	}
	rows := &pager{find: v.tx.Find, last: v.model == nil, q: backend.Query{Table: tableVersions, Desc: true, Limit: eventPage, Fields: true}}
	if v.model != nil {
		rows.q.Where = []backend.Cond{{Field: "model", Value: modelKey(v.model.Name)}}
	}
	given := make([]backend.Value, len(givenFacts))
	for i, kind := range slices.Sorted(slices.Values(givenFacts[:])) {
		given[i] = backend.StringValue(kind)
	}
	facts := &pager{find: v.tx.Find, q: backend.Query{Table: tableFacts, Desc: true, Limit: factPage, Fields: true, Where: []backend.Cond{
		id, {Field: "kind", Op: backend.In, Values: given},
	}}}
	event, err := nextEvent(events)
	if err != nil {
		return err
	}
	row, err := rows.next()
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	fact, err := facts.next()
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	for event != nil || row != nil || fact != nil {
		s := &versionStory{v: v}
		if event != nil {
			s.number = event.Version
		}
		if row != nil {
			s.number = max(s.number, int(row.Key[1].Int()))
		}
		if fact != nil {
			s.number = max(s.number, int(fact.Key[1].Int()))
		}
		if row != nil && int(row.Key[1].Int()) == s.number {
			if err := s.begin(row); err != nil {
				return err
			}
			if row, err = rows.next(); err != nil {
				return fmt.Errorf("read versions: %w", err)
			}
		}
		for fact != nil && int(fact.Key[1].Int()) == s.number {
			if err := s.addFact(*fact); err != nil {
				return err
			}
			if fact, err = facts.next(); err != nil {
				return fmt.Errorf("read facts: %w", err)
			}
		}
		for event != nil && event.Version == s.number {
			if err := s.back(event); err != nil {
				return err
			}
			if event, err = nextEvent(events); err != nil {
				return err
			}
		}
		if !s.registered {
			return v.fail(nil, "version %d is there, and its history does not say that it was registered", s.number)
		}
		if s.stored {
			v.report.Versions++
		}
	}
	return nil
}

func nextEvent(p *pager) (*Event, error) {
	row, err := p.next()
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if row == nil {
		return nil, nil
	}
	return decodeEvent(*row, cursorSeen)
}

// A versionStory is one version on its way back to its registration.
type versionStory struct {
	v          *verifier
	number     int
	stored     bool
	semver     Semver                     // as its row has it
	fields     map[string]json.RawMessage // as they were behind the event that comes next; nil: it was not there
	facts      map[string]string          // digests of the facts that it was registered with
	registered bool
}

// begin takes the version as its row has it, and compares the columns that it is found by.
func (s *versionStory) begin(row *backend.Row) error {
	version, err := decodeVersion(*row)
	if err != nil {
		return err
	}
	want, err := version.row()
	if err != nil {
		return err
	}
	if row.Key.Compare(want.Key) != 0 {
		return s.v.fail(nil, "the row of version %d is of %s", s.number, version.Ref())
	}
	if problem := misfit(*row, want.Fields); problem != "" {
		return s.v.fail(nil, "version %d is found by another %s", s.number, problem)
	}
	s.fields, s.stored, s.semver = map[string]json.RawMessage{}, true, version.Semver
	if err := json.Unmarshal(row.Doc, &s.fields); err != nil {
		return fmt.Errorf("row of version %d: %w: %w", s.number, ErrCorrupt, err)
	}
	return nil
}

func (s *versionStory) addFact(row backend.Row) error {
	f, err := decodeFactRow(row)
	if err != nil {
		return err
	}
	if s.stored { // what is of no version is told when it was deleted
		kind := row.Key[2].Str()
		want, err := (&Version{ModelID: s.v.report.ModelID, Number: s.number, Semver: s.semver}).factRow(kind, f.Fact)
		if err != nil {
			return err
		}
		if problem := misfit(row, want.Fields); problem != "" {
			return s.v.fail(nil, "the %s of version %d is found by another %s", kind, s.number, problem)
		}
		if kind == factSignature && f.Semver != s.semver {
			return s.v.fail(nil, "the signature of version %d is kept as that of %s, not of %s", s.number, f.Semver, s.semver)
		}
	}
	if s.facts == nil {
		s.facts = map[string]string{}
	}
	s.facts[row.Key[2].Str()] = digestFact(f.Fact)
	return nil
}

// back goes one event back.
func (s *versionStory) back(e *Event) error {
	switch {
	case s.registered:
		return s.v.fail(e, "event %d is about version %d before it was registered", e.Seq, s.number)
	case e.Kind == VersionDeleted:
		if s.fields != nil {
			return s.v.fail(e, "version %d was deleted by event %d, and has a row", s.number, e.Seq)
		}
		if len(s.facts) > 0 {
			return s.v.fail(e, "version %d was deleted by event %d, and has facts", s.number, e.Seq)
		}
		s.fields = maps.Clone(e.Before)
		return nil
	case e.Kind == VersionRegistered:
		return s.end(e)
	case !tellsVersion(e.Kind):
		return nil
	case s.fields == nil:
		return s.v.fail(e, "version %d has no row, and its history does not say that it was deleted", s.number)
	}
	for _, name := range sortedKeys(e.Before, e.After) {
		if is, made := s.fields[name], e.After[name]; string(is) != string(made) {
			return s.v.fail(e, "version %d: %s is %.80s, and event %d made it %.80s", s.number, name, orNothing(is), e.Seq, orNothing(made))
		}
	}
	e.undo(s.fields)
	return nil
}

// end compares what is left with what was registered.
func (s *versionStory) end(e *Event) error {
	s.registered = true
	if s.fields == nil {
		return s.v.fail(e, "version %d was registered by event %d, has no row, and its history does not say that it was deleted", s.number, e.Seq)
	}
	var r registered
	if err := decodeFields(e.After, &r); err != nil {
		return fmt.Errorf("event %d: %w: %w", e.Seq, ErrCorrupt, err)
	}
	for _, name := range []string{"digest", "semver"} {
		if string(s.fields[name]) != string(e.After[name]) {
			return s.v.fail(e, "version %d has the %s %.100s, and was registered with %.100s", s.number, name, orNothing(s.fields[name]), orNothing(e.After[name]))
		}
	}
	if record, err := recordOf(s.fields); err != nil {
		return err
	} else if record != r.Record {
		return s.v.fail(e, "version %d is not what event %d registered: its description, tags, params, metrics, run, source or dates were altered",
			s.number, e.Seq)
	}
	if s.stored && !maps.Equal(s.facts, r.Facts) {
		return s.v.fail(e, "version %d has other facts (signature, provenance, serving) than event %d registered", s.number, e.Seq)
	}
	return nil
}

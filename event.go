package modelregistry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	ModelCreated       EventKind = "model.created"
	ModelUpdated       EventKind = "model.updated"
	ModelRenamed       EventKind = "model.renamed"
	ModelDeleted       EventKind = "model.deleted"
	VersionRegistered  EventKind = "version.registered"
	VersionUpdated     EventKind = "version.updated"
	VersionDeleted     EventKind = "version.deleted"
	StageChanged       EventKind = "stage.changed"
	StageRolledBack    EventKind = "stage.rolledback"
	AliasSet           EventKind = "alias.set"
	AliasMoved         EventKind = "alias.moved" // away from this version; an AliasSet about another follows
	AliasDeleted       EventKind = "alias.deleted"
	LineageLinked      EventKind = "lineage.linked"
	VersionSigned      EventKind = "version.signed"   // an Envelope was added
	VersionUnsigned    EventKind = "version.unsigned" // an Envelope was removed
	DeploymentRecorded EventKind = "deployment.recorded"
	DeploymentEnded    EventKind = "deployment.ended"
	ApprovalRequested  EventKind = "approval.requested"
	ApprovalVoted      EventKind = "approval.voted"
	ApprovalCommented  EventKind = "approval.commented"
	ApprovalWithdrawn  EventKind = "approval.withdrawn"
	ApprovalDecided    EventKind = "approval.decided" // approved, with StageChanged behind it, rejected or failed
)

// An Event is one change, written in the transaction that made it. A call that changes several versions writes an event
// for each: first those that give something up, then the one that gets it.
type Event struct {
	// Cursor is where the event stands among all events; opaque. That of an event of Follow is one to follow behind, that
	// of Events one to page behind only. It is not part of the chain.
	Cursor string `json:"-"`
	// Hash is the SHA-256, in hexadecimal, of the event as stored, with Prev and so with all before it.
	Hash string `json:"-"`

	Seq     int64     `json:"seq"` // 1, 2, 3 … within its model
	Prev    string    `json:"prev,omitempty"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Kind    EventKind `json:"kind"`
	Model   string    `json:"model,omitempty"` // its name then; "" for lineage between other things
	ModelID string    `json:"model_id"`
	Version int       `json:"version,omitempty"` // 0 if it was about the model
	Alias   string    `json:"alias,omitempty"`
	// Before and After hold the fields that changed, under their JSON names; a field that was or is empty is left out.
	Before map[string]json.RawMessage `json:"before,omitempty"`
	After  map[string]json.RawMessage `json:"after,omitempty"`
	// Holders says for each of Staging and Production that changed hands who held it before and after; it stands in
	// the last event of a call.
	Holders map[Stage]Handover `json:"holders,omitempty"`
	// Stage is the stage that a change of stages was asked for; "" in the events before the last of a call.
	Stage Stage `json:"stage,omitempty"`
	// Undone is how many changes of hands a rollback went back.
	Undone int `json:"undone,omitempty"`
	// Verdicts are what the gates said: of a promotion in the last event of the call, or of a request that failed in its
	// ApprovalDecided.
	Verdicts []Verdict `json:"verdicts,omitempty"`
	// Request is the ID of the request for approval that the event is about, or that led to the change.
	Request string `json:"request,omitempty"`
	// Edges are the edges that Link recorded.
	Edges []Edge `json:"edges,omitempty"`
}

// String tells the event in a line, without its time: "stage.changed IrisClassifier/3 Staging -> Production by ann: good".
func (e *Event) String() string {
	var b strings.Builder
	b.WriteString(string(e.Kind))
	if e.Model != "" {
		b.WriteString(" " + e.Model)
	}
	if e.Version != 0 {
		fmt.Fprintf(&b, "/%d", e.Version)
	}
	if e.Alias != "" {
		b.WriteString(" @" + e.Alias)
	}
	if from, to, ok := e.StageChange(); ok {
		fmt.Fprintf(&b, " %s -> %s", from, to)
	}
	var decided decision
	if e.Kind == ApprovalDecided && json.Unmarshal(e.After["decision"], &decided) == nil {
		b.WriteString(" " + string(decided.State))
	}
	if at := e.Endpoint(); at != nil {
		b.WriteString(" at " + at.Node().label())
	} else {
		for _, edge := range e.Edges {
			fmt.Fprintf(&b, " %s %s", edge.Type, edge.To)
		}
	}
	if e.Actor != "" {
		b.WriteString(" by " + e.Actor)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	return b.String()
}

// StageChange is which stage the version left and which it came into, if the event is about that.
func (e *Event) StageChange() (from, to Stage, ok bool) {
	if json.Unmarshal(e.Before["stage"], &from) != nil || json.Unmarshal(e.After["stage"], &to) != nil {
		return "", "", false
	}
	return from, to, true
}

// Endpoint is the deployment that the event recorded or ended; nil if it is about something else.
func (e *Event) Endpoint() *Endpoint {
	if e.Kind != DeploymentRecorded && e.Kind != DeploymentEnded {
		return nil
	}
	text, ok := e.After["deployment"]
	if !ok {
		text = e.Before["deployment"]
	}
	var at *Endpoint
	if json.Unmarshal(text, &at) != nil {
		return nil
	}
	return at
}

// A Handover is who held a stage before and after a change, ascending.
type Handover struct {
	Before []int `json:"before,omitempty"`
	After  []int `json:"after,omitempty"`
}

// lineageChain is the ModelID of events that belong to no model.
const lineageChain = "lineage"

func hashEvent(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// decodeEvent reads an event whose cursor is of that sort.
func decodeEvent(row backend.Row, sort string) (*Event, error) {
	e := &Event{Hash: hashEvent(row.Doc), Cursor: newCursor(row.Key[0].Str(), sort)}
	if err := json.Unmarshal(row.Doc, e); err != nil {
		return nil, fmt.Errorf("event %s: %w: %w", e.Cursor, ErrCorrupt, err)
	}
	return e, nil
}

// seal numbers and chains e behind c, moves c on, and returns e's row.
func (c *chain) seal(e *Event) (backend.Row, error) {
	e.Seq = c.Seq + 1
	e.Prev = c.Head
	doc, err := json.Marshal(e)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode event: %w", err)
	}
	e.Hash = hashEvent(doc)
	c.Seq, c.Head, c.Time = e.Seq, e.Hash, e.Time
	return backend.Row{Fields: e.fields(), Doc: doc}, nil
}

// fields are what an event is found by.
func (e *Event) fields() map[string]any {
	return map[string]any{
		"model_id":   backend.StringValue(e.ModelID),
		"time":       backend.TimeValue(e.Time),
		"version":    backend.IntValue(int64(e.Version)),
		"stage_from": backend.StringValue(heldStage(e.Before)),
		"stage_to":   backend.StringValue(heldStage(e.After)),
		"alias":      backend.StringValue(e.Alias),
	}
}

// heldStage is the stage among changed fields, if it is one that versions hold.
func heldStage(fields map[string]json.RawMessage) string {
	var s Stage
	if json.Unmarshal(fields["stage"], &s) != nil || !s.active() {
		return ""
	}
	return string(s)
}

// diff returns the fields in which two values that marshal to JSON objects differ, as they are in each. Either may be nil.
func diff(before, after any) (was, is map[string]json.RawMessage, err error) {
	if was, err = jsonFields(before); err != nil {
		return nil, nil, err
	}
	if is, err = jsonFields(after); err != nil {
		return nil, nil, err
	}
	for name, text := range was {
		if other, ok := is[name]; ok && string(other) == string(text) {
			delete(was, name)
			delete(is, name)
		}
	}
	return was, is, nil
}

func jsonFields(v any) (map[string]json.RawMessage, error) {
	if v == nil {
		return map[string]json.RawMessage{}, nil
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	fields, ok := jsonMembers(doc)
	if ok {
		return fields, nil
	}
	clear(fields)
	if err := json.Unmarshal(doc, &fields); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return fields, nil
}

// undo takes the fields back to what they were before e.
func (e *Event) undo(fields map[string]json.RawMessage) {
	for name := range e.After {
		delete(fields, name)
	}
	maps.Copy(fields, e.Before)
}

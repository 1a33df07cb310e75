package modelregistry

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Of requests with all that is said about them a page is shorter than of events.
const requestPage = 100

// A requestStory is what the events have made of a request. Of what can be long it has digests alone, so that many
// requests take little memory.
type requestStory struct {
	seq             int64 // of the event that tells of the request
	asked           [sha256.Size]byte
	votes, comments [sha256.Size]byte // each with those before it
	state           RequestState
	decided         [sha256.Size]byte
	seen            bool // among the rows
}

// asked is q without what becomes of it, and without its model's name, which a renaming changes.
func (q *Request) asked() *Request {
	then := *q
	then.Model, then.State, then.Votes, then.Comments, then.Decided, then.Outcome = "", "", nil, nil, time.Time{}, ""
	return &then
}

// An ending is how a request was decided, for its digest.
type ending struct {
	Outcome string
	Decided time.Time
}

// digestBehind is the digest of a value behind that of what came before it.
func digestBehind(before [sha256.Size]byte, value any) ([sha256.Size]byte, error) {
	doc, err := json.Marshal(value)
	if err != nil {
		return before, fmt.Errorf("encode: %w", err)
	}
	return sha256.Sum256(append(before[:], doc...)), nil
}

// tellRequest takes the story of requests on by an event; it answers what of it cannot be.
func (s *story) tellRequest(e *Event) (problem string) {
	const unread = "what it says of a request cannot be read"
	var told struct {
		Request  *Request  `json:"request"`
		Vote     *Vote     `json:"vote"`
		Comment  *Remark   `json:"comment"`
		Decision *decision `json:"decision"`
	}
	if decodeFields(e.After, &told) != nil {
		return unread
	}
	q, ok := s.requests[e.Request]
	if made := e.Kind == ApprovalRequested; made == ok {
		if made {
			return fmt.Sprintf("request %s is made twice", e.Request)
		}
		return fmt.Sprintf("it is about request %s, which was not made before", e.Request)
	}
	var err error
	switch {
	case e.Kind == ApprovalRequested && told.Request != nil:
		r := told.Request
		q = &requestStory{seq: e.Seq, state: r.State}
		s.requests[e.Request] = q
		if q.asked, err = digestBehind([sha256.Size]byte{}, r.asked()); err == nil {
			q.decided, err = digestBehind([sha256.Size]byte{}, ending{r.Outcome, r.Decided})
		}
		now := e.Time.UnixMicro()
		s.pending = slices.DeleteFunc(s.pending, func(p pendingRequest) bool { return p.expired(now) })
		s.pending = append(s.pending, r.waiting())
	case e.Kind == ApprovalVoted && told.Vote != nil:
		q.votes, err = digestBehind(q.votes, told.Vote)
	case e.Kind == ApprovalCommented && told.Comment != nil:
		q.comments, err = digestBehind(q.comments, told.Comment)
	case (e.Kind == ApprovalDecided || e.Kind == ApprovalWithdrawn) && told.Decision != nil:
		q.state = told.Decision.State
		q.decided, err = digestBehind([sha256.Size]byte{}, ending{told.Decision.Outcome, e.Time})
		s.pending = slices.DeleteFunc(s.pending, func(p pendingRequest) bool { return p.ID == e.Request })
	default:
		return unread
	}
	if err != nil {
		return unread
	}
	return ""
}

// requests compares the rows of the requests about the model, and the list of those that wait in its row, with what the
// events made of them. Of a deleted model there are none, and those under its name are of who has it now.
func (v *verifier) requests() error {
	if v.model == nil {
		return nil
	}
	p := &pager{find: v.tx.Find, q: backend.Query{Table: tableApprovals, Limit: requestPage, Fields: true, Where: []backend.Cond{
		{Field: "model", Value: modelKey(v.model.Name)},
	}}}
	for {
		row, err := p.next()
		if err != nil {
			return fmt.Errorf("read requests: %w", err)
		}
		if row == nil {
			break
		}
		if err := v.request(row); err != nil {
			return err
		}
	}
	for _, id := range sortedKeys(v.story.requests, nil) {
		if q := v.story.requests[id]; !q.seen {
			return v.fail(nil, "request %s, which event %d made, is not there under the model's name", id, q.seq)
		}
	}
	if !slices.Equal(v.model.Pending, v.story.pending) {
		return v.fail(nil, "the requests that wait, as the model's row has them, are not those that wait by its history")
	}
	return nil
}

func (v *verifier) request(row *backend.Row) error {
	id := row.Key[0].Str()
	told, ok := v.story.requests[id]
	if !ok {
		return v.fail(nil, "request %.80q is there, and the model's history does not say that it was made", id)
	}
	told.seen = true
	q, err := decodeRequest(*row)
	if err != nil {
		return err
	}
	want, err := q.row()
	if err != nil {
		return err
	}
	if problem := misfit(*row, want.Fields); problem != "" {
		return v.fail(nil, "request %s is found by another %s", id, problem)
	}
	var none, votes, comments [sha256.Size]byte
	asked, err := digestBehind(none, q.asked())
	if err != nil {
		return err
	}
	decided, err := digestBehind(none, ending{q.Outcome, q.Decided})
	if err != nil {
		return err
	}
	for _, vote := range q.Votes {
		if votes, err = digestBehind(votes, vote); err != nil {
			return err
		}
	}
	for _, remark := range q.Comments {
		if comments, err = digestBehind(comments, remark); err != nil {
			return err
		}
	}
	switch {
	case asked != told.asked:
		return v.fail(nil, "request %s is not what event %d asked for: its version, stage, alias, need, approvers, expiry, waivers or reason, "+
			"who asked, or what the gates said was altered", id, told.seq)
	case votes != told.votes:
		return v.fail(nil, "the votes on request %s are not those that were given", id)
	case comments != told.comments:
		return v.fail(nil, "the comments on request %s are not those that were made", id)
	case q.State != told.state:
		return v.fail(nil, "request %s is %.20s, and was made %s", id, q.State, told.state)
	case decided != told.decided:
		return v.fail(nil, "request %s was decided at another time, or for another reason, than it says", id)
	}
	return nil
}

package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// ApprovalStore is the part of a Registry by which several people decide about a promotion. Who acts is the registry's
// actor (see Registry.As), by its exact name; that they are who they say is for the program to see to. The gate Approvals
// makes this the only way into a stage.
//
// All of it is in the model's history, as events with the ID of the request: who asked, who approved, when, and why.
type ApprovalStore interface {
	// RequestTransition asks that a version be moved into Staging or Production, in place of who holds it. The gates are
	// asked at once, but for those that count approvals: what they say is in the request's Verdicts, and see
	// Request.Refused. ErrExists: that is asked for already. ErrConflict: the version holds the stage alone already, or
	// IfCurrent does not.
	RequestTransition(ctx context.Context, model string, number int, to Stage, spec RequestSpec) (*Request, error)
	// RequestAlias asks that an alias be given to a version, as RequestTransition does for a stage. ErrConflict: the
	// version has it already, it is protected, or IfCurrent does not have it.
	RequestAlias(ctx context.Context, model, alias string, number int, spec RequestSpec) (*Request, error)
	// Approve votes for a request. The approval that completes its Need moves the version or alias, in the same
	// transaction and past the same gates as Promote. If that cannot be, because the version was deleted, it or the
	// holders of the stage or alias changed since the request, or a gate refuses, then the request has failed: that is no
	// error, and its State and Outcome say so, and Request.Err. ErrInvalid: the actor may not vote. ErrConflict: the actor
	// has voted, the request is decided, it waits for the approval of others only, or, with a *Refused, this is the last
	// approval and this Registry lacks gates that the model requires.
	Approve(ctx context.Context, id, comment string) (*Request, error)
	// Reject votes against a request, which decides it. Its errors are those of Approve.
	Reject(ctx context.Context, id, comment string) (*Request, error)
	// Comment adds a remark of anybody, also after the decision.
	Comment(ctx context.Context, id, comment string) (*Request, error)
	// Withdraw takes a request back. ErrInvalid: the actor is not who asked. ErrConflict: it is decided.
	Withdraw(ctx context.Context, id, comment string) (*Request, error)
	// Request returns a request. ErrNotFound: there is none, or its model was deleted; history still tells of it.
	Request(ctx context.Context, id string) (*Request, error)
	// Requests yields requests, the newest first.
	Requests(ctx context.Context, q RequestQuery) iter.Seq2[*Request, error]
	// ApprovalStatus is where a version stands by its requests.
	ApprovalStatus(ctx context.Context, model string, number int) (ApprovalStatus, error)
}

// A RequestState says what became of a request.
type RequestState string

// The states of a request.
const (
	RequestPending   RequestState = "pending"
	RequestApproved  RequestState = "approved" // and the version was moved
	RequestRejected  RequestState = "rejected"
	RequestWithdrawn RequestState = "withdrawn"
	RequestExpired   RequestState = "expired"
	RequestFailed    RequestState = "failed" // approved, or the version deleted, and the move could not be made
)

// An ApprovalStatus is a version's, under the names that SageMaker's model registry gives it.
type ApprovalStatus string

// The statuses of a version. They follow from its newest request that is not withdrawn, expired or failed: pending,
// approved or rejected. A version that nobody has requested so has none, "".
const (
	PendingManualApproval ApprovalStatus = "PendingManualApproval"
	StatusApproved        ApprovalStatus = "Approved"
	StatusRejected        ApprovalStatus = "Rejected"
)

// RequestSpec says how a request is decided. The zero value asks for one approval of anybody else.
type RequestSpec struct {
	Reason string // kept in the events, also of the promotion
	// Approvers are who may vote; nil is those whom the Approvals gates in front of the stage or alias name, or everybody.
	// Who asks may not, even if named.
	Approvers []string
	// Need is how many approvals it takes; 0 is 1. It takes more where Approvals gates in front of the stage ask for more.
	Need    int
	Expires time.Time // when it is too late for votes; zero: never
	// IfCurrent makes it an error that another version than this holds the stage or has the alias (0: any). See
	// PromoteOptions.
	IfCurrent *int
	// Waive lets gates be passed although they refuse, in the name of who asks. See PromoteOptions.
	Waive map[string]string
}

// A Request asks that a version be moved into a stage, or be given an alias. It is a snapshot; changing it changes nothing in the registry.
type Request struct {
	ID        string       `json:"id"` // IDs are in the order of the requests
	Model     string       `json:"model"`
	ModelID   string       `json:"model_id"`
	Version   int          `json:"version"`
	Stage     Stage        `json:"stage,omitempty"` // that the version is to come into; "" if it is about an alias
	Alias     string       `json:"alias,omitempty"` // that it is to have; "" if it is about a stage
	State     RequestState `json:"state"`
	Requester string       `json:"requester"`
	Reason    string       `json:"reason,omitempty"`
	Approvers []string     `json:"approvers,omitempty"` // who may vote; none: everybody but the requester
	Need      int          `json:"need"`
	Votes     []Vote       `json:"votes,omitempty"` // in their order
	Comments  []Remark     `json:"comments,omitempty"`
	// Verdicts are what the gates said when it was made, but for those that count approvals. They are asked again when the
	// last approval comes, and that counts.
	Verdicts []Verdict `json:"verdicts,omitempty"`
	// From and Holders are where the version was and who held the stage or had the alias, ascending, when it was requested:
	// if the holders, or for a stage where it was, are others when the last approval comes, the request fails.
	From    Stage             `json:"from"`
	Holders []int             `json:"holders,omitempty"`
	Waive   map[string]string `json:"waive,omitempty"`
	Created time.Time         `json:"created"`
	Expires time.Time         `json:"expires,omitzero"`
	Decided time.Time         `json:"decided,omitzero"` // when it stopped to be pending
	// Outcome is why it was decided so: the comment of who rejected or withdrew it, or what made it fail.
	Outcome string `json:"outcome,omitempty"`
}

// A Vote is one approver's.
type Vote struct {
	Actor    string    `json:"actor"`
	Approved bool      `json:"approved"`
	Comment  string    `json:"comment,omitempty"`
	Time     time.Time `json:"time"`
}

// A Remark is a comment on a request.
type Remark struct {
	Actor string    `json:"actor"`
	Text  string    `json:"text"`
	Time  time.Time `json:"time"`
}

// Approvals is how many have approved so far.
func (q *Request) Approvals() (n int) {
	for _, vote := range q.Votes {
		if vote.Approved {
			n++
		}
	}
	return n
}

// Refused is the *Refused of the gates that objected when q was made, or nil: as things were then, q would have failed.
func (q *Request) Refused() error { return refused(q.Model, q.Version, q.target(), q.Verdicts) }

func (q *Request) target() target { return target{q.Stage, q.Alias} }

// Err is why q will not move its version any more, an ErrConflict: it failed, was rejected, withdrawn, or expired. It is nil
// while q is pending, and when it is approved.
func (q *Request) Err() error {
	if q.State == RequestPending || q.State == RequestApproved {
		return nil
	}
	reason := fmt.Sprintf("request %s is %s", q.ID, q.State)
	if q.Outcome != "" {
		reason += ": " + q.Outcome
	}
	return q.conflict("%s", reason)
}

// conflict is the *Conflict of what cannot be done with q.
func (q *Request) conflict(format string, args ...any) error {
	return &Conflict{Model: q.Model, Stage: q.Stage, Alias: q.Alias, Reason: fmt.Sprintf(format, args...)}
}

// RequestQuery selects requests. The zero value selects all.
type RequestQuery struct {
	Model   string
	Version int          // of the model; 0: all
	State   RequestState // "": all
	After   string       // the ID of a request: only those behind it
	Limit   int          // 0: all
}

// never is when what does not expire does, in the index.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

const (
	maxApprovers = 100
	maxRemarks   = 100
	maxRequestID = 64

	// The room in a request's row: for what was asked, what approvers say with their votes, and the remarks of others, so
	// that no one of them takes that of another.
	maxRequestBytes = 512 << 10
	maxVoteBytes    = 200 << 10
	maxRemarkBytes  = 200 << 10
)

// checkElectorate checks how many approvals of whom are asked for.
func checkElectorate(need int, approvers []string) error {
	if need < 1 || need > maxApprovers {
		return fmt.Errorf("%w: %d approvals; it is from 1 to %d", ErrInvalid, need, maxApprovers)
	}
	if len(approvers) > maxApprovers {
		return fmt.Errorf("%w: %d approvers, at most %d", ErrInvalid, len(approvers), maxApprovers)
	}
	for i, name := range approvers {
		if strings.TrimSpace(name) == "" {
			return fmt.Errorf("approver: %w: empty", ErrInvalid)
		}
		if err := checkName("approver", name, maxActor); err != nil {
			return err
		}
		if slices.Contains(approvers[:i], name) {
			return fmt.Errorf("approver %.80q: %w: named twice", name, ErrInvalid)
		}
	}
	if len(approvers) > 0 && need > len(approvers) {
		return fmt.Errorf("%w: %d approvals of %d approvers", ErrInvalid, need, len(approvers))
	}
	return nil
}

// newRequestID begins with the time, so that IDs are in the order of the requests.
func newRequestID(now time.Time) string { return fmt.Sprintf("%014x-%s", now.UnixMicro(), newID()) }

func checkRequestID(id string) error {
	if id == "" {
		return fmt.Errorf("request ID: %w: empty", ErrInvalid)
	}
	return checkText("request ID", id, maxRequestID)
}

func decodeRequest(row backend.Row) (*Request, error) {
	q := new(Request)
	if err := json.Unmarshal(row.Doc, q); err != nil {
		return nil, fmt.Errorf("row of request %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return q, nil
}

func (q *Request) row() (backend.Row, error) {
	doc, err := json.Marshal(q)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode request: %w", err)
	}
	expires := backend.TimeValue(q.Expires)
	if q.Expires.IsZero() {
		expires = backend.TimeValue(never)
	}
	return backend.Row{
		Key: backend.Key{backend.StringValue(q.ID)},
		Fields: map[string]any{
			"model":   backend.StringValue(q.Model),
			"version": backend.IntValue(int64(q.Version)),
			"state":   backend.StringValue(string(q.State)),
			"expires": expires,
		},
		Doc: doc,
	}, nil
}

// at is q as of a time, in a copy: nothing is written when a request expires.
func (q *Request) at(now time.Time) *Request {
	then := *q
	if q.State == RequestPending && !q.Expires.IsZero() && !now.Before(q.Expires) {
		then.State, then.Decided = RequestExpired, q.Expires
	}
	return &then
}

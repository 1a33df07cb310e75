package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// maxPending is how many requests of a model can wait at once: they are listed in its row.
const maxPending = 100

// A pendingRequest is what a model's row tells of a request that waits. It may have expired.
type pendingRequest struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Stage   Stage  `json:"stage,omitempty"`
	Alias   string `json:"alias,omitempty"`
	Expires int64  `json:"expires,omitempty"` // microseconds since the Unix epoch
}

func (r *registry) RequestTransition(ctx context.Context, model string, number int, to Stage, spec RequestSpec) (*Request, error) {
	to, err := to.normal()
	if err == nil && !to.active() {
		err = fmt.Errorf("stage %s: %w: approvals are asked for Staging and Production", to, ErrInvalid)
	}
	var q *Request
	if err == nil {
		q, err = r.request(ctx, model, number, target{stage: to}, spec)
	}
	return q, wrap("RequestTransition", versionRef(model, number), err)
}

func (r *registry) RequestAlias(ctx context.Context, model, alias string, number int, spec RequestSpec) (*Request, error) {
	err := checkAlias(alias)
	var q *Request
	if err == nil {
		q, err = r.request(ctx, model, number, target{alias: alias}, spec)
	}
	return q, wrap("RequestAlias", model+"@"+alias, err)
}

func (r *registry) request(ctx context.Context, model string, number int, to target, spec RequestSpec) (q *Request, err error) {
	if err := checkNumber(number); err != nil {
		return nil, err
	}
	g, err := r.gating(ctx, model, to, spec.Waive)
	if err != nil {
		return nil, err
	}
	if err := spec.settle(r.actor, g); err != nil {
		return nil, err
	}
	if err := g.prepare(r, model, number); err != nil {
		return nil, err
	}
	err = r.changeModel(ctx, model, spec.Reason, false, nil, func(c *change) error {
		q, err = c.request(g, number, spec)
		return err
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}

// settle checks the spec and fills in what the gates say.
func (spec *RequestSpec) settle(requester string, g *gating) error {
	if err := checkVoter(requester); err != nil {
		return err
	}
	spec.Expires = spec.Expires.UTC().Truncate(time.Microsecond)
	gates := g.approvalGates()
	if len(spec.Approvers) == 0 {
		for _, gate := range gates {
			if len(gate.approvers) == 0 {
				spec.Approvers = nil // it counts everybody
				break
			}
			for _, name := range gate.approvers {
				if !slices.Contains(spec.Approvers, name) {
					spec.Approvers = append(spec.Approvers, name)
				}
			}
		}
	}
	if spec.Need == 0 {
		spec.Need = 1
		for _, gate := range gates {
			spec.Need = max(spec.Need, gate.need)
		}
	}
	spec.Approvers = slices.Clone(spec.Approvers)
	spec.Waive = maps.Clone(spec.Waive)
	if err := checkElectorate(spec.Need, spec.Approvers); err != nil {
		return err
	}
	if len(spec.Approvers) == 0 {
		return nil
	}
	able := func(name string) bool { return name != requester && slices.Contains(spec.Approvers, name) }
	if n := count(spec.Approvers, able); n < spec.Need {
		return fmt.Errorf("%w: %d approvals, and %d of the approvers can vote, who do not ask for it themselves", ErrInvalid, spec.Need, n)
	}
	for _, gate := range gates {
		who := gate.approvers
		if len(who) == 0 {
			who = spec.Approvers
		}
		if n := count(who, able); n < gate.need {
			return fmt.Errorf("%w: the gate %q counts %d of the approvers, who do not ask for it themselves", ErrInvalid, gate.name, n)
		}
	}
	return nil
}

func count(names []string, which func(string) bool) (n int) {
	for _, name := range names {
		if which(name) {
			n++
		}
	}
	return n
}

// approvalGates are the gates that count approvals and are not waived.
func (g *gating) approvalGates() (gates []*approvalGate) {
	for _, rule := range g.rules {
		if gate, ok := rule.Gate.(*approvalGate); ok && g.waivers[rule.Name] == "" {
			gates = append(gates, gate)
		}
	}
	return gates
}

func checkVoter(actor string) error {
	if strings.TrimSpace(actor) == "" {
		return fmt.Errorf("actor: %w: empty; approvals are somebody's (see Registry.As)", ErrInvalid)
	}
	return checkName("actor", actor, maxActor)
}

// request makes a request.
func (c *change) request(g *gating, number int, spec RequestSpec) (*Request, error) {
	to := g.target
	if !spec.Expires.IsZero() && (!spec.Expires.After(c.now) || spec.Expires.After(never)) {
		return nil, fmt.Errorf("expires %v: %w: it is not in the future", spec.Expires, ErrInvalid)
	}
	var err error
	if to.alias != "" {
		err = c.checkAlias(to.alias, spec.IfCurrent)
	} else {
		err = c.checkHolder(to.stage, spec.IfCurrent)
	}
	if err != nil {
		return nil, err
	}
	holders := slices.Clone(c.model.holders(to))
	if slices.Equal(holders, []int{number}) {
		return nil, &Conflict{Model: c.model.Name, Stage: to.stage, Alias: to.alias, Current: holders,
			Reason: fmt.Sprintf("version %d of model %q %s already", number, c.model.Name, to.held())}
	}
	c.forgetExpired()
	for _, p := range c.model.Pending {
		if p.Version == number && p.Stage == to.stage && p.Alias == to.alias {
			return nil, fmt.Errorf("request for version %d of model %q and %s: %w: %s waits for approval", number, c.model.Name, to, ErrExists, p.ID)
		}
	}
	if len(c.model.Pending) >= maxPending {
		return nil, &Conflict{Model: c.model.Name, Reason: fmt.Sprintf("%d requests of model %q wait for approval; no more can", maxPending, c.model.Name)}
	}
	q := &Request{
		ID: newRequestID(c.now), Model: c.model.Name, ModelID: c.model.ID, Version: number, Stage: to.stage, Alias: to.alias,
		State: RequestPending, Requester: c.r.actor, Reason: spec.Reason, Approvers: spec.Approvers, Need: spec.Need,
		Holders: holders, Waive: spec.Waive, Created: c.now, Expires: spec.Expires,
	}
	asked := *q // which a gate may not change
	g.request, g.asking = &asked, true
	v, verdicts, err := c.judgeFor(g, number, spec.IfCurrent)
	if err != nil {
		return nil, err
	}
	q.From, q.Verdicts = v.Stage, verdicts
	if row, err := q.row(); err != nil {
		return nil, err
	} else if err := checkBytes("request with its waivers and what the gates say", len(row.Doc), maxRequestBytes); err != nil {
		return nil, err
	}
	c.model.Pending = append(slices.Clip(c.model.Pending), q.waiting())
	if err := c.note(ApprovalRequested, q, "request", q); err != nil {
		return nil, err
	}
	return q, c.putRequest(q)
}

// note adds an event about a request. The name is none of a Version's fields, of which events else tell.
func (c *change) note(kind EventKind, q *Request, name string, what any) (err error) {
	e := c.event(kind, q.Version)
	e.Request = q.ID
	e.After, err = jsonFields(map[string]any{name: what})
	return err
}

// judgeFor is judge or judgeAlias, whichever the target is.
func (c *change) judgeFor(g *gating, number int, ifCurrent *int) (*Version, []Verdict, error) {
	if g.target.alias != "" {
		return c.judgeAlias(g, number, ifCurrent)
	}
	return c.judge(g, number, &TransitionOptions{IfCurrent: ifCurrent})
}

func (c *change) putRequest(q *Request) error {
	row, err := q.row()
	if err != nil {
		return err
	}
	if err := c.tx.Put(tableApprovals, row); err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	return nil
}

// forgetExpired takes out of the model's row what waits no longer.
func (c *change) forgetExpired() {
	c.model.Pending = slices.DeleteFunc(c.model.Pending, func(p pendingRequest) bool { return p.expired(c.now.UnixMicro()) })
}

// waiting is what the model's row tells of q while it waits.
func (q *Request) waiting() pendingRequest {
	p := pendingRequest{ID: q.ID, Version: q.Version, Stage: q.Stage, Alias: q.Alias}
	if !q.Expires.IsZero() {
		p.Expires = q.Expires.UnixMicro()
	}
	return p
}

func (p pendingRequest) expired(now int64) bool { return p.Expires != 0 && p.Expires <= now }

// A decision is what the event of one says.
type decision struct {
	State   RequestState `json:"state"`
	Outcome string       `json:"outcome,omitempty"`
}

// decide ends a request. The caller writes it.
func (c *change) decide(q *Request, state RequestState, outcome string) error {
	q.State, q.Outcome, q.Decided = state, outcome, c.now
	c.model.Pending = slices.DeleteFunc(c.model.Pending, func(p pendingRequest) bool { return p.ID == q.ID })
	kind := ApprovalDecided
	if state == RequestWithdrawn {
		kind = ApprovalWithdrawn
	}
	return c.note(kind, q, "decision", decision{state, outcome})
}

// failRequests ends the requests about a version that is being deleted.
func (c *change) failRequests(number int) error {
	for _, p := range slices.Clone(c.model.Pending) {
		if p.Version != number || p.expired(c.now.UnixMicro()) {
			continue
		}
		q, err := c.readRequest(p.ID)
		if err != nil {
			return err
		}
		if err := c.decide(q, RequestFailed, fmt.Sprintf("version %d was deleted", number)); err != nil {
			return err
		}
		if err := c.putRequest(q); err != nil {
			return err
		}
	}
	c.model.Pending = slices.DeleteFunc(c.model.Pending, func(p pendingRequest) bool { return p.Version == number })
	return nil
}

func (c *change) readRequest(id string) (*Request, error) {
	row, err := c.tx.Get(tableApprovals, backend.StringValue(id))
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoRequest(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return decodeRequest(row)
}

func errNoRequest(id string) error { return fmt.Errorf("request %.80q: %w", id, ErrNotFound) }

// eachRequest calls fn with the model's requests, a batch at a time.
func (c *change) eachRequest(fn func([]*Request) error) error {
	const batch = 200
	find := backend.Query{Table: tableApprovals, Limit: batch, Where: []backend.Cond{{Field: "model", Value: modelKey(c.model.Name)}}}
	for {
		rows, err := c.tx.Find(find)
		if err != nil {
			return fmt.Errorf("read requests: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		find.After = rows[len(rows)-1].Key
		requests := make([]*Request, len(rows))
		for i, row := range rows {
			if requests[i], err = decodeRequest(row); err != nil {
				return err
			}
		}
		if err := fn(requests); err != nil {
			return err
		}
		if len(rows) < batch {
			return nil
		}
	}
}

// deleteRequests removes the requests of a model that is being deleted. Their events stay.
func (c *change) deleteRequests() error {
	return c.eachRequest(func(requests []*Request) error {
		keys := make([]backend.Key, len(requests))
		for i, q := range requests {
			keys[i] = backend.Key{backend.StringValue(q.ID)}
		}
		if err := c.tx.Delete(tableApprovals, keys...); err != nil {
			return fmt.Errorf("delete requests: %w", err)
		}
		return nil
	})
}

// renameRequests tells the requests of a model its new name; c.model has the old one.
func (c *change) renameRequests(newName string) error {
	return c.eachRequest(func(requests []*Request) error {
		rows := make([]backend.Row, len(requests))
		for i, q := range requests {
			q.Model = newName
			row, err := q.row()
			if err != nil {
				return err
			}
			rows[i] = row
		}
		if err := c.tx.Put(tableApprovals, rows...); err != nil {
			return fmt.Errorf("write requests: %w", err)
		}
		return nil
	})
}

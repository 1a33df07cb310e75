package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (r *registry) Approve(ctx context.Context, id, comment string) (*Request, error) {
	var g *gating
	prepare := func(q *Request) (err error) {
		if g, err = r.requestGating(ctx, q); err != nil {
			return err
		}
		// Who may not vote now never may, and makes nobody read files.
		if err := q.checkApproval(r.actor, g, r.now()); err != nil {
			return err
		}
		voted := *q
		voted.Votes = append(slices.Clip(q.Votes), Vote{Actor: r.actor, Approved: true})
		if !voted.complete(g) {
			return nil
		}
		return g.prepare(r, q.Model, q.Version)
	}
	q, err := r.changeRequest(ctx, id, comment, prepare, func(c *change, q *Request) error {
		if err := q.checkApproval(r.actor, g, c.now); err != nil {
			return err
		}
		if c.vote(q, true); !q.complete(g) {
			return c.noteVote(q)
		}
		// Here nobody can say whether the gates would let it pass, and where they are it can still be approved.
		if missing := c.model.missing(g); len(missing) > 0 {
			return refused(q.Model, q.Version, g.target, missing)
		}
		if err := c.noteVote(q); err != nil {
			return err
		}
		return c.apply(q, g)
	})
	return q, wrap("Approve", id, err)
}

func (r *registry) Reject(ctx context.Context, id, comment string) (*Request, error) {
	q, err := r.changeRequest(ctx, id, comment, nil, func(c *change, q *Request) error {
		if err := q.checkVote(r.actor, c.now); err != nil {
			return err
		}
		c.vote(q, false)
		if err := c.noteVote(q); err != nil {
			return err
		}
		return c.decide(q, RequestRejected, comment)
	})
	return q, wrap("Reject", id, err)
}

func (r *registry) Comment(ctx context.Context, id, comment string) (*Request, error) {
	if strings.TrimSpace(comment) == "" {
		return nil, wrap("Comment", id, fmt.Errorf("comment: %w: empty", ErrInvalid))
	}
	q, err := r.changeRequest(ctx, id, comment, nil, func(c *change, q *Request) error {
		if len(q.Comments) >= maxRemarks {
			return q.conflict("request %s has %d comments already; no more fit", q.ID, maxRemarks)
		}
		remark := Remark{Actor: r.actor, Text: comment, Time: c.now}
		q.Comments = append(q.Comments, remark)
		size := 0
		for _, remark := range q.Comments {
			size += len(appendJSONString(nil, remark.Text))
		}
		if size > maxRemarkBytes {
			return q.conflict("the comments on request %s would come to %d bytes, and there is room for %d", q.ID, size, maxRemarkBytes)
		}
		return c.note(ApprovalCommented, q, "comment", remark)
	})
	return q, wrap("Comment", id, err)
}

func (r *registry) Withdraw(ctx context.Context, id, comment string) (*Request, error) {
	q, err := r.changeRequest(ctx, id, comment, nil, func(c *change, q *Request) error {
		if err := q.checkPending(c.now); err != nil {
			return err
		}
		if r.actor != q.Requester {
			return fmt.Errorf("actor %q: %w: %s, who asked, can withdraw the request; others reject it", r.actor, ErrInvalid, q.Requester)
		}
		return c.decide(q, RequestWithdrawn, comment)
	})
	return q, wrap("Withdraw", id, err)
}

// changeRequest runs fn on a request under its model's lock, and writes the request. prepare, if not nil, is called with
// the request as it is before each try.
func (r *registry) changeRequest(ctx context.Context, id, comment string, prepare func(*Request) error, fn func(*change, *Request) error) (*Request, error) {
	if err := checkVoter(r.actor); err != nil {
		return nil, err
	}
	q, err := r.findRequest(ctx, id)
	for err == nil {
		if prepare != nil {
			if err := prepare(q); err != nil {
				return nil, err
			}
		}
		model := q.Model
		var changed, shown *Request
		failed := r.changeModel(ctx, model, comment, false, nil, func(c *change) (err error) {
			if changed, err = c.readRequest(id); err != nil {
				return err
			}
			if changed.ModelID != c.model.ID {
				return errNoModel(model)
			}
			if err := fn(c, changed); err != nil {
				return err
			}
			shown = changed.at(c.now)
			return c.putRequest(changed)
		})
		if failed == nil {
			return shown, nil
		}
		// The model may have another name by now, or another's vote made this one the last.
		if q, err = r.findRequest(ctx, id); err == nil && !errors.Is(failed, errUnprepared) && q.Model == model {
			err = failed
		}
	}
	return nil, err
}

// requestGating is the gating of the promotion that q asks for. A waiver of a gate that this program lacks does nothing.
func (r *registry) requestGating(ctx context.Context, q *Request) (*gating, error) {
	g, err := r.gating(ctx, q.Model, q.target(), nil)
	if err != nil {
		return nil, err
	}
	g.waivers = maps.Clone(q.Waive)
	g.waivedBy = q.Requester
	return g, nil
}

// complete says whether q has all the approvals that it needs.
func (q *Request) complete(g *gating) bool {
	if q.Approvals() < q.Need {
		return false
	}
	return !slices.ContainsFunc(g.approvalGates(), func(gate *approvalGate) bool { return len(gate.counts(q)) < gate.need })
}

func (q *Request) checkPending(now time.Time) error {
	then := q.at(now)
	if then.State == RequestPending {
		return nil
	}
	return q.conflict("request %s is %s since %s", q.ID, then.State, then.Decided.Format(time.RFC3339))
}

// checkVote says whether an actor may vote on q.
func (q *Request) checkVote(actor string, now time.Time) error {
	if err := q.checkPending(now); err != nil {
		return err
	}
	if actor == q.Requester {
		return fmt.Errorf("actor %q: %w: who asks does not vote; Withdraw takes the request back", actor, ErrInvalid)
	}
	if len(q.Approvers) > 0 && !slices.Contains(q.Approvers, actor) {
		return fmt.Errorf("actor %q: %w: not one of the request's approvers", actor, ErrInvalid)
	}
	if slices.ContainsFunc(q.Votes, func(v Vote) bool { return v.Actor == actor }) {
		return q.conflict("%s has voted on request %s already", actor, q.ID)
	}
	return nil
}

// checkApproval says whether an actor may approve q. An approval that would not count is refused: as many as count are
// few, so that nobody can fill a request and keep out whom it waits for.
func (q *Request) checkApproval(actor string, g *gating, now time.Time) error {
	if err := q.checkVote(actor, now); err != nil {
		return err
	}
	if q.Approvals() < q.Need {
		return nil
	}
	var waits []string
	for _, gate := range g.approvalGates() {
		switch {
		case len(gate.counts(q)) >= gate.need:
		case gate.names(actor):
			return nil
		default:
			waits = append(waits, fmt.Sprintf("%.200q", gate.name))
		}
	}
	if len(waits) == 0 {
		return nil // it has all that it needs here, and only somebody who says so
	}
	return q.conflict("request %s has the approvals that anybody can give; it waits for those that %s count, and that of %.80q does not",
		q.ID, strings.Join(waits[:min(len(waits), 10)], ", "), actor)
}

// vote adds the actor's vote, which was checked, to q.
func (c *change) vote(q *Request, approve bool) {
	q.Votes = append(q.Votes, Vote{Actor: c.r.actor, Approved: approve, Comment: c.reason, Time: c.now})
}

// noteVote adds the event of the newest vote.
func (c *change) noteVote(q *Request) error {
	size := 0
	for _, vote := range q.Votes {
		size += len(appendJSONString(nil, vote.Comment))
	}
	newest := q.Votes[len(q.Votes)-1]
	if size > maxVoteBytes && newest.Comment != "" {
		return q.conflict("what is said with the votes on request %s would come to %d bytes, and there is room for %d; vote without a comment",
			q.ID, size, maxVoteBytes)
	}
	return c.note(ApprovalVoted, q, "vote", newest)
}

// apply makes the promotion that q asks for, or ends q with the reason why not.
func (c *change) apply(q *Request, g *gating) error {
	fail := func(verdicts []Verdict, outcome string) error {
		err := c.decide(q, RequestFailed, outcome)
		c.events[len(c.events)-1].Verdicts = verdicts
		return err
	}
	if err := c.load(append(slices.Clone(c.model.holders(g.target)), q.Version)...); err != nil {
		return err
	}
	v, err := c.version(q.Version)
	if err != nil {
		return fail(nil, fmt.Sprintf("version %d was deleted", q.Version))
	}
	if q.Stage != "" && v.Stage != q.From {
		return fail(nil, fmt.Sprintf("version %d is in %s by now, not in %s", v.Number, v.Stage, q.From))
	}
	if holders := c.model.holders(g.target); !slices.Equal(holders, q.Holders) {
		return fail(nil, fmt.Sprintf("%s is held by %s by now, not by %s", g.target, versionList(holders...), versionList(q.Holders...)))
	}
	if q.Alias != "" && len(q.Holders) > 0 {
		if err := c.checkAliasUnprotected(q.Alias); err != nil {
			return fail(nil, err.Error())
		}
	}
	asked := *q // which a gate may not change
	g.request = &asked
	v, verdicts, err := c.judgeFor(g, q.Version, nil)
	if err != nil {
		return err
	}
	if err := refused(q.Model, q.Version, g.target, verdicts); err != nil {
		return fail(verdicts, err.Error())
	}
	if err := c.decide(q, RequestApproved, ""); err != nil {
		return err
	}
	before := len(c.events)
	if q.Alias != "" {
		err = c.giveAlias(v, q.Alias, verdicts)
	} else {
		_, err = c.transition(v, q.Stage, false, verdicts)
	}
	if err != nil {
		return err
	}
	for _, e := range c.events[before:] {
		e.Request, e.Reason = q.ID, q.Reason
	}
	return nil
}

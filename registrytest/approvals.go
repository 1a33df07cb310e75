package registrytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var approvalPromises = []promise{
	{"an approved request moves the version, and history says who asked and who approved", approvalTold},
	{"it takes as many of the approvers as are needed, each once and never who asks", approvalElectorate},
	{"one rejection decides, and nobody votes after the decision", approvalRejected},
	{"who asked can withdraw, and anybody comment", approvalWithdrawn},
	{"a request expires by itself", approvalExpired},
	{"a request fails if what it was about has changed", approvalChanged},
	{"a request meets the gates, with its waivers", approvalGates},
	{"where approvals are asked for, there is no direct way, and each is used once", approvalOnly},
	{"a version's status follows from its requests", approvalStatus},
	{"requests are found by model, version and state, the newest first", approvalSearch},
	{"requests go with their model, by whatever name, and with its end", approvalMoves},
	{"requests, votes and comments that are none are refused", approvalMistakes},
	{"of two last approvals at once one moves the version", approvalRaceLast},
	{"of sixteen approvals at once as many count as are needed", approvalRaceMany},
	{"an approval beside a deletion never moves what is gone", approvalRaceDeletion},
	{"an approval beside a promotion never undoes what it has not seen", approvalRacePromotion},
}

func (s *trial) ask(model string, number int, to modelregistry.Stage, spec modelregistry.RequestSpec) *modelregistry.Request {
	s.Helper()
	q, err := s.r.RequestTransition(s.ctx, model, number, to, spec)
	s.ok(err)
	s.sameRequest(q)
	return q
}

func (s *trial) sameRequest(q *modelregistry.Request) {
	s.Helper()
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "request as read", text(read), text(q))
}

func (s *trial) approve(q *modelregistry.Request, actor string, want modelregistry.RequestState) *modelregistry.Request {
	s.Helper()
	q, err := s.r.As(actor).Approve(s.ctx, q.ID, "fine by "+actor)
	s.ok(err)
	equal(s, "state after the approval of "+actor, q.State, want)
	s.sameRequest(q)
	return q
}

// ended checks that a request says why it will not move its version.
func (s *trial) ended(q *modelregistry.Request, hints ...string) {
	s.Helper()
	err := q.Err()
	if !errors.Is(err, modelregistry.ErrConflict) {
		s.Fatalf("error %v of a request that is %s; want a conflict", err, q.State)
	}
	for _, hint := range hints {
		if !strings.Contains(err.Error(), hint) {
			s.Fatalf("error %q of a request does not say %q", err, hint)
		}
	}
}

// story tells the events behind the first n of a model, one a line, without their model.
func (s *trial) story(model string, n int) string {
	s.Helper()
	var told []string
	for _, e := range s.events(modelregistry.EventQuery{Model: model})[n:] {
		line := fmt.Sprintf("%s /%d %s", e.Kind, e.Version, e.Actor)
		if e.Reason != "" {
			line += ": " + e.Reason
		}
		told = append(told, line)
	}
	return strings.Join(told, "\n")
}

func approvalTold(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	before := len(s.events(modelregistry.EventQuery{Model: "fraud"}))
	q := s.ask("fraud", 2, "production", modelregistry.RequestSpec{Reason: "accuracy 0.97", Need: 2})
	equal(s, "state", q.State, modelregistry.RequestPending)
	equal(s, "requester", q.Requester, "ada")
	equal(s, "holders", fmt.Sprint(q.Holders), "[1]")
	equal(s, "from", q.From, none)
	equal(s, "stage", q.Stage, production)
	_, err := s.r.As("eve").Comment(s.ctx, q.ID, "which data?")
	s.ok(err)
	s.approve(q, "bob", modelregistry.RequestPending)
	equal(s, "Production", s.holders("fraud", production), "1")
	done := s.approve(q, "eve", modelregistry.RequestApproved)
	equal(s, "Production", s.holders("fraud", production), "2")
	equal(s, "version 1", s.version("fraud", 1).Stage, archived)
	equal(s, "approvals", done.Approvals(), 2)
	equal(s, "comments", len(done.Comments), 1)
	equal(s, "decided", done.Decided.Equal(done.Votes[1].Time), true)
	s.told(func() {
		equal(s, "story", s.story("fraud", before), `approval.requested /2 ada: accuracy 0.97
approval.commented /2 eve: which data?
approval.voted /2 bob: fine by bob
approval.voted /2 eve: fine by eve
approval.decided /2 eve: fine by eve
stage.changed /1 eve: accuracy 0.97
stage.changed /2 eve: accuracy 0.97`)
		for _, e := range s.events(modelregistry.EventQuery{Model: "fraud"})[before:] {
			equal(s, "request of the event", e.Request, q.ID)
		}
		equal(s, "holders", text(s.last("fraud").Holders), `{"Production":{"before":[1],"after":[2]}}`)
	})
	equal(s, "restored", s.rollback("fraud", production).Version.Number, 1)
}

func approvalElectorate(s *trial) {
	s.register("fraud", 1)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{Approvers: []string{"ada", "bob", "eve", "dan"}, Need: 2})
	vote := func(actor string) func() error {
		return func() error { _, err := s.r.As(actor).Approve(s.ctx, q.ID, ""); return err }
	}
	s.approve(q, "eve", modelregistry.RequestPending)
	s.refused([]mistake{
		{"who asked", vote("ada"), modelregistry.ErrInvalid, "Withdraw"},
		{"who asked, against", func() error { _, err := s.r.Reject(s.ctx, q.ID, ""); return err }, modelregistry.ErrInvalid, "Withdraw"},
		{"a stranger", vote("mallory"), modelregistry.ErrInvalid, "approvers"},
		{"almost a name", vote("Bob"), modelregistry.ErrInvalid, "approvers"},
		{"nobody", vote(" "), modelregistry.ErrInvalid, "empty"},
		{"twice", vote("eve"), modelregistry.ErrConflict, "voted"},
		{"twice, against", func() error { _, err := s.r.As("eve").Reject(s.ctx, q.ID, ""); return err }, modelregistry.ErrConflict, "voted"},
	})
	s.approve(q, "dan", modelregistry.RequestApproved)
	equal(s, "Production", s.holders("fraud", production), "1")
}

func approvalRejected(s *trial) {
	s.register("fraud", 1)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{Need: 2})
	s.approve(q, "bob", modelregistry.RequestPending)
	done, err := s.r.As("eve").Reject(s.ctx, q.ID, "biased")
	s.ok(err)
	equal(s, "state", done.State, modelregistry.RequestRejected)
	equal(s, "outcome", done.Outcome, "biased")
	s.ended(done, "rejected", "biased")
	s.sameRequest(done)
	equal(s, "stage", s.version("fraud", 1).Stage, none)
	late := func(do func(modelregistry.Registry) (*modelregistry.Request, error)) func() error {
		return func() error { _, err := do(s.r.As("dan")); return err }
	}
	s.refused([]mistake{
		{"approved late", late(func(r modelregistry.Registry) (*modelregistry.Request, error) { return r.Approve(s.ctx, q.ID, "") }), modelregistry.ErrConflict, "rejected since"},
		{"rejected late", late(func(r modelregistry.Registry) (*modelregistry.Request, error) { return r.Reject(s.ctx, q.ID, "") }), modelregistry.ErrConflict, "rejected since"},
		{"withdrawn late", func() error { _, err := s.r.Withdraw(s.ctx, q.ID, ""); return err }, modelregistry.ErrConflict, "rejected since"},
	})
	_, err = s.r.As("dan").Comment(s.ctx, q.ID, "a pity")
	s.ok(err)
	s.ask("fraud", 1, production, modelregistry.RequestSpec{}) // again, once it is mended
}

func approvalWithdrawn(s *trial) {
	s.register("fraud", 1)
	q := s.ask("fraud", 1, staging, modelregistry.RequestSpec{})
	s.refused([]mistake{
		{"withdrawn by another", func() error { _, err := s.r.As("bob").Withdraw(s.ctx, q.ID, ""); return err }, modelregistry.ErrInvalid, "ada"},
		{"asked twice", func() error {
			_, err := s.r.As("bob").RequestTransition(s.ctx, "fraud", 1, staging, modelregistry.RequestSpec{})
			return err
		}, modelregistry.ErrExists, q.ID},
	})
	done, err := s.r.Withdraw(s.ctx, q.ID, "not yet")
	s.ok(err)
	equal(s, "state", done.State, modelregistry.RequestWithdrawn)
	s.sameRequest(done)
	s.told(func() {
		equal(s, "event", s.last("fraud").Kind, modelregistry.ApprovalWithdrawn)
		equal(s, "reason", s.last("fraud").Reason, "not yet")
	})
	_, err = s.r.As("bob").Approve(s.ctx, q.ID, "")
	s.fails(err, modelregistry.ErrConflict, "withdrawn")
	s.ask("fraud", 1, staging, modelregistry.RequestSpec{})
}

func approvalExpired(s *trial) {
	s.register("fraud", 1)
	s.clock.set(epoch.Add(time.Hour), 0)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{Expires: epoch.Add(2 * time.Hour)})
	s.clock.set(epoch.Add(2*time.Hour-time.Microsecond), 0)
	equal(s, "pending", s.requests(modelregistry.RequestQuery{State: modelregistry.RequestPending}), q.ID)
	s.clock.set(epoch.Add(2*time.Hour), 0)
	before := s.state()
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "state", read.State, modelregistry.RequestExpired)
	equal(s, "decided", read.Decided.Equal(q.Expires), true)
	_, err = s.r.As("bob").Approve(s.ctx, q.ID, "")
	s.fails(err, modelregistry.ErrConflict, "expired since 2031-05-31T11:00:00Z")
	s.unchanged(before)
	_, err = s.r.As("bob").Comment(s.ctx, q.ID, "too late")
	s.ok(err)
	equal(s, "pending", s.requests(modelregistry.RequestQuery{State: modelregistry.RequestPending}), "")
	equal(s, "expired", s.requests(modelregistry.RequestQuery{State: modelregistry.RequestExpired}), q.ID)
	s.clock.set(epoch.Add(2*time.Hour), time.Millisecond)
	s.ask("fraud", 1, production, modelregistry.RequestSpec{})
}

func approvalChanged(s *trial) {
	s.register("fraud", 3)
	s.promote("fraud", 1, production)
	failed := func(q *modelregistry.Request, hint string) {
		s.Helper()
		q = s.approve(q, "bob", modelregistry.RequestFailed)
		if !strings.Contains(q.Outcome, hint) {
			s.Fatalf("outcome %q; want it to say %q", q.Outcome, hint)
		}
		s.ended(q, "failed", hint)
		s.told(func() {
			e := s.last("fraud")
			equal(s, "event", e.Kind, modelregistry.ApprovalDecided)
			if !strings.Contains(string(e.After["decision"]), `"failed"`) {
				s.Fatalf("event %s", text(e))
			}
		})
	}
	q := s.ask("fraud", 2, production, modelregistry.RequestSpec{IfCurrent: ptr(1)})
	s.promote("fraud", 3, production)
	failed(q, "held by version 3 by now, not by version 1")
	equal(s, "Production", s.holders("fraud", production), "3")

	q = s.ask("fraud", 2, production, modelregistry.RequestSpec{})
	s.promote("fraud", 2, staging)
	failed(q, "is in Staging by now, not in None")

	q = s.ask("fraud", 2, production, modelregistry.RequestSpec{})
	kept := s.ask("fraud", 1, production, modelregistry.RequestSpec{})
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 2, nil))
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "state after the deletion", read.State, modelregistry.RequestFailed)
	equal(s, "outcome", read.Outcome, "version 2 was deleted")
	_, err = s.r.As("bob").Approve(s.ctx, q.ID, "")
	s.fails(err, modelregistry.ErrConflict, "failed since")
	s.ok(kept.Err())
	s.ok(s.approve(kept, "bob", modelregistry.RequestApproved).Err())
}

func approvalGates(s *trial) {
	s.gated(rule(modelregistry.MetricAtLeast("accuracy", 0.9)), rule(modelregistry.FilesVerified()))
	s.scored("fraud", 0.8, 0.95)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{Need: 2})
	s.approve(q, "bob", modelregistry.RequestPending)
	q = s.approve(q, "eve", modelregistry.RequestFailed)
	if !strings.Contains(q.Outcome, "accuracy >= 0.9: it is 0.8") {
		s.Fatalf("outcome %q", q.Outcome)
	}
	equal(s, "verdicts", lines(s.last("fraud").Verdicts), "accuracy >= 0.9: refused: it is 0.8\nfiles verified: passed: 0 files of 0 bytes")
	equal(s, "Production", s.holders("fraud", production), "")
	s.approve(s.ask("fraud", 2, production, modelregistry.RequestSpec{}), "bob", modelregistry.RequestApproved)
	equal(s, "verdicts", lines(s.last("fraud").Verdicts), "accuracy >= 0.9: passed: it is 0.95\nfiles verified: passed: 0 files of 0 bytes")
	q = s.ask("fraud", 1, production, modelregistry.RequestSpec{Waive: map[string]string{"accuracy >= 0.9": "a test"}})
	s.approve(q, "bob", modelregistry.RequestApproved)
	equal(s, "verdict", s.last("fraud").Verdicts[0].String(), "accuracy >= 0.9: refused: it is 0.8; waived by ada: a test")
}

func approvalOnly(s *trial) {
	s.gated(modelregistry.GateRule{Stage: production, Gate: modelregistry.Approvals(2, "ada", "bob", "eve")},
		modelregistry.GateRule{Model: "loans", Gate: modelregistry.Approvals(1, "lawyer")})
	s.register("fraud", 2)
	before := s.state()
	_, err := s.r.Promote(s.ctx, "fraud", 1, production, nil)
	s.held(err)
	_, err = s.r.Transition(s.ctx, "fraud", 1, production, nil)
	s.held(err)
	s.unchanged(before)
	s.promote("fraud", 1, staging)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{})
	equal(s, "need", q.Need, 2)
	equal(s, "approvers", fmt.Sprint(q.Approvers), "[ada bob eve]")
	s.approve(q, "bob", modelregistry.RequestPending)
	s.approve(q, "eve", modelregistry.RequestApproved)
	equal(s, "verdict", lines(s.last("fraud").Verdicts), "2 approvals of ada, bob, eve: passed: bob, eve")
	_, err = s.r.Transition(s.ctx, "fraud", 1, archived, nil)
	s.ok(err)
	_, err = s.r.Promote(s.ctx, "fraud", 1, production, nil)
	s.held(err)
	equal(s, "restored", s.rollback("fraud", production).Version.Number, 1)

	// What a request asks for does not lower what the gate does.
	q = s.ask("fraud", 2, production, modelregistry.RequestSpec{Need: 1, Approvers: []string{"dan", "bob", "eve"}})
	s.approve(q, "dan", modelregistry.RequestPending)
	s.approve(q, "bob", modelregistry.RequestPending)
	s.approve(q, "eve", modelregistry.RequestApproved)

	s.register("loans", 1)
	q = s.ask("loans", 1, production, modelregistry.RequestSpec{})
	equal(s, "approvers of two gates", fmt.Sprint(q.Approvers), "[ada bob eve lawyer]")
	s.approve(q, "bob", modelregistry.RequestPending)
	s.approve(q, "eve", modelregistry.RequestPending)
	s.approve(q, "lawyer", modelregistry.RequestApproved)
	s.refused([]mistake{
		{"approvers whom the gate does not count", func() error {
			_, err := s.r.RequestTransition(s.ctx, "fraud", 1, production, modelregistry.RequestSpec{Approvers: []string{"bob", "dan"}})
			return err
		}, modelregistry.ErrInvalid, "counts 1 of the approvers"},
		{"an approver asks, and too few are left", func() error {
			_, err := s.r.As("bob").RequestTransition(s.ctx, "fraud", 1, production, modelregistry.RequestSpec{Approvers: []string{"bob", "eve"}, Need: 2})
			return err
		}, modelregistry.ErrInvalid, "1 of the approvers can vote"},
	})
}

func approvalStatus(s *trial) {
	s.register("fraud", 1)
	is := func(want modelregistry.ApprovalStatus) {
		s.Helper()
		status, err := s.r.ApprovalStatus(s.ctx, "fraud", 1)
		s.ok(err)
		equal(s, "status", status, want)
	}
	is("")
	q := s.ask("fraud", 1, staging, modelregistry.RequestSpec{})
	is("PendingManualApproval")
	_, err := s.r.As("bob").Reject(s.ctx, q.ID, "")
	s.ok(err)
	is("Rejected")
	q = s.ask("fraud", 1, staging, modelregistry.RequestSpec{})
	is("PendingManualApproval")
	_, err = s.r.Withdraw(s.ctx, q.ID, "")
	s.ok(err)
	is("Rejected")
	s.approve(s.ask("fraud", 1, staging, modelregistry.RequestSpec{}), "bob", modelregistry.RequestApproved)
	is("Approved")
	for _, number := range []int{2, 0} {
		_, err = s.r.ApprovalStatus(s.ctx, "fraud", number)
		s.fails(err, map[int]error{2: modelregistry.ErrNotFound, 0: modelregistry.ErrInvalid}[number], "version")
	}
}

// requests are the IDs that q finds, separated by spaces.
func (s *trial) requests(q modelregistry.RequestQuery) string {
	s.Helper()
	found, err := collect(s.r.Requests(s.ctx, q))
	s.ok(err)
	var ids []string
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

func approvalSearch(s *trial) {
	var ids []string
	for _, model := range []string{"fraud", "risk"} {
		s.register(model, 3)
		for number := 1; number <= 3; number++ {
			q := s.ask(model, number, production, modelregistry.RequestSpec{})
			ids = append(ids, q.ID)
		}
	}
	slices.Reverse(ids) // risk/3 risk/2 risk/1 fraud/3 …
	_, err := s.r.As("bob").Reject(s.ctx, ids[1], "")
	s.ok(err)
	s.approve(&modelregistry.Request{ID: ids[5]}, "bob", modelregistry.RequestApproved)
	for _, c := range []struct {
		q    modelregistry.RequestQuery
		want []string
	}{
		{modelregistry.RequestQuery{}, ids},
		{modelregistry.RequestQuery{Model: "risk"}, ids[:3]},
		{modelregistry.RequestQuery{Model: "fraud", Version: 2}, ids[4:5]},
		{modelregistry.RequestQuery{State: modelregistry.RequestPending}, []string{ids[0], ids[2], ids[3], ids[4]}},
		{modelregistry.RequestQuery{State: modelregistry.RequestApproved}, ids[5:]},
		{modelregistry.RequestQuery{State: modelregistry.RequestRejected, Model: "fraud"}, nil},
		{modelregistry.RequestQuery{Limit: 2}, ids[:2]},
		{modelregistry.RequestQuery{Limit: 2, After: ids[1]}, ids[2:4]},
		{modelregistry.RequestQuery{Model: "fraud", After: ids[3]}, ids[4:]},
		{modelregistry.RequestQuery{Model: "none"}, nil},
	} {
		equal(s, fmt.Sprintf("requests of %+v", c.q), s.requests(c.q), strings.Join(c.want, " "))
	}
}

func approvalMoves(s *trial) {
	s.register("old", 2)
	q := s.ask("old", 2, production, modelregistry.RequestSpec{})
	_, err := s.r.RenameModel(s.ctx, "old", "new", nil)
	s.ok(err)
	s.register("old", 2) // another
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "model", read.Model, "new")
	equal(s, "found by the new name", s.requests(modelregistry.RequestQuery{Model: "new"}), q.ID)
	equal(s, "found by the old name", s.requests(modelregistry.RequestQuery{Model: "old"}), "")
	s.approve(q, "bob", modelregistry.RequestApproved)
	equal(s, "Production", s.holders("new", production), "2")
	equal(s, "Production of the other", s.holders("old", production), "")

	q = s.ask("old", 1, production, modelregistry.RequestSpec{})
	s.ok(s.r.DeleteModel(s.ctx, "old", nil))
	_, err = s.r.Request(s.ctx, q.ID)
	s.fails(err, modelregistry.ErrNotFound, q.ID)
	_, err = s.r.As("bob").Approve(s.ctx, q.ID, "")
	s.fails(err, modelregistry.ErrNotFound, q.ID)
	s.register("old", 1)
	equal(s, "requests of the model made anew", s.requests(modelregistry.RequestQuery{Model: "old"}), "")
}

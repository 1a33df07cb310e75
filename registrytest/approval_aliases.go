package registrytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

var approvalAliasPromises = []promise{
	{"a request says at once what the gates would refuse", approvalForeseen},
	{"approvals that would not count fill no request", approvalUncounted},
	{"comments on a request take no room from those who decide", approvalRoom},
	{"an approved request gives the alias, past the gates in front of it", approvalAlias},
	{"a request for an alias fails if what it was about has changed", approvalAliasChanged},
}

func approvalForeseen(s *trial) {
	s.gated(rule(modelregistry.MetricAtLeast("accuracy", 0.9)), rule(modelregistry.FilesVerified()), rule(modelregistry.Approvals(1)),
		modelregistry.GateRule{Alias: "champion", Gate: modelregistry.MetricAtLeast("accuracy", 0.85)})
	s.scored("fraud", 0.8, 0.95)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{})
	equal(s, "verdicts", lines(q.Verdicts), "accuracy >= 0.9: refused: it is 0.8\nfiles verified: passed: 0 files of 0 bytes")
	equal(s, "refusal", s.held(&modelregistry.Error{Op: "Request", Err: q.Refused()}), "accuracy >= 0.9: it is 0.8")
	equal(s, "state", q.State, modelregistry.RequestPending)
	q = s.ask("fraud", 2, production, modelregistry.RequestSpec{})
	s.ok(q.Refused())
	q = s.ask("fraud", 1, staging, modelregistry.RequestSpec{Waive: map[string]string{"accuracy >= 0.9": "a test"}})
	s.ok(q.Refused())
	q, err := s.r.RequestAlias(s.ctx, "fraud", "champion", 1, modelregistry.RequestSpec{})
	s.ok(err)
	s.sameRequest(q)
	equal(s, "refusal", s.held(&modelregistry.Error{Op: "Request", Err: q.Refused()}), "accuracy >= 0.85: it is 0.8")
}

func approvalUncounted(s *trial) {
	s.gated(modelregistry.GateRule{Stage: production, Gate: modelregistry.Approvals(2)},
		modelregistry.GateRule{Model: "fraud", Stage: production, Gate: modelregistry.Approvals(1, "boss")},
		modelregistry.GateRule{Model: "fraud", Stage: production, Gate: modelregistry.Approvals(1, "lawyer", "notary")})
	s.register("fraud", 1)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{})
	s.approve(q, "friend 1", modelregistry.RequestPending)
	s.approve(q, "friend 2", modelregistry.RequestPending)
	before := s.state()
	for i := range 120 {
		_, err := s.r.As(fmt.Sprintf("stranger %d", i)).Approve(s.ctx, q.ID, "me too")
		s.fails(err, modelregistry.ErrConflict, `it waits for those that "1 approval of boss", "1 approval of lawyer, notary" count`)
	}
	s.unchanged(before)
	s.approve(q, "notary", modelregistry.RequestPending)
	_, err := s.r.As("lawyer").Approve(s.ctx, q.ID, "")
	s.fails(err, modelregistry.ErrConflict, `"1 approval of boss"`)
	q = s.approve(q, "boss", modelregistry.RequestApproved)
	equal(s, "approvals", q.Approvals(), 4)
}

func approvalRoom(s *trial) {
	s.register("fraud", 1)
	q := s.ask("fraud", 1, production, modelregistry.RequestSpec{Need: 20})
	long := strings.Repeat("✓", 5000)
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		_, err = s.r.As("mallory").Comment(s.ctx, q.ID, long)
	}
	s.fails(err, modelregistry.ErrConflict, "there is room for")
	for i := range 19 {
		actor := s.r.As(fmt.Sprint("approver ", i))
		_, err := actor.Approve(s.ctx, q.ID, long)
		if i < 13 {
			s.ok(err)
			continue
		}
		s.fails(err, modelregistry.ErrConflict, "vote without a comment")
		_, err = actor.Approve(s.ctx, q.ID, "")
		s.ok(err)
	}
	_, err = s.r.As("last").Approve(s.ctx, q.ID, "")
	s.ok(err)
	equal(s, "Production", s.holders("fraud", production), "1")
}

func approvalAlias(s *trial) {
	s.gated(modelregistry.GateRule{Model: "fraud", Alias: "champion", Gate: modelregistry.Approvals(2, "bob", "eve", "dan")},
		named("eval", modelregistry.GateRule{Alias: "champion"}))
	s.register("fraud", 2)
	s.held(s.setAlias("fraud", "champion", 1, nil))
	s.ok(s.setAlias("fraud", "other", 1, nil))
	s.tag("fraud", 2, "eval")
	n := len(s.events(modelregistry.EventQuery{Model: "fraud"}))
	q, err := s.r.RequestAlias(s.ctx, "fraud", "champion", 2, modelregistry.RequestSpec{Reason: "better"})
	s.ok(err)
	s.sameRequest(q)
	equal(s, "alias", q.Alias, "champion")
	equal(s, "stage", q.Stage, "")
	equal(s, "need", q.Need, 2)
	s.ok(q.Refused())
	_, err = s.r.As("bob").RequestAlias(s.ctx, "fraud", "champion", 2, modelregistry.RequestSpec{})
	s.fails(err, modelregistry.ErrExists, q.ID)
	other, err := s.r.RequestAlias(s.ctx, "fraud", "champion", 1, modelregistry.RequestSpec{})
	s.ok(err)
	s.approve(q, "bob", modelregistry.RequestPending)
	s.approve(q, "eve", modelregistry.RequestApproved)
	equal(s, "the alias", s.names("models:/fraud@champion"), 2)
	equal(s, "story", s.story("fraud", n), `approval.requested /2 ada: better
approval.requested /1 ada
approval.voted /2 bob: fine by bob
approval.voted /2 eve: fine by eve
approval.decided /2 eve: fine by eve
alias.set /2 eve: better`)
	e := s.last("fraud")
	equal(s, "request of the event", e.Request, q.ID)
	equal(s, "verdicts", lines(e.Verdicts), "2 approvals of bob, eve, dan: passed: bob, eve\neval: passed: it is \"yes\"")
	s.approve(other, "bob", modelregistry.RequestPending)
	done := s.approve(other, "eve", modelregistry.RequestFailed)
	s.ended(done, `alias "champion" is held by version 2 by now, not by no version`)
	_, err = s.r.RequestAlias(s.ctx, "fraud", "champion", 2, modelregistry.RequestSpec{})
	s.fails(err, modelregistry.ErrConflict, `version 2 of model "fraud" has alias "champion" already`)
	_, err = s.r.RequestAlias(s.ctx, "fraud", "v1", 2, modelregistry.RequestSpec{})
	s.fails(err, modelregistry.ErrInvalid, "reserved")
	_, err = s.r.RequestAlias(s.ctx, "fraud", "champion", 3, modelregistry.RequestSpec{})
	s.fails(err, modelregistry.ErrNotFound, "")
	_, err = s.r.RequestAlias(s.ctx, "fraud", "champion", 1, modelregistry.RequestSpec{IfCurrent: ptr(0)})
	s.conflict(err, 2)
}

func approvalAliasChanged(s *trial) {
	s.register("fraud", 2)
	ask := func(number int) *modelregistry.Request {
		s.Helper()
		q, err := s.r.RequestAlias(s.ctx, "fraud", "champion", number, modelregistry.RequestSpec{})
		s.ok(err)
		return q
	}
	q := ask(1)
	s.promote("fraud", 1, staging) // which has nothing to do with the alias
	s.approve(q, "bob", modelregistry.RequestApproved)
	q = ask(2)
	s.patch("fraud", modelregistry.ModelPatch{ProtectAliases: []string{"champion"}})
	s.ended(s.approve(q, "bob", modelregistry.RequestFailed), "protected and stays with version 1")
	equal(s, "the alias", s.names("models:/fraud@champion"), 1)
	_, err := s.r.RequestAlias(s.ctx, "fraud", "champion", 2, modelregistry.RequestSpec{})
	s.fails(err, modelregistry.ErrConflict, "protected")
	s.patch("fraud", modelregistry.ModelPatch{UnprotectAliases: []string{"champion"}, Reason: "x"})
	q = ask(2)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 2, nil))
	read, err := s.r.Request(s.ctx, q.ID)
	s.ok(err)
	equal(s, "state after the deletion", read.State, modelregistry.RequestFailed)
	found, err := collect(s.r.Requests(s.ctx, modelregistry.RequestQuery{Model: "fraud"}))
	s.ok(err)
	equal(s, "requests", len(found), 3)
	equal(s, "all about the alias", slices.ContainsFunc(found, func(q *modelregistry.Request) bool { return q.Alias != "champion" }), false)
}

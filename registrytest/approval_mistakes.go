package registrytest

import (
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

func approvalMistakes(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, production)
	q := s.ask("fraud", 2, production, modelregistry.RequestSpec{})
	ask := func(number int, to modelregistry.Stage, spec modelregistry.RequestSpec) func() error {
		return func() error { _, err := s.r.RequestTransition(s.ctx, "fraud", number, to, spec); return err }
	}
	find := func(q modelregistry.RequestQuery) func() error {
		return func() error { _, err := collect(s.r.Requests(s.ctx, q)); return err }
	}
	invalid := modelregistry.ErrInvalid
	mistakes := []mistake{
		{"no version", ask(3, staging, modelregistry.RequestSpec{}), modelregistry.ErrNotFound, "version 3"},
		{"no number", ask(0, staging, modelregistry.RequestSpec{}), invalid, "from 1"},
		{"no stage", ask(2, "Prod", modelregistry.RequestSpec{}), invalid, "None, Staging, Production, Archived"},
		{"no stage to approve", ask(2, archived, modelregistry.RequestSpec{}), invalid, "Staging and Production"},
		{"who holds it", ask(1, production, modelregistry.RequestSpec{}), modelregistry.ErrConflict, "already"},
		{"another holder", ask(2, production, modelregistry.RequestSpec{IfCurrent: ptr(2)}), modelregistry.ErrConflict, "held by version 1"},
		{"a negative count", ask(2, staging, modelregistry.RequestSpec{Need: -1}), invalid, "from 1"},
		{"a huge count", ask(2, staging, modelregistry.RequestSpec{Need: 101}), invalid, "100"},
		{"more than there are", ask(2, staging, modelregistry.RequestSpec{Need: 2, Approvers: []string{"bob"}}), invalid, "1 approvers"},
		{"an approver twice", ask(2, staging, modelregistry.RequestSpec{Approvers: []string{"bob", "bob"}}), invalid, "twice"},
		{"a blank approver", ask(2, staging, modelregistry.RequestSpec{Approvers: []string{" "}}), invalid, "empty"},
		{"an approver who is no text", ask(2, staging, modelregistry.RequestSpec{Approvers: []string{"\xff"}}), invalid, "UTF-8"},
		{"only who asks", ask(2, staging, modelregistry.RequestSpec{Approvers: []string{"ada"}}), invalid, "0 of the approvers"},
		{"expired before", ask(2, staging, modelregistry.RequestSpec{Expires: epoch}), invalid, "future"},
		{"expires after all time", ask(2, staging, modelregistry.RequestSpec{Expires: epoch.AddDate(10_000, 0, 0)}), invalid, "future"},
		{"a long reason", ask(2, staging, modelregistry.RequestSpec{Reason: strings.Repeat("x", 5001)}), invalid, "at most 5000"},
		{"a waiver of no gate", ask(2, staging, modelregistry.RequestSpec{Waive: map[string]string{"x": "y"}}), invalid, "no gate"},
		{"a request of nobody", func() error {
			_, err := s.r.As(" ").RequestTransition(s.ctx, "fraud", 2, staging, modelregistry.RequestSpec{})
			return err
		}, invalid, "actor"},
		{"a long comment", func() error { _, err := s.r.Comment(s.ctx, q.ID, strings.Repeat("x", 5001)); return err }, invalid, "at most 5000"},
		{"an empty comment", func() error { _, err := s.r.Comment(s.ctx, q.ID, " "); return err }, invalid, "empty"},
		{"requests of a state", find(modelregistry.RequestQuery{State: "open"}), invalid, "pending"},
		{"requests of a version of all", find(modelregistry.RequestQuery{Version: 1}), invalid, "Model"},
		{"requests of a negative version", find(modelregistry.RequestQuery{Model: "fraud", Version: -1}), invalid, "from 1"},
		{"fewer than no requests", find(modelregistry.RequestQuery{Limit: -1}), invalid, "1 or more"},
		{"requests behind a NUL", find(modelregistry.RequestQuery{After: "\x00"}), invalid, "NUL"},
	}
	for _, id := range []struct {
		id   string
		want error
		hint string
	}{
		{"", invalid, "empty"}, {"\x00", invalid, "NUL"}, {"\xff", invalid, "UTF-8"}, {strings.Repeat("x", 1000), invalid, "at most 64"}, {"none", modelregistry.ErrNotFound, `"none"`},
	} {
		for name, do := range map[string]func() error{
			"Approve":  func() error { _, err := s.r.Approve(s.ctx, id.id, "x"); return err },
			"Reject":   func() error { _, err := s.r.Reject(s.ctx, id.id, "x"); return err },
			"Comment":  func() error { _, err := s.r.Comment(s.ctx, id.id, "x"); return err },
			"Withdraw": func() error { _, err := s.r.Withdraw(s.ctx, id.id, "x"); return err },
			"Request":  func() error { _, err := s.r.Request(s.ctx, id.id); return err },
		} {
			mistakes = append(mistakes, mistake{fmt.Sprintf("%s of %.10q", name, id.id), do, id.want, id.hint})
		}
	}
	s.refused(mistakes)
}

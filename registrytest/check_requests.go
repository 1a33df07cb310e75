package registrytest

import (
	"encoding/json"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

// A request is what the events say of a request for approval.
type request struct {
	version int
	state   modelregistry.RequestState
	votes   int
}

// asked follows the requests of a model. What is decided stays so.
func (t *tale) asked(e *modelregistry.Event) error {
	q := t.requests[e.Request]
	switch e.Kind {
	case modelregistry.ApprovalRequested:
		if q != nil || e.Request == "" {
			return fmt.Errorf("request %q is not a new one", e.Request)
		}
		t.requests[e.Request] = &request{version: e.Version, state: modelregistry.RequestPending}
		return nil
	case modelregistry.ApprovalVoted, modelregistry.ApprovalDecided, modelregistry.ApprovalWithdrawn:
		if q == nil || q.state != modelregistry.RequestPending || q.version != e.Version {
			return fmt.Errorf("request %q of the version is not pending by then", e.Request)
		}
	default:
		return nil
	}
	if e.Kind == modelregistry.ApprovalVoted {
		q.votes++
		return nil
	}
	var decision struct{ State modelregistry.RequestState }
	if err := json.Unmarshal(e.After["decision"], &decision); err != nil {
		return fmt.Errorf("it does not say what was decided: %w", err)
	}
	q.state = decision.State
	return nil
}

// asked compares a model's requests with what the events make of them.
func (c *checker) asked(m *modelregistry.Model, t *tale) {
	requests, err := collect(c.r.Requests(c.ctx, modelregistry.RequestQuery{Model: m.Name}))
	if c.report("list requests", err) {
		return
	}
	if len(requests) != len(t.requests) {
		c.problem("model %q has %d requests, by its history %d", m.Name, len(requests), len(t.requests))
	}
	for _, q := range requests {
		state := q.State
		if state == modelregistry.RequestExpired {
			state = modelregistry.RequestPending // nothing tells of that
		}
		told := t.requests[q.ID]
		if told == nil || told.state != state || told.votes != len(q.Votes) || told.version != q.Version || q.ModelID != m.ID {
			c.problem("request %s; its history makes of it %+v", text(q), told)
		}
		if q.State == modelregistry.RequestPending && t.versions[q.Version] == nil {
			c.problem("request %s waits for a version that is not there", q.ID)
		}
	}
}

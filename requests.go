package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) Request(ctx context.Context, id string) (*Request, error) {
	q, err := r.findRequest(ctx, id)
	if err != nil {
		return nil, wrap("Request", id, err)
	}
	return q.at(r.now()), nil
}

func (r *registry) findRequest(ctx context.Context, id string) (*Request, error) {
	if err := checkRequestID(id); err != nil {
		return nil, err
	}
	row, err := r.findOne(ctx, backend.Query{Table: tableApprovals, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(id)}}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoRequest(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return decodeRequest(row)
}

func (r *registry) Requests(ctx context.Context, q RequestQuery) iter.Seq2[*Request, error] {
	return func(yield func(*Request, error) bool) {
		find, err := r.requestQuery(q)
		if err != nil {
			yield(nil, wrap("Requests", q.Model, err))
			return
		}
		left := q.Limit
		for {
			rows, err := r.backend.Find(ctx, find)
			if err != nil {
				yield(nil, wrap("Requests", q.Model, fmt.Errorf("read requests: %w", err)))
				return
			}
			for _, row := range rows {
				request, err := decodeRequest(row)
				if err != nil {
					yield(nil, wrap("Requests", q.Model, err))
					return
				}
				if left--; !yield(request.at(r.now()), nil) || left == 0 {
					return
				}
			}
			if len(rows) < find.Limit {
				return
			}
			find.After = rows[len(rows)-1].Key
		}
	}
}

func (r *registry) requestQuery(q RequestQuery) (backend.Query, error) {
	const page = 100
	find := backend.Query{Table: tableApprovals, Desc: true, Limit: page}
	if q.Limit < 0 {
		return find, fmt.Errorf("limit %d: %w: it is 1 or more, or 0 for all", q.Limit, ErrInvalid)
	}
	if q.Limit > 0 {
		find.Limit = min(q.Limit, page)
	}
	if q.After != "" {
		if err := checkRequestID(q.After); err != nil {
			return find, err
		}
		find.After = []backend.Value{backend.StringValue(q.After)}
	}
	if q.Model != "" {
		if err := checkModelName(q.Model); err != nil {
			return find, err
		}
		find.Where = append(find.Where, backend.Cond{Field: "model", Value: modelKey(q.Model)})
	}
	if q.Version != 0 {
		if err := checkNumber(q.Version); err != nil {
			return find, err
		}
		if q.Model == "" {
			return find, fmt.Errorf("requests: %w: Version needs a Model", ErrInvalid)
		}
		find.Where = append(find.Where, backend.Cond{Field: "version", Value: backend.IntValue(int64(q.Version))})
	}
	now := backend.TimeValue(r.now())
	state := q.State
	switch state {
	case "":
		return find, nil
	case RequestPending:
		find.Where = append(find.Where, backend.Cond{Field: "expires", Op: backend.Gt, Value: now})
	case RequestExpired:
		state = RequestPending
		find.Where = append(find.Where, backend.Cond{Field: "expires", Op: backend.Le, Value: now})
	case RequestApproved, RequestRejected, RequestWithdrawn, RequestFailed:
	default:
		return find, fmt.Errorf("state %.80q: %w: not one of pending, approved, rejected, withdrawn, expired, failed", state, ErrInvalid)
	}
	find.Where = append(find.Where, backend.Cond{Field: "state", Value: backend.StringValue(string(state))})
	return find, nil
}

func (r *registry) ApprovalStatus(ctx context.Context, model string, number int) (ApprovalStatus, error) {
	if _, err := r.Version(ctx, model, number); err != nil {
		return "", wrap("ApprovalStatus", versionRef(model, number), err)
	}
	for q, err := range r.Requests(ctx, RequestQuery{Model: model, Version: number}) {
		if err != nil {
			return "", wrap("ApprovalStatus", versionRef(model, number), err)
		}
		switch q.State {
		case RequestPending:
			return PendingManualApproval, nil
		case RequestApproved:
			return StatusApproved, nil
		case RequestRejected:
			return StatusRejected, nil
		}
	}
	return "", nil
}

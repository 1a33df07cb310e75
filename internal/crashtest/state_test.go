package crashtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

// state is a model as far as operations change it.
type state struct {
	Last     int // the highest number given
	Versions map[int]version
	Aliases  map[string]int
}

type version struct {
	Stage   modelregistry.Stage
	Content uint64 // of its files; 0 is none
}

func newState() state { return state{Versions: map[int]version{}, Aliases: map[string]int{}} }

func (s state) clone() state {
	return state{Last: s.Last, Versions: maps.Clone(s.Versions), Aliases: maps.Clone(s.Aliases)}
}

func (s state) equal(other state) bool { return reflect.DeepEqual(s, other) }

// holder is who is in a stage, or 0.
func (s state) holder(stage modelregistry.Stage) int {
	for n, v := range s.Versions {
		if v.Stage == stage {
			return n
		}
	}
	return 0
}

func (s state) move(number int, to modelregistry.Stage) {
	v := s.Versions[number]
	v.Stage = to
	s.Versions[number] = v
}

// hand puts a version into a stage and archives who was there.
func (s state) hand(number int, to modelregistry.Stage) {
	if was := s.holder(to); was != 0 {
		s.move(was, modelregistry.Archived)
	}
	s.move(number, to)
}

// after are the states that an operation may lead to: one, except where it takes the history to tell.
func (s state) after(op operation) []state {
	next := s.clone()
	switch op.Kind {
	case register:
		next.Last++
		next.Versions[next.Last] = version{Stage: modelregistry.None, Content: op.Content}
		if op.Alias != "" {
			next.Aliases[op.Alias] = next.Last
		}
	case promote:
		next.hand(op.Number, op.Stage)
	case setAlias:
		next.Aliases[op.Alias] = op.Number
	case deleteAlias:
		delete(next.Aliases, op.Alias)
	case deleteVersion:
		delete(next.Versions, op.Number)
		maps.DeleteFunc(next.Aliases, func(_ string, n int) bool { return n == op.Number })
	case rollback:
		var all []state
		for n := range s.Versions {
			if n != s.holder(op.Stage) {
				next := s.clone()
				next.hand(n, op.Stage)
				all = append(all, next)
			}
		}
		return all
	}
	return []state{next}
}

// acknowledge is the state after an operation that returned, or an error if it cannot have returned that.
func (s state) acknowledge(op operation, out outcome) (state, error) {
	if out.Refused {
		return s, nil
	}
	if op.Kind == register && out.Number != s.Last+1 {
		return s, fmt.Errorf("%+v gave number %d after %d", op, out.Number, s.Last)
	}
	if op.Kind == rollback {
		next := s.clone()
		next.hand(out.Number, op.Stage)
		return next, nil
	}
	return s.after(op)[0], nil
}

// readState reads a model and checks that what its parts say of each other agrees. It returns its versions besides.
func readState(ctx context.Context, r modelregistry.Registry, model string) (state, []*modelregistry.Version, error) {
	s := newState()
	var versions []*modelregistry.Version
	for v, err := range r.Versions(ctx, modelregistry.Query{Filter: "name = '" + model + "'", PageSize: 10_000}) {
		if err != nil {
			return s, nil, err
		}
		versions = append(versions, v)
	}
	m, err := r.Model(ctx, model)
	if errors.Is(err, modelregistry.ErrNotFound) && len(versions) == 0 {
		return s, nil, nil
	}
	if err != nil {
		return s, nil, err
	}
	s.Last = m.Last
	holders := map[modelregistry.Stage][]int{}
	for _, v := range slices.Backward(versions) { // ascending
		content, err := strconv.ParseUint(v.Params.Get("content"), 10, 64)
		if err != nil {
			return s, nil, fmt.Errorf("%s: content: %w", v.Ref(), err)
		}
		s.Versions[v.Number] = version{Stage: v.Stage, Content: content}
		if v.Stage == modelregistry.Staging || v.Stage == modelregistry.Production {
			holders[v.Stage] = append(holders[v.Stage], v.Number)
		}
		for alias := range v.Aliases.All() {
			s.Aliases[alias] = v.Number
		}
	}
	if !maps.EqualFunc(holders, m.Holders, slices.Equal) {
		return s, nil, fmt.Errorf("%s: the versions are in stages %v, the model says %v", model, holders, m.Holders)
	}
	for stage, numbers := range holders {
		if len(numbers) > 1 {
			return s, nil, fmt.Errorf("%s: versions %v are all in %s", model, numbers, stage)
		}
		if err := resolves(ctx, r, "models:/"+model+"/"+string(stage), numbers[0]); err != nil {
			return s, nil, err
		}
	}
	if !maps.Equal(s.Aliases, m.Aliases) {
		return s, nil, fmt.Errorf("%s: the versions have aliases %v, the model says %v", model, s.Aliases, m.Aliases)
	}
	for alias, number := range s.Aliases {
		if err := resolves(ctx, r, "models:/"+model+"@"+alias, number); err != nil {
			return s, nil, err
		}
	}
	return s, versions, nil
}

func resolves(ctx context.Context, r modelregistry.Registry, uri string, number int) error {
	v, err := r.Resolve(ctx, uri)
	if err == nil && v.Number != number {
		err = fmt.Errorf("%s is version %d, not %d", uri, v.Number, number)
	}
	return err
}

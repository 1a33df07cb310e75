package modelregistry

import (
	"context"
	"errors"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Plan is what a transition, or a move of an alias, would do.
type Plan struct {
	Version   *Version   // as it would be
	Stage     Stage      // that it would come into; "" if it is about an alias
	Alias     string     // that would name it; "" if it is about a stage
	Displaced []*Version // that would be archived for it, or lose the alias to it, ascending; as they would be
	// Verdicts are those of the gates that are in front of the stage or alias, and of those that the model requires and this
	// program lacks; none if nothing would change.
	Verdicts []Verdict
}

// Err is the *Refused with which the change would fail, or nil.
func (p *Plan) Err() error {
	return refused(p.Version.Model, p.Version.Number, target{p.Stage, p.Alias}, p.Verdicts)
}

func (r *registry) Plan(ctx context.Context, model string, number int, to Stage, opts *TransitionOptions) (*Plan, error) {
	if opts == nil {
		opts = &TransitionOptions{}
	}
	p, err := r.planTransition(ctx, model, number, to, opts)
	return p, wrap("Plan", versionRef(model, number), err)
}

func (r *registry) planTransition(ctx context.Context, model string, number int, to Stage, opts *TransitionOptions) (*Plan, error) {
	to, err := to.normal()
	if err != nil {
		return nil, err
	}
	for _, err := range []error{opts.check(to), checkModelName(model), checkNumber(number), r.checkChange(opts.Reason)} {
		if err != nil {
			return nil, err
		}
	}
	g, err := r.gating(ctx, model, target{stage: to}, opts.Waive)
	if err != nil {
		return nil, err
	}
	if err := g.prepare(r, model, number); err != nil {
		return nil, err
	}
	p := &Plan{Stage: to}
	err = r.plan(ctx, model, opts.Reason, func(c *change) error {
		v, verdicts, err := c.judge(g, number, opts)
		if err != nil {
			return err
		}
		done, err := c.transition(v, to, opts.Keep, verdicts)
		if err != nil {
			return err
		}
		p.Version, p.Displaced, p.Verdicts = done.Version, done.Displaced, verdicts
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (r *registry) PlanAlias(ctx context.Context, model, alias string, number int, opts *AliasOptions) (*Plan, error) {
	if opts == nil {
		opts = &AliasOptions{}
	}
	p, err := r.planAlias(ctx, model, alias, number, opts)
	return p, wrap("PlanAlias", model+"@"+alias, err)
}

func (r *registry) planAlias(ctx context.Context, model, alias string, number int, opts *AliasOptions) (*Plan, error) {
	for _, err := range []error{checkModelName(model), checkAlias(alias), checkNumber(number), r.checkChange(opts.Reason)} {
		if err != nil {
			return nil, err
		}
	}
	g, err := r.aliasGating(ctx, model, alias, number, opts)
	if err != nil {
		return nil, err
	}
	p := &Plan{Alias: alias}
	err = r.plan(ctx, model, opts.Reason, func(c *change) error {
		v, verdicts, err := c.judgeAlias(g, number, opts.IfCurrent)
		if err != nil {
			return err
		}
		var displaced []*Version
		if previous := c.model.Aliases[alias]; previous != 0 && previous != number {
			loser, err := c.version(previous)
			if err != nil {
				return err
			}
			displaced = []*Version{loser}
		}
		if err := c.setAlias(alias, number); err != nil {
			return err
		}
		p.Version, p.Displaced, p.Verdicts = v, displaced, verdicts
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// plan tries a change. It is not flushed, and what was never written is gone.
func (r *registry) plan(ctx context.Context, model, reason string, fn func(*change) error) error {
	return r.backend.View(ctx, func(tx backend.Reader) error {
		c, err := r.newChange(snapshot{tx}, model, reason, false)
		if err != nil {
			return err
		}
		return fn(c)
	})
}

// A snapshot lets a change be tried on a state that it cannot alter.
type snapshot struct{ backend.Reader }

var errSnapshot = errors.New("a plan writes nothing")

func (snapshot) Insert(string, ...backend.Row) error { return errSnapshot }
func (snapshot) Put(string, ...backend.Row) error    { return errSnapshot }
func (snapshot) Delete(string, ...backend.Key) error { return errSnapshot }
func (snapshot) Append(string, ...backend.Row) (backend.Position, error) {
	return "", errSnapshot
}

package modelregistry

import (
	"context"
	"errors"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Plan is what a transition would do.
type Plan struct {
	Version   *Version   // as it would be
	Stage     Stage      // that it would come into
	Displaced []*Version // that would be archived for it, ascending; as they would be
	Verdicts  []Verdict  // of the gates that are in front of the stage; none if nothing would change
}

// Err is the *Refused with which the transition would fail, or nil.
func (p *Plan) Err() error { return refused(p.Version, p.Stage, p.Verdicts) }

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
	g, err := r.gating(ctx, model, to, opts.Waive)
	if err != nil {
		return nil, err
	}
	if err := g.prepare(r, model, number); err != nil {
		return nil, err
	}
	p := &Plan{Stage: to}
	err = r.backend.View(ctx, func(tx backend.Reader) error {
		c, err := r.newChange(snapshot{tx}, model, opts.Reason, false)
		if err != nil {
			return err
		}
		v, verdicts, err := c.judge(g, number, to, opts)
		if err != nil {
			return err
		}
		done, err := c.transition(v, to, opts.Keep, verdicts)
		if err != nil {
			return err
		}
		// The change is not flushed, and what was never written is gone.
		p.Version, p.Displaced, p.Verdicts = done.Version, done.Displaced, verdicts
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
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

package modelregistry

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) Promote(ctx context.Context, model string, number int, to Stage, opts *PromoteOptions) (*Promotion, error) {
	if opts == nil {
		opts = &PromoteOptions{}
	}
	to, err := to.normal()
	if err == nil && !to.active() {
		err = fmt.Errorf("stage %q: %w: a version is promoted to Staging or Production; use Transition", to, ErrInvalid)
	}
	if err != nil {
		return nil, wrap("Promote", versionRef(model, number), err)
	}
	p, err := r.transition(ctx, model, number, to, &TransitionOptions{IfCurrent: opts.IfCurrent, Waive: opts.Waive, Reason: opts.Reason})
	return p, wrap("Promote", versionRef(model, number), err)
}

func (r *registry) Transition(ctx context.Context, model string, number int, to Stage, opts *TransitionOptions) (*Promotion, error) {
	if opts == nil {
		opts = &TransitionOptions{}
	}
	to, err := to.normal()
	if err == nil {
		err = opts.check(to)
	}
	if err != nil {
		return nil, wrap("Transition", versionRef(model, number), err)
	}
	p, err := r.transition(ctx, model, number, to, opts)
	return p, wrap("Transition", versionRef(model, number), err)
}

func (opts *TransitionOptions) check(to Stage) error {
	if opts.IfCurrent != nil && !to.active() {
		return fmt.Errorf("IfCurrent: %w: nobody holds %s; it is about Staging or Production", ErrInvalid, to)
	}
	return nil
}

func (r *registry) transition(ctx context.Context, model string, number int, to Stage, opts *TransitionOptions) (p *Promotion, err error) {
	if err := checkNumber(number); err != nil {
		return nil, err
	}
	g, err := r.gating(ctx, model, target{stage: to}, opts.Waive)
	if err != nil {
		return nil, err
	}
	if err := g.prepare(r, model, number); err != nil {
		return nil, err
	}
	err = r.changeModel(ctx, model, opts.Reason, false, nil, func(c *change) error {
		v, verdicts, err := c.judge(g, number, opts)
		if err != nil {
			return err
		}
		if err := refused(v.Model, v.Number, g.target, verdicts); err != nil {
			return err
		}
		p, err = c.transition(v, to, opts.Keep, verdicts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// judge loads what a transition is about, checks that it can be, and asks the gates if it would change anything.
func (c *change) judge(g *gating, number int, opts *TransitionOptions) (*Version, []Verdict, error) {
	to := g.target.stage
	holders := c.model.Holders[to]
	needed := []int{number}
	if !opts.Keep || len(g.rules) > 0 {
		needed = append(needed, holders...)
	}
	if err := c.load(needed...); err != nil {
		return nil, nil, err
	}
	v, err := c.version(number)
	if err != nil {
		return nil, nil, err
	}
	if err := c.checkHolder(to, opts.IfCurrent); err != nil {
		return nil, nil, err
	}
	if v.Stage == to && (opts.Keep || len(holders) == 1) {
		return v, nil, nil
	}
	verdicts, err := c.checkGates(g, v)
	return v, verdicts, err
}

// transition moves v to a stage. It and those who hold the stage are loaded, as judge does.
func (c *change) transition(v *Version, to Stage, keep bool, verdicts []Verdict) (*Promotion, error) {
	if !to.active() {
		return c.retire(v, to)
	}
	target := []int{v.Number}
	if keep {
		target = append(target, c.model.Holders[to]...)
	}
	p, err := c.hand(to, target, v, StageChanged, 0)
	if err == nil && len(verdicts) > 0 {
		c.events[len(c.events)-1].Verdicts = verdicts
	}
	return p, err
}

// checkHolder is the compare of a compare-and-swap.
func (c *change) checkHolder(stage Stage, want *int) error {
	if want == nil {
		return nil
	}
	holders := c.model.Holders[stage]
	if *want == 0 && len(holders) == 0 || len(holders) == 1 && holders[0] == *want {
		return nil
	}
	return &Conflict{Model: c.model.Name, Stage: stage, Current: slices.Clone(holders),
		Reason: fmt.Sprintf("%s of model %q is held by %s, not by %s", stage, c.model.Name, versionList(holders...), versionList(*want))}
}

// versionList prints numbers for messages: "version 3", "versions 1, 2", "no version".
func versionList(numbers ...int) string {
	var texts []string
	for _, n := range numbers {
		if n > 0 {
			texts = append(texts, strconv.Itoa(n))
		}
	}
	switch len(texts) {
	case 0:
		return "no version"
	case 1:
		return "version " + texts[0]
	}
	return "versions " + strings.Join(texts, ", ")
}

// retire moves v to None or Archived.
func (c *change) retire(v *Version, to Stage) (*Promotion, error) {
	from := c.handover()
	if v.Stage != to {
		if err := c.move(v, to, StageChanged); err != nil {
			return nil, err
		}
	}
	c.noteHandover(from, to, 0)
	return &Promotion{Version: v}, nil
}

// hand makes the versions target the holders of stage: the others are archived. main is the version that the call is
// about; undone is how many changes of hands this goes back. All of the versions are loaded.
func (c *change) hand(stage Stage, target []int, main *Version, kind EventKind, undone int) (*Promotion, error) {
	p := &Promotion{Version: main}
	from := c.handover()
	for _, n := range slices.Clone(c.model.Holders[stage]) {
		if slices.Contains(target, n) {
			continue
		}
		v, err := c.version(n)
		if err != nil {
			return nil, err
		}
		if err := c.move(v, Archived, kind); err != nil {
			return nil, err
		}
		p.Displaced = append(p.Displaced, v)
	}
	for _, n := range target {
		if slices.Contains(c.model.Holders[stage], n) {
			continue
		}
		v, err := c.version(n)
		if err != nil {
			return nil, err
		}
		if err := c.move(v, stage, kind); err != nil {
			return nil, err
		}
	}
	c.noteHandover(from, stage, undone)
	return p, nil
}

// move puts v into a stage and keeps the model's list of holders.
func (c *change) move(v *Version, to Stage, kind EventKind) error {
	from := v.Stage
	c.leave(from, v.Number)
	if to.active() {
		if c.model.Holders == nil {
			c.model.Holders = map[Stage][]int{}
		}
		holders := append(slices.Clone(c.model.Holders[to]), v.Number)
		slices.Sort(holders)
		c.model.Holders[to] = slices.Compact(holders)
	}
	v.Stage, v.StageSince = to, c.now
	_, err := c.touch(v, kind)
	return err
}

// leave takes a version out of a stage's list of holders.
func (c *change) leave(stage Stage, number int) {
	holders := slices.DeleteFunc(slices.Clone(c.model.Holders[stage]), func(n int) bool { return n == number })
	if len(holders) == 0 {
		delete(c.model.Holders, stage)
		return
	}
	c.model.Holders[stage] = holders
}

// handover remembers who holds what, before a change.
func (c *change) handover() map[Stage]Handover {
	return map[Stage]Handover{Staging: {Before: c.model.Holders[Staging]}, Production: {Before: c.model.Holders[Production]}}
}

// noteHandover writes into the last event which stages changed hands since from.
func (c *change) noteHandover(from map[Stage]Handover, stage Stage, undone int) {
	if len(c.events) == 0 {
		return
	}
	e := c.events[len(c.events)-1]
	for stage, h := range from {
		if h.After = c.model.Holders[stage]; slices.Equal(h.Before, h.After) {
			continue
		}
		if e.Holders == nil {
			e.Holders = map[Stage]Handover{}
		}
		e.Holders[stage] = h
	}
	e.Stage, e.Undone = stage, undone
}

func (r *registry) Rollback(ctx context.Context, model string, stage Stage, opts *RollbackOptions) (p *Promotion, err error) {
	if opts == nil {
		opts = &RollbackOptions{}
	}
	ref := model + "/" + string(stage)
	if stage, err = stage.normal(); err == nil && !stage.active() {
		err = fmt.Errorf("stage %q: %w: Staging and Production can be rolled back", stage, ErrInvalid)
	}
	if err != nil {
		return nil, wrap("Rollback", ref, err)
	}
	err = r.changeModel(ctx, model, opts.Reason, false, nil, func(c *change) error {
		if err := c.checkHolder(stage, opts.IfCurrent); err != nil {
			return err
		}
		p, err = c.rollback(stage)
		return err
	})
	if err != nil {
		return nil, wrap("Rollback", ref, err)
	}
	return p, nil
}

// rollback walks back over the changes of hands to one after which others, who still exist, held the stage. Changes
// that earlier rollbacks went back over are passed by, so that two rollbacks go two changes back.
func (c *change) rollback(stage Stage) (*Promotion, error) {
	current := c.model.Holders[stage]
	skip, undone := 0, 0
	for e, err := range c.withHolders(stageEvents(c.tx.Find, c.model.ID, stage), stage) {
		if err != nil {
			return nil, err
		}
		h, ok := e.Holders[stage]
		if !ok {
			continue
		}
		undone++
		if skip > 0 {
			skip--
			continue
		}
		if e.Kind == StageRolledBack && e.Stage == stage {
			skip = e.Undone
			continue
		}
		target := slices.DeleteFunc(slices.Clone(h.Before), func(n int) bool { _, err := c.version(n); return err != nil })
		if len(target) == 0 || slices.Equal(target, current) {
			continue
		}
		main, err := c.version(target[len(target)-1])
		if err != nil {
			return nil, err
		}
		return c.hand(stage, target, main, StageRolledBack, undone)
	}
	return nil, &Conflict{Model: c.model.Name, Stage: stage, Current: slices.Clone(current),
		Reason: fmt.Sprintf("no version that still exists held %s of model %q before %s", stage, c.model.Name, versionList(current...))}
}

// withHolders yields the events when those who held the stage before them, and who hold it now, are loaded as far as they
// are there: one by one at first, for mostly the first will do, and then many in a statement.
func (c *change) withHolders(events iter.Seq2[*Event, error], stage Stage) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		next, stop := iter.Pull2(events)
		defer stop()
		for size := 1; ; size = 64 {
			needed := slices.Clone(c.model.Holders[stage])
			var batch []*Event
			var failed error
			for len(batch) < size {
				e, err, ok := next()
				if !ok {
					break
				}
				if err != nil {
					failed = err
					break
				}
				batch = append(batch, e)
				needed = append(needed, e.Holders[stage].Before...)
			}
			if err := c.load(needed...); err != nil {
				yield(nil, err)
				return
			}
			for _, e := range batch {
				if !yield(e, nil) {
					return
				}
			}
			if failed != nil {
				yield(nil, failed)
				return
			}
			if len(batch) < size {
				return
			}
		}
	}
}

// stageEvents yields the events by which versions came into stage or left it, newest first.
func stageEvents(find func(backend.Query) ([]backend.Row, error), modelID string, stage Stage) iter.Seq2[*Event, error] {
	page := 32
	return func(yield func(*Event, error) bool) {
		sides := [2]struct {
			field string
			rows  []backend.Row
			after []backend.Value
			done  bool
		}{{field: "stage_from"}, {field: "stage_to"}}
		last := ""
		for {
			best := -1
			for i := range sides {
				s := &sides[i]
				if len(s.rows) == 0 && !s.done {
					rows, err := find(backend.Query{Table: tableEvents, Desc: true, Limit: page, After: s.after, Where: []backend.Cond{
						{Field: "model_id", Value: backend.StringValue(modelID)},
						{Field: s.field, Value: backend.StringValue(string(stage))},
					}})
					if err != nil {
						yield(nil, fmt.Errorf("read history: %w", err))
						return
					}
					s.rows, s.done, page = rows, len(rows) < page, eventPage // who goes further goes far
					if len(rows) > 0 {
						s.after = rows[len(rows)-1].Key
					}
				}
				if len(s.rows) > 0 && (best < 0 || s.rows[0].Key.Compare(sides[best].rows[0].Key) > 0) {
					best = i
				}
			}
			if best < 0 {
				return
			}
			row := sides[best].rows[0]
			sides[best].rows = sides[best].rows[1:]
			if row.Key[0].Str() == last {
				continue // from and to are the same stage
			}
			last = row.Key[0].Str()
			e, err := decodeEvent(row, cursorSeen)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

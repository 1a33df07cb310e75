package modelregistry

import (
	"context"
	"fmt"
)

func (r *registry) SetAlias(ctx context.Context, model, alias string, number int, opts *AliasOptions) (previous int, err error) {
	if opts == nil {
		opts = &AliasOptions{}
	}
	ref := model + "@" + alias
	if err := checkAlias(alias); err != nil {
		return 0, wrap("SetAlias", ref, err)
	}
	if err := checkNumber(number); err != nil {
		return 0, wrap("SetAlias", ref, err)
	}
	g, err := r.aliasGating(ctx, model, alias, number, opts)
	if err != nil {
		return 0, wrap("SetAlias", ref, err)
	}
	err = r.changeModel(ctx, model, opts.Reason, false, nil, func(c *change) error {
		previous = c.model.Aliases[alias]
		v, verdicts, err := c.judgeAlias(g, number, opts.IfCurrent)
		if err != nil {
			return err
		}
		if err := refused(v.Model, v.Number, g.target, verdicts); err != nil {
			return err
		}
		return c.giveAlias(v, alias, verdicts)
	})
	if err != nil {
		return 0, wrap("SetAlias", ref, err)
	}
	return previous, nil
}

// aliasGating finds and prepares the gates in front of an alias.
func (r *registry) aliasGating(ctx context.Context, model, alias string, number int, opts *AliasOptions) (*gating, error) {
	g, err := r.gating(ctx, model, target{alias: alias}, opts.Waive)
	if err != nil {
		return nil, err
	}
	return g, g.prepare(r, model, number)
}

// judgeAlias loads what a move of an alias is about, checks that it can be, and asks the gates if it would change anything.
func (c *change) judgeAlias(g *gating, number int, ifCurrent *int) (*Version, []Verdict, error) {
	alias := g.target.alias
	previous := c.model.Aliases[alias]
	if err := c.load(number, previous); err != nil {
		return nil, nil, err
	}
	v, err := c.version(number)
	if err != nil {
		return nil, nil, err
	}
	if err := c.checkAlias(alias, ifCurrent); err != nil {
		return nil, nil, err
	}
	if previous == number {
		return v, nil, nil
	}
	if previous != 0 {
		if err := c.checkAliasUnprotected(alias); err != nil {
			return nil, nil, err
		}
	}
	verdicts, err := c.checkGates(g, v)
	return v, verdicts, err
}

// giveAlias moves alias to v, as judgeAlias let it, and keeps the verdicts in the last event.
func (c *change) giveAlias(v *Version, alias string, verdicts []Verdict) error {
	before := len(c.events)
	if err := c.setAlias(alias, v.Number); err != nil {
		return err
	}
	if len(c.events) > before && len(verdicts) > 0 {
		c.events[len(c.events)-1].Verdicts = verdicts
	}
	return nil
}

// checkUngated refuses to give a new version an alias that gates are in front of: they judge versions that are there.
func (c *change) checkUngated(alias string) error {
	g := &gating{target: target{alias: alias}, rules: c.r.gatesAt(c.model.Name, target{alias: alias})}
	missing := c.model.missing(g)
	if len(g.rules)+len(missing) == 0 {
		return nil
	}
	name := ""
	if len(missing) > 0 {
		name = missing[0].Gate
	} else {
		name = g.rules[0].Name
	}
	return &Conflict{Model: c.model.Name, Alias: alias, Current: c.model.holders(g.target),
		Reason: fmt.Sprintf("gate %.100q is in front of alias %q of model %q; register the version without it, and then SetAlias", name, alias, c.model.Name)}
}

func (r *registry) DeleteAlias(ctx context.Context, model, alias string, opts *AliasOptions) (previous int, err error) {
	if opts == nil {
		opts = &AliasOptions{}
	}
	ref := model + "@" + alias
	if err := checkText("alias", alias, maxAlias); err != nil {
		return 0, wrap("DeleteAlias", ref, err)
	}
	err = r.changeModel(ctx, model, opts.Reason, false, nil, func(c *change) error {
		previous = c.model.Aliases[alias]
		if err := c.checkAlias(alias, opts.IfCurrent); err != nil {
			return err
		}
		if previous == 0 {
			return errNoAlias(model, alias)
		}
		if err := c.load(previous); err != nil {
			return err
		}
		return c.dropAlias(alias, AliasDeleted)
	})
	if err != nil {
		return 0, wrap("DeleteAlias", ref, err)
	}
	return previous, nil
}

func errNoAlias(model, alias string) error {
	return fmt.Errorf("alias %q of model %q: %w", alias, model, ErrNotFound)
}

// checkAlias is the compare of a compare-and-swap.
func (c *change) checkAlias(alias string, want *int) error {
	current := c.model.Aliases[alias]
	if want == nil || *want == current {
		return nil
	}
	conflict := &Conflict{Model: c.model.Name, Alias: alias,
		Reason: fmt.Sprintf("alias %q of model %q names %s, not %s", alias, c.model.Name, versionList(current), versionList(*want))}
	if current != 0 {
		conflict.Current = []int{current}
	}
	return conflict
}

// setAlias moves alias to a version; that one and the one it names now are loaded.
func (c *change) setAlias(alias string, number int) error {
	if c.model.Aliases[alias] == number {
		return nil
	}
	if c.model.Aliases[alias] != 0 {
		if err := c.dropAlias(alias, AliasMoved); err != nil {
			return err
		}
	} else if n := len(c.model.Aliases); n >= maxAliases {
		return &Conflict{Model: c.model.Name, Alias: alias, Reason: fmt.Sprintf("model %q has %d aliases, as many as there can be", c.model.Name, n)}
	}
	v, err := c.version(number)
	if err != nil {
		return err
	}
	if c.model.Aliases == nil {
		c.model.Aliases = map[string]int{}
	}
	c.model.Aliases[alias] = number
	v.Aliases = v.Aliases.with(alias)
	e, err := c.touch(v, AliasSet)
	if err != nil {
		return err
	}
	e.Alias = alias
	return nil
}

// dropAlias takes alias from the version that it names, which is loaded.
func (c *change) dropAlias(alias string, kind EventKind) error {
	v, err := c.version(c.model.Aliases[alias])
	if err != nil {
		return err
	}
	if err := c.checkAliasUnprotected(alias); err != nil {
		return err
	}
	delete(c.model.Aliases, alias)
	v.Aliases = v.Aliases.without(alias)
	e, err := c.touch(v, kind)
	if err != nil {
		return err
	}
	e.Alias = alias
	return nil
}

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
	err = r.changeModel(ctx, model, opts.Reason, false, nil, func(c *change) error {
		previous = c.model.Aliases[alias]
		if err := c.load(number, previous); err != nil {
			return err
		}
		if _, err := c.version(number); err != nil {
			return err
		}
		if err := c.checkAlias(alias, opts.IfCurrent); err != nil {
			return err
		}
		return c.setAlias(alias, number)
	})
	if err != nil {
		return 0, wrap("SetAlias", ref, err)
	}
	return previous, nil
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

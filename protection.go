package modelregistry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxProtected is how many aliases of a model can be protected.
const maxProtected = 1000

func (patch *ModelPatch) checkProtection() error {
	if n := len(patch.ProtectAliases) + len(patch.UnprotectAliases); n > maxProtected {
		return fmt.Errorf("%w: %d aliases to protect or not, at most %d", ErrInvalid, n, maxProtected)
	}
	for _, alias := range slices.Concat(patch.ProtectAliases, patch.UnprotectAliases) {
		if err := checkAlias(alias); err != nil {
			return err
		}
		if slices.Contains(patch.ProtectAliases, alias) && slices.Contains(patch.UnprotectAliases, alias) {
			return fmt.Errorf("alias %q: %w: to be protected and not", alias, ErrInvalid)
		}
	}
	lifts := patch.Protect != nil && !*patch.Protect || len(patch.UnprotectAliases) > 0
	if lifts && strings.TrimSpace(patch.Reason) == "" {
		return fmt.Errorf("%w: to take protection away takes a Reason", ErrInvalid)
	}
	return nil
}

// protect does what the patch says about protection.
func (m *Model) protect(patch *ModelPatch) error {
	if patch.Protect != nil {
		m.Protected = *patch.Protect
	}
	if len(patch.ProtectAliases)+len(patch.UnprotectAliases) == 0 {
		return nil
	}
	aliases := slices.DeleteFunc(slices.Concat(m.ProtectedAliases.members, patch.ProtectAliases), func(alias string) bool {
		return slices.Contains(patch.UnprotectAliases, alias)
	})
	m.ProtectedAliases = SetOf(aliases...)
	if n := m.ProtectedAliases.Len(); n > maxProtected {
		return fmt.Errorf("%w: %d protected aliases, at most %d", ErrInvalid, n, maxProtected)
	}
	size := 0
	for alias := range m.ProtectedAliases.All() {
		size += len(alias)
	}
	return checkBytes("protected aliases", size, maxGuardBytes)
}

// checkUnprotected refuses what a protected model is safe from, and one with a protected alias: whoever asks for it by the
// model's name and the alias would get nothing, or what another model has under the name.
func (c *change) checkUnprotected(what string) error {
	if c.model.Protected {
		return &Conflict{Model: c.model.Name,
			Reason: fmt.Sprintf("model %q is protected and cannot be %s; take its protection away first, for a reason", c.model.Name, what)}
	}
	for _, alias := range slices.Sorted(maps.Keys(c.model.Aliases)) {
		if c.model.ProtectedAliases.Has(alias) {
			return &Conflict{Model: c.model.Name, Alias: alias, Current: []int{c.model.Aliases[alias]}, Reason: fmt.Sprintf(
				"alias %q of model %q is protected, and the model cannot be %s; take the protection away first, for a reason", alias, c.model.Name, what)}
		}
	}
	return nil
}

// checkAliasUnprotected refuses to take a protected alias from the version that it names.
func (c *change) checkAliasUnprotected(alias string) error {
	if !c.model.ProtectedAliases.Has(alias) {
		return nil
	}
	number := c.model.Aliases[alias]
	return &Conflict{Model: c.model.Name, Alias: alias, Current: []int{number},
		Reason: fmt.Sprintf("alias %q of model %q is protected and stays with version %d; take its protection away first, for a reason", alias, c.model.Name, number)}
}

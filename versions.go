package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) Version(ctx context.Context, model string, number int) (*Version, error) {
	err := checkModelName(model)
	if err == nil {
		err = checkNumber(number)
	}
	if err == nil {
		var v *Version
		if v, err = r.resolve(ctx, URI{Model: model, Number: number}); err == nil {
			return v, nil
		}
	}
	return nil, wrap("Version", versionRef(model, number), err)
}

func (r *registry) UpdateVersion(ctx context.Context, model string, number int, patch VersionPatch) (v *Version, err error) {
	ref := versionRef(model, number)
	if err := errors.Join(checkNumber(number), checkPatch(patch.Description, patch.SetTags)); err != nil {
		return nil, wrap("UpdateVersion", ref, err)
	}
	err = r.changeModel(ctx, model, patch.Reason, false, nil, func(c *change) error {
		if err := c.load(number); err != nil {
			return err
		}
		if v, err = c.version(number); err != nil {
			return err
		}
		told := *v
		if patch.Description != nil {
			v.Description = *patch.Description
		}
		v.Tags = v.Tags.with(patch.SetTags, patch.DeleteTags)
		if len(patch.SetTags) > 0 {
			if err := checkTags(v.Tags); err != nil {
				return err
			}
		}
		if v.Description == told.Description && slices.Equal(v.Tags.entries, told.Tags.entries) {
			return nil
		}
		_, err := c.touch(v, VersionUpdated)
		return err
	})
	if err != nil {
		return nil, wrap("UpdateVersion", ref, err)
	}
	return v, nil
}

func (r *registry) DeleteVersion(ctx context.Context, model string, number int, opts *DeleteOptions) error {
	if opts == nil {
		opts = &DeleteOptions{}
	}
	ref := versionRef(model, number)
	if err := checkNumber(number); err != nil {
		return wrap("DeleteVersion", ref, err)
	}
	return wrap("DeleteVersion", ref, r.changeModel(ctx, model, opts.Reason, false, nil, func(c *change) error {
		if err := c.load(number); err != nil {
			return err
		}
		v, err := c.version(number)
		if err != nil {
			return err
		}
		if !opts.Force {
			if err := c.checkUnusedVersion(v); err != nil {
				return err
			}
		}
		return c.deleteVersion(v)
	}))
}

// checkUnusedVersion refuses to delete a version that programs may be serving.
func (c *change) checkUnusedVersion(v *Version) error {
	if v.Stage == Production {
		return &Conflict{Model: v.Model, Stage: Production, Current: []int{v.Number},
			Reason: fmt.Sprintf("version %d of model %q is in Production; archive it first, or force", v.Number, v.Model)}
	}
	for alias := range v.Aliases.All() {
		return &Conflict{Model: v.Model, Alias: alias, Current: []int{v.Number},
			Reason: fmt.Sprintf("alias %q of model %q names version %d; delete it first, or force", alias, v.Model, v.Number)}
	}
	if slices.Contains(c.model.Served, v.Number) {
		return &Conflict{Model: v.Model, Current: []int{v.Number},
			Reason: fmt.Sprintf("version %d of model %q is deployed; end its deployments first, or force", v.Number, v.Model)}
	}
	return nil
}

// deleteVersion removes v with its aliases. What it was stays in its event.
func (c *change) deleteVersion(v *Version) error {
	for alias := range v.Aliases.All() {
		if err := c.dropAlias(alias, AliasDeleted); err != nil {
			return err
		}
	}
	if err := c.failRequests(v.Number); err != nil {
		return err
	}
	from := c.handover()
	c.leave(v.Stage, v.Number)
	c.noteServed(v.Number, false)
	c.versions[v.Number].gone = true
	if _, err := c.touch(v, VersionDeleted); err != nil {
		return err
	}
	c.noteHandover(from, "", 0)
	return nil
}

func (r *registry) SearchVersions(ctx context.Context, q Query) (VersionPage, error) {
	page, err := searchVersions(ctx, r.backend, q)
	return page, wrap("SearchVersions", "", err)
}

func (r *registry) Versions(ctx context.Context, q Query) iter.Seq2[*Version, error] {
	return pages(q, func(q Query) ([]*Version, string, error) {
		page, err := r.SearchVersions(ctx, q)
		return page.Versions, page.Next, err
	})
}

// pages yields what a search finds, page after page.
func pages[T any](q Query, search func(Query) (found []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := q // each use of the iterator begins anew
		for {
			found, next, err := search(q)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range found {
				if !yield(v, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.PageToken = next
		}
	}
}

// find is a Query outside a transaction, in the shape that Reader.Find has.
func (r *registry) find(ctx context.Context) func(backend.Query) ([]backend.Row, error) {
	return func(q backend.Query) ([]backend.Row, error) { return r.backend.Find(ctx, q) }
}

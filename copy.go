package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) CopyVersion(ctx context.Context, uri, toModel string, opts *ChangeOptions) (*Version, error) {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	v, err := r.copyVersion(ctx, uri, toModel, opts.Reason)
	return v, wrap("CopyVersion", uri, err)
}

func (r *registry) copyVersion(ctx context.Context, uri, toModel, reason string) (*Version, error) {
	src, err := r.copySource(ctx, uri)
	if err != nil {
		return nil, err
	}
	draft := Version{
		Stage: None, Description: src.Description, RunID: src.RunID, Source: src.URI(),
		Tags: src.Tags, Params: src.Params, Metrics: src.Metrics, CreatedBy: r.actor,
	}
	return r.addCopy(ctx, src, toModel, draft, VersionSpec{Reason: reason, copied: true}, func(c *change, spec *VersionSpec) (_ Semver, err error) {
		if spec.encoded, err = c.copyFacts(src); err != nil {
			return Semver{}, err
		}
		holder, err := c.semverHolder(src.Semver)
		if err != nil || holder != 0 {
			return Semver{}, err
		}
		return src.Semver, nil
	})
}

// registerCopy registers what Register was told to, with the files of another version.
func (r *registry) registerCopy(ctx context.Context, model string, draft Version, semver Semver, spec VersionSpec) (*Version, error) {
	src, err := r.copySource(ctx, spec.CopyOf)
	if err != nil {
		return nil, err
	}
	return r.addCopy(ctx, src, model, draft, spec, func(*change, *VersionSpec) (Semver, error) { return semver, nil })
}

func (r *registry) copySource(ctx context.Context, uri string) (*Version, error) {
	src, err := r.Resolve(ctx, uri)
	if err == nil && src.Number == 0 {
		err = fmt.Errorf("%w: what a run left is no version; give Register its path as Artifacts", ErrInvalid)
	}
	return src, err
}

// addCopy makes a version with the files of src visible, as addVersion does. In the transaction, finish says which
// semantic version it gets, and may complete the spec.
func (r *registry) addCopy(ctx context.Context, src *Version, model string, draft Version, spec VersionSpec, finish func(*change, *VersionSpec) (Semver, error)) (*Version, error) {
	draft.Digest, draft.Size, draft.FileCount = src.Digest, src.Size, src.FileCount
	spec.Lineage = append(slices.Clip(spec.Lineage), Origin{Type: DerivedFrom, Node: src.Node()})
	var v *Version
	err := r.changeModel(ctx, model, spec.Reason, !spec.ExistingModel, []string{modelLock(src.Model)}, func(c *change) error {
		// The source holds on to the files until the copy does: its lock is held, and it must be there.
		row, err := c.tx.Get(tableVersions, versionKey(src.Model, src.Number)...)
		if errors.Is(err, backend.ErrNotFound) {
			return errNoVersion(src.Model, src.Number)
		}
		if err != nil {
			return fmt.Errorf("read version: %w", err)
		}
		if now, err := decodeVersion(row); err != nil {
			return err
		} else if now.ModelID != src.ModelID {
			return errNoVersion(src.Model, src.Number)
		}
		if c.isNew {
			if err := c.created(); err != nil {
				return err
			}
		}
		fresh := draft
		v = &fresh
		final := spec
		semver, err := finish(c, &final)
		if err != nil {
			return err
		}
		return c.add(v, semver, final)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

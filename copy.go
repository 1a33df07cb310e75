package modelregistry

import (
	"context"
	"fmt"
	"slices"
)

func (r *registry) CopyVersion(ctx context.Context, uri, toModel string, opts *ChangeOptions) (*Version, error) {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	v, err := r.copyVersion(ctx, uri, toModel, opts.Reason)
	return v, wrap("CopyVersion", clip(uri), err)
}

func (r *registry) copyVersion(ctx context.Context, uri, toModel, reason string) (*Version, error) {
	return r.addCopy(ctx, uri, toModel, VersionSpec{Reason: reason, copied: true}, func(c *change, src *Version, spec *VersionSpec) (_ Version, _ Semver, err error) {
		draft := Version{
			Stage: None, Description: src.Description, RunID: src.RunID, Source: src.URI(),
			Tags: src.Tags, Params: src.Params, Metrics: src.Metrics, CreatedBy: r.actor,
		}
		if spec.encoded, err = c.copyFacts(src); err != nil {
			return draft, Semver{}, err
		}
		holder, err := c.semverHolder(src.Semver)
		if err != nil || holder != 0 {
			return draft, Semver{}, err
		}
		return draft, src.Semver, nil
	})
}

// registerCopy registers what Register was told to, with the files of another version.
func (r *registry) registerCopy(ctx context.Context, model string, draft Version, semver Semver, spec VersionSpec) (*Version, error) {
	return r.addCopy(ctx, spec.CopyOf, model, spec, func(*change, *Version, *VersionSpec) (Version, Semver, error) {
		return draft, semver, nil
	})
}

// addCopy makes a version with the files of the one that uri names visible, as addVersion does. Which that is, and what
// it is like, is read in the transaction, behind its model's lock: who is in Production may change until then, and the
// source holds on to the files until the copy does. There, finish says what the copy is to be like and which semantic
// version it gets, and may complete the spec.
func (r *registry) addCopy(ctx context.Context, uri, model string, spec VersionSpec,
	finish func(*change, *Version, *VersionSpec) (Version, Semver, error)) (*Version, error) {
	u, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	if u.RunID != "" {
		return nil, fmt.Errorf("%w: what a run left is no version; give Register its path as Artifacts", ErrInvalid)
	}
	content := r.newContentCheck()
	if r.blobs != nil {
		src, err := u.find(r.find(ctx))
		if err == nil {
			err = content.version(ctx, r.find(ctx), src)
		}
		if err != nil {
			return nil, err
		}
	}
	var v *Version
	locks := append(originLocks(spec.Lineage), modelLock(u.Model))
	err = r.changeModel(ctx, model, spec.Reason, !spec.ExistingModel, locks, func(c *change) error {
		src, err := u.find(c.tx.Find)
		if err != nil {
			return err
		}
		if err := content.version(ctx, c.tx.Find, src); err != nil { // if it is another by now
			return err
		}
		if c.isNew {
			if err := c.created(); err != nil {
				return err
			}
		}
		final := spec
		fresh, semver, err := finish(c, src, &final)
		if err != nil {
			return err
		}
		fresh.Digest, fresh.Size, fresh.FileCount = src.Digest, src.Size, src.FileCount
		final.Lineage = append(slices.Clip(final.Lineage), Origin{Type: DerivedFrom, Node: src.Node()})
		v = &fresh
		return c.add(v, semver, final)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

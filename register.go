package modelregistry

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) Register(ctx context.Context, model string, spec VersionSpec) (*Version, error) {
	v, err := r.register(ctx, model, spec)
	return v, wrap("Register", model, err)
}

func (r *registry) register(ctx context.Context, model string, spec VersionSpec) (*Version, error) {
	if err := checkModelName(model); err != nil {
		return nil, err
	}
	draft, semver, err := spec.draft()
	if err != nil {
		return nil, err
	}
	draft.CreatedBy = r.actor
	if spec.Files == nil {
		return r.addVersion(ctx, model, draft, semver, spec, nil)
	}
	up, err := r.beginUpload(ctx)
	if err != nil {
		return nil, err
	}
	defer up.end(ctx)
	if err := up.store(ctx, spec.Files, spec.Progress); err != nil {
		return nil, err
	}
	draft.Digest, draft.Size, draft.FileCount = up.digest, up.size, len(up.files)
	return r.addVersion(ctx, model, draft, semver, spec, up)
}

// draft checks the spec and makes of it what it says of the version.
func (spec *VersionSpec) draft() (v Version, semver Semver, err error) {
	if spec.Semver != "" {
		if spec.Bump != "" {
			return v, semver, fmt.Errorf("%w: Semver and Bump are both set; one decides the semantic version", ErrInvalid)
		}
		if semver, err = ParseSemver(spec.Semver); err != nil {
			return v, semver, err
		}
	}
	if spec.Bump != "" {
		if _, err := ParseBump(string(spec.Bump)); err != nil {
			return v, semver, err
		}
	}
	if len(spec.Lineage) > maxEntries || len(spec.Aliases) > maxEntries {
		return v, semver, fmt.Errorf("%w: more than %d aliases or lineage edges", ErrInvalid, maxEntries)
	}
	for _, alias := range spec.Aliases {
		if err := checkAlias(alias); err != nil {
			return v, semver, err
		}
	}
	for _, check := range []error{
		checkText("description", spec.Description, maxDescription),
		checkText("run ID", spec.RunID, maxRunID),
		checkText("source", spec.Source, maxSource),
		checkText("reason", spec.Reason, maxReason),
		checkEntries("tag", spec.Tags, maxTagValue),
		checkEntries("param", spec.Params, maxParamValue),
		checkMetrics(spec.Metrics),
	} {
		if check != nil {
			return v, semver, check
		}
	}
	for _, o := range spec.Lineage {
		if err := o.check(); err != nil {
			return v, semver, err
		}
	}
	return Version{
		Stage: None, Description: spec.Description, RunID: spec.RunID, Source: spec.Source,
		Tags: MapOf(spec.Tags), Params: MapOf(spec.Params), Metrics: MapOf(spec.Metrics),
	}, semver, nil
}

// addVersion makes the version visible: numbered, with its files, aliases, lineage and events, in one transaction.
func (r *registry) addVersion(ctx context.Context, model string, draft Version, semver Semver, spec VersionSpec, up *upload) (*Version, error) {
	var v *Version
	var locks []string
	if up != nil {
		locks = []string{manifestLock(up.digest), anyUploadLock()}
	}
	err := r.changeModel(ctx, model, spec.Reason, true, locks, func(c *change) error {
		if up != nil {
			if err := up.commit(c.tx, c.now); err != nil {
				return err
			}
		}
		if c.isNew {
			if err := c.created(); err != nil {
				return err
			}
		}
		fresh := draft
		v = &fresh
		return c.add(v, semver, spec)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// registered is what the event of a registration says.
type registered struct {
	Digest string `json:"digest,omitempty"`
	Semver Semver `json:"semver,omitzero"`
}

// add gives v the next number and its semantic version, and registers it.
func (c *change) add(v *Version, semver Semver, spec VersionSpec) error {
	v.Model, v.ModelID = c.model.Name, c.model.ID
	v.Number = c.model.Last + 1
	v.Created, v.StageSince = c.now, c.now
	if err := c.setSemver(v, semver, spec.Bump); err != nil {
		return err
	}
	c.model.Last = v.Number
	c.versions[v.Number] = &tracked{now: v, isNew: true}
	e, err := c.touch(v, VersionRegistered)
	if err != nil {
		return err
	}
	// What else it was registered with is in its row, and what later changes in their events.
	if e.After, err = jsonFields(registered{v.Digest, v.Semver}); err != nil {
		return err
	}
	if len(spec.Lineage) > 0 {
		for _, o := range spec.Lineage {
			e.Edges = append(e.Edges, Edge{From: v.Node(), Type: o.Type, To: o.Node})
		}
		if err := c.linkNew(v, e.Edges); err != nil {
			return err
		}
	}
	var holders []int
	for _, alias := range spec.Aliases {
		holders = append(holders, c.model.Aliases[alias])
	}
	if err := c.load(holders...); err != nil {
		return err
	}
	for _, alias := range spec.Aliases {
		if err := c.setAlias(alias, v.Number); err != nil {
			return err
		}
	}
	return nil
}

// setSemver gives v the semantic version that was asked for, or the next one.
func (c *change) setSemver(v *Version, semver Semver, bump Bump) error {
	switch {
	case bump != "":
		if c.model.Semver.IsZero() {
			v.Semver = Semver{Major: 1}
			break
		}
		next, err := c.model.Semver.Bump(bump)
		if err != nil {
			return err
		}
		v.Semver = next
	case !semver.IsZero():
		holder, err := c.semverHolder(semver)
		if err != nil {
			return err
		}
		if holder != 0 {
			return fmt.Errorf("semantic version %s of model %q: %w; version %d has it", semver, c.model.Name, ErrExists, holder)
		}
		v.Semver = semver
	}
	if v.Semver.Compare(c.model.Semver) > 0 {
		c.model.Semver = v.Semver
	}
	return nil
}

// semverHolder is the number of the model's version that has a semantic version, or 0.
func (c *change) semverHolder(semver Semver) (int, error) {
	if semver.IsZero() {
		return 0, nil
	}
	rows, err := c.tx.Find(backend.Query{Table: tableVersions, Limit: 1, Where: []backend.Cond{
		{Field: "model", Value: backend.StringValue(c.model.Name)},
		{Field: "semver", Value: backend.StringValue(semver.SortKey())},
	}})
	if err != nil {
		return 0, fmt.Errorf("look up semantic version: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return int(rows[0].Key[1].Int()), nil
}

func (r *registry) CopyVersion(ctx context.Context, uri, toModel string, opts *ChangeOptions) (*Version, error) {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	v, err := r.copyVersion(ctx, uri, toModel, opts.Reason)
	return v, wrap("CopyVersion", uri, err)
}

func (r *registry) copyVersion(ctx context.Context, uri, toModel, reason string) (*Version, error) {
	src, err := r.Resolve(ctx, uri)
	if err != nil {
		return nil, err
	}
	draft := Version{
		Stage: None, Description: src.Description, RunID: src.RunID, Source: src.URI(),
		Tags: src.Tags, Params: src.Params, Metrics: src.Metrics,
		Digest: src.Digest, Size: src.Size, FileCount: src.FileCount, CreatedBy: r.actor,
	}
	spec := VersionSpec{Reason: reason, Lineage: []Origin{{Type: DerivedFrom, Node: src.Node()}}}
	var v *Version
	err = r.changeModel(ctx, toModel, reason, true, []string{modelLock(src.Model)}, func(c *change) error {
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
		semver := src.Semver
		if holder, err := c.semverHolder(semver); err != nil {
			return err
		} else if holder != 0 {
			semver = Semver{}
		}
		return c.add(v, semver, spec)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

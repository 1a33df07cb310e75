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
	if spec.CopyOf != "" {
		return r.registerCopy(ctx, model, draft, semver, spec)
	}
	if spec.Files == nil {
		return r.addVersion(ctx, model, draft, semver, spec, nil) // without files, or with artifacts
	}
	up, err := r.beginUpload(ctx)
	if err != nil {
		return nil, err
	}
	defer up.end(ctx)
	if spec.VerifyStored {
		verify, ok := r.blobs.(VerifyBlobs)
		if !ok {
			return nil, fmt.Errorf("%w: these Blobs cannot verify what they have", errors.ErrUnsupported)
		}
		up.putBlob = verify.PutVerified
	}
	if err := up.store(ctx, spec.Files, spec.Progress); err != nil {
		return nil, err
	}
	if len(up.files) == 0 {
		return nil, fmt.Errorf("%w: Files has no files; is it the right directory? Leave Files nil for a version without any", ErrInvalid)
	}
	draft.Digest, draft.Size, draft.FileCount = up.digest, up.size, len(up.files)
	v, err := r.addVersion(ctx, model, draft, semver, spec, up)
	up.done = err == nil
	return v, err
}

// draft checks the spec, makes of it what it says of the version, and encodes the facts.
func (spec *VersionSpec) draft() (v Version, semver Semver, err error) {
	if spec.Semver != "" {
		if spec.Bump != "" {
			return v, semver, fmt.Errorf("%w: Semver and Bump are both set; one decides the semantic version", ErrInvalid)
		}
		if semver, err = ParseSemver(spec.Semver); err != nil {
			return v, semver, err
		}
	}
	if spec.Bump != "" && spec.Bump != BumpAuto {
		if _, err := ParseBump(string(spec.Bump)); err != nil {
			return v, semver, err
		}
	}
	if spec.AllowSmallBump && spec.Reason == "" {
		return v, semver, fmt.Errorf("%w: AllowSmallBump needs a Reason, for the history", ErrInvalid)
	}
	if spec.encoded, err = spec.facts(); err != nil {
		return v, semver, err
	}
	if spec.Artifacts != "" {
		if spec.Files != nil {
			return v, semver, fmt.Errorf("%w: Files and Artifacts are both set; the version has the files of one", ErrInvalid)
		}
		if err := checkPath(spec.Artifacts); err != nil {
			return v, semver, err
		}
	}
	if spec.CopyOf != "" && (spec.Files != nil || spec.Artifacts != "") {
		return v, semver, fmt.Errorf("%w: CopyOf is set beside Files or Artifacts; the version has the files of one", ErrInvalid)
	}
	if len(spec.Lineage) > maxEntries || len(spec.Aliases) > maxAliases {
		return v, semver, fmt.Errorf("%w: more than %d aliases or %d lineage edges", ErrInvalid, maxAliases, maxEntries)
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
		checkTags(MapOf(spec.Tags)),
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
	content := r.newContentCheck()
	switch {
	case up != nil:
		locks = []string{manifestLock(up.digest), anyUploadLock()}
	case spec.Artifacts != "":
		locks = append(artifactLocks(spec.Artifacts), anyUploadLock()) // see removeManifests
		if err := content.artifacts(ctx, spec.Artifacts); err != nil {
			return nil, err
		}
	}
	locks = append(locks, originLocks(spec.Lineage)...)
	err := r.changeModel(ctx, model, spec.Reason, !spec.ExistingModel, locks, func(c *change) error {
		if up != nil {
			if err := up.commit(c.tx); err != nil {
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
		if spec.Artifacts != "" {
			if err := c.takeArtifacts(ctx, v, spec.Artifacts, content); err != nil {
				return err
			}
		}
		return c.add(v, semver, spec)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// takeArtifacts gives v the files that are at a path now, whose locks are held.
func (c *change) takeArtifacts(ctx context.Context, v *Version, path string, content *contentCheck) error {
	files, err := filesAt(c.tx.Find, path)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("artifacts at %q: %w", path, ErrNotFound)
	}
	if err := content.files(ctx, files); err != nil {
		return err
	}
	v.setFiles(files)
	return putManifest(c.tx, v.Digest, files)
}

// setFiles says of v what is to be said of its files.
func (v *Version) setFiles(files []File) {
	v.Digest, v.Size, v.FileCount = digestFiles(files), 0, len(files)
	for _, f := range files {
		v.Size += f.Size
	}
}

// registered is what the event of a registration says.
type registered struct {
	Digest string `json:"digest,omitempty"`
	Semver Semver `json:"semver,omitzero"`
	// Facts are the digests of the facts by kind.
	Facts map[string]string `json:"facts,omitempty"`
	// Overridden is the bump that the change of the signature needed, if a smaller one was allowed.
	Overridden Bump `json:"overridden_bump,omitempty"`
	// Record is the digest of all that the version is registered as; see recordOf.
	Record string `json:"record,omitempty"`
}

// add gives v the next number and its semantic version, and registers it.
func (c *change) add(v *Version, semver Semver, spec VersionSpec) error {
	v.Model, v.ModelID = c.model.Name, c.model.ID
	v.Number = c.model.Last + 1
	v.Created, v.StageSince = c.now, c.now
	overridden, err := c.setSemver(v, semver, &spec)
	if err != nil {
		return err
	}
	facts, err := c.addFacts(v, spec.encoded)
	if err != nil {
		return err
	}
	c.model.Last = v.Number
	c.versions[v.Number] = &tracked{now: v, isNew: true}
	e, err := c.touch(v, VersionRegistered)
	if err != nil {
		return err
	}
	// What else it was registered with is in its row, and what later changes in their events.
	fields, err := jsonFields(v)
	if err != nil {
		return err
	}
	record, err := recordOf(fields)
	if err != nil {
		return err
	}
	if e.After, err = jsonFields(registered{v.Digest, v.Semver, facts, overridden, record}); err != nil {
		return err
	}
	origins, err := c.origins(spec)
	if err != nil {
		return err
	}
	origins = spec.Provenance.withCode(origins)
	if len(origins) > 0 {
		for _, o := range origins {
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
		if err := c.checkUngated(alias); err != nil {
			return err
		}
		if err := c.setAlias(alias, v.Number); err != nil {
			return err
		}
	}
	return nil
}

// setSemver gives v the semantic version that was asked for, or the next one. If a smaller one than the signature needs
// was allowed it returns what was needed.
func (c *change) setSemver(v *Version, semver Semver, spec *VersionSpec) (overridden Bump, err error) {
	switch {
	case spec.Bump != "" && c.model.Semver.IsZero():
		v.Semver = Semver{Major: 1}
	case spec.Bump != "":
		bump := spec.Bump
		if bump == BumpAuto {
			if bump, err = c.autoBump(spec.Signature); err != nil {
				return "", err
			}
		}
		if v.Semver, err = c.model.Semver.Bump(bump); err != nil {
			return "", err
		}
		if spec.Bump != BumpAuto {
			overridden, err = c.checkBump(v.Semver, spec)
		}
	case !semver.IsZero():
		var holder int
		if holder, err = c.semverHolder(semver); err != nil {
			return "", err
		}
		if holder != 0 {
			return "", fmt.Errorf("semantic version %s of model %q: %w; version %d has it", semver, c.model.Name, ErrExists, holder)
		}
		v.Semver = semver
		if !spec.copied {
			overridden, err = c.checkBump(semver, spec)
		}
	}
	if err == nil && v.Semver.Compare(c.model.Semver) > 0 {
		c.model.Semver = v.Semver
	}
	return overridden, err
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

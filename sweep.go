package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// SweepOptions go with Sweep. Nil means all defaults.
type SweepOptions struct {
	DryRun bool // only report
	// MinAge spares blobs that were stored more recently; 0 is 24 hours, negative none. Registrations under way are
	// safe at any age; this is for stores that other programs put blobs into.
	MinAge time.Duration
}

// SweepReport is what Sweep removed, or would remove.
type SweepReport struct {
	Removed []BlobInfo // no version or artifact names them
	Bytes   int64      // of the removed
	Kept    int        // blobs that stay
	// Held is how many of these stay for artifacts alone, of runs and logged models, and HeldBytes how long they are:
	// PurgeRuns and DeleteArtifacts give them up.
	Held      int
	HeldBytes int64
	Manifests int // lists of files that no version has any more
}

// The removal of a blob that looks unnamed could meet a registration that found it stored and is about to name it. So
// the candidates are condemned first, in a row each; registrations that begin later see that and wait. Those that are
// running, and may have looked before, hold a lease; Sweep waits for them to end, looks once more what is named, and only
// then removes. A condemnation expires, so that a Sweep that died holds nobody up; Sweep itself stops well before that.
//
// A version that is made of artifacts takes over their blobs without a lease, and the artifacts may go then. So what is
// named is looked up among artifacts first, and then among versions.
const (
	condemnTime   = 10 * time.Minute
	condemnMargin = time.Minute
	clockMargin   = time.Hour // what clocks of other machines, which date their lists, may be off
	sweepLock     = "sweep"
	sweepPage     = 500
	sweepWait     = 200 * time.Millisecond
)

func (r *registry) Sweep(ctx context.Context, opts *SweepOptions) (*SweepReport, error) {
	if opts == nil {
		opts = &SweepOptions{}
	}
	report, err := r.sweep(ctx, opts)
	return report, wrap("Sweep", "", err)
}

func (r *registry) sweep(ctx context.Context, opts *SweepOptions) (*SweepReport, error) {
	blobs, ok := r.blobs.(SweepBlobs)
	if !ok {
		return nil, fmt.Errorf("%w: these Blobs cannot be listed", errors.ErrUnsupported)
	}
	age := opts.MinAge
	if age == 0 {
		age = 24 * time.Hour
	}
	report := &SweepReport{}
	var err error
	if report.Manifests, err = r.sweepManifests(ctx, opts.DryRun); err != nil {
		return nil, err
	}
	looked := r.now()
	artifacts, listed, err := r.namedBlobs(ctx, opts.DryRun)
	if err != nil {
		return nil, err
	}
	limit := r.now().Add(-max(age, 0))
	var candidates []BlobInfo
	for info, err := range blobs.Blobs(ctx) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("list blobs: %w", err)
		case artifacts[info.Digest] && !listed[info.Digest]:
			report.Kept++
			report.Held++
			report.HeldBytes += info.Size
		case listed[info.Digest] || age > 0 && info.ModTime.After(limit):
			report.Kept++
		default:
			candidates = append(candidates, info)
		}
	}
	if opts.DryRun {
		report.Removed = candidates
		for _, info := range candidates {
			report.Bytes += info.Size
		}
		return report, nil
	}
	for batch := range slices.Chunk(candidates, sweepPage) {
		if err := r.removeBlobs(ctx, blobs, batch, looked, report); err != nil {
			return report, err
		}
	}
	return report, nil
}

// sweepManifests removes the lists of files that no version has, and counts them.
func (r *registry) sweepManifests(ctx context.Context, dry bool) (int, error) {
	count := 0
	q := backend.Query{Table: tableManifests, Limit: sweepPage}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return count, fmt.Errorf("read lists of files: %w", err)
		}
		digests := make([]backend.Value, len(rows))
		for i, row := range rows {
			digests[i] = row.Key[0]
		}
		unused, err := unusedManifests(r.find(ctx), digests)
		if err != nil {
			return count, err
		}
		if count += len(unused); !dry && len(unused) > 0 {
			if err := r.removeManifests(ctx, unused); err != nil {
				return count, err
			}
		}
		if len(rows) < sweepPage {
			return count, nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// unusedManifests are those of the digests that no version has.
func unusedManifests(find func(backend.Query) ([]backend.Row, error), digests []backend.Value) ([]backend.Value, error) {
	if len(digests) == 0 {
		return nil, nil
	}
	rows, err := find(backend.Query{Table: tableVersions, Where: []backend.Cond{{Field: "digest", Op: backend.In, Values: digests}}})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	used := map[string]bool{}
	for _, row := range rows {
		v, err := decodeVersion(row)
		if err != nil {
			return nil, err
		}
		used[v.Digest] = true
	}
	return slices.DeleteFunc(slices.Clone(digests), func(d backend.Value) bool { return used[d.Str()] }), nil
}

// removeManifests removes lists of files that are still unused under their locks, which registrations take too. Those
// from artifacts do not know theirs yet, and keep to the locks of leases instead.
func (r *registry) removeManifests(ctx context.Context, digests []backend.Value) error {
	locks := allUploadLocks()
	for _, d := range digests {
		locks = append(locks, manifestLock(d.Str()))
	}
	err := r.backend.Update(ctx, locks, func(tx backend.Tx) error {
		unused, err := unusedManifests(tx.Find, digests)
		if err != nil {
			return err
		}
		keys := make([]backend.Key, len(unused))
		for i, d := range unused {
			keys[i] = backend.Key{d}
		}
		return tx.Delete(tableManifests, keys...)
	})
	if err != nil {
		return fmt.Errorf("remove lists of files: %w", err)
	}
	return nil
}

// namedBlobs are the blobs that artifacts name, and those that lists of files do. For a dry run, lists that no version has
// do not count.
func (r *registry) namedBlobs(ctx context.Context, dry bool) (artifacts, listed map[string]bool, err error) {
	artifacts, listed = map[string]bool{}, map[string]bool{}
	if err := eachBelow(r.find(ctx), "", func(rows []backend.Row) error { return nameArtifacts(artifacts, rows) }); err != nil {
		return nil, nil, err
	}
	return artifacts, listed, r.nameListed(ctx, listed, time.Time{}, dry)
}

// namedSince are those of the batch that artifacts name, and all that lists of files written since then name.
func (r *registry) namedSince(ctx context.Context, batch []BlobInfo, since time.Time) (map[string]bool, error) {
	named := map[string]bool{}
	q := backend.Query{Table: tableArtifacts, Limit: artifactPage, Where: []backend.Cond{{Field: "digest", Op: backend.In, Values: digestsOf(batch)}}}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read artifacts: %w", err)
		}
		if err := nameArtifacts(named, rows); err != nil {
			return nil, err
		}
		if len(rows) < artifactPage {
			return named, r.nameListed(ctx, named, since, false)
		}
		q.After = rows[len(rows)-1].Key
	}
}

func nameArtifacts(named map[string]bool, rows []backend.Row) error {
	for _, row := range rows {
		a, err := decodeArtifact(row)
		if err != nil {
			return err
		}
		if !a.dir {
			named[a.Digest] = true
		}
	}
	return nil
}

// nameListed adds the blobs that lists of files written since then name.
func (r *registry) nameListed(ctx context.Context, named map[string]bool, since time.Time, dry bool) error {
	q := backend.Query{Table: tableManifests, Limit: sweepPage}
	if !since.IsZero() {
		q.Where = []backend.Cond{{Field: "created", Op: backend.Ge, Value: backend.TimeValue(since)}}
	}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return fmt.Errorf("read lists of files: %w", err)
		}
		var unused []backend.Value
		if dry {
			digests := make([]backend.Value, len(rows))
			for i, row := range rows {
				digests[i] = row.Key[0]
			}
			if unused, err = unusedManifests(r.find(ctx), digests); err != nil {
				return err
			}
		}
		for _, row := range rows {
			files, err := decodeManifest(row)
			if err != nil {
				return err
			}
			for _, f := range files {
				named[f.Digest] = named[f.Digest] || !slices.Contains(unused, row.Key[0])
			}
		}
		if len(rows) < sweepPage {
			return nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// removeBlobs condemns a batch, waits for the registrations that may have counted on it, and removes what is still
// unnamed. looked is when the blobs were found to be so.
func (r *registry) removeBlobs(ctx context.Context, blobs SweepBlobs, batch []BlobInfo, looked time.Time, report *SweepReport) error {
	start := r.now()
	sweep, all := newID(), len(batch)
	batch, running, err := r.condemn(ctx, sweep, batch, start.Add(condemnTime))
	if err != nil {
		return err
	}
	defer r.pardon(ctx, sweep, batch)
	report.Kept += all - len(batch)
	patience, cancel := context.WithDeadlineCause(ctx, time.Now().Add(condemnTime/2), fmt.Errorf(
		"%w: registrations that may count on unnamed blobs are still storing files; sweep again when they are done", ErrConflict))
	defer cancel()
	if err := r.awaitUploads(patience, running); err != nil {
		return err
	}
	named, err := r.namedSince(ctx, batch, looked.Add(-clockMargin))
	if err != nil {
		return err
	}
	for _, info := range batch {
		if named[info.Digest] {
			report.Kept++
			continue
		}
		if r.now().After(start.Add(condemnTime - condemnMargin)) {
			return fmt.Errorf("%w: removing took too long for registrations to wait for; what is left is for the next Sweep", ErrConflict)
		}
		if err := blobs.Remove(ctx, info.Digest); err != nil {
			return fmt.Errorf("remove blob %s: %w", info.Digest, err)
		}
		report.Removed = append(report.Removed, info)
		report.Bytes += info.Size
	}
	return nil
}

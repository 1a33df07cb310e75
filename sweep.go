package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// SweepOptions go with Sweep. Nil means all defaults.
type SweepOptions struct {
	DryRun bool // only report
	// MinAge spares blobs that were stored more recently; 0 is 24 hours, negative none. Registrations under way are
	// safe at any age; this is for stores that other programs put blobs into.
	MinAge time.Duration
	// TakeOver says that the store of files is this registry's alone, whatever other registries, or copies and later states
	// of its own database, have left their marks in it: their marks are removed, and so are blobs that only they name. It
	// also lets a registry that names no blob at all, and has no mark, remove everything. For when rows have moved to
	// another database, or were restored from a backup and what was registered since is to be given up.
	TakeOver bool
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
	Waiting   int // unnamed blobs left for the next Sweep: registrations under way may count on them
	Manifests int // lists of files that no version has any more
}

// The removal of a blob that looks unnamed could meet a registration that found it stored and is about to name it. So
// the candidates are condemned first, in a row each; registrations that begin later see that and wait. Those that are
// running, and may have looked before, hold a lease; Sweep waits for them to end, looks once more what is named, and only
// then removes. Both beat, see watch: a Sweep that died holds nobody up for good, and one that did not move for long finds
// its row gone before it removes anything else. A removal has a deadline well inside of the time that others wait for.
//
// A version that is made of artifacts takes over their blobs without a lease, and the artifacts may go then. So what is
// named is looked up among artifacts first, and then among versions.
const (
	sweepLock    = "sweep"
	sweepPage    = 500
	manifestPage = 100
	sweepWait    = 400 * time.Millisecond // between looks, in the end
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
	if _, err := r.checkOwners(ctx, opts); err != nil {
		return nil, err
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
	var generation int64
	if !opts.DryRun {
		if generation, err = r.nextGeneration(ctx); err != nil {
			return nil, err
		}
	}
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
	if all := len(candidates) + report.Kept; len(artifacts)+len(listed) == 0 && all > 0 && !opts.TakeOver {
		// Asked now, behind the list: a registration that began meanwhile left its mark before its files.
		own, err := r.checkOwners(ctx, opts)
		if err != nil {
			return nil, err
		}
		if !own {
			return nil, fmt.Errorf("%w: this registry names no file at all, has never stored one here, and here are %d blobs: "+
				"is it the right database? With TakeOver they are removed", ErrConflict, all)
		}
	}
	if opts.DryRun {
		report.Removed = candidates
		for _, info := range candidates {
			report.Bytes += info.Size
		}
		return report, nil
	}
	if err := r.claim(ctx, opts.TakeOver); err != nil {
		return nil, err
	}
	return report, r.removeAll(ctx, blobs, candidates, generation, report)
}

// checkOwners refuses to sweep where others keep files, and says whether this registry is known to.
func (r *registry) checkOwners(ctx context.Context, opts *SweepOptions) (own bool, err error) {
	o, err := r.owners(ctx)
	own = len(o.own) > 0
	switch {
	case err != nil || opts.TakeOver:
		return own, err
	case len(o.others) > 0:
		this := "this registry, which has never stored files"
		if o.id != "" {
			this = "this one, registry " + o.id
		}
		var others []string
		for _, mark := range o.others {
			others = append(others, markedBy(mark))
		}
		slices.Sort(others)
		return own, fmt.Errorf("%w: this is where registry %s keeps files, and not %s, alone: is it the right database? A sweep of "+
			"either would remove the files of the other. With TakeOver the store becomes this registry's", ErrConflict,
			strings.Join(slices.Compact(others), ", "), this)
	case len(o.copies) > 0:
		return own, fmt.Errorf("%w: files were stored here from a copy of this database, or from a later state of it than this: is it "+
			"the right one, or a copy or backup of it (registry %s)? A sweep would remove files that only the other names. With "+
			"TakeOver the store becomes this one's", ErrConflict, o.id)
	}
	return own, nil
}

// nextGeneration begins a generation: what lists of files name from now on is told from what they named before. It holds
// the locks that they are written under.
func (r *registry) nextGeneration(ctx context.Context) (generation int64, err error) {
	err = r.backend.Update(ctx, append(allUploadLocks(), selfLock), func(tx backend.Tx) error {
		self, err := readSelf(tx)
		if err != nil {
			return err
		}
		if self.ID == "" {
			self.ID = newID()
		}
		self.Generation++
		generation = self.Generation
		return putSelf(tx, self)
	})
	if err != nil {
		return 0, fmt.Errorf("begin a generation: %w", err)
	}
	return generation, nil
}

// removeAll removes what is still unnamed of the candidates, batch by batch. What lists of files came to name since they
// were found has at least that generation.
func (r *registry) removeAll(ctx context.Context, blobs SweepBlobs, candidates []BlobInfo, generation int64, report *SweepReport) error {
	if len(candidates) == 0 {
		return nil
	}
	s, err := r.beginSweep(ctx)
	if err != nil {
		return err
	}
	defer s.end(ctx)
	if err := s.awaitOthers(ctx); err != nil {
		return err
	}
	done := 0
	for batch := range slices.Chunk(candidates, sweepPage) {
		waiting, err := s.remove(ctx, blobs, batch, generation, report)
		if err != nil {
			return err
		}
		if waiting {
			report.Waiting = len(candidates) - done
			return nil // the next batch would wait for the same registrations
		}
		done += len(batch)
	}
	return nil
}

// remove condemns a batch, waits for the registrations that may count on it, and removes what is still unnamed. It says
// whether they go on for so long that it removed nothing.
func (s *sweeping) remove(ctx context.Context, blobs SweepBlobs, batch []BlobInfo, generation int64, report *SweepReport) (waiting bool, err error) {
	all := len(batch)
	batch, running, err := s.condemn(ctx, batch)
	if err != nil {
		return false, err
	}
	defer s.pardon(ctx, batch)
	if left, err := s.r.awaitUploads(ctx, running); err != nil || left > 0 {
		return true, err
	}
	report.Kept += all - len(batch)
	named, err := s.r.namedSince(ctx, batch, generation)
	if err != nil {
		return false, err
	}
	doomed := slices.DeleteFunc(slices.Clone(batch), func(info BlobInfo) bool { return named[info.Digest] })
	report.Kept += len(batch) - len(doomed)
	if _, err := s.r.checkOwners(ctx, &SweepOptions{}); err != nil { // one that came since
		return false, err
	}
	for group := range slices.Chunk(doomed, workers) {
		if err := s.beat(ctx); err != nil {
			return false, err
		}
		if err := s.removeGroup(ctx, blobs, group, report); err != nil {
			return false, err
		}
		if err := s.beat(ctx); errors.Is(err, errTaken) {
			return false, s.r.regret(ctx, group, generation)
		} else if err != nil {
			return false, err
		}
	}
	return false, nil
}

// removeGroup removes blobs, all at once and within removeTime.
func (s *sweeping) removeGroup(ctx context.Context, blobs SweepBlobs, group []BlobInfo, report *SweepReport) error {
	ctx, cancel := context.WithTimeoutCause(ctx, removeTime, fmt.Errorf(
		"%w: removing took longer than %v; what is left is for the next sweep", ErrConflict, removeTime))
	defer cancel()
	removed := make([]bool, len(group))
	err := several(ctx, len(group), func(ctx context.Context, i int) error {
		if err := blobs.Remove(ctx, group[i].Digest); err != nil {
			return fmt.Errorf("remove blob %s: %w", group[i].Digest, err)
		}
		removed[i] = true
		return nil
	})
	for i, info := range group {
		if removed[i] {
			report.Removed = append(report.Removed, info)
			report.Bytes += info.Size
		} else {
			s.late[info.Digest] = true
		}
	}
	return err
}

// regret finds out what a Sweep that was taken for dead in the middle of a removal has done.
func (r *registry) regret(ctx context.Context, group []BlobInfo, generation int64) error {
	named, err := r.namedSince(ctx, group, generation)
	if err != nil {
		return err
	}
	var lost []string
	for _, info := range group {
		if named[info.Digest] {
			lost = append(lost, info.Digest)
		}
	}
	if len(lost) == 0 {
		return errTaken
	}
	return fmt.Errorf("%w: removing took so long that others counted on what was removed: register the files again whose content is %s",
		ErrCorrupt, strings.Join(lost, ", "))
}

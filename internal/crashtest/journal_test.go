package crashtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/modelregistry-go/modelregistry"
)

// journal is what a store has to hold, by what its children have said.
type journal struct {
	own    map[int]*ledger // by worker
	shared sharedLedger
	seen   map[string]bool // versions and blobs that were read, and found right
}

// ledger is about a model that only one worker changes.
type ledger struct {
	state
	late []state    // after operations that were acknowledged too late to count on, one after the other
	open *operation // under way after that, so it may have been done or not
}

// latest is the state after all that was acknowledged.
func (l *ledger) latest() state {
	if len(l.late) > 0 {
		return l.late[len(l.late)-1]
	}
	return l.state
}

// sharedLedger is about the model that all register in. Nobody deletes there.
type sharedLedger struct {
	content map[int]uint64 // of acknowledged versions
	open    []*operation   // may have been done or not
	// promoted are the versions that may be in Production; one is if any promotion was acknowledged.
	promoted map[int]bool
	held     bool
}

func newJournal() *journal {
	return &journal{own: map[int]*ledger{}, seen: map[string]bool{},
		shared: sharedLedger{content: map[int]uint64{}, promoted: map[int]bool{}}}
}

func (j *journal) ledger(worker int) *ledger {
	l, ok := j.own[worker]
	if !ok {
		l = &ledger{state: newState()}
		j.own[worker] = l
	}
	return l
}

// note enters what a child has said; the first intime messages were said while its storage was there for sure. What is
// acknowledged after that may have been done or not: a file system that is shut down between the write and the end of
// a sync has been seen to call the sync a success. Errors are errors unless the child's storage was taken away: then
// what failed is under way for ever.
func (j *journal) note(said []message, mayFail bool, intime int) error {
	open := map[int]*operation{}
	for i, m := range said {
		late := i >= intime
		switch {
		case m.Begin != nil:
			open[m.Worker] = m.Begin
			if m.Begin.Model == sharedModel && m.Begin.Kind == promote {
				j.shared.promoted[m.Begin.Number] = true
			}
		case m.End != nil && m.End.Error != "":
			if !mayFail {
				return fmt.Errorf("worker %d: %+v: %s", m.Worker, open[m.Worker], m.End.Error)
			}
		case m.End != nil:
			op := open[m.Worker]
			delete(open, m.Worker)
			if err := j.acknowledge(m.Worker, *op, *m.End, late); err != nil {
				return err
			}
		}
	}
	for worker, op := range open {
		if op.Model == sharedModel {
			j.shared.open = append(j.shared.open, op)
		} else {
			j.ledger(worker).open = op
		}
	}
	return nil
}

func (j *journal) acknowledge(worker int, op operation, out outcome, late bool) (err error) {
	switch {
	case op.Model != sharedModel:
		l := j.ledger(worker)
		next, err := l.latest().acknowledge(op, out)
		if err != nil {
			return err
		}
		if late {
			l.late = append(l.late, next)
		} else {
			l.state = next
		}
	case late:
		j.shared.open = append(j.shared.open, &op)
	case op.Kind == register:
		if _, taken := j.shared.content[out.Number]; taken {
			return fmt.Errorf("number %d was given twice", out.Number)
		}
		j.shared.content[out.Number] = op.Content
	default:
		j.shared.held = true
	}
	return err
}

// check compares a store with the journal and takes over what became of the operations that were under way. All that was
// not read before is read; everything is with all.
func (j *journal) check(ctx context.Context, s *store, all bool) error {
	if all {
		clear(j.seen)
	}
	stored, err := j.checkBlobs(ctx, s)
	if err != nil {
		return err
	}
	for worker, l := range j.own {
		model := ownModel(worker)
		got, versions, err := readState(ctx, s.r, model)
		if err != nil {
			return err
		}
		if !l.allows(got) {
			return fmt.Errorf("%s is %+v; acknowledged is %+v, late %+v, under way was %+v", model, got, l.state, l.late, l.open)
		}
		l.state, l.late, l.open = got, nil, nil
		if err := j.checkModel(ctx, s, model, got, versions, stored); err != nil {
			return err
		}
	}
	got, versions, err := readState(ctx, s.r, sharedModel)
	if err == nil {
		err = j.shared.settle(got)
	}
	if err != nil {
		return err
	}
	return j.checkModel(ctx, s, sharedModel, got, versions, stored)
}

func (l *ledger) allows(got state) bool {
	return got.equal(l.state) || slices.ContainsFunc(l.late, got.equal) ||
		l.open != nil && slices.ContainsFunc(l.latest().after(*l.open), got.equal)
}

// settle compares the shared model with what was acknowledged and takes over the rest.
func (l *sharedLedger) settle(got state) error {
	for n, content := range l.content {
		if v, ok := got.Versions[n]; !ok || v.Content != content {
			return fmt.Errorf("%s: version %d was acknowledged with content %d, and is %+v (there: %v)", sharedModel, n, content, v, ok)
		}
	}
	if len(got.Versions) != got.Last {
		return fmt.Errorf("%s: %d versions, but the last number is %d", sharedModel, len(got.Versions), got.Last)
	}
	for n, v := range got.Versions {
		if _, ok := l.content[n]; ok {
			continue
		}
		i := slices.IndexFunc(l.open, func(op *operation) bool { return op.Kind == register && op.Content == v.Content })
		if i < 0 {
			return fmt.Errorf("%s: nobody registered version %d, content %d", sharedModel, n, v.Content)
		}
		l.open = slices.Delete(l.open, i, i+1)
		l.content[n] = v.Content
	}
	l.open = nil
	switch holder := got.holder(modelregistry.Production); {
	case holder == 0 && l.held:
		return fmt.Errorf("%s: nobody is in Production, although a promotion was acknowledged", sharedModel)
	case holder != 0 && !l.promoted[holder]:
		return fmt.Errorf("%s: version %d is in Production, and nobody promoted it", sharedModel, holder)
	case holder != 0:
		l.held = true
	}
	return nil
}

// checkModel checks a model's history and the files of versions that are new.
func (j *journal) checkModel(ctx context.Context, s *store, model string, got state, versions []*modelregistry.Version, stored map[string]int64) error {
	if len(versions) == 0 && got.Last == 0 {
		return nil // it was never registered
	}
	report, err := s.r.Verify(ctx, model)
	if err != nil {
		return err
	}
	if report.Events < int64(got.Last) {
		return fmt.Errorf("%s: %d events for %d registrations", model, report.Events, got.Last)
	}
	for _, v := range versions {
		if j.seen[v.Ref()] {
			continue
		}
		if err := checkFiles(ctx, s.r, v, got.Versions[v.Number].Content); err != nil {
			return err
		}
		manifest, err := s.r.Manifest(ctx, v)
		if err != nil {
			return err
		}
		for _, f := range manifest {
			if size, ok := stored[f.Digest]; !ok || size != f.Size {
				return fmt.Errorf("%s: file %s of %d bytes is listed among the blobs with %d bytes (there: %v)", v.Ref(), f.Path, f.Size, size, ok)
			}
		}
		j.seen[v.Ref()] = true
	}
	return nil
}

// checkBlobs lists what the bucket holds and reads what is new: nothing may stand under a digest that it does not have.
func (j *journal) checkBlobs(ctx context.Context, s *store) (map[string]int64, error) {
	stored := map[string]int64{}
	for info, err := range s.blobs.Blobs(ctx) {
		if err != nil {
			return nil, err
		}
		stored[info.Digest] = info.Size
		if j.seen[info.Digest] {
			continue
		}
		if err := checkBlob(ctx, s, info); err != nil {
			return nil, err
		}
		j.seen[info.Digest] = true
	}
	return stored, nil
}

// checkNext registers in every model: that works, and the numbers go on.
func (j *journal) checkNext(ctx context.Context, s *store, content uint64) error {
	for _, worker := range slices.Sorted(maps.Keys(j.own)) {
		l := j.own[worker]
		content++
		op := operation{Kind: register, Model: ownModel(worker), Content: content}
		number, err := registerContent(ctx, s.r, op)
		if err != nil {
			return err
		}
		if l.state, err = l.acknowledge(op, outcome{Number: number}); err != nil {
			return err
		}
	}
	return nil
}

// checkSweep sweeps, and compares what is left with what versions name.
func (j *journal) checkSweep(ctx context.Context, s *store) error {
	named := map[string]bool{}
	for v, err := range s.r.Versions(ctx, modelregistry.Query{PageSize: 10_000}) {
		if err != nil {
			return err
		}
		manifest, err := s.r.Manifest(ctx, v)
		if err != nil {
			return err
		}
		for _, f := range manifest {
			named[f.Digest] = true
		}
	}
	if _, err := s.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1}); err != nil {
		return err
	}
	left := map[string]bool{}
	for info, err := range s.blobs.Blobs(ctx) {
		if err != nil {
			return err
		}
		if left[info.Digest] = true; !named[info.Digest] {
			return fmt.Errorf("sweep has left %s, which no version names", info.Digest)
		}
	}
	if len(left) != len(named) {
		return fmt.Errorf("after the sweep there are %d blobs; versions name %d", len(left), len(named))
	}
	again, err := s.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	if err == nil && (len(again.Removed) > 0 || again.Manifests > 0) {
		err = errors.New("a second sweep finds something to remove")
	}
	return err
}

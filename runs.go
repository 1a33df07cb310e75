package modelregistry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

func runLock(id string) string { return "run/" + id }

// runRow is a run with what only the registry needs to know of it. What the run has is in rows of its own; see runEntry.
type runRow struct {
	Run
	WithExperiment bool `json:"with_experiment,omitempty"` // it was deleted with its experiment, and is restored with it
	Purged         bool `json:"purged,omitempty"`          // it is being removed for good
	Entries        int  `json:"entries,omitempty"`         // how many it has
	Bytes          int  `json:"bytes,omitempty"`           // of them, about
	Placed         int  `json:"placed,omitempty"`          // the last place that an input or an output got
}

func decodeRun(row backend.Row) (*runRow, error) {
	var r runRow
	if err := json.Unmarshal(row.Doc, &r); err != nil {
		return nil, fmt.Errorf("row of run %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return &r, nil
}

func (r *runRow) row() (backend.Row, error) {
	bare := *r
	bare.Tags, bare.Params, bare.Metrics, bare.Inputs, bare.Outputs = Map[string]{}, Map[string]{}, nil, nil, nil
	doc, err := json.Marshal(bare)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode run: %w", err)
	}
	return backend.Row{
		Key: backend.Key{backend.StringValue(r.ID)},
		Fields: map[string]any{
			"experiment": backend.StringValue(r.ExperimentID),
			"lifecycle":  backend.StringValue(lifecycle(r.Deleted)),
			"name":       backend.StringValue(r.Name),
			"status":     backend.StringValue(string(r.Status)),
			"user_id":    backend.StringValue(r.User),
			"started":    backend.TimeValue(r.Started),
			"ended":      backend.TimeValue(r.Ended),
		},
		Doc: doc,
	}, nil
}

func (r *runRow) setDeleted(deleted bool, now time.Time) {
	r.Deleted, r.DeletedAt, r.WithExperiment = deleted, time.Time{}, false
	if deleted {
		r.DeletedAt = now
	}
}

// ends says whether a run of that status is over.
func (s RunStatus) ends() bool { return s == RunFinished || s == RunFailed || s == RunKilled }

func (s RunStatus) check() error {
	if s.ends() || s == RunRunning || s == RunScheduled {
		return nil
	}
	return fmt.Errorf("run status %.80q: %w: one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED", s, ErrInvalid)
}

// stored is t in the precision and the range that are stored.
func stored(what string, t time.Time) (time.Time, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if year := t.Year(); year < 1 || year > 9999 || t.IsZero() {
		return t, fmt.Errorf("%s %v: %w: not in the years 1 to 9999", what, t, ErrInvalid)
	}
	return t, nil
}

func checkRunID(id string) error {
	if id == "" {
		return fmt.Errorf("run ID: %w: empty", ErrInvalid)
	}
	return checkText("run ID", id, maxRunID)
}

var runIDRE = regexp.MustCompile(`^[0-9a-f]{32}$`)

func errNoRun(id string) error { return fmt.Errorf("run %s: %w", clip(id), ErrNotFound) }

// newHexID is a name that nothing else will have, in MLflow's form.
func newHexID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (r *registry) StartRun(ctx context.Context, spec RunSpec) (*Run, error) {
	run, err := r.startRun(ctx, spec)
	return run, wrap("StartRun", spec.Name, err)
}

func (r *registry) startRun(ctx context.Context, spec RunSpec) (*Run, error) {
	draft, err := r.draftRun(spec)
	if err != nil {
		return nil, err
	}
	if draft.ExperimentID, err = r.experimentOf(ctx, spec); err != nil {
		return nil, err
	}
	var run *runRow
	err = r.backend.Update(ctx, []string{experimentLock(draft.ExperimentID)}, func(tx backend.Tx) error {
		e, err := getExperiment(tx, draft.ExperimentID)
		if err != nil {
			return err
		}
		if e.Deleted {
			return errDeletedExperiment(e)
		}
		fresh := draft
		run = &fresh
		run.Artifacts = strings.TrimRight(e.Artifacts, "/") + "/" + run.ID + "/artifacts"
		entries := &runChange{run: run, put: map[string]runEntry{}}
		for key, value := range spec.Tags {
			entries.setTag(key, value)
		}
		for key, value := range spec.Params {
			if err := entries.setParam(key, value); err != nil {
				return err
			}
		}
		row, err := run.row()
		if err != nil {
			return err
		}
		if err := tx.Insert(tableRuns, row); err != nil {
			return fmt.Errorf("write run: %w", err)
		}
		return entries.write(tx)
	})
	if err != nil {
		return nil, err
	}
	return &run.Run, nil
}

func errDeletedExperiment(e *Experiment) error {
	return fmt.Errorf("experiment %s (%q): %w: it is deleted; restore it first", e.ID, e.Name, ErrConflict)
}

// draftRun checks the spec and makes a run of what it says.
func (r *registry) draftRun(spec RunSpec) (run runRow, err error) {
	now := r.now()
	run.Run = Run{
		ID: cmp.Or(spec.ID, newHexID()), Name: cmp.Or(spec.Name, randomName()), Status: cmp.Or(spec.Status, RunRunning), User: cmp.Or(spec.User, r.actor),
		Started: now, Tags: MapOf(spec.Tags), Params: MapOf(spec.Params),
	}
	if spec.Experiment != "" && spec.ExperimentID != "" {
		return run, fmt.Errorf("%w: Experiment and ExperimentID are both set; one says which", ErrInvalid)
	}
	if spec.ID != "" && !runIDRE.MatchString(spec.ID) {
		return run, fmt.Errorf("run %.80q: %w: an ID is 32 hexadecimal digits, in lower case", spec.ID, ErrInvalid)
	}
	for _, check := range []error{
		checkText("run name", run.Name, maxRunName),
		checkText("user", run.User, maxActor),
		run.Status.check(),
		checkEntries("tag", spec.Tags, maxTagValue),
		checkEntries("param", spec.Params, maxParamValue),
	} {
		if check != nil {
			return run, check
		}
	}
	if !spec.Started.IsZero() {
		if run.Started, err = stored("start of the run", spec.Started); err != nil {
			return run, err
		}
	}
	if run.Status.ends() {
		run.Ended = now
	}
	return run, nil
}

// experimentOf is the ID of the experiment that a new run belongs to. One that is named is there then.
func (r *registry) experimentOf(ctx context.Context, spec RunSpec) (string, error) {
	if spec.Experiment == "" {
		id := cmp.Or(spec.ExperimentID, DefaultExperiment)
		if id == DefaultExperiment {
			return id, r.ensureDefault(ctx)
		}
		_, err := experimentNumber(id)
		return id, err
	}
	e, err := r.experimentByName(ctx, spec.Experiment)
	if errors.Is(err, ErrNotFound) {
		if e, err = r.createExperiment(ctx, spec.Experiment, ExperimentSpec{}); errors.Is(err, ErrExists) { // meanwhile
			e, err = r.experimentByName(ctx, spec.Experiment)
		}
	}
	if err != nil {
		return "", err
	}
	return e.ID, nil
}

func (r *registry) Run(ctx context.Context, id string) (*Run, error) {
	run, err := r.run(ctx, id)
	if err == nil {
		err = readEntries(r.find(ctx), &run.Run)
	}
	if err != nil {
		return nil, wrap("Run", id, err)
	}
	return &run.Run, nil
}

// run reads a run without what it has.
func (r *registry) run(ctx context.Context, id string) (*runRow, error) {
	if err := checkRunID(id); err != nil {
		return nil, err
	}
	row, err := r.findOne(ctx, backend.Query{Table: tableRuns, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(id)}}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoRun(id)
	}
	if err != nil {
		return nil, err
	}
	return decodeRun(row)
}

// changeRun runs fn on a run in one transaction, without what the run has, and writes what it makes of it.
func (r *registry) changeRun(ctx context.Context, id string, locks []string, fn func(tx backend.Tx, run *runRow) error) error {
	return r.backend.Update(ctx, append(slices.Clip(locks), runLock(id)), func(tx backend.Tx) error {
		before, err := tx.Get(tableRuns, backend.StringValue(id))
		if errors.Is(err, backend.ErrNotFound) {
			return errNoRun(id)
		}
		if err != nil {
			return fmt.Errorf("read run: %w", err)
		}
		run, err := decodeRun(before)
		if err != nil {
			return err
		}
		if err := fn(tx, run); err != nil {
			return err
		}
		row, err := run.row()
		if err != nil || bytes.Equal(row.Doc, before.Doc) { // all that is searched is in the document, too
			return err
		}
		if err := tx.Put(tableRuns, row); err != nil {
			return fmt.Errorf("write run: %w", err)
		}
		return nil
	})
}

func (r *runRow) checkActive() error {
	if r.Deleted {
		return fmt.Errorf("run %s: %w: it is deleted; restore it first", r.ID, ErrConflict)
	}
	return nil
}

func (r *registry) UpdateRun(ctx context.Context, id string, patch RunPatch) (*Run, error) {
	run, err := r.updateRun(ctx, id, patch)
	if err != nil {
		return nil, wrap("UpdateRun", id, err)
	}
	return &run.Run, nil
}

func (r *registry) updateRun(ctx context.Context, id string, patch RunPatch) (run *runRow, err error) {
	if err := patch.check(); err != nil {
		return nil, err
	}
	restore := patch.Deleted != nil && !*patch.Deleted
	var locks []string
	if restore { // no run is active in an experiment that is deleted
		if run, err = r.run(ctx, id); err != nil {
			return nil, err
		}
		locks = []string{experimentLock(run.ExperimentID)}
	} else if err := checkRunID(id); err != nil {
		return nil, err
	}
	err = r.changeRun(ctx, id, locks, func(tx backend.Tx, now *runRow) error {
		run = now
		if restore && run.Purged {
			return fmt.Errorf("run %s: %w: it is being purged, and what it had may be gone", run.ID, ErrConflict)
		}
		if restore && run.Deleted {
			e, err := getExperiment(tx, run.ExperimentID)
			if err != nil {
				return err
			}
			if e.Deleted {
				return errDeletedExperiment(e)
			}
			run.setDeleted(false, r.now())
		}
		if patch.Deleted == nil {
			if err := run.checkActive(); err != nil {
				return err
			}
		}
		run.change(patch, r.now())
		if err := run.changeTags(tx, patch); err != nil {
			return err
		}
		return readEntries(tx.Find, &run.Run)
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// changeTags applies what a patch that was checked says of tags.
func (r *runRow) changeTags(tx backend.Tx, p RunPatch) error {
	var names []string
	for key := range p.SetTags {
		names = append(names, tagEntry+key)
	}
	for _, key := range p.DeleteTags {
		names = append(names, tagEntry+key)
	}
	c, err := r.changeEntries(tx.Find, names)
	if err != nil {
		return err
	}
	for key, value := range p.SetTags {
		c.setTag(key, value)
	}
	for _, key := range p.DeleteTags {
		c.unset(tagEntry + key)
	}
	return c.write(tx)
}

func (p *RunPatch) check() error {
	if p.Name != nil {
		if strings.TrimSpace(*p.Name) == "" {
			return fmt.Errorf("run name %.80q: %w: empty", *p.Name, ErrInvalid)
		}
		if err := checkText("run name", *p.Name, maxRunName); err != nil {
			return err
		}
	}
	if p.Status != nil {
		if err := p.Status.check(); err != nil {
			return err
		}
		if p.Ended != nil && !p.Status.ends() {
			return fmt.Errorf("%w: Ended is set, and a run that is %s has no end", ErrInvalid, *p.Status)
		}
	}
	if p.Ended != nil {
		if _, err := stored("end of the run", *p.Ended); err != nil {
			return err
		}
	}
	return checkEntries("tag", p.SetTags, maxTagValue)
}

// change applies a patch that was checked.
func (r *runRow) change(p RunPatch, now time.Time) {
	if p.Name != nil {
		r.Name = *p.Name
	}
	if p.Status != nil {
		r.Status = *p.Status
		switch {
		case !r.Status.ends():
			r.Ended = time.Time{}
		case r.Ended.IsZero():
			r.Ended = now
		}
	}
	if p.Ended != nil {
		r.Ended = p.Ended.UTC().Truncate(time.Microsecond)
	}
	if p.Deleted != nil && *p.Deleted && !r.Deleted {
		r.setDeleted(true, now)
	}
}

func (r *registry) SearchRuns(ctx context.Context, q Query) (RunPage, error) {
	page, err := searchRuns(ctx, r.backend, q)
	return page, wrap("SearchRuns", "", err)
}

func (r *registry) Runs(ctx context.Context, q Query) iter.Seq2[*Run, error] {
	return pages(q, func(q Query) ([]*Run, string, error) {
		page, err := r.SearchRuns(ctx, q)
		return page.Runs, page.Next, err
	})
}

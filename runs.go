package modelregistry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

func runLock(id string) string { return "run/" + id }

// runRow is a run with what only the registry needs to know of it.
type runRow struct {
	Run
	WithExperiment bool `json:"with_experiment,omitempty"` // it was deleted with its experiment, and is restored with it
}

func decodeRun(row backend.Row) (*runRow, error) {
	var r runRow
	if err := json.Unmarshal(row.Doc, &r); err != nil {
		return nil, fmt.Errorf("row of run %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return &r, nil
}

func (r *runRow) row() (backend.Row, error) {
	doc, err := json.Marshal(r)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode run: %w", err)
	}
	metrics := make(map[string]backend.Value, len(r.Metrics))
	for key, p := range r.Metrics {
		if !math.IsNaN(p.Value) {
			metrics[key] = backend.FloatValue(p.Value)
		}
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
			"tags":       stringField(r.Tags),
			"params":     stringField(r.Params),
			"metrics":    metrics,
		},
		Doc: doc,
	}, nil
}

func (r *runRow) setDeleted(deleted bool, now time.Time) {
	r.Deleted, r.DeletedAt, r.WithExperiment = deleted, time.Time{}, false
	if deleted {
		r.DeletedAt = now
	}
	r.Updated = now
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
		row, err := run.row()
		if err != nil {
			return err
		}
		if err := tx.Insert(tableRuns, row); err != nil {
			return fmt.Errorf("write run: %w", err)
		}
		return nil
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
		Started: now, Tags: MapOf(spec.Tags), Params: MapOf(spec.Params), Updated: now,
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
	if err != nil {
		return nil, wrap("Run", id, err)
	}
	return &run.Run, nil
}

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

// changeRun runs fn on a run in one transaction, and writes what it makes of it.
func (r *registry) changeRun(ctx context.Context, id string, locks []string, fn func(tx backend.Tx, run *runRow) error) error {
	return r.backend.Update(ctx, append(slices.Clip(locks), runLock(id)), func(tx backend.Tx) error {
		row, err := tx.Get(tableRuns, backend.StringValue(id))
		if errors.Is(err, backend.ErrNotFound) {
			return errNoRun(id)
		}
		if err != nil {
			return fmt.Errorf("read run: %w", err)
		}
		run, err := decodeRun(row)
		if err != nil {
			return err
		}
		if err := fn(tx, run); err != nil {
			return err
		}
		if row, err = run.row(); err != nil {
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
		return run.change(patch, r.now())
	})
	if err != nil {
		return nil, err
	}
	return run, nil
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
func (r *runRow) change(p RunPatch, now time.Time) error {
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
	r.Tags = r.Tags.with(p.SetTags, p.DeleteTags)
	r.Updated = now
	if p.Deleted != nil && *p.Deleted && !r.Deleted {
		r.setDeleted(true, now)
	}
	return r.checkSize()
}

// checkSize bounds what is read and written with every call about a run.
func (r *runRow) checkSize() error {
	for what, n := range map[string]int{
		"tags": r.Tags.Len(), "params": r.Params.Len(), "metrics": len(r.Metrics), "inputs": len(r.Inputs), "outputs": len(r.Outputs),
	} {
		if n > maxEntries {
			return fmt.Errorf("run %s: %w: it would have %d %s, at most %d", r.ID, ErrInvalid, n, what, maxEntries)
		}
	}
	return nil
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

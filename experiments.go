package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
	defaultExperimentName = "Default"
	// experimentsLock guards the numbers and names of experiments.
	experimentsLock = "experiments"
)

// experimentLock guards an experiment, and that no run is active in one that is deleted.
func experimentLock(id string) string { return "experiment/" + id }

// lifecycle is whether something is deleted, in MLflow's words.
func lifecycle(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

func decodeExperiment(row backend.Row) (*Experiment, error) {
	var e Experiment
	if err := json.Unmarshal(row.Doc, &e); err != nil {
		return nil, fmt.Errorf("row of experiment %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return &e, nil
}

func (e *Experiment) row() (backend.Row, error) {
	doc, err := json.Marshal(e)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode experiment: %w", err)
	}
	number, err := experimentNumber(e.ID)
	if err != nil {
		return backend.Row{}, err
	}
	return backend.Row{
		Key: backend.Key{number},
		Fields: map[string]any{
			"name":      backend.StringValue(e.Name),
			"lifecycle": backend.StringValue(lifecycle(e.Deleted)),
			"created":   backend.TimeValue(e.Created),
			"updated":   backend.TimeValue(e.Updated),
			"tags":      stringField(e.Tags),
		},
		Doc: doc,
	}, nil
}

// experimentNumber is the key of an experiment's row.
func experimentNumber(id string) (backend.Value, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil || number < 0 || strconv.FormatInt(number, 10) != id {
		return backend.Value{}, fmt.Errorf("experiment ID %.80q: %w: a decimal number, such as %s", id, ErrInvalid, DefaultExperiment)
	}
	return backend.IntValue(number), nil
}

func checkExperimentName(name string) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("experiment name %.80q: %w: empty", name, ErrInvalid)
	}
	if len(name) > maxKeyBytes {
		return fmt.Errorf("experiment name %.40q…: %w: %d bytes, at most %d", name, ErrInvalid, len(name), maxKeyBytes)
	}
	return checkName("experiment name", name, maxExperiment)
}

var urlRE = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)

// checkArtifactRoot checks where the runs of an experiment keep their files.
func checkArtifactRoot(root string) error {
	if err := checkText("artifacts", root, maxSource); err != nil {
		return err
	}
	if !urlRE.MatchString(root) && (!fs.ValidPath(root) || root == ".") {
		return fmt.Errorf("artifacts %.80q: %w: a path such as teams/risk, or a URL", root, ErrInvalid)
	}
	return nil
}

func errNoExperiment(id string) error { return fmt.Errorf("experiment %s: %w", clip(id), ErrNotFound) }

func (r *registry) CreateExperiment(ctx context.Context, name string, spec ExperimentSpec) (*Experiment, error) {
	e, err := r.createExperiment(ctx, name, spec)
	return e, wrap("CreateExperiment", name, err)
}

func (r *registry) createExperiment(ctx context.Context, name string, spec ExperimentSpec) (*Experiment, error) {
	if err := checkExperimentName(name); err != nil {
		return nil, err
	}
	if spec.Artifacts != "" {
		if err := checkArtifactRoot(spec.Artifacts); err != nil {
			return nil, err
		}
	}
	if err := checkEntries("tag", spec.Tags, maxTagValue); err != nil {
		return nil, err
	}
	if err := checkName("actor", r.actor, maxActor); err != nil {
		return nil, err
	}
	if err := r.ensureDefault(ctx); err != nil {
		return nil, err
	}
	var e *Experiment
	err := r.backend.Update(ctx, []string{experimentsLock}, func(tx backend.Tx) error {
		if err := checkNameFree(tx, name, ""); err != nil {
			return err
		}
		rows, err := tx.Find(backend.Query{Table: tableExperiments, Desc: true, Limit: 1})
		if err != nil {
			return fmt.Errorf("read the last experiment: %w", err)
		}
		number := int64(1)
		if len(rows) > 0 {
			number = rows[0].Key[0].Int() + 1
		}
		e = r.newExperiment(strconv.FormatInt(number, 10), name)
		e.Tags = MapOf(spec.Tags)
		if spec.Artifacts != "" {
			e.Artifacts = spec.Artifacts
		}
		return insertExperiment(tx, e)
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (r *registry) newExperiment(id, name string) *Experiment {
	now := r.now()
	return &Experiment{ID: id, Name: name, Artifacts: id, CreatedBy: r.actor, Created: now, Updated: now}
}

// defaultExperiment is the default experiment as it begins; nobody made it.
func (r *registry) defaultExperiment() *Experiment {
	e := r.newExperiment(DefaultExperiment, defaultExperimentName)
	e.CreatedBy = ""
	return e
}

func insertExperiment(tx backend.Tx, e *Experiment) error {
	row, err := e.row()
	if err != nil {
		return err
	}
	if err := tx.Insert(tableExperiments, row); err != nil {
		return fmt.Errorf("write experiment: %w", err)
	}
	return nil
}

// checkNameFree refuses a name that an experiment other than that of id has. The lock of names is held.
func checkNameFree(tx backend.Reader, name, id string) error {
	rows, err := tx.Find(experimentNamed(name))
	if err != nil {
		return fmt.Errorf("look up experiment name: %w", err)
	}
	if len(rows) == 0 {
		return nil
	}
	holder, err := decodeExperiment(rows[0])
	switch {
	case err != nil:
		return err
	case holder.ID == id:
		return nil
	case holder.Deleted:
		return fmt.Errorf("experiment %q: %w: experiment %s had the name when it was deleted; restore or rename that one", name, ErrExists, holder.ID)
	}
	return fmt.Errorf("experiment %q: %w: it is experiment %s", name, ErrExists, holder.ID)
}

func experimentNamed(name string) backend.Query {
	return backend.Query{Table: tableExperiments, Limit: 1, Where: []backend.Cond{{Field: "name", Value: backend.StringValue(name)}}}
}

// ensureDefault makes the default experiment if it is not there. Once it is, which never ends, this costs nothing.
func (r *registry) ensureDefault(ctx context.Context) error {
	if r.hasDefault.Load() {
		return nil
	}
	number, err := experimentNumber(DefaultExperiment)
	if err != nil {
		return err
	}
	_, err = r.findOne(ctx, backend.Query{Table: tableExperiments, Where: []backend.Cond{{Field: "number", Value: number}}})
	if errors.Is(err, backend.ErrNotFound) {
		err = r.backend.Update(ctx, []string{experimentsLock}, func(tx backend.Tx) error {
			if _, err := tx.Get(tableExperiments, number); !errors.Is(err, backend.ErrNotFound) {
				return err
			}
			return insertExperiment(tx, r.defaultExperiment())
		})
	}
	if err != nil {
		return fmt.Errorf("create the default experiment: %w", err)
	}
	r.hasDefault.Store(true)
	return nil
}

func (r *registry) Experiment(ctx context.Context, id string) (*Experiment, error) {
	e, err := r.experiment(ctx, id)
	return e, wrap("Experiment", id, err)
}

func (r *registry) experiment(ctx context.Context, id string) (*Experiment, error) {
	number, err := experimentNumber(id)
	if err != nil {
		return nil, err
	}
	row, err := r.findExperiment(ctx, backend.Query{Table: tableExperiments, Where: []backend.Cond{{Field: "number", Value: number}}}, id == DefaultExperiment)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoExperiment(id)
	}
	return row, err
}

func (r *registry) ExperimentByName(ctx context.Context, name string) (*Experiment, error) {
	e, err := r.experimentByName(ctx, name)
	return e, wrap("ExperimentByName", name, err)
}

func (r *registry) experimentByName(ctx context.Context, name string) (*Experiment, error) {
	if err := checkExperimentName(name); err != nil {
		return nil, err
	}
	e, err := r.findExperiment(ctx, experimentNamed(name), name == defaultExperimentName)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, fmt.Errorf("experiment %q: %w", name, ErrNotFound)
	}
	return e, err
}

// findExperiment reads one experiment. If it may be the default one, it is made if it is not there, or, where nothing can
// be written, made up.
func (r *registry) findExperiment(ctx context.Context, q backend.Query, orDefault bool) (*Experiment, error) {
	var unwritten error
	if orDefault {
		unwritten = r.ensureDefault(ctx)
	}
	row, err := r.findOne(ctx, q)
	if err == nil {
		return decodeExperiment(row)
	}
	if unwritten != nil && errors.Is(err, backend.ErrNotFound) {
		return r.defaultExperiment(), nil
	}
	return nil, err
}

// getExperiment reads an experiment in a transaction.
func getExperiment(tx backend.Reader, id string) (*Experiment, error) {
	number, err := experimentNumber(id)
	if err != nil {
		return nil, err
	}
	row, err := tx.Get(tableExperiments, number)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoExperiment(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	return decodeExperiment(row)
}

func (r *registry) SearchExperiments(ctx context.Context, q Query) (ExperimentPage, error) {
	_ = r.ensureDefault(ctx) // where nothing can be written there is still much to find
	page, err := searchExperiments(ctx, r.backend, q)
	return page, wrap("SearchExperiments", "", err)
}

package modelregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

const (
	maxLoggedModel   = 500 // its name and its type; and maxKeyBytes, for orders
	maxStatusMessage = 1000
)

func errNoLoggedModel(id string) error {
	return fmt.Errorf("logged model %s: %w", clip(id), ErrNotFound)
}

func (s LoggedModelStatus) check() error {
	switch s {
	case LoggedModelPending, LoggedModelReady, LoggedModelFailed:
		return nil
	}
	return fmt.Errorf("status of the logged model, %.80q: %w: one of PENDING, READY, UPLOAD_FAILED", s, ErrInvalid)
}

func checkLoggedText(what, text string) error {
	if len(text) > maxKeyBytes {
		return fmt.Errorf("%s %.40q…: %w: %d bytes, at most %d", what, text, ErrInvalid, len(text), maxKeyBytes)
	}
	return checkName(what, text, maxLoggedModel)
}

func checkLoggedName(name string) error {
	if err := checkLoggedText("name of the logged model", name); err != nil {
		return err
	}
	if strings.TrimSpace(name) == "" || strings.ContainsAny(name, `/:.%"'`) {
		return fmt.Errorf("name of the logged model, %.80q: %w: empty, or it contains one of / : . %% \" '", name, ErrInvalid)
	}
	return nil
}

func decodeLoggedModel(row backend.Row) (*LoggedModel, error) {
	m := new(LoggedModel)
	if err := json.Unmarshal(row.Doc, m); err != nil {
		return nil, fmt.Errorf("row of logged model %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return m, nil
}

// row is what of the model is in its own row: its points are not; see modelPoints.
func (m *LoggedModel) row() (backend.Row, error) {
	bare := *m
	bare.Metrics = nil
	doc, err := json.Marshal(&bare)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode logged model: %w", err)
	}
	return backend.Row{
		Key: backend.Key{backend.StringValue(m.ID)},
		Fields: map[string]any{
			"experiment": backend.StringValue(m.ExperimentID),
			"run":        backend.StringValue(m.RunID),
			"lifecycle":  backend.StringValue(lifecycle(m.Deleted)),
			"name":       backend.StringValue(m.Name),
			"model_type": backend.StringValue(m.Type),
			"status":     backend.StringValue(string(m.Status)),
			"created":    backend.TimeValue(m.Created),
			"updated":    backend.TimeValue(m.Updated),
			"tags":       stringField(m.Tags),
			"params":     stringField(m.Params),
		},
		Doc: doc,
	}, nil
}

// checkSize bounds what is read and written with every call about a logged model.
func (m *LoggedModel) checkSize() error {
	for what, n := range map[string]int{"tags": m.Tags.Len(), "params": m.Params.Len()} {
		if n > maxEntries {
			return fmt.Errorf("logged model %s: %w: it would have %d %s, at most %d", m.ID, ErrInvalid, n, what, maxEntries)
		}
	}
	return nil
}

func (r *registry) CreateLoggedModel(ctx context.Context, spec LoggedModelSpec) (*LoggedModel, error) {
	m, err := r.createLoggedModel(ctx, spec)
	return m, wrap("CreateLoggedModel", spec.Name, err)
}

func (r *registry) createLoggedModel(ctx context.Context, spec LoggedModelSpec) (*LoggedModel, error) {
	spec.Name = cmp.Or(spec.Name, randomName())
	for _, err := range []error{
		checkLoggedName(spec.Name),
		checkLoggedText("type of the logged model", spec.Type),
		checkText("run ID", spec.RunID, maxRunID),
		checkEntries("tag", spec.Tags, maxTagValue),
		checkEntries("param", spec.Params, maxParamValue),
	} {
		if err != nil {
			return nil, err
		}
	}
	experiment, err := r.experimentOfLogged(ctx, spec)
	if err != nil {
		return nil, err
	}
	now := r.now()
	m := &LoggedModel{
		ID: "m-" + newHexID(), ExperimentID: experiment, RunID: spec.RunID, Name: spec.Name, Type: spec.Type, Status: LoggedModelPending,
		Tags: MapOf(spec.Tags), Params: MapOf(spec.Params), Created: now, Updated: now,
	}
	err = r.backend.Update(ctx, []string{experimentLock(experiment)}, func(tx backend.Tx) error {
		e, err := getExperiment(tx, experiment)
		if err != nil {
			return err
		}
		if e.Deleted {
			return errDeletedExperiment(e)
		}
		m.Artifacts = strings.TrimRight(e.Artifacts, "/") + "/models/" + m.ID + "/artifacts"
		row, err := m.row()
		if err != nil {
			return err
		}
		if err := tx.Insert(tableLoggedModels, row); err != nil {
			return fmt.Errorf("write logged model: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// experimentOfLogged is the ID of the experiment that a new logged model belongs to.
func (r *registry) experimentOfLogged(ctx context.Context, spec LoggedModelSpec) (string, error) {
	if spec.ExperimentID == "" && spec.RunID != "" {
		run, err := r.run(ctx, spec.RunID)
		if err != nil {
			return "", err
		}
		return run.ExperimentID, nil
	}
	return r.experimentOf(ctx, RunSpec{ExperimentID: spec.ExperimentID})
}

func (r *registry) LoggedModel(ctx context.Context, id string) (*LoggedModel, error) {
	m, err := r.loggedModel(ctx, id)
	return m, wrap("LoggedModel", id, err)
}

func (r *registry) loggedModel(ctx context.Context, id string) (*LoggedModel, error) {
	if err := checkLoggedID(id); err != nil {
		return nil, err
	}
	row, err := r.findOne(ctx, backend.Query{Table: tableLoggedModels, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(id)}}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoLoggedModel(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read logged model: %w", err)
	}
	m, err := decodeLoggedModel(row)
	if err != nil {
		return nil, err
	}
	if m.Deleted {
		return nil, errNoLoggedModel(id)
	}
	return m, readModelPoints(r.find(ctx), m)
}

func (r *registry) UpdateLoggedModel(ctx context.Context, id string, patch LoggedModelPatch) (*LoggedModel, error) {
	m, err := r.updateLoggedModel(ctx, id, patch)
	return m, wrap("UpdateLoggedModel", id, err)
}

func (r *registry) updateLoggedModel(ctx context.Context, id string, patch LoggedModelPatch) (m *LoggedModel, err error) {
	if err := checkLoggedID(id); err != nil {
		return nil, err
	}
	if err := patch.check(); err != nil {
		return nil, err
	}
	now := r.now()
	err = r.backend.Update(ctx, []string{loggedModelLock(id)}, func(tx backend.Tx) error {
		fresh, err := getLoggedModel(tx, id)
		if err != nil {
			return err
		}
		m = fresh
		if restore := patch.Deleted != nil && !*patch.Deleted; m.Deleted && !restore {
			return errNoLoggedModel(id)
		}
		if err := m.change(patch); err != nil {
			return err
		}
		if err := m.put(tx, now); err != nil {
			return err
		}
		return readModelPoints(tx.Find, m)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (p *LoggedModelPatch) check() error {
	if p.Status != nil {
		if err := p.Status.check(); err != nil {
			return err
		}
	}
	if p.StatusMessage != nil {
		if err := checkText("status message", *p.StatusMessage, maxStatusMessage); err != nil {
			return err
		}
	}
	if err := checkEntries("tag", p.SetTags, maxTagValue); err != nil {
		return err
	}
	return checkEntries("param", p.Params, maxParamValue)
}

// change applies a patch that was checked.
func (m *LoggedModel) change(p LoggedModelPatch) error {
	for key, want := range p.IfTags {
		if got := m.Tags.Get(key); got != want {
			return fmt.Errorf("tag %q of logged model %s: %w: it is %.80q, not %.80q", key, m.ID, ErrConflict, got, want)
		}
	}
	if p.Status != nil {
		m.Status = *p.Status
	}
	if p.StatusMessage != nil {
		m.StatusMessage = *p.StatusMessage
	}
	if p.Deleted != nil {
		m.Deleted = *p.Deleted
	}
	for key, value := range p.Params {
		if old, ok := m.Params.Lookup(key); ok && old != value {
			return fmt.Errorf("param %q of logged model %s: %w: it is %.80q already, and a param never changes; not %.80q", key, m.ID, ErrInvalid, old, value)
		}
	}
	m.Params = m.Params.with(p.Params, nil)
	m.Tags = m.Tags.with(p.SetTags, p.DeleteTags)
	return nil
}

// getLoggedModel reads a logged model in a transaction, deleted or not.
func getLoggedModel(tx backend.Reader, id string) (*LoggedModel, error) {
	row, err := tx.Get(tableLoggedModels, backend.StringValue(id))
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoLoggedModel(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read logged model: %w", err)
	}
	return decodeLoggedModel(row)
}

func (m *LoggedModel) put(tx backend.Tx, now time.Time) error {
	m.Updated = now
	if err := m.checkSize(); err != nil {
		return err
	}
	row, err := m.row()
	if err != nil {
		return err
	}
	if err := tx.Put(tableLoggedModels, row); err != nil {
		return fmt.Errorf("write logged model: %w", err)
	}
	return nil
}

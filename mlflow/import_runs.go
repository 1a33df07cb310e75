package mlflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/modelregistry-go/modelregistry"
)

// importedExperiment is an experiment there, and what of it there is to take.
type importedExperiment struct {
	*modelregistry.Experiment
	runs []string // their IDs
	here string   // its ID
	left int      // runs that could not be taken
}

func (im *importer) planRuns(ctx context.Context) error {
	q := modelregistry.Query{PageSize: 1000, OrderBy: []string{"creation_time ASC"}}
	for {
		page, err := im.from.SearchExperiments(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page.Experiments {
			im.experiments = append(im.experiments, &importedExperiment{Experiment: e})
		}
		if q.PageToken = page.Next; page.Next == "" {
			break
		}
	}
	for _, e := range im.experiments {
		q := modelregistry.Query{Filter: "experiment_id = " + modelregistry.Quote(e.ID), OrderBy: []string{"start_time ASC"}, PageSize: 1000}
		for r, err := range im.from.Runs(ctx, q) {
			if err != nil {
				return err
			}
			e.runs = append(e.runs, r.ID)
		}
		im.progress.Total += len(e.runs)
	}
	return nil
}

// experiment takes an experiment: its runs first as they began, then the logged models that they left, and then what is
// about these.
func (im *importer) experiment(ctx context.Context, e *importedExperiment) error {
	here, err := im.to.ExperimentByName(ctx, e.Name)
	switch {
	case err == nil:
		im.report.Experiments.There++
	case errors.Is(err, modelregistry.ErrNotFound):
		if here, err = im.to.CreateExperiment(ctx, e.Name, modelregistry.ExperimentSpec{Tags: e.Tags.Clone()}); err == nil {
			im.report.Experiments.Taken++
		}
	}
	if err != nil {
		im.did("experiment "+e.Name, len(e.runs))
		return im.leave("experiment "+e.Name, err)
	}
	e.here = here.ID
	var begun []string
	for _, id := range e.runs {
		done, err := im.beginRun(ctx, e, id)
		if err != nil {
			e.left++
			if err := im.leave("run "+id, err); err != nil {
				return err
			}
		}
		if done || err != nil {
			im.did("run "+id, 1)
		} else {
			begun = append(begun, id)
		}
	}
	if err := im.loggedModels(ctx, e); err != nil {
		return err
	}
	for _, id := range begun {
		if err := im.finishRun(ctx, id); err != nil {
			e.left++
			if err := im.leave("run "+id, err); err != nil {
				return err
			}
		}
		im.did("run "+id, 1)
	}
	if e.Deleted && !here.Deleted && e.left == 0 {
		if _, err := im.to.UpdateExperiment(ctx, e.here, modelregistry.ExperimentPatch{Deleted: new(true)}); err != nil {
			return im.leave("deletion of experiment "+e.Name, err)
		}
	}
	return nil
}

// beginRun makes a run be there, with what does not need others. done: an earlier import took all of it.
func (im *importer) beginRun(ctx context.Context, e *importedExperiment, id string) (done bool, err error) {
	here, err := im.to.Run(ctx, id)
	if err == nil {
		if _, ok := here.Tags.Lookup(tagImported); ok {
			im.report.Runs.There++
			return true, nil
		}
		return false, nil
	}
	if !errors.Is(err, modelregistry.ErrNotFound) {
		return false, err
	}
	r, err := im.from.Run(ctx, id)
	if err != nil {
		return false, err
	}
	_, err = im.to.StartRun(ctx, modelregistry.RunSpec{
		ID: id, ExperimentID: e.here, Name: r.Name, User: r.User, Started: r.Started, Tags: r.Tags.Clone(), Params: r.Params.Clone(),
	})
	return false, err
}

// finishRun takes the rest of a run. All of it may have been there before.
func (im *importer) finishRun(ctx context.Context, id string) error {
	r, err := im.from.Run(ctx, id)
	if err != nil {
		return err
	}
	if err := im.to.LogRun(ctx, id, modelregistry.RunEntries{Params: r.Params.Clone(), Tags: r.Tags.Clone()}); err != nil {
		return err
	}
	if err := im.metrics(ctx, r); err != nil {
		return err
	}
	entries := modelregistry.RunEntries{}
	for _, in := range r.Inputs {
		if in.ModelID != "" {
			if in.ModelID = im.loggedID(in.ModelID); in.ModelID == "" {
				continue
			}
		}
		entries.Inputs = append(entries.Inputs, in)
	}
	for _, out := range r.Outputs {
		if out.ModelID = im.loggedID(out.ModelID); out.ModelID != "" {
			entries.Outputs = append(entries.Outputs, out)
		}
	}
	if err := im.to.LogRun(ctx, id, entries); err != nil {
		return err
	}
	here, err := im.to.Run(ctx, id)
	if err != nil {
		return err
	}
	if err := im.to.LogArtifacts(ctx, here.Artifacts, im.from.Artifacts(ctx, r.Artifacts), nil); err != nil {
		if err := im.leave("artifacts of run "+id, err); err != nil {
			return err
		}
	}
	patch := modelregistry.RunPatch{}
	if r.Status != modelregistry.RunRunning && r.Status != modelregistry.RunScheduled {
		patch.SetTags = map[string]string{tagImported: "true"}
	}
	if r.Status != here.Status {
		patch.Status = &r.Status
		if !r.Ended.IsZero() {
			patch.Ended = &r.Ended
		}
	}
	if r.Deleted {
		patch.Deleted = &r.Deleted
	}
	if _, err := im.to.UpdateRun(ctx, id, patch); err != nil {
		return err
	}
	im.report.Runs.Taken++
	return nil
}

// loggedID is the ID here of a logged model there, or "".
func (im *importer) loggedID(there string) string {
	if m := im.logged[there]; m != nil {
		return m.ID
	}
	return ""
}

// pointsAtOnce is how many points are logged by one call.
const pointsAtOnce = 1000

// metrics takes the whole histories of a run's metrics. Points of many metrics go into one call: most have few.
func (im *importer) metrics(ctx context.Context, r *modelregistry.Run) error {
	var points []modelregistry.MetricPoint
	log := func(least int) error {
		for len(points) >= max(least, 1) {
			n := min(len(points), pointsAtOnce)
			if err := im.to.LogRun(ctx, r.ID, modelregistry.RunEntries{Metrics: points[:n]}); err != nil {
				return fmt.Errorf("metrics from %s to %s: %w", points[0].Key, points[n-1].Key, err)
			}
			points = points[n:]
		}
		return nil
	}
	for _, metric := range slices.Sorted(maps.Keys(r.Metrics)) {
		q := modelregistry.Query{PageSize: 10_000}
		for {
			page, err := im.from.MetricHistory(ctx, r.ID, metric, q)
			if err != nil {
				return fmt.Errorf("metric %s: %w", metric, err)
			}
			for _, p := range page.Points {
				p.ModelID = im.loggedID(p.ModelID)
				points = append(points, p)
			}
			if err := log(pointsAtOnce); err != nil {
				return err
			}
			if q.PageToken = page.Next; page.Next == "" {
				break
			}
		}
	}
	return log(1)
}

// loggedModels takes the logged models of an experiment; there are none in MLflow 2.
func (im *importer) loggedModels(ctx context.Context, e *importedExperiment) error {
	q := modelregistry.Query{Filter: "experiment_id = " + modelregistry.Quote(e.ID), PageSize: 50}
	for {
		page, err := im.from.SearchLoggedModels(ctx, q)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("logged models: %w", err)
		}
		for _, m := range page.Models {
			if err := im.loggedModel(ctx, e, m); err != nil {
				if err := im.leave("logged model "+m.ID, err); err != nil {
					return err
				}
			}
		}
		if q.PageToken = page.Next; page.Next == "" {
			return nil
		}
	}
}

func (im *importer) loggedModel(ctx context.Context, e *importedExperiment, m *modelregistry.LoggedModel) error {
	here, err := im.findLogged(ctx, e.here, m.ID)
	if err != nil {
		return err
	}
	if here != nil && here.Status != modelregistry.LoggedModelPending {
		im.logged[m.ID] = here
		im.report.LoggedModels.There++
		return nil
	}
	if here == nil {
		tags := m.Tags.Clone()
		tags[tagImportedFrom] = m.ID
		here, err = im.to.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{
			ExperimentID: e.here, RunID: m.RunID, Name: m.Name, Type: m.Type, Tags: tags, Params: m.Params.Clone(),
		})
		if err != nil {
			return err
		}
	}
	im.logged[m.ID] = here
	if err := im.to.LogArtifacts(ctx, here.Artifacts, im.from.Artifacts(ctx, m.Artifacts), nil); err != nil {
		return fmt.Errorf("artifacts: %w", err)
	}
	if m.Status != here.Status {
		if here, err = im.to.UpdateLoggedModel(ctx, here.ID, modelregistry.LoggedModelPatch{Status: &m.Status}); err != nil {
			return err
		}
		im.logged[m.ID] = here
	}
	im.report.LoggedModels.Taken++
	return nil
}

// findLogged finds what an earlier import made of a logged model there, or nil.
func (im *importer) findLogged(ctx context.Context, experiment, there string) (*modelregistry.LoggedModel, error) {
	page, err := im.to.SearchLoggedModels(ctx, modelregistry.Query{PageSize: 1, Filter: fmt.Sprintf("experiment_id = %s AND tags.`%s` = %s",
		modelregistry.Quote(experiment), tagImportedFrom, modelregistry.Quote(there))})
	if err != nil || len(page.Models) == 0 {
		return nil, err
	}
	return page.Models[0], nil
}

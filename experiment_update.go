package modelregistry

import (
	"context"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) UpdateExperiment(ctx context.Context, id string, patch ExperimentPatch) (*Experiment, error) {
	e, err := r.updateExperiment(ctx, id, patch)
	return e, wrap("UpdateExperiment", id, err)
}

func (r *registry) updateExperiment(ctx context.Context, id string, patch ExperimentPatch) (e *Experiment, err error) {
	if _, err := experimentNumber(id); err != nil {
		return nil, err
	}
	if patch.Name != nil {
		if err := checkExperimentName(*patch.Name); err != nil {
			return nil, err
		}
	}
	if err := checkEntries("tag", patch.SetTags, maxTagValue); err != nil {
		return nil, err
	}
	if id == DefaultExperiment {
		if err := r.ensureDefault(ctx); err != nil {
			return nil, err
		}
	}
	locks := []string{experimentLock(id)}
	if patch.Name != nil {
		locks = append(locks, experimentsLock)
	}
	if patch.Deleted != nil {
		return r.moveExperiment(ctx, id, patch, locks)
	}
	err = r.backend.Update(ctx, locks, func(tx backend.Tx) error {
		e, err = r.patchExperiment(tx, id, patch)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// patchExperiment changes an experiment's row. Its lock is held.
func (r *registry) patchExperiment(tx backend.Tx, id string, patch ExperimentPatch) (*Experiment, error) {
	e, err := getExperiment(tx, id)
	if err != nil {
		return nil, err
	}
	if patch.Name != nil && *patch.Name != e.Name {
		if err := checkNameFree(tx, *patch.Name, id); err != nil {
			return nil, err
		}
		e.Name = *patch.Name
	}
	if patch.Deleted != nil {
		e.Deleted = *patch.Deleted
	}
	e.Tags = e.Tags.with(patch.SetTags, patch.DeleteTags)
	if e.Tags.Len() > maxEntries {
		return nil, fmt.Errorf("experiment %s: %w: more than %d tags", id, ErrInvalid, maxEntries)
	}
	e.Updated = r.now()
	row, err := e.row()
	if err != nil {
		return nil, err
	}
	if err := tx.Put(tableExperiments, row); err != nil {
		return nil, fmt.Errorf("write experiment: %w", err)
	}
	return e, nil
}

// moveBatch is how many runs are deleted or restored in one transaction, behind a lock each.
const moveBatch = 200

// moveExperiment deletes or restores an experiment and its runs. With more runs than a batch it takes several
// transactions, each of which leaves the experiment deleted: so no run can be started or restored in it meanwhile, and
// after a crash the same call goes on where it ended. The first of a deletion, and the last of a restoration, changes
// the experiment itself.
func (r *registry) moveExperiment(ctx context.Context, id string, patch ExperimentPatch, locks []string) (*Experiment, error) {
	restore := !*patch.Deleted
	for {
		ids, err := movable(r.find(ctx), id, restore, moveBatch)
		if err != nil {
			return nil, err
		}
		all := slices.Clip(locks)
		for _, run := range ids {
			all = append(all, runLock(run))
		}
		var e *Experiment
		var left []string
		err = r.backend.Update(ctx, all, func(tx backend.Tx) error {
			if e, err = getExperiment(tx, id); err != nil {
				return err
			}
			if !restore || e.Deleted { // else somebody else has restored it, and what is deleted now was so later
				if err := r.moveRuns(tx, ids, restore); err != nil {
					return err
				}
			}
			if left, err = movable(tx.Find, id, restore, 1); err != nil {
				return err
			}
			if restore && len(left) > 0 {
				return nil
			}
			e, err = r.patchExperiment(tx, id, patch)
			return err
		})
		if err != nil || len(left) == 0 {
			return e, err
		}
	}
}

// movable are the IDs of runs of an experiment that are to be deleted with it, or to be restored: at most n.
func movable(find func(backend.Query) ([]backend.Row, error), experiment string, restore bool, n int) ([]string, error) {
	q := backend.Query{Table: tableRuns, Order: "started", Limit: moveBatch, Where: []backend.Cond{
		{Field: "experiment", Value: backend.StringValue(experiment)},
		{Field: "lifecycle", Value: backend.StringValue(lifecycle(restore))},
	}}
	var ids []string
	for {
		rows, err := find(q)
		if err != nil {
			return nil, fmt.Errorf("read runs: %w", err)
		}
		for _, row := range rows {
			run, err := decodeRun(row)
			if err != nil {
				return nil, err
			}
			if !restore || run.WithExperiment {
				if ids = append(ids, run.ID); len(ids) == n {
					return ids, nil
				}
			}
			q.After = []backend.Value{backend.TimeValue(run.Started), row.Key[0]}
		}
		if len(rows) < q.Limit {
			return ids, nil
		}
	}
}

// moveRuns deletes runs with their experiment, or restores them with it. Their locks are held.
func (r *registry) moveRuns(tx backend.Tx, ids []string, restore bool) error {
	if len(ids) == 0 {
		return nil
	}
	values := make([]backend.Value, len(ids))
	for i, id := range ids {
		values[i] = backend.StringValue(id)
	}
	slices.SortFunc(values, backend.Value.Compare)
	rows, err := tx.Find(backend.Query{Table: tableRuns, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: values}}})
	if err != nil {
		return fmt.Errorf("read runs: %w", err)
	}
	now := r.now()
	var moved []backend.Row
	for _, row := range rows {
		run, err := decodeRun(row)
		if err != nil {
			return err
		}
		if run.Deleted != restore || restore && !run.WithExperiment {
			continue // since it was looked for, somebody did that
		}
		run.setDeleted(!restore, now)
		run.WithExperiment = !restore
		if row, err = run.row(); err != nil {
			return err
		}
		moved = append(moved, row)
	}
	if len(moved) == 0 {
		return nil
	}
	if err := tx.Put(tableRuns, moved...); err != nil {
		return fmt.Errorf("write runs: %w", err)
	}
	return nil
}

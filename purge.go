package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// RunPurge says which runs PurgeRuns removes: of those that are deleted, all that meet each condition. The zero value is
// all that are deleted.
type RunPurge struct {
	Runs         []string      // IDs; empty: any. ErrConflict: one is not deleted
	ExperimentID string        // of this experiment; "": any
	OlderThan    time.Duration // deleted at least so long ago
	DryRun       bool          // only report
}

// A PurgeReport is what PurgeRuns removed, or would remove.
type PurgeReport struct {
	Runs []string // IDs, in the order in which they were removed
	// Elsewhere are the URLs of artifacts of these runs that are not kept by the registry, and stay.
	Elsewhere []string
}

const (
	// purgeBatch is how many rows are removed in one transaction.
	purgeBatch = 1000
	// maxPurgedIDs is how many runs one call names.
	maxPurgedIDs = 1000
)

func (p *RunPurge) check() error {
	if len(p.Runs) > maxPurgedIDs {
		return fmt.Errorf("%w: %d runs, at most %d in one call", ErrInvalid, len(p.Runs), maxPurgedIDs)
	}
	for _, id := range p.Runs {
		if err := checkRunID(id); err != nil {
			return err
		}
	}
	if p.OlderThan < 0 {
		return fmt.Errorf("OlderThan %v: %w: it is an age", p.OlderThan, ErrInvalid)
	}
	if p.ExperimentID != "" {
		_, err := experimentNumber(p.ExperimentID)
		return err
	}
	return nil
}

func (r *registry) PurgeRuns(ctx context.Context, p RunPurge) (*PurgeReport, error) {
	report, err := r.purgeRuns(ctx, p)
	return report, wrap("PurgeRuns", "", err)
}

func (r *registry) purgeRuns(ctx context.Context, p RunPurge) (*PurgeReport, error) {
	report := &PurgeReport{}
	if err := p.check(); err != nil {
		return report, err
	}
	if err := r.checkNamedRuns(ctx, p.Runs); err != nil {
		return report, err
	}
	where := []backend.Cond{{Field: "lifecycle", Value: backend.StringValue(lifecycle(true))}}
	if len(p.Runs) > 0 {
		where = append(where, equal(backend.Cond{Field: "id"}, stringValues(p.Runs)))
	}
	if p.ExperimentID != "" {
		where = append(where, backend.Cond{Field: "experiment", Value: backend.StringValue(p.ExperimentID)})
	}
	latest := r.now().Add(-p.OlderThan)
	q := backend.Query{Table: tableRuns, Where: where, Limit: moveBatch}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return report, fmt.Errorf("read runs: %w", err)
		}
		for _, row := range rows {
			run, err := decodeRun(row)
			if err != nil {
				return report, err
			}
			if run.DeletedAt.After(latest) {
				continue
			}
			if !p.DryRun {
				gone, err := r.purgeRun(ctx, run.ID, latest)
				if err != nil {
					return report, fmt.Errorf("run %s: %w", run.ID, err)
				}
				if !gone {
					continue
				}
			}
			report.Runs = append(report.Runs, run.ID)
			if checkPath(run.Artifacts) != nil {
				report.Elsewhere = append(report.Elsewhere, run.Artifacts)
			}
		}
		if len(rows) < q.Limit {
			return report, nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// checkNamedRuns refuses runs that are not there or not deleted, before anything is removed.
func (r *registry) checkNamedRuns(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := r.backend.Find(ctx, backend.Query{Table: tableRuns, Where: []backend.Cond{equal(backend.Cond{Field: "id"}, stringValues(ids))}})
	if err != nil {
		return fmt.Errorf("read runs: %w", err)
	}
	there := map[string]bool{}
	for _, row := range rows {
		run, err := decodeRun(row)
		if err != nil {
			return err
		}
		if !run.Deleted {
			return fmt.Errorf("run %s: %w: it is not deleted; delete it first", run.ID, ErrConflict)
		}
		there[run.ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			return errNoRun(id)
		}
	}
	return nil
}

// purgeRun removes a run and all that it has, in as many transactions as that takes. The first notes that it has begun,
// and the last removes the run itself: so after a crash the same call goes on, and nobody restores a part. It reports
// whether the run went: not if it was restored since it was looked up.
func (r *registry) purgeRun(ctx context.Context, id string, latest time.Time) (gone bool, err error) {
	var artifacts string
	err = r.changeRun(ctx, id, nil, func(tx backend.Tx, run *runRow) error {
		if gone = run.Deleted && !run.DeletedAt.After(latest); gone {
			run.Purged, run.WithExperiment = true, false
			artifacts = run.Artifacts
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) { // somebody else has removed it
		return false, nil
	}
	if err != nil || !gone {
		return false, err
	}
	if checkPath(artifacts) == nil {
		if err := r.deleteArtifacts(ctx, artifacts); err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("delete artifacts: %w", err)
		}
	}
	for _, table := range []string{tablePoints, tableRunEntries} {
		for more := true; more; {
			if more, err = r.purgeRows(ctx, table, id); err != nil {
				return false, err
			}
		}
	}
	return true, r.backend.Update(ctx, []string{runLock(id)}, func(tx backend.Tx) error {
		if err := tx.Delete(tableRuns, backend.Key{backend.StringValue(id)}); err != nil {
			return fmt.Errorf("delete run: %w", err)
		}
		return nil
	})
}

// purgeRows removes a batch of the rows that a run has in a table, and says whether there are more.
func (r *registry) purgeRows(ctx context.Context, table, id string) (more bool, err error) {
	err = r.backend.Update(ctx, []string{runLock(id)}, func(tx backend.Tx) error {
		rows, err := tx.Find(backend.Query{Table: table, Limit: purgeBatch, Where: []backend.Cond{{Field: "run", Value: backend.StringValue(id)}}})
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		more = len(rows) == purgeBatch
		keys := make([]backend.Key, len(rows))
		for i, row := range rows {
			keys[i] = row.Key
		}
		if len(keys) == 0 {
			return nil
		}
		if err := tx.Delete(table, keys...); err != nil {
			return fmt.Errorf("delete %s: %w", table, err)
		}
		return nil
	})
	return more, err
}

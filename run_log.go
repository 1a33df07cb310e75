package modelregistry

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) LogRun(ctx context.Context, id string, entries RunEntries) error {
	return wrap("LogRun", id, r.logRun(ctx, id, entries))
}

func (r *registry) logRun(ctx context.Context, id string, entries RunEntries) error {
	if err := checkRunID(id); err != nil {
		return err
	}
	if err := entries.check(); err != nil {
		return err
	}
	if err := r.checkChange(""); err != nil { // the lineage has events
		return err
	}
	now := r.now()
	points, err := storedPoints(entries.Metrics, now)
	if err != nil {
		return err
	}
	about := slices.DeleteFunc(slices.Clone(points), func(p MetricPoint) bool { return p.ModelID == "" })
	if err := r.checkLoggedModels(ctx, about); err != nil {
		return err
	}
	rows := make([]backend.Row, len(points))
	for i, p := range points {
		if rows[i], err = pointRow(id, p); err != nil {
			return err
		}
	}
	// A row must be there once; of points that are equal the last one's model and data set count.
	slices.SortStableFunc(rows, func(a, b backend.Row) int { return b.Key.Compare(a.Key) })
	slices.Reverse(rows)
	rows = slices.CompactFunc(rows, func(a, b backend.Row) bool { return a.Key.Compare(b.Key) == 0 })
	edges := trainedOn(id, entries.Inputs)
	return r.changeRun(ctx, id, logLocks(about, edges), func(tx backend.Tx, run *runRow) error {
		if err := run.checkActive(); err != nil {
			return err
		}
		if err := run.log(tx, entries, points); err != nil {
			return err
		}
		if len(about) > 0 { // first, for a model may not be there
			if err := logModelPoints(tx, id, about); err != nil {
				return err
			}
		}
		if len(rows) > 0 {
			if err := tx.Put(tablePoints, rows...); err != nil {
				return fmt.Errorf("write points: %w", err)
			}
		}
		return r.linkInputs(tx, edges)
	})
}

// logLocks are the locks that logging takes besides the run's.
func logLocks(about []MetricPoint, edges []Edge) []string {
	var locks []string
	for _, p := range about {
		locks = append(locks, loggedModelLock(p.ModelID))
	}
	if len(edges) > 0 {
		locks = append(locks, lineageLock)
	}
	for _, e := range edges {
		locks = append(locks, nodeLocks(e.To)...)
	}
	slices.Sort(locks)
	return slices.Compact(locks)
}

func (e *RunEntries) check() error {
	if n := len(e.Metrics) + len(e.Params) + len(e.Tags) + len(e.Inputs) + len(e.Outputs); n > maxEntries {
		return fmt.Errorf("%w: %d entries, at most %d in one call", ErrInvalid, n, maxEntries)
	}
	if err := checkEntries("param", e.Params, maxParamValue); err != nil {
		return err
	}
	if err := checkEntries("tag", e.Tags, maxTagValue); err != nil {
		return err
	}
	for _, in := range e.Inputs {
		if err := in.check(); err != nil {
			return err
		}
	}
	for _, out := range e.Outputs {
		if err := checkLoggedID(out.ModelID); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return nil
}

// checkLoggedID checks what is used as the ID of a logged model.
func checkLoggedID(id string) error {
	if id == "" {
		return fmt.Errorf("model ID: %w: empty", ErrInvalid)
	}
	return checkText("model ID", id, maxRunID)
}

// storedPoints checks points and completes them to what is stored.
func storedPoints(in []MetricPoint, now time.Time) ([]MetricPoint, error) {
	out := slices.Clone(in)
	for i := range out {
		p := &out[i]
		if err := checkKey("metric", p.Key); err != nil {
			return nil, err
		}
		for _, err := range []error{
			checkText("model ID", p.ModelID, maxRunID),
			checkText("dataset name", p.DatasetName, maxDataset),
			checkText("dataset digest", p.DatasetDigest, maxDataset),
		} {
			if err != nil {
				return nil, fmt.Errorf("metric %q: %w", p.Key, err)
			}
		}
		if p.Time.IsZero() {
			p.Time = now
		}
		var err error
		if p.Time, err = stored("time of metric "+p.Key, p.Time); err != nil {
			return nil, err
		}
		switch {
		case p.Value == 0:
			p.Value = 0 // not minus zero
		case math.IsNaN(p.Value):
			p.Value = math.NaN() // of all that there are, one
		}
	}
	return out, nil
}

// log adds entries to what the run has.
func (r *runRow) log(tx backend.Tx, entries RunEntries, points []MetricPoint) error {
	c, err := r.changeEntries(tx.Find, entries.names())
	if err != nil {
		return err
	}
	for key, value := range entries.Params {
		if err := c.setParam(key, value); err != nil {
			return err
		}
	}
	for key, value := range entries.Tags {
		c.setTag(key, value)
	}
	for _, p := range points {
		c.setPoint(p)
	}
	for _, in := range entries.Inputs {
		c.addInput(in)
	}
	for _, out := range entries.Outputs {
		c.setOutput(out)
	}
	return c.write(tx)
}

// names are those of what entries may change of a run.
func (e *RunEntries) names() []string {
	var names []string
	for key := range e.Params {
		names = append(names, paramEntry+key)
	}
	for key := range e.Tags {
		names = append(names, tagEntry+key)
	}
	for i := range e.Metrics {
		names = append(names, metricEntry+e.Metrics[i].Key)
	}
	for i := range e.Inputs {
		names = append(names, e.Inputs[i].entry().name)
	}
	for i := range e.Outputs {
		names = append(names, e.Outputs[i].entry().name)
	}
	return names
}

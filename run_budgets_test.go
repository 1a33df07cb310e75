package modelregistry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// What is logged at once costs the same number of statements, however much it is; and a run that a version names at most
// one read and what its edge takes.
func TestStatementsOfRuns(t *testing.T) { onCountedRegistries(t, statementsOfRuns) }

func statementsOfRuns(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
	ctx := t.Context()
	run, err := r.StartRun(ctx, modelregistry.RunSpec{Experiment: "e"})
	require.NoError(t, err)
	cost := func(call func() error) int {
		count.Take()
		require.NoError(t, call())
		return len(count.Take())
	}
	step := int64(0)
	log := func(keys int) int {
		var e modelregistry.RunEntries
		e.Params, e.Tags = map[string]string{}, map[string]string{}
		for i := range keys {
			step++
			key := fmt.Sprintf("k%d.%d", i, step)
			e.Metrics = append(e.Metrics, modelregistry.MetricPoint{Key: key, Value: 1, Step: step})
			e.Params[key], e.Tags[key] = "v", "v"
		}
		return cost(func() error { return r.LogRun(ctx, run.ID, e) })
	}
	log(1) // what the run has, is read before it becomes more
	one := log(1)
	require.LessOrEqual(t, one, 9)
	require.LessOrEqual(t, log(60), one+3*60/64, "SQLite takes rows by 64, which costs it nothing: it is in the process")

	points := func(n int) int {
		e := modelregistry.RunEntries{}
		for range n {
			step++
			e.Metrics = append(e.Metrics, modelregistry.MetricPoint{Key: "loss", Value: 1, Step: step})
		}
		return cost(func() error { return r.LogRun(ctx, run.ID, e) })
	}
	points(1) // the metric's first
	few := points(1)
	require.Equal(t, few, points(64))
	require.LessOrEqual(t, points(2000), few+2000/64)

	lineage := func(inputs int) int {
		e := modelregistry.RunEntries{}
		for range inputs {
			step++
			e.Inputs = append(e.Inputs, modelregistry.RunInput{Dataset: &modelregistry.DatasetInput{Name: "d", Digest: fmt.Sprint(step), Source: "s3://d"}})
		}
		return cost(func() error { return r.LogRun(ctx, run.ID, e) })
	}
	lineage(1) // the lineage's first event
	require.Equal(t, lineage(1), lineage(40))

	for name, read := range map[string]struct {
		statements int // what runs have is read in one of its own
		call       func() error
	}{
		"run":        {2, func() error { _, err := r.Run(ctx, run.ID); return err }},
		"experiment": {1, func() error { _, err := r.Experiment(ctx, run.ExperimentID); return err }},
		"default":    {1, func() error { _, err := r.ExperimentByName(ctx, "Default"); return err }},
		"search":     {2, func() error { _, err := r.SearchRuns(ctx, modelregistry.Query{}); return err }},
		"active search": {2, func() error {
			_, err := r.SearchRuns(ctx, modelregistry.Query{Filter: "(run_id != 'x') AND lifecycle_stage = 'active' AND experiment_id IN ('1', '2')"})
			return err
		}},
		"search by an entry": {3, func() error {
			_, err := r.SearchRuns(ctx, modelregistry.Query{Filter: "metrics.loss > 0.5 AND experiment_id IN ('1', '2')"})
			return err
		}},
		"search by several": {4, func() error {
			_, err := r.SearchRuns(ctx, modelregistry.Query{Filter: "metrics.loss > 0.5 AND params.none != 'x' AND tags.none IS NULL"})
			return err
		}},
		"order by an entry": {3, func() error {
			_, err := r.SearchRuns(ctx, modelregistry.Query{OrderBy: []string{"metrics.loss"}})
			return err
		}},
		"history": {1, func() error {
			_, err := r.MetricHistory(ctx, run.ID, "loss", modelregistry.Query{PageSize: 1000})
			return err
		}},
	} {
		require.NoError(t, read.call())
		require.LessOrEqual(t, cost(read.call), read.statements, name)
	}

	register := func(id string) int {
		return cost(func() error {
			_, err := r.Register(ctx, "m", modelregistry.VersionSpec{RunID: id, ForeignRun: true})
			return err
		})
	}
	register("")
	plain := register("")
	require.Equal(t, plain, register("elsewhere"))
	require.Equal(t, plain+1, register(strings.Repeat("0", 32)))
	require.Equal(t, plain+2, register(run.ID), "a read, and the edge")
}

// What logging writes is in proportion to what is logged, not to what the run has: one point writes as many bytes, in as
// many statements, to a run with 8,000 metrics, params and tags as to one with 8.
func TestLoggingWritesWhatIsLogged(t *testing.T) { onCountedRegistries(t, loggingWritesWhatIsLogged) }

func loggingWritesWhatIsLogged(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
	ctx := t.Context()
	fill := func(keys int) *modelregistry.Run {
		run, err := r.StartRun(ctx, modelregistry.RunSpec{Experiment: "e"})
		require.NoError(t, err)
		for at := 0; at < keys; at += 3000 {
			e := modelregistry.RunEntries{Params: map[string]string{}, Tags: map[string]string{}}
			for i := at; i < min(keys, at+3000); i++ {
				key := fmt.Sprintf("k%05d", i)
				e.Metrics = append(e.Metrics, modelregistry.MetricPoint{Key: key, Value: 1, Step: 1})
				e.Params[key], e.Tags[key] = "v", "v"
			}
			require.NoError(t, r.LogRun(ctx, run.ID, e))
		}
		return run
	}
	small, large := fill(8), fill(8000)
	cost := func(run *modelregistry.Run, e modelregistry.RunEntries) (statements, bytes int) {
		count.TakeCalls()
		require.NoError(t, r.LogRun(ctx, run.ID, e))
		calls := count.TakeCalls()
		for _, c := range calls {
			for _, arg := range c.Args {
				bytes += len(fmt.Sprint(arg.Value))
			}
		}
		return len(calls), bytes
	}
	for i, e := range []modelregistry.RunEntries{
		{Metrics: []modelregistry.MetricPoint{{Key: "k00000", Value: 2, Step: 2}}},
		{Metrics: []modelregistry.MetricPoint{{Key: "new", Value: 2, Step: 2}}},
		{Params: map[string]string{"new": "p"}},
		{Tags: map[string]string{"k00000": "w"}},
		{Inputs: []modelregistry.RunInput{{ModelID: "m-1"}}},
		{Outputs: []modelregistry.RunOutput{{ModelID: "m-1"}}},
	} {
		statements, bytes := cost(small, e)
		atLarge, bytesAtLarge := cost(large, e)
		require.Equal(t, statements, atLarge, "%d", i)
		require.InDelta(t, bytes, bytesAtLarge, 16, "%d: but for digits of a count", i)
	}
}

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
	require.Equal(t, one, log(60))

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
	require.LessOrEqual(t, points(2000), few+2000/64, "SQLite takes rows by 64, which costs it nothing: it is in the process")

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

	for name, call := range map[string]func() error{
		"run":        func() error { _, err := r.Run(ctx, run.ID); return err },
		"experiment": func() error { _, err := r.Experiment(ctx, run.ExperimentID); return err },
		"default":    func() error { _, err := r.ExperimentByName(ctx, "Default"); return err },
		"search":     func() error { _, err := r.SearchRuns(ctx, modelregistry.Query{}); return err },
		"active search": func() error {
			_, err := r.SearchRuns(ctx, modelregistry.Query{Filter: "(run_id != 'x') AND lifecycle_stage = 'active' AND experiment_id IN ('1', '2')"})
			return err
		},
		"history": func() error {
			_, err := r.MetricHistory(ctx, run.ID, "loss", modelregistry.Query{PageSize: 1000})
			return err
		},
	} {
		require.NoError(t, call())
		require.Equal(t, 1, cost(call), name)
	}

	register := func(id string) int {
		return cost(func() error { _, err := r.Register(ctx, "m", modelregistry.VersionSpec{RunID: id}); return err })
	}
	register("")
	plain := register("")
	require.Equal(t, plain, register("elsewhere"))
	require.Equal(t, plain+1, register(strings.Repeat("0", 32)))
	require.Equal(t, plain+2, register(run.ID), "a read, and the edge")
}

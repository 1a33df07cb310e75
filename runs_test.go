package modelregistry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// failing is a backend whose Updates fail, once so many have passed.
type failing struct {
	backend.Backend
	pass int
}

var errFails = errors.New("disk full")

func (f *failing) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	if f.pass--; f.pass < 0 {
		return errFails
	}
	return f.Backend.Update(ctx, locks, fn)
}

func newFailing(t *testing.T) (*failing, Registry) {
	b := &failing{Backend: memory.New(), pass: math.MaxInt}
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	r, err := New(t.Context(), b, nil, nil)
	require.NoError(t, err)
	return b, r
}

// A deletion that breaks off leaves the experiment deleted, and goes on when it is asked for again; so does a restoration.
func TestExperimentDeletionGoesOn(t *testing.T) {
	b, r := newFailing(t)
	ctx := t.Context()
	const n = 2*moveBatch + 10
	var runs []*Run
	for range n {
		run, err := r.StartRun(ctx, RunSpec{Experiment: "e"})
		require.NoError(t, err)
		runs = append(runs, run)
	}
	id := runs[0].ExperimentID
	_, err := r.UpdateRun(ctx, runs[0].ID, RunPatch{Deleted: new(true)})
	require.NoError(t, err)
	active := func() (n int) {
		for _, err := range r.Runs(ctx, Query{Filter: "lifecycle_stage = 'active' AND experiment_id = " + Quote(id)}) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	for _, c := range []struct {
		deleted bool
		active  []int // runs after each try, of which the first two break off
	}{
		{true, []int{n - 1 - moveBatch, n - 1 - 2*moveBatch, 0}},
		{false, []int{moveBatch, 2 * moveBatch, n - 1}},
	} {
		for pass, want := range c.active {
			b.pass = 1
			_, err = r.UpdateExperiment(ctx, id, ExperimentPatch{Deleted: &c.deleted})
			if pass < 2 {
				require.ErrorIs(t, err, errFails)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, want, active())
			e, err := r.Experiment(ctx, id)
			require.NoError(t, err)
			require.Equal(t, pass < 2 || c.deleted, e.Deleted)
			b.pass = math.MaxInt
			if e.Deleted {
				_, err = r.StartRun(ctx, RunSpec{ExperimentID: id})
				require.ErrorIs(t, err, ErrConflict)
			}
		}
	}
	first, err := r.Run(ctx, runs[0].ID)
	require.NoError(t, err)
	require.True(t, first.Deleted, "it was deleted by itself")
}

// A purge that breaks off leaves a run that cannot be restored, and goes on when it is asked for again.
func TestPurgeGoesOn(t *testing.T) {
	b, r := newFailing(t)
	ctx := t.Context()
	var points []MetricPoint
	for i := range 3 * purgeBatch {
		points = append(points, MetricPoint{Key: "m", Step: int64(i)})
	}
	run, err := r.StartRun(ctx, RunSpec{Params: map[string]string{"p": "1"}})
	require.NoError(t, err)
	require.NoError(t, r.LogRun(ctx, run.ID, RunEntries{Metrics: points}))
	_, err = r.UpdateRun(ctx, run.ID, RunPatch{Deleted: new(true)})
	require.NoError(t, err)
	for pass := range 3 {
		b.pass = pass
		report, err := r.PurgeRuns(ctx, RunPurge{Runs: []string{run.ID}})
		require.ErrorIs(t, err, errFails)
		require.Empty(t, report.Runs)
		b.pass = math.MaxInt
		_, err = r.Run(ctx, run.ID)
		require.NoError(t, err)
		if pass > 0 {
			_, err = r.UpdateRun(ctx, run.ID, RunPatch{Deleted: new(false)})
			require.ErrorIs(t, err, ErrConflict)
			require.ErrorContains(t, err, "purged")
		}
	}
	report, err := r.PurgeRuns(ctx, RunPurge{})
	require.NoError(t, err)
	require.Equal(t, []string{run.ID}, report.Runs)
	for _, table := range []string{tableRuns, tableRunEntries, tablePoints} {
		rows, err := b.Find(ctx, backend.Query{Table: table})
		require.NoError(t, err)
		require.Empty(t, rows, table)
	}
}

func TestDatasetsAreForLoggedModels(t *testing.T) {
	_, r := newFailing(t)
	_, err := r.SearchRuns(t.Context(), Query{Datasets: []MetricDataset{{Name: "test"}}})
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "logged models")
}

// Where nothing can be written, what is there can be read, and the default experiment as if it were.
func TestRunsOfAStoreThatCannotBeWritten(t *testing.T) {
	b, r := newFailing(t)
	b.pass = 0
	e, err := r.Experiment(t.Context(), DefaultExperiment)
	require.NoError(t, err)
	require.Equal(t, "Default", e.Name)
	_, err = r.ExperimentByName(t.Context(), "Default")
	require.NoError(t, err)
	_, err = r.SearchExperiments(t.Context(), Query{})
	require.NoError(t, err)
	_, err = r.Experiment(t.Context(), "1")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = r.StartRun(t.Context(), RunSpec{})
	require.ErrorIs(t, err, errFails)
	b.pass = math.MaxInt
	_, err = r.StartRun(t.Context(), RunSpec{})
	require.NoError(t, err)
}

func TestMetricPointJSON(t *testing.T) {
	for text, value := range map[string]float64{"0.1": 0.1, `"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1), "5e-324": 5e-324} {
		in := map[string]MetricPoint{"m": {Key: "m", Value: value, Step: 3, Time: epoch, ModelID: "m-1"}}
		data, err := json.Marshal(in)
		require.NoError(t, err)
		require.JSONEq(t, fmt.Sprintf(`{"m":{"key":"m","value":%s,"step":3,"time":"2024-05-31T12:00:00Z","model_id":"m-1"}}`, text), string(data))
		var out map[string]MetricPoint
		require.NoError(t, json.Unmarshal(data, &out))
		require.Equal(t, fmt.Sprint(in), fmt.Sprint(out))
	}
	var p MetricPoint
	for _, bad := range []string{`{"value":"x"}`, `{"value":true}`, `{"step":1.5}`, `[]`} {
		require.Error(t, json.Unmarshal([]byte(bad), &p), bad)
	}
}

func FuzzSortableBits(f *testing.F) {
	f.Add(0.0, 1.0)
	f.Add(math.Inf(-1), -1e-300)
	f.Fuzz(func(t *testing.T, a, b float64) {
		require.Equal(t, math.Float64bits(a), math.Float64bits(floatOfBits(sortableBits(a))))
		if a < b {
			require.Less(t, sortableBits(a), sortableBits(b))
		}
	})
}

func TestRunFilterCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		"attributes.`Run Name` = 'a' and run.Created > 5":           "run_name IN ('a') AND start_time > 5",
		"`run name` = 'a' OR name = 'b'":                            "run_name IN ('a', 'b')",
		"parameter.lr < 1 AND metric.acc >= 2 AND tags.`a b` = 'c'": "params.`lr` < 1 AND metrics.`acc` >= 2 AND tags.`a b` IN ('c')",
		"dataset.name = 'd' AND datasets.context = 'e'":             "dataset.name IN ('d') AND dataset.context IN ('e')",
		"(a.x = 'y')":                   "",
		"attributes.dataset.name = 'd'": "dataset.name IN ('d')",
		"(status = 'FINISHED') AND experiment_id IN ('1','2')":             "status IN ('FINISHED') AND experiment_id IN ('1', '2')",
		"(x != 'y') AND experiment_id IN ('1')":                            "",
		"(user = 'u' AND (tags.k IS NULL)) AND lifecycle_stage = 'active'": "user_id IN ('u') AND tags.`k` IS NULL AND lifecycle_stage IN ('active')",
	} {
		f, err := parseFilter(&runSubject, in)
		if want == "" {
			require.ErrorIs(t, err, ErrInvalid, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, f.String())
		again, err := parseFilter(&runSubject, f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, want, again.String())
	}
}

// What a caller puts around a user's filter is looked up, and not looked at run by run.
func TestRunSearchLooksUpExperiments(t *testing.T) {
	b := newSearched(t)
	var rows []backend.Row
	for i := range 3000 {
		run := runRow{Run: Run{ID: fmt.Sprintf("%032x", i), ExperimentID: fmt.Sprint(i % 300), Started: epoch, Deleted: i%2 == 1}}
		row, err := run.row()
		require.NoError(t, err)
		rows = append(rows, row)
	}
	require.NoError(t, b.Update(t.Context(), nil, func(tx backend.Tx) error { return tx.Put(tableRuns, rows...) }))
	page, err := searchRuns(t.Context(), b, Query{Filter: "(run_name = '' OR user_id = 'x') AND lifecycle_stage = 'active' AND experiment_id IN ('7','8')"})
	require.NoError(t, err)
	require.Len(t, page.Runs, 10)
	require.Equal(t, 2, b.finds, "the runs, and what they have")
	require.Equal(t, 10, b.rows)
}

func TestRunPageTokens(t *testing.T) {
	b := newSearched(t)
	for _, orderBy := range [][]string{nil, {"end_time"}, {"metrics.m DESC"}, {"params.p", "tags.t"}, {"artifact_uri"}} {
		order, err := parseOrder(&runSubject, orderBy)
		require.NoError(t, err)
		for _, after := range []string{`[]`, `[null]`, `[null,null]`, `["NaN"]`, `["NaN","5","x"]`, `["x"]`, `["\u0000"]`, `["1","1","1"]`, `["9223372036854775807"]`, `[null,"5","x"]`} {
			token := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"s":%q,"a":%s}`, tokenKey(&runSubject, nil, order), after)))
			if _, err := searchRuns(t.Context(), b, Query{OrderBy: orderBy, PageToken: token}); err != nil {
				require.ErrorIs(t, err, ErrInvalid, "%v %s", orderBy, after)
			}
		}
	}
}

package registrytest

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var runPromises = []promise{
	{"a run keeps what it was started with", runStart},
	{"a run ends once, and can go on", runEnd},
	{"what is logged is there, whole or not at all", runLog},
	{"a param never changes", runParams},
	{"the newest point of a metric is that of the highest step", runNewest},
	{"a metric's history is in order, once each, in pages", runHistory},
	{"infinities and NaN are metrics too", runNotNumbers},
	{"inputs and outputs are there once, and data is in the lineage", runInputs},
	{"a version that a run made was produced by it", runVersion},
	{"a version of a run that is not there is refused", runMistyped},
	{"a filter selects the runs that meet it", runSearch},
	{"runs are ordered by anything, and what lacks it comes last", runOrder},
	{"pages of runs give everything once", runPages},
	{"an experiment is found by ID, name and filter", experimentFind},
	{"the default experiment is always there", experimentDefault},
	{"an experiment's name is its own, also when it is deleted", experimentNames},
	{"an experiment is deleted and restored with its runs", experimentDelete},
	{"nothing that many log at once is lost", runRace},
	{"a run that was deleted is purged with all it has", runPurge},
}

func (s *trial) start(spec modelregistry.RunSpec) *modelregistry.Run {
	s.Helper()
	run, err := s.r.StartRun(s.ctx, spec)
	s.ok(err)
	return run
}

func (s *trial) log(run *modelregistry.Run, entries modelregistry.RunEntries) {
	s.Helper()
	s.ok(s.r.LogRun(s.ctx, run.ID, entries))
}

func (s *trial) run(id string) *modelregistry.Run {
	s.Helper()
	run, err := s.r.Run(s.ctx, id)
	s.ok(err)
	return run
}

// values are those of a metric's points, in order, read in pages of a size.
func (s *trial) values(run *modelregistry.Run, metric string, size int) (found []string) {
	s.Helper()
	q := modelregistry.Query{PageSize: size}
	for {
		page, err := s.r.MetricHistory(s.ctx, run.ID, metric, q)
		s.ok(err)
		if len(page.Points) > size {
			s.Fatalf("a page of %d points, asked for %d", len(page.Points), size)
		}
		for _, p := range page.Points {
			found = append(found, fmt.Sprintf("%d:%v", p.Step, p.Value))
		}
		if q.PageToken = page.Next; q.PageToken == "" {
			return found
		}
	}
}

func runStart(s *trial) {
	run := s.start(modelregistry.RunSpec{
		Experiment: "iris", Name: "first", User: "bob", Started: epoch.Add(-time.Hour),
		Tags: map[string]string{"team": "risk"}, Params: map[string]string{"lr": "0.1"},
	})
	if len(run.ID) != 32 || strings.Trim(run.ID, "0123456789abcdef") != "" {
		s.Errorf("run ID %q; want 32 hexadecimal digits", run.ID)
	}
	e, err := s.r.ExperimentByName(s.ctx, "iris")
	s.ok(err)
	equal(s, "experiment", run.ExperimentID, e.ID)
	equal(s, "artifacts", run.Artifacts, e.Artifacts+"/"+run.ID+"/artifacts")
	equal(s, "URI", run.URI("model"), "runs:/"+run.ID+"/model")
	equal(s, "status", run.Status, modelregistry.RunRunning)
	equal(s, "user", run.User, "bob")
	equal(s, "start", run.Started, epoch.Add(-time.Hour))
	equal(s, "end", run.Ended, time.Time{})
	equal(s, "tag", run.Tags.Get("team"), "risk")
	equal(s, "param", run.Params.Get("lr"), "0.1")
	equal(s, "run, read again", text(s.run(run.ID)), text(run))

	plain := s.start(modelregistry.RunSpec{ExperimentID: e.ID})
	equal(s, "parts of a random name", len(strings.Split(plain.Name, "-")), 3)
	equal(s, "user of a run that names none", plain.User, "ada")
	if plain.Started.IsZero() {
		s.Error("a run has no start")
	}
	_, err = s.r.StartRun(s.ctx, modelregistry.RunSpec{ExperimentID: "4711"})
	s.fails(err, modelregistry.ErrNotFound, "4711")
	_, err = s.r.StartRun(s.ctx, modelregistry.RunSpec{ExperimentID: "x"})
	s.fails(err, modelregistry.ErrInvalid, "decimal")
	_, err = s.r.StartRun(s.ctx, modelregistry.RunSpec{Status: "DONE"})
	s.fails(err, modelregistry.ErrInvalid, "RUNNING, SCHEDULED")
	_, err = s.r.StartRun(s.ctx, modelregistry.RunSpec{Experiment: "iris", ExperimentID: e.ID})
	s.fails(err, modelregistry.ErrInvalid, "both set")
	_, err = s.r.Run(s.ctx, strings.Repeat("0", 32))
	s.fails(err, modelregistry.ErrNotFound, "")
}

func runEnd(s *trial) {
	run := s.start(modelregistry.RunSpec{Name: "r"})
	ended, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{
		Status: ptr(modelregistry.RunFinished), Name: ptr("renamed"), SetTags: map[string]string{"a": "1", "b": "2"},
	})
	s.ok(err)
	equal(s, "status", ended.Status, modelregistry.RunFinished)
	if !ended.Ended.After(ended.Started) {
		s.Fatalf("it ended %v, started %v", ended.Ended, ended.Started)
	}
	again, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Status: ptr(modelregistry.RunFinished), DeleteTags: []string{"a", "none"}})
	s.ok(err)
	equal(s, "end, told twice", again.Ended, ended.Ended)
	equal(s, "tags", again.Tags.String(), "b=2")
	equal(s, "name", again.Name, "renamed")
	later, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Ended: ptr(epoch.Add(time.Hour))})
	s.ok(err)
	equal(s, "end that was given", later.Ended, epoch.Add(time.Hour))
	resumed, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Status: ptr(modelregistry.RunRunning)})
	s.ok(err)
	equal(s, "end of a run that goes on", resumed.Ended, time.Time{})
	equal(s, "run, read again", text(s.run(run.ID)), text(resumed))
	_, err = s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Status: ptr(modelregistry.RunStatus("?"))})
	s.fails(err, modelregistry.ErrInvalid, "FINISHED")
	_, err = s.r.UpdateRun(s.ctx, strings.Repeat("0", 32), modelregistry.RunPatch{Name: ptr("x")})
	s.fails(err, modelregistry.ErrNotFound, "")
}

func runLog(s *trial) {
	run := s.start(modelregistry.RunSpec{Tags: map[string]string{"kept": "yes"}})
	s.log(run, modelregistry.RunEntries{
		Metrics: []modelregistry.MetricPoint{{Key: "loss", Value: 0.5, Step: 1, Time: epoch}, {Key: "val/acc", Value: 0.9}},
		Params:  map[string]string{"lr": "0.1", "empty": ""}, Tags: map[string]string{"team": "risk"},
	})
	got := s.run(run.ID)
	equal(s, "params", got.Params.String(), "empty= lr=0.1")
	equal(s, "tags", got.Tags.String(), "kept=yes team=risk")
	equal(s, "metric", got.Metrics["loss"], modelregistry.MetricPoint{Key: "loss", Value: 0.5, Step: 1, Time: epoch})
	if got.Metrics["val/acc"].Time.IsZero() {
		s.Error("a point that was given no time has none")
	}
	before := text(got)
	many := make(map[string]string)
	for i := range 10_001 {
		many[fmt.Sprint("p", i)] = "x"
	}
	for hint, entries := range map[string]modelregistry.RunEntries{
		"lr":                {Params: map[string]string{"a": "1", "lr": "0.2"}, Metrics: []modelregistry.MetricPoint{{Key: "loss", Value: 9, Step: 9}}},
		"metric name":       {Params: map[string]string{"a": "1"}, Metrics: []modelregistry.MetricPoint{{Key: "../x", Value: 1}}},
		"at most 6000":      {Params: map[string]string{"a": strings.Repeat("x", 6001)}},
		"at most 100000":    {Tags: map[string]string{"a": strings.Repeat("x", 100_001)}, Params: map[string]string{"a": "1"}},
		"at most 250":       {Metrics: []modelregistry.MetricPoint{{Key: strings.Repeat("k", 251)}}},
		"at most 10000":     {Params: many},
		"it has no digest":  {Tags: map[string]string{"a": "1"}, Inputs: []modelregistry.RunInput{{Dataset: &modelregistry.DatasetInput{Name: "d"}}}},
		"model ID":          {Tags: map[string]string{"a": "1"}, Outputs: []modelregistry.RunOutput{{}}},
		"years 1 to 9999":   {Metrics: []modelregistry.MetricPoint{{Key: "x", Time: epoch.AddDate(9000, 0, 0)}}},
		"two inputs":        {Inputs: []modelregistry.RunInput{{ModelID: "m-1", Dataset: &modelregistry.DatasetInput{Name: "d", Digest: "1"}}}},
		"contains a NUL":    {Tags: map[string]string{"a": "\x00"}},
		"name: invalid: em": {Tags: map[string]string{"": "x"}},
	} {
		s.fails(s.r.LogRun(s.ctx, run.ID, entries), modelregistry.ErrInvalid, hint)
	}
	equal(s, "run after what failed", text(s.run(run.ID)), before)
	equal(s, "history after what failed", len(s.values(run, "loss", 10)), 1)
	s.fails(s.r.LogRun(s.ctx, strings.Repeat("0", 32), modelregistry.RunEntries{}), modelregistry.ErrNotFound, "")

	_, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Deleted: ptr(true)})
	s.ok(err)
	s.fails(s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{Tags: map[string]string{"a": "1"}}), modelregistry.ErrConflict, "deleted")
	_, err = s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Name: ptr("x")})
	s.fails(err, modelregistry.ErrConflict, "restore it first")
	if deleted := s.run(run.ID); !deleted.Deleted || deleted.DeletedAt.IsZero() || len(s.values(run, "loss", 10)) != 1 {
		s.Errorf("a deleted run reads %s", text(deleted))
	}
	restored, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Deleted: ptr(false)})
	s.ok(err)
	equal(s, "params after a restoration", restored.Params.String(), got.Params.String())
	s.log(run, modelregistry.RunEntries{Tags: map[string]string{"a": "1"}})
}

func runParams(s *trial) {
	run := s.start(modelregistry.RunSpec{Params: map[string]string{"lr": "0.1"}})
	s.log(run, modelregistry.RunEntries{Params: map[string]string{"lr": "0.1", "depth": "3"}})
	s.log(run, modelregistry.RunEntries{Params: map[string]string{"depth": "3"}})
	err := s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{Params: map[string]string{"depth": "4"}})
	s.fails(err, modelregistry.ErrInvalid, `"3"`)
	s.fails(err, modelregistry.ErrInvalid, `"4"`)
	equal(s, "params", s.run(run.ID).Params.String(), "depth=3 lr=0.1")
	s.log(run, modelregistry.RunEntries{Tags: map[string]string{"t": "1"}})
	s.log(run, modelregistry.RunEntries{Tags: map[string]string{"t": "2"}})
	equal(s, "a tag does", s.run(run.ID).Tags.Get("t"), "2")
}

func runNewest(s *trial) {
	run := s.start(modelregistry.RunSpec{})
	for _, c := range []struct {
		step  int64
		ms    time.Duration
		value float64
		want  float64
	}{
		{5, 10, 0.5, 0.5},
		{4, 99, 0.4, 0.5}, // a later time, and an earlier step
		{5, 9, 0.3, 0.5},
		{5, 11, 0.2, 0.2},
		{5, 11, 0.1, 0.2}, // at one step and time the highest value
		{5, 11, 0.6, 0.6},
		{-1, 200, 9, 0.6},
	} {
		s.log(run, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "m", Value: c.value, Step: c.step, Time: epoch.Add(c.ms * time.Millisecond)}}})
		equal(s, fmt.Sprintf("value after %+v", c), s.run(run.ID).Metrics["m"].Value, c.want)
	}
	s.log(run, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{
		{Key: "n", Value: 3, Step: 3, Time: epoch}, {Key: "n", Value: 1, Step: 1, Time: epoch}, {Key: "n", Value: 2, Step: 2, Time: epoch},
	}})
	equal(s, "value of several that came at once", s.run(run.ID).Metrics["n"].Value, 3)
}

func runHistory(s *trial) {
	run := s.start(modelregistry.RunSpec{})
	other := s.start(modelregistry.RunSpec{})
	var points []modelregistry.MetricPoint
	var want []string
	for i := range 30 { // three a time, two a step
		points = append(points, modelregistry.MetricPoint{Key: "m", Value: float64(i%2) - 0.5, Step: int64(i / 2), Time: epoch.Add(time.Duration(i/6) * time.Second)})
		want = append(want, fmt.Sprintf("%d:%v", i/2, float64(i%2)-0.5))
	}
	for i, j := range []int{7, 0, 29, 7, 7} { // in any order, and more than once
		s.log(run, modelregistry.RunEntries{Metrics: points[min(i, j):]})
		s.log(run, modelregistry.RunEntries{Metrics: points[j : j+1]})
	}
	s.log(run, modelregistry.RunEntries{Metrics: append(points[:3:3], points...)})
	s.log(run, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "m/2", Value: 1}, {Key: "l", Value: 1}}})
	s.log(other, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "m", Value: 4}}})
	for _, size := range []int{1, 7, 100, 25_000} {
		equal(s, fmt.Sprint("history in pages of ", size), strings.Join(s.values(run, "m", size), " "), strings.Join(want, " "))
	}
	equal(s, "points of a metric that was never logged", len(s.values(run, "none", 10)), 0)
	_, err := s.r.MetricHistory(s.ctx, strings.Repeat("0", 32), "m", modelregistry.Query{})
	s.fails(err, modelregistry.ErrNotFound, "")
	for hint, q := range map[string]modelregistry.Query{
		"no Filter": {Filter: "x = 1"}, "no OrderBy": {OrderBy: []string{"x"}}, "25000": {PageSize: 25_001}, "page token": {PageToken: "x"},
	} {
		_, err := s.r.MetricHistory(s.ctx, run.ID, "m", q)
		s.fails(err, modelregistry.ErrInvalid, hint)
	}
	page, err := s.r.MetricHistory(s.ctx, run.ID, "m", modelregistry.Query{PageSize: 2})
	s.ok(err)
	_, err = s.r.MetricHistory(s.ctx, other.ID, "m", modelregistry.Query{PageToken: page.Next})
	s.fails(err, modelregistry.ErrInvalid, "belongs to another search")
}

func runNotNumbers(s *trial) {
	run := s.start(modelregistry.RunSpec{Name: "odd"})
	values := []float64{math.Inf(-1), -math.MaxFloat64, -1, 0, 5e-324, 1, math.Inf(1), math.NaN()}
	for i := range values { // the highest first
		s.log(run, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "m", Value: values[len(values)-1-i], Time: epoch}}})
	}
	s.log(run, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{
		{Key: "m", Value: math.NaN(), Time: epoch}, {Key: "m", Value: math.Copysign(0, -1), Time: epoch}, // are there
		{Key: "up", Value: math.Inf(1)}, {Key: "down", Value: math.Inf(-1)},
	}})
	equal(s, "history", strings.Join(s.values(run, "m", 3), " "), "0:-Inf 0:-1.7976931348623157e+308 0:-1 0:0 0:5e-324 0:1 0:+Inf 0:NaN")
	got := s.run(run.ID)
	if !math.IsNaN(got.Metrics["m"].Value) || !math.IsInf(got.Metrics["up"].Value, 1) || !math.IsInf(got.Metrics["down"].Value, -1) {
		s.Fatalf("metrics %v", got.Metrics)
	}
	s.start(modelregistry.RunSpec{Name: "none"})
	s.log(s.start(modelregistry.RunSpec{Name: "one"}), modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "m", Value: 1}}})
	for filter, want := range map[string]string{
		"metrics.m > 0": "one", "metrics.m != 5": "one", "metrics.up > 1e300": "odd", "metrics.down < 0": "odd",
		"metrics.m IS NULL": "none odd", "metrics.m IS NOT NULL": "one",
	} {
		equal(s, filter, s.runNames(modelregistry.Query{Filter: filter}), want)
	}
	for _, order := range []string{"metrics.m", "metrics.m DESC"} {
		for size := 1; size < 4; size++ {
			equal(s, order, s.runNames(modelregistry.Query{OrderBy: []string{order}, PageSize: size}), "one odd none")
		}
	}
}

func runInputs(s *trial) {
	run := s.start(modelregistry.RunSpec{})
	input := modelregistry.RunInput{
		Dataset: &modelregistry.DatasetInput{Name: "iris", Digest: "2023-06", SourceType: "s3", Source: "s3://data/iris", Schema: "{}", Profile: `{"rows":150}`},
		Tags:    modelregistry.MapOf(map[string]string{"mlflow.data.context": "training"}),
	}
	entries := modelregistry.RunEntries{
		Inputs:  []modelregistry.RunInput{input, {ModelID: "m-1"}},
		Outputs: []modelregistry.RunOutput{{ModelID: "m-2", Step: 3}},
	}
	s.log(run, entries)
	s.log(run, entries)
	s.log(run, modelregistry.RunEntries{Inputs: []modelregistry.RunInput{{Dataset: &modelregistry.DatasetInput{Name: "iris", Digest: "2024-01"}}, {ModelID: "m-1"}}})
	got := s.run(run.ID)
	equal(s, "inputs", len(got.Inputs), 3)
	equal(s, "outputs", text(got.Outputs), text(entries.Outputs))
	equal(s, "the first input", text(got.Inputs[0]), text(input))
	g := s.lineage(modelregistry.Node{Kind: modelregistry.TrainingRun, Name: run.ID}, nil)
	equal(s, "edges", len(g.Edges), 2)
	for _, e := range g.Edges {
		equal(s, "edge", e.Type, modelregistry.TrainedOn)
		equal(s, "edge's end", e.To.Name, "iris")
		if e.To.Version == "2023-06" {
			equal(s, "path", e.To.Path, "s3://data/iris")
		}
	}
	for filter, want := range map[string]string{
		"dataset.name = 'iris'": run.Name, "datasets.digest IN ('2024-01')": run.Name, "dataset.context LIKE 'train%'": run.Name, "dataset.name = 'x'": "",
	} {
		equal(s, filter, s.runNames(modelregistry.Query{Filter: filter}), want)
	}
	// Data that a run made and then read again: a cycle, which the lineage leaves out and the run does not.
	made := modelregistry.Node{Kind: modelregistry.Dataset, Name: "made", Version: "1"}
	s.ok(s.r.Link(s.ctx, nil, modelregistry.Edge{From: made, Type: modelregistry.ProducedBy, To: g.Root}))
	s.log(run, modelregistry.RunEntries{Inputs: []modelregistry.RunInput{
		{Dataset: &modelregistry.DatasetInput{Name: "made", Digest: "1"}}, {Dataset: &modelregistry.DatasetInput{Name: "other", Digest: "1"}},
	}})
	equal(s, "inputs", len(s.run(run.ID).Inputs), 5)
	equal(s, "edges up", len(s.lineage(g.Root, &modelregistry.LineageOptions{DownDepth: -1}).Edges), 3)
}

func runVersion(s *trial) {
	run := s.start(modelregistry.RunSpec{})
	s.log(run, modelregistry.RunEntries{Inputs: []modelregistry.RunInput{{Dataset: &modelregistry.DatasetInput{Name: "iris", Digest: "1"}}}})
	v := s.add("m", modelregistry.VersionSpec{RunID: run.ID})
	stranger := s.add("m", modelregistry.VersionSpec{RunID: strings.Repeat("f", 32), ForeignRun: true})
	told := s.add("m", modelregistry.VersionSpec{RunID: run.ID, Lineage: []modelregistry.Origin{
		{Type: modelregistry.ProducedBy, Node: modelregistry.Node{Kind: modelregistry.TrainingRun, Name: run.ID, Path: "https://ci/7"}},
	}})
	for _, v := range []*modelregistry.Version{v, told} {
		g := s.lineage(v.Node(), &modelregistry.LineageOptions{DownDepth: -1})
		var edges []string
		for _, e := range g.Edges {
			edges = append(edges, fmt.Sprintf("%s %s %s", e.From.Kind, e.Type, e.To.Kind))
		}
		equal(s, "edges", strings.Join(edges, ", "), "version produced-by run, run trained-on dataset")
	}
	_, err := s.r.Lineage(s.ctx, stranger.Node(), nil)
	if err == nil {
		equal(s, "edges of a run that is not there", len(s.lineage(stranger.Node(), nil).Edges), 0)
	}
}

func runMistyped(s *trial) {
	run := s.start(modelregistry.RunSpec{})
	mistyped := strings.Repeat("0", 16) + run.ID[16:]
	_, err := s.r.Register(s.ctx, "m", modelregistry.VersionSpec{RunID: mistyped})
	s.fails(err, modelregistry.ErrNotFound, "ForeignRun")
	_, err = s.r.Register(s.ctx, "m", modelregistry.VersionSpec{RunID: run.ID})
	s.ok(err)
}

func runRace(s *trial) {
	const writers, each = 16, 5
	run := s.start(modelregistry.RunSpec{})
	s.ok(errors.Join(together(writers, func(i int) error {
		for n := range each {
			err := s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{
				Metrics: []modelregistry.MetricPoint{{Key: "shared", Value: float64(i), Step: int64(n)}, {Key: fmt.Sprint("own ", i), Value: float64(n), Step: int64(n)}},
				Params:  map[string]string{fmt.Sprintf("p%d.%d", i, n): "x"}, Tags: map[string]string{fmt.Sprintf("t%d.%d", i, n): "x"},
				Inputs: []modelregistry.RunInput{{ModelID: fmt.Sprint("m-", i)}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})...))
	got := s.run(run.ID)
	equal(s, "params", got.Params.Len(), writers*each)
	equal(s, "tags", got.Tags.Len(), writers*each)
	equal(s, "inputs", len(got.Inputs), writers)
	equal(s, "metrics", len(got.Metrics), writers+1)
	equal(s, "newest step", got.Metrics["shared"].Step, each-1)
	equal(s, "points", len(s.values(run, "shared", 1000)), writers*each)
	// Of params that differ one wins.
	s.winner(together(4, func(i int) error {
		return s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{Params: map[string]string{"who": fmt.Sprint(i)}})
	}), modelregistry.ErrInvalid)
}

func runPurge(s *trial) {
	e, err := s.r.CreateExperiment(s.ctx, "purged", modelregistry.ExperimentSpec{})
	s.ok(err)
	var runs []*modelregistry.Run
	for range 4 {
		run := s.start(modelregistry.RunSpec{ExperimentID: e.ID, Params: map[string]string{"p": "1"}})
		points := make([]modelregistry.MetricPoint, 2500)
		for i := range points {
			points[i] = modelregistry.MetricPoint{Key: "m", Value: float64(i), Step: int64(i)}
		}
		s.log(run, modelregistry.RunEntries{Metrics: points})
		s.ok(s.r.LogArtifacts(s.ctx, run.ArtifactPath("model"), tree(map[string]string{"w": "of " + run.ID}), nil))
		runs = append(runs, run)
	}
	v := s.add("m", modelregistry.VersionSpec{Artifacts: runs[1].ArtifactPath("model"), RunID: runs[1].ID})
	_, err = s.r.PurgeRuns(s.ctx, modelregistry.RunPurge{Runs: []string{runs[0].ID}})
	s.fails(err, modelregistry.ErrConflict, "delete it first")
	_, err = s.r.PurgeRuns(s.ctx, modelregistry.RunPurge{Runs: []string{strings.Repeat("0", 32)}})
	s.fails(err, modelregistry.ErrNotFound, "")
	_, err = s.r.PurgeRuns(s.ctx, modelregistry.RunPurge{OlderThan: -1})
	s.fails(err, modelregistry.ErrInvalid, "an age")
	for _, run := range runs[:3] {
		_, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Deleted: ptr(true)})
		s.ok(err)
	}
	purged := func(purge modelregistry.RunPurge) int {
		s.Helper()
		report, err := s.r.PurgeRuns(s.ctx, purge)
		s.ok(err)
		return len(report.Runs)
	}
	equal(s, "runs deleted an hour ago", purged(modelregistry.RunPurge{OlderThan: time.Hour}), 0)
	equal(s, "runs of another experiment", purged(modelregistry.RunPurge{ExperimentID: modelregistry.DefaultExperiment}), 0)
	equal(s, "a dry run", purged(modelregistry.RunPurge{DryRun: true}), 3)
	equal(s, "one run", purged(modelregistry.RunPurge{Runs: []string{runs[0].ID}}), 1)
	equal(s, "the other deleted ones", purged(modelregistry.RunPurge{ExperimentID: e.ID}), 2)
	for _, run := range runs[:3] {
		_, err := s.r.Run(s.ctx, run.ID)
		s.fails(err, modelregistry.ErrNotFound, "")
		_, err = s.r.MetricHistory(s.ctx, run.ID, "m", modelregistry.Query{})
		s.fails(err, modelregistry.ErrNotFound, "")
		_, err = s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Deleted: ptr(false)})
		s.fails(err, modelregistry.ErrNotFound, "")
		if f, err := s.r.OpenArtifact(s.ctx, run.ArtifactPath("model/w")); !errors.Is(err, modelregistry.ErrNotFound) {
			s.Errorf("an artifact of a purged run opens: %v, %v", f, err)
		}
	}
	equal(s, "points of the run that stays", len(s.values(runs[3], "m", 10_000)), 2500)
	equal(s, "runs found", s.runNames(modelregistry.Query{Filter: "params.p = '1' AND experiment_id = '" + e.ID + "'"}), runs[3].Name)
	content, err := fs.ReadFile(s.r.Files(s.ctx, v), "w")
	s.ok(err)
	equal(s, "file of a version made of a purged run", string(content), "of "+runs[1].ID)
	again := s.start(modelregistry.RunSpec{ID: runs[0].ID, ExperimentID: e.ID})
	equal(s, "params of a run that was made anew under a purged ID", again.Params.Len(), 0)
	equal(s, "its points", len(s.values(again, "m", 10)), 0)
}

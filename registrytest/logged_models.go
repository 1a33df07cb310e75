package registrytest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var loggedModelPromises = []promise{
	{"a logged model belongs to an experiment, and its files have a place there", loggedCreated},
	{"a logged model is changed as far as a patch says", loggedChanged},
	{"a logged model that was deleted is gone, until it is restored", loggedDeleted},
	{"a logged model has every point that was logged about it", loggedMetrics},
	{"points about a logged model are logged with all else, or nothing is", loggedTogether},
	{"a filter selects the logged models that meet it", loggedSearch},
	{"logged models are in order, page by page", loggedOrder},
	{"logged models are in order of what was measured on one data set", loggedDataOrder},
	{"a logged model that is none is refused", loggedMistakes},
	{"a call about logged models whose context has ended answers that", loggedContext},
}

func (s *trial) logged(spec modelregistry.LoggedModelSpec) *modelregistry.LoggedModel {
	s.Helper()
	m, err := s.r.CreateLoggedModel(s.ctx, spec)
	s.ok(err)
	return m
}

// sameLogged compares what the registry has of a logged model with m.
func (s *trial) sameLogged(m *modelregistry.LoggedModel) {
	s.Helper()
	now, err := s.r.LoggedModel(s.ctx, m.ID)
	s.ok(err)
	equal(s, "logged model", text(now), text(m))
}

func loggedCreated(s *trial) {
	e, err := s.r.CreateExperiment(s.ctx, "iris", modelregistry.ExperimentSpec{Artifacts: "teams/iris"})
	s.ok(err)
	run, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{ExperimentID: e.ID})
	s.ok(err)
	m := s.logged(modelregistry.LoggedModelSpec{
		RunID: run.ID, Name: "a model", Type: "Agent", Tags: map[string]string{"k": "v"}, Params: map[string]string{"depth": "3"},
	})
	s.sameLogged(m)
	if id := strings.TrimPrefix(m.ID, "m-"); len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		s.Fatalf("ID %q is not m- and 32 hexadecimal digits", m.ID)
	}
	equal(s, "experiment", m.ExperimentID, e.ID)
	equal(s, "run", m.RunID, run.ID)
	equal(s, "name", m.Name, "a model")
	equal(s, "type", m.Type, "Agent")
	equal(s, "status", m.Status, modelregistry.LoggedModelPending)
	equal(s, "tags", m.Tags.String(), "k=v")
	equal(s, "params", m.Params.String(), "depth=3")
	equal(s, "artifacts", m.Artifacts, "teams/iris/models/"+m.ID+"/artifacts")

	bare := s.logged(modelregistry.LoggedModelSpec{})
	equal(s, "experiment", bare.ExperimentID, modelregistry.DefaultExperiment)
	equal(s, "run", bare.RunID, "")
	if bare.Name == "" {
		s.Fatal("a logged model without a name")
	}
	elsewhere := s.logged(modelregistry.LoggedModelSpec{ExperimentID: e.ID, RunID: "of another registry"})
	equal(s, "run", elsewhere.RunID, "of another registry")

	_, err = s.r.UpdateExperiment(s.ctx, e.ID, modelregistry.ExperimentPatch{Deleted: ptr(true)})
	s.ok(err)
	_, err = s.r.CreateLoggedModel(s.ctx, modelregistry.LoggedModelSpec{ExperimentID: e.ID})
	s.fails(err, modelregistry.ErrConflict, "deleted")
	_, err = s.r.CreateLoggedModel(s.ctx, modelregistry.LoggedModelSpec{ExperimentID: "4711"})
	s.fails(err, modelregistry.ErrNotFound, "4711")
	_, err = s.r.CreateLoggedModel(s.ctx, modelregistry.LoggedModelSpec{RunID: "nothing"})
	s.fails(err, modelregistry.ErrNotFound, "nothing")
	s.sameLogged(m)
}

func loggedChanged(s *trial) {
	m := s.logged(modelregistry.LoggedModelSpec{Tags: map[string]string{"a": "1", "b": "2"}, Params: map[string]string{"p": "1"}})
	for _, c := range []struct {
		patch modelregistry.LoggedModelPatch
		want  func()
	}{
		{modelregistry.LoggedModelPatch{}, func() {}},
		{modelregistry.LoggedModelPatch{Status: ptr(modelregistry.LoggedModelReady)}, func() { m.Status = modelregistry.LoggedModelReady }},
		{modelregistry.LoggedModelPatch{Status: ptr(modelregistry.LoggedModelFailed), StatusMessage: ptr("full")}, func() {
			m.Status, m.StatusMessage = modelregistry.LoggedModelFailed, "full"
		}},
		{modelregistry.LoggedModelPatch{SetTags: map[string]string{"b": "3", "c": ""}, DeleteTags: []string{"a", "none"}}, func() {
			m.Tags = modelregistry.MapOf(map[string]string{"b": "3", "c": ""})
		}},
		{modelregistry.LoggedModelPatch{Params: map[string]string{"p": "1", "q": "2"}}, func() {
			m.Params = modelregistry.MapOf(map[string]string{"p": "1", "q": "2"})
		}},
	} {
		changed, err := s.r.UpdateLoggedModel(s.ctx, m.ID, c.patch)
		s.ok(err)
		if !changed.Updated.After(m.Updated) {
			s.Fatalf("updated %v, before %v", changed.Updated, m.Updated)
		}
		m.Updated = changed.Updated
		c.want()
		equal(s, "logged model after the change", text(changed), text(m))
		s.sameLogged(m)
	}
	_, err := s.r.UpdateLoggedModel(s.ctx, m.ID, modelregistry.LoggedModelPatch{
		Params: map[string]string{"p": "2"}, SetTags: map[string]string{"b": "4"},
	})
	s.fails(err, modelregistry.ErrInvalid, "never changes")
	s.sameLogged(m)
}

func loggedDeleted(s *trial) {
	m := s.logged(modelregistry.LoggedModelSpec{Name: "m"})
	deleted, err := s.r.UpdateLoggedModel(s.ctx, m.ID, modelregistry.LoggedModelPatch{Deleted: ptr(true)})
	s.ok(err)
	equal(s, "deleted", deleted.Deleted, true)
	for _, id := range []string{m.ID, "m-nothing"} {
		_, err = s.r.LoggedModel(s.ctx, id)
		s.fails(err, modelregistry.ErrNotFound, id)
		_, err = s.r.UpdateLoggedModel(s.ctx, id, modelregistry.LoggedModelPatch{SetTags: map[string]string{"a": "b"}})
		s.fails(err, modelregistry.ErrNotFound, id)
		_, err = s.r.UpdateLoggedModel(s.ctx, id, modelregistry.LoggedModelPatch{Deleted: ptr(true)})
		s.fails(err, modelregistry.ErrNotFound, id)
	}
	equal(s, "deleted ones", s.loggedNames(modelregistry.Query{Filter: "lifecycle_stage = 'deleted'"}), "m")
	equal(s, "active ones", s.loggedNames(modelregistry.Query{Filter: "lifecycle_stage = 'active'"}), "")
	restored, err := s.r.UpdateLoggedModel(s.ctx, m.ID, modelregistry.LoggedModelPatch{Deleted: ptr(false), SetTags: map[string]string{"a": "b"}})
	s.ok(err)
	equal(s, "deleted", restored.Deleted, false)
	equal(s, "tags", restored.Tags.String(), "a=b")
	s.sameLogged(restored)
	equal(s, "active ones", s.loggedNames(modelregistry.Query{Filter: "lifecycle_stage = 'active'"}), "m")
}

// points are a logged model's metrics as text: "acc=0.9#2".
func points(m *modelregistry.LoggedModel) string {
	var out []string
	for _, p := range m.Metrics {
		about := p.DatasetName
		if about != "" {
			about = "(" + about + " " + p.DatasetDigest + ")"
		}
		out = append(out, fmt.Sprintf("%s%s=%v#%d", p.Key, about, p.Value, p.Step))
	}
	return strings.Join(out, " ")
}

func loggedMetrics(s *trial) {
	m, other := s.logged(modelregistry.LoggedModelSpec{Name: "m"}), s.logged(modelregistry.LoggedModelSpec{Name: "other"})
	var runs [2]*modelregistry.Run
	for i := range runs {
		var err error
		runs[i], err = s.r.StartRun(s.ctx, modelregistry.RunSpec{})
		s.ok(err)
	}
	log := func(run int, entries ...modelregistry.MetricPoint) {
		s.Helper()
		s.ok(s.r.LogRun(s.ctx, runs[run].ID, modelregistry.RunEntries{Metrics: entries}))
	}
	at := func(second int) time.Time { return epoch.Add(time.Duration(second) * time.Second) }
	log(0,
		modelregistry.MetricPoint{Key: "loss", Value: 3, Step: 1, Time: at(9), ModelID: m.ID},
		modelregistry.MetricPoint{Key: "acc", Value: 0.8, Step: 1, Time: at(1), ModelID: m.ID},
		modelregistry.MetricPoint{Key: "acc", Value: 0.9, Step: 2, Time: at(0), ModelID: m.ID},
		modelregistry.MetricPoint{Key: "acc", Value: 0.1, Step: 3, Time: at(2), ModelID: other.ID},
		modelregistry.MetricPoint{Key: "acc", Value: 1, Step: 9, Time: at(3)}, // about no model
	)
	log(1,
		modelregistry.MetricPoint{Key: "acc", Value: 0.7, Step: 1, Time: at(8), ModelID: m.ID}, // older
		modelregistry.MetricPoint{Key: "loss", Value: 2, Step: 1, Time: at(10), ModelID: m.ID},
		modelregistry.MetricPoint{Key: "acc", Value: 0.5, Step: 1, Time: at(1), ModelID: m.ID, DatasetName: "test", DatasetDigest: "d2"},
		modelregistry.MetricPoint{Key: "acc", Value: 0.6, Step: 1, Time: at(1), ModelID: m.ID, DatasetName: "test", DatasetDigest: "d1"},
		modelregistry.MetricPoint{Key: "up", Value: math.Inf(1), Time: at(1), ModelID: m.ID},
		modelregistry.MetricPoint{Key: "void", Value: math.NaN(), Time: at(1), ModelID: m.ID},
	)
	now, err := s.r.LoggedModel(s.ctx, m.ID)
	s.ok(err)
	equal(s, "metrics", points(now),
		"acc=0.9#2 acc=0.8#1 acc=0.7#1 acc(test d1)=0.6#1 acc(test d2)=0.5#1 loss=3#1 loss=2#1 up=+Inf#0 void=NaN#0")
	equal(s, "run of a point", now.Metrics[0].RunID, runs[0].ID)
	equal(s, "run of a point", now.Metrics[6].RunID, runs[1].ID)
	equal(s, "time of a point", now.Metrics[6].Time, at(10))
	equal(s, "model of a point", now.Metrics[6].ModelID, m.ID)
	equal(s, "time of the last change, which a point is not", now.Updated, m.Updated)
	log(1, modelregistry.MetricPoint{Key: "loss", Value: 2, Step: 1, Time: at(10), ModelID: m.ID}) // once more
	s.sameLogged(now)
	also, err := s.r.LoggedModel(s.ctx, other.ID)
	s.ok(err)
	equal(s, "metrics of the other", points(also), "acc=0.1#3")
	for filter, want := range map[string]string{
		"metrics.acc > 0.8":                      "m",
		"metrics.acc = 0.8":                      "m", // once
		"metrics.loss > 2":                       "m",
		"metrics.loss = 3 AND metrics.acc = 0.7": "m",
		"metrics.acc < 0.8":                      "other m", // on some data
		"metrics.up > 1":                         "m",
		"metrics.void IS NOT NULL":               "",
		"metrics.void > 0":                       "",
		"metrics.loss IS NULL":                   "other",
		"NOT metrics.acc = 0.9":                  "other m",
		"NOT metrics.loss IN (2, 3)":             "",
		"metrics.acc IN (0.9, 0.1)":              "other m",
	} {
		equal(s, filter, s.loggedNames(modelregistry.Query{Filter: filter}), want)
	}
	on := func(name, digest string) modelregistry.MetricDataset {
		return modelregistry.MetricDataset{Name: name, Digest: digest}
	}
	for _, c := range []struct {
		filter string
		on     []modelregistry.MetricDataset
		want   string
	}{
		{"metrics.acc > 0.8", []modelregistry.MetricDataset{on("test", "")}, ""}, // 0.9 is on no data
		{"metrics.acc > 0.55", []modelregistry.MetricDataset{on("test", "")}, "m"},
		{"metrics.acc > 0.55", []modelregistry.MetricDataset{on("test", "d2")}, ""},
		{"metrics.acc > 0.55", []modelregistry.MetricDataset{on("test", "d2"), on("test", "d1")}, "m"},
		{"metrics.acc < 0.55", []modelregistry.MetricDataset{on("test", "d2")}, "m"},
		{"metrics.loss > 0", []modelregistry.MetricDataset{on("test", "")}, ""},
		{"", []modelregistry.MetricDataset{on("test", "d1")}, "m"},
		{"name LIKE '%'", []modelregistry.MetricDataset{on("none", "")}, ""},
	} {
		for _, size := range []int{1, 50} {
			got := s.loggedNames(modelregistry.Query{Filter: c.filter, Datasets: c.on, PageSize: size})
			equal(s, fmt.Sprintf("%s on %v", c.filter, c.on), got, c.want)
		}
	}
}

// loggedDataOrder orders by what was measured on one data set.
func loggedDataOrder(s *trial) {
	run, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{})
	s.ok(err)
	var all []modelregistry.MetricPoint
	add := func(m *modelregistry.LoggedModel, value float64, second int, name, digest string) {
		all = append(all, modelregistry.MetricPoint{Key: "my acc", Value: value, Step: int64(10 - second),
			Time: epoch.Add(time.Duration(second) * time.Second), ModelID: m.ID, DatasetName: name, DatasetDigest: digest})
	}
	a, b, c := s.logged(modelregistry.LoggedModelSpec{Name: "a"}), s.logged(modelregistry.LoggedModelSpec{Name: "b"}), s.logged(modelregistry.LoggedModelSpec{Name: "c"})
	s.logged(modelregistry.LoggedModelSpec{Name: "none"})
	add(a, 0.9, 1, "test", "d1")
	add(a, 0.1, 2, "test", "d2")
	add(a, 0.3, 3, "it's", "d1")
	add(b, 0.5, 1, "test", "d1")
	add(b, 0.2, 2, "test", "d1") // newer, though of a lower step
	add(b, 0.4, 4, "", "")
	add(c, 0.7, 1, "test", "d2")
	s.ok(s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{Metrics: all}))
	for order, want := range map[string]string{
		"metrics.`my acc` DESC":                 "c b a none",
		"metrics.`my acc` ON 'test'":            "a b c none",
		"metrics.`my acc` ON 'test' DESC":       "c b a none",
		"metrics.`my acc` ON 'test' 'd1' DESC":  "a b none c",
		"metrics.`my acc` ON 'test' 'd1' ASC":   "b a none c",
		"metrics.`my acc` ON 'test' 'd2' DESC":  "c a none b",
		"metrics.`my acc` ON '' 'd1' DESC":      "a b none c",
		"metrics.`my acc` ON 'it''s' 'd1' DESC": "a none c b",
		"metrics.`my acc` ON 'else'":            "none c b a",
	} {
		for _, size := range []int{1, 50} {
			if got := s.loggedNames(modelregistry.Query{OrderBy: []string{order}, PageSize: size}); got != want {
				s.Errorf("%s, %d a page: %q; want %q", order, size, got, want)
			}
		}
	}
}

func loggedTogether(s *trial) {
	m := s.logged(modelregistry.LoggedModelSpec{})
	gone := s.logged(modelregistry.LoggedModelSpec{})
	_, err := s.r.UpdateLoggedModel(s.ctx, gone.ID, modelregistry.LoggedModelPatch{Deleted: ptr(true)})
	s.ok(err)
	run, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{})
	s.ok(err)
	for _, id := range []string{"m-nothing", gone.ID} {
		err = s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{
			Params: map[string]string{"p": "1"},
			Metrics: []modelregistry.MetricPoint{
				{Key: "acc", Value: 1, ModelID: m.ID}, {Key: "acc", Value: 1, ModelID: id},
			},
		})
		s.fails(err, modelregistry.ErrNotFound, id)
	}
	s.sameLogged(m)
	now, err := s.r.Run(s.ctx, run.ID)
	s.ok(err)
	equal(s, "run", text(now), text(run))

	const n = 8 // at once, and none is lost
	errs := together(n, func(i int) error {
		if i%2 == 0 {
			_, err := s.r.UpdateLoggedModel(s.ctx, m.ID, modelregistry.LoggedModelPatch{SetTags: map[string]string{fmt.Sprint(i): ""}})
			return err
		}
		return s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: fmt.Sprint("k", i), ModelID: m.ID}}})
	})
	for _, err := range errs {
		s.ok(err)
	}
	m, err = s.r.LoggedModel(s.ctx, m.ID)
	s.ok(err)
	equal(s, "tags", m.Tags.Len(), n/2)
	equal(s, "metrics", len(m.Metrics), n/2)
}

func loggedMistakes(s *trial) {
	m := s.logged(modelregistry.LoggedModelSpec{})
	var mistakes []mistake
	for _, name := range []string{" ", "a/b", "a:b", "a.b", "50%", `"a"`, "a'", "a\x00", "\xff", strings.Repeat("x", 501), strings.Repeat("漢", 342)} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("name %.10q", name), func() error {
			_, err := s.r.CreateLoggedModel(s.ctx, modelregistry.LoggedModelSpec{Name: name})
			return err
		}, modelregistry.ErrInvalid, "name"})
	}
	for name, spec := range map[string]modelregistry.LoggedModelSpec{
		"a long type":        {Type: strings.Repeat("x", 501)},
		"a bad run":          {RunID: "a\x00"},
		"a long run":         {RunID: strings.Repeat("x", 251)},
		"a bad experiment":   {ExperimentID: "iris"},
		"a tag without name": {Tags: map[string]string{"": "x"}},
		"a long tag":         {Tags: map[string]string{"k": strings.Repeat("x", 100_001)}},
		"a long param":       {Params: map[string]string{"k": strings.Repeat("x", 6001)}},
	} {
		mistakes = append(mistakes, mistake{name, func() error {
			_, err := s.r.CreateLoggedModel(s.ctx, spec)
			return err
		}, modelregistry.ErrInvalid, ""})
	}
	for name, patch := range map[string]modelregistry.LoggedModelPatch{
		"a status that is none": {Status: ptr(modelregistry.LoggedModelStatus("ready"))},
		"a long message":        {StatusMessage: ptr(strings.Repeat("x", 1001))},
		"a bad tag":             {SetTags: map[string]string{"..": "x"}},
		"a bad param":           {Params: map[string]string{"a\x00": "x"}},
	} {
		mistakes = append(mistakes, mistake{"change: " + name, func() error {
			_, err := s.r.UpdateLoggedModel(s.ctx, m.ID, patch)
			return err
		}, modelregistry.ErrInvalid, ""})
	}
	for _, id := range []string{"", "a\x00", strings.Repeat("x", 100_000)} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("ID %.10q", id), func() error {
			_, err := s.r.LoggedModel(s.ctx, id)
			return err
		}, modelregistry.ErrInvalid, ""}, mistake{fmt.Sprintf("change of ID %.10q", id), func() error {
			_, err := s.r.UpdateLoggedModel(s.ctx, id, modelregistry.LoggedModelPatch{})
			return err
		}, modelregistry.ErrInvalid, ""})
	}
	for _, q := range []modelregistry.Query{
		{Filter: "nothing = 'x'"}, {Filter: "name > 'x'"}, {Filter: "metrics.acc = 'x'"}, {OrderBy: []string{"nothing"}}, {PageSize: -1},
		{OrderBy: []string{"metrics.acc ON"}}, {OrderBy: []string{"metrics.acc ON ''"}}, {OrderBy: []string{"name ON 'test'"}},
		{PageToken: "x"},
	} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("search by %+v", q), func() error {
			_, err := s.r.SearchLoggedModels(s.ctx, q)
			return err
		}, modelregistry.ErrInvalid, ""})
	}
	s.refused(mistakes)
	s.sameLogged(m)
}

func loggedContext(s *trial) {
	m := s.logged(modelregistry.LoggedModelSpec{})
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, call := range map[string]func() error{
		"CreateLoggedModel":  func() error { _, err := s.r.CreateLoggedModel(ctx, modelregistry.LoggedModelSpec{}); return err },
		"LoggedModel":        func() error { _, err := s.r.LoggedModel(ctx, m.ID); return err },
		"UpdateLoggedModel":  func() error { _, err := s.r.UpdateLoggedModel(ctx, m.ID, modelregistry.LoggedModelPatch{}); return err },
		"SearchLoggedModels": func() error { _, err := s.r.SearchLoggedModels(ctx, modelregistry.Query{}); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	s.sameLogged(m)
}

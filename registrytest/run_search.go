package registrytest

import (
	"fmt"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// runNames are the names of the runs that a query finds, in order.
func (s *trial) runNames(q modelregistry.Query) string {
	s.Helper()
	runs, err := collect(s.r.Runs(s.ctx, q))
	s.ok(err)
	var found []string
	for _, run := range runs {
		found = append(found, run.Name)
	}
	return strings.Join(found, " ")
}

// laps starts runs to search, one a second: a, b and c in one experiment and d in another.
func laps(s *trial) (one, other string) {
	s.Helper()
	s.clock.set(epoch, time.Millisecond)
	for i, spec := range []modelregistry.RunSpec{
		{Experiment: "one", Name: "a", User: "ann", Params: map[string]string{"lr": "0.1", "opt": "adam"}, Tags: map[string]string{"team": "risk"}},
		{Experiment: "one", Name: "b", User: "bob", Params: map[string]string{"lr": "0.01"}, Tags: map[string]string{"team": "ads"}, Status: modelregistry.RunScheduled},
		{Experiment: "one", Name: "c", User: "ann", Params: map[string]string{"opt": "sgd"}},
		{Experiment: "other", Name: "d", User: "ann"},
	} {
		spec.Started = epoch.Add(time.Duration(i) * time.Second)
		run := s.start(spec)
		one, other = map[bool]string{true: one, false: run.ExperimentID}[i == 3], run.ExperimentID
		if i != 1 {
			s.log(run, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "acc", Value: []float64{0.9, 0, 0.7, 0.8}[i]}}})
		}
		if i == 0 || i == 2 {
			_, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Status: ptr(modelregistry.RunFinished), Ended: ptr(epoch.Add(time.Duration(100-i) * time.Second))})
			s.ok(err)
		}
		if i == 2 {
			_, err := s.r.UpdateRun(s.ctx, run.ID, modelregistry.RunPatch{Deleted: ptr(true)})
			s.ok(err)
		}
	}
	return one, other
}

func runSearch(s *trial) {
	one, other := laps(s)
	a, err := collect(s.r.Runs(s.ctx, modelregistry.Query{Filter: "run_name = 'a'"}))
	s.ok(err)
	for filter, want := range map[string]string{
		"":                                                                 "d c b a",
		"experiment_id = '" + one + "'":                                    "c b a",
		"run_id = '" + a[0].ID + "'":                                       "a",
		"attributes.run_id IN ('x')":                                       "",
		"run_name LIKE '%'":                                                "d c b a",
		"attributes.`Run name` = 'a'":                                      "a",
		"`run name` != 'a'":                                                "d c b",
		"attr.status = 'FINISHED'":                                         "c a",
		"run.status != 'FINISHED'":                                         "d b",
		"user_id = 'ann'":                                                  "d c a",
		"lifecycle_stage = 'deleted'":                                      "c",
		"artifact_uri LIKE '%/artifacts'":                                  "d c b a",
		fmt.Sprintf("start_time > %d", epoch.UnixMilli()):                  "d c b",
		fmt.Sprintf("Created <= %d", epoch.UnixMilli()+1000):               "b a",
		fmt.Sprintf("end_time < %d", epoch.UnixMilli()+100_000):            "c",
		fmt.Sprintf("end_time != %d", epoch.UnixMilli()+100_000):           "c",
		fmt.Sprintf("NOT end_time >= %d", epoch.UnixMilli()+100_000):       "c",
		fmt.Sprintf("attributes.end_time = %d", epoch.UnixMilli()+100_000): "a",
		"end_time IS NULL":                                                 "d b",
		"end_time IS NOT NULL":                                             "c a",
		"metrics.acc >= 0.8":                                               "d a",
		"metrics.acc IS NULL":                                              "b",
		"params.lr = '0.1'":                                                "a",
		"parameters.lr < 0.1":                                              "b",
		"param.opt LIKE '%a%'":                                             "a",
		"params.opt IS NULL":                                               "d b",
		"tags.team != 'risk'":                                              "b",
		"tag.`team` ILIKE 'RISK'":                                          "a",
		"metrics.acc > 0 AND params.lr IS NULL":                            "d c",
		"(metrics.acc > 0.85 OR user_id = 'bob') AND lifecycle_stage = 'active' AND experiment_id IN ('" + one + "', '" + other + "')": "b a",
	} {
		for _, size := range []int{1, 100} {
			if got := s.runNames(modelregistry.Query{Filter: filter, PageSize: size}); got != want {
				s.Errorf("%s: %q; want %q", filter, got, want)
			}
		}
	}
	for filter, hint := range map[string]string{
		"color = 'red'": "no attribute", "metrics.acc > 'x'": "number", "start_time > 'x'": "milliseconds", "dataset.x = 'y'": "no attribute", "alias.x = 'y'": "knows attribute",
	} {
		_, err := s.r.SearchRuns(s.ctx, modelregistry.Query{Filter: filter})
		s.fails(err, modelregistry.ErrInvalid, hint)
	}
}

func runOrder(s *trial) {
	laps(s)
	for order, want := range map[string]string{
		"":                              "d c b a",
		"start_time ASC":                "a b c d",
		"attributes.start_time DESC":    "d c b a",
		"run_name":                      "a b c d",
		"end_time":                      "c a d b",
		"attribute.end_time DESC":       "a c d b",
		"metrics.acc DESC":              "a d c b",
		"metrics.`acc`":                 "c d a b",
		"params.lr":                     "b a d c",
		"params.lr DESC":                "a b d c",
		"tags.team":                     "b a d c",
		"user_id; metrics.acc":          "c d a b",
		"status; run_name DESC":         "c a d b",
		"lifecycle_stage DESC; Created": "c a b d",
		"user_id DESC; params.opt DESC; run_name": "b c a d",
	} {
		q := modelregistry.Query{}
		if order != "" {
			q.OrderBy = strings.Split(order, "; ")
		}
		for q.PageSize = 1; q.PageSize < 6; q.PageSize += 2 {
			if got := s.runNames(q); got != want {
				s.Errorf("%s: %q; want %q", order, got, want)
			}
		}
	}
	_, err := s.r.SearchRuns(s.ctx, modelregistry.Query{OrderBy: []string{"dataset.name"}})
	s.fails(err, modelregistry.ErrInvalid, "runs are ordered by run_id")
}

func runPages(s *trial) {
	for i := range 25 {
		s.start(modelregistry.RunSpec{Name: fmt.Sprintf("r%02d", i), Started: epoch.Add(time.Duration(i/5) * time.Second), Tags: map[string]string{"odd": fmt.Sprint(i % 2)}})
	}
	for _, q := range []modelregistry.Query{
		{}, {Filter: "tags.odd = '1' AND experiment_id = '0'"}, {OrderBy: []string{"run_id DESC"}}, {OrderBy: []string{"tags.odd DESC"}},
		{Filter: "run_name LIKE '%1%'", OrderBy: []string{"start_time"}},
	} {
		q.PageSize = 1000
		whole, err := s.r.SearchRuns(s.ctx, q)
		s.ok(err)
		for _, size := range []int{1, 4} {
			q.PageSize = size
			all, err := collect(s.r.Runs(s.ctx, q))
			s.ok(err)
			if text(all) != text(whole.Runs) {
				s.Fatalf("%+v: %d in pages, %d at once, or in another order", q, len(all), len(whole.Runs))
			}
		}
	}
}

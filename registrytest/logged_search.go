package registrytest

import (
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// loggedNames are the names of the logged models that a query finds, in order.
func (s *trial) loggedNames(q modelregistry.Query) string {
	s.Helper()
	var names []string
	for {
		page, err := s.r.SearchLoggedModels(s.ctx, q)
		s.ok(err)
		for _, m := range page.Models {
			names = append(names, m.Name)
			if !m.Deleted {
				s.sameLogged(m)
			}
		}
		if q.PageToken = page.Next; q.PageToken == "" {
			return strings.Join(names, " ")
		}
	}
}

// loggedShelf logs models to search: a, b and c.
func loggedShelf(s *trial) (a *modelregistry.LoggedModel, e *modelregistry.Experiment) {
	s.Helper()
	e, err := s.r.CreateExperiment(s.ctx, "other", modelregistry.ExperimentSpec{})
	s.ok(err)
	a = s.logged(modelregistry.LoggedModelSpec{Name: "a", Type: "Agent", Params: map[string]string{"depth": "9"}, Tags: map[string]string{"team": "risk"}})
	b := s.logged(modelregistry.LoggedModelSpec{Name: "b", ExperimentID: e.ID, RunID: "r1", Params: map[string]string{"depth": "10"}})
	c := s.logged(modelregistry.LoggedModelSpec{Name: "c", RunID: "r2", ExperimentID: e.ID, Tags: map[string]string{"team": "ads", "old": ""}})
	_, err = s.r.UpdateLoggedModel(s.ctx, b.ID, modelregistry.LoggedModelPatch{Status: ptr(modelregistry.LoggedModelReady)})
	s.ok(err)
	run, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{})
	s.ok(err)
	for _, p := range []modelregistry.MetricPoint{{Key: "acc", Value: 0.9, ModelID: a.ID}, {Key: "acc", Value: 0.8, ModelID: c.ID}} {
		s.ok(s.r.LogRun(s.ctx, run.ID, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{p}}))
	}
	return a, e
}

func loggedSearch(s *trial) {
	a, e := loggedShelf(s)
	for filter, want := range map[string]string{
		"":                                  "c b a",
		"name = 'a'":                        "a",
		"attributes.name != 'a'":            "c b",
		"name LIKE '%' AND name ILIKE 'B'":  "b",
		"model_id = '" + a.ID + "'":         "a",
		"model_id IN ('x', '" + a.ID + "')": "a",
		"model_type = 'Agent'":              "a",
		"model_type IS NULL":                "c b",
		"status = 'READY'":                  "b",
		"status != 'READY'":                 "c a",
		"source_run_id = 'r1'":              "b",
		"source_run_id IS NOT NULL":         "c b",
		"experiment_id = '" + e.ID + "'":    "c b",
		"experiment_id IN ('0', '" + e.ID + "') AND name = 'c'": "c",
		"creation_timestamp > 0":                                "c b a",
		"creation_time < '2031-05-31T09:00:00Z'":                "",
		"creation_timestamp_ms >= 1 AND name = 'b'":             "b",
		"last_updated_timestamp > '2031-06-01'":                 "",
		"lifecycle_stage = 'active'":                            "c b a",
		"tags.team = 'risk'":                                    "a",
		"tags.team != 'risk'":                                   "c",
		"tags.`old` = ''":                                       "c",
		"params.depth = '9'":                                    "a",
		"params.depth > 9":                                      "b",
		"metrics.acc >= 0.8":                                    "c a",
		"metrics.acc > 0.8 OR name = 'b'":                       "b a",
		"NOT (name = 'a' OR tags.team = 'ads')":                 "",
		"NOT (name = 'a' OR source_run_id = 'r2')":              "b",
	} {
		for _, size := range []int{1, 100} {
			if got := s.loggedNames(modelregistry.Query{Filter: filter, PageSize: size}); got != want {
				s.Errorf("%s, %d a page: %q; want %q", filter, size, got, want)
			}
		}
	}
}

func loggedOrder(s *trial) {
	loggedShelf(s)
	for order, want := range map[string]string{
		"":                           "c b a",
		"creation_timestamp":         "a b c",
		"creation_time DESC":         "c b a",
		"name ASC":                   "a b c",
		"name DESC":                  "c b a",
		"last_updated_timestamp ASC": "a c b",
		"source_run_id DESC":         "c b a",
		"metrics.acc DESC":           "a c b",
		"metrics.acc ASC":            "c a b",
		"metrics.`acc`":              "c a b",
		"params.depth":               "b a c",
		"tags.team DESC":             "a c b",
		"status, name DESC":          "c a b",
		"experiment_id, name":        "a b c",
	} {
		q := modelregistry.Query{PageSize: 2}
		if order != "" {
			q.OrderBy = strings.Split(order, ", ")
		}
		if got := s.loggedNames(q); got != want {
			s.Errorf("%s: %q; want %q", order, got, want)
		}
	}
	// What comes between two pages makes nothing appear twice or not at all.
	page, err := s.r.SearchLoggedModels(s.ctx, modelregistry.Query{PageSize: 1})
	s.ok(err)
	s.logged(modelregistry.LoggedModelSpec{Name: "d"})
	equal(s, "the rest", s.loggedNames(modelregistry.Query{PageSize: 1, PageToken: page.Next}), "b a")
}

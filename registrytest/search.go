package registrytest

import (
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

var searchPromises = []promise{
	{"a filter selects the versions that meet it", searchVersions},
	{"a filter selects the models that meet it", searchModels},
	{"an order is kept, with ties decided", searchOrder},
	{"pages give everything once, in order", searchPages},
	{"pages of a search that looks through everything give what it selects once", searchPagesOr},
	{"rows that come and go between two pages move no other", searchWhileWriting},
	{"MLflow's own filters mean what they mean there", searchMLflow},
}

// shelf registers versions to search: of a and b, by metrics, params, tags, stages and aliases.
func shelf(s *trial) {
	s.Helper()
	s.add("a", s.able(modelregistry.VersionSpec{Tags: map[string]string{"team": "risk", "risk class": "high"}, Params: map[string]string{"depth": "9"}, Metrics: map[string]float64{"acc": 0.9}, Semver: "1.0.0", RunID: "r1", Aliases: []string{"champion"}, Description: "the First"}))
	s.add("a", s.able(modelregistry.VersionSpec{Tags: map[string]string{"team": "ads"}, Params: map[string]string{"depth": "10"}, Metrics: map[string]float64{"acc": 0.95}, Semver: "1.10.0", RunID: "r2"}))
	s.add("a", s.able(modelregistry.VersionSpec{Tags: map[string]string{"team": "Risk 2"}, Metrics: map[string]float64{"acc": -1, "loss": 3}, RunID: "r3", Source: "s3://x/y"}))
	s.add("b", s.able(modelregistry.VersionSpec{Tags: map[string]string{"team": ""}, Params: map[string]string{"depth": "many"}, Semver: "1.9.0", Aliases: []string{"champion", "blue"}}))
	s.register("b", 1)
	s.promote("a", 2, production)
	s.promote("a", 1, staging)
	s.promote("b", 1, production)
}

// refs are the versions that a query finds, in order: "a/1 b/2".
func (s *trial) refs(q modelregistry.Query) string {
	s.Helper()
	versions, err := collect(s.r.Versions(s.ctx, q))
	s.ok(err)
	var found []string
	for _, v := range versions {
		found = append(found, v.Ref())
	}
	return strings.Join(found, " ")
}

func (s *trial) modelNames(q modelregistry.Query) string {
	s.Helper()
	models, err := collect(s.r.Models(s.ctx, q))
	s.ok(err)
	var found []string
	for _, m := range models {
		found = append(found, m.Name)
	}
	return strings.Join(found, " ")
}

// asks says whether a filter or an order asks only for what the registry can keep.
func (s *trial) asks(words string) bool {
	for word, feature := range map[string]string{"params.": "Params", "metrics.": "Params", "semver": "Semver"} {
		if strings.Contains(words, word) && !s.can(feature) {
			return false
		}
	}
	return true
}

func searchVersions(s *trial) {
	shelf(s)
	for filter, want := range map[string]string{
		"":                             "a/3 a/2 a/1 b/2 b/1",
		"name = 'a'":                   "a/3 a/2 a/1",
		"name = 'A'":                   "",
		"stage = 'Production'":         "a/2 b/1",
		"stage = 'production'":         "a/2 b/1",
		"stage = 'None'":               "a/3 b/2",
		"stage != 'Production'":        "a/3 a/1 b/2",
		"stage IN ('Staging', 'None')": "a/3 a/1 b/2",
		"alias = 'champion'":           "a/1 b/1",
		"alias = 'champion' AND stage = 'Production'": "b/1",
		"alias IS NULL":                      "a/3 a/2 b/2",
		"version_number > 1":                 "a/3 a/2 b/2",
		"version_number IN (1, 3)":           "a/3 a/1 b/1",
		"tags.team = 'risk'":                 "a/1",
		"tags.team LIKE 'ri%'":               "a/1",
		"tags.team ILIKE 'ri%'":              "a/3 a/1",
		"tags.team != 'risk'":                "a/3 a/2 b/1",
		"tags.team IS NULL":                  "b/2",
		"tags.team IS NOT NULL":              "a/3 a/2 a/1 b/1",
		"tags.`risk class` = 'high'":         "a/1",
		"params.depth > 9":                   "a/2",
		"params.depth <= 10":                 "a/2 a/1",
		"params.depth = '10'":                "a/2",
		"params.depth = 'many'":              "b/1",
		"metrics.acc >= 0.9":                 "a/2 a/1",
		"metrics.acc < 0":                    "a/3",
		"metrics.acc = 0.95":                 "a/2",
		"metrics.loss IS NOT NULL":           "a/3",
		"semver >= '1.9.0'":                  "a/2 b/1",
		"semver < '1.10.0'":                  "a/1 b/1",
		"semver IS NULL":                     "a/3 b/2",
		"run_id = 'r2'":                      "a/2",
		"run_id IN ('r1', 'r3', 'none')":     "a/3 a/1",
		"source_path LIKE 's3://%'":          "a/3",
		"description ILIKE '%first%'":        "a/1",
		"description LIKE '%first%'":         "",
		"user_id = 'ada' AND name = 'b'":     "b/2 b/1",
		"name = 'b' OR metrics.acc > 0.92":   "a/2 b/2 b/1",
		"NOT name = 'a'":                     "b/2 b/1",
		"NOT (name = 'a' OR alias = 'blue')": "b/2",
		"(name = 'a' OR name = 'b') AND NOT (stage = 'None' OR alias IS NULL)": "a/1 b/1",
		"creation_timestamp > 0":                          "a/3 a/2 a/1 b/2 b/1",
		"creation_timestamp > '2031-06-01'":               "",
		"last_updated_timestamp < '2031-05-31T08:00:00Z'": "",
	} {
		if !s.asks(filter) {
			continue
		}
		if got := s.refs(modelregistry.Query{Filter: filter, PageSize: 2}); got != want {
			s.Errorf("%s: %q; want %q", filter, got, want)
		}
	}
}

func searchModels(s *trial) {
	shelf(s)
	_, err := s.r.CreateModel(s.ctx, "c", modelregistry.ModelSpec{Description: "50% off_", Tags: map[string]string{"team": "risk"}})
	s.ok(err)
	for filter, want := range map[string]string{
		"":                            "a b c",
		"name = 'b'":                  "b",
		"name != 'b'":                 "a c",
		"name IN ('a', 'c', 'd')":     "a c",
		"name LIKE '%'":               "a b c",
		"name ILIKE 'A'":              "a",
		"tags.team = 'risk'":          "c",
		"tags.team IS NULL":           "a b",
		"alias = 'blue'":              "b",
		`description LIKE '50\% of%'`: "c",
		"description IS NULL":         "a b",
		"last_updated_timestamp > 0":  "a b c",
	} {
		if got := s.modelNames(modelregistry.Query{Filter: filter, PageSize: 1}); got != want {
			s.Errorf("%s: %q; want %q", filter, got, want)
		}
	}
}

func searchOrder(s *trial) {
	shelf(s)
	for order, want := range map[string]string{
		"name":                        "a/3 a/2 a/1 b/2 b/1",
		"name DESC":                   "b/2 b/1 a/3 a/2 a/1",
		"version_number":              "a/1 b/1 a/2 b/2 a/3",
		"creation_timestamp ASC":      "a/1 a/2 a/3 b/1 b/2",
		"last_updated_timestamp desc": "b/1 a/1 a/2 b/2 a/3",
		"semver DESC":                 "a/2 b/1 a/1 a/3 b/2",
		"stage":                       "a/3 b/2 a/2 b/1 a/1",
		"run_id DESC":                 "a/3 a/2 a/1 b/2 b/1",
	} {
		if !s.asks(order) {
			continue
		}
		if got := s.refs(modelregistry.Query{OrderBy: []string{order}, PageSize: 2}); got != want {
			s.Errorf("%s: %q; want %q", order, got, want)
		}
	}
	equal(s, "two keys", s.refs(modelregistry.Query{OrderBy: []string{"name DESC", "version_number ASC"}, PageSize: 2}), "b/1 b/2 a/1 a/2 a/3")
	equal(s, "a filter and an order", s.refs(modelregistry.Query{Filter: "run_id IN ('r1', 'r2') OR name = 'b'", OrderBy: []string{"version_number DESC", "name DESC"}, PageSize: 1}), "b/2 a/2 b/1 a/1")
	equal(s, "models", s.modelNames(modelregistry.Query{OrderBy: []string{"name DESC"}}), "b a")
	equal(s, "models by age", s.modelNames(modelregistry.Query{OrderBy: []string{"creation_timestamp"}}), "a b")
}

func searchPages(s *trial) {
	for i := range 30 {
		s.add(fmt.Sprintf("m%d", i%4), modelregistry.VersionSpec{Tags: map[string]string{"odd": fmt.Sprint(i % 2)}})
	}
	for _, q := range []modelregistry.Query{
		{}, {Filter: "tags.odd = '1'"}, {OrderBy: []string{"version_number"}}, {OrderBy: []string{"creation_timestamp DESC"}},
		{Filter: "tags.odd = '1'", OrderBy: []string{"name DESC", "version_number ASC"}},
	} {
		s.paged(q)
	}
	first := 0
	for range s.r.Versions(s.ctx, modelregistry.Query{PageSize: 2}) { // leaving a loop early
		if first++; first == 3 {
			break
		}
	}
}

func searchPagesOr(s *trial) {
	for i := range 30 {
		s.add(fmt.Sprintf("m%d", i%4), modelregistry.VersionSpec{Tags: map[string]string{"odd": fmt.Sprint(i % 2)}})
	}
	s.paged(modelregistry.Query{Filter: "tags.odd = '1' OR name = 'm2'", OrderBy: []string{"name DESC", "version_number ASC"}})
}

// paged ends the trial unless the pages of a search give what one page of all does.
func (s *trial) paged(q modelregistry.Query) {
	s.Helper()
	q.PageSize = 1000
	whole, err := s.r.SearchVersions(s.ctx, q)
	s.ok(err)
	equal(s, "token of the last page", whole.Next, "")
	for _, size := range []int{1, 7} {
		q.PageSize, q.PageToken = size, ""
		var all []*modelregistry.Version
		for {
			page, err := s.r.SearchVersions(s.ctx, q)
			s.ok(err)
			if len(page.Versions) > size {
				s.Fatalf("a page of %d, asked for %d", len(page.Versions), size)
			}
			all = append(all, page.Versions...)
			if q.PageToken = page.Next; q.PageToken == "" {
				break
			}
		}
		if text(all) != text(whole.Versions) {
			s.Fatalf("%+v: %d in pages, %d at once, or in another order", q, len(all), len(whole.Versions))
		}
	}
}

func searchWhileWriting(s *trial) {
	for i := range 12 {
		s.register(fmt.Sprintf("m%02d", i), 2)
	}
	var seen []string
	i := 0
	for v, err := range s.r.Versions(s.ctx, modelregistry.Query{PageSize: 3}) {
		s.ok(err)
		seen = append(seen, v.Ref())
		if i++; i%3 == 0 { // behind the page that was read, and before it
			s.register(fmt.Sprintf("a%02d", i), 1)
			s.register("z", 1)
			if i == 9 {
				s.ok(s.r.DeleteVersion(s.ctx, "m02", 1, nil))
				s.ok(s.r.DeleteModel(s.ctx, "m07", nil))
			}
		}
	}
	old, deleted := map[string]int{}, 0
	for _, ref := range seen {
		if old[ref]++; old[ref] > 1 {
			s.Fatalf("%s came twice", ref)
		}
		if ref == "m07/1" || ref == "m07/2" {
			deleted++
		}
	}
	for i := range 12 {
		for number := 1; number <= 2; number++ {
			ref := fmt.Sprintf("m%02d/%d", i, number)
			if old[ref] == 0 && i != 7 && ref != "m02/1" {
				s.Fatalf("%s did not come", ref)
			}
		}
	}
	equal(s, "versions that were deleted before their page", deleted, 0)
}

func searchMLflow(s *trial) {
	shelf(s)
	_, err := s.r.UpdateModel(s.ctx, "a", modelregistry.ModelPatch{SetTags: map[string]string{"key": "it's", "k2": `say "x"`}})
	s.ok(err)
	for filter, want := range map[string]string{
		`name = "a"`:                      "a",
		"name='a' and tags.key = 'it''s'": "a",
		`tags.key = "it's"`:               "a",
		`tag.k2 = 'say "x"'`:              "a",
		`tags."key" ILIKE 'IT%'`:          "a",
		"attribute.name = 'b'":            "b",
		"name LIKE '_'":                   "a b",
		"tags.key LIKE '%''s'":            "a",
	} {
		if got := s.modelNames(modelregistry.Query{Filter: filter}); got != want {
			s.Errorf("%s: %q; want %q", filter, got, want)
		}
	}
	for filter, want := range map[string]string{
		"name='a' AND version_number=2":          "a/2",
		"run_id IN ('r1','r2')":                  "a/2 a/1",
		"version_number != 1 AND name LIKE 'a%'": "a/3 a/2",
	} {
		if got := s.refs(modelregistry.Query{Filter: filter}); got != want {
			s.Errorf("%s: %q; want %q", filter, got, want)
		}
	}
}

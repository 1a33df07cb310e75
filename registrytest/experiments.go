package registrytest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// experiments are the names of those that a query finds, in order.
func (s *trial) experiments(q modelregistry.Query) string {
	s.Helper()
	var found []string
	for {
		page, err := s.r.SearchExperiments(s.ctx, q)
		s.ok(err)
		for _, e := range page.Experiments {
			found = append(found, e.Name)
		}
		if q.PageToken = page.Next; q.PageToken == "" {
			return strings.Join(found, " ")
		}
	}
}

func experimentFind(s *trial) {
	one, err := s.r.CreateExperiment(s.ctx, "one", modelregistry.ExperimentSpec{Tags: map[string]string{"team": "risk"}})
	s.ok(err)
	two, err := s.r.CreateExperiment(s.ctx, "two", modelregistry.ExperimentSpec{Artifacts: "s3://bucket/two/"})
	s.ok(err)
	equal(s, "the first ID", one.ID, "1")
	equal(s, "the second", two.ID, "2")
	equal(s, "path of artifacts", one.Artifacts, "1")
	equal(s, "actor", one.CreatedBy, "ada")
	run := s.start(modelregistry.RunSpec{ExperimentID: two.ID})
	equal(s, "artifacts of a run", run.Artifacts, "s3://bucket/two/"+run.ID+"/artifacts")
	two, err = s.r.UpdateExperiment(s.ctx, "2", modelregistry.ExperimentPatch{Name: ptr("zwei"), SetTags: map[string]string{"a": "1"}})
	s.ok(err)
	for _, want := range []*modelregistry.Experiment{one, two} {
		byID, err := s.r.Experiment(s.ctx, want.ID)
		s.ok(err)
		byName, err := s.r.ExperimentByName(s.ctx, want.Name)
		s.ok(err)
		equal(s, "by ID", text(byID), text(want))
		equal(s, "by name", text(byName), text(want))
	}
	for filter, want := range map[string]string{
		"name LIKE '%'": "zwei one Default", "experiment_id IN ('1', '0')": "one Default", "tags.team = 'risk'": "one", "attribute.name ILIKE 'Z%'": "zwei",
		"artifact_location LIKE 's3:%'": "zwei", "lifecycle_stage = 'deleted'": "", "creation_time > 0 AND last_update_time > 0 AND name != 'Default'": "zwei one",
	} {
		equal(s, filter, s.experiments(modelregistry.Query{Filter: filter, PageSize: 1}), want)
	}
	for order, want := range map[string]string{
		"name": "Default one zwei", "experiment_id DESC": "zwei one Default", "creation_time ASC": "Default one zwei", "last_update_time DESC": "zwei one Default",
		"tags.team": "one zwei Default", "artifact_location DESC": "zwei one Default",
	} {
		equal(s, order, s.experiments(modelregistry.Query{OrderBy: []string{order}, PageSize: 2}), want)
	}
	for name, spec := range map[string]modelregistry.ExperimentSpec{
		" ": {}, "long" + strings.Repeat("x", 500): {}, "nul\x00": {}, "outside": {Artifacts: "../x"}, "absolute": {Artifacts: "/x"}, "dot": {Artifacts: "."},
	} {
		_, err := s.r.CreateExperiment(s.ctx, name, spec)
		s.fails(err, modelregistry.ErrInvalid, "")
	}
	_, err = s.r.Experiment(s.ctx, "3")
	s.fails(err, modelregistry.ErrNotFound, "experiment 3")
	for _, id := range []string{"", "x", "01", "-1", "99999999999999999999"} {
		_, err = s.r.Experiment(s.ctx, id)
		s.fails(err, modelregistry.ErrInvalid, "decimal number")
	}
	_, err = s.r.ExperimentByName(s.ctx, "two")
	s.fails(err, modelregistry.ErrNotFound, "two")
	_, err = s.r.UpdateExperiment(s.ctx, "3", modelregistry.ExperimentPatch{})
	s.fails(err, modelregistry.ErrNotFound, "experiment 3")
}

func experimentDefault(s *trial) {
	found, err := s.r.Experiment(s.ctx, modelregistry.DefaultExperiment)
	s.ok(err)
	equal(s, "name", found.Name, "Default")
	byName, err := s.r.As("bob").ExperimentByName(s.ctx, "Default")
	s.ok(err)
	equal(s, "by name", text(byName), text(found))
	equal(s, "experiments", s.experiments(modelregistry.Query{}), "Default")
	equal(s, "experiment of a run that names none", s.start(modelregistry.RunSpec{}).ExperimentID, modelregistry.DefaultExperiment)
	_, err = s.r.CreateExperiment(s.ctx, "Default", modelregistry.ExperimentSpec{})
	s.fails(err, modelregistry.ErrExists, "Default")
}

func experimentNames(s *trial) {
	errs := together(6, func(int) error {
		_, err := s.r.CreateExperiment(s.ctx, "one", modelregistry.ExperimentSpec{})
		return err
	})
	s.winner(errs, modelregistry.ErrExists)
	s.ok(errors.Join(together(6, func(int) error {
		_, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{Experiment: "new"})
		return err
	})...))
	equal(s, "experiments", s.experiments(modelregistry.Query{OrderBy: []string{"experiment_id"}}), "Default one new")
	_, err := s.r.UpdateExperiment(s.ctx, "2", modelregistry.ExperimentPatch{Name: ptr("one")})
	s.fails(err, modelregistry.ErrExists, "experiment 1")
	_, err = s.r.UpdateExperiment(s.ctx, "1", modelregistry.ExperimentPatch{Deleted: ptr(true)})
	s.ok(err)
	_, err = s.r.CreateExperiment(s.ctx, "one", modelregistry.ExperimentSpec{})
	s.fails(err, modelregistry.ErrExists, "restore")
	_, err = s.r.UpdateExperiment(s.ctx, "1", modelregistry.ExperimentPatch{Name: ptr("former")})
	s.ok(err)
	e, err := s.r.CreateExperiment(s.ctx, "one", modelregistry.ExperimentSpec{})
	s.ok(err)
	equal(s, "ID behind a deleted one", e.ID, "3")
}

func experimentDelete(s *trial) {
	const n = 450 // more than one step
	var runs []*modelregistry.Run
	for i := range n {
		runs = append(runs, s.start(modelregistry.RunSpec{Experiment: "e", Name: fmt.Sprint(i)}))
	}
	other := s.start(modelregistry.RunSpec{})
	id := runs[0].ExperimentID
	_, err := s.r.UpdateRun(s.ctx, runs[0].ID, modelregistry.RunPatch{Deleted: ptr(true)})
	s.ok(err)
	count := func(stage string) int {
		runs, err := collect(s.r.Runs(s.ctx, modelregistry.Query{Filter: "experiment_id = '" + id + "' AND lifecycle_stage = '" + stage + "'"}))
		s.ok(err)
		return len(runs)
	}
	for range 2 { // twice is once
		e, err := s.r.UpdateExperiment(s.ctx, id, modelregistry.ExperimentPatch{Deleted: ptr(true)})
		s.ok(err)
		equal(s, "deleted", e.Deleted, true)
		equal(s, "active runs", count("active"), 0)
	}
	equal(s, "deleted run of another experiment", s.run(other.ID).Deleted, false)
	found, err := s.r.Experiment(s.ctx, id)
	s.ok(err)
	equal(s, "deleted, read again", found.Deleted, true)
	_, err = s.r.StartRun(s.ctx, modelregistry.RunSpec{Experiment: "e"})
	s.fails(err, modelregistry.ErrConflict, "deleted")
	_, err = s.r.UpdateRun(s.ctx, runs[1].ID, modelregistry.RunPatch{Deleted: ptr(false)})
	s.fails(err, modelregistry.ErrConflict, "experiment")
	for range 2 {
		e, err := s.r.UpdateExperiment(s.ctx, id, modelregistry.ExperimentPatch{Deleted: ptr(false)})
		s.ok(err)
		equal(s, "deleted after a restoration", e.Deleted, false)
		equal(s, "active runs", count("active"), n-1)
		equal(s, "run that was deleted before", s.run(runs[0].ID).Deleted, true)
	}
	_, err = s.r.UpdateRun(s.ctx, runs[0].ID, modelregistry.RunPatch{Deleted: ptr(false)})
	s.ok(err)
	s.start(modelregistry.RunSpec{Experiment: "e"})
}

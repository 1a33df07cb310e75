package mlflow

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/modelregistry-go/modelregistry"
)

// fewVersions is up to how many versions a model may have had for all of them to be read, with those of other such models
// at once, to find the latest in each stage. Of others a query for each stage reads no more than the one.
const fewVersions = 20

// manyNames is how many names one query may ask for; the registry takes about a thousand values in a filter.
const manyNames = 500

// latestOf finds the latest version in each stage, of several models, by their names: the one with the highest number.
// Its cost is a query for all models that have had few versions, one for those in Staging and Production of the others,
// and for each of these two more, some at a time.
func (c *call) latestOf(reg modelregistry.Registry, models ...*modelregistry.Model) (map[string][]*modelregistry.Version, error) {
	found := latest{}
	var few, held []string
	var rest []seat
	for _, m := range models {
		switch {
		case m.Last == 0:
			continue
		case m.Last <= fewVersions:
			few = append(few, m.Name)
			continue
		}
		rest = append(rest, seat{m.Name, modelregistry.None}, seat{m.Name, modelregistry.Archived})
		staging, production := m.Holders[modelregistry.Staging], m.Holders[modelregistry.Production]
		switch n := len(staging) + len(production); {
		case n > fewVersions:
			rest = append(rest, seat{m.Name, modelregistry.Staging}, seat{m.Name, modelregistry.Production})
		case n > 0:
			held = append(held, m.Name)
		}
	}
	if err := c.addLatest(reg, found, few, ""); err != nil {
		return nil, err
	}
	if err := c.addLatest(reg, found, held, " AND stage IN ('Staging', 'Production')"); err != nil {
		return nil, err
	}
	if err := c.addEach(reg, found, rest); err != nil {
		return nil, err
	}
	out := make(map[string][]*modelregistry.Version, len(found))
	for name, byStage := range found {
		out[name] = c.inOrder(byStage)
	}
	return out, nil
}

// A seat is a stage of a model.
type seat struct {
	model string
	stage modelregistry.Stage
}

// latest holds what is known of the latest versions of models, by name and stage.
type latest map[string]map[modelregistry.Stage]*modelregistry.Version

func (l latest) add(v *modelregistry.Version) {
	stages := l[v.Model]
	if stages == nil {
		stages = map[modelregistry.Stage]*modelregistry.Version{}
		l[v.Model] = stages
	}
	for _, other := range stages {
		if other.Number == v.Number {
			return // it was moved between two queries
		}
	}
	if other := stages[v.Stage]; other == nil || other.Number < v.Number {
		stages[v.Stage] = v
	}
}

// inOrder lists what the caller may read of the latest versions of one model, in the order of stages.
func (c *call) inOrder(byStage map[modelregistry.Stage]*modelregistry.Version) []*modelregistry.Version {
	var out []*modelregistry.Version
	for _, stage := range modelregistry.Stages() {
		if v := byStage[stage]; v != nil && c.mayRead(v) {
			out = append(out, v)
		}
	}
	return out
}

// addLatest reads the versions of the models of these names that meet a condition.
func (c *call) addLatest(reg modelregistry.Registry, found latest, names []string, condition string) error {
	for names := range slices.Chunk(names, manyNames) {
		quoted := each(names, modelregistry.Quote)
		q := modelregistry.Query{Filter: "name IN (" + strings.Join(quoted, ", ") + ")" + condition, PageSize: corePage}
		for v, err := range reg.Versions(c.r.Context(), q) {
			if err != nil {
				return err
			}
			found.add(v)
		}
	}
	return nil
}

// addEach looks for the latest version in each seat by itself.
func (c *call) addEach(reg modelregistry.Registry, found latest, seats []seat) error {
	if len(seats) == 0 {
		return nil
	}
	const atOnce = 4 // a part of what a pool of connections has
	versions := make([]*modelregistry.Version, len(seats))
	errs := make([]error, atOnce)
	var wg sync.WaitGroup
	for worker := range atOnce {
		wg.Go(func() {
			for i := worker; i < len(seats) && errs[worker] == nil; i += atOnce {
				versions[i], errs[worker] = c.newest(reg, seats[i].model, inStage(seats[i].stage))
			}
		})
	}
	wg.Wait()
	for _, v := range versions {
		if v != nil {
			found.add(v)
		}
	}
	return errors.Join(errs...)
}

func inStage(stage modelregistry.Stage) string {
	return "stage = " + modelregistry.Quote(string(stage))
}

// latestVersions answers with the latest version in each of some stages, or of all.
func (c *call) latestVersions() (any, error) {
	name, texts := c.required("name"), c.texts("stages")
	var stages []modelregistry.Stage
	problem := checkModelName(name)
	for _, text := range texts {
		stage, err := parseStage(text)
		if problem == nil {
			problem = err
		}
		stages = append(stages, stage)
	}
	if err := c.wrong(problem); err != nil {
		return nil, err
	}
	reg, err := c.authorizeModel(Read, name)
	if err != nil {
		return nil, err
	}
	found := latest{}
	for _, stage := range modelregistry.Stages() {
		if len(stages) > 0 && !slices.Contains(stages, stage) {
			continue
		}
		v, err := c.newest(reg, name, inStage(stage))
		if err != nil {
			return nil, err
		}
		if v != nil {
			found.add(v)
		}
	}
	if len(found) == 0 {
		if _, err := reg.Model(c.r.Context(), name); err != nil {
			return nil, noModel(err, name)
		}
	}
	return versionsAnswer{Versions: each(c.inOrder(found[name]), versionOf)}, nil
}

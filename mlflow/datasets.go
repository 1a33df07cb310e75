package mlflow

import (
	"slices"

	"github.com/modelregistry-go/modelregistry"
)

const (
	maxDatasetExperiments = 20   // of one request
	maxDatasets           = 1000 // of one answer
)

type datasetSummaryJSON struct {
	ExperimentID string `json:"experiment_id"`
	Name         string `json:"name"`
	Digest       string `json:"digest"`
	Context      string `json:"context,omitempty"`
}

// searchDatasets lists the data sets that the newest runs of experiments read, each once with what it was for: as many runs
// are looked at as by any search.
func (c *call) searchDatasets() (any, error) {
	experiments := c.experimentIDs()
	switch n := len(c.texts("experiment_ids")); {
	case c.problem != nil:
	case n == 0:
		c.mistake(invalid("SearchDatasets request must specify at least one experiment_id."))
	case n > maxDatasetExperiments:
		c.mistake(invalid("SearchDatasets request cannot specify more than %d experiment_ids. Received %d experiment_ids.", maxDatasetExperiments, n))
	}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorize(Read, Resource{Kind: KindRun})
	if err != nil {
		return nil, err
	}
	var found []datasetSummaryJSON
	seen := map[datasetSummaryJSON]bool{}
	q := modelregistry.Query{Filter: oneOf("experiment_id", experiments) + " AND dataset.name IS NOT NULL", PageSize: 500}
	for looked := 0; looked < fillBudget && len(found) < maxDatasets; {
		page, err := reg.SearchRuns(c.r.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, run := range page.Runs {
			if !c.may(Read, runResource(run)) {
				continue
			}
			for _, in := range run.Inputs {
				if in.Dataset == nil {
					continue
				}
				s := datasetSummaryJSON{run.ExperimentID, in.Dataset.Name, in.Dataset.Digest, in.Tags.Get("mlflow.data.context")}
				if !seen[s] && len(found) < maxDatasets {
					seen[s] = true
					found = append(found, s)
				}
			}
		}
		looked += len(page.Runs)
		if q.PageToken = page.Next; page.Next == "" || len(page.Runs) == 0 {
			break
		}
	}
	return struct {
		Found []datasetSummaryJSON `json:"dataset_summaries,omitempty"`
	}{slices.Clip(found)}, nil
}

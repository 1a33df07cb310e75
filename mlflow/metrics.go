package mlflow

import "github.com/modelregistry-go/modelregistry"

// maxPoints is how many points one answer has at most: so many that clients which do not know of pages get all there are,
// and few enough to be held in memory.
const maxPoints = 100_000

func (c *call) metricHistory() (any, error) {
	id, key := c.runID(), c.required("metric_key")
	limit, q := c.maxResults(maxPoints, maxPoints), modelregistry.Query{PageToken: c.pageToken()}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorizeRun(Read, id)
	if err != nil {
		return nil, err
	}
	points, next, err := fill(limit, q, func(q modelregistry.Query) ([]modelregistry.MetricPoint, string, error) {
		page, err := reg.MetricHistory(c.r.Context(), id, key, q)
		return page.Points, page.Next, err
	}, func(modelregistry.MetricPoint) bool { return true })
	if err != nil {
		return nil, noRun(err, id)
	}
	return struct {
		Metrics []metricJSON `json:"metrics,omitempty"`
		Next    string       `json:"next_page_token,omitempty"`
	}{each(points, pointOf), c.wireToken(next)}, nil
}

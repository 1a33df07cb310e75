package mlflow

import (
	"cmp"
	"errors"
	"slices"

	"github.com/modelregistry-go/modelregistry"
)

// What the user interface asks of many runs at once.
const (
	maxHistoryRuns = 100    // runs of one request
	maxBulk        = 25_000 // points of one answer
	maxSample      = 2_500  // points of each run in a sample
	// maxSampled is how many points a request for samples looks at.
	maxSampled = 2_000_000
)

// notMissing is err, unless it says that something is not there.
func notMissing(err error) error {
	var wire *apiError
	if errors.Is(err, modelregistry.ErrNotFound) || errors.As(err, &wire) && wire.Code == "RESOURCE_DOES_NOT_EXIST" {
		return nil
	}
	return err
}

// eachPoint hands the points of a metric of a run to take, by time, step and value, until it returns false. A run that is
// not there has none.
func (c *call) eachPoint(id, key string, most int, take func(modelregistry.MetricPoint) bool) error {
	reg, err := c.authorizeRun(Read, id)
	if err != nil {
		return notMissing(err)
	}
	for q := (modelregistry.Query{PageSize: min(most, maxBulk)}); ; {
		page, err := reg.MetricHistory(c.r.Context(), id, key, q)
		if err != nil {
			return notMissing(err)
		}
		for _, p := range page.Points {
			if !take(p) {
				return nil
			}
		}
		if q.PageToken = page.Next; page.Next == "" {
			return nil
		}
	}
}

type runPointsJSON struct {
	Metrics []metricJSON `json:"metrics"`
}

func (a *runPointsJSON) add(run string, p modelregistry.MetricPoint) {
	out := pointOf(p)
	out.RunID = run
	a.Metrics = append(a.Metrics, out)
}

// metricHistories answers with the points of a metric, run after run in the order of their IDs.
func (c *call) metricHistories() (any, error) {
	const request = "GetMetricHistoryBulk"
	ids, key := c.texts("run_id"), c.text("metric_key")
	switch {
	case len(ids) == 0:
		c.mistake(invalid("%s request must specify at least one run_id.", request))
	case len(ids) > maxHistoryRuns:
		c.mistake(invalid("%s request cannot specify more than %d run_ids. Received %d run_ids.", request, maxHistoryRuns, len(ids)))
	}
	if key == "" {
		c.mistake(invalid("%s request must specify a metric_key.", request))
	}
	most := c.integer("max_results", maxBulk)
	if most < 1 {
		c.mistake(invalid("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", most))
	}
	if c.problem != nil {
		return nil, c.problem
	}
	limit := int(min(most, maxBulk))
	answer := runPointsJSON{Metrics: []metricJSON{}}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if len(answer.Metrics) == limit {
			break
		}
		err := c.eachPoint(id, key, limit-len(answer.Metrics), func(p modelregistry.MetricPoint) bool {
			answer.add(id, p)
			return len(answer.Metrics) < limit
		})
		if err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// sampledHistories answers with at most so many points of a metric of each run, evenly from the first to the last by step.
func (c *call) sampledHistories() (any, error) {
	const request = "GetMetricHistoryBulkInterval"
	ids := c.texts("run_ids")
	if len(ids) == 0 {
		c.missing("run_ids")
	}
	if len(ids) > maxHistoryRuns {
		c.mistake(invalid("%s request must specify at most %d run_ids. Received %d run_ids.", request, maxHistoryRuns, len(ids)))
	}
	key := c.required("metric_key")
	from, to, limit := c.integer("start_step", 0), c.integer("end_step", 0), c.integer("max_results", maxSample)
	bounded := c.has("start_step")
	switch {
	case limit < 1 || limit > maxSample:
		c.mistake(invalid("max_results must be between 1 and %d.", maxSample))
	case bounded != c.has("end_step"):
		c.mistake(invalid("If either start step or end step are specified, both must be specified."))
	case from > to:
		c.mistake(invalid("end_step must be greater than start_step. Found start_step=%d and end_step=%d.", from, to))
	}
	if c.problem != nil {
		return nil, c.problem
	}
	answer, looked := runPointsJSON{Metrics: []metricJSON{}}, 0
	for _, id := range ids {
		var s sampler
		err := c.eachPoint(id, key, maxBulk, func(p modelregistry.MetricPoint) bool {
			looked++
			if !bounded || from <= p.Step && p.Step <= to {
				s.add(p)
			}
			return looked <= maxSampled
		})
		if err != nil {
			return nil, err
		}
		if looked > maxSampled {
			return nil, invalid("%s request is about more than %d points; ask for fewer runs at once.", request, maxSampled)
		}
		for _, p := range s.sample(int(limit)) {
			answer.add(id, p)
		}
	}
	return answer, nil
}

// A sampler keeps points to choose from. Of very many it keeps each second, then each fourth, and so on, and the last.
type sampler struct {
	points []modelregistry.MetricPoint
	last   modelregistry.MetricPoint
	every  int // this many points are one
	seen   int
}

func compareSteps(a, b modelregistry.MetricPoint) int {
	return cmp.Or(cmp.Compare(a.Step, b.Step), a.Time.Compare(b.Time), cmp.Compare(a.Value, b.Value))
}

func (s *sampler) add(p modelregistry.MetricPoint) {
	if s.seen == 0 || compareSteps(p, s.last) > 0 {
		s.last = p
	}
	s.every = max(s.every, 1)
	if s.seen%s.every == 0 {
		s.points = append(s.points, p)
	}
	s.seen++
	if len(s.points) > maxPoints {
		for i := range s.points[:(len(s.points)+1)/2] {
			s.points[i] = s.points[2*i]
		}
		s.points, s.every = s.points[:(len(s.points)+1)/2], 2*s.every
	}
}

// sample is the first point of each of limit equal parts, and the last of all.
func (s *sampler) sample(limit int) []modelregistry.MetricPoint {
	n := len(s.points)
	if n == 0 {
		return nil
	}
	slices.SortFunc(s.points, compareSteps)
	var out []modelregistry.MetricPoint
	for i, at := 0, 0; i < min(limit, n); i++ {
		out = append(out, s.points[at])
		if at += n / limit; i < n%limit {
			at++
		}
	}
	if last := len(out) - 1; compareSteps(out[last], s.last) != 0 {
		if len(out) == limit {
			out[last] = s.last
		} else {
			out = append(out, s.last)
		}
	}
	return out
}

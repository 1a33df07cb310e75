package modelregistry

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// MarshalJSON writes the point's members and the run's.
func (m LoggedMetric) MarshalJSON() ([]byte, error) {
	doc, err := m.MetricPoint.MarshalJSON()
	if err != nil {
		return nil, err
	}
	doc = append(doc[:len(doc)-1], `,"run_id":`...) // a point always has a value
	return append(appendJSONString(doc, m.RunID), '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *LoggedMetric) UnmarshalJSON(data []byte) error {
	var in struct {
		RunID string `json:"run_id"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	m.RunID = in.RunID
	return m.MetricPoint.UnmarshalJSON(data)
}

// compareAbout orders points by what they are of: their key, then the data.
func compareAbout(a, b LoggedMetric) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.DatasetName, b.DatasetName), strings.Compare(a.DatasetDigest, b.DatasetDigest))
}

// logModelMetrics keeps points that are about logged models with these, in the transaction that logs them to a run. The
// models' locks are held. ErrNotFound: one of the models is not there.
func logModelMetrics(tx backend.Tx, now time.Time, runID string, points []MetricPoint) error {
	models := map[string]*LoggedModel{}
	var order []string // all backends are told the same, in the same order
	for _, p := range points {
		m := models[p.ModelID]
		if m == nil {
			var err error
			if m, err = getLoggedModel(tx, p.ModelID); err != nil {
				return err
			}
			if m.Deleted {
				return errNoLoggedModel(p.ModelID)
			}
			models[m.ID] = m
			order = append(order, m.ID)
		}
		m.log(LoggedMetric{MetricPoint: p, RunID: runID})
	}
	for _, id := range order {
		if err := models[id].put(tx, now); err != nil {
			return err
		}
	}
	return nil
}

// log keeps a point unless there is a newer one of the same.
func (m *LoggedModel) log(p LoggedMetric) {
	i, there := slices.BinarySearchFunc(m.Metrics, p, compareAbout)
	switch {
	case !there:
		m.Metrics = slices.Insert(m.Metrics, i, p)
	case !m.Metrics[i].newer(p.MetricPoint):
		m.Metrics[i] = p
	}
}

// metric is the value of the newest point of a key, whatever the data.
func (m *LoggedModel) metric(key string) (value float64, ok bool) {
	i, _ := slices.BinarySearchFunc(m.Metrics, key, func(p LoggedMetric, key string) int { return strings.Compare(p.Key, key) })
	var newest MetricPoint
	for ; i < len(m.Metrics) && m.Metrics[i].Key == key; i++ {
		if p := m.Metrics[i].MetricPoint; !ok || p.newer(newest) {
			newest, ok = p, true
		}
	}
	return newest.Value, ok
}

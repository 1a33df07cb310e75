package modelregistry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// The points about a logged model are rows of their own, as those of a run are: what a call writes is in proportion to
// what it logs, whatever the model has already.

const (
	// maxModelPoints is how many points of a model are told, and looked at by searches: the newest.
	maxModelPoints = 10_000
	// pointsAtOnce is how many points one statement reads about several models.
	pointsAtOnce = 2 * maxModelPoints
	// maxPagePoints is how many points the models of a page have at most, if they are more than one.
	maxPagePoints = 5 * maxModelPoints
)

// errManyPoints says that models have more points than a page holds. It never leaves the package.
var errManyPoints = errors.New("more points than a page holds")

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

// compareAbout orders points by what they are of, their key and then the data, and then from the oldest on.
func compareAbout(a, b LoggedMetric) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.DatasetName, b.DatasetName), strings.Compare(a.DatasetDigest, b.DatasetDigest),
		a.compareAge(b))
}

// compareAge orders points of one metric of a model as MLflow does: by time, then step. Of points that many runs logged
// at once the first run's is the newest.
func (m LoggedMetric) compareAge(b LoggedMetric) int {
	return cmp.Or(m.Time.Compare(b.Time), cmp.Compare(m.Step, b.Step), strings.Compare(b.RunID, m.RunID),
		cmp.Compare(sortableBits(m.Value), sortableBits(b.Value)))
}

// modelPointRow is p in the history of the logged model that it is about.
func modelPointRow(experiment, run string, p MetricPoint) (backend.Row, error) {
	row, err := pointRow(run, p)
	if err != nil {
		return row, err
	}
	data := ""
	if p.DatasetName != "" || p.DatasetDigest != "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(p.DatasetName), p.DatasetName, p.DatasetDigest))
		data = hex.EncodeToString(sum[:16])
	}
	row.Key[0] = backend.StringValue(p.ModelID)
	row.Key = append(row.Key, backend.StringValue(run), backend.StringValue(data))
	row.Fields = map[string]any{"experiment": backend.StringValue(experiment)}
	return row, nil
}

// logModelPoints adds points to the logged models that they are about, in the transaction that logs them to a run. The
// models' locks are held. ErrNotFound: one of the models is not there.
func logModelPoints(tx backend.Tx, run string, points []MetricPoint) error {
	ids := make([]string, len(points))
	for i, p := range points {
		ids[i] = p.ModelID
	}
	found, err := tx.Find(backend.Query{Table: tableLoggedModels, Where: []backend.Cond{equal(backend.Cond{Field: "id"}, stringValues(ids))}})
	if err != nil {
		return fmt.Errorf("read logged models: %w", err)
	}
	experiments := map[string]string{}
	for _, row := range found {
		m, err := decodeLoggedModel(row)
		if err != nil {
			return err
		}
		if !m.Deleted {
			experiments[m.ID] = m.ExperimentID
		}
	}
	rows := make([]backend.Row, len(points))
	for i, p := range points {
		experiment, ok := experiments[p.ModelID]
		if !ok {
			return errNoLoggedModel(p.ModelID)
		}
		if rows[i], err = modelPointRow(experiment, run, p); err != nil {
			return err
		}
	}
	byKey := func(a, b backend.Row) int { return a.Key.Compare(b.Key) }
	slices.SortStableFunc(rows, byKey)
	rows = slices.CompactFunc(rows, func(a, b backend.Row) bool { return byKey(a, b) == 0 })
	if err := tx.Put(tableModelPoints, rows...); err != nil {
		return fmt.Errorf("write points of logged models: %w", err)
	}
	return nil
}

// eachModelPoints hands to fn the points about each of some logged models that has any, oldest first for each key and data
// set: those of some keys, or with nil all.
func eachModelPoints(find finder, ids, keys []string, fn func(id string, points []LoggedMetric) error) error {
	if len(ids) == 0 {
		return nil
	}
	q := backend.Query{Table: tableModelPoints, Where: []backend.Cond{equal(backend.Cond{Field: "model"}, stringValues(ids))}, Limit: pointsAtOnce + 1}
	if keys != nil {
		q.Where = append(q.Where, equal(backend.Cond{Field: "metric"}, stringValues(keys)))
	}
	if len(ids) == 1 {
		q.Order, q.Desc, q.Limit = "time", true, maxModelPoints
	}
	rows, err := find(q)
	if err != nil {
		return fmt.Errorf("read points of logged models: %w", err)
	}
	if len(rows) > pointsAtOnce { // never of one
		half := len(ids) / 2
		if err := eachModelPoints(find, ids[:half], keys, fn); err != nil {
			return err
		}
		return eachModelPoints(find, ids[half:], keys, fn)
	}
	byModel := map[string][]backend.Row{}
	for _, row := range rows {
		id := row.Key[0].Str()
		byModel[id] = append(byModel[id], row)
	}
	for _, id := range slices.Sorted(maps.Keys(byModel)) {
		points, err := decodeModelPoints(byModel[id])
		if err != nil {
			return err
		}
		if err := fn(id, points); err != nil {
			return err
		}
	}
	return nil
}

// decodeModelPoints decodes the newest of the points of one model.
func decodeModelPoints(rows []backend.Row) ([]LoggedMetric, error) {
	if len(rows) > maxModelPoints {
		slices.SortFunc(rows, func(a, b backend.Row) int { return cmp.Or(b.Key[2].Compare(a.Key[2]), b.Key.Compare(a.Key)) })
		rows = rows[:maxModelPoints]
	}
	points := make([]LoggedMetric, len(rows))
	for i, row := range rows {
		p, err := decodePoint(row)
		if err != nil {
			return nil, err
		}
		points[i] = LoggedMetric{MetricPoint: p, RunID: row.Key[5].Str()}
	}
	slices.SortFunc(points, compareAbout)
	return points, nil
}

// readModelPoints gives logged models their points. errManyPoints: they are several, and have too many for a page.
func readModelPoints(find finder, models ...*LoggedModel) error {
	ids := make([]string, len(models))
	byID := map[string]*LoggedModel{}
	for i, m := range models {
		m.Metrics = nil
		ids[i], byID[m.ID] = m.ID, m
	}
	n := 0
	return eachModelPoints(find, ids, nil, func(id string, points []LoggedMetric) error {
		if n += len(points); n > maxPagePoints {
			return errManyPoints
		}
		byID[id].Metrics = points
		return nil
	})
}

// measured is what a search asks about the points of one metric on one data set.
type measured struct {
	about  MetricDataset
	newest LoggedMetric
	values []float64 // of all, each once, without NaN
}

// on says whether it was measured on one of some data sets; without any, on whatever.
func (m *measured) on(about []MetricDataset) bool {
	return len(about) == 0 || slices.ContainsFunc(about, func(d MetricDataset) bool {
		return (d.Name == "" || d.Name == m.about.Name) && (d.Digest == "" || d.Digest == m.about.Digest)
	})
}

// measure gathers points that are in the order of compareAbout.
func measure(points []LoggedMetric) map[string][]*measured {
	out := map[string][]*measured{}
	for _, p := range points {
		of, about := out[p.Key], MetricDataset{p.DatasetName, p.DatasetDigest}
		if n := len(of); n == 0 || of[n-1].about != about {
			of = append(of, &measured{about: about})
			out[p.Key] = of
		}
		m := of[len(of)-1]
		m.newest = p
		if p.Value == p.Value {
			m.values = append(m.values, p.Value)
		}
	}
	for _, of := range out {
		for _, m := range of {
			slices.Sort(m.values)
			m.values = slices.Clip(slices.Compact(m.values))
		}
	}
	return out
}

func (m *foundLoggedModel) values(key string, about []MetricDataset) (values []float64) {
	for k, of := range m.measured {
		if key != "" && k != key {
			continue
		}
		for _, x := range of {
			if x.on(about) {
				values = append(values, x.values...)
			}
		}
	}
	return values
}

func (m *foundLoggedModel) newest(key string, about []MetricDataset) (value float64, ok bool) {
	var newest LoggedMetric
	for _, x := range m.measured[key] {
		if x.on(about) && (!ok || x.newest.compareAge(newest) > 0) {
			newest, ok = x.newest, true
		}
	}
	return newest.Value, ok
}

var modelAside = &aside{
	table: tableModelPoints,
	holds: func(ent entity) bool { return ent == entMetric },
	lookup: func(c *condition) ([]backend.Cond, bool) {
		if c.key == "" {
			return nil, false
		}
		where, _ := c.lookupNamed(backend.Cond{Field: "metric", Value: backend.StringValue(c.key)})
		return where, false // the data is asked about besides, and no more than the newest points count
	},
	bytes: func(found) int { return 0 },
	load: func(find finder, rows []candidate, names *names) error {
		var keys []string
		all := false
		for _, k := range names.keys {
			if k.entity == entMetric {
				keys, all = append(keys, k.key), all || k.key == ""
			}
		}
		if len(keys) == 0 {
			return nil
		}
		if all {
			keys = nil
		}
		ids := make([]string, len(rows))
		byID := map[string]*foundLoggedModel{}
		for i, x := range rows {
			m := x.found.(*foundLoggedModel)
			ids[i], byID[m.ID] = m.ID, m
		}
		return eachModelPoints(find, ids, keys, func(id string, points []LoggedMetric) error {
			byID[id].measured = measure(points)
			return nil
		})
	},
}

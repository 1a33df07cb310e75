package modelregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// pointJSON is a point as JSON has it: without numbers that JSON does not know.
type pointJSON struct {
	Key           string          `json:"key,omitempty"`
	Value         json.RawMessage `json:"value,omitempty"`
	Step          int64           `json:"step,omitempty"`
	Time          time.Time       `json:"time,omitzero"`
	ModelID       string          `json:"model_id,omitempty"`
	DatasetName   string          `json:"dataset_name,omitempty"`
	DatasetDigest string          `json:"dataset_digest,omitempty"`
}

const jsonNaN = `"NaN"`

// MarshalJSON writes a value that is infinite or no number as a string: JSON has none.
func (p MetricPoint) MarshalJSON() ([]byte, error) { return json.Marshal(p.json()) }

func (p MetricPoint) json() pointJSON {
	value := []byte(jsonNaN)
	if !math.IsNaN(p.Value) {
		value = appendJSONFloat(nil, p.Value)
	}
	return pointJSON{p.Key, value, p.Step, p.Time, p.ModelID, p.DatasetName, p.DatasetDigest}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *MetricPoint) UnmarshalJSON(data []byte) error {
	var in pointJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	var err error
	*p, err = in.point()
	return err
}

func (in *pointJSON) point() (MetricPoint, error) {
	value := math.NaN()
	if string(in.Value) != jsonNaN {
		var err error
		if value, err = unmarshalValue[float64](in.Value); err != nil {
			return MetricPoint{}, fmt.Errorf("metric %q: %w", in.Key, err)
		}
	}
	return MetricPoint{in.Key, value, in.Step, in.Time, in.ModelID, in.DatasetName, in.DatasetDigest}, nil
}

// newer orders points of one metric: by step, then time, then value, above all of which is what is no number.
func (p MetricPoint) newer(than MetricPoint) bool {
	return cmp.Or(cmp.Compare(p.Step, than.Step), p.Time.Compare(than.Time), cmp.Compare(sortableBits(p.Value), sortableBits(than.Value))) > 0
}

// sortableBits are the bits of f, turned so that they are in order as the numbers are.
func sortableBits(f float64) uint64 {
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

func floatOfBits(bits uint64) float64 {
	if bits>>63 == 1 {
		return math.Float64frombits(bits &^ (1 << 63))
	}
	return math.Float64frombits(^bits)
}

// pointRow is p in the history of a run. All that tells points apart is in the key.
func pointRow(run string, p MetricPoint) (backend.Row, error) {
	doc, err := json.Marshal(pointJSON{ModelID: p.ModelID, DatasetName: p.DatasetName, DatasetDigest: p.DatasetDigest})
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode point of metric %q: %w", p.Key, err)
	}
	return backend.Row{Key: backend.Key{
		backend.StringValue(run), backend.StringValue(p.Key), backend.IntValue(p.Time.UnixMicro()), backend.IntValue(p.Step),
		backend.StringValue(bitsText(p.Value)),
	}, Doc: doc}, nil
}

func decodePoint(row backend.Row) (MetricPoint, error) {
	var about pointJSON
	bits, err := strconv.ParseUint(row.Key[4].Str(), 16, 64)
	if err == nil {
		err = json.Unmarshal(row.Doc, &about)
	}
	if err != nil {
		return MetricPoint{}, fmt.Errorf("point %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return MetricPoint{
		Key: row.Key[1].Str(), Value: floatOfBits(bits), Step: row.Key[3].Int(), Time: time.UnixMicro(row.Key[2].Int()).UTC(),
		ModelID: about.ModelID, DatasetName: about.DatasetName, DatasetDigest: about.DatasetDigest,
	}, nil
}

// maxHistoryPage is as many points as MLflow's client asks for at once.
const maxHistoryPage = 25_000

// pointSubject is searched by MetricHistory alone.
var pointSubject = searchSubject{
	what: "points", one: "one metric", table: tablePoints, key: []string{"run", "metric", "time", "step", "value"}, page: maxHistoryPage, small: true,
	order: []string{"run", "metric", "time", "step", "value"},
	attributes: []attribute{
		{attrRun, kindText, "run", []string{"run"}},
		{attrName, kindText, "metric", []string{"metric"}},
		{attrCreated, kindInt, "time", []string{"time"}},
		{attrNumber, kindInt, "step", []string{"step"}},
		{attrSource, kindText, "value", []string{"value"}},
	},
}

type foundPoint struct {
	bareFound
	key   backend.Key
	point MetricPoint
}

func (p foundPoint) column(field string) backend.Value {
	for i, part := range pointSubject.key {
		if part == field {
			return p.key[i]
		}
	}
	return backend.Value{}
}

func (r *registry) MetricHistory(ctx context.Context, id, metric string, q Query) (MetricPage, error) {
	page, err := r.metricHistory(ctx, id, metric, q)
	return page, wrap("MetricHistory", id, err)
}

func (r *registry) metricHistory(ctx context.Context, id, metric string, q Query) (MetricPage, error) {
	if q.Filter != "" || len(q.OrderBy) > 0 {
		return MetricPage{}, fmt.Errorf("%w: a metric's history has no Filter and no OrderBy", ErrInvalid)
	}
	if err := checkRunID(id); err != nil {
		return MetricPage{}, err
	}
	if err := checkKey("metric", metric); err != nil {
		return MetricPage{}, err
	}
	q.Filter = "run = " + Quote(id) + " AND metric = " + Quote(metric)
	var page MetricPage
	next, err := runSearch(ctx, r.backend, &pointSubject, q, func(row backend.Row) (found, error) {
		p, err := decodePoint(row)
		return foundPoint{key: row.Key, point: p}, err
	}, func(f found) { page.Points = append(page.Points, f.(foundPoint).point) })
	if err != nil {
		return MetricPage{}, err
	}
	if len(page.Points) == 0 {
		if _, err := r.run(ctx, id); err != nil {
			return MetricPage{}, err
		}
	}
	page.Next = next
	return page, nil
}

package modelregistry

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A found is a model, a version or the like as a filter and an order see it. It is asked for what its subject declares.
type found interface {
	text(attrID) string // of kindText and kindStage; "" if it has none
	int(attrID) int64   // of kindInt, and of kindTime in microseconds; noTime if it has none
	semver() Semver
	set(attrID) []string // of kindSet
	// entry is the tag or param of that name.
	entry(ent entity, key string) (value string, ok bool)
	metric(key string) (value float64, ok bool) // NaN is to a filter as if it were not there
	// column is the value of a One field or key part of the table, as in the row.
	column(field string) backend.Value
}

// selects says whether the filter selects x.
func (f *filter) selects(x found) bool { return f.weighs(x, new(effort)) }

// weighs is selects, and adds to spent what it took.
func (f *filter) weighs(x found, spent *effort) bool {
	switch {
	case f == nil:
		return true
	case f.cond != nil:
		*spent++
		return f.cond.holds(x, spent)
	case f.or:
		return slices.ContainsFunc(f.kids, func(kid *filter) bool { return kid.weighs(x, spent) })
	}
	return !slices.ContainsFunc(f.kids, func(kid *filter) bool { return !kid.weighs(x, spent) })
}

func (c *condition) holds(x found, spent *effort) bool {
	switch c.entity {
	case entTag, entParam:
		value, ok := x.entry(c.entity, c.key)
		switch {
		case c.op == opNull:
			return ok == c.not
		case !ok:
			return false
		case len(c.numbers) > 0:
			*spent += effort(len(value))
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err == nil && c.holdsNumber(number)
		}
		return c.holdsText(value, spent)
	case entMetric:
		if m, ok := x.(measuredFound); ok {
			return c.holdsAny(m.values(c.key, c.about))
		}
		value, ok := x.metric(c.key)
		ok = ok && !math.IsNaN(value)
		if c.op == opNull {
			return ok == c.not
		}
		return ok && c.holdsNumber(value)
	}
	switch c.attr.kind {
	case kindSet:
		return c.holdsSet(x.set(c.attr.id), spent)
	case kindSemver:
		v := x.semver()
		if c.op == opNull {
			return v.IsZero() != c.not
		}
		return !v.IsZero() && c.holdsSemver(v)
	case kindInt, kindTime:
		value := x.int(c.attr.id)
		missing := c.attr.optional() && value == noTime
		if c.op == opNull {
			return missing != c.not
		}
		return !missing && c.holdsInt(value)
	}
	value := x.text(c.attr.id)
	if c.op == opNull {
		return (value == "" || c.attr.kind == kindStage && value == string(None)) != c.not
	}
	return c.holdsText(value, spent)
}

// A measuredFound has several values of a metric.
type measuredFound interface {
	// values are those that are numbers, measured on one of the data sets; with "" of all keys.
	values(key string, about []MetricDataset) []float64
	// newest is the newest of them, which may be NaN.
	newest(key string, about []MetricDataset) (value float64, ok bool)
}

// holdsAny says whether one of several values of a metric meets the condition.
func (c *condition) holdsAny(values []float64) bool {
	if c.op == opNull {
		return (len(values) > 0) == c.not
	}
	return slices.ContainsFunc(values, c.holdsNumber)
}

func (c *condition) holdsText(s string, spent *effort) bool {
	if c.op == opLike {
		return c.like.match(s, spent) != c.not
	}
	return slices.Contains(c.texts, s) != c.not
}

// holdsSet: a positive condition wants one member that meets it, a negative one none that meets its opposite.
func (c *condition) holdsSet(members []string, spent *effort) bool {
	if c.op == opNull {
		return (len(members) == 0) != c.not
	}
	return c.not != slices.ContainsFunc(members, func(m string) bool {
		if c.op == opLike {
			return c.like.match(m, spent)
		}
		return slices.Contains(c.texts, m)
	})
}

func (c *condition) holdsNumber(f float64) bool {
	if math.IsNaN(f) {
		return false // a param may be
	}
	switch c.op {
	case opLt:
		return f < c.numbers[0]
	case opLe:
		return f <= c.numbers[0]
	case opGt:
		return f > c.numbers[0]
	case opGe:
		return f >= c.numbers[0]
	}
	return slices.Contains(c.numbers, f) != c.not
}

func (c *condition) holdsInt(i int64) bool {
	switch c.op {
	case opLt:
		return i < c.spans[0].lo
	case opLe:
		return i <= c.spans[0].hi
	case opGt:
		return i > c.spans[0].hi
	case opGe:
		return i >= c.spans[0].lo
	}
	return inSpans(c.spans, i) != c.not
}

func (c *condition) holdsSemver(v Semver) bool {
	order := v.Compare(c.semvers[0])
	switch c.op {
	case opLt:
		return order < 0
	case opLe:
		return order <= 0
	case opGt:
		return order > 0
	case opGe:
		return order >= 0
	}
	return slices.ContainsFunc(c.semvers, func(w Semver) bool { return v.Compare(w) == 0 }) != c.not
}

type foundModel struct {
	bareFound
	*Model
}

func (m foundModel) text(id attrID) string {
	switch id {
	case attrName:
		return m.Name
	case attrDescription:
		return m.Description
	case attrActor:
		return m.CreatedBy
	case attrModelID:
		return m.ID
	}
	return ""
}

func (m foundModel) int(id attrID) int64 {
	if id == attrCreated {
		return m.Created.UnixMicro()
	}
	return m.Updated.UnixMicro()
}

func (m foundModel) set(attrID) []string {
	names := make([]string, 0, len(m.Aliases))
	for name := range m.Aliases {
		names = append(names, name)
	}
	return names
}

func (m foundModel) entry(_ entity, key string) (string, bool) { return m.Tags.Lookup(key) }

func (m foundModel) column(field string) backend.Value {
	switch field {
	case "created":
		return backend.TimeValue(m.Created)
	case "updated":
		return backend.TimeValue(m.Updated)
	case "id":
		return backend.StringValue(m.ID)
	}
	return backend.StringValue(m.Name)
}

type foundVersion struct{ *Version }

func (v foundVersion) text(id attrID) string {
	switch id {
	case attrName:
		return v.Model
	case attrStage:
		return string(v.Stage)
	case attrRun:
		return v.RunID
	case attrSource:
		return v.Source
	case attrDigest:
		return v.Digest
	case attrDescription:
		return v.Description
	case attrActor:
		return v.CreatedBy
	}
	return ""
}

func (v foundVersion) int(id attrID) int64 {
	switch id {
	case attrNumber:
		return int64(v.Number)
	case attrCreated:
		return v.Created.UnixMicro()
	}
	return v.Updated.UnixMicro()
}

func (v foundVersion) semver() Semver { return v.Semver }

func (v foundVersion) set(attrID) []string { return v.Aliases.members }

func (v foundVersion) entry(ent entity, key string) (string, bool) {
	if ent == entParam {
		return v.Params.Lookup(key)
	}
	return v.Tags.Lookup(key)
}

func (v foundVersion) metric(key string) (float64, bool) { return v.Metrics.Lookup(key) }

func (v foundVersion) column(field string) backend.Value {
	switch field {
	case "number":
		return backend.IntValue(int64(v.Number))
	case "stage":
		return backend.StringValue(v.Stage.column())
	case "semver":
		return backend.StringValue(v.Semver.SortKey())
	case "digest":
		return backend.StringValue(v.Digest)
	case "run":
		return backend.StringValue(v.RunID)
	case "created":
		return backend.TimeValue(v.Created)
	case "updated":
		return backend.TimeValue(v.Updated)
	}
	return backend.StringValue(v.Model)
}

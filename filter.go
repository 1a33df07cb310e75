package modelregistry

import (
	"slices"
	"strings"
)

// A filter is a parsed Query.Filter: nil is everything, else a tree of conditions.
//
// NOT is gone from the tree: parsing moves it into the conditions, which SQL's three-valued logic allows (NOT a<1 is
// a>=1, NOT (a AND b) is NOT a OR NOT b). A condition on what a row lacks is unknown, its negation is unknown too, and
// unknown selects nothing: so evaluation needs two values only.
type filter struct {
	cond *condition // a leaf, or else:
	or   bool       // one of kids holds, rather than all
	kids []*filter
}

// entity is what a condition is about.
type entity uint8

const (
	entAttribute entity = iota
	entTag
	entParam
	entMetric
)

// A condition compares one value of a row.
type condition struct {
	entity entity
	attr   *attribute      // of entAttribute
	key    string          // of the others; of a metric "" is any
	about  []MetricDataset // that a metric was measured on; empty: any

	op  condOp
	not bool // opIn, opLike, opNull: the opposite, still of a value that is there

	// One of these lists holds what is compared with: several for opIn, one for an order.
	texts   []string
	numbers []float64
	spans   []span // integers and times
	semvers []Semver
	like    *pattern
}

type condOp uint8

const (
	opIn   condOp = iota // equal to one
	opLt                 // below
	opLe                 //
	opGt                 //
	opGe                 //
	opLike               // fits the pattern
	opNull               // is not there; attributes: is empty
)

// A span is the integers from lo to hi, both included. A time in a filter is a span, for a millisecond, the unit of
// MLflow, is a thousand of the registry's microseconds: = means within it, > after its end.
type span struct{ lo, hi int64 }

// attrID names an attribute, of whatever has it.
type attrID uint8

const (
	attrName attrID = iota
	attrNumber
	attrStage
	attrAlias
	attrSemver
	attrCreated
	attrUpdated
	attrRun
	attrSource
	attrDigest
	attrDescription
	attrActor
	attrExperiment
	attrLifecycle
	attrStatus
	attrStarted
	attrEnded
	attrArtifacts
	attrModelType
	attrDatasetName
	attrDatasetDigest
	attrDatasetContext
	attrModelID
)

type attrKind uint8

const (
	kindText attrKind = iota
	kindStage
	kindSet
	kindInt
	kindTime
	kindSemver
)

// An attribute is what a filter or an order can name without tags., params. or metrics. in front.
type attribute struct {
	id    attrID
	kind  attrKind
	field string   // of the table; "" if only the document has it
	names []string // the canonical one first
}

// noTime is the time, in microseconds, of what has none yet, such as the end of a run that goes on: that of the zero
// time.Time. No filter can name it.
const noTime = -62135596800 * 1_000_000

// optional says whether the attribute can be missing: of times only the end of a run.
func (a *attribute) optional() bool { return a.id == attrEnded }

func (a *attribute) name() string { return a.names[0] }

// A subject is what is searched: its table, and what filters and orders can name.
type searchSubject struct {
	what       string // "models", for messages
	one        string // what to narrow a filter to, for messages
	table      string
	key        []string // fields that make the key
	attributes []attribute
	entities   []string // what can stand in front of a dot, for messages too
	wide       bool     // names of attributes may be quoted, and anything can be ordered by, if need be by sorting here
	order      []string // what decides an order that is asked for no further, as OrderBy has it; all of the key is in it
	page       int      // how many a page holds at most; 0 is maxPageSize
	scan       string   // a field in whose order all that meets a filter is best read; "" is the order of the key
	small      bool     // the documents are short: a page of them can be read at once
	aside      *aside   // where tags, params, metrics and sets are; nil: in the rows
}

// entityWords are what can stand in front of a dot.
var entityWords = map[string]entity{
	"attribute": entAttribute, "attributes": entAttribute, "attr": entAttribute, "run": entAttribute,
	"dataset": entAttribute, "datasets": entAttribute,
	"tag": entTag, "tags": entTag,
	"param": entParam, "params": entParam, "parameter": entParam, "parameters": entParam,
	"metric": entMetric, "metrics": entMetric,
}

// field says what prefix.key is of, where prefix is one of the subject's words; key has to be an attribute's name if the
// attribute is to be found.
func (s *searchSubject) field(prefix, key string) (entity, *attribute) {
	ent := entityWords[prefix]
	switch {
	case ent != entAttribute:
		return ent, nil
	case prefix == "dataset" || prefix == "datasets":
		key = "dataset." + key
	}
	return ent, s.attribute(key)
}

var modelSubject = searchSubject{
	what: "models", one: "part of the names", table: tableModels, key: []string{"name"}, order: []string{"name"},
	attributes: []attribute{
		{attrName, kindText, "name", []string{"name"}},
		{attrAlias, kindSet, "", []string{"alias", "aliases"}},
		{attrCreated, kindTime, "created", []string{"creation_timestamp", "created"}},
		{attrUpdated, kindTime, "updated", []string{"last_updated_timestamp", "updated", "timestamp"}},
		{attrDescription, kindText, "", []string{"description"}},
		{attrActor, kindText, "", []string{"user_id", "user", "actor", "created_by"}},
		{attrModelID, kindText, "id", []string{"model_id"}},
	},
	entities: []string{"attribute", "tag", "tags"},
}

var versionSubject = searchSubject{
	what: "versions", one: "one model", table: tableVersions, key: []string{"model", "number"},
	order: []string{"name", "version_number DESC"},
	attributes: []attribute{
		{attrName, kindText, "model", []string{"name"}},
		{attrNumber, kindInt, "number", []string{"version_number", "version"}},
		{attrStage, kindStage, "stage", []string{"stage", "current_stage"}},
		{attrAlias, kindSet, "aliases", []string{"alias", "aliases"}},
		{attrSemver, kindSemver, "semver", []string{"semver"}},
		{attrCreated, kindTime, "created", []string{"creation_timestamp", "created"}},
		{attrUpdated, kindTime, "updated", []string{"last_updated_timestamp", "updated", "timestamp"}},
		{attrRun, kindText, "run", []string{"run_id"}},
		{attrSource, kindText, "", []string{"source_path", "source"}},
		{attrDigest, kindText, "digest", []string{"digest"}},
		{attrDescription, kindText, "", []string{"description"}},
		{attrActor, kindText, "", []string{"user_id", "user", "actor", "created_by"}},
	},
	entities: []string{"attribute", "tag", "tags", "param", "params", "metric", "metrics"},
}

var experimentSubject = searchSubject{
	what: "experiments", one: "part of the names", table: tableExperiments, key: []string{"number"},
	order: []string{"creation_time DESC", "experiment_id"}, wide: true,
	attributes: []attribute{
		{attrExperiment, kindInt, "number", []string{"experiment_id"}},
		{attrName, kindText, "name", []string{"name"}},
		{attrCreated, kindTime, "created", []string{"creation_time", "creation_timestamp", "created"}},
		{attrUpdated, kindTime, "updated", []string{"last_update_time", "last_updated_timestamp", "updated"}},
		{attrLifecycle, kindText, "lifecycle", []string{"lifecycle_stage"}},
		{attrArtifacts, kindText, "", []string{"artifact_location"}},
	},
	entities: []string{"attribute", "attributes", "attr", "tag", "tags"},
}

var runSubject = searchSubject{
	what: "runs", one: "one experiment", table: tableRuns, key: []string{"id"}, scan: "started", small: true, aside: runAside,
	order: []string{"start_time DESC", "run_id"}, wide: true,
	attributes: []attribute{
		{attrRun, kindText, "id", []string{"run_id", "id", "run_uuid"}},
		{attrExperiment, kindText, "experiment", []string{"experiment_id"}},
		{attrName, kindText, "name", []string{"run_name", "name", "run name", "Run name", "Run Name"}},
		{attrStatus, kindText, "status", []string{"status"}},
		{attrActor, kindText, "user_id", []string{"user_id", "user", "User"}},
		{attrStarted, kindTime, "started", []string{"start_time", "created", "Created"}},
		{attrEnded, kindTime, "ended", []string{"end_time"}},
		{attrLifecycle, kindText, "lifecycle", []string{"lifecycle_stage"}},
		{attrArtifacts, kindText, "", []string{"artifact_uri"}},
		{attrDatasetName, kindSet, "", []string{"dataset.name"}},
		{attrDatasetDigest, kindSet, "", []string{"dataset.digest"}},
		{attrDatasetContext, kindSet, "", []string{"dataset.context"}},
	},
	entities: []string{"attribute", "attributes", "attr", "run", "tag", "tags", "param", "params", "parameter", "parameters",
		"metric", "metrics", "dataset", "datasets"},
}

// attribute finds an attribute by any of its names, which are in the case that MLflow has them in.
func (s *searchSubject) attribute(name string) *attribute {
	for i := range s.attributes {
		if slices.Contains(s.attributes[i].names, name) {
			return &s.attributes[i]
		}
	}
	return nil
}

// attributeNames lists what can be written, for messages.
func (s *searchSubject) attributeNames() string {
	names := make([]string, len(s.attributes))
	for i := range s.attributes {
		names[i] = s.attributes[i].name()
	}
	return strings.Join(names, ", ")
}

// junction makes one node of several, without nesting like in like. An OR of equalities of one thing becomes one
// condition, for that is what a backend can look up.
func junction(or bool, kids []*filter) *filter {
	var flat []*filter
	for _, kid := range kids {
		if kid.cond == nil && kid.or == or {
			flat = append(flat, kid.kids...)
		} else {
			flat = append(flat, kid)
		}
	}
	if or {
		flat = mergeEqualities(flat)
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &filter{or: or, kids: flat}
}

func mergeEqualities(kids []*filter) []*filter {
	type subject struct {
		entity  entity
		attr    *attribute
		key     string
		numeric bool // params are compared as text or as numbers
	}
	at := map[subject]int{}
	var out []*filter
	for _, kid := range kids {
		c := kid.cond
		if c == nil || c.op != opIn || c.not {
			out = append(out, kid)
			continue
		}
		s := subject{c.entity, c.attr, c.key, len(c.numbers) > 0}
		i, seen := at[s]
		if !seen {
			at[s] = len(out)
			out = append(out, kid)
			continue
		}
		merged := *out[i].cond
		merged.texts = slices.Concat(merged.texts, c.texts)
		merged.numbers = slices.Concat(merged.numbers, c.numbers)
		merged.spans = slices.Concat(merged.spans, c.spans)
		merged.semvers = slices.Concat(merged.semvers, c.semvers)
		out[i] = &filter{cond: &merged}
	}
	return out
}

// conjuncts takes apart what all has to hold: single conditions, and the rest, each an OR.
func (f *filter) conjuncts() (conds []*condition, rest []*filter) {
	switch {
	case f == nil:
	case f.cond != nil:
		conds = append(conds, f.cond)
	case f.or:
		rest = append(rest, f)
	default:
		for _, kid := range f.kids {
			if kid.cond != nil {
				conds = append(conds, kid.cond)
			} else {
				rest = append(rest, kid)
			}
		}
	}
	return conds, rest
}

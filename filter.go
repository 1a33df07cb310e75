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
	attr   *attribute // of entAttribute
	key    string     // of the others

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

// attrID names an attribute, of a model or a version alike.
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

func (a *attribute) name() string { return a.names[0] }

// A subject is what is searched: its table and what its filters can name.
type searchSubject struct {
	what       string // "models", for messages
	table      string
	key        []string // fields that make the key
	attributes []attribute
	entities   []string // that filters can name, for messages
}

var modelSubject = searchSubject{
	what: "models", table: tableModels, key: []string{"name"},
	attributes: []attribute{
		{attrName, kindText, "name", []string{"name"}},
		{attrAlias, kindSet, "", []string{"alias", "aliases"}},
		{attrCreated, kindTime, "created", []string{"creation_timestamp", "created"}},
		{attrUpdated, kindTime, "updated", []string{"last_updated_timestamp", "updated", "timestamp"}},
		{attrDescription, kindText, "", []string{"description"}},
		{attrActor, kindText, "", []string{"user_id", "user", "actor", "created_by"}},
	},
	entities: []string{"attribute", "tag", "tags"},
}

var versionSubject = searchSubject{
	what: "versions", table: tableVersions, key: []string{"model", "number"},
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

// attribute finds an attribute by any of its names, which are lower-case, as MLflow has it.
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

package modelregistry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Query selects models, versions, experiments, runs or logged models. The zero Query is all of them.
//
// # Filter
//
// Filter is in MLflow's language, and more of it:
//
//	name = 'IrisClassifier' AND version_number > 3
//	stage = 'Production' OR alias = 'champion'
//	tags.team LIKE 'fraud%' AND NOT (tags.`risk class` = 'high' OR tags.blocked IS NOT NULL)
//	metrics.accuracy >= 0.95 AND params.depth < 10
//	last_updated_timestamp > '2024-05-31T12:00:00Z' AND semver >= '1.2'
//
// Conditions are joined by AND, OR, NOT and parentheses; NOT binds tightest and OR loosest. Keywords are in any case,
// names in lower case. Text stands in ' or " (doubled, it stands for itself), numbers do not. A name behind tags.,
// params. or metrics. is put in ` (or ' or ") if it has other characters than letters, digits, dots, dashes and
// underscores. attribute. in front of an attribute changes nothing.
//
//	models and versions: name, alias, description, user_id, creation_timestamp, last_updated_timestamp, tags.key
//	models only:         model_id
//	versions only:       version_number, stage, semver, run_id, source_path, digest, params.key, metrics.key
//	experiments:         experiment_id, name, lifecycle_stage, artifact_location, creation_time, last_update_time, tags.key
//	runs:                run_id, experiment_id, run_name, status, user_id, start_time, end_time, lifecycle_stage, artifact_uri,
//	                     dataset.name, dataset.digest, dataset.context, tags.key, params.key, metrics.key
//
// lifecycle_stage is 'active' or 'deleted': without a condition on it both are found. A run's inputs are its datasets, and
// a condition on them asks as one on aliases does.
//
// Text is compared by =, !=, LIKE, ILIKE (which takes letters that differ by case for equal), IN and NOT IN, numbers,
// times and semantic versions by =, !=, <, <=, >, >=, IN and NOT IN. In a pattern % is any characters, _ is one, and
// \ takes the meaning from the character behind it. A param is compared as a number if it is compared with one. A time
// is a number of milliseconds since 1970, a quoted RFC 3339 time, or a quoted date, which is the whole day in UTC.
//
// Any condition on a tag, param, metric, semantic version or end that a row does not have is unknown, as is its negation:
// tags.k != 'v' selects what has the tag k, with another value. IS NULL selects what lacks it. A metric that is NaN is as
// good as missing. Attributes of text are never missing but may be empty, which is what IS NULL says of them. An alias
// condition asks for one alias that meets it; alias != 'x' and the like ask that none is x.
//
// # Order
//
// OrderBy lists keys, each with ASC (the default) or DESC behind it. Models have name, creation_timestamp and
// last_updated_timestamp (also: timestamp), versions besides version_number, stage, semver, run_id, digest and
// metrics.key. Without one, models are in order of name, and versions of name and then from the highest number down;
// what is left undecided by OrderBy is decided so. Text is in order of bytes. Versions without the metric come last;
// the filter of an order by metrics must select at most 10,000 versions, as one model's versions mostly are.
//
// Experiments and runs are ordered by any attribute but datasets, and by tags.key, params.key and metrics.key. Experiments
// come from the newest to the oldest, runs from the last started to the first, and then by ID. What is missing comes last
// in either direction, a run that goes on in an order by end_time too, and NaN right before it. Long text is ordered by its
// first 512 bytes. In an order by metrics, params, tags, end_time, artifact_uri or artifact_location a filter must select at
// most 10,000, as is mostly so within one experiment.
//
// A logged model may have many points of a metric: it meets a condition if any of them does, and is ordered by the newest,
// by time and then step. metrics.key ON 'data set' orders by the newest that was measured on that data, and
// metrics.key ON 'data set' 'digest' by that on just this state of it.
//
// # Pages
//
// A page holds at most PageSize of them. Its Next is the PageToken of the next page, with the same Filter and
// OrderBy, and "" on the last. A page can be short, even empty, and still have a Next: when much was looked through and
// little selected, or when its rows are long; it ends at about 16 MiB. What is added or removed between two pages makes no other row appear twice or not at all; a row that
// is moved by a change of what it is ordered by can.
type Query struct {
	Filter    string
	OrderBy   []string
	PageSize  int // 0 is 100; at most 10,000, of a metric's history 25,000
	PageToken string
	// Datasets are for SearchLoggedModels alone: the filter's conditions on metrics are about points that were measured on
	// one of these, and without any the filter selects models that have such a point.
	Datasets []MetricDataset
}

// A MetricDataset is the data that points of metrics were measured on.
type MetricDataset struct {
	Name   string
	Digest string // "": any
}

// Quote writes text as a value for a Filter, whatever is in it: "name = " + Quote(name).
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

const (
	defaultPageSize = 100
	maxPageSize     = 10_000
)

// A ModelPage is one page of a search for models.
type ModelPage struct {
	Models []*Model
	Next   string // the PageToken of the next page; "" if this is the last
}

// A VersionPage is one page of a search for versions.
type VersionPage struct {
	Versions []*Version
	Next     string // the PageToken of the next page; "" if this is the last
}

func searchModels(ctx context.Context, b backend.Backend, q Query) (ModelPage, error) {
	var page ModelPage
	next, err := runSearch(ctx, b, &modelSubject, q, func(row backend.Row) (found, error) {
		m, err := decodeModel(row)
		return foundModel{Model: m}, err
	}, func(f found) { page.Models = append(page.Models, f.(foundModel).Model) })
	if err != nil {
		return ModelPage{}, err
	}
	page.Next = next
	return page, nil
}

func searchVersions(ctx context.Context, b backend.Backend, q Query) (VersionPage, error) {
	var page VersionPage
	next, err := runSearch(ctx, b, &versionSubject, q, func(row backend.Row) (found, error) {
		v, err := decodeVersion(row)
		return foundVersion{v}, err
	}, func(f found) { page.Versions = append(page.Versions, f.(foundVersion).Version) })
	if err != nil {
		return VersionPage{}, err
	}
	page.Next = next
	return page, nil
}

// runSearch hands the rows of one page to take, in order, and returns the token of the next page.
func runSearch(ctx context.Context, b backend.Backend, subject *searchSubject, q Query, decode func(backend.Row) (found, error), take func(found)) (next string, err error) {
	size, most := q.PageSize, cmp.Or(subject.page, maxPageSize)
	switch {
	case size == 0:
		size = defaultPageSize
	case size < 0 || size > most:
		return "", fmt.Errorf("page size %d: %w: it is from 1 to %d, or 0 for %d", size, ErrInvalid, most, defaultPageSize)
	}
	filter, err := parseFilter(subject, q.Filter)
	if err != nil {
		return "", err
	}
	if filter, err = onDatasets(subject, filter, q.Datasets); err != nil {
		return "", err
	}
	order, err := parseOrder(subject, q.OrderBy)
	if err != nil {
		return "", err
	}
	key := tokenKey(subject, filter, order)
	after, err := decodeToken(q.PageToken, key, order)
	if err != nil {
		return "", err
	}
	plan := planFilter(subject, filter)
	w := &walker{ctx: ctx, backend: b, subject: subject, order: order, decode: decode, left: size, most: pageBytes,
		take: func(x candidate) { take(x.found) }}
	if len(plan.asides) > 0 && !plan.nothing {
		if err := w.narrow(&plan); err != nil {
			return "", err
		}
	}
	if plan.nothing {
		return "", nil
	}
	w.rest = plan.rest
	if subject.aside != nil {
		w.names = namesOf(plan.rest, order)
	}
	if slices.ContainsFunc(order, func(k orderKey) bool { return !k.streams() }) {
		at, err := w.sorted(plan.where, after)
		if err != nil || at == nil {
			return "", err
		}
		return encodeToken(key, at), nil
	}
	if err := w.walk(plan.where, 0, after); err != nil && err != errStop {
		return "", fmt.Errorf("search %s: %w", subject.what, err)
	}
	if !w.more {
		return "", nil
	}
	return encodeToken(key, positionOf(order, w.last)[:w.depth]), nil
}

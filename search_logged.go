package modelregistry

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

var loggedModelSubject = searchSubject{
	what: "logged models", one: "one experiment", table: tableLoggedModels, key: []string{"id"}, scan: "created",
	order: []string{"creation_timestamp DESC", "model_id"}, wide: true, aside: modelAside,
	attributes: []attribute{
		{attrModelID, kindText, "id", []string{"model_id"}},
		{attrName, kindText, "name", []string{"name"}},
		{attrModelType, kindText, "model_type", []string{"model_type"}},
		{attrStatus, kindText, "status", []string{"status"}},
		{attrRun, kindText, "run", []string{"source_run_id", "run_id"}},
		{attrExperiment, kindText, "experiment", []string{"experiment_id"}},
		{attrCreated, kindTime, "created", []string{"creation_timestamp", "creation_time", "creation_timestamp_ms", "created"}},
		{attrUpdated, kindTime, "updated", []string{"last_updated_timestamp", "last_updated_timestamp_ms", "last_updated_time", "updated"}},
		{attrLifecycle, kindText, "lifecycle", []string{"lifecycle_stage"}},
		{attrArtifacts, kindText, "", []string{"artifact_location", "artifact_uri"}},
	},
	entities: []string{"attribute", "attributes", "tag", "tags", "param", "params", "metric", "metrics"},
}

func (r *registry) SearchLoggedModels(ctx context.Context, q Query) (LoggedModelPage, error) {
	page, err := r.searchLoggedModels(ctx, q)
	return page, wrap("SearchLoggedModels", "", err)
}

// searchLoggedModels ends a page early whose models would have more points than a page holds.
func (r *registry) searchLoggedModels(ctx context.Context, q Query) (LoggedModelPage, error) {
	for {
		var page LoggedModelPage
		next, err := runSearch(ctx, r.backend, &loggedModelSubject, q, func(row backend.Row) (found, error) {
			m, err := decodeLoggedModel(row)
			return &foundLoggedModel{LoggedModel: m}, err
		}, func(f found) { page.Models = append(page.Models, f.(*foundLoggedModel).LoggedModel) })
		if err != nil {
			return LoggedModelPage{}, err
		}
		page.Next = next
		if err = readModelPoints(r.find(ctx), page.Models...); err == nil {
			return page, nil
		}
		if n := len(page.Models); !errors.Is(err, errManyPoints) || n == 1 {
			return LoggedModelPage{}, err
		}
		q.PageSize = len(page.Models) / 2
	}
}

// A foundLoggedModel is one with the metrics that a filter and an order name.
type foundLoggedModel struct {
	bareFound
	*LoggedModel
	measured map[string][]*measured // by key
}

func (m *foundLoggedModel) text(id attrID) string {
	switch id {
	case attrModelID:
		return m.ID
	case attrName:
		return m.Name
	case attrModelType:
		return m.Type
	case attrStatus:
		return string(m.Status)
	case attrRun:
		return m.RunID
	case attrExperiment:
		return m.ExperimentID
	case attrLifecycle:
		return lifecycle(m.Deleted)
	case attrArtifacts:
		return m.Artifacts
	}
	return ""
}

func (m *foundLoggedModel) int(id attrID) int64 {
	if id == attrCreated {
		return m.Created.UnixMicro()
	}
	return m.Updated.UnixMicro()
}

func (m *foundLoggedModel) entry(ent entity, key string) (string, bool) {
	if ent == entParam {
		return m.Params.Lookup(key)
	}
	return m.Tags.Lookup(key)
}

// onDatasets has a filter's conditions on metrics ask about data. If there are none, what is selected has a metric on it.
func onDatasets(subject *searchSubject, f *filter, about []MetricDataset) (*filter, error) {
	switch {
	case len(about) == 0:
		return f, nil
	case subject.aside != modelAside:
		return nil, fmt.Errorf("data sets of the query: %w: they are for searches of logged models, not of %s", ErrInvalid, subject.what)
	case len(about) > maxFilterConds:
		return nil, fmt.Errorf("data sets of the query: %w: %d, at most %d", ErrInvalid, len(about), maxFilterConds)
	}
	for _, d := range about {
		if d.Name == "" {
			return nil, fmt.Errorf("data sets of the query: %w: a data set without a name", ErrInvalid)
		}
	}
	found := false
	var mark func(*filter)
	mark = func(f *filter) {
		if f.cond != nil && f.cond.entity == entMetric {
			f.cond.about, found = about, true
		}
		for _, kid := range f.kids {
			mark(kid)
		}
	}
	if f == nil {
		return &filter{cond: &condition{entity: entMetric, op: opNull, not: true, about: about}}, nil
	}
	if mark(f); found {
		return f, nil
	}
	return junction(false, []*filter{f, {cond: &condition{entity: entMetric, op: opNull, not: true, about: about}}}), nil
}

func (m *foundLoggedModel) column(field string) backend.Value {
	switch field {
	case "created":
		return backend.TimeValue(m.Created)
	case "updated":
		return backend.TimeValue(m.Updated)
	}
	for i := range loggedModelSubject.attributes {
		if a := &loggedModelSubject.attributes[i]; a.field == field {
			return backend.StringValue(m.text(a.id))
		}
	}
	return backend.Value{}
}

package mlflow

import (
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

type loggedModelsJSON struct {
	Models []loggedModelJSON `json:"models,omitempty"`
	Next   string            `json:"next_page_token,omitempty"`
}

func (c *call) searchLoggedModels() (any, error) {
	limit, experiments := min(c.maxResults(50, maxRunResults), maxRows), c.experimentIDs()
	if !c.has("experiment_ids") {
		c.missing("experiment_ids")
	}
	q := modelregistry.Query{OrderBy: c.modelOrder(), PageToken: c.pageToken(), Datasets: c.datasets()}
	filter := c.text("filter")
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorize(Read, Resource{Kind: KindLoggedModel})
	if err != nil {
		return nil, err
	}
	if len(experiments) == 0 {
		return loggedModelsJSON{}, nil
	}
	condition, has := within(experiments)
	if q.Filter, err = narrow(modelregistry.SearchedLoggedModels, filter, "lifecycle_stage = 'active'", condition); err != nil {
		return nil, err
	}
	found, next, err := fill(limit, q, func(q modelregistry.Query) ([]*modelregistry.LoggedModel, string, error) {
		page, err := reg.SearchLoggedModels(c.r.Context(), q)
		return page.Models, page.Next, err
	}, func(m *modelregistry.LoggedModel) bool {
		return has(m.ExperimentID) && c.may(Read, loggedModelResource(m))
	})
	if err != nil {
		return nil, err
	}
	return loggedModelsJSON{each(found, loggedModelOf), c.wireToken(next)}, nil
}

// modelOrder is the field order_by, as the registry has it.
func (c *call) modelOrder() []string {
	var order []string
	for _, o := range c.objects("order_by") {
		name, digest := o.text("dataset_name"), o.text("dataset_digest")
		field := strings.TrimSuffix(o.required("field_name"), "_ms")
		if key, ok := strings.CutPrefix(field, "metrics."); ok {
			field = "metrics.`" + strings.ReplaceAll(strings.Trim(key, "`"), "`", "``") + "`"
			if name != "" || digest != "" {
				field += " ON " + modelregistry.Quote(name) + " " + modelregistry.Quote(digest)
			}
		}
		switch o.fields["ascending"] {
		case nil, true:
			order = append(order, field+" ASC")
		case false:
			order = append(order, field+" DESC")
		default:
			c.wrongType(o.path("ascending"), o.fields["ascending"])
		}
	}
	return order
}

// datasets is the field datasets, which the filter's metrics are about.
func (c *call) datasets() []modelregistry.MetricDataset {
	var out []modelregistry.MetricDataset
	for _, d := range c.objects("datasets") {
		out = append(out, modelregistry.MetricDataset{Name: d.required("dataset_name"), Digest: d.text("dataset_digest")})
	}
	return out
}

// authorizeModels asks whether the caller may do action with logged models, which are read only if there is somebody to be
// told of their experiments. Those that are not there are for the registry to miss.
func (c *call) authorizeModels(action Action, ids []string) error {
	if len(ids) == 0 || c.s.opts.Authorize == nil {
		return nil
	}
	var reg modelregistry.Registry
	var err error
	for _, id := range ids {
		if reg, err = c.authorize(action, Resource{Kind: KindLoggedModel, Name: id}); err != nil {
			return err
		}
	}
	_, _, err = fill(len(ids), modelregistry.Query{Filter: oneOf("model_id", ids)}, func(q modelregistry.Query) ([]*modelregistry.LoggedModel, string, error) {
		page, err := reg.SearchLoggedModels(c.r.Context(), q)
		for _, m := range page.Models {
			if !c.may(action, loggedModelResource(m)) {
				return nil, "", c.denied
			}
		}
		return page.Models, page.Next, err
	}, func(*modelregistry.LoggedModel) bool { return true })
	return err
}

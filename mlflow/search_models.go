package mlflow

import (
	"github.com/modelregistry-go/modelregistry"
)

func (c *call) searchModels() (any, error) {
	limit := c.pageSize(100, maxModelResults)
	filter, prompts := withoutPrompts(c.text("filter"))
	q := modelregistry.Query{Filter: filter, OrderBy: c.texts("order_by"), PageToken: c.pageToken()}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorizeModel(Read, "")
	if err != nil {
		return nil, err
	}
	page := func(q modelregistry.Query) ([]*modelregistry.Model, string, error) {
		page, err := reg.SearchModels(c.r.Context(), q)
		return page.Models, page.Next, err
	}
	want := func(m *modelregistry.Model) bool {
		return (prompts || !isPrompt(m.Tags)) && c.may(Read, Resource{Kind: KindModel, Name: m.Name})
	}
	found, next, err := search(c, limit, q, page, want)
	if err != nil {
		return nil, err
	}
	latest, err := c.latestOf(reg, found...)
	if err != nil {
		return nil, err
	}
	return modelsAnswer{each(found, func(m *modelregistry.Model) modelJSON { return modelOf(m, latest[m.Name]) }), next}, nil
}

func (c *call) searchVersions() (any, error) {
	limit := min(c.pageSize(maxVersionsPage, maxVersionsPage), maxRows)
	filter, prompts := withoutPrompts(c.text("filter"))
	q := modelregistry.Query{Filter: filter, OrderBy: c.texts("order_by"), PageToken: c.pageToken()}
	if c.problem != nil {
		return nil, c.problem
	}
	if len(q.OrderBy) == 0 {
		q.OrderBy = []string{"last_updated_timestamp DESC"} // then by name, and by number from the highest down
	}
	reg, err := c.authorizeVersion(Read, "", 0)
	if err != nil {
		return nil, err
	}
	page := func(q modelregistry.Query) ([]*modelregistry.Version, string, error) {
		page, err := reg.SearchVersions(c.r.Context(), q)
		return page.Versions, page.Next, err
	}
	want := func(v *modelregistry.Version) bool { return (prompts || !isPrompt(v.Tags)) && c.mayRead(v) }
	found, next, err := search(c, limit, q, page, want)
	if err != nil {
		return nil, err
	}
	versions := each(found, versionOf)
	for i := range versions {
		if c.s.opts.PlainSearch {
			versions[i].Aliases = nil
		}
	}
	return versionsAnswer{versions, next}, nil
}

// search is fill, with a token for clients.
func search[T any](c *call, limit int, q modelregistry.Query, page func(modelregistry.Query) ([]T, string, error), want func(T) bool) (found []T, next string, err error) {
	found, next, err = fill(limit, q, page, want)
	if err == nil {
		next, err = followed(q, next, page, want)
	}
	return found, c.wireToken(next), err
}

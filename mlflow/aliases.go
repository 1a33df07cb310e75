package mlflow

import (
	"errors"

	"github.com/modelregistry-go/modelregistry"
)

func (c *call) setAlias() (any, error) {
	name, alias, version := c.required("name"), c.required("alias"), c.required("version")
	number, err := parseVersion(version)
	if err := c.wrong(checkModelName(name), checkNewAlias(alias), err); err != nil {
		return nil, err
	}
	reg, err := c.authorize(Move, Resource{Kind: KindVersion, Name: name, Version: number, Alias: alias})
	if err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, noVersion(modelregistry.ErrNotFound, name, number)
	}
	_, err = reg.SetAlias(c.r.Context(), name, alias, number, nil)
	return nil, noVersion(err, name, number)
}

// deleteAlias deletes an alias; that it is not there is no error.
func (c *call) deleteAlias() (any, error) {
	name, alias := c.required("name"), c.required("alias")
	if err := c.wrong(checkModelName(name), checkAliasName(alias)); err != nil {
		return nil, err
	}
	reg, err := c.authorize(Move, Resource{Kind: KindVersion, Name: name, Alias: alias})
	if err != nil {
		return nil, err
	}
	_, err = reg.DeleteAlias(c.r.Context(), name, alias, nil)
	if errors.Is(err, modelregistry.ErrNotFound) { // the alias, or the model
		_, err = reg.Model(c.r.Context(), name)
	}
	return nil, noModel(err, name)
}

func (c *call) getByAlias() (any, error) {
	name, alias := c.required("name"), c.required("alias")
	if err := c.wrong(checkModelName(name), checkAliasName(alias)); err != nil {
		return nil, err
	}
	reg, err := c.authorize(Read, Resource{Kind: KindVersion, Name: name, Alias: alias})
	if err != nil {
		return nil, err
	}
	condition := "alias = " + modelregistry.Quote(alias)
	missing := invalid("Registered model alias %s not found.", clip(alias))
	if isLatest(alias) {
		condition, missing = "", notFound("Latest version not found for model %s.", clip(name))
	}
	v, err := c.newest(reg, name, condition)
	if err != nil {
		return nil, err
	}
	if v == nil {
		if _, err := reg.Model(c.r.Context(), name); err != nil {
			return nil, noModel(err, name)
		}
		return nil, missing
	}
	if !c.mayRead(v) {
		return nil, c.denied
	}
	return versionAnswer{versionOf(v)}, nil
}

// newest is the model's version with the highest number that meets a condition, or nil. The model may be missing.
func (c *call) newest(reg modelregistry.Registry, name, condition string) (*modelregistry.Version, error) {
	filter := "name = " + modelregistry.Quote(name)
	if condition != "" {
		filter += " AND " + condition
	}
	page, err := reg.SearchVersions(c.r.Context(), modelregistry.Query{Filter: filter, PageSize: 1})
	if err != nil || len(page.Versions) == 0 {
		return nil, err
	}
	return page.Versions[0], nil
}

// mayRead says whether the caller may read a version that was found by something else than its number.
func (c *call) mayRead(v *modelregistry.Version) bool {
	return c.may(Read, Resource{Kind: KindVersion, Name: v.Model, Version: v.Number})
}

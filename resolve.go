package modelregistry

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) Resolve(ctx context.Context, uri string) (*Version, error) {
	u, err := ParseURI(uri)
	if err == nil {
		var v *Version
		if v, err = r.resolve(ctx, u); err == nil {
			return v, nil
		}
	}
	return nil, wrap("Resolve", clip(uri), err)
}

// resolve finds the version that u names, in one query; a second one only makes a failure's message better.
func (r *registry) resolve(ctx context.Context, u URI) (*Version, error) {
	if u.RunID != "" {
		return r.resolveRun(ctx, u)
	}
	if !u.Range.IsZero() {
		return u.findRange(r.find(ctx))
	}
	v, err := r.findVersion(ctx, u.query())
	if errors.Is(err, backend.ErrNotFound) {
		return nil, u.notResolved(r.find(ctx))
	}
	if err != nil {
		return nil, err
	}
	return v, u.checkPin(v)
}

// query selects the version that u names as the first row; u has no range and no run.
func (u *URI) query() backend.Query {
	q := backend.Query{Table: tableVersions, Desc: true, Limit: 1}
	second := backend.Cond{}
	switch {
	case u.Number != 0:
		second = backend.Cond{Field: "number", Value: backend.IntValue(int64(u.Number))}
	case u.Stage != "":
		second = backend.Cond{Field: "stage", Value: backend.StringValue(u.Stage.column())}
	case u.Alias != "":
		second = backend.Cond{Field: "aliases", Value: backend.StringValue(u.Alias)}
	case !u.Semver.IsZero():
		second = backend.Cond{Field: "semver", Value: backend.StringValue(u.Semver.SortKey())}
	case !u.Latest && u.Digest != "":
		second = backend.Cond{Field: "digest", Value: backend.StringValue(u.Digest)}
	}
	model := backend.Cond{Field: "model", Value: backend.StringValue(u.Model)}
	if second.Field == "" {
		q.Where = []backend.Cond{model}
	} else {
		q.Where = []backend.Cond{model, second}
	}
	return q
}

// findVersion is the first version that meets q, or ErrNotFound.
func (r *registry) findVersion(ctx context.Context, q backend.Query) (*Version, error) {
	if r.memo != nil {
		found, err := r.memo.FindMemo(ctx, q, decodeVersionAny)
		if err != nil {
			return nil, err
		}
		v := *found.(*Version)
		return &v, nil
	}
	row, err := r.findOne(ctx, q)
	if err != nil {
		return nil, err
	}
	return decodeVersion(row)
}

func decodeVersionAny(row backend.Row) (any, error) { return decodeVersion(row) }

// checkPin compares a version with the digest that the URI demands, and fails closed.
func (u *URI) checkPin(v *Version) error {
	if u.Digest == "" || v.Digest == u.Digest {
		return nil
	}
	return fmt.Errorf("version %d of model %q: %w: its digest is %q, the URI demands %s", v.Number, v.Model, ErrCorrupt, v.Digest, u.Digest)
}

// find is the version that u, which names one of a model, names in what find reads.
func (u URI) find(find func(backend.Query) ([]backend.Row, error)) (*Version, error) {
	if !u.Range.IsZero() {
		return u.findRange(find)
	}
	rows, err := find(u.query())
	if err != nil {
		return nil, fmt.Errorf("read version: %w", err)
	}
	if len(rows) == 0 {
		return nil, u.notResolved(find)
	}
	v, err := decodeVersion(rows[0])
	if err != nil {
		return nil, err
	}
	return v, u.checkPin(v)
}

// findRange finds the highest semantic version in u's range.
func (u URI) findRange(find func(backend.Query) ([]backend.Row, error)) (*Version, error) {
	const page = 100
	q := backend.Query{Table: tableVersions, Order: "semver", Desc: true, Limit: page, Where: []backend.Cond{
		{Field: "model", Value: backend.StringValue(u.Model)},
		{Field: "semver", Op: backend.Gt, Value: backend.StringValue("")},
	}}
	for {
		rows, err := find(q)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			v, err := decodeVersion(row)
			if err != nil {
				return nil, err
			}
			if u.Range.Contains(v.Semver) {
				return v, u.checkPin(v)
			}
			q.After = append([]backend.Value{backend.StringValue(v.Semver.SortKey())}, row.Key...)
		}
		if len(rows) < page {
			return nil, u.notResolved(find)
		}
	}
}

// notResolved says what it is that is not there.
func (u URI) notResolved(find func(backend.Query) ([]backend.Row, error)) error {
	rows, err := find(backend.Query{Table: tableModels, Limit: 1, Where: []backend.Cond{{Field: "name", Value: modelKey(u.Model)}}})
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	if len(rows) == 0 {
		return errNoModel(u.Model)
	}
	return u.notFound()
}

func (u URI) notFound() error {
	switch {
	case u.Number != 0:
		return errNoVersion(u.Model, u.Number)
	case u.Stage != "":
		return fmt.Errorf("version of model %q in %s: %w", u.Model, u.Stage, ErrNotFound)
	case u.Alias != "":
		return errNoAlias(u.Model, u.Alias)
	case !u.Semver.IsZero():
		return fmt.Errorf("version %v of model %q: %w", u.Semver, u.Model, ErrNotFound)
	case !u.Range.IsZero():
		return fmt.Errorf("version of model %q in the range %v: %w", u.Model, u.Range, ErrNotFound)
	case u.Digest != "" && !u.Latest:
		return fmt.Errorf("version of model %q with the digest %s: %w", u.Model, u.Digest, ErrNotFound)
	}
	return fmt.Errorf("model %q has no version: %w", u.Model, ErrNotFound)
}

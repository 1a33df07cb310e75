package modelregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) ApplyRetention(ctx context.Context, plan *RetentionPlan, opts *ChangeOptions) (*RetentionReport, error) {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	if plan == nil || slices.Contains(plan.Delete, nil) {
		return nil, wrap("ApplyRetention", "", fmt.Errorf("plan: %w: it, or a version in it, is nil", ErrInvalid))
	}
	const batch = 200
	report := &RetentionReport{}
	rules := plan.Rules
	rules.KeepEverIn = slices.Clone(rules.KeepEverIn)
	if _, err := rules.check(); err != nil {
		return report, wrap("ApplyRetention", plan.Model, err)
	}
	for versions := range slices.Chunk(plan.Delete, batch) {
		var deleted []int
		var left []Kept
		err := r.changeModel(ctx, plan.Model, opts.Reason, false, nil, func(c *change) (err error) {
			deleted, left, err = c.dismiss(plan, versions)
			return err
		})
		if err != nil {
			return report, wrap("ApplyRetention", plan.Model, err)
		}
		report.Deleted = append(report.Deleted, deleted...)
		report.Left = append(report.Left, left...)
	}
	return report, nil
}

// dismiss deletes those of a plan's versions that are as they were, and that nothing keeps by now.
func (c *change) dismiss(plan *RetentionPlan, versions []*Version) (deleted []int, left []Kept, err error) {
	if c.model.ID != plan.ModelID {
		return nil, nil, &Conflict{Model: plan.Model, Reason: fmt.Sprintf("model %q was made anew since the plan", plan.Model)}
	}
	var numbers []int
	for _, v := range versions {
		numbers = append(numbers, v.Number)
	}
	if err := c.load(numbers...); err != nil {
		return nil, nil, err
	}
	last, err := c.last(plan.Rules.KeepLast)
	if err != nil {
		return nil, nil, err
	}
	for _, planned := range versions {
		v, err := c.version(planned.Number)
		if err != nil {
			left = append(left, Kept{planned.Number, []string{"deleted since the plan"}})
			continue
		}
		why := c.inUse(v)
		if same, err := sameVersion(v, planned); err != nil {
			return nil, nil, err
		} else if !same {
			why = append(why, "changed since the plan")
		}
		if slices.Contains(last, v.Number) {
			why = append(why, fmt.Sprintf("among the last %d by now", plan.Rules.KeepLast))
		}
		if len(why) > 0 {
			left = append(left, Kept{v.Number, why})
			continue
		}
		if err := c.deleteVersion(v); err != nil {
			return nil, nil, err
		}
		deleted = append(deleted, v.Number)
	}
	return deleted, left, nil
}

// last finds the n highest numbers that there are now.
func (c *change) last(n int) (numbers []int, err error) {
	if n == 0 {
		return nil, nil
	}
	rows, err := c.tx.Find(backend.Query{Table: tableVersions, Desc: true, Limit: n, Where: []backend.Cond{{Field: "model", Value: modelKey(c.model.Name)}}})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	for _, row := range rows {
		numbers = append(numbers, int(row.Key[1].Int()))
	}
	return numbers, nil
}

// sameVersion compares all that is known of two versions.
func sameVersion(a, b *Version) (bool, error) {
	textA, err := json.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("encode version: %w", err)
	}
	textB, err := json.Marshal(b)
	if err != nil {
		return false, fmt.Errorf("encode version: %w", err)
	}
	return bytes.Equal(textA, textB), nil
}

package modelregistry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// RetentionStore is the part of a Registry that deletes versions by rules, planned before they are applied, and removes
// deleted runs. Their files go with the next Sweep.
type RetentionStore interface {
	// PlanRetention says which versions of a model the rules would delete, and why each other stays. It changes nothing.
	PlanRetention(ctx context.Context, model string, rules RetentionRules) (*RetentionPlan, error)
	// ApplyRetention deletes what a plan says, in transactions of up to 200 versions. What has changed since the plan, or
	// is to be kept by now, is left and reported. An error leaves what was deleted before it deleted, and the report
	// says what that is; applying the plan again goes on.
	ApplyRetention(ctx context.Context, plan *RetentionPlan, opts *ChangeOptions) (*RetentionReport, error)
	// PurgeRuns removes runs that were deleted for good, with their metrics and their artifacts; versions that were made
	// of these keep their files. It takes many transactions: after an error, the report says which runs are gone, and the
	// same call goes on. A run whose removal has begun cannot be restored.
	PurgeRuns(ctx context.Context, purge RunPurge) (*PurgeReport, error)
}

// RetentionRules say which versions of a model stay: those that one rule keeps. Always kept are those in Staging or
// Production, those that an alias names, and those that a request for approval waits for. Rules that keep nothing else
// are ErrInvalid.
type RetentionRules struct {
	KeepLast        int           // so many with the highest numbers
	KeepEverIn      []Stage       // that are or were in one of these: Staging, Production
	KeepTagged      []string      // that have one of these tags
	KeepYoungerThan time.Duration // that were registered so recently
	KeepFilter      string        // that this filter selects; see Query
}

// A RetentionPlan is what rules would do to a model.
type RetentionPlan struct {
	Model   string         `json:"model"`
	ModelID string         `json:"model_id"`
	Rules   RetentionRules `json:"rules"`
	Time    time.Time      `json:"time"`             // as of when
	Delete  []*Version     `json:"delete,omitempty"` // ascending
	Keep    []Kept         `json:"keep,omitempty"`   // ascending
}

// Kept is a version that stays.
type Kept struct {
	Number int      `json:"number"`
	Why    []string `json:"why"` // such as "in Production", "alias champion", "among the last 5"
}

// String prints the version and the reasons: "3: in Production, alias champion".
func (k Kept) String() string { return fmt.Sprintf("%d: %s", k.Number, strings.Join(k.Why, ", ")) }

// A RetentionReport is what applying a plan did.
type RetentionReport struct {
	Deleted []int  `json:"deleted,omitempty"` // ascending
	Left    []Kept `json:"left,omitempty"`    // that the plan would have deleted
}

func (rules *RetentionRules) check() (*filter, error) {
	switch {
	case rules.KeepLast < 0:
		return nil, fmt.Errorf("KeepLast %d: %w: it is a count", rules.KeepLast, ErrInvalid)
	case rules.KeepYoungerThan < 0:
		return nil, fmt.Errorf("KeepYoungerThan %v: %w: it is an age", rules.KeepYoungerThan, ErrInvalid)
	case rules.KeepLast == 0 && len(rules.KeepEverIn) == 0 && len(rules.KeepTagged) == 0 && rules.KeepYoungerThan == 0 && rules.KeepFilter == "":
		return nil, fmt.Errorf("rules: %w: they keep nothing but what is in use; say what else stays, such as KeepLast: 5", ErrInvalid)
	}
	for i, stage := range rules.KeepEverIn {
		stage, err := stage.normal()
		if err != nil {
			return nil, err
		}
		if !stage.active() {
			return nil, fmt.Errorf("KeepEverIn %s: %w: it is about Staging and Production", stage, ErrInvalid)
		}
		rules.KeepEverIn[i] = stage
	}
	for _, tag := range rules.KeepTagged {
		if err := checkKey("tag", tag); err != nil {
			return nil, err
		}
	}
	return parseFilter(&versionSubject, rules.KeepFilter)
}

func (r *registry) PlanRetention(ctx context.Context, model string, rules RetentionRules) (*RetentionPlan, error) {
	rules.KeepEverIn, rules.KeepTagged = slices.Clone(rules.KeepEverIn), slices.Clone(rules.KeepTagged)
	filter, err := rules.check()
	if err == nil {
		err = checkModelName(model)
	}
	if err != nil {
		return nil, wrap("PlanRetention", model, err)
	}
	var plan *RetentionPlan
	err = r.backend.View(ctx, func(tx backend.Reader) error {
		c, err := r.newChange(snapshot{tx}, model, "", false)
		if err != nil {
			return err
		}
		plan, err = c.planRetention(rules, filter)
		return err
	})
	if err != nil {
		return nil, wrap("PlanRetention", model, err)
	}
	return plan, nil
}

func (c *change) planRetention(rules RetentionRules, filter *filter) (*RetentionPlan, error) {
	plan := &RetentionPlan{Model: c.model.Name, ModelID: c.model.ID, Rules: rules, Time: c.now}
	ever := map[Stage]map[int]bool{}
	for _, stage := range rules.KeepEverIn {
		numbers, err := c.everIn(stage)
		if err != nil {
			return nil, err
		}
		ever[stage] = numbers
	}
	var versions []*Version
	err := c.eachVersion(func(batch []*Version) error {
		versions = append(versions, batch...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, v := range versions {
		why := c.inUse(v)
		if i >= len(versions)-rules.KeepLast {
			why = append(why, fmt.Sprintf("among the last %d", rules.KeepLast))
		}
		for _, stage := range rules.KeepEverIn {
			if ever[stage][v.Number] && v.Stage != stage {
				why = append(why, fmt.Sprintf("was in %s", stage))
			}
		}
		for _, tag := range rules.KeepTagged {
			if _, ok := v.Tags.Lookup(tag); ok {
				why = append(why, "tag "+tag)
			}
		}
		if rules.KeepYoungerThan > 0 && c.now.Sub(v.Created) < rules.KeepYoungerThan {
			why = append(why, fmt.Sprintf("younger than %v", rules.KeepYoungerThan))
		}
		if filter != nil && filter.selects(foundVersion{v}) {
			why = append(why, "selected by the filter")
		}
		if len(why) > 0 {
			plan.Keep = append(plan.Keep, Kept{v.Number, why})
		} else {
			plan.Delete = append(plan.Delete, v)
		}
	}
	return plan, nil
}

// inUse is why a version stays whatever the rules are.
func (c *change) inUse(v *Version) (why []string) {
	if v.Stage.active() {
		why = append(why, "in "+string(v.Stage))
	}
	for alias := range v.Aliases.All() {
		why = append(why, "alias "+alias)
	}
	if slices.Contains(c.model.Served, v.Number) {
		why = append(why, "deployed")
	}
	for _, p := range c.model.Pending {
		if p.Version == v.Number && !p.expired(c.now.UnixMicro()) {
			why = append(why, "requested for "+string(p.Stage))
		}
	}
	return why
}

// everIn finds the versions that ever came into a stage.
func (c *change) everIn(stage Stage) (map[int]bool, error) {
	numbers := map[int]bool{}
	q := backend.Query{Table: tableEvents, Limit: eventPage, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(c.model.ID)},
		{Field: "stage_to", Value: backend.StringValue(string(stage))},
	}}
	for e, err := range events(c.tx.Find, q) {
		if err != nil {
			return nil, err
		}
		numbers[e.Version] = true
	}
	return numbers, nil
}

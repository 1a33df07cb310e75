package mlflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/modelregistry-go/modelregistry"
)

const (
	lacksSwap  = "MLflow's API has no compare-and-swap; leave IfCurrent out"
	lacksGates = "MLflow's API has no gates; leave Waive out"
)

// Promote moves a version into Staging or Production and archives who holds it; MLflow itself may leave two there when two
// do so at once. Displaced are those that the client found there just before.
func (c *Client) Promote(ctx context.Context, model string, number int, to modelregistry.Stage, opts *modelregistry.PromoteOptions) (*modelregistry.Promotion, error) {
	ref := versionRef(model, number)
	stage, err := checkStage(to)
	switch {
	case err != nil:
		return nil, failed("Promote", ref, "", err)
	case stage != modelregistry.Staging && stage != modelregistry.Production:
		return nil, failed("Promote", ref, "", fmt.Errorf("stage %s: %w: a version is promoted to Staging or Production; use Transition for others", stage, modelregistry.ErrInvalid))
	case opts != nil && opts.IfCurrent != nil:
		return nil, unable("Promote", ref, lacksSwap)
	case opts != nil && len(opts.Waive) > 0:
		return nil, unable("Promote", ref, lacksGates)
	}
	p, err := c.move(ctx, model, number, stage, true)
	return p, failed("Promote", ref, versionText(model, number), err)
}

// Transition moves a version to any stage, as Promote does.
func (c *Client) Transition(ctx context.Context, model string, number int, to modelregistry.Stage, opts *modelregistry.TransitionOptions) (*modelregistry.Promotion, error) {
	ref := versionRef(model, number)
	if opts == nil {
		opts = &modelregistry.TransitionOptions{}
	}
	stage, err := checkStage(to)
	if err != nil {
		return nil, failed("Transition", ref, "", err)
	}
	active := stage == modelregistry.Staging || stage == modelregistry.Production
	switch {
	case opts.IfCurrent != nil && !active:
		return nil, failed("Transition", ref, "", fmt.Errorf("stage %s: %w: only Staging or Production are held", stage, modelregistry.ErrInvalid))
	case opts.IfCurrent != nil:
		return nil, unable("Transition", ref, lacksSwap)
	case len(opts.Waive) > 0:
		return nil, unable("Transition", ref, lacksGates)
	}
	p, err := c.move(ctx, model, number, stage, active && !opts.Keep)
	return p, failed("Transition", ref, versionText(model, number), err)
}

func checkStage(s modelregistry.Stage) (modelregistry.Stage, error) {
	if s == "" {
		return modelregistry.None, nil
	}
	return modelregistry.ParseStage(string(s))
}

// move moves a version, and if archive is set those who hold the stage.
func (c *Client) move(ctx context.Context, model string, number int, to modelregistry.Stage, archive bool) (*modelregistry.Promotion, error) {
	now, err := c.version(ctx, model, number)
	if err != nil {
		return nil, err
	}
	var others []int
	if archive {
		if others, err = c.holders(ctx, model, to, number); err != nil {
			return nil, err
		}
	}
	if now.Stage == to && len(others) == 0 {
		return &modelregistry.Promotion{Version: now}, nil
	}
	body := versionID(model, number)
	body["stage"], body["archive_existing_versions"] = string(to), archive
	if err := c.call(ctx, &request{method: http.MethodPost, path: "model-versions/transition-stage", body: body}, nil); err != nil {
		return nil, err
	}
	// What is in the answer leaves out aliases on some servers.
	p := &modelregistry.Promotion{}
	if p.Version, err = c.version(ctx, model, number); err != nil {
		return nil, err
	}
	for _, other := range others {
		v, err := c.version(ctx, model, other)
		if errors.Is(err, modelregistry.ErrNotFound) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		p.Displaced = append(p.Displaced, v)
	}
	return p, nil
}

// holders are the numbers of the versions in a stage, ascending, but for one.
func (c *Client) holders(ctx context.Context, model string, stage modelregistry.Stage, but int) ([]int, error) {
	newest, err := c.latest(ctx, model, string(stage))
	if err != nil || len(newest) == 0 {
		return nil, err // mostly nobody else, found out without reading all versions
	}
	filter, err := nameFilter(model)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for v, err := range c.Versions(ctx, modelregistry.Query{Filter: filter, OrderBy: []string{"version_number ASC"}, PageSize: 1000}) {
		if err != nil {
			return nil, err
		}
		if v.Stage == stage && v.Number != but {
			numbers = append(numbers, v.Number)
		}
	}
	return numbers, nil
}

// latest are the versions with the highest number in each of the stages, or, with none given, in any.
func (c *Client) latest(ctx context.Context, model string, stages ...string) ([]*modelregistry.Version, error) {
	if err := checkName(model); err != nil {
		return nil, err
	}
	body := map[string]any{"name": model}
	if len(stages) > 0 {
		body["stages"] = stages
	}
	var answer struct {
		Versions []remoteVersion `json:"model_versions"`
	}
	if err := c.call(ctx, &request{method: http.MethodPost, path: "registered-models/get-latest-versions", body: body}, &answer); err != nil {
		return nil, err
	}
	return versionsOf(answer.Versions)
}

// Rollback is not supported: MLflow does not know who held a stage before.
func (c *Client) Rollback(_ context.Context, model string, stage modelregistry.Stage, _ *modelregistry.RollbackOptions) (*modelregistry.Promotion, error) {
	return nil, unable("Rollback", model+"/"+string(stage), "MLflow's registry has no history of stages; promote the version that held it before")
}

// SetAlias reads the model for who has the alias so far, and then moves it.
func (c *Client) SetAlias(ctx context.Context, model, alias string, number int, opts *modelregistry.AliasOptions) (previous int, err error) {
	ref := model + "@" + alias
	if opts != nil && opts.IfCurrent != nil {
		return 0, unable("SetAlias", ref, lacksSwap)
	}
	what := versionText(model, number)
	if err = checkVersion(model, number); err == nil {
		err = checkAlias(alias)
	}
	var m *modelregistry.Model
	if err == nil {
		m, err = c.model(ctx, model)
	}
	if err != nil {
		return 0, failed("SetAlias", ref, what, err)
	}
	previous = m.Aliases[alias]
	if previous == number {
		return previous, nil
	}
	return previous, failed("SetAlias", ref, what, c.setAlias(ctx, model, alias, number))
}

func (c *Client) setAlias(ctx context.Context, model, alias string, number int) error {
	body := versionID(model, number)
	body["alias"] = alias
	return c.call(ctx, &request{method: http.MethodPost, path: "registered-models/alias", body: body}, nil)
}

// DeleteAlias reads the model for who has the alias, and then deletes it.
func (c *Client) DeleteAlias(ctx context.Context, model, alias string, opts *modelregistry.AliasOptions) (previous int, err error) {
	ref, what := model+"@"+alias, aliasText(model, alias)
	if opts != nil && opts.IfCurrent != nil {
		return 0, unable("DeleteAlias", ref, lacksSwap)
	}
	m, err := c.model(ctx, model)
	if err != nil {
		return 0, failed("DeleteAlias", ref, what, err)
	}
	previous, ok := m.Aliases[alias]
	if !ok {
		return 0, failed("DeleteAlias", ref, what, modelregistry.ErrNotFound)
	}
	return previous, failed("DeleteAlias", ref, what, c.call(ctx, &request{method: http.MethodDelete, path: "registered-models/alias",
		body: map[string]any{"name": model, "alias": alias}}, nil))
}

func aliasText(model, alias string) string { return fmt.Sprintf("alias %q of model %q", alias, model) }

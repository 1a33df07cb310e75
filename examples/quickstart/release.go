package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

const minAccuracy = 0.9

// gate says why a version may not go to Production, where the incumbent is now (nil: nobody). A gate is plain Go: this
// one looks at a metric, another may ask a person or run a test.
func gate(v, incumbent *modelregistry.Version) error {
	got := v.Metrics.Get("accuracy")
	if got < minAccuracy {
		return fmt.Errorf("accuracy below %.3f", minAccuracy)
	}
	if incumbent != nil && got < incumbent.Metrics.Get("accuracy") {
		return fmt.Errorf("accuracy below the %s of version %d", accuracy(incumbent), incumbent.Number)
	}
	return nil
}

// release promotes v to Production if the gate lets it, and says in words what happened.
func release(ctx context.Context, reg modelregistry.Registry, v *modelregistry.Version) (verdict string, err error) {
	incumbent, err := reg.Resolve(ctx, production)
	current := 0
	switch {
	case err == nil:
		current = incumbent.Number
	case !errors.Is(err, modelregistry.ErrNotFound):
		return "", err
	}
	if refusal := gate(v, incumbent); refusal != nil {
		return fmt.Sprintf("stays in Staging: %v", refusal), nil
	}
	p, err := reg.Promote(ctx, model, v.Number, modelregistry.Production, &modelregistry.PromoteOptions{
		// The verdict is about this incumbent: if another process promotes a version meanwhile, this is ErrConflict.
		IfCurrent: &current,
		Reason:    "passed the gate with " + accuracy(v),
	})
	if err != nil {
		return "", err
	}
	verdict = "goes to Production"
	if len(p.Displaced) > 0 {
		verdict += fmt.Sprintf(" in place of version %d", p.Displaced[0].Number)
	}
	return verdict, nil
}

func accuracy(v *modelregistry.Version) string { return fmt.Sprintf("%.3f", v.Metrics.Get("accuracy")) }

package main

import (
	"context"
	"fmt"

	"github.com/modelregistry-go/modelregistry/abtest"
	"github.com/modelregistry-go/modelregistry/sign"
)

// serve does what an inference server does, which needs no more than the public key: it loads only what is signed,
// compares requests with the signature, and predicts.
func (p *pipeline) serve(ctx context.Context) error {
	trusted, err := sign.RequireSigned(p.reg, p.keys.public)
	if err != nil {
		return err
	}
	v, err := trusted.Resolve(ctx, production)
	if err != nil {
		return err
	}
	m, err := loadModel(trusted.Files(ctx, v))
	if err != nil {
		return err
	}
	facts, err := p.reg.Facts(ctx, v)
	if err != nil {
		return err
	}
	p.out.printf("loaded %s, signed by key %s\n", v.Ref(), sign.KeyID(p.keys.public))
	for _, f := range []flower{sizesOf(p.test[0]), sizesOf(p.test[30]), sizesOf(p.test[60])} {
		if err := facts.Signature.Validate([]flower{f}, nil); err != nil {
			return err
		}
		says := m.predict(f)
		p.out.printf("  %+v: %s, %.0f %%\n", f, says.Species, 100*says.Probability)
	}
	wrong := map[string]any{"sepal_length": 5.1, "sepal_width": "wide", "petal_length": 1.4, "petal_width": 0.2}
	p.out.printf("  %v: %v\n", wrong, facts.Signature.Validate(wrong, nil))
	return nil
}

// abTest lets users be served by the version in Production or the one before it, each user always by the same. Each test
// flower is a user here, of whom the truth is known.
func (p *pipeline) abTest(ctx context.Context) error {
	after, err := p.reg.Resolve(ctx, production)
	if err != nil {
		return err
	}
	before, err := p.before(ctx)
	if err != nil || before == nil {
		return err
	}
	test, err := abtest.New(abtest.Config{
		Name: fmt.Sprintf("%s-%d-or-%d", modelName, before.Number, after.Number),
		Variants: []abtest.Variant{
			{Name: "A", URI: before.URI(), Weight: 0.5},
			{Name: "B", URI: after.URI(), Weight: 0.5},
		},
	})
	if err != nil {
		return err
	}
	for _, user := range []string{"user_1", "user_2", "user_3", "user_4", "user_5"} {
		p.out.printf("%s is served by %s\n", user, test.Assign(user).URI)
	}
	tallies, err := p.reg.Outcomes(ctx, test.Config().Name)
	if err != nil {
		return err
	}
	if len(tallies) == 0 { // or an earlier execution of the program has recorded them
		if err := p.recordOutcomes(ctx, test); err != nil {
			return err
		}
		if tallies, err = p.reg.Outcomes(ctx, test.Config().Name); err != nil {
			return err
		}
	}
	results, err := test.Results(tallies)
	if err != nil {
		return err
	}
	p.out.printf("%s\n", results) // names no winner before it is known
	return nil
}

// recordOutcomes serves the users, and records in the registry whether they were served well.
func (p *pipeline) recordOutcomes(ctx context.Context, test *abtest.Test) error {
	models := map[string]*model{}
	for _, variant := range test.Variants() {
		v, err := p.reg.Resolve(ctx, variant.URI)
		if err != nil {
			return err
		}
		if models[variant.Name], err = loadModel(p.reg.Files(ctx, v)); err != nil {
			return err
		}
	}
	// An Interval below 0 leaves it to Close to put all counts into the registry, at once.
	recorder, err := abtest.NewRecorder(test, p.reg, &abtest.RecorderOptions{Interval: -1})
	if err != nil {
		return err
	}
	for i, f := range p.test {
		variant := test.Assign(fmt.Sprint("user_", i))
		right := models[variant.Name].predict(sizesOf(f)).Species == f.Species
		if err := recorder.Record(variant.Name, right); err != nil {
			return err
		}
	}
	return recorder.Close(ctx)
}

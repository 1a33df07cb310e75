package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/compare"
	"github.com/modelregistry-go/modelregistry/sign"
)

const (
	minAccuracy = 0.9
	approved    = "approved" // the name of the gate that counts approvals
)

// gates stand in front of Production. They are asked inside the promotion's transaction, and what each says is kept in
// the history.
func gates(trusted ed25519.PublicKey) []modelregistry.GateRule {
	inFront := func(name string, gate modelregistry.Gate) modelregistry.GateRule {
		return modelregistry.GateRule{Model: modelName, Stage: modelregistry.Production, Name: name, Gate: gate}
	}
	return []modelregistry.GateRule{
		inFront("", modelregistry.MetricAtLeast("accuracy", minAccuracy)),
		inFront("", modelregistry.MetricNotWorse("accuracy", 0.01, true)), // than the incumbent's
		inFront("", modelregistry.SignatureCompatible()),                  // for the incumbent's callers
		inFront("", modelregistry.FilesVerified()),
		inFront("", modelregistry.ProvenancePresent()), // CleanTree is stricter
		inFront("", modelregistry.TagPresent("validated", "true")),
		inFront("", sign.Gate(trusted)),
		inFront(approved, modelregistry.Approvals(1, "ann", "bob")),
	}
}

// release takes a version through Staging into Production, as far as it gets. It takes up where an earlier execution of
// the program stopped.
func (p *pipeline) release(ctx context.Context, v *modelregistry.Version) error {
	switch v.Stage {
	case modelregistry.Production:
		return p.deploy(ctx, v)
	case modelregistry.Archived:
		p.out.printf("version %d had its time\n", v.Number)
		return nil
	}
	if _, err := p.reg.Promote(ctx, modelName, v.Number, modelregistry.Staging, nil); err != nil {
		return err
	}
	if err := p.validate(ctx); err != nil {
		return err
	}
	if err := p.sign(ctx, v); err != nil {
		return err
	}

	// Nobody is asked to approve what would not pass the other gates.
	plan, err := p.reg.Plan(ctx, modelName, v.Number, modelregistry.Production, &modelregistry.TransitionOptions{
		Waive: map[string]string{approved: "is asked for next"},
	})
	if err != nil {
		return err
	}
	for _, said := range plan.Verdicts {
		p.out.printf("  %s\n", said)
	}
	if plan.Err() != nil {
		p.out.printf("version %d stays in Staging\n", v.Number)
		return nil
	}
	request, err := p.request(ctx, v)
	if err != nil {
		return err
	}
	if err := p.approve(ctx, request); err != nil {
		return err
	}
	return p.deploy(ctx, v)
}

// validate tests what is in Staging as it was stored: loaded from the registry, every byte verified.
func (p *pipeline) validate(ctx context.Context) error {
	v, err := p.reg.Resolve(ctx, "models:/"+modelName+"/Staging")
	if err != nil {
		return err
	}
	m, err := loadModel(p.reg.Files(ctx, v))
	if err != nil {
		return err
	}
	accuracy := m.evaluate(p.test)["accuracy"]
	validated := fmt.Sprint(accuracy >= minAccuracy)
	_, err = p.reg.UpdateVersion(ctx, modelName, v.Number, modelregistry.VersionPatch{
		SetTags: map[string]string{"validated": validated},
		Reason:  fmt.Sprintf("accuracy %.3f in Staging", accuracy),
	})
	p.out.printf("in Staging version %d has an accuracy of %.3f; validated: %s\n", v.Number, accuracy, validated)
	return err
}

// sign vouches for the version's files and facts, once.
func (p *pipeline) sign(ctx context.Context, v *modelregistry.Version) error {
	err := sign.Verify(ctx, p.reg, v, p.keys.public)
	if _, unsigned := errors.AsType[*sign.NotSigned](err); unsigned {
		return sign.Sign(ctx, p.reg, v, p.keys.private)
	}
	return err
}

// request asks for approval, unless that is asked for already.
func (p *pipeline) request(ctx context.Context, v *modelregistry.Version) (*modelregistry.Request, error) {
	waiting := modelregistry.RequestQuery{Model: modelName, Version: v.Number, State: modelregistry.RequestPending}
	for request, err := range p.reg.Requests(ctx, waiting) {
		return request, err
	}
	return p.reg.RequestTransition(ctx, modelName, v.Number, modelregistry.Production, modelregistry.RequestSpec{
		Reason: v.Description,
	})
}

// approve is what the second person does, in a program of her own: she looks at what is different, and approves. The
// last approval that is needed moves the version and archives who held Production, in one transaction.
func (p *pipeline) approve(ctx context.Context, request *modelregistry.Request) error {
	if len(request.Holders) > 0 {
		c, err := compare.Numbers(ctx, p.reg, modelName, nil, request.Holders[0], request.Version)
		if err != nil {
			return err
		}
		p.out.printf("\n%s\n", c.Differences())
	}
	request, err := p.reg.As("ann").Approve(ctx, request.ID, "compared it with what serves")
	if err != nil {
		return err
	}
	if err := request.Err(); err != nil { // the world has changed since the request
		return err
	}
	p.out.printf("approved: version %d is in Production, in place of %v\n", request.Version, request.Holders)
	return nil
}

// deploy records, once, where the version serves, and what serves there no more.
func (p *pipeline) deploy(ctx context.Context, v *modelregistry.Version) error {
	const endpoint, target = "iris-api", "greenhouse"
	facts, err := p.reg.Facts(ctx, v)
	if err != nil || len(facts.Endpoints) > 0 {
		return err
	}
	operator := p.reg.As("operator")
	previous, err := p.before(ctx)
	if err != nil {
		return err
	}
	if previous != nil {
		err := operator.EndDeployment(ctx, modelName, previous.Number, endpoint, target, nil)
		if err != nil && !errors.Is(err, modelregistry.ErrNotFound) {
			return err
		}
	}
	at := modelregistry.Endpoint{Name: endpoint, Target: target, Traffic: 100, URL: "https://greenhouse.example.com/iris"}
	if err := operator.RecordDeployment(ctx, modelName, v.Number, at, nil); err != nil {
		return err
	}
	p.out.printf("deployed at %s in %s\n", endpoint, target)
	return nil
}

// before is the version that was in Production before the one that is there now; nil if there was none. History knows.
func (p *pipeline) before(ctx context.Context) (*modelregistry.Version, error) {
	v, err := p.reg.Resolve(ctx, production)
	if err != nil {
		return nil, err
	}
	previous, err := p.reg.At(v.StageSince.Add(-time.Microsecond)).Resolve(ctx, production)
	if errors.Is(err, modelregistry.ErrNotFound) {
		return nil, nil
	}
	return previous, err
}

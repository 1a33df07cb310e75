package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/provenance"
)

// register makes a version of what a run left. If the same files are a version already, it is that: a second execution
// of the program adds nothing.
func (p *pipeline) register(ctx context.Context, r recipe, t *trainedModel) (*modelregistry.Version, error) {
	left, err := p.reg.Resolve(ctx, t.run.URI("model")) // not registered, but it has a digest
	if err != nil {
		return nil, err
	}
	v, err := p.reg.Resolve(ctx, "models:/"+modelName+"@"+left.Digest)
	if err == nil {
		p.out.printf("its files are version %d already\n", v.Number)
		return v, nil
	}
	if !errors.Is(err, modelregistry.ErrNotFound) {
		return nil, err
	}

	signature, err := modelregistry.InferSignature([]flower{}, r.answer) // from Go's types; samples of data do too
	if err != nil {
		return nil, err
	}
	made, err := provenance.Collect(ctx, nil) // commit, branch, modules, platform, command line without its secrets
	if err != nil {
		return nil, err
	}
	for _, warning := range made.Warnings {
		p.out.printf("warning: %s\n", warning)
	}
	lineage := []modelregistry.Origin{{Type: modelregistry.EvaluatedOn, Node: p.data}} // the run is trained-on it
	if t.parent != nil {
		lineage = append(lineage, modelregistry.Origin{Type: modelregistry.FineTunedFrom, Node: t.parent.Node()})
	}
	v, err = p.reg.Register(ctx, modelName, modelregistry.VersionSpec{
		Artifacts:   t.run.ArtifactPath("model"), // no byte is copied; Files takes any fs.FS
		RunID:       t.run.ID,
		Bump:        modelregistry.BumpAuto, // major, minor or patch, as callers will feel it
		Signature:   signature,
		Provenance:  made,
		Serving:     serving,
		Params:      t.run.Params.Clone(),
		Metrics:     t.metrics,
		Tags:        map[string]string{"framework": "plain Go", "recipe": r.name},
		Description: fmt.Sprintf("Trained on %d flowers, accuracy %.3f on %d others.", len(p.train), t.metrics["accuracy"], len(p.test)),
		Lineage:     lineage,
	})
	if err != nil {
		return nil, err
	}
	p.out.printf("registered as version %d, %s\n", v.Number, v.Semver)
	return v, nil
}

// serving is what a platform wants to know of a version: what Vertex AI and SageMaker ask for when one is uploaded.
var serving = &modelregistry.Serving{
	Image:         "registry.example.com/botany/iris-server:1.2",
	Ports:         []int{8080},
	ContentTypes:  []string{"application/json"},
	ResponseTypes: []string{"application/json"},
	InstanceTypes: []string{"n1-standard-4", "ml.m5.large"},
	Resources:     modelregistry.Resources{MilliCPU: 250, Memory: 64 << 20},
	PredictRoute:  "/predict",
	HealthRoute:   "/health",
}

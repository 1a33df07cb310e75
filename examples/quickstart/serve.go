package main

import (
	"context"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// serve does what an inference server does: it finds the version in Production, reads its model, and predicts. A server
// that only reads can ask for no more than a modelregistry.Resolver.
func serve(ctx context.Context, reg modelregistry.Resolver, show *narrator, test []iris.Flower) (*modelregistry.Version, error) {
	v, err := reg.Resolve(ctx, production)
	if err != nil {
		return nil, err
	}
	c, err := loadClassifier(reg.Files(ctx, v))
	if err != nil {
		return nil, err
	}
	show.predictions(v, c, []iris.Flower{test[0], test[30], test[60]}) // one of each species
	return v, nil
}

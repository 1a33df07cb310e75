package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// An experiment is one way to make a classifier.
type experiment struct {
	description string
	params      map[string]string
	bump        modelregistry.Bump
	train       func([]iris.Flower) (*classifier, error)
	origins     []modelregistry.Origin // besides the data set
}

var experiments = []experiment{
	{
		description: "nearest mean flower, by its sepals",
		params:      map[string]string{"algorithm": "nearest-mean", "features": "sepals"},
		bump:        modelregistry.BumpMajor,
		train:       func(f []iris.Flower) (*classifier, error) { return trainCentroids(f, "sepals"), nil },
	},
	{
		description: "softmax on petals",
		params:      map[string]string{"algorithm": "softmax", "features": "petals", "l2": "0.001"},
		bump:        modelregistry.BumpMajor,
		train:       func(f []iris.Flower) (*classifier, error) { return trainSoftmax(f, "petals", 0.001) },
	},
	{
		description: "softmax on petals and sepals",
		params:      map[string]string{"algorithm": "softmax", "features": "all", "l2": "0.001"},
		bump:        modelregistry.BumpMinor,
		train:       func(f []iris.Flower) (*classifier, error) { return trainSoftmax(f, "all", 0.001) },
	},
}

// hotFix is how production gets broken: weights that are noise, said to come from the version that serves.
func hotFix(serving *modelregistry.Version) (experiment, *classifier) {
	noise := rand.New(rand.NewPCG(1936, 150))
	c := &classifier{Species: iris.Species, Features: "all"}
	for range iris.Species {
		var weights []float64
		for range 5 {
			weights = append(weights, noise.NormFloat64())
		}
		c.Weights = append(c.Weights, weights)
	}
	return experiment{
		description: "hot fix",
		params:      map[string]string{"algorithm": "softmax", "features": "all"},
		bump:        modelregistry.BumpPatch,
		origins: []modelregistry.Origin{{Type: modelregistry.DerivedFrom, Node: modelregistry.Node{
			Kind: modelregistry.ModelVersion, Name: serving.Model, Version: strconv.Itoa(serving.Number),
		}}},
	}, c
}

// register makes the next version of the model: the files, and all that is known about them.
func register(ctx context.Context, reg modelregistry.Registry, e experiment, c *classifier, tested confusion) (v *modelregistry.Version, err error) {
	data, err := irisNode(ctx)
	if err != nil {
		return nil, err
	}
	files, err := os.MkdirTemp("", "iris-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(files)) }()
	if err := writeFiles(files, e.description, c, tested); err != nil {
		return nil, fmt.Errorf("write the files of %q: %w", e.description, err)
	}
	return reg.Register(ctx, model, modelregistry.VersionSpec{
		Files:       os.DirFS(files),
		Bump:        e.bump,
		Description: e.description,
		Params:      e.params,
		Metrics:     tested.metrics(),
		Tags:        map[string]string{"framework": "gonum"},
		Aliases:     []string{"candidate"}, // moves here from the version before
		Lineage:     append([]modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: data}}, e.origins...),
	})
}

// irisNode is the data set's place in the lineage: its version is the digest of the very bytes that were trained on.
func irisNode(ctx context.Context) (modelregistry.Node, error) {
	return modelregistry.DigestDataset(ctx, "iris", iris.Path, iris.Files)
}

// writeFiles writes what a version consists of into dir: model.json, metrics.json and confusion_matrix.png.
func writeFiles(dir, title string, c *classifier, tested confusion) error {
	for name, content := range map[string]any{
		"model.json":   c,
		"metrics.json": map[string]any{"metrics": tested.metrics(), "species": iris.Species, "confusion": tested},
	} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return tested.savePlot(title, filepath.Join(dir, "confusion_matrix.png"))
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

// A recipe is one way to make a model.
type recipe struct {
	name   string
	epochs int
	rate   float64 // of learning
	parent string  // the URI of a version to go on from; "" begins anew
	answer any     // a sample of what callers get, for the signature
}

var recipes = []recipe{
	{name: "first try", epochs: 10, rate: 0.01, answer: []earlyVerdict{}},
	{name: "longer, with probabilities", epochs: 50, rate: 0.01, answer: []verdict{}},
	{name: "in a hurry", epochs: 1, rate: 0.01, answer: []verdict{}},
	{name: "fine-tuned", epochs: 100, rate: 0.03, parent: "models:/" + modelName + "/1.1.0", answer: []verdict{}},
}

// A trainedModel is what a run left.
type trainedModel struct {
	run     *modelregistry.Run
	parent  *modelregistry.Version // nil if it began anew
	metrics map[string]float64     // on the test data
}

// trainTracked trains in a run of the experiment, which keeps the params, the data, the metrics step by step, and the
// files. A run that fails, or is broken off, is there as one that failed.
func (p *pipeline) trainTracked(ctx context.Context, r recipe) (t *trainedModel, err error) {
	t = new(trainedModel)
	t.run, err = p.reg.StartRun(ctx, modelregistry.RunSpec{
		Experiment: "iris",
		Name:       r.name,
		Params:     map[string]string{"epochs": strconv.Itoa(r.epochs), "rate": strconv.FormatFloat(r.rate, 'g', -1, 64)},
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_, failed := p.reg.UpdateRun(context.WithoutCancel(ctx), t.run.ID, modelregistry.RunPatch{Status: new(modelregistry.RunFailed)})
			err = errors.Join(err, failed)
		}
	}()
	if err := p.logData(ctx, t.run.ID); err != nil {
		return nil, err
	}

	m := newModel()
	if r.parent != "" {
		if t.parent, err = p.reg.Resolve(ctx, r.parent); err != nil {
			return nil, err
		}
		if m, err = loadModel(p.reg.Files(ctx, t.parent)); err != nil {
			return nil, err
		}
	}
	random := rand.New(rand.NewPCG(1936, 150)) // the same at every execution: equal recipes make equal files
	for epoch := range r.epochs {
		loss := m.learn(p.train, r.rate, random)
		if err := p.logMetrics(ctx, t.run.ID, int64(epoch), map[string]float64{"loss": loss}); err != nil {
			return nil, err
		}
	}
	t.metrics = m.evaluate(p.test)
	if err := p.logMetrics(ctx, t.run.ID, int64(r.epochs), t.metrics); err != nil {
		return nil, err
	}
	if err := p.putFiles(ctx, t.run, m); err != nil {
		return nil, err
	}
	t.run, err = p.reg.UpdateRun(ctx, t.run.ID, modelregistry.RunPatch{Status: new(modelregistry.RunFinished)})
	if err != nil {
		return nil, err
	}
	p.out.printf("run %s: %s, accuracy %.3f\n", t.run.ID, t.run.Params, t.metrics["accuracy"])
	return t, nil
}

// logData says what the run trains on, which is in the lineage then.
func (p *pipeline) logData(ctx context.Context, run string) error {
	return p.reg.LogRun(ctx, run, modelregistry.RunEntries{Inputs: []modelregistry.RunInput{{
		Dataset: &modelregistry.DatasetInput{Name: p.data.Name, Digest: p.data.Version, SourceType: "local", Source: p.data.Path},
		Tags:    modelregistry.MapOf(map[string]string{"mlflow.data.context": "training"}),
	}}})
}

func (p *pipeline) logMetrics(ctx context.Context, run string, step int64, metrics map[string]float64) error {
	var points []modelregistry.MetricPoint
	for key, value := range metrics {
		points = append(points, modelregistry.MetricPoint{Key: key, Value: value, Step: step})
	}
	return p.reg.LogRun(ctx, run, modelregistry.RunEntries{Metrics: points})
}

// putFiles keeps the model with its run, and beside it what is worth looking at but is no part of the model.
func (p *pipeline) putFiles(ctx context.Context, run *modelregistry.Run, m *model) error {
	for path, content := range map[string]any{
		"model/model.json":    m,
		"feature_schema.json": []string{"sepal_length", "sepal_width", "petal_length", "petal_width"},
	} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return err
		}
		if _, err := p.reg.PutArtifact(ctx, run.ArtifactPath(path), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	return nil
}

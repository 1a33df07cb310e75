package modelregistry_test

import (
	"context"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// A training program: it says what it tries and how it goes, and registers what came of it.
func ExampleRegistry_startRun() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	run, err := reg.StartRun(ctx, modelregistry.RunSpec{Experiment: "iris", Name: "softmax", Params: map[string]string{"lr": "0.5"}})
	if err != nil {
		log.Fatal(err)
	}
	err = reg.LogRun(ctx, run.ID, modelregistry.RunEntries{Inputs: []modelregistry.RunInput{
		{Dataset: &modelregistry.DatasetInput{Name: "iris", Digest: "2026-01", Source: "s3://data/iris.csv"}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	loss := 1.0
	for step := range int64(4) {
		loss /= 2
		err := reg.LogRun(ctx, run.ID, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{
			{Key: "loss", Value: loss, Step: step}, {Key: "accuracy", Value: 1 - loss, Step: step},
		}})
		if err != nil {
			log.Fatal(err)
		}
	}
	if run, err = reg.UpdateRun(ctx, run.ID, modelregistry.RunPatch{Status: new(modelregistry.RunFinished)}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Name, run.Status, run.Params, run.Metrics["accuracy"].Value)

	history, err := reg.MetricHistory(ctx, run.ID, "loss", modelregistry.Query{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range history.Points {
		fmt.Println("step", p.Step, "loss", p.Value)
	}

	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{RunID: run.ID, Metrics: map[string]float64{"accuracy": run.Metrics["accuracy"].Value}})
	if err != nil {
		log.Fatal(err)
	}
	g, err := reg.Lineage(ctx, v.Node(), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range g.Edges {
		fmt.Println(e.From.Kind, e.Type, e.To.Kind)
	}
	// Output:
	// softmax FINISHED lr=0.5 0.9375
	// step 0 loss 0.5
	// step 1 loss 0.25
	// step 2 loss 0.125
	// step 3 loss 0.0625
	// version produced-by run
	// run trained-on dataset
}

func ExampleRegistry_searchRuns() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, lr := range []float64{0.1, 0.2, 0.4} {
		run, err := reg.StartRun(ctx, modelregistry.RunSpec{Experiment: "iris", Params: map[string]string{"lr": fmt.Sprint(lr)}})
		if err != nil {
			log.Fatal(err)
		}
		err = reg.LogRun(ctx, run.ID, modelregistry.RunEntries{Metrics: []modelregistry.MetricPoint{{Key: "accuracy", Value: 0.9 + lr/8}}})
		if err != nil {
			log.Fatal(err)
		}
	}
	e, err := reg.ExperimentByName(ctx, "iris")
	if err != nil {
		log.Fatal(err)
	}
	q := modelregistry.Query{
		Filter:  "experiment_id = " + modelregistry.Quote(e.ID) + " AND lifecycle_stage = 'active' AND params.lr > 0.1",
		OrderBy: []string{"metrics.accuracy DESC"},
	}
	for run, err := range reg.Runs(ctx, q) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(run.Params, run.Metrics["accuracy"].Value)
	}
	// Output:
	// lr=0.4 0.9500000000000001
	// lr=0.2 0.925
}

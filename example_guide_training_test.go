package modelregistry_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// Params, metrics and tags describe a version, and it is found by them.
func ExampleVersionSpec_metadata() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	_, err := reg.Register(ctx, "fraud_detection", modelregistry.VersionSpec{
		Params:  map[string]string{"n_estimators": "100", "max_depth": "10", "min_samples_split": "5"},
		Metrics: map[string]float64{"accuracy": 0.92, "precision": 0.89, "recall": 0.85, "f1_score": 0.87},
		Tags: map[string]string{
			"model_type": "RandomForest", "use_case": "fraud_detection", "team": "risk_analytics", "data_version": "v2023-06",
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	query := modelregistry.Query{Filter: "tags.team = 'risk_analytics' AND metrics.recall > 0.8 AND params.max_depth <= 10"}
	for v, err := range reg.Versions(ctx, query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.Ref(), "recall", v.Metrics.Get("recall"))
	}
	// Output:
	// fraud_detection/1 recall 0.85
}

// What a training leaves besides the model stays with its run.
func ExampleRegistry_putArtifact() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	run, err := reg.StartRun(ctx, modelregistry.RunSpec{Experiment: "fraud"})
	if err != nil {
		log.Fatal(err)
	}
	for path, text := range map[string]string{
		"training_config.yaml": "max_depth: 10\n",
		"feature_schema.json":  `{"amount": "double"}`,
	} {
		if _, err := reg.PutArtifact(ctx, run.ArtifactPath(path), strings.NewReader(text)); err != nil {
			log.Fatal(err)
		}
	}
	page, err := reg.ListArtifacts(ctx, run.Artifacts, modelregistry.Query{})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range page.Artifacts {
		fmt.Println(a.Name, a.Size)
	}
	// Output:
	// feature_schema.json 20
	// training_config.yaml 14
}

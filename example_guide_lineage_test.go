package modelregistry_test

import (
	"context"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
)

// A version is registered with what it came from: a parent, the data, the feature store and the code.
func ExampleVersionSpec_lineage() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	parent, err := reg.Resolve(ctx, "models:/IrisClassifier/Production")
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "fraud_detection", modelregistry.VersionSpec{
		// provenance.Collect finds out about the code by itself.
		Provenance: &modelregistry.Provenance{Revision: "def456", Remote: "https://example.com/fraud.git"},
		Lineage: []modelregistry.Origin{
			{Type: modelregistry.FineTunedFrom, Node: parent.Node()},
			{Type: modelregistry.TrainedOn, Node: modelregistry.DatasetNode("train", "v2023-06", "s3://ml-data/train_v2023-06.parquet", nil)},
			{Type: modelregistry.DerivedFrom, Node: modelregistry.Node{Kind: modelregistry.FeatureSet, Name: "feature-store", Version: "v1.2"}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	graph, err := reg.Lineage(ctx, v.Node(), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range graph.Edges {
		fmt.Println(e.Type, e.To)
	}
	// Output:
	// derived-from features feature-store/v1.2
	// fine-tuned-from version IrisClassifier/2
	// produced-by code https://example.com/fraud.git/def456
	// trained-on dataset train/v2023-06
}

// All that is known of how a version came to be.
func ExampleRegistry_facts() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	run, err := reg.StartRun(ctx, modelregistry.RunSpec{Experiment: "fraud", Params: map[string]string{"max_depth": "10"}})
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "fraud_detection", modelregistry.VersionSpec{
		RunID:      run.ID,
		Provenance: &modelregistry.Provenance{Revision: "def456", Branch: "main", GoVersion: "go1.26"},
		Metrics:    map[string]float64{"accuracy": 0.92},
	})
	if err != nil {
		log.Fatal(err)
	}

	facts, err := reg.Facts(ctx, v)
	if err != nil {
		log.Fatal(err)
	}
	if run, err = reg.Run(ctx, v.RunID); err != nil {
		log.Fatal(err)
	}
	fmt.Println("model:", v.Ref())
	fmt.Println("commit:", facts.Provenance.Revision, "on", facts.Provenance.Branch)
	fmt.Println("params:", run.Params) // and run.Started is when
	fmt.Println("metrics:", v.Metrics)
	// Output:
	// model: fraud_detection/1
	// commit: def456 on main
	// params: max_depth=10
	// metrics: accuracy=0.92
}

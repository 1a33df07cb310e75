package lineage_test

import (
	"context"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/lineage"
)

// Data, feature code, training script, parent model, fine-tuned model, deployment: registered as they came about, and
// drawn by one call.
func Example() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	data := modelregistry.DatasetNode("training-data", "v2023-06", "s3://ml-data/train_v2023-06.parquet", map[string]string{"rows": "284807"})
	features := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "feature-engineering", Version: "abc123"}
	script := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "train.go", Version: "def456"}
	err = reg.Link(ctx, nil,
		modelregistry.Edge{From: features, Type: modelregistry.DerivedFrom, To: data},
		modelregistry.Edge{From: script, Type: modelregistry.DerivedFrom, To: features},
	)
	if err != nil {
		log.Fatal(err)
	}
	parent, err := reg.Register(ctx, "fraud_detection", modelregistry.VersionSpec{
		Semver:  "1.0.0",
		Lineage: []modelregistry.Origin{{Type: modelregistry.ProducedBy, Node: script}, {Type: modelregistry.TrainedOn, Node: data}},
	})
	if err != nil {
		log.Fatal(err)
	}
	tuned, err := reg.Register(ctx, "fraud_detection", modelregistry.VersionSpec{
		Semver:  "1.1.0",
		Lineage: []modelregistry.Origin{{Type: modelregistry.FineTunedFrom, Node: parent.Node()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	deployment := modelregistry.Node{Kind: modelregistry.Deployment, Name: "scoring-eu"}
	if err := reg.Link(ctx, nil, modelregistry.Edge{From: deployment, Type: modelregistry.Serves, To: tuned.Node()}); err != nil {
		log.Fatal(err)
	}

	g, err := reg.Lineage(ctx, tuned.Node(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(lineage.Text(g))
	fmt.Println()
	fmt.Print(lineage.Mermaid(g))
	// Output:
	// deployment scoring-eu
	// └─ serves version fraud_detection/2 *
	//    └─ fine-tuned-from version fraud_detection/1
	//       ├─ produced-by code train.go/def456
	//       │  └─ derived-from code feature-engineering/abc123
	//       │     └─ derived-from dataset training-data/v2023-06
	//       └─ trained-on dataset training-data/v2023-06
	//
	// flowchart BT
	//   n0["version<br/>fraud_detection/2"]
	//   n1["version<br/>fraud_detection/1"]
	//   n2[["code<br/>train.go/def456"]]
	//   n3[("dataset<br/>training-data/v2023-06")]
	//   n4[["code<br/>feature-engineering/abc123"]]
	//   n5(["deployment<br/>scoring-eu"])
	//   n0 -->|"fine-tuned-from"| n1
	//   n1 -->|"produced-by"| n2
	//   n1 -->|"trained-on"| n3
	//   n2 -->|"derived-from"| n4
	//   n4 -->|"derived-from"| n3
	//   n5 -->|"serves"| n0
	//   style n0 stroke-width:3px
}

func small() *modelregistry.Graph {
	data := modelregistry.DatasetNode("iris", "3", "s3://data/iris.csv", nil)
	v := modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "IrisClassifier", Version: "1"}
	return &modelregistry.Graph{
		Root:  v,
		Nodes: []modelregistry.Node{v, data},
		Edges: []modelregistry.Edge{{From: v, Type: modelregistry.TrainedOn, To: data}},
	}
}

func ExampleDOT() {
	fmt.Print(lineage.DOT(small()))
	// Output:
	// digraph lineage {
	//   rankdir=BT;
	//   node [shape=box, fontname="sans-serif"];
	//   edge [fontname="sans-serif", fontsize=10];
	//   n0 [label="version\nIrisClassifier/1", shape=box, penwidth=3];
	//   n1 [label="dataset\niris/3", shape=cylinder, tooltip="s3://data/iris.csv"];
	//   n0 -> n1 [label="trained-on"];
	// }
}

func ExampleJSON() {
	doc, err := lineage.JSON(small())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(doc))
	g, err := lineage.Parse(doc)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.Root, len(g.Nodes), len(g.Edges))
	// Output:
	// {
	//   "format": 1,
	//   "root": {
	//     "kind": "version",
	//     "name": "IrisClassifier",
	//     "version": "1"
	//   },
	//   "nodes": [
	//     {
	//       "kind": "version",
	//       "name": "IrisClassifier",
	//       "version": "1"
	//     },
	//     {
	//       "kind": "dataset",
	//       "name": "iris",
	//       "version": "3",
	//       "path": "s3://data/iris.csv"
	//     }
	//   ],
	//   "edges": [
	//     {
	//       "from": 0,
	//       "type": "trained-on",
	//       "to": 1
	//     }
	//   ]
	// }
	// version IrisClassifier/1 2 1
}

func ExampleOpenLineage() {
	events, err := lineage.OpenLineage(small(), &lineage.OpenLineageOptions{Namespace: "fraud-team"})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		fmt.Println(e.EventType, e.Job.Namespace, e.Job.Name)
		for _, d := range e.Inputs {
			fmt.Println("  read", d.Namespace, d.Name)
		}
		for _, d := range e.Outputs {
			fmt.Println("  wrote", d.Namespace, d.Name)
		}
	}
	// Output:
	// START fraud-team train.IrisClassifier
	//   read s3://data iris.csv
	// COMPLETE fraud-team train.IrisClassifier
	//   read s3://data iris.csv
	//   wrote fraud-team models:/IrisClassifier/1
}

package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing/fstest"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

func ExampleRegistry_register() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
		Files:       fstest.MapFS{"model.json": {Data: []byte(`{"round": 4}`)}},
		Bump:        modelregistry.BumpPatch,
		Description: "softmax on all sizes, regularised",
		Params:      map[string]string{"l2": "0.001"},
		Metrics:     map[string]float64{"accuracy": 0.973},
		Tags:        map[string]string{"team": "botany"},
		Aliases:     []string{"candidate"}, // moves here from version 3
		Lineage: []modelregistry.Origin{{
			Type: modelregistry.TrainedOn,
			Node: modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "2026-01"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.URI(), v.Semver, v.Stage, v.Aliases)
	fmt.Println(v.Params, v.Metrics, v.Tags)
	fmt.Println(v.FileCount, "file of", v.Size, "bytes")
	// Output:
	// models:/IrisClassifier/4 1.2.1 None candidate
	// l2=0.001 accuracy=0.973 team=botany
	// 1 file of 12 bytes
}

func ExampleRegistry_createModel() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	// Register makes a model by itself; CreateModel is for one that is to be described before it has versions.
	m, err := reg.CreateModel(ctx, "fraud", modelregistry.ModelSpec{
		Description: "scores card payments", Tags: map[string]string{"risk class": "high"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Name, m.Tags, m.Last)
	_, err = reg.CreateModel(ctx, "fraud", modelregistry.ModelSpec{})
	fmt.Println(errors.Is(err, modelregistry.ErrExists), err)
	// Output:
	// fraud risk class=high 0
	// true CreateModel fraud: model "fraud": already exists
}

func ExampleRegistry_model() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	m, err := reg.Model(ctx, "IrisClassifier")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("versions up to", m.Last)
	fmt.Println("in Production:", m.Holders[modelregistry.Production])
	fmt.Println("candidate:", m.Aliases["candidate"])
	// Output:
	// versions up to 3
	// in Production: [2]
	// candidate: 3
}

func ExampleRegistry_updateModel() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	m, err := reg.UpdateModel(ctx, "IrisClassifier", modelregistry.ModelPatch{
		Description: new("tells three species apart"),
		SetTags:     map[string]string{"team": "botany"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Description, m.Tags)
	// Output:
	// tells three species apart team=botany
}

func ExampleRegistry_renameModel() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	if _, err := reg.RenameModel(ctx, "IrisClassifier", "iris", nil); err != nil {
		log.Fatal(err)
	}
	v, err := reg.Resolve(ctx, "models:/iris/Production")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.URI())
	// Output:
	// models:/iris/2
}

func ExampleRegistry_deleteModel() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	err := reg.DeleteModel(ctx, "IrisClassifier", nil)
	fmt.Println(errors.Is(err, modelregistry.ErrConflict), err)
	err = reg.DeleteModel(ctx, "IrisClassifier", &modelregistry.DeleteOptions{Force: true, Reason: "replaced by flora"})
	fmt.Println(err)
	// Output:
	// true DeleteModel IrisClassifier: version 2 of model "IrisClassifier" is in Production; archive it first, or force
	// <nil>
}

func ExampleRegistry_models() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	if _, err := reg.CreateModel(ctx, "fraud", modelregistry.ModelSpec{}); err != nil {
		log.Fatal(err)
	}
	for m, err := range reg.Models(ctx, modelregistry.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Name, m.Last)
	}
	// Output:
	// IrisClassifier 3
	// fraud 0
}

func ExampleRegistry_searchModels() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	page, err := reg.SearchModels(ctx, modelregistry.Query{Filter: "name ILIKE 'iris%'", PageSize: 10})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Models), page.Models[0].Name, page.Next == "")
	// Output:
	// 1 IrisClassifier true
}

func ExampleRegistry_version() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.Version(ctx, "IrisClassifier", 3)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Ref(), v.Semver, v.Stage, v.Aliases, v.Metrics)
	_, err = reg.Version(ctx, "IrisClassifier", 9)
	fmt.Println(errors.Is(err, modelregistry.ErrNotFound), err)
	// Output:
	// IrisClassifier/3 1.2.0 None candidate accuracy=0.97
	// true Version IrisClassifier/9: version 9 of model "IrisClassifier": not found
}

func ExampleRegistry_versions() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	// The iterator fetches page after page.
	query := modelregistry.Query{Filter: "name = 'IrisClassifier'", OrderBy: []string{"version_number"}}
	for v, err := range reg.Versions(ctx, query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.Number, v.Semver, v.Stage, v.Metrics)
	}
	// Output:
	// 1 1.0.0 Archived accuracy=0.91
	// 2 1.1.0 Production accuracy=0.95
	// 3 1.2.0 None accuracy=0.97
}

func ExampleRegistry_searchVersions() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	query := modelregistry.Query{
		Filter:   "metrics.accuracy > 0.9 AND (stage = 'Production' OR alias = 'candidate')",
		OrderBy:  []string{"version_number DESC"},
		PageSize: 1,
	}
	for {
		page, err := reg.SearchVersions(ctx, query)
		if err != nil {
			log.Fatal(err)
		}
		for _, v := range page.Versions {
			fmt.Println(v.Ref(), v.Stage)
		}
		if page.Next == "" {
			break
		}
		query.PageToken = page.Next
	}
	_, err := reg.SearchVersions(ctx, modelregistry.Query{Filter: "stage = Production"})
	fmt.Println(err)
	// Output:
	// IrisClassifier/3 None
	// IrisClassifier/2 Production
	// SearchVersions: filter at character 9 ("Production"): invalid: text is quoted: 'Production'
}

func ExampleRegistry_updateVersion() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.UpdateVersion(ctx, "IrisClassifier", 3, modelregistry.VersionPatch{
		Description: new("two more features"), SetTags: map[string]string{"reviewed": "yes"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Description, v.Tags)
	// Output:
	// two more features reviewed=yes
}

func ExampleRegistry_deleteVersion() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	err := reg.DeleteVersion(ctx, "IrisClassifier", 2, nil)
	fmt.Println(errors.Is(err, modelregistry.ErrConflict), err)
	err = reg.DeleteVersion(ctx, "IrisClassifier", 1, nil)
	fmt.Println(err)
	// Output:
	// true DeleteVersion IrisClassifier/2: version 2 of model "IrisClassifier" is in Production; archive it first, or force
	// <nil>
}

func ExampleRegistry_copyVersion() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.CopyVersion(ctx, "models:/IrisClassifier/Production", "prod-iris", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.URI(), v.Semver, v.Metrics, "from", v.Source)
	// Output:
	// models:/prod-iris/1 1.1.0 accuracy=0.95 from models:/IrisClassifier/2
}

func ExampleRegistry_sweep() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	if err := reg.DeleteVersion(ctx, "IrisClassifier", 1, nil); err != nil {
		log.Fatal(err)
	}
	// A negative MinAge spares nothing; by default what is younger than a day stays.
	for _, dry := range []bool{true, false} {
		report, err := reg.Sweep(ctx, &modelregistry.SweepOptions{DryRun: dry, MinAge: -time.Second})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("dry run %t: %d removed (%d bytes), %d kept\n", dry, len(report.Removed), report.Bytes, report.Kept)
	}
	// Output:
	// dry run true: 1 removed (12 bytes), 3 kept
	// dry run false: 1 removed (12 bytes), 3 kept
}

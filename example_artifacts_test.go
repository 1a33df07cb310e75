package modelregistry_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
)

// A run leaves files, a version is made of them without copying a byte, and what happens to the run's files afterwards
// is nothing to the version.
func ExampleVersionSpec_artifacts() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)

	run, err := reg.StartRun(ctx, modelregistry.RunSpec{Experiment: "iris"})
	if err != nil {
		log.Fatal(err)
	}
	files := fstest.MapFS{"weights.json": {Data: []byte("[0.3, 0.7]")}, "labels.txt": {Data: []byte("setosa\n")}}
	if err := reg.LogArtifacts(ctx, run.ArtifactPath("model"), files, nil); err != nil {
		log.Fatal(err)
	}
	left, err := reg.Resolve(ctx, run.URI("model")) // to try out what is not registered yet
	if err != nil {
		log.Fatal(err)
	}

	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{Artifacts: run.ArtifactPath("model"), RunID: run.ID})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the version has what the run left:", v.Digest == left.Digest)

	if err := reg.DeleteArtifacts(ctx, run.Artifacts); err != nil {
		log.Fatal(err)
	}
	weights, err := fs.ReadFile(reg.Files(ctx, v), "weights.json")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("version %d has %d files, and the weights are %s\n", v.Number, v.FileCount, weights)
	// Output:
	// the version has what the run left: true
	// version 4 has 2 files, and the weights are [0.3, 0.7]
}

// One directory of artifacts after the other.
func ExampleRegistry_listArtifacts() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	files := fstest.MapFS{"model/weights.json": {Data: []byte("[0.3, 0.7]")}, "report.html": {Data: []byte("<p>fine</p>")}}
	if err := reg.LogArtifacts(ctx, "1/nightly", files, nil); err != nil {
		log.Fatal(err)
	}
	for _, dir := range []string{"1/nightly", "1/nightly/model"} {
		page, err := reg.ListArtifacts(ctx, dir, modelregistry.Query{})
		if err != nil {
			log.Fatal(err)
		}
		for _, a := range page.Artifacts {
			fmt.Printf("%s/%s: directory %t, %d bytes\n", dir, a.Name, a.IsDir, a.Size)
		}
	}
	// Output:
	// 1/nightly/model: directory true, 0 bytes
	// 1/nightly/report.html: directory false, 11 bytes
	// 1/nightly/model/weights.json: directory false, 10 bytes
}

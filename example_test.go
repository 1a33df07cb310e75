package modelregistry_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
)

// A registry in memory; with sqlite.Open and a bucket at file:/// it lasts. The program examples/quickstart tells a
// longer story.
func Example() {
	ctx := context.Background()
	rows := memory.New()
	defer rows.Close()
	blobs, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	defer blobs.Close()
	reg, err := modelregistry.New(ctx, rows, blobs, nil)
	if err != nil {
		log.Fatal(err)
	}

	// Training registers what it made. os.DirFS("out") would do for the files.
	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
		Files:   fstest.MapFS{"weights.json": {Data: []byte("[0.3, 0.7]")}},
		Metrics: map[string]float64{"accuracy": 0.97},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := reg.Promote(ctx, "IrisClassifier", v.Number, modelregistry.Production, nil); err != nil {
		log.Fatal(err)
	}

	// Serving asks for what is in Production. Reading the files verifies them.
	v, err = reg.Resolve(ctx, "models:/IrisClassifier/Production")
	if err != nil {
		log.Fatal(err)
	}
	weights, err := fs.ReadFile(reg.Files(ctx, v), "weights.json")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("version %d, accuracy %.2f, weights %s\n", v.Number, v.Metrics.Get("accuracy"), weights)
	// Output: version 1, accuracy 0.97, weights [0.3, 0.7]
}

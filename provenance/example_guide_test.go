package provenance_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/provenance"
)

// The code goes along with the model that it made.
func ExampleAttach() {
	ctx := context.Background()
	blobs, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	defer blobs.Close()
	reg, err := modelregistry.New(ctx, memory.New(), blobs, nil)
	if err != nil {
		log.Fatal(err)
	}
	code := fstest.MapFS{"train.go": {Data: []byte("package main\n")}} // or provenance.Snapshot(ctx, ""), in a git repository
	files, err := provenance.Attach(fstest.MapFS{"model.json": {Data: []byte("[1, 2]")}}, "code_snapshot", code)
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "fraud_detection", modelregistry.VersionSpec{Files: files})
	if err != nil {
		log.Fatal(err)
	}
	err = fs.WalkDir(reg.Files(ctx, v), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			fmt.Println(path)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// code_snapshot/train.go
	// model.json
}

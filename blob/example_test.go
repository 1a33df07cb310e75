package blob_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/modelregistry-go/modelregistry/blob"
)

func ExampleOpen() {
	ctx := context.Background()
	store, err := blob.Open(ctx, "mem://") // or file:///var/lib/models/blobs, s3://models, …
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	digest, size, err := store.Put(ctx, strings.NewReader("weights"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(digest[:19], size)

	r, err := store.Open(ctx, digest)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	_, err = io.Copy(os.Stdout, r)
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// sha256:9a129038d9a0 7
	// weights
}

func ExampleNewCache() {
	ctx := context.Background()
	origin, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	defer origin.Close()
	dir, err := os.MkdirTemp("", "models-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cache, err := blob.NewCache(origin, dir, &blob.CacheOptions{MaxBytes: 1 << 30})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	digest, _, err := cache.Put(ctx, strings.NewReader("weights"))
	if err != nil {
		log.Fatal(err)
	}
	r, err := cache.OpenRange(ctx, digest, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	part, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", part, err)
	// Output: igh <nil>
}

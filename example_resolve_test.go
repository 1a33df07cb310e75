package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
)

// exampleRegistry is a registry in memory in which IrisClassifier has three versions: 1 is archived, 2 is in Production,
// and 3 is the candidate.
func exampleRegistry(ctx context.Context) modelregistry.Registry {
	blobs, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	reg, err := modelregistry.New(ctx, memory.New(), blobs, &modelregistry.Options{Actor: "trainer"})
	if err != nil {
		log.Fatal(err)
	}
	for i, accuracy := range []float64{0.91, 0.95, 0.97} {
		_, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
			Files: fstest.MapFS{
				"model.json":    {Data: fmt.Appendf(nil, `{"round": %d}`, i+1)},
				"docs/NOTES.md": {Data: []byte("# Iris\n")},
			},
			Bump:    modelregistry.BumpMinor,
			Metrics: map[string]float64{"accuracy": accuracy},
			Aliases: []string{"candidate"},
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for number := range 2 {
		if _, err := reg.Promote(ctx, "IrisClassifier", number+1, modelregistry.Production, nil); err != nil {
			log.Fatal(err)
		}
	}
	return reg
}

func ExampleRegistry_resolve() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	for _, uri := range []string{
		"models:/IrisClassifier/1",
		"models:/IrisClassifier/Production",
		"models:/IrisClassifier@candidate",
		"models:/IrisClassifier/latest",
		"models:/IrisClassifier/1.1.0",
		"models:/IrisClassifier/^1.0",
	} {
		v, err := reg.Resolve(ctx, uri)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%-34s is version %d, %s\n", uri, v.Number, v.Semver)
	}

	_, err := reg.Resolve(ctx, "models:/IrisClassifier/Staging")
	fmt.Println(errors.Is(err, modelregistry.ErrNotFound), err)
	_, err = reg.Resolve(ctx, "IrisClassifier/Production")
	fmt.Println(errors.Is(err, modelregistry.ErrInvalid), err)
	// Output:
	// models:/IrisClassifier/1           is version 1, 1.0.0
	// models:/IrisClassifier/Production  is version 2, 1.1.0
	// models:/IrisClassifier@candidate   is version 3, 1.2.0
	// models:/IrisClassifier/latest      is version 3, 1.2.0
	// models:/IrisClassifier/1.1.0       is version 2, 1.1.0
	// models:/IrisClassifier/^1.0        is version 3, 1.2.0
	// true Resolve models:/IrisClassifier/Staging: version of model "IrisClassifier" in Staging: not found
	// true Resolve IrisClassifier/Production: URI "IrisClassifier/Production": invalid: write models:/IrisClassifier/Production
}

func ExampleRegistry_files() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.Resolve(ctx, "models:/IrisClassifier/Production")
	if err != nil {
		log.Fatal(err)
	}
	files := reg.Files(ctx, v) // an fs.FS: it goes into template.ParseFS, http.FS and the like
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		fmt.Println(path)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	text, err := fs.ReadFile(files, "model.json")
	if err != nil {
		log.Fatal(err) // ErrCorrupt, if it is not what was registered
	}
	fmt.Printf("%s\n", text)
	// Output:
	// .
	// docs
	// docs/NOTES.md
	// model.json
	// {"round": 2}
}

func ExampleRegistry_manifest() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.Version(ctx, "IrisClassifier", 1)
	if err != nil {
		log.Fatal(err)
	}
	files, err := reg.Manifest(ctx, v)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Printf("%-13s %2d bytes  %.15s…\n", f.Path, f.Size, f.Digest)
	}
	// Output:
	// docs/NOTES.md  7 bytes  sha256:be6bbf7d…
	// model.json    12 bytes  sha256:e4efddf8…
}

func ExampleDownload() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(temp)

	v, err := reg.Resolve(ctx, "models:/IrisClassifier/Production")
	if err != nil {
		log.Fatal(err)
	}
	dir := filepath.Join(temp, "model")
	if err := modelregistry.Download(ctx, reg, v, dir, nil); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "model.json"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", text)
	// Output:
	// {"round": 2}
}

func ExampleParseURI() {
	for _, s := range []string{"models:/fraud@champion", "models:/fraud/v1.2.0/weights/a.bin", "runs:/9f3c/model", "models:/fraud/Prod"} {
		u, err := modelregistry.ParseURI(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("model %q, alias %q, semver %q, run %q, path %q\n", u.Model, u.Alias, u.Semver, u.RunID, u.Path)
	}
	// Output:
	// model "fraud", alias "champion", semver "", run "", path ""
	// model "fraud", alias "", semver "1.2.0", run "", path "weights/a.bin"
	// model "", alias "", semver "", run "9f3c", path "model"
	// URI "models:/fraud/Prod": invalid: "Prod" is not a version number (1 to 2147483647), a stage (None, Staging, Production, Archived), latest, a semantic version (1.2.3) or a range of them (^1.2); an alias is written models:/name@alias
}

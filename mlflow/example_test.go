package mlflow_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// A registry is served to MLflow clients, and read by one written in Go.
func Example() {
	ctx := context.Background()
	files, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	reg, err := modelregistry.New(ctx, memory.New(), files, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
		Files:   fstest.MapFS{"model.json": {Data: []byte(`{"w": [1, 2]}`)}},
		Aliases: []string{"champion"},
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(mlflow.Handler(reg, nil))
	defer server.Close()

	client, err := mlflow.NewClient(server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	v, err := client.Resolve(ctx, "models:/IrisClassifier@champion")
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := modelregistry.Download(ctx, client, v, filepath.Join(dir, "model"), nil); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "model", "model.json"))
	fmt.Println(v.Ref(), string(text), err)
	// Output: IrisClassifier/1 {"w": [1, 2]} <nil>
}

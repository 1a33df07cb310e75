package modelregistry_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
)

// From registration through Staging into Production, and back when it turns out to be bad. The program examples/train
// does so with a real model.
func Example_productionWorkflow() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{
		Files: fstest.MapFS{"model.json": {Data: []byte(`{"round": 4}`)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := reg.Promote(ctx, "IrisClassifier", v.Number, modelregistry.Staging, nil); err != nil {
		log.Fatal(err)
	}

	staged, err := reg.Resolve(ctx, "models:/IrisClassifier/Staging")
	if err != nil {
		log.Fatal(err)
	}
	model, err := fs.ReadFile(reg.Files(ctx, staged), "model.json")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("test version %d: %s\n", staged.Number, model)

	p, err := reg.Promote(ctx, "IrisClassifier", staged.Number, modelregistry.Production, nil) // archives version 2
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Version.Ref(), p.Version.Stage, "-", p.Displaced[0].Ref(), p.Displaced[0].Stage)

	p, err = reg.Rollback(ctx, "IrisClassifier", modelregistry.Production, &modelregistry.RollbackOptions{Reason: "alarms"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Version.Ref(), p.Version.Stage, "-", p.Displaced[0].Ref(), p.Displaced[0].Stage)
	// Output:
	// test version 4: {"round": 4}
	// IrisClassifier/4 Production - IrisClassifier/2 Archived
	// IrisClassifier/2 Production - IrisClassifier/4 Archived
}

// Three versions, and a stage for each.
func Example_movingBetweenStages() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	for _, move := range []struct {
		number int
		to     modelregistry.Stage
	}{{1, modelregistry.Staging}, {2, modelregistry.Production}, {3, modelregistry.Archived}} {
		if _, err := reg.Transition(ctx, "IrisClassifier", move.number, move.to, nil); err != nil {
			log.Fatal(err)
		}
	}
	query := modelregistry.Query{Filter: "name = 'IrisClassifier'"} // the newest first
	for v, err := range reg.Versions(ctx, query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("Version %d  Stage: %s\n", v.Number, v.Stage)
	}
	// Output:
	// Version 3  Stage: Archived
	// Version 2  Stage: Production
	// Version 1  Stage: Staging
}

// Which version holds a stage, if any does.
func ExampleModel_Holder() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	m, err := reg.Model(ctx, "IrisClassifier")
	if err != nil {
		log.Fatal(err)
	}
	for _, stage := range []modelregistry.Stage{modelregistry.Production, modelregistry.Staging} {
		if number := m.Holder(stage); number != 0 {
			fmt.Println("in", stage, "is version", number)
		} else {
			fmt.Println("nobody is in", stage)
		}
	}
	// Output:
	// in Production is version 2
	// nobody is in Staging
}

package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
)

func ExampleRegistry_promote() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	p, err := reg.Promote(ctx, "IrisClassifier", 3, modelregistry.Production, &modelregistry.PromoteOptions{
		IfCurrent: new(2), // compare-and-swap: only in place of version 2
		Reason:    "accuracy 0.97",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Version.Ref(), "is in", p.Version.Stage)
	for _, v := range p.Displaced {
		fmt.Println(v.Ref(), "is", v.Stage)
	}

	_, err = reg.Promote(ctx, "IrisClassifier", 1, modelregistry.Production, &modelregistry.PromoteOptions{IfCurrent: new(2)})
	var conflict *modelregistry.Conflict
	if errors.As(err, &conflict) {
		fmt.Println("too late:", conflict.Current, "is in", conflict.Stage)
	}
	// Output:
	// IrisClassifier/3 is in Production
	// IrisClassifier/2 is Archived
	// too late: [3] is in Production
}

func ExampleRegistry_transition() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	// Keep lets both be in Staging, for an A/B test.
	for _, number := range []int{1, 3} {
		_, err := reg.Transition(ctx, "IrisClassifier", number, modelregistry.Staging, &modelregistry.TransitionOptions{Keep: true})
		if err != nil {
			log.Fatal(err)
		}
	}
	m, err := reg.Model(ctx, "IrisClassifier")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Holders)
	// Output:
	// map[Production:[2] Staging:[1 3]]
}

func ExampleRegistry_rollback() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	p, err := reg.Rollback(ctx, "IrisClassifier", modelregistry.Production, &modelregistry.RollbackOptions{Reason: "alarms"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Version.Ref(), "is in", p.Version.Stage, "again,", p.Displaced[0].Ref(), "is", p.Displaced[0].Stage)

	_, err = reg.Rollback(ctx, "IrisClassifier", modelregistry.Production, nil)
	fmt.Println(errors.Is(err, modelregistry.ErrConflict), err)
	// Output:
	// IrisClassifier/1 is in Production again, IrisClassifier/2 is Archived
	// true Rollback IrisClassifier/Production: no version that still exists held Production of model "IrisClassifier" before version 1
}

func ExampleRegistry_setAlias() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	previous, err := reg.SetAlias(ctx, "IrisClassifier", "champion", 2, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("before, it named", previous)
	previous, err = reg.SetAlias(ctx, "IrisClassifier", "champion", 3, &modelregistry.AliasOptions{IfCurrent: new(2)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("before, it named", previous)

	_, err = reg.SetAlias(ctx, "IrisClassifier", "latest", 3, nil)
	fmt.Println(err)
	// Output:
	// before, it named 0
	// before, it named 2
	// SetAlias IrisClassifier@latest: alias "latest": invalid: reserved; it names the newest version by itself
}

func ExampleRegistry_deleteAlias() {
	ctx := context.Background()
	reg := exampleRegistry(ctx)
	previous, err := reg.DeleteAlias(ctx, "IrisClassifier", "candidate", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("it named", previous)
	// Output:
	// it named 3
}

func ExampleParseStage() {
	stage, err := modelregistry.ParseStage("production")
	fmt.Println(stage, err)
	_, err = modelregistry.ParseStage("Prod")
	fmt.Println(err)
	// Output:
	// Production <nil>
	// stage "Prod": invalid: not one of None, Staging, Production, Archived
}

package abtest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/abtest"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// right stands for a prediction by a version's model, compared with the truth; version 5 is right more often.
func right(v *modelregistry.Version, user int) bool {
	if v.Number == 5 {
		return user%20 != 0
	}
	return user%10 != 0
}

// An A/B test of two versions: each user is served by one of them, always the same, and what came of it is recorded in
// the registry.
func Example() {
	ctx := context.Background()
	reg := registryWith("fraud_detection", 5)

	test := must(abtest.New(abtest.Config{Name: "fraud-4-or-5", Variants: []abtest.Variant{
		{Name: "A", URI: "models:/fraud_detection/4", Weight: 0.5},
		{Name: "B", URI: "models:/fraud_detection/5", Weight: 0.5},
	}}))
	rec := must(abtest.NewRecorder(test, reg, nil))
	for user := range 2000 {
		variant := test.Assign(fmt.Sprint("user_", user))
		version := must(reg.Resolve(ctx, variant.URI))
		check(rec.Record(variant.Name, right(version, user))) // once the truth is known
	}
	results := must(rec.Results(ctx))
	check(rec.Close(ctx))
	fmt.Println(results)
	// Output:
	// VARIANT  OUTCOMES  RATE    MEAN  VS CONTROL  ALWAYS VALID          P
	// A        995       0.9045  -     -           -                     -
	// B        1005      0.9463  -     +0.04175    +0.003062 to +0.0817  0.028
	// winner: B
}

// A new version gets more users step by step. Nobody who has it loses it again.
func ExampleTest_Ramp() {
	test := must(abtest.New(abtest.Config{Name: "fraud-5", Variants: []abtest.Variant{
		{Name: "stable", URI: "models:/fraud_detection/Production", Weight: 0.9},
		{Name: "canary", URI: "models:/fraud_detection@canary", Weight: 0.1},
	}}))
	wider := must(test.Ramp(abtest.Weights{"stable": 0.7, "canary": 0.3}))
	counts := map[string]int{}
	for user := range 10_000 {
		id := fmt.Sprint("user_", user)
		counts[test.Assign(id).Name+" to "+wider.Assign(id).Name]++
	}
	fmt.Println(counts)
	fmt.Println(wider.Config().Earlier) // every process needs it, to move the same users
	// Output:
	// map[canary to canary:988 stable to canary:1985 stable to stable:7027]
	// [map[canary:0.1 stable:0.9]]
}

// Outcomes may be numbers; here less is better. Nothing is known until it is.
func ExampleRecorder_Measure() {
	test := must(abtest.New(abtest.Config{
		Name: "latency", Metric: abtest.Mean, LowerIsBetter: true,
		Variants: []abtest.Variant{
			{Name: "float32", URI: "models:/ranker/7", Weight: 0.5},
			{Name: "int8", URI: "models:/ranker/8", Weight: 0.5},
		},
	}))
	rec := must(abtest.NewRecorder(test, nil, nil)) // in memory
	for user := range 1000 {
		variant := test.Assign(fmt.Sprint("user_", user))
		milliseconds := float64(20 + user%15)
		if variant.Name == "int8" {
			milliseconds *= 0.8
		}
		check(rec.Measure(variant.Name, milliseconds))
		if user == 100 || user == 999 {
			fmt.Println(must(rec.Results(context.Background())))
		}
	}
	// Output:
	// VARIANT  OUTCOMES  RATE  MEAN    VS CONTROL  ALWAYS VALID     P
	// float32  50        -     26.98   -           -                -
	// int8     51        -     21.271  -5.709      -12.9 to +1.481  0.15
	// no winner yet
	// VARIANT  OUTCOMES  RATE  MEAN    VS CONTROL  ALWAYS VALID      P
	// float32  508       -     27.049  -           -                 -
	// int8     492       -     21.519  -5.531      -6.514 to -4.547  4.9e-46
	// winner: int8
}

// registryWith is a registry in memory that has versions 1 to n of a model.
func registryWith(model string, n int) modelregistry.Registry {
	ctx := context.Background()
	reg := must(modelregistry.New(ctx, memory.New(), nil, nil))
	for range n {
		must(reg.Register(ctx, model, modelregistry.VersionSpec{}))
	}
	return reg
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

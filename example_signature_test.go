package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

func ExampleInferSignature() {
	type Applicant struct {
		Age    int      `json:"age"`
		Income *float64 `json:"income"` // may be left out
	}
	s, err := modelregistry.InferSignature(Applicant{}, []float64{0.7})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range append(s.Inputs, s.Outputs...) {
		fmt.Println(c)
	}
	text, err := json.Marshal(s) // as MLflow writes it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output:
	// age: long
	// income: double, optional
	// tensor of float64 (-1)
	// {"inputs":"[{\"type\": \"long\", \"name\": \"age\", \"required\": true}, {\"type\": \"double\", \"name\": \"income\", \"required\": false}]","outputs":"[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1]}}]","params":null}
}

func ExampleSignature_Validate() {
	s, err := modelregistry.ParseSignature(`[{"name": "age", "type": "long"}, {"name": "tags", "type": "array", "items": {"type": "string"}}]`, "", "")
	if err != nil {
		log.Fatal(err)
	}
	var request any
	if err := json.Unmarshal([]byte(`[{"age": 41, "tags": []}, {"age": 41.5, "tags": ["new", 7]}]`), &request); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Validate(request, nil))
	// Output:
	// row 1: column "age": want long, got the number 41.5
	// row 1: column "tags[1]": want string, got the number 7
}

func ExampleSignature_Diff() {
	old := &modelregistry.Signature{Inputs: modelregistry.Schema{{Name: "age", Type: modelregistry.TypeInteger}}}
	next := &modelregistry.Signature{Inputs: modelregistry.Schema{
		{Name: "age", Type: modelregistry.TypeLong},
		{Name: "income", Type: modelregistry.TypeDouble},
	}}
	d := old.Diff(next)
	fmt.Println(d)
	fmt.Println(d.Bump())
	// Output:
	// compatible: inputs: "age" takes long, and took integer
	// breaking: inputs: "income" (double) is new and required
	// major
}

func ExampleRegistry_register_bumpAuto() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	age := modelregistry.Column{Name: "age", Type: modelregistry.TypeLong}
	city := modelregistry.Column{Name: "city", Type: modelregistry.TypeString}
	maybe := city
	maybe.Optional = true
	for _, inputs := range []modelregistry.Schema{{age}, {age}, {age, maybe}, {age, city}} {
		v, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{
			Signature: &modelregistry.Signature{Inputs: inputs},
			Bump:      modelregistry.BumpAuto,
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.Semver)
	}
	_, err = reg.Register(ctx, "fraud", modelregistry.VersionSpec{
		Signature: &modelregistry.Signature{Inputs: modelregistry.Schema{age, city, {Name: "zip", Type: modelregistry.TypeString}}},
		Bump:      modelregistry.BumpMinor,
	})
	if small, ok := errors.AsType[*modelregistry.SmallBump](err); ok {
		fmt.Println("refused: it needs", small.Need, small.Least)
	}
	// Output:
	// 1.0.0
	// 1.0.1
	// 1.1.0
	// 2.0.0
	// refused: it needs major 3.0.0
}

func ExampleRegistry_recordDeployment() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{Actor: "deployer"})
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{Serving: &modelregistry.Serving{
		Image:         "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-0:latest",
		Ports:         []int{8080},
		ContentTypes:  []string{"application/json"},
		ResponseTypes: []string{"application/json"},
		InstanceTypes: []string{"n1-standard-4", "ml.m5.large"},
		Resources:     modelregistry.Resources{MilliCPU: 2000, Memory: 4 << 30},
		HealthRoute:   "/health",
	}})
	if err != nil {
		log.Fatal(err)
	}
	canary := modelregistry.Endpoint{Name: "fraud-api", Target: "us-central1", Traffic: 10}
	if err := reg.RecordDeployment(ctx, "fraud", v.Number, canary, &modelregistry.ChangeOptions{Reason: "canary"}); err != nil {
		log.Fatal(err)
	}
	facts, err := reg.Facts(ctx, v)
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range facts.Endpoints {
		fmt.Printf("%s in %s: %v %%\n", at.Name, at.Target, at.Traffic)
	}
	g, err := reg.Lineage(ctx, canary.Node(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.Edges[0].From, g.Edges[0].Type, g.Edges[0].To)
	// Output:
	// fraud-api in us-central1: 10 %
	// deployment fraud-api/us-central1 serves version fraud/1
}

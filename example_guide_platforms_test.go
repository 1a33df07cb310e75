package modelregistry_test

import (
	"context"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// A version as SageMaker has it: registered with what it takes to serve it, pending until somebody approves.
func ExampleRegistry_approvalStatus() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{Actor: "trainer"})
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "fraud-detection-models", modelregistry.VersionSpec{Serving: &modelregistry.Serving{
		Image:         "sagemaker-sklearn",
		ContentTypes:  []string{"application/json"},
		ResponseTypes: []string{"application/json"},
		InstanceTypes: []string{"ml.m5.large"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	request, err := reg.RequestTransition(ctx, v.Model, v.Number, modelregistry.Production, modelregistry.RequestSpec{})
	if err != nil {
		log.Fatal(err)
	}
	status, err := reg.ApprovalStatus(ctx, v.Model, v.Number)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status)

	if _, err := reg.As("ann").Approve(ctx, request.ID, "fewer false alarms"); err != nil {
		log.Fatal(err)
	}
	if status, err = reg.ApprovalStatus(ctx, v.Model, v.Number); err != nil {
		log.Fatal(err)
	}
	fmt.Println(status) // and the version is in Production by the same transaction
	// Output:
	// PendingManualApproval
	// Approved
}

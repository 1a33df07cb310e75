package backendtest_test

import (
	"testing"

	"github.com/modelregistry-go/modelregistry/backend/backendtest"
)

// The suite is satisfied by the plainest backend that keeps the contract.
func TestReference(t *testing.T) { backendtest.Run(t, openWorld(""), nil) }

// Package backendtest proves that a backend keeps the contract that package backend states.
//
// The test of a backend is one call:
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, func(t testing.TB) func() backend.Backend {
//			path := filepath.Join(t.TempDir(), "store.db")
//			return func() backend.Backend {
//				b, err := sqlite.Open(t.Context(), path, nil)
//				if err != nil {
//					t.Fatal(err)
//				}
//				return b
//			}
//		}, nil)
//	}
//
// Each subtest is named after the promise it proves, and a failure says what the contract demands. Queries are compared
// with an oracle that looks at every row; the random ones print their seed, and run again with BACKENDTEST_SEED set to it.
//
// Two more calls prove what a suite of orderly calls cannot: [RunFaults], that an Update is applied once though its commit
// fails or the answer is lost, and [RunCrash], that what was answered survives the end of the process.
package backendtest

import (
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Options say what is special about a store; nil is that nothing is.
type Options struct {
	// Patience is how long a subtest may take; 0 is a minute. Its contexts end then, and what has not returned a sixth
	// of it later (a second, if that is more) is reported as hanging. On a slow machine, give more.
	Patience time.Duration
	// OneHandle is for a store that can be open once at a time: another handle is opened only after Close of the one
	// before, and has to find the rows.
	OneHandle bool
	// InMemory is for a store that ends with its handle: as OneHandle, and none is opened after Close.
	InMemory bool
}

// Run proves the contract on the stores that open prepares.
//
// Every call of open makes a fresh, empty store; open may use t.Cleanup to remove it, and fails with t.Fatal. What it
// returns opens another handle on that store at every call, as another program would; where only one can be open,
// Options.OneHandle says so. Run closes each handle that it got, before the cleanups of open, and calls Declare itself.
// Both are called by several goroutines at once, since subtests run in parallel.
func Run(t *testing.T, open func(t testing.TB) func() backend.Backend, opts *Options) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	for _, g := range []struct {
		name     string
		promises []promise
	}{
		{"Values", valuePromises},
		{"Rows", rowPromises},
		{"Limits", limitPromises},
		{"Queries", queryPromises},
		{"Indexes", indexPromises},
		{"Ownership", ownershipPromises},
		{"Updates", updatePromises},
		{"Views", viewPromises},
		{"Locks", lockPromises},
		{"Contexts", contextPromises},
		{"Logs", logPromises},
		{"Declare", declarePromises},
		{"Close", closePromises},
		{"Memo", memoPromises},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, p := range g.promises {
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					newStore(t, open, opts).run(p.prove)
				})
			}
		})
	}
}

// A promise is one subtest.
type promise struct {
	name  string
	prove func(s *store)
}

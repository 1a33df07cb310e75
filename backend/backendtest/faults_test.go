package backendtest_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

func openFaulty(mutation string) func(testing.TB, *backendtest.Faults) func() backend.Backend {
	return func(_ testing.TB, f *backendtest.Faults) func() backend.Backend {
		w := &world{mutation: mutation, turn: make(chan struct{}, 1), faults: f}
		return func() backend.Backend { return &handle{world: w, memo: map[string]any{}} }
	}
}

func TestFaults(t *testing.T) { backendtest.RunFaults(t, openFaulty(""), nil) }

// An eager handle answers an Update before it is done, as one does that commits for several later.
type eager struct{ backend.Backend }

func (e eager) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	ran := make(chan struct{})
	go func() {
		_ = e.Backend.Update(context.WithoutCancel(ctx), locks, func(tx backend.Tx) error {
			err := fn(tx)
			close(ran)
			time.Sleep(20 * time.Millisecond)
			return err
		})
	}()
	<-ran
	return nil
}

func openCrash(early bool) func(testing.TB, string) backend.Backend {
	return func(t testing.TB, dir string) backend.Backend {
		b, err := sqlite.Open(t.Context(), filepath.Join(dir, "store.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if early {
			return eager{b}
		}
		return b
	}
}

func TestCrash(t *testing.T) { backendtest.RunCrash(t, openCrash(false), nil) }

var faultMutants = []string{"a commit error is ignored", "a lost commit is applied again", "an Update answers before it is committed"}

// TestFaultMutants proves that RunFaults and RunCrash see what they are for.
func TestFaultMutants(t *testing.T) {
	for _, name := range faultMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := mutant{name: name}.runWith(t, "", "-test.run=^TestFaultMutant$", "-test.timeout=90s")
			if err == nil || strings.Contains("\n"+out, "\npanic: ") || !strings.Contains(out, "--- FAIL: TestFaultMutant/") {
				t.Fatalf("%v:\n%.5000s", err, out)
			}
		})
	}
}

// TestFaultMutant runs them on one mutant, in a child process.
func TestFaultMutant(t *testing.T) {
	switch i := slices.Index(faultMutants, os.Getenv(mutantVar)); i {
	case 0, 1:
		backendtest.RunFaults(t, openFaulty(faultMutants[i]), nil)
	case 2:
		backendtest.RunCrash(t, openCrash(true), nil)
	}
}

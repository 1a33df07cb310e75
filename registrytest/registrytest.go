// Package registrytest proves that a Registry behaves as package modelregistry says, whatever is behind it.
//
// The test of a registry is one call:
//
//	func TestRegistry(t *testing.T) {
//		registrytest.Run(t, func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry {
//			r, err := modelregistry.New(t.Context(), memory.New(), nil, opts)
//			if err != nil {
//				t.Fatal(err)
//			}
//			return r
//		}, nil)
//	}
//
// Each subtest is named after the promise it proves. At the end of each, [Check] compares all that the registry says of
// its models with their history.
package registrytest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Options go with Run. Nil means that nothing may be unsupported.
type Options struct {
	// Unsupported lists what the registry cannot do, as the subtests are called: groups, such as "Lineage", or single
	// promises, such as "Resolve/a range finds the highest version in it". Where one of these meets
	// errors.ErrUnsupported it is skipped. Anywhere else that error is a failure like any other.
	Unsupported []string
}

// A promise is one subtest.
type promise struct {
	name  string
	prove func(s *trial)
}

// Run proves the promises on the registries that open makes.
//
// Every call of open makes a fresh, empty registry that can store files; open may use t.Cleanup to remove it, and fails
// with t.Fatal. opts is for New: a clock that ticks a millisecond at a time, an actor, and how often to poll. A registry
// that cannot take it is tested as it is. open is called by several goroutines at once, since subtests run in parallel.
func Run(t *testing.T, open func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry, opts *Options) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	for _, g := range []struct {
		name     string
		promises []promise
	}{
		{"Models", modelPromises},
		{"Register", registerPromises},
		{"Files", filePromises},
		{"Download", downloadPromises},
		{"Stages", stagePromises},
		{"Rollback", rollbackPromises},
		{"Aliases", aliasPromises},
		{"Resolve", resolvePromises},
		{"Semver", semverPromises},
		{"Versions", versionPromises},
		{"Search", searchPromises},
		{"History", historyPromises},
		{"Past", pastPromises},
		{"Lineage", lineagePromises},
		{"Sweep", sweepPromises},
		{"Races", racePromises},
		{"Contexts", contextPromises},
		{"Mistakes", mistakePromises},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, p := range g.promises {
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					s := &trial{T: t, ctx: t.Context(), clock: &clock{now: epoch, step: time.Millisecond}}
					for _, u := range opts.Unsupported {
						s.lenient = s.lenient || u == g.name || u == g.name+"/"+p.name
					}
					s.r = open(t, &modelregistry.Options{Actor: "ada", Now: s.clock.Now, PollInterval: 2 * time.Millisecond})
					p.prove(s)
					s.ok(Check(t.Context(), s.r))
				})
			}
		})
	}
}

// epoch is when the clock begins.
var epoch = time.Date(2031, 5, 31, 9, 0, 0, 0, time.UTC)

// A trial is one promise on trial.
type trial struct {
	*testing.T
	ctx     context.Context
	r       modelregistry.Registry
	clock   *clock
	lenient bool // ErrUnsupported ends the trial without a failure
}

// clock goes on by step whenever it is looked at.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

// set makes the clock show now and go on by step.
func (c *clock) set(now time.Time, step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.step = now, step
}

// ok ends the trial if err is not nil.
func (s *trial) ok(err error) {
	s.Helper()
	if err != nil {
		s.unsupported(err)
		s.Fatal(err)
	}
}

// unsupported ends the trial if err says that the registry cannot do this, and need not.
func (s *trial) unsupported(err error) {
	s.Helper()
	if s.lenient && errors.Is(err, errors.ErrUnsupported) {
		s.Skipf("unsupported: %v", err)
	}
}

// fails ends the trial unless err wraps want, is an *Error, and its message contains the hint.
func (s *trial) fails(err, want error, hint string) {
	s.Helper()
	s.unsupported(err)
	switch e := (*modelregistry.Error)(nil); {
	case err == nil:
		s.Fatalf("no error; want %v (%s)", want, hint)
	case !errors.Is(err, want):
		s.Fatalf("error %q; want %v", err, want)
	case !errors.As(err, &e) || e.Op == "":
		s.Fatalf("error %q is not an *Error with its Op", err)
	case !strings.Contains(err.Error(), hint):
		s.Fatalf("error %q does not say %q", err, hint)
	case strings.Count(err.Error(), want.Error()) == 0 && errors.Is(want, modelregistry.ErrInvalid):
		s.Fatalf("error %q does not say that it is %v", err, want)
	}
}

// conflict is fails for a *Conflict, whose holders it compares.
func (s *trial) conflict(err error, current ...int) *modelregistry.Conflict {
	s.Helper()
	s.fails(err, modelregistry.ErrConflict, "")
	var c *modelregistry.Conflict
	if !errors.As(err, &c) {
		s.Fatalf("error %q is not a *Conflict", err)
	}
	equal(s, "the conflict's holders", len(c.Current), len(current))
	for i := range current {
		equal(s, "the conflict's holder", c.Current[i], current[i])
	}
	if c.Reason == "" || c.Model == "" {
		s.Fatalf("conflict %+v says too little", c)
	}
	return c
}

// equal ends the trial unless got is want.
func equal[T comparable](s *trial, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Fatalf("%s: %v; want %v", what, got, want)
	}
}

func ptr[T any](v T) *T { return &v }

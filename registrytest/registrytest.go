// Package registrytest proves that a Registry behaves as package modelregistry says, whatever is behind it.
//
// The test of a registry is one call:
//
//	func TestRegistry(t *testing.T) {
//		registrytest.Run(t, func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry {
//			files, err := blob.Open(t.Context(), "mem://")
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() { _ = files.Close() })
//			r, err := modelregistry.New(t.Context(), memory.New(), files, opts)
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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Options go with Run. Nil means that all promises have to be kept.
type Options struct {
	// Groups are the groups of promises to prove; nil is all. The others are as if they were Unsupported.
	Groups []string
	// Unsupported lists what the registry cannot do, as the subtests are called: groups, such as "Lineage", or single
	// promises, such as "Resolve/a range finds the highest version in it". Where one of these meets
	// errors.ErrUnsupported it is skipped. Anywhere else that error is a failure like any other.
	//
	// Promises about something else leave out what has to do with the groups History, Lineage, Semver and Sweep if these
	// are listed, and so with these features, which are no groups of their own: "Params" (params and metrics of versions),
	// "Digests" (of versions, with their sizes, and of artifacts), "Actors" (who made a change), "IDs" (of models, which stay
	// when they are renamed), "Source" (of a version with files), "Holders" (all of a model's, not only the newest of each
	// stage), "Directories" (of artifacts, which go with their last file) and "Sentences" (of refusals, which help: of a
	// server's only the kind of error is looked at).
	Unsupported []string
	// Unkept lists promises that are not proved, by the names of their subtests, each with the reason why the registry
	// cannot keep it. It is for clients of servers with rules of their own, which cannot say that something is unsupported.
	Unkept map[string]string
}

// A promise is one subtest.
type promise struct {
	name  string
	prove func(s *trial)
}

// Run proves the promises on the registries that open makes.
//
// Every call of open makes a fresh, empty registry that can store files; open may use t.Cleanup to remove it, and fails
// with t.Fatal. opts is for New: a clock that ticks a millisecond at a time, an actor, how often to poll, and gates. A registry
// that cannot take it is tested as it is. open is called by several goroutines at once, since subtests run in parallel.
func Run(t *testing.T, open func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry, opts *Options) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	cannot := slices.Clone(opts.Unsupported)
	for _, group := range []string{"History", "Lineage", "Semver", "Sweep"} {
		if opts.Groups != nil && !slices.Contains(opts.Groups, group) {
			cannot = append(cannot, group)
		}
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
		{"Artifacts", slices.Concat(artifactPromises, artifactVersionPromises)},
		{"Logged models", loggedModelPromises},
		{"Webhooks", webhookPromises},
		{"Outcomes", outcomePromises},
		{"Gates", slices.Concat(gatePromises, requirementPromises)},
		{"Approvals", slices.Concat(approvalPromises, approvalAliasPromises)},
		{"Retention", retentionPromises},
		{"Facts", factPromises},
		{"Sweep", sweepPromises},
		{"Races", racePromises},
		{"Runs", runPromises},
		{"Contexts", contextPromises},
		{"Mistakes", mistakePromises},
	} {
		if opts.Groups != nil && !slices.Contains(opts.Groups, g.name) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			for _, p := range g.promises {
				if reason, ok := opts.Unkept[g.name+"/"+p.name]; ok {
					t.Logf("%s is not proved: %s", p.name, reason)
					continue
				}
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					s := &trial{T: t, ctx: t.Context(), clock: &clock{now: epoch, step: time.Millisecond}, cannot: cannot}
					for _, u := range opts.Unsupported {
						s.lenient = s.lenient || u == g.name || u == g.name+"/"+p.name
					}
					s.open = func(gates []modelregistry.GateRule) modelregistry.Registry {
						return open(t, &modelregistry.Options{Actor: "ada", Now: s.clock.Now, PollInterval: 2 * time.Millisecond, Gates: gates})
					}
					s.r = s.open(nil)
					p.prove(s)
					s.ok(check(t.Context(), s.r, s.cannot))
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
	open    func([]modelregistry.GateRule) modelregistry.Registry // another, which is empty
	clock   *clock
	lenient bool // ErrUnsupported ends the trial without a failure
	cannot  []string
}

// can says whether the registry has a feature, as Options.Unsupported names them.
func (s *trial) can(feature string) bool { return !slices.Contains(s.cannot, feature) }

// told runs fn, which looks at the history, if there is one.
func (s *trial) told(fn func()) {
	s.Helper()
	if s.can("History") {
		fn()
	}
}

// able is spec without what the registry cannot keep.
func (s *trial) able(spec modelregistry.VersionSpec) modelregistry.VersionSpec {
	if !s.can("Semver") {
		spec.Semver, spec.Bump = "", ""
	}
	if !s.can("Params") {
		spec.Params, spec.Metrics = nil, nil
	}
	if !s.can("Lineage") {
		spec.Lineage = nil
	}
	if !s.can("Source") && spec.Files != nil {
		spec.Source = ""
	}
	return spec
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
	if s.excused(err) {
		s.Skipf("unsupported: %v", err)
	}
}

// excused says whether err says that the registry cannot do this, and need not.
func (s *trial) excused(err error) bool { return s.lenient && errors.Is(err, errors.ErrUnsupported) }

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
	case !strings.Contains(err.Error(), hint) && s.can("Sentences"):
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

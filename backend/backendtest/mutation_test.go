package backendtest_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// A mutant is a correct backend with one promise taken away.
type mutant struct {
	name  string
	where string // the subtests that must see it: a group, or several, or part of one, as for go test -run
	open  func(t testing.TB) func() backend.Backend
	opts  *backendtest.Options
}

// mutantVar names the mutant that a child process runs the suite on.
const mutantVar = "BACKENDTEST_MUTANT"

// mutants are those of the reference backend, then those of the real ones.
func mutants() []mutant {
	var list []mutant
	for name, where := range map[string]string{
		"read committed without locks":                   "Locks",
		"rows are kept as they are passed":               "Ownership",
		"rows are returned as they are kept":             "Ownership",
		"a change in place survives a rollback":          "Ownership",
		"a dropped field":                                "(Values|Queries)",
		"a document made anew":                           "Values",
		"times of milliseconds":                          "Values",
		"integers as floats":                             "Values",
		"a wrong collation, without case":                "Values/strings",
		"a wrong collation, of UTF-16":                   "Values/strings",
		"a lost event":                                   "Logs",
		"an early event":                                 "Logs",
		"a unique index not checked":                     "Indexes",
		"unique indexes are checked at the commit":       "Indexes",
		"Put keeps what a Map held":                      "Rows",
		"Limit is one row more":                          "Queries",
		"After is answered again":                        "Queries",
		"After compares the order only":                  "Queries",
		"an empty In is no condition":                    "Queries",
		"both conditions are about one element":          "Queries",
		"no fields are returned":                         "Queries",
		"a swallowed error commits":                      "Updates",
		"an error commits":                               "Updates",
		"a panic commits":                                "Updates",
		"an ended context commits":                       "Updates",
		"a commit that is visible later":                 "(Updates|Locks|Memo)",
		"a View reads what is committed at each read":    "Views",
		"a wait for a lock that ignores its context":     "Contexts",
		"an older declaration writes":                    "Declare",
		"an Upgrade of a fresh store":                    "Declare",
		"a group commit that answers before the commit":  "Updates/an_Update_beside_others",
		"a long Find that ignores its context":           "Contexts",
		"a memo that takes a query for another":          "Memo",
		"an interrupted Upgrade begins anew":             "Declare",
		"a table is declared otherwise":                  "Declare",
		"a failed Declare is remembered":                 "Declare",
		"a unique index outlives its format":             "Declare",
		"declarations of one format replace one another": "Declare",
		"Close does not wait":                            "Close",
		"a memo of an earlier state":                     "Memo",
	} {
		list = append(list, mutant{name, where, openWorld(name), nil})
	}
	for name, where := range map[string]string{
		"a unique index not checked":                 "Indexes",
		"a dropped field":                            "(Values|Queries)",
		"rows of a cache are shared with the caller": "Ownership",
		"a change in place survives a rollback":      "Ownership",
	} {
		list = append(list,
			mutant{"memory: " + name, where, wrap(name, openMemory), inMemory},
			mutant{"SQLite: " + name, where, wrap(name, openSQLite(unchanged)), nil})
	}
	list = append(list, mutant{"a store that empties itself at Close", "Close", openWorld("a store that empties itself at Close"), oneHandle})
	return append(list, sqlMutants()...)
}

func openMemory(testing.TB) func() backend.Backend {
	return func() backend.Backend { return memory.New() }
}

var oneHandle = &backendtest.Options{OneHandle: true}

var inMemory = &backendtest.Options{InMemory: true}

// TestMutants proves that the suite sees each mutation.
func TestMutants(t *testing.T) {
	failed := regexp.MustCompile(`--- FAIL: TestMutant/(.+?) \(`)
	dsn := pgtest.Server(t)
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			out, err := m.run(t, dsn)
			took := time.Since(begin)
			promises := failed.FindAllStringSubmatch(out, -1)
			switch {
			case err == nil:
				t.Fatalf("the suite passes, in %v", took)
			case len(promises) < 2 || strings.Contains("\n"+out, "\npanic: "):
				t.Fatalf("%v, but no promise failed:\n%.5000s", err, out)
			}
			t.Logf("seen after %v by %s", took.Round(time.Millisecond), promises[1][1])
		})
	}
}

// TestControls proves that it is the mutations that the suite sees, not the way their backends are opened here.
func TestControls(t *testing.T) {
	dsn := pgtest.Server(t)
	for _, m := range sqlControls() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if out, err := m.run(t, dsn); err != nil {
				t.Fatalf("%v:\n%.5000s", err, out)
			}
		})
	}
}

// run runs the suite on m in a child process, since a suite that fails would fail the test that runs it: this test
// binary, told by mutantVar what TestMutant is to run. dsn is the Postgres server to use.
func (m mutant) run(t *testing.T, dsn string) (out string, err error) {
	return m.runWith(t, dsn, "-test.run=^TestMutant$/"+m.where, "-test.failfast", "-test.timeout=90s")
}

func (m mutant) runWith(t *testing.T, dsn string, args ...string) (out string, err error) {
	child := exec.CommandContext(t.Context(), os.Args[0], args...)
	child.Env = append(os.Environ(), mutantVar+"="+m.name, pgtest.Env+"="+dsn)
	text, err := child.CombinedOutput()
	return string(text), err
}

// TestMutant runs the suite on one mutant, or control, in a child process.
func TestMutant(t *testing.T) {
	for _, m := range slices.Concat(mutants(), sqlControls(), broken()) {
		if m.name == os.Getenv(mutantVar) {
			backendtest.Run(t, m.open, m.opts)
		}
	}
}

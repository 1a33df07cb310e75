package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// errBroken is what the calls of a backend answer whose author has only begun.
var errBroken = errors.New("not written yet")

const (
	fails = "every %s fails"
	hangs = "a %s does not return"
)

// breaks makes every call of a method fail, or wait without looking at its context, if the mutation says so.
func (h *handle) breaks(ctx context.Context, method string) error {
	switch {
	case h.is(fmt.Sprintf(fails, method)):
		return errBroken
	case h.is(fmt.Sprintf(hangs, method)):
		select {}
	}
	return nil
}

var methods = []string{"Declare", "View", "Update", "Close"} // a Find of the reference backend is a View

// broken are backends of which a method never works.
func broken() []mutant {
	var list []mutant
	for _, method := range methods {
		name := fmt.Sprintf(fails, method)
		list = append(list, mutant{name, "", openWorld(name), nil})
		name = fmt.Sprintf(hangs, method)
		list = append(list, mutant{name, "", openWorld(name), &backendtest.Options{Patience: time.Second / 2}})
	}
	return list
}

// An author meets the suite with methods that fail, or hang: it ends soon, says what failed, and names what hangs.
func TestABrokenMethodFailsPromptly(t *testing.T) {
	ran := regexp.MustCompile(`(?m)^ +--- (PASS|FAIL): TestMutant/\w+/(.+?) \(`)
	dsn := pgtest.Server(t)
	for _, m := range broken() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			out, err := m.runWith(t, dsn, "-test.run=^TestMutant$", "-test.v", "-test.timeout=90s", "-test.parallel=32")
			took := time.Since(begin)
			if err == nil || took > time.Minute || strings.Contains("\n"+out, "\npanic: ") {
				t.Fatalf("after %v: %v:\n%.5000s", took, err, out)
			}
			var passed []string
			failed := 0
			for _, match := range ran.FindAllStringSubmatch(out, -1) {
				if match[1] == "PASS" {
					passed = append(passed, match[2])
				} else {
					failed++
				}
			}
			if says := errBroken.Error(); m.opts == nil && strings.Count(out, says) < failed {
				t.Errorf("%d cases failed, and %d times the suite says %q:\n%.5000s", failed, strings.Count(out, says), says, out)
			}
			t.Logf("%d cases failed in %v; those that need no such call passed: %q", failed, took.Round(time.Millisecond), passed)
			if most := 12; len(passed) > most {
				t.Errorf("%d cases passed, more than %d: %q", len(passed), most, passed)
			}
		})
	}
}

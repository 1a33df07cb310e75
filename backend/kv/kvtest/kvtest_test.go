package kvtest_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend/kv"
	"github.com/modelregistry-go/modelregistry/backend/kv/kvtest"
)

// A store is the plainest that keeps the contract, with one promise taken away by its mutation.
type store struct {
	*disk
	mutation string
}

// A disk is what outlives a store.
type disk struct {
	mu     sync.RWMutex
	spaces map[string]map[string]string
}

func open(mutation string) func(testing.TB) func() kv.Store {
	return func(testing.TB) func() kv.Store {
		d := &disk{spaces: map[string]map[string]string{}}
		return func() kv.Store { return &store{d, mutation} }
	}
}

func (s *store) is(mutation string) bool { return s.mutation == mutation }

func (s *store) Close() error {
	if s.is("a store that empties itself at Close") {
		s.spaces = map[string]map[string]string{}
	}
	return nil
}

func (s *store) current() map[string]map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.spaces
}

func (s *store) View(_ context.Context, fn func(kv.ReadTx) error) error {
	spaces := s.current()
	err := fn(&tx{store: s, spaces: func() map[string]map[string]string {
		if s.is("a View sees later Updates") {
			return s.current()
		}
		return spaces
	}})
	if s.is("a View forgets an error") {
		return nil
	}
	return err
}

var writing sync.Mutex // of all stores; that of one would do

func (s *store) Update(_ context.Context, fn func(kv.Tx) error) error {
	writing.Lock()
	defer writing.Unlock()
	next := map[string]map[string]string{}
	for name, space := range s.current() {
		next[name] = maps.Clone(space)
	}
	commit := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.spaces = next
	}
	if s.is("a panic commits") {
		defer commit()
	}
	if s.is("fn runs again") {
		again := map[string]map[string]string{}
		for name, space := range next {
			again[name] = maps.Clone(space)
		}
		if err := fn(&tx{store: s, spaces: func() map[string]map[string]string { return again }}); err != nil {
			return err
		}
	}
	if err := fn(&tx{store: s, spaces: func() map[string]map[string]string { return next }}); err != nil && !s.is("an error commits") {
		return err
	}
	commit()
	return nil
}

type tx struct {
	*store
	spaces func() map[string]map[string]string
	buf    []byte
}

func (t *tx) name(space string) string {
	if t.is("spaces run together") {
		space, _, _ = strings.Cut(space, "/")
	}
	return space
}

func (t *tx) Get(space string, key []byte) ([]byte, error) {
	value, ok := t.spaces()[t.name(space)][string(key)]
	if !ok && !t.is("Get of nothing is empty") {
		return nil, nil
	}
	if t.is("a Get reuses its buffer") {
		t.buf = append(t.buf[:0], value...)
		return t.buf, nil
	}
	return []byte(value), nil
}

func (t *tx) Scan(space string, low, high []byte, desc bool, fn func(key, value []byte) bool) error {
	entries := t.spaces()[t.name(space)]
	keys := slices.Sorted(maps.Keys(entries))
	if desc && !t.is("desc is not looked at") {
		slices.Reverse(keys)
	}
	var buf []byte
	for _, key := range keys {
		c := bytes.Compare([]byte(key), high)
		switch {
		case key < string(low), t.is("low is exclusive") && key == string(low):
			continue
		case high == nil && !(desc && t.is("a nil high is empty when desc")):
		case c > 0, c == 0 && !t.is("high is inclusive"):
			continue
		}
		k := []byte(key)
		if t.is("a Scan reuses its key buffer") {
			buf = append(buf[:0], key...)
			k = buf
		}
		if !fn(k, []byte(entries[key])) && !t.is("a Scan goes on after false") {
			break
		}
	}
	return nil
}

func (t *tx) Put(space string, key, value []byte) error {
	name := t.name(space)
	if t.spaces()[name] == nil {
		t.spaces()[name] = map[string]string{}
	}
	if t.is("long keys are cut") {
		key = key[:min(len(key), 1024)]
	}
	t.spaces()[name][string(key)] = string(value)
	return nil
}

func (t *tx) Delete(space string, key []byte) error {
	if _, ok := t.spaces()[t.name(space)][string(key)]; !ok && t.is("Delete of nothing fails") {
		return fmt.Errorf("no such key")
	}
	delete(t.spaces()[t.name(space)], string(key))
	return nil
}

func TestReference(t *testing.T) { kvtest.Run(t, open(""), nil) }

// A store may run the function of an Update again.
func TestFunctionsRunAgain(t *testing.T) { kvtest.Run(t, open("fn runs again"), nil) }

const mutantVar = "KVTEST_MUTANT"

var mutants = []string{
	"a store that empties itself at Close", "a View sees later Updates", "a View forgets an error", "a panic commits", "an error commits", "spaces run together",
	"Get of nothing is empty", "a Get reuses its buffer", "desc is not looked at", "low is exclusive", "high is inclusive", "a nil high is empty when desc",
	"a Scan reuses its key buffer", "a Scan goes on after false", "long keys are cut", "Delete of nothing fails",
}

// TestMutants proves that the suite sees each mutation.
func TestMutants(t *testing.T) {
	failed := regexp.MustCompile(`--- FAIL: TestMutant/(.+?) \(`)
	for _, m := range mutants {
		t.Run(m, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutant$", "-test.timeout=90s")
			child.Env = append(os.Environ(), mutantVar+"="+m)
			out, err := child.CombinedOutput()
			seen := failed.FindStringSubmatch(string(out))
			if err == nil || seen == nil || strings.Contains("\n"+string(out), "\npanic: ") {
				t.Fatalf("%v:\n%.4000s", err, out)
			}
			t.Logf("seen by %s", seen[1])
		})
	}
}

// TestMutant runs the suite on one mutant, in a child process.
func TestMutant(t *testing.T) {
	if m := os.Getenv(mutantVar); m != "" {
		kvtest.Run(t, open(m), nil)
	}
}

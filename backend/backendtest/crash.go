package backendtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// The environment of a child that RunCrash starts.
const (
	crashTest = "BACKENDTEST_CRASH_TEST" // the test that it is to run
	crashDir  = "BACKENDTEST_CRASH_DIR"  // of the store
)

// acknowledged begins a child's line about an Update that has returned.
const acknowledged = "backendtest: acknowledged "

// RunCrash proves that what an Update has answered survives the end of its process. It starts the test binary again, as a
// child that runs only the test that calls RunCrash; there several goroutines update the store and say of each Update
// that it has returned. When enough have, the child is killed, the store opened again, and looked at: nothing that was
// said is missing, and nothing is there by half.
//
// open opens the store in a directory, that is empty at first; it is called in this process and in its children. What
// has to be told to both about a store elsewhere goes into a file in dir. A store in memory has nothing to prove here.
func RunCrash(t *testing.T, open func(t testing.TB, dir string) backend.Backend, opts *Options) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	one := *opts
	one.OneHandle = true
	opened := func(dir string) func(t testing.TB) func() backend.Backend {
		return func(t testing.TB) func() backend.Backend { return func() backend.Backend { return open(t, dir) } }
	}
	if os.Getenv(crashTest) == t.Name() {
		newStore(t, opened(os.Getenv(crashDir)), &one).run(crashing)
		return
	}
	dir := t.TempDir()
	const rounds = 4
	for round := range rounds {
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			s := newStore(t, opened(dir), &one)
			said := s.killed(strings.TrimSuffix(t.Name(), fmt.Sprintf("/round_%d", round)), dir, 40*(round+1))
			s.run(func(s *store) { survived(s, said) })
		})
		if t.Failed() {
			return
		}
	}
}

// crashing updates the store until the process is killed.
func crashing(s *store) {
	b := s.declared(cells, journal)
	var mu sync.Mutex
	s.together(racers, func(g int) error {
		name := fmt.Sprint("g", g)
		for s.ctx.Err() == nil {
			var n int64
			err := b.Update(s.ctx, []string{name}, func(tx backend.Tx) (err error) {
				if n, err = number(tx, name); err != nil {
					return err
				}
				n++
				if _, err := tx.Append("journal", entry(name, n)); err != nil {
					return err
				}
				return tx.Put("cells", cell(name, "t", n))
			})
			if err != nil {
				return fmt.Errorf("update: %w", err)
			}
			mu.Lock()
			_, err = fmt.Printf("%s%d %d\n", acknowledged, g, n)
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return s.ctx.Err()
	})
}

// killed runs a child until it has acknowledged a number of Updates, kills it, and returns the last of each goroutine.
func (s *store) killed(test, dir string, enough int) (last [racers]int64) {
	s.Helper()
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	child := exec.Command(os.Args[0], "-test.run="+strings.Join(parts, "/"), "-test.v=false")
	child.Env = append(os.Environ(), crashTest+"="+test, crashDir+"="+dir)
	child.Stderr = os.Stderr
	pipe, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		s.T.Fatalf("start a child: %v", err)
	}
	timer := time.AfterFunc(s.patience, func() { _ = child.Process.Kill() })
	defer timer.Stop()
	var rest strings.Builder
	lines := bufio.NewScanner(pipe)
	for n := 0; lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), acknowledged)
		if !ok {
			fmt.Fprintln(&rest, lines.Text())
			continue
		}
		var g int
		var count int64
		if _, err := fmt.Sscanf(text, "%d %d", &g, &count); err == nil && g < racers {
			last[g] = max(last[g], count) // what was said before the kill counts to the last line
		}
		if n++; n == enough {
			if err := child.Process.Kill(); err != nil {
				s.Errorf("kill the child: %v", err)
			}
		}
	}
	_, _ = io.Copy(io.Discard, pipe)
	_ = child.Wait() // it was killed
	var sum int64
	for _, n := range last {
		sum += n
	}
	if sum == 0 {
		s.T.Fatalf("the child acknowledged nothing within %v: %s", s.patience, clip(rest.String()))
	}
	return last
}

// survived looks at the store after the child's end.
func survived(s *store, said [racers]int64) {
	b := s.declared(cells, journal)
	for g, least := range said {
		name := fmt.Sprint("g", g)
		rows := s.find(b, backend.Query{Table: "cells", Where: []backend.Cond{eq("id", backend.StringValue(name)), eq("tag", backend.StringValue("t"))}})
		var n int64
		if len(rows) == 1 {
			row, err := parseCell(rows[0])
			if err != nil {
				s.Fatal(err)
			}
			n = row.Fields["n"].(backend.Value).Int()
		}
		if n < least {
			s.Errorf("an Update that has returned survives the end of its process: %s acknowledged %d, and %d is there", name, least, n)
		}
		var want []string
		for i := range n {
			want = append(want, string(entry(name, i+1).Doc))
		}
		got := s.docs(b, backend.Query{Table: "journal", Where: []backend.Cond{eq("topic", backend.StringValue(name))}})
		s.equal(got, want, "an Update is there whole or not at all after the end of its process")
	}
	s.put(b, "cells", cell("after", "", 1))
}

package backendtest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend"
)

// What Faults lets a commit answer. A backend that tells faults apart takes ErrRefused for one that does not pass, and
// ErrLost for a lost connection, after which it is unknown whether the commit was done.
var (
	ErrRefused = errors.New("the commit was refused, as by a full disk")
	ErrLost    = errors.New("the connection was lost")
)

// A fault is what becomes of a commit.
type fault uint8

const (
	refused    fault = iota // it is not done, and says so
	lostBefore              // it is not done, and the answer is lost
	lostAfter               // it is done, and the answer is lost
)

var faultNames = map[fault]string{
	refused: "is refused", lostBefore: "is lost on the way there", lostAfter: "was done, but whose answer is lost",
}

// Faults stands between a store and its commits, so that RunFaults can break them. It is safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	next  []fault
	every int // while it is set, every so many commits meet a fault
	met   int
}

// Commit commits by calling commit, and answers what that does; or has a fault instead, and answers ErrRefused or ErrLost.
// A store calls it where it makes a transaction's changes lasting.
func (f *Faults) Commit(commit func() error) error {
	what, ok := f.take()
	switch {
	case !ok:
		return commit()
	case what == refused:
		return ErrRefused
	case what == lostAfter:
		if err := commit(); err != nil {
			return err
		}
	}
	return ErrLost
}

// Connector wraps a driver of database/sql: transactions end as Commit says, whether by driver.Tx or by the statement
// COMMIT. A connection that is lost answers driver.ErrBadConn from then on.
func (f *Faults) Connector(c driver.Connector) driver.Connector { return faultyConnector{c, f} }

func (f *Faults) take() (what fault, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.next) > 0 {
		what, f.next = f.next[0], f.next[1:]
		return what, true
	}
	if f.every == 0 {
		return 0, false
	}
	f.met++
	return fault(f.met / f.every % 3), f.met%f.every == 0
}

// arm makes the next commits meet these faults.
func (f *Faults) arm(next ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

// often makes every n-th commit meet a fault; 0 is none.
func (f *Faults) often(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.every = n
}

// RunFaults proves that an Update is applied once if it succeeds, at most once if it answers an error, and not at all if
// its commit was not done: also when the answer to a commit is lost, or the commit is refused.
//
// It is Run for stores whose commits go through Faults. Every call of open gets Faults of its own, and hands them to the
// handles that it opens.
func RunFaults(t *testing.T, open func(t testing.TB, faults *Faults) func() backend.Backend, opts *Options) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	for _, p := range []struct {
		name  string
		prove func(s *store, f *Faults)
	}{
		{"an Update is applied once though its commit fails", faultyUpdates},
		{"Updates beside others are applied once though commits fail", faultyBeside},
		{"a Declare is done once though its commit fails", faultyDeclare},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			faults := &Faults{}
			s := newStore(t, func(t testing.TB) func() backend.Backend { return open(t, faults) }, opts)
			s.run(func(s *store) { p.prove(s, faults) })
			faults.arm()
			faults.often(0)
		})
	}
}

// An attempt is an Update that counts up and appends an event of its own.
func (s *store) attempt(b backend.Backend, lock, name string) error {
	return b.Update(s.ctx, []string{lock}, func(tx backend.Tx) error {
		n, err := number(tx, lock)
		if err != nil {
			return err
		}
		if _, err := tx.Append("journal", entry(name, n)); err != nil {
			return err
		}
		return tx.Put("cells", cell(lock, "t", n+1))
	})
}

// applied says how often an attempt was.
func (s *store) applied(b backend.Backend, name string) int {
	s.Helper()
	return len(s.find(b, backend.Query{Table: "journal", Where: []backend.Cond{eq("topic", backend.StringValue(name))}}))
}

// counted checks that a counter stands at the number of events of its attempts.
func (s *store) counted(b backend.Backend, lock string, want int) {
	s.Helper()
	got := s.docs(b, backend.Query{Table: "cells", Where: []backend.Cond{eq("id", backend.StringValue(lock))}})
	s.equal(got, []string{doc(lock, "t", int64(want))}, "what an Update puts and what it appends are committed together")
}

func faultyUpdates(s *store, f *Faults) {
	hs := s.handles(2, cells, journal)
	total := 0
	if err := s.attempt(hs[0], "counter", "first"); err != nil {
		s.Fatalf("Update: %v", err)
	}
	total++
	for round := range 3 {
		for what := range fault(3) {
			name := fmt.Sprintf("%d-%d", round, what)
			f.arm(what)
			err := s.attempt(hs[round%2], "counter", name)
			f.arm()
			promise := fmt.Sprintf("an Update whose commit %s", faultNames[what])
			n := s.applied(hs[(round+1)%2], name)
			switch {
			case n > 1:
				s.Errorf("%s is not applied again; it was %d times", promise, n)
			case err == nil && n == 0:
				s.Errorf("%s was answered as if it were committed", promise)
			case err != nil && n == 1 && what != lostAfter:
				s.Errorf("%s was committed, and answers %v", promise, err)
			case err != nil && errors.Is(err, s.ctx.Err()):
				s.Fatalf("%s ends before its context does: %v", promise, err)
			}
			total += n
			if err := s.attempt(hs[round%2], "counter", name+" after"); err != nil {
				s.Errorf("an Update after one whose commit %s: %v", faultNames[what], err)
				continue
			}
			total++
			s.counted(hs[round%2], "counter", total)
		}
	}
}

func faultyBeside(s *store, f *Faults) {
	const each = 20
	hs := s.handles(2, cells, journal)
	var results sync.Map
	f.often(4)
	err := race(racers, func(g int) error {
		for i := range each {
			name := fmt.Sprintf("g%d-%02d", g, i)
			results.Store(name, s.attempt(hs[g%2], fmt.Sprint("counter", g%4), name) == nil)
		}
		return s.ctx.Err()
	})
	f.often(0)
	if err != nil {
		s.Fatalf("Updates beside others whose commits fail: %v", err)
	}
	var counts [4]int
	for g := range racers {
		for i := range each {
			name := fmt.Sprintf("g%d-%02d", g, i)
			n := s.applied(hs[0], name)
			ok, _ := results.Load(name)
			if n > 1 || ok == true && n != 1 {
				s.Errorf("an Update is applied once if it succeeds, and else at most once: %s was %d times (it succeeded: %v)", name, n, ok)
			}
			counts[g%4] += n
		}
	}
	for i, n := range counts {
		if n == 0 {
			s.Errorf("no Update of %d succeeded though only every fourth commit failed", racers/4*each)
			continue
		}
		s.counted(hs[1], fmt.Sprint("counter", i), n)
	}
}

func faultyDeclare(s *store, f *Faults) {
	for what := range fault(3) {
		f.arm(what)
		b := s.handle()
		err := b.Declare(s.ctx, backend.Schema{Format: 1, Tables: []backend.Table{cells, journal}})
		f.arm()
		if err != nil {
			s.declare(b, backend.Schema{Format: 1, Tables: []backend.Table{cells, journal}})
		}
	}
	old := s.declared(cells, journal)
	s.insert(old, "cells", full("a"), full("b"), full("c"))
	for what := range fault(3) {
		schema := backend.Schema{Format: 2 + int(what), Tables: newer(), Upgrade: atOnce(func(tx backend.Tx, from int) error {
			_, err := tx.Append("journal", entry(fmt.Sprint("to", what), int64(from)))
			return err
		})}
		b := s.handle()
		f.arm(what)
		err := b.Declare(s.ctx, schema)
		f.arm()
		if errors.Is(err, context.DeadlineExceeded) {
			s.Fatalf("a Declare whose commit %s: %v", faultNames[what], err)
		}
		if err != nil {
			s.declare(b, schema)
		}
		if n := s.applied(b, fmt.Sprint("to", what)); n != 1 {
			s.Errorf("an Upgrade is done once: after a commit that %s, and Declare again, it was %d times", faultNames[what], n)
		}
	}
	s.intact(s.all[len(s.all)-1], "a Declare whose commit fails keeps the rows")
}

type faultyConnector struct {
	driver.Connector
	faults *Faults
}

func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: inner, faults: c.faults}, nil
}

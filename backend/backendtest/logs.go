package backendtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

var logPromises = []promise{
	{"positions are short, printable and ascending", positions},
	{"a Log is searched and paged by position and by its fields", searchLog},
	{"events of Updates that share a lock are in commit order", commitOrder},
	{"what a failed Update appended never appears", abortedAppends},
	{"committed events settle", settles},
	{"a follower loses no event to a slow writer, and sees none early", slowWriter},
	{"followers see every event once, in one order, none early", followers},
}

var (
	byPosition = backend.Query{Table: "journal"}
	settled    = backend.Query{Table: "journal", Settled: true}
)

// goodPosition says what is wrong with a position.
func goodPosition(p backend.Position) error {
	if len(p) == 0 || len(p) > 64 {
		return fmt.Errorf("a position has 1 to 64 bytes, this has %d: %q", len(p), p)
	}
	for _, c := range []byte(p) {
		if c < ' ' || c > '~' {
			return fmt.Errorf("a position is printable ASCII: %q", p)
		}
	}
	return nil
}

func positions(s *store) {
	const updates, single, several = 12, 3, 4
	hs := s.handles(2, journal)
	var want []string
	known := map[string]string{} // documents by the positions that Append answered
	for i := range int64(updates) {
		var mine []string
		s.update(hs[i%2], func(tx backend.Tx) error {
			mine = nil
			var batch []backend.Row
			for j := range int64(single + several) {
				r := entry("t", i*10+j)
				r.Key = id("the key of an appended row is ignored")
				mine = append(mine, string(r.Doc))
				if j >= single {
					batch = append(batch, r)
					continue
				}
				p, err := tx.Append("journal", r)
				if err != nil {
					return err
				}
				known[string(p)] = string(r.Doc)
			}
			p, err := tx.Append("journal", batch...)
			known[string(p)] = string(batch[several-1].Doc)
			return err
		})
		want = append(want, mine...)
	}
	rows := s.find(hs[1], byPosition)
	s.equal(docs(rows), want, "positions ascend bytewise within a call, within an Update, and from one Update to the next")
	for _, r := range rows {
		if len(r.Key) != 1 {
			s.Fatalf("the key of a Log's row is its position; this is %s", r.Key)
		}
		if err := goodPosition(backend.Position(r.Key[0].Str())); err != nil {
			s.Error(err)
		}
	}
	err := hs[0].View(s.ctx, func(r backend.Reader) error {
		for position, doc := range known {
			row, err := r.Get("journal", backend.StringValue(position))
			if err != nil {
				return err
			}
			s.equal([]string{string(row.Doc)}, []string{doc}, "Append answers the position of the last row it added")
		}
		_, err := r.Get("journal", backend.StringValue("nowhere"))
		s.wants(err, backend.ErrNotFound, "Get of a position that no row has")
		return nil
	})
	if err != nil {
		s.Errorf("View: %v", err)
	}
}

func searchLog(s *store) {
	b := s.declared(journal)
	var rows []backend.Row
	for i := range int64(20) {
		var added []backend.Row
		s.update(b, func(tx backend.Tx) error {
			added = nil
			for _, topic := range []string{"even", "odd"}[i%2:] {
				r := entry(topic, i)
				p, err := tx.Append("journal", r)
				if err != nil {
					return err
				}
				r.Key = id(string(p))
				added = append(added, r)
				found, err := tx.Find(backend.Query{Table: "journal", Desc: true, Limit: 1})
				if err != nil {
					return err
				}
				if err := differ(found, []backend.Row{r}); err != nil {
					return fmt.Errorf("an Update sees what it appended: %w", err)
				}
			}
			return nil
		})
		rows = append(rows, added...)
	}
	s.settle(b, len(rows))
	middle := rows[10].Key[0].Str()
	for _, settled := range []bool{false, true} {
		for _, where := range [][]backend.Cond{
			nil, {eq("topic", backend.StringValue("odd"))}, {{Field: "n", Op: backend.Ge, Value: backend.IntValue(7)}}, {{Field: backend.PositionField, Op: backend.Gt, Value: rows[4].Key[0]}},
			{{Field: backend.PositionField, Op: backend.Le, Value: rows[9].Key[0]}, eq("topic", backend.StringValue("even"))}, {eq(backend.PositionField, rows[3].Key[0])},
			{eq("labels", backend.StringValue("odd")), eq("labels", backend.StringValue("every"))}, {{Field: "sizes", Name: "n", Op: backend.Lt, Value: backend.IntValue(-12)}},
			{{Field: backend.PositionField, Op: backend.In, Values: key(rows[8].Key[0], rows[2].Key[0], backend.StringValue("nowhere"), rows[8].Key[0])}},
			{{Field: backend.PositionField, Op: backend.Prefix, Value: backend.StringValue(middle[:len(middle)-1])}},
			{{Field: backend.PositionField, Op: backend.Ge, Value: backend.StringValue(middle + "!")}}, {{Field: backend.PositionField, Op: backend.Lt, Value: backend.StringValue(middle[:len(middle)/2])}},
			{{Field: backend.PositionField, Op: backend.Gt, Value: backend.StringValue("~")}}, {{Field: backend.PositionField, Op: backend.Ge}},
		} {
			for _, order := range []string{"", backend.PositionField, "n", "topic"} {
				for _, desc := range []bool{false, true} {
					q := backend.Query{Table: "journal", Where: where, Order: order, Desc: desc, Settled: settled}
					s.asks(&journal, rows, q, s.finder(b))
					q.Limit, q.Fields, q.After = 4, !desc, place(&journal, rows[11], order)
					s.asks(&journal, rows, q, s.finder(b))
				}
			}
		}
	}
}

// settle waits until that many events are settled: transactions elsewhere may keep them back for a while.
func (s *store) settle(b backend.Backend, events int) []backend.Row {
	s.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		rows := s.find(b, settled)
		if len(rows) >= events {
			return rows
		}
		select {
		case <-poll.C:
		case <-s.ctx.Done():
			s.Fatalf("events settle once no Update runs: %d of %d did", len(rows), events)
		}
	}
}

// commitOrder writes to each event the count that its Update read under the lock.
func commitOrder(s *store) {
	const each = 10
	hs := s.handles(hands, cells, journal)
	s.together(racers, func(g int) error {
		for range each {
			name := fmt.Sprint("counter", g%2)
			err := hs[g/2%hands].Update(s.ctx, []string{name}, func(tx backend.Tx) error {
				n, err := number(tx, name)
				if err != nil {
					return err
				}
				if _, err := tx.Append("journal", entry(name, n)); err != nil {
					return err
				}
				return tx.Put("cells", cell(name, "", n+1))
			})
			if err != nil {
				return fmt.Errorf("append: %w", err)
			}
		}
		return nil
	})
	for _, name := range []string{"counter0", "counter1"} {
		var want []string
		for n := range int64(racers / 2 * each) {
			want = append(want, string(entry(name, n).Doc))
		}
		got := s.docs(hs[0], backend.Query{Table: "journal", Where: []backend.Cond{eq("topic", backend.StringValue(name))}})
		s.equal(got, want, "events of Updates that share a lock have positions in commit order")
	}
}

func abortedAppends(s *store) {
	hs := s.handles(2, journal)
	var want []string
	for i := range int64(10) {
		err := hs[i%2].Update(s.ctx, nil, func(tx backend.Tx) error {
			for range 2 {
				if _, err := tx.Append("journal", entry("aborted", i)); err != nil {
					return err
				}
			}
			return errAbort
		})
		s.wants(err, errAbort, "an Update answers fn's error")
		s.update(hs[(i+1)%2], func(tx backend.Tx) error {
			_, err := tx.Append("journal", entry("committed", i))
			return err
		})
		want = append(want, string(entry("committed", i).Doc))
	}
	s.equal(s.docs(hs[0], byPosition), want, "what a failed Update appended never appears")
	s.equal(docs(s.settle(hs[1], len(want))), want, "what a failed Update appended keeps nothing from settling")
}

func settles(s *store) {
	b := s.declared(journal, cells)
	s.equal(s.docs(b, settled), nil, "an empty Log has no settled rows")
	var want []string
	for i := range int64(5) {
		s.update(b, func(tx backend.Tx) error { _, err := tx.Append("journal", entry("t", i)); return err })
		want = append(want, string(entry("t", i).Doc))
		s.equal(docs(s.settle(b, len(want))), want, "committed events settle, without further writes")
	}
}

// slowWriter has an event appended first and committed last.
func slowWriter(s *store) {
	hs := s.handles(3, journal)
	f := follower{store: s, b: hs[2]}
	for round := range int64(2) {
		var others chan struct{}
		var early atomic.Bool
		early.Store(true)
		err := hs[0].Update(s.ctx, []string{"slow"}, func(tx backend.Tx) error {
			if _, err := tx.Append("journal", entry("slow", round)); err != nil {
				return err
			}
			if others != nil {
				return nil // fn runs again
			}
			// A backend may make the quick writer wait for the slow one.
			others = started(func() {
				read := func() {
					rows, err := f.read()
					if err != nil {
						s.Errorf("follower: %v", err)
					}
					for _, doc := range docs(rows) {
						if early.Load() && doc == string(entry("slow", round).Doc) {
							s.Error("a settled event is of an Update that has not committed")
						}
					}
				}
				read()
				err := hs[1].Update(s.ctx, []string{"quick"}, func(tx backend.Tx) error {
					_, err := tx.Append("journal", entry("quick", round))
					return err
				})
				if err != nil {
					s.Errorf("quick Update: %v", err)
				}
				read()
			})
			within(2*negative, others)
			early.Store(false)
			return nil
		})
		if err != nil {
			s.Errorf("slow Update: %v", err)
		}
		s.await(others, "the Update beside a slow one")
		f.readUntil(int(round+1) * 2)
		s.equal(f.seen, s.docs(hs[0], byPosition), "a follower that continues behind the last settled event it saw misses none")
	}
}

// A follower reads settled rows and continues after the last one.
type follower struct {
	*store
	b    backend.Backend
	last backend.Key
	seen []string
}

func (f *follower) read() ([]backend.Row, error) {
	q := settled
	q.After = f.last
	q.Limit = 10
	rows, err := f.b.Find(f.ctx, q)
	if err != nil {
		return nil, fmt.Errorf("find settled events: %w", err)
	}
	for _, r := range rows {
		f.last = r.Key
		f.seen = append(f.seen, string(r.Doc))
	}
	if len(f.last) == 0 {
		return nil, nil
	}
	// What is settled is complete: nothing else is at or before the last row, now or later.
	all, err := f.b.Find(f.ctx, backend.Query{Table: "journal", Where: []backend.Cond{{Field: backend.PositionField, Op: backend.Le, Value: f.last[0]}}})
	if err != nil {
		return nil, fmt.Errorf("find events: %w", err)
	}
	if got := docs(all); !slices.Equal(got, f.seen) {
		return nil, fmt.Errorf("a follower of settled events saw %s; at or before the last of them are %s", clip(fmt.Sprint(f.seen)), clip(fmt.Sprint(got)))
	}
	return rows, nil
}

// readUntil reads until that many events were seen.
func (f *follower) readUntil(events int) {
	f.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for len(f.seen) < events {
		if _, err := f.read(); err != nil {
			f.Fatalf("with %d of %d events seen: %v", len(f.seen), events, err)
		}
		select {
		case <-poll.C:
		case <-f.ctx.Done():
			f.Fatalf("a follower sees every committed event; it saw %d of %d: %q", len(f.seen), events, f.seen)
		}
	}
}

// followers reads beside writers with locks of their own and with a common one, some of whose Updates fail.
func followers(s *store) {
	const each, readers = 15, 2
	hs := s.handles(hands, cells, journal)
	var returned, doomed sync.Map // documents of runs of fn that returned nil, and of Updates that fail
	var committed atomic.Int64
	writing := started(func() {
		err := race(racers, func(g int) error {
			for i := range int64(each) {
				fails := (int64(g)+i)%5 == 0
				run := int64(0)
				err := hs[g%hands].Update(s.ctx, []string{fmt.Sprint("lock", g/2*2)}, func(tx backend.Tx) error {
					run++
					var mine []string
					for j := range 1 + i%3 {
						// Each run of fn appends documents of its own, so that those of a run that was not the last are known.
						r := entry(fmt.Sprint("writer", g), i*10000+run*10+j)
						if _, err := tx.Append("journal", r); err != nil {
							return err
						}
						mine = append(mine, string(r.Doc))
					}
					if err := tx.Put("cells", cell(fmt.Sprint("g", g), "", i)); err != nil {
						return err
					}
					if fails {
						for _, doc := range mine {
							doomed.Store(doc, true)
						}
						return errAbort
					}
					for _, doc := range mine {
						returned.Store(doc, true)
					}
					return nil
				})
				if fails && errors.Is(err, errAbort) {
					continue
				}
				if err != nil || fails {
					return fmt.Errorf("update %d of writer %d (fails: %t): %w", i, g, fails, err)
				}
				committed.Add(1 + i%3)
			}
			return nil
		})
		if err != nil {
			s.Error(err)
		}
	})
	follow := make([]*follower, readers)
	var reading sync.WaitGroup
	for i := range follow {
		f := &follower{store: s, b: hs[(i+1)%hands]}
		follow[i] = f
		reading.Go(func() {
			poll := time.NewTicker(time.Millisecond)
			defer poll.Stop()
			for {
				over := within(0, writing)
				rows, err := f.read()
				if err != nil {
					s.Errorf("follower: %v", err)
					return
				}
				for _, doc := range docs(rows) {
					if _, bad := doomed.Load(doc); bad {
						s.Errorf("event %s of an Update that failed appears", doc)
					}
					if _, ok := returned.Load(doc); !ok {
						s.Errorf("event %s appears before its Update's fn returned", doc)
					}
				}
				if over && int64(len(f.seen)) >= committed.Load() {
					return
				}
				select {
				case <-poll.C:
				case <-s.ctx.Done():
					s.Errorf("a follower sees every committed event; it saw %d of %d", len(f.seen), committed.Load())
					return
				}
			}
		})
	}
	reading.Wait()
	s.await(writing, "Updates that append")
	all := s.docs(hs[0], byPosition)
	if int64(len(all)) != committed.Load() {
		s.Errorf("%d events are there, %d were committed", len(all), committed.Load())
	}
	for _, f := range follow {
		s.equal(f.seen, all, "followers see every event once, in the order that all readers agree on")
	}
}

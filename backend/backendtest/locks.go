package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

var lockPromises = []promise{
	{"Updates that share a lock run one after the other", neverTogether},
	{"Updates that share a lock lose no change of each other", lostUpdates},
	{"numbers taken as the highest and one more are never taken twice", maxPlusOne},
	{"Updates that share one of several locks see each other's commits", sharedOfSeveral},
	{"Updates with different locks all commit", differentLocks},
	{"Updates that write the same rows in opposite orders all commit", crossing},
	{"transactions that read and then write never fail as locked", readThenWrite},
	{"what an Update that fails has read is committed when it answers", failedReads},
	{"unique values have one owner under concurrent Updates with a lock", oneOwner},
}

const (
	hands  = 4 // handles
	racers = 8 // goroutines
)

// neverTogether starts an Update while another with the same lock is in its fn.
func neverTogether(s *store) {
	hs := s.handles(2, cells)
	s.insert(hs[0], "cells", cell("a", "", 1))
	for _, pair := range [][2][]string{{{"l"}, {"l"}}, {{"a", "b"}, {"b", "c"}}, {{"z", "l"}, {"l", "b", "a"}}} {
		var inside atomic.Bool
		var second chan struct{}
		entered := make(chan struct{})
		err := hs[0].Update(s.ctx, pair[0], func(tx backend.Tx) error {
			inside.Store(true)
			defer inside.Store(false)
			if _, err := tx.Get("cells", id("a")...); err != nil {
				return err
			}
			if second != nil {
				return nil // fn runs again
			}
			second = started(func() {
				var once sync.Once
				err := hs[1].Update(s.ctx, pair[1], func(tx backend.Tx) error {
					defer once.Do(func() { close(entered) })
					if inside.Load() {
						s.Errorf("Updates whose locks share a name run one after the other; with locks %q and %q on two handles, the second began in the middle of the first", pair[0], pair[1])
					}
					_, err := tx.Get("cells", id("a")...)
					return errors.Join(err, tx.Put("cells", cell("b", "", 2)))
				})
				if err != nil {
					s.Errorf("second Update: %v", err)
				}
			})
			within(negative, entered)
			return tx.Put("cells", cell("a", "", 2))
		})
		if err != nil {
			s.Errorf("first Update: %v", err)
		}
		s.await(second, "the second Update")
	}
}

// failedReads has Updates that fail tell what they saw, and looks whether others see it by then: a compare-and-swap that
// lost says who holds what it wanted.
func failedReads(s *store) {
	b := s.handles(1, cells)[0] // one, since only its own Updates can share a commit
	s.insert(b, "cells", cell("a", "", 0))
	refused := errors.New("refused")
	s.together(racers, func(i int) error {
		for range 40 {
			var seen int64
			err := b.Update(s.ctx, []string{"a"}, func(tx backend.Tx) error {
				var err error
				if seen, err = number(tx, "a"); err != nil {
					return err
				}
				if i%2 == 0 {
					return refused
				}
				return tx.Put("cells", cell("a", "", seen+1))
			})
			if i%2 != 0 {
				if err != nil {
					return err
				}
				continue
			}
			if !errors.Is(err, refused) {
				return fmt.Errorf("an Update whose function fails answers its error, not %v", err)
			}
			err = b.View(s.ctx, func(r backend.Reader) error {
				now, err := number(r, "a")
				if err == nil && now < seen {
					err = fmt.Errorf("an Update that failed had read %d, and a View after it reads %d: it answered by a change that was not committed", seen, now)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// number reads n of the row of that id, 0 if there is none.
func number(r backend.Reader, name string) (int64, error) {
	row, err := r.Get("cells", id(name)...)
	if errors.Is(err, backend.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if row, err = parseCell(row); err != nil {
		return 0, err
	}
	return row.Fields["n"].(backend.Value).Int(), nil
}

// lostUpdates counts up.
func lostUpdates(s *store) {
	const each = 15
	hs := s.handles(hands, cells)
	s.together(racers, func(g int) error {
		for range each {
			err := hs[g%hands].Update(s.ctx, []string{"counter"}, func(tx backend.Tx) error {
				n, err := number(tx, "counter")
				if err != nil {
					return err
				}
				return tx.Put("cells", cell("counter", "", n+1))
			})
			if err != nil {
				return fmt.Errorf("count: %w", err)
			}
		}
		return nil
	})
	s.has(hs[0], "cells", "each of the Updates that share a lock adds one to what the earlier left", doc("counter", "", racers*each))
}

// maxPlusOne numbers rows as versions of a model are numbered.
func maxPlusOne(s *store) {
	const each = 10
	hs := s.handles(hands, slots)
	var mu sync.Mutex
	taken := map[int64]int{}
	s.together(racers, func(g int) error {
		for range each {
			var n int64
			err := hs[g%hands].Update(s.ctx, []string{"model m"}, func(tx backend.Tx) error {
				newest, err := tx.Find(backend.Query{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue("m"))}, Desc: true, Limit: 1})
				if err != nil {
					return err
				}
				n = 1
				if len(newest) > 0 {
					n = newest[0].Key[1].Int() + 1
				}
				return tx.Insert("slots", slot("m", n))
			})
			if err != nil {
				return fmt.Errorf("take the next number: %w", err)
			}
			mu.Lock()
			taken[n]++
			mu.Unlock()
		}
		return nil
	})
	for n := int64(1); n <= racers*each; n++ {
		if taken[n] != 1 {
			s.Errorf("number %d was taken %d times, want once", n, taken[n])
		}
	}
	if got := len(s.find(hs[0], backend.Query{Table: "slots"})); got != racers*each {
		s.Errorf("%d rows are there, want %d", got, racers*each)
	}
}

// sharedOfSeveral names locks in orders that deadlock where they are taken as they come.
func sharedOfSeveral(s *store) {
	const each = 10
	hs := s.handles(hands, cells)
	sets := [][]string{{"a", "b"}, {"b", "a", "c"}, {"c", "b"}, {"b", "b"}}
	s.together(racers, func(g int) error {
		for range each {
			err := hs[g%hands].Update(s.ctx, sets[(g+g/hands)%len(sets)], func(tx backend.Tx) error {
				n, err := number(tx, "b")
				if err != nil {
					return err
				}
				return tx.Put("cells", cell("b", "", n+1))
			})
			if err != nil {
				return fmt.Errorf("update with several locks: %w", err)
			}
		}
		return nil
	})
	s.has(hs[0], "cells", "each of the Updates that share a lock among several sees what the earlier left", doc("b", "", racers*each))
}

func differentLocks(s *store) {
	const each = 12
	hs := s.handles(hands, cells)
	s.together(racers, func(g int) error {
		name := fmt.Sprint("row", g)
		for range each {
			err := hs[g%hands].Update(s.ctx, []string{name}, func(tx backend.Tx) error {
				n, err := number(tx, name)
				if err != nil {
					return err
				}
				return tx.Put("cells", cell(name, "t", n+1))
			})
			if err != nil {
				return fmt.Errorf("update with a lock of its own: %w", err)
			}
		}
		return nil
	})
	var want []string
	for g := range racers {
		want = append(want, doc(fmt.Sprint("row", g), "t", each))
	}
	s.has(hs[0], "cells", "Updates with different locks all commit", want...)
	s.tagged(hs[0], "t", "Updates with different locks all commit, to the indexes too", want...)
}

// readThenWrite makes every transaction read what others write, then write.
func readThenWrite(s *store) {
	const each = 12
	hs := s.handles(hands, cells, journal)
	s.insert(hs[0], "cells", cell("read", "x", 0))
	begin := time.Now()
	s.together(racers, func(g int) error {
		for i := range int64(each) {
			err := hs[g%hands].Update(s.ctx, []string{fmt.Sprint("lock", g%3)}, func(tx backend.Tx) error {
				if _, err := tx.Find(backend.Query{Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue("x"))}}); err != nil {
					return err
				}
				if _, err := tx.Append("journal", entry(fmt.Sprint(g), i)); err != nil {
					return err
				}
				return tx.Put("cells", cell(fmt.Sprint("g", g), "x", i+1))
			})
			if err != nil {
				return fmt.Errorf("after %v: an Update waits for others, it does not fail for them: %w", time.Since(begin), err)
			}
		}
		return nil
	})
	if got := len(s.find(hs[0], backend.Query{Table: "journal"})); got != racers*each {
		s.Errorf("%d events of %d Updates", got, racers*each)
	}
}

// oneOwner lets goroutines take a unique value in turn: always by freeing it first.
func oneOwner(s *store) {
	const each = 8
	hs := s.handles(hands, slots)
	held := func(model string) backend.Query {
		return backend.Query{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue(model)), eq("stage", backend.StringValue("Production"))}}
	}
	s.together(racers, func(g int) error {
		for range each {
			for _, model := range []string{"m", "n"} {
				err := hs[g%hands].Update(s.ctx, []string{model}, func(tx backend.Tx) error {
					rows, err := tx.Find(held(model))
					if err != nil {
						return err
					}
					for _, r := range rows {
						if err := tx.Put("slots", slot(model, r.Key[1].Int())); err != nil {
							return err
						}
					}
					return tx.Put("slots", slot(model, int64(g), "stage", "Production", "aliases", []string{"champion"}))
				})
				if err != nil {
					return fmt.Errorf("promote: %w", err)
				}
			}
			rows, err := hs[g%hands].Find(s.ctx, held("m"))
			if err != nil {
				return fmt.Errorf("find: %w", err)
			}
			if len(rows) != 1 {
				return fmt.Errorf("a unique value has one owner at every moment; it had %d", len(rows))
			}
		}
		return nil
	})
}

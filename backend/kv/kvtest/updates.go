package kvtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// negative is how long a subtest waits for what a store may make wait.
const negative = 100 * time.Millisecond

func own(s *trial) {
	s.put("a", "a", "1", "b", "2", "c", "3")
	s.update(func(tx kv.Tx) error {
		if err := put(tx, "a", "b", "new", "bb", "more"); err != nil {
			return err
		}
		if err := tx.Delete("a", []byte("a")); err != nil {
			return err
		}
		if err := has(tx, "a", "an Update sees its own changes", "b", "new", "bb", "more", "c", "3"); err != nil {
			return err
		}
		down, err := all(tx, "a", []byte("b"), []byte("c"), true)
		if err != nil {
			return err
		}
		if want := []string{"bb", "more", "b", "new"}; fmt.Sprint(down) != fmt.Sprint(want) {
			return fmt.Errorf("an Update sees its own changes, downwards too: %q, want %q", down, want)
		}
		if err := errors.Join(tx.Delete("a", []byte("bb")), put(tx, "a", "a", "again"), put(tx, "new space", "k", "v")); err != nil {
			return err
		}
		return errors.Join(has(tx, "a", "an Update sees its own changes", "a", "again", "b", "new", "c", "3"),
			has(tx, "new space", "an Update sees its own changes", "k", "v"))
	})
	s.has("a", "an Update commits what it did last", "a", "again", "b", "new", "c", "3")
}

// change is what must leave no trace.
func change(tx kv.Tx) error {
	return errors.Join(put(tx, "a", "a", "changed", "z", "new"), tx.Delete("a", []byte("b")), put(tx, "b", "k", "v"))
}

func (s *trial) untouched(promise string) {
	s.Helper()
	s.has("a", promise, "a", "1", "b", "2")
	s.has("b", promise)
	s.put("c", "k", "the store still works")
	s.has("c", promise, "k", "the store still works")
}

func failing(s *trial) {
	s.put("a", "a", "1", "b", "2")
	err := s.Update(s.ctx, func(tx kv.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return fmt.Errorf("wrapped: %w", errAbort)
	})
	if !errors.Is(err, errAbort) {
		s.Errorf("Update returns fn's error; got %v", err)
	}
	s.untouched("an Update whose fn returns an error changes nothing")
	if err := s.View(s.ctx, func(kv.ReadTx) error { return errAbort }); !errors.Is(err, errAbort) {
		s.Errorf("View returns fn's error; got %v", err)
	}
}

func panicking(s *trial) {
	s.put("a", "a", "1", "b", "2")
	for name, call := range map[string]func(){
		"Update": func() {
			_ = s.Update(s.ctx, func(tx kv.Tx) error {
				if err := change(tx); err != nil {
					return err
				}
				panic(errAbort)
			})
		},
		"View": func() { _ = s.View(s.ctx, func(kv.ReadTx) error { panic(errAbort) }) },
	} {
		func() {
			defer func() {
				if got := recover(); got != errAbort {
					s.Errorf("a panic in fn of %s passes; got %v", name, got)
				}
			}()
			call()
		}()
		s.untouched("a call whose fn panics changes nothing: " + name)
	}
}

// whole reads beside an Update that changes two spaces.
func whole(s *trial) {
	const rounds = 50
	s.put("a", "k", "0")
	s.put("b", "k", "0")
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			for n := 1; n <= rounds; n++ {
				text := fmt.Sprint(n)
				err := s.Update(s.ctx, func(tx kv.Tx) error {
					return errors.Join(put(tx, "a", "k", text), put(tx, "b", "k", text))
				})
				if err == nil {
					err = s.View(s.ctx, func(tx kv.ReadTx) error { return has(tx, "a", "an Update is visible when it returns", "k", text) })
				}
				if err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				s.Error(err)
			}
			return
		default:
		}
		s.view(func(tx kv.ReadTx) error {
			b, err := tx.Get("b", []byte("k"))
			if err != nil {
				return err
			}
			return has(tx, "a", "a View sees all of an Update or nothing", "k", string(b))
		})
	}
}

func snapshot(s *trial) {
	s.put("a", "a", "1", "b", "2")
	var updating chan struct{}
	s.view(func(tx kv.ReadTx) error {
		if err := has(tx, "a", "a View", "a", "1", "b", "2"); err != nil {
			return err
		}
		updating = make(chan struct{})
		go func() {
			defer close(updating)
			if err := s.Update(s.ctx, change); err != nil {
				s.Errorf("an Update beside a View: %v", err)
			}
		}()
		select { // a store may make the Update wait for the View
		case <-updating:
		case <-time.After(negative):
		}
		return errors.Join(has(tx, "a", "a View sees no later Update", "a", "1", "b", "2"), has(tx, "b", "a View sees no later Update"))
	})
	select {
	case <-updating:
	case <-s.ctx.Done():
		s.Fatal("an Update does not return after the View that it began beside")
	}
	s.has("a", "the next View sees the Update", "a", "changed", "z", "new")
}

func reopened(s *trial) {
	if s.inMemory {
		return
	}
	for i := range 3 {
		s.put("a", fmt.Sprint("k", i), "v")
		if err := s.Close(); err != nil {
			s.Fatalf("Close: %v", err)
		}
		s.Store = s.open()
		var want []string
		for j := range i + 1 {
			want = append(want, fmt.Sprint("k", j), "v")
		}
		s.has("a", "what was committed is there when the store is opened again", want...)
	}
}

// Package kvtest proves that a kv.Store keeps its contract, before package backendtest proves the Backend that kv makes
// of it: a failure here names the method that is wrong.
//
//	func TestStore(t *testing.T) {
//		kvtest.Run(t, func(t testing.TB) func() kv.Store {
//			path := filepath.Join(t.TempDir(), "registry.bolt")
//			return func() kv.Store {
//				s, err := open(path)
//				if err != nil {
//					t.Fatal(err)
//				}
//				return s
//			}
//		}, nil)
//	}
package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// Options say what is special about a store; nil is that nothing is.
type Options struct {
	// Patience is how long a subtest may take; 0 is a minute.
	Patience time.Duration
	// InMemory is for a store that ends with Close: it is not opened again.
	InMemory bool
}

// Run proves the contract of kv.Store on the stores that open prepares. Every call of open makes a fresh, empty store;
// what it returns opens it, and opens it again after Close. Both are called by several goroutines at once, since subtests
// run in parallel.
func Run(t *testing.T, open func(t testing.TB) func() kv.Store, opts *Options) {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	patience := opts.Patience
	if patience <= 0 {
		patience = time.Minute
	}
	for _, p := range []struct {
		name  string
		prove func(s *trial)
	}{
		{"Get answers what was Put, and nil for nothing", gets},
		{"keys and values of every content and length are kept", contents},
		{"spaces are kept apart", spaces},
		{"a Scan is of a range, in order, both ways", scans},
		{"a Scan stops when fn returns false", stops},
		{"what Get and Scan hand out stays until the next write", lends},
		{"a Scan may read from the same transaction", nested},
		{"Put keeps neither key nor what is done to it later", keeps},
		{"an Update sees its own changes", own},
		{"an error leaves no trace, and is answered", failing},
		{"a panic leaves no trace, and goes on", panicking},
		{"an Update is visible when it returns, whole", whole},
		{"a View sees no later Update", snapshot},
		{"what was committed is there when the store is opened again", reopened},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := &trial{T: t, open: open(t), inMemory: opts.InMemory}
			s.Store = s.open()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s.ctx = ctx
			proving := make(chan struct{})
			go func() {
				defer close(proving)
				p.prove(s)
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			select {
			case <-proving:
			case <-ctx.Done():
				t.Fatalf("nothing may take longer than Options.Patience, %v: a method does not return", patience)
			}
		})
	}
}

// A trial is one subtest.
type trial struct {
	*testing.T
	kv.Store
	open     func() kv.Store
	ctx      context.Context
	inMemory bool
}

// update is an Update that has to succeed.
func (s *trial) update(fn func(tx kv.Tx) error) {
	s.Helper()
	if err := s.Update(s.ctx, fn); err != nil {
		s.Fatalf("Update: %v", err)
	}
}

// view is a View that has to succeed.
func (s *trial) view(fn func(tx kv.ReadTx) error) {
	s.Helper()
	if err := s.View(s.ctx, fn); err != nil {
		s.Fatalf("View: %v", err)
	}
}

// put puts pairs of keys and values.
func (s *trial) put(space string, pairs ...string) {
	s.Helper()
	s.update(func(tx kv.Tx) error { return put(tx, space, pairs...) })
}

func put(tx kv.Tx, space string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := tx.Put(space, []byte(pairs[i]), []byte(pairs[i+1])); err != nil {
			return fmt.Errorf("put %.40q: %w", pairs[i], err)
		}
	}
	return nil
}

// has checks what a space holds, as pairs of keys and values.
func (s *trial) has(space, promise string, want ...string) {
	s.Helper()
	s.view(func(tx kv.ReadTx) error { return has(tx, space, promise, want...) })
}

func has(tx kv.ReadTx, space, promise string, want ...string) error {
	got, err := all(tx, space, nil, nil, false)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: space %q holds %s, want %s", promise, space, short(got), short(want))
	}
	for i := 0; i < len(want); i += 2 {
		value, err := tx.Get(space, []byte(want[i]))
		if err != nil {
			return fmt.Errorf("get %.40q: %w", want[i], err)
		}
		if want[i+1] != "" && string(value) != want[i+1] {
			return fmt.Errorf("%s: Get of %.40q answers %.100q, want %.100q", promise, want[i], value, want[i+1])
		}
	}
	return nil
}

// short prints the beginnings of texts.
func short(texts []string) string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = fmt.Sprintf("%.40q", text)
	}
	return fmt.Sprint(list[:min(len(list), 30)])
}

// all scans a range.
func all(tx kv.ReadTx, space string, low, high []byte, desc bool) (pairs []string, err error) {
	err = tx.Scan(space, low, high, desc, func(key, value []byte) bool {
		pairs = append(pairs, string(key), string(value))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("scan %q: %w", space, err)
	}
	return pairs, nil
}

var errAbort = errors.New("abort")

func gets(s *trial) {
	s.view(func(tx kv.ReadTx) error {
		value, err := tx.Get("never put to", []byte("k"))
		if value != nil || err != nil {
			return fmt.Errorf("a space that was never put to: Get answers %q, %v; want nil", value, err)
		}
		return has(tx, "never put to", "a space that was never put to is empty")
	})
	s.put("a", "k", "v", "l", "w")
	s.put("a", "k", "other")
	s.has("a", "Put replaces", "k", "other", "l", "w")
	s.update(func(tx kv.Tx) error {
		for _, key := range []string{"l", "l", "nothing"} {
			if err := tx.Delete("a", []byte(key)); err != nil {
				return fmt.Errorf("key %q, there or not: Delete: %w", key, err)
			}
		}
		return tx.Delete("never put to", []byte("k"))
	})
	s.has("a", "Delete removes", "k", "other")
	s.view(func(tx kv.ReadTx) error {
		for _, key := range []string{"l", "", "kk", "K", "k\x00"} {
			if value, err := tx.Get("a", []byte(key)); value != nil || err != nil {
				return fmt.Errorf("key %q, which is not there: Get answers %q, %v; want nil", key, value, err)
			}
		}
		return nil
	})
}

func contents(s *trial) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	pairs := []string{
		"\x00", "zero", "\x00\x00", string(every), "\x00\xff", "", "a", "", "a\x00", "\x00", "a\x00b", string(bytes.Repeat(every, 4096)), "\xff", "\xff\xff",
		"\xff" + string(bytes.Repeat([]byte{'k'}, MaxKey-1)), string(bytes.Repeat([]byte{'v'}, backend.MaxDoc)), "\xff\xff", "x",
	}
	for i := 0; i < len(pairs); i += 2 {
		s.put("a", pairs[i], pairs[i+1])
	}
	s.has("a", "keys and values are kept byte for byte", pairs...)
}

// MaxKey is a length that every store's keys have to reach: four parts of backend.MaxKeyPart, encoded. Values reach that
// of a document, backend.MaxDoc.
const MaxKey = 4 * (backend.MaxKeyPart + 6)

func spaces(s *trial) {
	names := []string{"/catalog", "a", "a/b", "a/b,c!", "a/b?", "a_b", "ab", "b"}
	for i, name := range names {
		s.put(name, "/b", fmt.Sprint(i), "\x00b", fmt.Sprint(i, "zero"), "b", name)
	}
	for i, name := range names {
		s.has(name, "spaces are kept apart", "\x00b", fmt.Sprint(i, "zero"), "/b", fmt.Sprint(i), "b", name)
	}
	s.update(func(tx kv.Tx) error { return tx.Delete("a", []byte("/b")) })
	s.has("a", "spaces are kept apart", "\x00b", "1zero", "b", "a")
	s.has("a/b", "spaces are kept apart", "\x00b", "2zero", "/b", "2", "b", "a/b")
}

func keeps(s *trial) {
	s.update(func(tx kv.Tx) error {
		key := []byte("key")
		for i := range 3 {
			key[2] = byte('0' + i)
			if err := tx.Put("a", key, fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		key[2] = '1'
		if err := tx.Delete("a", key); err != nil {
			return err
		}
		copy(key, "###")
		return nil
	})
	s.has("a", "the caller may change a key after Put and Delete", "ke0", "0", "ke2", "2")
}

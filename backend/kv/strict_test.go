package kv_test

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// strictStore is the simplest store of bytes, and the strictest: what it hands out is overwritten as soon as the
// contract allows it.
type strictStore struct {
	mu     sync.RWMutex
	spaces map[string]map[string]string
	closed bool
}

func (s *strictStore) View(_ context.Context, fn func(kv.ReadTx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	tx := &strictTx{spaces: s.spaces}
	defer tx.spoil()
	return fn(tx)
}

func (s *strictStore) Update(_ context.Context, fn func(kv.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := &strictTx{spaces: map[string]map[string]string{}, own: map[string]bool{}}
	maps.Copy(tx.spaces, s.spaces)
	defer tx.spoil()
	if err := fn(tx); err != nil {
		return err
	}
	s.spaces = tx.spaces
	return nil
}

func (s *strictStore) Close() error {
	s.closed = true
	return nil
}

type strictTx struct {
	spaces   map[string]map[string]string
	own      map[string]bool // the spaces that were copied for this transaction
	out      [][]byte
	scanning bool
}

// lend returns a copy of s that is good until the next write.
func (t *strictTx) lend(s string) []byte {
	b := []byte(s)
	t.out = append(t.out, b)
	return b
}

func (t *strictTx) spoil() {
	if t.scanning {
		panic("kv writes during a scan")
	}
	for _, b := range t.out {
		for i := range b {
			b[i] = 0xee
		}
	}
	t.out = nil
}

func (t *strictTx) Get(space string, key []byte) ([]byte, error) {
	value, ok := t.spaces[space][string(key)]
	if !ok {
		return nil, nil
	}
	return t.lend(value), nil
}

func (t *strictTx) Scan(space string, low, high []byte, desc bool, fn func(key, value []byte) bool) error {
	t.scanning = true
	defer func() { t.scanning = false }()
	var keys []string
	for key := range t.spaces[space] {
		if key >= string(low) && (high == nil || key < string(high)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if desc {
		slices.Reverse(keys)
	}
	for _, key := range keys {
		if !fn(t.lend(key), t.lend(t.spaces[space][key])) {
			break
		}
	}
	return nil
}

func (t *strictTx) Put(space string, key, value []byte) error {
	t.written(space)[string(key)] = string(value)
	return nil
}

func (t *strictTx) Delete(space string, key []byte) error {
	delete(t.written(space), string(key))
	return nil
}

// written returns a space that may be changed.
func (t *strictTx) written(space string) map[string]string {
	t.spoil()
	if !t.own[space] {
		entries := map[string]string{}
		maps.Copy(entries, t.spaces[space])
		t.spaces[space], t.own[space] = entries, true
	}
	return t.spaces[space]
}

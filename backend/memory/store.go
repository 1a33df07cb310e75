package memory

import (
	"context"
	"maps"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// A tree holds one space. Its nodes are copied when they are changed after a Copy, so that a published tree stays as it
// is. Copy writes to the tree that it copies, to fields that readers do not look at; only the writer calls it.
type tree = btree.Map[string, *kv.Cell]

// A store implements [kv.MemoryStore]. kv runs one Update at a time.
type store struct{ state atomic.Pointer[snapshot] }

// A snapshot implements [kv.MemoryReader]. Nothing of a published one changes.
type snapshot struct{ trees map[string]*tree }

func newStore() *store {
	s := &store{}
	s.state.Store(&snapshot{})
	return s
}

func (s *store) Snapshot() kv.MemoryReader { return s.state.Load() }

func (s *store) Update(_ context.Context, fn func(kv.MemoryTx) error) error {
	t := &tx{snapshot: snapshot{trees: map[string]*tree{}}, owned: map[string]bool{}}
	maps.Copy(t.trees, s.state.Load().trees)
	if err := fn(t); err != nil {
		return err
	}
	s.state.Store(&snapshot{trees: t.trees})
	return nil
}

func (s *snapshot) Get(space string, key []byte) (*kv.Cell, error) {
	t := s.trees[space]
	if t == nil {
		return nil, nil
	}
	c, _ := t.Get(string(key))
	return c, nil
}

func (s *snapshot) Scan(space string, low, high []byte, desc bool, fn func(key []byte, c *kv.Cell) bool) error {
	t := s.trees[space]
	if t == nil {
		return nil
	}
	var buf []byte
	visit := func(key string, c *kv.Cell) bool {
		buf = append(buf[:0], key...)
		return fn(buf, c)
	}
	first, end := string(low), string(high)
	switch {
	case !desc:
		t.Ascend(first, func(key string, c *kv.Cell) bool { return (high == nil || key < end) && visit(key, c) })
	case high == nil:
		t.Reverse(func(key string, c *kv.Cell) bool { return key >= first && visit(key, c) })
	default:
		t.Descend(end, func(key string, c *kv.Cell) bool { return key == end || key >= first && visit(key, c) })
	}
	return nil
}

// A tx implements [kv.MemoryTx]. What it does is lost unless it is published.
type tx struct {
	snapshot
	owned map[string]bool // the spaces whose trees are copies of its own
}

func (t *tx) own(space string) *tree {
	if t.owned[space] {
		return t.trees[space]
	}
	if old := t.trees[space]; old != nil {
		t.trees[space] = old.Copy()
	} else {
		t.trees[space] = btree.NewMap[string, *kv.Cell](degree)
	}
	t.owned[space] = true
	return t.trees[space]
}

func (t *tx) Put(space string, key []byte, c *kv.Cell) error {
	t.own(space).Set(string(key), c)
	return nil
}

func (t *tx) Delete(space string, key []byte) error {
	t.own(space).Delete(string(key))
	return nil
}

// degree is half of what a node holds at most. A commit copies the nodes on the way to each row and entry that it
// changes: small ones make writes cheap, large ones make the trees flat.
const degree = 16

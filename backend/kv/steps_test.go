package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// A smallStore refuses transactions of more than a number of writes, as Badger and others do, and any when it has had
// enough of them.
type smallStore struct {
	*strictStore
	most  int
	left  int // Updates until it fails; below zero is never
	spent int // the most writes of an Update
}

var errTooBig = errors.New("the transaction is too big")
var errDown = errors.New("the store is down")

func (s *smallStore) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if s.left == 0 {
		return errDown
	}
	s.left--
	return s.strictStore.Update(ctx, func(tx kv.Tx) error { return fn(&smallTx{Tx: tx, s: s}) })
}

type smallTx struct {
	kv.Tx
	s *smallStore
	n int
}

func (t *smallTx) count() error {
	if t.n++; t.n > t.s.most {
		return errTooBig
	}
	t.s.spent = max(t.s.spent, t.n)
	return nil
}

func (t *smallTx) Put(space string, key, value []byte) error {
	if err := t.count(); err != nil {
		return err
	}
	return t.Tx.Put(space, key, value)
}

func (t *smallTx) Delete(space string, key []byte) error {
	if err := t.count(); err != nil {
		return err
	}
	return t.Tx.Delete(space, key)
}

const manyRows = 3000

func many(t *testing.T, s kv.Store) backend.Backend {
	b := kv.New(s)
	require.NoError(t, b.Declare(ctx, notes(1)))
	for first := 0; first < manyRows; first += 1000 {
		rows := make([]backend.Row, 1000)
		for i := range rows {
			rows[i] = note(first+i, fmt.Sprint("t", first+i), "all", fmt.Sprint("l", i%7))
		}
		put(t, b, rows...)
	}
	return b
}

// Badger takes some hundred thousand writes in a transaction; what is declared over more rows is built in steps.
func TestDeclareFitsIntoSmallTransactions(t *testing.T) {
	t.Parallel()
	s := &smallStore{strictStore: &strictStore{}, most: 5000, left: -1}
	b := many(t, s)
	labels, title := backend.Index{Fields: []string{"labels"}}, backend.Index{Fields: []string{"title"}, Unique: true}
	require.NoError(t, b.Declare(ctx, notes(1, labels, title)))
	require.Len(t, find(t, b, backend.Query{Where: eq("labels", "all")}), manyRows)
	require.Equal(t, []string{`{"id":2321}`}, find(t, b, backend.Query{Where: eq("title", "t2321")}))
	require.NoError(t, b.Declare(ctx, notes(2)), "indexes are dropped in steps, too")
	require.Zero(t, len(s.spaces["notes/labels"]))
	require.Zero(t, len(s.spaces["notes/title!"]))
	require.Greater(t, s.spent, 3000, "the steps are not tiny")
}

// A store may go away at any step: what is half done harms nobody, and the next Declare finishes it.
func TestInterruptedDeclareIsFinished(t *testing.T) {
	t.Parallel()
	labels, title := backend.Index{Fields: []string{"labels"}}, backend.Index{Fields: []string{"title"}, Unique: true}
	for steps := 1; ; steps++ {
		s := &smallStore{strictStore: &strictStore{}, most: 5000, left: -1}
		b := many(t, s)
		s.left = steps
		err := b.Declare(ctx, notes(2, labels, title))
		s.left = -1
		if err == nil {
			require.Greater(t, steps, 2)
			return
		}
		require.ErrorIs(t, err, errDown)
		// The older declaration goes on, and is refused by no index that is half built.
		put(t, b, note(1, "moved", "all"), note(manyRows-1, "moved too", "all"), note(manyRows, "t7", "all"))
		require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error { return tx.Delete("notes", backend.Key{backend.IntValue(2)}) }))
		require.Len(t, find(t, b, backend.Query{Where: eq("labels", "all")}), manyRows)
		later := kv.New(s)
		require.ErrorIs(t, later.Declare(ctx, notes(2, labels, title)), backend.ErrExists, "t7 is there twice")
		require.Zero(t, len(s.spaces["notes/labels"]), "a Declare that fails takes back what it has added")
		require.Zero(t, len(s.spaces["notes/title!"]))
		put(t, b, note(manyRows, "free", "all"))
		require.NoError(t, later.Declare(ctx, notes(2, labels, title)))
		require.Len(t, find(t, later, backend.Query{Where: eq("labels", "all")}), manyRows)
		require.Equal(t, []string{fmt.Sprintf(`{"id":%d}`, manyRows-1)}, find(t, later, backend.Query{Where: eq("title", "moved too")}))
		for _, gone := range []string{"t1", "t2", fmt.Sprint("t", manyRows-1)} {
			require.Empty(t, find(t, later, backend.Query{Where: eq("title", gone)}))
		}
	}
}

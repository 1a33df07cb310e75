package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/kv"
	"github.com/modelregistry-go/modelregistry/backend/kv/kvtest"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

func TestStrictStore(t *testing.T) {
	backendtest.Run(t, func(testing.TB) func() backend.Backend {
		s := &strictStore{}
		return func() backend.Backend { return kv.New(s) }
	}, &backendtest.Options{OneHandle: true})
}

func TestStrictStoreIsAStore(t *testing.T) {
	kvtest.Run(t, func(testing.TB) func() kv.Store {
		s := &strictStore{}
		return func() kv.Store { return s }
	}, nil)
}

// A store that was overtaken runs the function of an Update again.
type overtaken struct{ *strictStore }

func (s overtaken) Update(ctx context.Context, fn func(kv.Tx) error) error {
	first := errors.New("overtaken")
	err := s.strictStore.Update(ctx, func(tx kv.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return first
	})
	if !errors.Is(err, first) {
		return err
	}
	return s.strictStore.Update(ctx, fn)
}

func TestStoreThatIsOvertaken(t *testing.T) {
	backendtest.Run(t, func(testing.TB) func() backend.Backend {
		s := overtaken{&strictStore{}}
		return func() backend.Backend { return kv.New(s) }
	}, &backendtest.Options{OneHandle: true})
}

var ctx = context.Background()

// both runs a test over a store of bytes and over one of cells.
func both(t *testing.T, test func(t *testing.T, b backend.Backend)) {
	t.Helper()
	for name, b := range map[string]backend.Backend{"bytes": kv.New(&strictStore{}), "cells": memory.New()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func notes(format int, indexes ...backend.Index) backend.Schema {
	return backend.Schema{Format: format, Tables: []backend.Table{{
		Name: "notes", Key: []backend.Field{{Name: "id", Kind: backend.Int}},
		Fields:  []backend.Field{{Name: "title"}, {Name: "labels", Shape: backend.Set}},
		Indexes: indexes,
	}}}
}

func note(id int, title string, labels ...string) backend.Row {
	return backend.Row{
		Key:    backend.Key{backend.IntValue(int64(id))},
		Fields: map[string]any{"title": backend.StringValue(title), "labels": labels},
		Doc:    fmt.Appendf(nil, `{"id":%d}`, id),
	}
}

func put(t *testing.T, b backend.Backend, rows ...backend.Row) {
	t.Helper()
	require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error { return tx.Put("notes", rows...) }))
}

func find(t *testing.T, b backend.Backend, q backend.Query) (docs []string) {
	t.Helper()
	q.Table = "notes"
	rows, err := b.Find(ctx, q)
	require.NoError(t, err)
	for _, r := range rows {
		docs = append(docs, string(r.Doc))
	}
	return docs
}

func eq(field, value string) []backend.Cond {
	return []backend.Cond{{Field: field, Value: backend.StringValue(value)}}
}

func TestPanicRollsBackAndPasses(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1)))
		put(t, b, note(1, "old"))
		require.PanicsWithValue(t, "boom", func() {
			_ = b.Update(ctx, nil, func(tx backend.Tx) error {
				require.NoError(t, tx.Put("notes", note(1, "new"), note(2, "new")))
				panic("boom")
			})
		})
		require.Equal(t, []string{`{"id":1}`}, find(t, b, backend.Query{}))
		require.Empty(t, find(t, b, backend.Query{Where: eq("title", "new")}))
		put(t, b, note(3, "the writer is free again"))
		require.NoError(t, b.Close())
	})
}

func TestFirstErrorDoomsTheUpdate(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1, backend.Index{Fields: []string{"title"}, Unique: true})))
		put(t, b, note(1, "taken"))
		err := b.Update(ctx, nil, func(tx backend.Tx) error {
			first := tx.Put("notes", note(2, "taken"))
			require.ErrorIs(t, first, backend.ErrExists)
			require.Equal(t, first, tx.Put("notes", note(3, "free")))
			_, err := tx.Get("notes", backend.IntValue(1))
			require.Equal(t, first, err)
			return errors.New("something else")
		})
		require.ErrorIs(t, err, backend.ErrExists)

		err = b.Update(ctx, nil, func(tx backend.Tx) error {
			return fmt.Errorf("make a note: %w", tx.Put("notes", note(2, "taken")))
		})
		require.ErrorIs(t, err, backend.ErrExists)
		require.ErrorContains(t, err, "make a note", "an error that wraps the first one is kept as it is")
		require.Len(t, find(t, b, backend.Query{}), 1)
	})
}

func TestReadersEndWithTheirView(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1)))
		var kept backend.Reader
		require.NoError(t, b.View(ctx, func(r backend.Reader) error { kept = r; return nil }))
		_, err := kept.Find(backend.Query{Table: "notes"})
		require.ErrorIs(t, err, backend.ErrInvalid)
		require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error { kept = tx; return nil }))
		_, err = kept.Get("notes", backend.IntValue(1))
		require.ErrorIs(t, err, backend.ErrInvalid)
	})
}

// Two declarations of one format are united; a newer format drops the indexes that it does not declare, with all that
// they promised.
func TestIndexesComeAndGo(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		unique := backend.Index{Fields: []string{"title"}, Unique: true}
		labels := backend.Index{Fields: []string{"labels"}}
		require.NoError(t, b.Declare(ctx, notes(1)))
		for first := 0; first < 1500; first += 500 { // more than is indexed in one go
			rows := make([]backend.Row, 500)
			for i := range rows {
				rows[i] = note(first+i, fmt.Sprint("t", first+i), "all", fmt.Sprint("l", i%7))
			}
			put(t, b, rows...)
		}
		require.NoError(t, b.Declare(ctx, notes(1, labels, unique)))
		require.Len(t, find(t, b, backend.Query{Where: eq("labels", "all")}), 1500)
		require.Equal(t, []string{`{"id":700}`}, find(t, b, backend.Query{Where: eq("title", "t700")}))

		require.NoError(t, b.Declare(ctx, notes(1)))
		twice := func(tx backend.Tx) error { return tx.Put("notes", note(2000, "t700")) }
		require.ErrorIs(t, b.Update(ctx, nil, twice), backend.ErrExists, "another program of this format relies on it")

		require.NoError(t, b.Declare(ctx, notes(2, labels)))
		require.NoError(t, b.Update(ctx, nil, twice))
		require.Equal(t, []string{`{"id":700}`, `{"id":2000}`}, find(t, b, backend.Query{Where: eq("title", "t700")}))
		require.ErrorIs(t, b.Declare(ctx, notes(3, unique)), backend.ErrExists)
	})
}

func TestFieldsKeepTheirKind(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1)))
		other := notes(2)
		other.Tables[0].Fields[0].Kind = backend.Int
		require.ErrorIs(t, b.Declare(ctx, other), backend.ErrInvalid)
		other = notes(2)
		other.Tables[0].Key[0].Kind = backend.String
		require.ErrorIs(t, b.Declare(ctx, other), backend.ErrInvalid)
		put(t, b, note(1, "still there"))
	})
}

func TestFailedUpgradeLeavesNoTrace(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1)))
		put(t, b, note(1, "a"))
		broken := errors.New("broken")
		next := notes(2)
		next.Upgrade = func(tx backend.Tx, from int, _ string) (string, error) {
			require.Equal(t, 1, from)
			require.NoError(t, tx.Put("notes", note(2, "b")))
			return "", broken
		}
		require.ErrorIs(t, b.Declare(ctx, next), broken)
		require.Equal(t, []string{`{"id":1}`}, find(t, b, backend.Query{}))
		next.Upgrade = func(tx backend.Tx, _ int, _ string) (string, error) { return "", tx.Put("notes", note(2, "b")) }
		require.NoError(t, b.Declare(ctx, next))
		require.Len(t, find(t, b, backend.Query{}), 2)
	})
}

// A query that sorts keeps no more rows than it needs, and lists of values are merged.
func TestLimitOverManyRows(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1, backend.Index{Fields: []string{"labels"}})))
		var rows []backend.Row
		for id := range 5000 {
			rows = append(rows, note(id, fmt.Sprintf("%05d", (id*7919)%5000), fmt.Sprint("l", id%3), "x"))
		}
		put(t, b, rows...)
		labels := backend.Cond{Field: "labels", Op: backend.In, Values: []backend.Value{backend.StringValue("l0"), backend.StringValue("l1"), backend.StringValue("l2"), backend.StringValue("x")}}
		for _, desc := range []bool{false, true} {
			all := find(t, b, backend.Query{Order: "title", Desc: desc})
			require.Len(t, all, 5000)
			require.Equal(t, all[:3], find(t, b, backend.Query{Order: "title", Desc: desc, Limit: 3}))
			require.Equal(t, all[:1500], find(t, b, backend.Query{Order: "title", Desc: desc, Limit: 1500, Where: []backend.Cond{labels}}))
			byKey := find(t, b, backend.Query{Desc: desc})
			require.Equal(t, byKey[:700], find(t, b, backend.Query{Desc: desc, Limit: 700, Where: []backend.Cond{labels}}))
		}
	})
}

// endingContext ends after it was asked a number of times.
type endingContext struct {
	context.Context
	asked, after int
}

func (c *endingContext) Err() error {
	if c.asked++; c.asked > c.after {
		return context.Canceled
	}
	return nil
}

func TestLongScansEndWithTheContext(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b backend.Backend) {
		require.NoError(t, b.Declare(ctx, notes(1)))
		var rows []backend.Row
		for id := range 5000 {
			rows = append(rows, note(id, "t"))
		}
		put(t, b, rows...)
		c := &endingContext{Context: ctx, after: 2}
		_, err := b.Find(c, backend.Query{Table: "notes", Where: eq("title", "none")})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 3, c.asked)
	})
}

func TestCloseWaitsAndDoesNotHinderNestedViews(t *testing.T) {
	t.Parallel()
	s := &strictStore{}
	b := kv.New(s)
	require.NoError(t, b.Declare(ctx, notes(1)))
	closed := make(chan error, 1)
	require.NoError(t, b.View(ctx, func(backend.Reader) error {
		go func() { closed <- b.Close() }()
		for { // until Close has begun; from then on the call is refused, and does not wait
			if _, err := b.Find(ctx, backend.Query{Table: "notes"}); err != nil {
				require.ErrorIs(t, err, backend.ErrClosed)
				break
			}
		}
		require.False(t, s.closed)
		return nil
	}))
	require.NoError(t, <-closed)
	require.True(t, s.closed)
	require.NoError(t, b.Close())
}

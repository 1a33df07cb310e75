package backendtest_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A wrapper takes a promise of a real backend away from outside.
type wrapper struct {
	backend.Backend
	mutation string

	mu    sync.Mutex
	cache map[string]backend.Row // rows that are shared with callers
}

func wrap(mutation string, open func(testing.TB) func() backend.Backend) func(testing.TB) func() backend.Backend {
	return func(t testing.TB) func() backend.Backend {
		next := open(t)
		return sync.OnceValue(func() backend.Backend {
			return &wrapper{Backend: next(), mutation: mutation, cache: map[string]backend.Row{}}
		})
	}
}

func (w *wrapper) Declare(ctx context.Context, schema backend.Schema) error {
	schema.Tables = slices.Clone(schema.Tables)
	for i, t := range schema.Tables {
		indexes := slices.Clone(t.Indexes)
		for j := range indexes {
			if w.mutation == "a unique index not checked" && indexes[j].Unique {
				indexes[j].Unique, indexes[j].Sparse = false, true
			}
		}
		schema.Tables[i].Indexes = indexes
	}
	return w.Backend.Declare(ctx, schema)
}

func (w *wrapper) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	found, err := w.Backend.Find(ctx, q)
	return w.shared(q.Table, found), err
}

// shared replaces rows by those that earlier callers have, if the store holds no others by now.
func (w *wrapper) shared(table string, found []backend.Row) []backend.Row {
	if w.mutation != "rows of a cache are shared with the caller" {
		return found
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range found {
		name := table + r.Key.String() + string(r.Doc)
		if cached, ok := w.cache[name]; ok {
			found[i] = cached
		} else {
			w.cache[name] = r
		}
	}
	return found
}

func (w *wrapper) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	read := map[string]backend.Row{}
	err := w.Backend.Update(ctx, locks, func(tx backend.Tx) error {
		return fn(&wrappedTx{Tx: tx, wrapper: w, ctx: ctx, read: read})
	})
	if err == nil || w.mutation != "a change in place survives a rollback" {
		return err
	}
	// What callers made of the rows that they read is kept.
	survives := w.Backend.Update(context.WithoutCancel(ctx), locks, func(tx backend.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(read)) {
			r := read[name]
			now, err := tx.Get("cells", backend.StringValue(name))
			if err == nil && !bytes.Equal(now.Doc, r.Doc) {
				err = tx.Put("cells", backend.Row{Key: now.Key, Doc: r.Doc})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if survives != nil {
		return fmt.Errorf("%w; %w", err, survives)
	}
	return err
}

type wrappedTx struct {
	backend.Tx
	*wrapper
	ctx  context.Context
	read map[string]backend.Row
}

func (tx *wrappedTx) Get(table string, k ...backend.Value) (backend.Row, error) {
	r, err := tx.Tx.Get(table, k...)
	if err == nil && table == "cells" {
		tx.read[k[0].Str()] = r
	}
	return r, err
}

func (tx *wrappedTx) Find(q backend.Query) ([]backend.Row, error) { return tx.Tx.Find(q) }

func (tx *wrappedTx) Insert(table string, list ...backend.Row) error {
	return tx.Tx.Insert(table, tx.dropped(list)...)
}

func (tx *wrappedTx) Put(table string, list ...backend.Row) error {
	return tx.Tx.Put(table, tx.dropped(list)...)
}

// dropped are rows without a field.
func (tx *wrappedTx) dropped(list []backend.Row) []backend.Row {
	if tx.mutation != "a dropped field" {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].Fields = maps.Clone(list[i].Fields)
		delete(list[i].Fields, "score")
	}
	return list
}

// Append of an early event is an Update of its own.
func (tx *wrappedTx) Append(table string, list ...backend.Row) (last backend.Position, err error) {
	if tx.mutation != "an early event" {
		return tx.Tx.Append(table, list...)
	}
	err = tx.Backend.Update(tx.ctx, nil, func(own backend.Tx) error {
		last, err = own.Append(table, list...)
		return err
	})
	return last, err
}

// Package boltbackend stores a model registry's metadata in a bbolt file. It is the example of how to write a backend:
// package kv does the work, and what follows is all that a store has to add. See the README.
package boltbackend

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// lockTimeout is how long Open waits for another process to close the file.
const lockTimeout = 5 * time.Second

// Open opens the file at path as a backend, and makes it if there is none. One process at a time can have it open.
func Open(path string) (backend.Backend, error) {
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	return kv.New(s), nil
}

func open(path string) (kv.Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return nil, fmt.Errorf("open bolt file %s: %w", path, err)
	}
	return store{db}, nil
}

// A store is a bbolt file with a bucket for each space.
type store struct{ db *bbolt.DB }

func (s store) View(_ context.Context, fn func(kv.ReadTx) error) error {
	return s.db.View(func(t *bbolt.Tx) error { return fn(tx{t}) })
}

func (s store) Update(_ context.Context, fn func(kv.Tx) error) error {
	return s.db.Update(func(t *bbolt.Tx) error { return fn(tx{t}) })
}

func (s store) Close() error { return s.db.Close() }

// A tx reads and writes in one bbolt transaction; what bbolt hands out is valid until that ends, as kv needs it.
type tx struct{ *bbolt.Tx }

func (t tx) Get(space string, key []byte) ([]byte, error) {
	b := t.Bucket([]byte(space))
	if b == nil {
		return nil, nil
	}
	return b.Get(key), nil
}

func (t tx) Scan(space string, low, high []byte, desc bool, fn func(key, value []byte) bool) error {
	b := t.Bucket([]byte(space))
	if b == nil {
		return nil
	}
	c := b.Cursor()
	if !desc {
		for k, v := c.Seek(low); k != nil && (high == nil || bytes.Compare(k, high) < 0) && fn(k, v); k, v = c.Next() {
		}
		return nil
	}
	k, v := c.Last()
	if high != nil {
		if at, _ := c.Seek(high); at != nil {
			k, v = c.Prev()
		} else {
			k, v = c.Last()
		}
	}
	for ; k != nil && bytes.Compare(k, low) >= 0 && fn(k, v); k, v = c.Prev() {
	}
	return nil
}

func (t tx) Put(space string, key, value []byte) error {
	b, err := t.CreateBucketIfNotExists([]byte(space))
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func (t tx) Delete(space string, key []byte) error {
	if b := t.Bucket([]byte(space)); b != nil {
		return b.Delete(key)
	}
	return nil
}

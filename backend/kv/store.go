// Package kv makes a [backend.Backend] of any ordered transactional key-value store. The store moves bytes, as few as
// seven short methods; kv owns the rest of the contract: how keys are encoded so that bytes sort as values do, how
// indexes are kept, how a query is planned and run, positions of logs, formats and upgrades, and what an error does to
// an Update.
//
// An author implements [Store], hands it to [New], and runs packages kvtest, on the store, and backendtest, on the
// Backend. The module's examples/boltbackend is a complete one, and its README a guide.
//
// # What a store has to take
//
// Keys of up to a few kibibytes (an encoded part has up to [backend.MaxKeyPart] bytes and a few more), values of
// up to [backend.MaxDoc] and what the row's fields take, and in one Update what [backend.MaxRows] rows make of keys: one for
// the row, and one for each entry of an index.
//
// # Layout
//
// A space is a namespace of keys: there is one for the rows of each table, named as the table is; one for each index,
// named like "versions/model,stage"; and "/catalog", which holds what was declared. A store may keep each space in a
// tree or bucket of its own, or put the name and a separator in front of the key.
//
// The key of a row is its encoded key parts; its value holds the fields that are not zero and the document. The key of
// an index entry is the encoded fields followed by the key of the row; its value is empty.
package kv

import "context"

// A Store is an ordered transactional key-value store. It is safe for concurrent use, and owned by one Backend.
type Store interface {
	// View calls fn, once, with one snapshot that no later Update is seen in, and returns fn's error.
	View(ctx context.Context, fn func(ReadTx) error) error
	// Update calls fn and makes all that it changed durable and visible at once if it returns nil. If it returns
	// an error, which Update returns, or panics, which Update lets pass, nothing is changed. kv runs one Update at a
	// time; if other processes share the store, their Updates must wait for one another too, and look at ctx while they
	// wait.
	//
	// Update may call fn again, with another Tx, if nothing of the earlier run is kept: a store that finds out at its
	// commit that it was overtaken does so. An error after which it is unknown whether the commit was done is returned
	// as it is: kv tries nothing again.
	Update(ctx context.Context, fn func(Tx) error) error
	// Close frees what the store holds. kv calls it once, with no View or Update under way. What was committed stays.
	Close() error
}

// A ReadTx reads one state of a Store. A space that was never put to is empty.
//
// The keys and values that it hands out are not changed by kv; they stay valid until the next Put or Delete of the same
// transaction or its end. A store that cannot promise that for its own memory copies them.
type ReadTx interface {
	// Get returns the value under key, or nil if there is none. It is not asked for keys with empty values.
	Get(space string, key []byte) ([]byte, error)
	// Scan calls fn for the entries whose keys are at least low and less than high, in bytewise order of the keys, or
	// from the highest down if desc. A nil high is the end of the space. It stops when fn returns false. fn may read
	// from the same transaction, and does not write.
	Scan(space string, low, high []byte, desc bool, fn func(key, value []byte) bool) error
}

// A Tx reads and changes. It sees its own changes. kv does not use it after an error.
type Tx interface {
	ReadTx
	// Put sets the value under key. The caller may change key afterwards, but never value.
	Put(space string, key, value []byte) error
	// Delete removes key; that it is not there is no error.
	Delete(space string, key []byte) error
}

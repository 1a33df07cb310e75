// Package backend is the storage contract of the model registry: what a metadata store has to do, as a handful of
// methods that move rows. A backend knows no rule of the registry; the registry knows no query language.
//
// # The model
//
// The registry declares its tables as data ([Schema]). A row has a key, a JSON document, and the values of the fields
// that are searched; a field holds one value, a set of strings, or a map from names to values. Because the schema is
// data, new kinds of rows and new fields change a declaration and no backend.
//
// # Writing one
//
// Over an ordered transactional store, use package kv: a few methods make it a Backend. Over database/sql, use package
// sqldb. Over anything else, implement [Backend] itself. Then run package backendtest against it: the comments here are
// the contract, and backendtest is their proof.
//
// Backends import this package and the standard library only; they never import the registry.
package backend

import "context"

// A Shape is how many values a field holds.
type Shape uint8

// The shapes.
const (
	One Shape = iota // one value; absent is the zero value of its kind, never NULL
	Set              // distinct strings, such as aliases
	Map              // names (strings) to values of the field's kind, such as tags and metrics
)

// A Field is a part of a row that conditions, orders and indexes can name.
type Field struct {
	Name  string // lower-case ASCII letters and _; unique among the table's key parts and fields
	Kind  Kind   // of the values; a Set is always of String
	Shape Shape
	// Max is how many bytes a string of the field has at most, for backends whose columns and indexes have to know; 0 is
	// MaxKeyPart for key parts and fields of a unique index, MaxValue for others. Longer ones are ErrInvalid. It may be
	// declared anew: rows that are there stay.
	Max int
}

// The limits of what a Backend is given, in bytes where nothing else is said. Every backend takes what is within them.
const (
	MaxKeyPart = 1024     // a string that is a key part, or a value of a unique index
	MaxName    = 1024     // the name of a Map's entry
	MaxValue   = 1 << 20  // any other string of a field
	MaxDoc     = 32 << 20 // a document
	MaxRows    = 50_000   // rows that one Update puts, inserts, appends and deletes
)

// An Index serves conditions and orders on its fields: it orders rows by Fields, then by key.
//
// At most one of Fields is a Set or a Map; the others of such an index are key parts, in front of it. An index with a
// Map is ordered by the Map's name, then its value.
type Index struct {
	Fields []string
	// Unique refuses a second row with the same values (ErrExists). Unique implies Sparse.
	Unique bool
	// Sparse leaves out rows in which a String One field of Fields is "": most rows have no stage, and an index that
	// holds only those that do is small. Key parts do not count.
	Sparse bool
}

// A Table declares rows of one sort.
type Table struct {
	Name    string  // lower-case ASCII letters and _
	Key     []Field // the key parts; One, String or Int. A Log has none.
	Fields  []Field
	Indexes []Index
	// Log makes rows come by Append and never change: the key is one String, the Position. No Unique.
	Log bool
}

// A Schema is what a program wants to store.
type Schema struct {
	// Format counts up from 1 when a declaration changes. A store remembers the highest it was declared with.
	//
	// Declarations of one Format are united: what one of them has and the store lacks is added, and nothing is dropped,
	// for other programs may be at work by another. A newer Format drops the indexes that it leaves out, with what they
	// promised, and keeps the rows and values of tables and fields that it leaves out. A table never gets another key,
	// nor a field another kind or shape (ErrInvalid, see Table.CheckStored): what changes so is declared under a new name.
	Format int
	Tables []Table
	// Upgrade, if not nil, is called when a store of an older format is raised to Format, after the tables, fields and
	// indexes that it lacks were added (fields with zero values), in the transaction that records the new format. It puts
	// anew the rows whose new fields are not zero.
	//
	// What is too much for one transaction (MaxRows) it does in steps: it is called again, in a transaction of its own,
	// with the text that it returned last ("" at first), until it returns "". From the first step that is committed the
	// store has the new format, for programs of older ones too, and takes Updates again when the last is; the next
	// Declare goes on where an interrupted one was.
	Upgrade func(tx Tx, from int, at string) (next string, err error)
}

// A Row is one row. As read it has Key and Doc only, unless Query.Fields asks for more. As put it has the value of every
// field besides.
type Row struct {
	Key Key
	// Fields holds, by field name: a Value for a One, a []string for a Set, a map[string]Value for a Map. A field that
	// is absent has the zero value or is empty. The backend keeps no reference to it after the call.
	Fields map[string]any
	// Doc is a JSON object; the backend stores it byte for byte and never looks inside.
	Doc []byte
}

// An Op is how a condition compares.
type Op uint8

// The operators. There is no OR, no NOT and no LIKE: the registry evaluates those over pages of rows.
const (
	Eq     Op = iota // equal to Value
	In               // equal to one of Values; none hold for an empty list
	Lt               // less than Value
	Le               // at most Value
	Gt               // greater than Value
	Ge               // at least Value
	Prefix           // a String that begins with Value
)

// A Cond is one condition on a key part or a field.
//
// On a Set it holds if one element meets it. On a Map it is about the value under Name, and does not hold if there is
// none. Two conditions on a Set may be met by two elements.
type Cond struct {
	Field  string
	Name   string // of the entry of a Map; "" otherwise
	Op     Op
	Value  Value
	Values []Value // for In
}

// A Query selects rows of one table.
type Query struct {
	Table string
	Where []Cond // all hold
	// Order is a One field, then the key orders ties; "" orders by the key alone. Key parts may be named too.
	Order string
	Desc  bool // turns both around
	// After continues behind a row: the value of Order (if Order is set), then the row's whole key. Exclusive.
	After []Value
	Limit int // 0 is all; ErrInvalid if it is negative
	// Settled, for a Log, returns only rows at or below which no row will ever appear: a follower that reads settled
	// rows and continues after the last one misses none, whatever writers do meanwhile.
	Settled bool
	// Fields returns the rows with their Fields, as conditions and orders find them: every One, and the Sets (sorted)
	// and Maps that are not empty. Whoever checks a store compares them with the document; it is not made for speed.
	Fields bool
}

// A Position orders the rows of a Log bytewise; opaque, at most 64 bytes, printable ASCII. It is the one key part
// of a Log's rows. Rows of Updates that share a lock are in commit order; others are in one order that all readers agree on.
type Position string

// A Reader reads one consistent state. It may be used by one goroutine at a time, and only until fn returns.
type Reader interface {
	// Get returns the row of that key, or ErrNotFound.
	Get(table string, key ...Value) (Row, error)
	// Find returns all rows that meet q, complete and in order. The caller owns the result.
	Find(q Query) ([]Row, error)
}

// A Tx reads and changes. It sees its own changes.
//
// After any error but Get's ErrNotFound the Update fails with that error, whatever fn returns. Unique indexes are
// checked at each row: free a value before taking it. What a Tx read is sure to hold at the commit only as far as
// the locks cover it.
type Tx interface {
	Reader
	// Insert adds rows. ErrExists: a row has that key, or a unique index that value.
	Insert(table string, rows ...Row) error
	// Put adds rows or replaces them whole. ErrExists: another row has that value of a unique index.
	Put(table string, rows ...Row) error
	// Delete removes the rows that are there. ErrInvalid: the table is a Log.
	Delete(table string, keys ...Key) error
	// Append adds rows to a Log, in that order, and returns the position of the last. row.Key is ignored. The
	// positions may be ahead of the settled ones for a while.
	Append(table string, rows ...Row) (Position, error)
}

// A Backend stores rows. It is safe for concurrent use, and several Backends may be open on one store.
//
// Faults that pass (a lost connection, a busy database, a serialization failure) are retried inside, with backoff,
// until ctx ends; nothing is ever applied twice. If ctx ends first, the error wraps both ctx.Err() and the last fault.
// If ctx has no deadline a Backend may give up by itself after some minutes, with the last fault.
// The errors that a program has to tell apart are ErrNotFound, ErrExists, ErrFormat and ErrClosed.
//
// Strings come validated: the caller keeps to what each Kind says of its values. Lengths are for the backend to refuse
// (ErrInvalid, by [Table.CheckRow]) and for the caller to keep to: MaxKeyPart, MaxName, MaxValue, Field.Max, MaxDoc. The
// caller writes at most MaxRows rows in one Update. A backend has to take all that is within them.
//
// A function passed to View or Update uses the Reader or Tx that it gets, and calls no method of a Backend: with one
// connection, or one lock, it would wait for itself.
type Backend interface {
	// Declare makes the store ready for schema: it creates what is missing, upgrades what is older (see Schema), and
	// keeps the rest. It is called before anything else, and again on every start; at once by several programs too.
	// A store of a newer format is left as it is: Find and View work as far as the older declaration goes, Update
	// answers ErrFormat.
	//
	// It works in transactions of a bounded size: indexes over many rows are built, or dropped, in steps. Updates go on
	// meanwhile, and miss no row. A Declare that is interrupted is finished by the next.
	//
	// ErrExists: rows that are there have equal values of a unique index that is new. A Declare that fails leaves the
	// store as it was, but for the steps of an Upgrade that were committed, and this Backend: what was declared before on
	// it holds, with its locks.
	Declare(ctx context.Context, schema Schema) error

	// Find is a View of one Find: on a database, one statement.
	Find(ctx context.Context, q Query) ([]Row, error)

	// View calls fn, once, with one snapshot that no later change is seen in. It returns fn's error. The snapshot is of
	// some moment between the call of View and the end of fn's first read: of all that was committed before the call, at
	// least.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and commits what it did if it returns nil; anything else (an error, a panic, the end of ctx)
	// leaves no trace. fn may run again, and on another goroutine; it does no slow work and keeps no state from an
	// earlier run.
	//
	// Updates whose locks share a name run one after the other, each seeing all that the earlier ones committed. A
	// backend may lock more, and may let several share a commit; an Update answers, with an error of fn too, only when
	// all that fn has read is committed. An Update returns only after its changes are durable (for stores that are) and visible.
	// If the store's format is now newer than what was declared here: ErrFormat.
	Update(ctx context.Context, locks []string, fn func(Tx) error) error

	// Close frees what the backend holds, waiting for calls under way; calls after it answer ErrClosed. A second Close
	// does nothing, and answers nil or ErrClosed. Rows stay, unless they are in memory; other Backends on the store too.
	Close() error
}

// A Memoizer is a Backend that holds its rows in memory, and can keep beside each what the caller decoded from it.
// It is optional and only for speed: [Backend.Find] answers the same.
type Memoizer interface {
	// FindMemo finds the first row that meets q, whose Fields is not set, and returns what decode makes of it; ErrNotFound if there is none.
	// It may return the result of an earlier decode of that very state of the row, so decode depends on nothing
	// but the row, and the result is never changed by anyone. decode must not keep row.Doc.
	FindMemo(ctx context.Context, q Query, decode func(row Row) (any, error)) (any, error)
}

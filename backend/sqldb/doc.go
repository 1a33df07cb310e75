// Package sqldb keeps a model registry in a SQL database: all the SQL there is, once, over database/sql. It imports no
// driver. Packages sqlite and postgres open their databases and hand them over; programs that use another driver for
// the same engines do so themselves:
//
//	db, err := sql.Open("pgx", dsn)
//	dialect := sqldb.Postgres()
//	dialect.Batches = false // unless pgx is told to use the simple protocol
//	store := sqldb.New(db, db, dialect, nil)
//
// # What is in the database
//
// Every declared table is a table of that name: a column for each key part, one for each field with a single value,
// and doc, the row's JSON. Fields with many values have a table beside it, named after both: versions_tags has the key
// of the version, the entry's name (entry) and its value (value); versions_aliases has the key and value. Strings are
// compared bytewise, times are microseconds since 1970 (UTC), and no column is ever NULL. The column sides_sha256 tells
// whether a row's side values change. The table modelregistry has one row: the format of the store, the era of its
// positions and a digest of its declaration. Where the answer to a COMMIT may be lost on the way, as on Postgres,
// modelregistry_commits has a row for each connection that has written of late, which tells a client that lost it whether
// the last Update was committed.
//
// On Postgres a store is in one schema: Options.Schema, or where the search path of the session leads. It is found by its
// table modelregistry when it is declared. From then on every statement names the schema, and so do the names of locks:
// sessions that find the same tables on different paths take the same locks.
//
// # How it is spoken to
//
// A Find is one prepared statement. An Update is one round trip to begin, which also takes its locks and reads the
// store's format, one for each call of its Tx, and one to commit. A Put that changes side values takes one more to read
// what they were; on SQLite, so does each side table that is written.
//
// # What it assumes
//
// Of the engine: transactions, CREATE TABLE, CREATE INDEX and DROP INDEX with IF [NOT] EXISTS and inside of transactions,
// INSERT … ON CONFLICT DO UPDATE with excluded, RETURNING, common table expressions, row values in IN and in comparisons,
// VALUES as a table, partial indexes (WHERE), names in double quotes, texts that compare bytewise and hold a mebibyte and
// more, and integers of 64 bits. Where Updates run side by side, locks by name that last as long as a transaction. Engines
// without one of these (MariaDB and MySQL among them) need more than a dialect.
//
// Of the driver: one *sql.Conn is one session; a context that ends interrupts a statement; errors can be told apart by
// code. It must not wait for locks itself for longer than some tens of milliseconds (SQLite's busy_timeout): sqldb waits,
// and looks at the context meanwhile, which a driver in its wait does not. Drivers that take one statement a call need
// Dialect.Batches false.
package sqldb

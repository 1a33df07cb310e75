package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Options are settings of a DB; nil is the defaults.
type Options struct {
	ReadConns  int  // connections used at once for reading; 0 is 16
	WriteConns int  // for writing, if that is another *sql.DB; 0 is 16. One writer suffices for SQLite.
	Shared     bool // others use the *sql.DB too: do not keep its last connection
	// Schema is the schema to keep the tables in, which has to be there. If it is "" they are where the session's search
	// path leads: where a store is, or else in its first schema.
	Schema string
	// ReadOnly makes a DB that changes nothing: Update fails, and so does Declare if the store is not declared already.
	ReadOnly bool
	// Alive, if not nil, is called before a commit, and now and then before a read: an error says that the database is not
	// there any more, and is what the call fails with.
	Alive func() error
	// Committed, if not nil, is called after commits, with the connection that wrote; nobody writes meanwhile.
	// For engines with one writer only.
	Committed func(ctx context.Context, conn *sql.Conn)
	// Close, if not nil, is called by Close when no call is under way any more; say, to close the *sql.DB. By itself
	// a DB leaves it open.
	Close func() error
}

// A DB is a backend.Backend in a SQL database.
type DB struct {
	dialect Dialect
	opts    Options
	readers *pool
	writers *pool
	schema  atomic.Pointer[schema]
	group   group

	patience time.Duration // mostPatience
	opened   time.Time
	asked    atomic.Int64 // when Alive was asked last, since opened
	mu       sync.Mutex
	calls    int
	closing  bool
	idle     chan struct{} // closed when closing and calls is 0
}

var _ backend.Backend = (*DB)(nil)

// New returns the backend in the database that read and write are open on; they may be the same. Call Declare next.
func New(read, write *sql.DB, dialect Dialect, opts *Options) *DB {
	db := &DB{dialect: dialect, patience: mostPatience, opened: time.Now(), idle: make(chan struct{})}
	if opts != nil {
		db.opts = *opts
	}
	db.readers = newPool(read, &db.dialect, conns(db.opts.ReadConns, read), db.opts.Shared)
	db.writers = db.readers
	if write != read {
		db.writers = newPool(write, &db.dialect, conns(db.opts.WriteConns, write), db.opts.Shared)
	}
	return db
}

func conns(asked int, db *sql.DB) int {
	if asked <= 0 {
		asked = 16
	}
	if most := db.Stats().MaxOpenConnections; most > 0 {
		asked = min(asked, most)
	}
	return asked
}

// Find is one statement, outside of a transaction.
func (db *DB) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	sc, err := db.enter()
	if err != nil {
		return nil, err
	}
	defer db.leave()
	t, err := sc.table(q.Table)
	if err != nil {
		return nil, err
	}
	if err := t.decl.CheckQuery(q); err != nil {
		return nil, err
	}
	s, point := t.plain(sc.d, q)
	if s == nil {
		var empty bool
		if s, point, empty = t.find(sc.d, q, false); empty {
			return nil, ctx.Err()
		}
	}
	var rows []backend.Row
	if err := db.alive(false); err != nil {
		return nil, err
	}
	err = db.retry(ctx, func() error {
		c, err := db.readers.get(ctx)
		if err == nil {
			rows, err = db.read(db.readContext(ctx, point), c, t, s, selected{limit: q.Limit, fields: q.Fields})
			db.give(ctx, db.readers, c, err)
		}
		if err != nil {
			return db.fault("find in "+t.decl.Name, err)
		}
		return nil
	})
	return rows, err
}

// View runs fn in a transaction that sees one snapshot.
func (db *DB) View(ctx context.Context, fn func(backend.Reader) error) error {
	sc, err := db.enter()
	if err != nil {
		return err
	}
	defer db.leave()
	if err := db.alive(false); err != nil {
		return err
	}
	var c *conn
	err = db.retry(ctx, func() (err error) {
		if c, err = db.readers.get(ctx); err == nil {
			if err = c.begin(ctx, sc.d.BeginView); err != nil {
				db.give(ctx, db.readers, c, err)
			}
		}
		if err != nil {
			return db.fault("begin to read", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r := &reader{db: db, ctx: ctx, sc: sc, conn: c}
	defer func() {
		r.done = true
		c.end(ctx, "COMMIT")
		db.readers.put(c)
	}()
	return fn(r)
}

// aliveFor is how long reads believe that the database is still there: to ask each time would cost a point read a good
// part of what it takes.
const aliveFor = 100 * time.Millisecond

// alive says whether the database is still there. A commit wants to know it now.
func (db *DB) alive(now bool) error {
	if db.opts.Alive == nil {
		return nil
	}
	asked := int64(time.Since(db.opened))
	if !now && asked < db.asked.Load()+int64(aliveFor) {
		return nil
	}
	if err := db.opts.Alive(); err != nil {
		return fmt.Errorf("%s: %w", db.dialect.Name, err)
	}
	db.asked.Store(asked)
	return nil
}

// Close waits for the calls under way.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closing {
		db.mu.Unlock()
		<-db.idle
		return fmt.Errorf("%s: close: %w", db.dialect.Name, backend.ErrClosed)
	}
	db.closing = true
	if db.calls == 0 {
		close(db.idle)
	}
	db.mu.Unlock()
	<-db.idle
	db.readers.close()
	db.writers.close()
	if db.opts.Close != nil {
		return db.opts.Close()
	}
	return nil
}

// enter begins a call; leave ends it.
func (db *DB) enter() (*schema, error) {
	if err := db.begin(); err != nil {
		return nil, err
	}
	sc := db.schema.Load()
	if sc == nil {
		db.leave()
		return nil, fmt.Errorf("%s: %w: Declare has not been called", db.dialect.Name, backend.ErrInvalid)
	}
	return sc, nil
}

func (db *DB) begin() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closing {
		return fmt.Errorf("%s: %w", db.dialect.Name, backend.ErrClosed)
	}
	db.calls++
	return nil
}

func (db *DB) leave() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.calls--
	if db.closing && db.calls == 0 {
		close(db.idle)
	}
}

func (sc *schema) table(name string) (*table, error) {
	t, ok := sc.tables[name]
	if !ok {
		return nil, fmt.Errorf("table %q: %w: not declared", name, backend.ErrInvalid)
	}
	return t, nil
}

// tooLong explains an error that ends a call: a statement was cut off, and not because ctx had ended.
func tooLong(ctx context.Context, err error) error {
	var f *fault
	if ctx.Err() != nil || !errors.As(err, &f) || f.kind != Cut {
		return err
	}
	return fmt.Errorf("%w: the server ended the statement before it was done; a setting such as statement_timeout may allow too little time", err)
}

// A fault is an error of the database, as opposed to one of the caller.
type fault struct {
	doing string
	kind  Fault
	err   error
}

func (f *fault) Error() string { return f.doing + ": " + f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// fault says what the database's error err means for the caller.
func (db *DB) fault(doing string, err error) error {
	doing = db.dialect.Name + ": " + doing
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &fault{doing: doing, err: err}
	}
	kind := db.dialect.Classify(err)
	switch kind {
	case ReadOnly:
		err = fmt.Errorf("%w: the database or this session takes no changes: %w", errors.ErrUnsupported, err)
	case Exists:
		// The driver's message speaks of constraints: nothing that a user of the registry knows.
		return fmt.Errorf("%s: %w", doing, backend.ErrExists)
	}
	return &fault{doing: doing, kind: kind, err: err}
}

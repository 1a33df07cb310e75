package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"
	"sync"
	"time"
)

// A pool lends connections of a *sql.DB, each with the statements that were prepared on it.
//
// sql.DB has a pool and prepared statements too. But a statement of a sql.DB that is new to a transaction needs a
// second connection to be prepared on, which a pool that is used up never gives; and transactions here begin in one
// round trip with what they read first, which sql.Tx cannot.
type pool struct {
	db     *sql.DB
	d      *Dialect
	slots  chan struct{} // one for each connection on loan
	shared bool          // others use db too

	mu     sync.Mutex
	idle   []*conn   // the one that was used last comes last
	spare  []witness // of connections that were closed; new ones go on counting
	closed bool
}

const (
	maxStatements = 200         // prepared on one connection
	maxIdle       = time.Minute // then a connection goes back to its sql.DB
)

func newPool(db *sql.DB, d *Dialect, size int, shared bool) *pool {
	return &pool{db: db, d: d, slots: make(chan struct{}, size), shared: shared}
}

// get lends a connection. Give it back with put.
func (p *pool) get(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c := &conn{d: p.d}
	if err := p.open(ctx, c); err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// open gives c a connection.
func (p *pool) open(ctx context.Context, c *conn) error {
	sqlConn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	w := witness{conn: rand.Int64()}
	p.mu.Lock()
	if n := len(p.spare); n > 0 {
		w = p.spare[n-1]
		p.spare = p.spare[:n-1]
	}
	p.mu.Unlock()
	*c = conn{d: p.d, sql: sqlConn, stmts: map[string]*statement{}, witness: w}
	return nil
}

// renew gives c another connection for its own, which is bad. It takes no other slot: all may be taken by callers who
// wait for what this connection's transaction keeps locked.
func (p *pool) renew(ctx context.Context, c *conn) error {
	c.close()
	return p.open(ctx, c)
}

// put takes a connection back.
func (p *pool) put(c *conn) {
	var surplus []*conn
	c.used = time.Now()
	p.mu.Lock()
	switch {
	case c.bad || p.closed || p.crowded():
		surplus = append(surplus, c)
	default:
		p.idle = append(p.idle, c)
	}
	for len(p.idle) > 0 && c.used.Sub(p.idle[0].used) > maxIdle {
		surplus = append(surplus, p.idle[0])
		p.idle = p.idle[1:]
	}
	for _, c := range surplus {
		if !c.bad { // else its last transaction may still be under way
			p.spare = append(p.spare, c.witness)
		}
	}
	p.mu.Unlock()
	<-p.slots
	for _, c := range surplus {
		c.close()
	}
}

// crowded says that somebody else may be waiting for a connection of the sql.DB.
func (p *pool) crowded() bool {
	if !p.shared {
		return false
	}
	s := p.db.Stats()
	return s.MaxOpenConnections > 0 && s.InUse >= s.MaxOpenConnections
}

// forget closes the idle connections: when one turned out to be lost, the others probably are too.
func (p *pool) forget() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.bad = true
		c.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// A conn is one connection and what was prepared on it. One goroutine uses it at a time.
type conn struct {
	d        *Dialect
	sql      *sql.Conn
	stmts    map[string]*statement
	clock    int
	locks    string // the statement that takes locks
	prepared string // what it was prepared as
	witness  witness
	bad      bool // not to be used again
	used     time.Time
}

type statement struct {
	*sql.Stmt
	used int
}

// prepare returns the statement of that text, which is kept.
func (c *conn) prepare(ctx context.Context, text []byte) (*sql.Stmt, error) {
	c.clock++
	if s, ok := c.stmts[string(text)]; ok {
		s.used = c.clock
		return s.Stmt, nil
	}
	if len(c.stmts) >= maxStatements {
		c.dropOldest()
	}
	s, err := c.sql.PrepareContext(ctx, string(text))
	if err != nil {
		return nil, err
	}
	c.stmts[string(text)] = &statement{Stmt: s, used: c.clock}
	return s, nil
}

func (c *conn) dropOldest() {
	var oldest string
	least := c.clock + 1
	for text, s := range c.stmts {
		if s.used < least {
			oldest, least = text, s.used
		}
	}
	_ = c.stmts[oldest].Close() // a connection that cannot close a statement will say so when it is used
	delete(c.stmts, oldest)
}

func (c *conn) query(ctx context.Context, s *script) (*sql.Rows, error) {
	stmt, err := c.prepare(ctx, s.text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, s.args...)
}

func (c *conn) exec(ctx context.Context, s *script) (sql.Result, error) {
	stmt, err := c.prepare(ctx, s.text)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, s.args...)
}

// close gives the connection back to its sql.DB, or has it closed if it is bad. Another time it does nothing.
func (c *conn) close() {
	if !c.bad || c.d.Serial { // sql.DB does not close them, and SQLite keeps a connection open that has any
		for _, s := range c.stmts {
			_ = s.Close()
		}
	}
	if c.bad {
		_ = c.sql.Raw(func(any) error { return driver.ErrBadConn }) // the way to tell sql.DB
		return
	}
	_ = c.sql.Close()
}

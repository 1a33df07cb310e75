// Package sqlcount counts what a program asks of a database: it wraps a driver's connector.
package sqlcount

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// A Counter counts the calls that reach the server: statements that are executed, prepared or not, and the beginnings
// and ends of transactions. Preparing is not counted, as it happens once.
type Counter struct {
	mu    sync.Mutex
	calls []Call
}

// A Call is a statement as it reached the server.
type Call struct {
	Text string
	Args []driver.NamedValue // as the driver got them
}

// Wrap counts what goes through the connections of c.
func (n *Counter) Wrap(c driver.Connector) driver.Connector { return &connector{Connector: c, n: n} }

// Take returns the texts of the statements since it or TakeCalls was called last.
func (n *Counter) Take() []string {
	var texts []string
	for _, c := range n.TakeCalls() {
		texts = append(texts, c.Text)
	}
	return texts
}

// TakeCalls returns the statements since it or Take was called last.
func (n *Counter) TakeCalls() []Call {
	n.mu.Lock()
	defer n.mu.Unlock()
	calls := n.calls
	n.calls = nil
	return calls
}

func (n *Counter) count(text string, args ...driver.NamedValue) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, Call{text, args})
}

type connector struct {
	driver.Connector
	n *Counter
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(fullConn)
	if !ok {
		return nil, errors.Join(errors.New("sqlcount: the driver's connection lacks a method"), inner.Close())
	}
	return &conn{fullConn: full, n: c.n}, nil
}

// fullConn is what the drivers in use can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type conn struct {
	fullConn
	n *Counter
}

// CheckNamedValue passes on what the driver does with arguments such as slices.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) ResetSession(ctx context.Context) error {
	if r, ok := c.fullConn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *conn) IsValid() bool {
	v, ok := c.fullConn.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	inner, err := c.fullConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(fullStmt)
	if !ok {
		return nil, errors.Join(errors.New("sqlcount: the driver's statement lacks a method"), inner.Close())
	}
	return &stmt{fullStmt: full, text: text, n: c.n}, nil
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.n.count(text, args...)
	return c.fullConn.ExecContext(ctx, text, args)
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.n.count(text, args...)
	return c.fullConn.QueryContext(ctx, text, args)
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.n.count("BEGIN")
	inner, err := c.fullConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &tx{Tx: inner, n: c.n}, nil
}

type tx struct {
	driver.Tx
	n *Counter
}

func (t *tx) Commit() error {
	t.n.count("COMMIT")
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	t.n.count("ROLLBACK")
	return t.Tx.Rollback()
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	fullStmt
	text string
	n    *Counter
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.n.count(s.text, args...)
	return s.fullStmt.ExecContext(ctx, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.n.count(s.text, args...)
	return s.fullStmt.QueryContext(ctx, args)
}

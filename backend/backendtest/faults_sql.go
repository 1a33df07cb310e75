package backendtest

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
)

// A faultyConn is a connection whose commits meet Faults.
type faultyConn struct {
	driver.Conn
	faults *Faults
	lost   atomic.Bool
}

// commit commits as the faults say. The server ends the transaction of a connection that is lost, as far as it is not
// done, by rollback: an engine in this process could not tell that nobody is there any more.
func (c *faultyConn) commit(commit, rollback func() error) error {
	err := c.faults.Commit(commit)
	if !errors.Is(err, ErrLost) {
		return err
	}
	c.lost.Store(true)
	_ = rollback() // there may be nothing left to roll back
	return driver.ErrBadConn
}

func (c *faultyConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (result driver.Result, err error) {
	if c.lost.Load() {
		return nil, driver.ErrBadConn
	}
	x, ok := c.Conn.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	if !strings.EqualFold(strings.TrimRight(strings.TrimSpace(text), ";"), "COMMIT") {
		return x.ExecContext(ctx, text, args)
	}
	err = c.commit(func() error {
		result, err = x.ExecContext(ctx, text, args)
		return err
	}, func() error {
		_, err := x.ExecContext(context.WithoutCancel(ctx), "ROLLBACK", nil)
		return err
	})
	return result, err
}

func (c *faultyConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if c.lost.Load() {
		return nil, driver.ErrBadConn
	}
	if x, ok := c.Conn.(driver.QueryerContext); ok {
		return x.QueryContext(ctx, text, args)
	}
	return nil, driver.ErrSkip
}

func (c *faultyConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if c.lost.Load() {
		return nil, driver.ErrBadConn
	}
	if x, ok := c.Conn.(driver.ConnPrepareContext); ok {
		return x.PrepareContext(ctx, text)
	}
	return c.Conn.Prepare(text)
}

func (c *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.lost.Load() {
		return nil, driver.ErrBadConn
	}
	x, ok := c.Conn.(driver.ConnBeginTx)
	if !ok {
		return nil, errors.New("backendtest: the driver's connection has no BeginTx")
	}
	inner, err := x.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return faultyTx{inner, c}, nil
}

// CheckNamedValue passes on what the driver does with arguments such as slices.
func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if x, ok := c.Conn.(driver.NamedValueChecker); ok {
		return x.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *faultyConn) Ping(ctx context.Context) error {
	if c.lost.Load() {
		return driver.ErrBadConn
	}
	if x, ok := c.Conn.(driver.Pinger); ok {
		return x.Ping(ctx)
	}
	return nil
}

func (c *faultyConn) ResetSession(ctx context.Context) error {
	if c.lost.Load() {
		return driver.ErrBadConn
	}
	if x, ok := c.Conn.(driver.SessionResetter); ok {
		return x.ResetSession(ctx)
	}
	return nil
}

func (c *faultyConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !c.lost.Load() && (!ok || v.IsValid())
}

type faultyTx struct {
	driver.Tx
	conn *faultyConn
}

func (t faultyTx) Commit() error { return t.conn.commit(t.Tx.Commit, t.Tx.Rollback) }

func (t faultyTx) Rollback() error {
	if t.conn.lost.Load() {
		return driver.ErrBadConn
	}
	return t.Tx.Rollback()
}

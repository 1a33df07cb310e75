package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lib/pq"
)

// When a context ends, lib/pq asks the server to cancel the statement, by a connection of its own, and waits for both
// answers. On a network that swallows everything there are none: then the wait has to end too.
const (
	cancelTime = 200 * time.Millisecond // for the request to cancel
	cutTime    = 300 * time.Millisecond // then the connection is cut off
)

// connector opens connections of lib/pq that can be cut off.
type connector struct{ cfg pq.Config }

func (c *connector) Driver() driver.Driver { return &pq.Driver{} }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	connector, err := pq.NewConnectorConfig(c.cfg)
	if err != nil {
		return nil, err
	}
	l := &line{}
	connector.Dialer(l)
	stop := context.AfterFunc(ctx, l.cut)
	inner, err := connector.Connect(ctx)
	if !stop() && err == nil {
		return nil, errors.Join(ctx.Err(), inner.Close())
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect: %w: %w", ctx.Err(), err)
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	l.connected()
	cn, ok := inner.(pqConn)
	if !ok {
		return nil, errors.Join(errors.New("lib/pq's connection lacks a method"), inner.Close())
	}
	outer := &conn{pqConn: cn, line: l}
	if _, err := outer.ExecContext(ctx, serverLimits, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), inner.Close())
	}
	return outer, nil
}

// serverLimits has the server give up a client that has gone without a word, about when the dialer would give up the
// server: until then it keeps the locks of its transaction, by default for hours. They are not parameters of the
// connection's start, of which connection poolers refuse all that they do not know.
const serverLimits = "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000"

// pqConn is what a connection of lib/pq can do.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a connection of lib/pq on a line.
type conn struct {
	pqConn
	line *line
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	w := c.line.watch(ctx)
	defer w.end()
	s, err := c.pqConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	inner, ok := s.(pqStmt)
	if !ok {
		return nil, errors.Join(errors.New("lib/pq's statement lacks a method"), s.Close())
	}
	return &stmt{pqStmt: inner, line: c.line}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	w := c.line.watch(ctx)
	defer w.end()
	return c.pqConn.ExecContext(ctx, query, args)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	w := c.line.watch(ctx)
	r, err := c.pqConn.QueryContext(ctx, query, args)
	return w.rows(r, err)
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	w := c.line.watch(ctx)
	defer w.end()
	return c.pqConn.BeginTx(ctx, opts)
}

func (c *conn) Ping(ctx context.Context) error {
	w := c.line.watch(ctx)
	defer w.end()
	return c.pqConn.Ping(ctx)
}

// pqStmt is what a statement of lib/pq can do.
type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	pqStmt
	line *line
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	w := s.line.watch(ctx)
	defer w.end()
	return s.pqStmt.ExecContext(ctx, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	w := s.line.watch(ctx)
	r, err := s.pqStmt.QueryContext(ctx, args)
	return w.rows(r, err)
}

// Close frees the statement on the server, which no context limits.
func (s *stmt) Close() error {
	timer := time.AfterFunc(cutTime, s.line.cut)
	defer timer.Stop()
	return s.pqStmt.Close()
}

// rows are watched until they are closed: the rest of them may get lost on the way.
type rows struct {
	driver.Rows
	watch *watch
}

func (w *watch) rows(r driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		w.end()
		return nil, err
	}
	if w == nil {
		return r, nil
	}
	return &rows{Rows: r, watch: w}, nil
}

func (r *rows) Close() error {
	defer r.watch.end()
	return r.Rows.Close()
}

// A watch cuts a line off some time after a context has ended. Nil watches nothing.
type watch struct {
	line *line
	stop func() bool

	mu    sync.Mutex
	ended bool
	timer *time.Timer
}

func (l *line) watch(ctx context.Context) *watch {
	if ctx.Done() == nil {
		return nil
	}
	w := &watch{line: l}
	w.stop = context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.ended {
			w.timer = time.AfterFunc(cutTime, w.cut)
		}
	})
	return w
}

func (w *watch) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.line.cut()
	}
}

func (w *watch) end() {
	if w == nil {
		return
	}
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

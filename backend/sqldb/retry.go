package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	firstPause = 2 * time.Millisecond
	lastPause  = 500 * time.Millisecond
	// mostPatience is how long a call whose context has no deadline goes on trying.
	mostPatience = 5 * time.Minute
	// mostCuts is how often a transaction is tried again in which the server ended a statement: perhaps that waited for
	// a row of another transaction, perhaps it will never be done in the time that it has.
	mostCuts = 5
)

// retry calls op until it succeeds, fails for good, or ctx ends.
func (db *DB) retry(ctx context.Context, op func() error) error {
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := op()
		var f *fault
		if err == nil || !errors.As(err, &f) {
			return err
		}
		if ctx.Err() == nil && f.kind != Passing && f.kind != Lost {
			return tooLong(ctx, err)
		}
		if _, limited := ctx.Deadline(); !limited && ctx.Err() == nil && time.Since(begun) > db.patience {
			return fmt.Errorf("%w; tried again for %s", err, db.patience)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) // so that rivals do not come back all at once
		select {
		case <-ctx.Done():
			timer.Stop()
			if errors.Is(err, ctx.Err()) {
				return err
			}
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-timer.C:
		}
	}
}

// give puts a connection back after a call that ended with err.
func (db *DB) give(ctx context.Context, p *pool, c *conn, err error) {
	db.judge(ctx, p, c, err)
	p.put(c)
}

// judge says whether a connection can be used again after a call that ended with err. When ctx has ended, the driver may
// have given the connection up, whatever err says: it may be the server's answer to the request to cancel.
func (db *DB) judge(ctx context.Context, p *pool, c *conn, err error) {
	switch {
	case err == nil:
	case db.dialect.Classify(err) == Lost:
		c.bad = true
		p.forget()
	case ctx.Err() != nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		c.bad = !db.dialect.Serial
	}
}

// begin begins a transaction by texts and scans into dest what the last of them selects.
func (c *conn) begin(ctx context.Context, texts []string, dest ...any) error {
	if c.d.Batches {
		texts = []string{strings.Join(texts, "; ")}
	}
	last := len(texts) - 1
	err := c.run(ctx, texts[:last])
	var rows *sql.Rows
	if err == nil {
		rows, err = c.sql.QueryContext(ctx, texts[last])
	}
	if err == nil {
		for rows.Next() && err == nil { // to the end: an open cursor would keep the transaction busy
			if len(dest) > 0 {
				err = rows.Scan(dest...)
			}
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	if err != nil {
		c.end(ctx, "ROLLBACK")
		if c.d.Serial {
			c.bad = false // the BEGIN itself was refused, and there was nothing to roll back
		}
	}
	return err
}

// end ends a transaction that leaves no trace. A connection on which that fails is closed, which ends it too; as is one
// to a server when the context has ended, for the answer could be long in coming.
func (c *conn) end(ctx context.Context, text string) {
	switch {
	case c.bad:
		return
	case c.d.Serial:
		ctx = context.WithoutCancel(ctx)
	case ctx.Err() != nil:
		c.bad = true
		return
	}
	if _, err := c.sql.ExecContext(ctx, text); err != nil {
		c.bad = true
	}
}

// commitTime is how much longer than its context a commit may take: a little patience is better than to answer that its
// outcome is unknown.
const commitTime = 300 * time.Millisecond

// commit commits the transaction.
func (c *conn) commit(ctx context.Context) error {
	patient := context.WithoutCancel(ctx)
	if !c.d.Serial {
		var cancel context.CancelFunc
		patient, cancel = context.WithCancel(patient)
		defer cancel()
		stop := context.AfterFunc(ctx, func() {
			timer := time.AfterFunc(commitTime, cancel)
			context.AfterFunc(patient, func() { timer.Stop() })
		})
		defer stop()
	}
	_, err := c.sql.ExecContext(patient, "COMMIT")
	return err
}

package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A witness is a row that an Update's transaction writes of itself where the answer to its COMMIT may be lost: it is there
// exactly if the transaction was committed. Transactions' own numbers tell less. A server that crashed gives those again which
// had not reached its disk, and says of a transaction that was lost what became of another.
//
// A connection overwrites its row with each Update. A name whose last Update may still be under way is not used again;
// the others are, so that they stay few.
type witness struct {
	conn int64 // names the connection, at random
	n    int64 // counts its Updates
}

// mostDoubt is how old an Update may be when a missing witness tells that it was not committed: Forget deletes older
// ones, and in the meantime a client may have been suspended.
const mostDoubt = 24 * time.Hour

// outcome finds out what became of a transaction whose commit was answered with err, perhaps because the answer was
// lost on the way. It gives c, which is bad, other connections, and asks until it knows or ctx ends.
func (db *DB) outcome(ctx context.Context, sc *schema, c *conn, s session, err error) error {
	db.writers.forget()
	if !sc.d.Remote || sc.d.Outcome == "" { // nothing was written to ask for
		if db.dialect.Classify(err) == Lost {
			return fmt.Errorf("%s: commit: %w; whether it was done is unknown", db.dialect.Name, err)
		}
		return db.fault("commit", err)
	}
	done := false
	ask := func() error {
		if c.bad {
			if err := db.writers.renew(ctx, c); err != nil {
				return db.fault("connect", err)
			}
		}
		var unsettled bool
		err := db.ask(ctx, sc, c, s, &unsettled, &done)
		db.judge(ctx, db.writers, c, err)
		if err != nil {
			return db.fault("ask what became of a commit", err)
		}
		if unsettled {
			c.bad = true // the next connection may lead to a server that knows
			return &fault{doing: db.dialect.Name + ": commit", kind: Passing, err: errors.New("the server does not know yet whether it will be done")}
		}
		return nil
	}
	if e := db.retry(ctx, ask); e != nil {
		return fmt.Errorf("%s: commit: %w; whether it was done is unknown: %w", db.dialect.Name, err, e)
	}
	switch {
	case done:
		return nil
	case time.Now().Round(0).Sub(s.begun) > mostDoubt: // by the wall clock; the monotonic one stands still in suspension
		return fmt.Errorf("%s: commit: %w; whether it was done is unknown", db.dialect.Name, err)
	}
	kind := Passing
	if db.dialect.Classify(err) == Broken { // refused, by a full disk for example
		kind = Broken
	}
	return &fault{doing: db.dialect.Name + ": commit", kind: kind, err: err}
}

// ask selects whether a transaction was done. A server process that still has it under way is ended, for nobody would
// hear its answer; and has to be asked about again, for it may commit before it notices.
//
// Only when there is none is the witness looked for, by a later statement: then no commit can come any more, and one
// that came is in the statement's snapshot. Both go over one connection, so to one run of one server: after a crash, or
// a move to another server, its transactions are gone or done before it answers.
func (db *DB) ask(ctx context.Context, sc *schema, c *conn, s session, unsettled, done *bool) error {
	if sc.d.Serial {
		// The writer's lock is free when the transaction has ended, one way or the other.
		var now session
		if err := c.begin(ctx, append(slices.Clone(sc.d.BeginUpdate), sc.d.Session), &now.format, &now.era, &now.xid, &now.pid); err != nil {
			return err
		}
		defer c.end(ctx, "ROLLBACK")
	} else if sc.d.Kill != "" {
		err := c.one(ctx, db.dialect.script().add(sc.d.Kill).with(s.pid, s.xid), unsettled)
		if err != nil || *unsettled {
			return err
		}
	}
	return c.one(ctx, db.dialect.script().add(sc.d.Outcome).with(s.witness.conn, s.witness.n), done)
}

// attest writes the witness of an Update.
func (c *conn) attest(ctx context.Context, s session, d *Dialect) error {
	table, now := d.table(commitTable), s.begun.Unix()
	result, err := c.exec(ctx, d.script().add("UPDATE ", table, " SET n = ").arg(s.witness.n).add(", at = ").arg(now).
		add(" WHERE conn = ").arg(s.witness.conn))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	_, err = c.exec(ctx, d.script().add("INSERT INTO ", table, " (conn, n, at) VALUES (").arg(s.witness.conn).add(", ").
		arg(s.witness.n).add(", ").arg(now).add(")"))
	return err
}

// one reads the one row of s.
func (c *conn) one(ctx context.Context, s *script, dest any) error {
	stmt, err := c.prepare(ctx, s.text)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, s.args...).Scan(dest)
}

// forget deletes witnesses of long ago. Nothing hangs on it: a client that may only read cannot, and another one will.
func (db *DB) forget(ctx context.Context, sc *schema) {
	if sc.d.Forget == "" {
		return
	}
	c, err := db.writers.get(ctx)
	if err != nil {
		return
	}
	db.give(ctx, db.writers, c, c.run(ctx, []string{sc.d.Forget}))
}

// A ghost is a transaction whose connection was lost. The server may not have noticed, and then goes on keeping the
// transaction's locks, which the next try would wait for.
type ghost struct {
	session
	mark string // if the session is not known, what the text that began it contains
}

// bury has the server end a ghost. What it cannot do for other reasons than a lost connection the server does in time.
func (db *DB) bury(ctx context.Context, c *conn, g *ghost) error {
	if g == nil || db.dialect.Kill == "" || db.dialect.KillMarked == "" {
		return nil
	}
	s := db.dialect.script().add(db.dialect.Kill).with(g.pid, g.xid)
	if g.mark != "" {
		s = db.dialect.script().add(db.dialect.KillMarked).with(g.mark)
	}
	_, err := c.exec(ctx, s)
	if err != nil && (ctx.Err() != nil || db.dialect.Classify(err) == Lost) {
		return db.fault("end a transaction that was lost", err)
	}
	return nil
}

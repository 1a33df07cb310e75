package sqldb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A group lets Updates that wait for the one writer share a transaction, and so the cost of making it durable. The
// first of them begins it; then each in turn runs its function, on its own goroutine, behind a savepoint, and hands
// the transaction on; the last commits for all.
type group struct {
	mu    sync.Mutex
	busy  bool // somebody leads
	queue []*member
}

// A member is an Update that takes part.
type member struct {
	ctx  context.Context
	sc   *schema
	turn chan *batch // its turn in a batch; nil makes it lead the next one
}

// A batch is a transaction that several Updates share.
type batch struct {
	sc      *schema // of the one that began it
	conn    *conn
	members []*member
	next    int // of members, whose turn it will be
	kept    int // functions whose changes are in the transaction
	session session
	err     error         // the commit's; read it when done is closed
	done    chan struct{} // committed, or not
}

const mostMembers = 64

// update is one try of an Update.
func (g *group) update(ctx context.Context, db *DB, sc *schema, fn func(backend.Tx) error) error {
	m := &member{ctx: ctx, sc: sc, turn: make(chan *batch, 1)}
	b, err := g.join(ctx, m)
	if err != nil {
		return db.fault("wait for the writer", err)
	}
	if b == nil { // m leads
		if b, err = db.beginBatch(ctx, sc); err != nil {
			g.lead()
			return err
		}
		g.fill(b, m)
	}
	err = db.turn(b, m, fn)
	// One that failed may have read what others of the batch changed, so its answer too has to wait for the commit.
	<-b.done
	if b.err != nil {
		return b.err
	}
	return err
}

// join waits for m's turn; no batch means that m has to begin one.
func (g *group) join(ctx context.Context, m *member) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	if !g.busy {
		g.busy = true
		g.mu.Unlock()
		return nil, nil
	}
	g.queue = append(g.queue, m)
	g.mu.Unlock()
	select {
	case b := <-m.turn:
		return b, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(g.queue, m)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		g.mu.Unlock()
		return nil, ctx.Err()
	}
	g.mu.Unlock()
	return <-m.turn, nil // others count on it now
}

// lead lets the next in line begin a batch.
func (g *group) lead() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.busy = false
		return
	}
	m := g.queue[0]
	g.queue = g.queue[1:]
	m.turn <- nil
}

// fill makes those who wait members of b, behind m.
func (g *group) fill(b *batch, m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.queue), mostMembers-1)
	b.members = append(append(b.members, m), g.queue[:n]...)
	g.queue = slices.Delete(g.queue, 0, n)
	b.next = 1
}

func (db *DB) beginBatch(ctx context.Context, sc *schema) (*batch, error) {
	if err := db.alive(false); err != nil {
		return nil, err
	}
	c, err := db.writers.get(ctx)
	if err != nil {
		return nil, db.fault("connect", err)
	}
	b := &batch{sc: sc, conn: c, done: make(chan struct{})}
	x, err := db.beginUpdate(context.WithoutCancel(ctx), c, sc, nil)
	if err != nil {
		db.give(ctx, db.writers, c, err)
		return nil, err
	}
	b.session = x.session
	return b, nil
}

// turn runs m's function and hands the batch on, also when the function panics or ends its goroutine.
func (db *DB) turn(b *batch, m *member, fn func(backend.Tx) error) (err error) {
	x := &tx{reader: reader{db: db, ctx: m.ctx, sc: m.sc, conn: b.conn, mem: memory{}}, session: b.session}
	alone := len(b.members) == 1
	begun, kept := false, false
	defer func() {
		x.done = true
		if kept {
			b.kept++
		} else if begun && b.err == nil { // without a savepoint there is nothing to undo, and ROLLBACK TO would fail
			b.err = db.undo(b)
		}
		if b.next < len(b.members) {
			b.next++
			b.members[b.next-1].turn <- b
			return
		}
		db.finish(m.ctx, b)
	}()
	if b.err != nil { // the transaction is lost
		return b.err
	}
	if err := m.ctx.Err(); err != nil {
		return db.fault("wait for the writer", err)
	}
	if m.sc.format < b.session.format {
		return formatError(db, m.sc, b.session)
	}
	if !alone {
		if err := x.exec(db.dialect.script().add("SAVEPOINT turn")); err != nil {
			return db.fault("begin", err)
		}
		begun = true
	}
	if err := x.result(fn(x)); err != nil {
		return err
	}
	if err := m.ctx.Err(); err != nil {
		return db.fault("commit", err)
	}
	if !alone {
		if err := x.exec(db.dialect.script().add("RELEASE turn")); err != nil {
			return db.fault("commit", err)
		}
	}
	kept = true
	return nil
}

// undo takes back what the function whose turn it is has done.
func (db *DB) undo(b *batch) error {
	ctx := context.Background()
	for _, text := range []string{"ROLLBACK TO turn", "RELEASE turn"} {
		if _, err := b.conn.exec(ctx, db.dialect.script().add(text)); err != nil {
			// A full disk and the like end the whole transaction.
			return db.fault("undo a change", err)
		}
	}
	return nil
}

// finish commits b and lets the next in line lead.
func (db *DB) finish(ctx context.Context, b *batch) {
	c := b.conn
	if b.kept > 0 && b.err == nil {
		b.err = db.commit(ctx, b)
	}
	if b.kept == 0 || b.err != nil {
		c.end(ctx, "ROLLBACK")
	} else if db.opts.Committed != nil {
		db.opts.Committed(context.WithoutCancel(ctx), c.sql)
	}
	db.writers.put(c)
	db.group.lead()
	close(b.done)
}

// outcomeTime is how long a batch waits to learn what became of its commit: its members have contexts of their own.
const outcomeTime = time.Minute

func (db *DB) commit(ctx context.Context, b *batch) error {
	if err := db.alive(true); err != nil {
		return err
	}
	err := b.conn.commit(ctx)
	if err == nil {
		return nil
	}
	err = db.fault("commit", err)
	var f *fault
	if !errors.As(err, &f) || f.kind != Lost {
		return err
	}
	b.conn.bad = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	return db.outcome(ctx, b.sc, b.conn, b.session, f.err)
}

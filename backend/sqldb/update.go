package sqldb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Update runs fn in a transaction, behind its locks.
func (db *DB) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	sc, err := db.enter()
	if err != nil {
		return err
	}
	defer db.leave()
	if db.dialect.Serial {
		return db.retry(ctx, func() error { return db.group.update(ctx, db, sc, fn) })
	}
	keys := db.lockKeys(locks)
	var g *ghost
	return db.retry(ctx, func() error {
		lost, err := db.update(ctx, sc, keys, g, fn)
		if lost != nil {
			g = lost
		}
		return err
	})
}

// lockKeys are the numbers that stand for lock names, in the order in which everybody takes them.
func (db *DB) lockKeys(locks []string) []int64 {
	keys := make([]int64, 0, len(locks))
	for _, name := range locks {
		h := fnv.New64a()
		_ = binary.Write(h, binary.BigEndian, db.salt.Load()) // a hash takes everything
		h.Write([]byte(name))
		keys = append(keys, int64(h.Sum64()))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// update is one try of an Update that has a connection to itself. If that is lost it returns what may be left of the
// try; before is what may be of an earlier one.
func (db *DB) update(ctx context.Context, sc *schema, locks []int64, before *ghost, fn func(backend.Tx) error) (*ghost, error) {
	c, err := db.writers.get(ctx)
	if err != nil {
		return nil, db.fault("connect", err)
	}
	if err := db.bury(ctx, c, before); err != nil {
		db.give(db.writers, c, err)
		return nil, err
	}
	x, err := db.beginUpdate(ctx, c, sc, locks)
	if err != nil {
		db.give(db.writers, c, err)
		if c.bad {
			return &ghost{mark: c.locks}, err
		}
		return nil, err
	}
	committed := false
	defer func() {
		x.done = true
		if !committed {
			c.end(ctx, "ROLLBACK")
		}
		db.writers.put(c)
	}()
	if err := x.result(fn(x)); err != nil {
		var f *fault
		if errors.As(err, &f) && f.kind == Lost {
			c.bad = true
			db.writers.forget()
			return &ghost{session: x.session}, err
		}
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, db.fault("commit", err)
	}
	if err := c.commit(ctx); err != nil {
		c.bad = true
		if err = db.outcome(ctx, x.session, err); err != nil {
			return nil, err
		}
	}
	committed = true
	return nil, nil
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

// beginUpdate begins a transaction that writes, takes its locks and checks the store's format, all in one call.
func (db *DB) beginUpdate(ctx context.Context, c *conn, sc *schema, locks []int64) (*tx, error) {
	x := &tx{reader: reader{db: db, ctx: ctx, sc: sc, conn: c, mem: memory{}}}
	texts := slices.Clone(db.dialect.BeginUpdate)
	if db.dialect.PrepareLocks == "" {
		texts = append(texts, db.dialect.Session)
	} else {
		if !c.prepared {
			// Random, for the *sql.DB may give one connection to two stores; and new after a failure, which may have
			// come behind the PREPARE.
			c.locks = fmt.Sprintf("%s_locks_%x", metaTable, rand.Uint64())
			texts = append(texts, fmt.Sprintf(db.dialect.PrepareLocks, c.locks))
		}
		keys := make([]string, len(locks))
		for i, k := range locks {
			keys[i] = strconv.FormatInt(k, 10)
		}
		texts = append(texts, fmt.Sprintf(db.dialect.TakeLocks, c.locks, strings.Join(keys, ",")))
	}
	if err := c.begin(ctx, texts, &x.format, &x.era, &x.xid, &x.pid); err != nil {
		return nil, db.fault("begin", err)
	}
	c.prepared = true
	if x.format > sc.format {
		c.end(ctx, "ROLLBACK")
		return nil, formatError(db, sc, x.session)
	}
	return x, nil
}

func formatError(db *DB, sc *schema, s session) error {
	return fmt.Errorf("%s: the store has format %d, this program knows %d: %w", db.dialect.Name, s.format, sc.format, backend.ErrFormat)
}

// outcome finds out what became of a transaction whose commit was answered with err, perhaps because the answer was
// lost on the way. It asks until it knows or ctx ends.
func (db *DB) outcome(ctx context.Context, s session, err error) error {
	if db.dialect.Outcome == "" {
		return db.fault("commit", err)
	}
	db.writers.forget()
	var state string
	ask := func() error {
		c, err := db.readers.get(ctx)
		if err != nil {
			return db.fault("connect", err)
		}
		err = db.ask(ctx, c, s, &state)
		db.give(db.readers, c, err)
		if err != nil {
			return db.fault("ask what became of a commit", err)
		}
		if state == "in progress" {
			return &fault{doing: db.dialect.Name + ": commit", kind: Passing, err: errors.New("it goes on without its connection")}
		}
		return nil
	}
	if e := db.retry(ctx, ask); e != nil {
		return fmt.Errorf("%s: commit: %w; whether it was done is unknown: %w", db.dialect.Name, err, e)
	}
	switch state {
	case "committed":
		return nil
	case "aborted":
		kind := Passing
		if db.dialect.Classify(err) == Broken { // refused, by a full disk for example
			kind = Broken
		}
		return &fault{doing: db.dialect.Name + ": commit", kind: kind, err: err}
	}
	// The server forgets transactions after some two thousand million others.
	return fmt.Errorf("%s: commit: %w; whether it was done is unknown", db.dialect.Name, err)
}

// ask selects the state of a transaction, and ends the server process that still has it under way: nobody would hear
// its answer.
func (db *DB) ask(ctx context.Context, c *conn, s session, state *string) error {
	rows, err := c.query(ctx, db.dialect.script().add(db.dialect.Outcome).with(s.xid))
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := rows.Scan(state); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || *state != "in progress" {
		return err
	}
	_, err = c.exec(ctx, db.dialect.script().add(db.dialect.Kill).with(s.pid, s.xid))
	return err
}

// with sets the arguments of parameters that the text has already.
func (s *script) with(args ...any) *script {
	s.args = args
	return s
}

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
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Update runs fn in a transaction, behind its locks.
func (db *DB) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	sc, err := db.enter()
	if err != nil {
		return err
	}
	defer db.leave()
	if db.opts.ReadOnly {
		return fmt.Errorf("%s: %w: it was opened for reading only", db.dialect.Name, errors.ErrUnsupported)
	}
	if db.dialect.Serial {
		return db.retry(ctx, func() error { return db.group.update(ctx, db, sc, fn) })
	}
	keys := sc.lockKeys(locks)
	var g *ghost
	cuts := 0
	return db.retry(ctx, func() error {
		lost, err := db.update(ctx, sc, keys, g, fn)
		if lost != nil {
			g = lost
		}
		var f *fault
		if errors.As(err, &f) && f.kind == Cut && cuts < mostCuts {
			cuts++
			return &fault{doing: f.doing, kind: Passing, err: f.err}
		}
		return err
	})
}

// lockKeys are the numbers that stand for lock names, in the order in which everybody takes them.
func (sc *schema) lockKeys(locks []string) []int64 {
	keys := make([]int64, 0, len(locks))
	for _, name := range locks {
		h := fnv.New64a()
		_ = binary.Write(h, binary.BigEndian, sc.salt) // a hash takes everything
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
		db.give(ctx, db.writers, c, err)
		return nil, err
	}
	x, err := db.beginUpdate(ctx, c, sc, locks)
	if err != nil {
		db.give(ctx, db.writers, c, err)
		if c.bad {
			return &ghost{mark: c.locks}, err
		}
		return nil, err
	}
	ended := false
	defer func() {
		x.done = true
		if !ended {
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
	if err := db.alive(true); err != nil {
		return nil, err
	}
	ended = true
	if err := c.commit(ctx); err != nil {
		c.bad = true
		return nil, db.outcome(ctx, sc, c, x.session, err)
	}
	return nil, nil
}

// beginUpdate begins a transaction that writes, takes its locks, has it write its witness and checks the store's format,
// all in one call.
func (db *DB) beginUpdate(ctx context.Context, c *conn, sc *schema, locks []int64) (*tx, error) {
	x := &tx{reader: reader{db: db, ctx: ctx, sc: sc, conn: c, mem: memory{}}}
	texts := slices.Clone(sc.d.BeginUpdate)
	c.witness.n++
	x.witness, x.begun = c.witness, time.Now()
	if sc.d.PrepareLocks == "" {
		texts = append(texts, sc.d.Session)
	} else {
		if c.prepared != sc.d.PrepareLocks {
			// Random, for the *sql.DB may give one connection to two stores; and new after a failure, which may have
			// come behind the PREPARE.
			c.locks = fmt.Sprintf("%s_locks_%x", metaTable, rand.Uint64())
			texts = append(texts, fmt.Sprintf(sc.d.PrepareLocks, c.locks))
		}
		keys := make([]string, len(locks))
		for i, k := range locks {
			keys[i] = strconv.FormatInt(k, 10)
		}
		texts = append(texts, fmt.Sprintf(sc.d.TakeLocks, c.locks, strings.Join(keys, ","), x.witness.conn, x.witness.n))
	}
	if err := c.begin(ctx, texts, &x.format, &x.era, &x.xid, &x.pid); err != nil {
		err = db.fault("begin", err)
		var f *fault
		if errors.As(err, &f) && f.kind == Cut {
			f.kind = Passing // it waited for locks: that others are busy is no fault
		}
		return nil, err
	}
	c.prepared = sc.d.PrepareLocks
	if x.format > sc.format {
		c.end(ctx, "ROLLBACK")
		return nil, formatError(db, sc, x.session)
	}
	if sc.d.Remote && sc.d.Serial {
		if err := c.attest(ctx, x.session, sc.d); err != nil {
			c.end(ctx, "ROLLBACK")
			return nil, db.fault("begin", err)
		}
	}
	return x, nil
}

func formatError(db *DB, sc *schema, s session) error {
	return fmt.Errorf("%s: the store has format %d, this program knows %d: %w", db.dialect.Name, s.format, sc.format, backend.ErrFormat)
}

package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/netfault"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// closing is how long a store whose network is dead may take to close.
const closing = 2 * time.Second

// A deed is one call about the counter of that name, which says 1 and goes on doing so.
type deed struct {
	name string
	do   func(ctx context.Context, b backend.Backend, name string) error
}

var errOther = errors.New("what was read is not what was written")

func named(name string) backend.Query {
	return backend.Query{Table: "counters", Where: []backend.Cond{{Field: "name", Value: backend.StringValue(name)}}}
}

var deeds = []deed{
	{"find", func(ctx context.Context, b backend.Backend, name string) error {
		rows, err := b.Find(ctx, named(name))
		if err == nil && (len(rows) != 1 || string(rows[0].Doc) != "1") {
			return errOther
		}
		return err
	}},
	{"view", func(ctx context.Context, b backend.Backend, name string) error {
		return b.View(ctx, func(r backend.Reader) error {
			row, err := r.Get("counters", backend.StringValue(name))
			if err != nil {
				return err
			}
			rows, err := r.Find(named(name))
			if err == nil && (string(row.Doc) != "1" || len(rows) != 1 || string(rows[0].Doc) != "1") {
				return errOther
			}
			return err
		})
	}},
	{"update", func(ctx context.Context, b backend.Backend, name string) error {
		return b.Update(ctx, []string{name}, func(tx backend.Tx) error {
			if _, err := tx.Get("counters", backend.StringValue(name)); err != nil {
				return err
			}
			return tx.Put("counters", backend.Row{Key: backend.Key{backend.StringValue(name)}, Doc: []byte("1")})
		})
	}},
}

// counted makes a store with a counter for each name.
func counted(t testing.TB) (dsn string, names []string) {
	t.Helper()
	dsn = pgtest.DSN(t)
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	for i := range lanes {
		names = append(names, "counter "+strconv.Itoa(i))
		require.NoError(t, count(t.Context(), b, names[i]))
	}
	require.NoError(t, b.Close())
	return dsn, names
}

func declared(t testing.TB, dsn string) backend.Backend {
	t.Helper()
	b := open(t, dsn)
	require.NoError(t, b.Declare(t.Context(), counters))
	return b
}

// talk records what a deed says.
func talk(t testing.TB, dsn, name string, d deed) []netfault.Message {
	t.Helper()
	p, through := netfault.New(t, dsn)
	b := declared(t, through)
	said := converse(t, p, func() error { return d.do(t.Context(), b, name) })
	require.NoError(t, b.Close())
	return said
}

func TestABreakAtAnyMessageOfAReadIsNotNoticed(t *testing.T) {
	t.Parallel()
	dsn, names := counted(t)
	var wg sync.WaitGroup
	for _, read := range deeds[:2] {
		said := talk(t, dsn, names[0], read)
		cases := make(chan breach, 4*2*len(said))
		for _, at := range points(said) {
			for _, kind := range []netfault.Kind{netfault.FIN, netfault.RST, netfault.Hole, netfault.HalfHole} {
				cases <- breach{at, kind}
			}
		}
		close(cases)
		for _, name := range names {
			p, through := netfault.New(t, dsn)
			b := declared(t, through)
			wg.Go(func() {
				for at := range cases {
					readThrough(t, p, at, read, func(ctx context.Context) error { return read.do(ctx, b, name) })
				}
				assert.NoError(t, b.Close())
				closed(t, p)
			})
		}
	}
	wg.Wait()
}

func readThrough(t testing.TB, p *netfault.Proxy, at breach, read deed, do func(context.Context) error) {
	what := read.name + ", " + at.kind.String() + " " + at.name
	p.Sever()
	trap := p.Arm(&netfault.Cut{Kind: at.kind, From: at.side, N: at.n, After: at.after})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	call := start(func() error { return do(ctx) })
	within(t, trap.Met(), what)
	var err error
	if at.silent() {
		cancel()
		err = until(t, what, call)
		p.Heal()
	} else {
		err = <-call
	}
	switch {
	case err == nil:
	case errors.Is(err, errOther):
		t.Errorf("%s: %v", what, err)
	case at.silent() && !errors.Is(err, context.Canceled):
		t.Errorf("%s: the call failed for another reason than its context: %v", what, err)
	case !at.silent() && read.name == "find": // a View's function is not called twice
		t.Errorf("%s: the call failed though its context went on: %v", what, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := do(ctx); err != nil {
		t.Errorf("%s: the next call: %v", what, err)
	}
}

// From any message on, the network is dead for good. A store goes with it, and leaves nothing behind.
func TestANetworkThatStaysDeadOutlastsNoContext(t *testing.T) {
	dsn, names := counted(t)
	var wg sync.WaitGroup
	for _, d := range deeds {
		said := talk(t, dsn, names[0], d)
		cases := make(chan point, 2*len(said))
		for _, at := range points(said) {
			cases <- at
		}
		close(cases)
		for _, name := range names {
			p, through := netfault.New(t, dsn)
			wg.Go(func() {
				for at := range cases {
					die(t, p, through, at, d, name)
				}
			})
		}
	}
	wg.Wait()
	// Those of other tests are there only while those run, and none does beside this one.
	assert.Eventually(t, func() bool { return leftovers() == "" }, patience, 50*time.Millisecond)
	require.Empty(t, leftovers())
}

func die(t testing.TB, p *netfault.Proxy, through string, at point, d deed, name string) {
	what := d.name + ", dead " + at.name
	b, err := postgres.Open(t.Context(), through, nil)
	if err == nil {
		err = b.Declare(t.Context(), counters)
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	p.Sever()
	trap := p.Arm(&netfault.Cut{Kind: netfault.Blackout, From: at.side, N: at.n, After: at.after})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := start(func() error { return d.do(ctx, b, name) })
	within(t, trap.Met(), what)
	linger(ctx)
	cancel()
	if err := until(t, what, done); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%s: the call failed for another reason than its context: %v", what, err)
	}
	// What is made anew, and the connections that were used before.
	for _, again := range deeds {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		done := start(func() error { return again.do(ctx, b, name) })
		<-ctx.Done()
		if err := until(t, what+", then "+again.name, done); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: then %s: %v", what, again.name, err)
		}
		cancel()
	}
	begun := time.Now()
	if err := b.Close(); err != nil {
		t.Errorf("%s: close: %v", what, err)
	}
	if took := time.Since(begun); took > closing+slack {
		t.Errorf("%s: the store took %s to close", what, took)
	}
	closed(t, p)
	p.Heal()
}

// The connections of the store are idle when the network dies.
func TestANetworkThatDiesUnnoticedOutlastsNoContext(t *testing.T) {
	t.Parallel()
	dsn, names := counted(t)
	var wg sync.WaitGroup
	for _, d := range deeds {
		p, through := netfault.New(t, dsn)
		b := declared(t, through)
		wg.Go(func() {
			var warm, all sync.WaitGroup
			all.Add(4)
			for _, name := range names[:4] {
				warm.Go(func() {
					assert.NoError(t, d.do(t.Context(), b, name))
					assert.NoError(t, b.View(t.Context(), func(r backend.Reader) error {
						_, err := r.Get("counters", backend.StringValue(name))
						all.Done()
						all.Wait() // so that each has a connection to itself
						return err
					}))
				})
			}
			warm.Wait()
			p.Blackout()
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				done := start(func() error { return d.do(ctx, b, names[0]) })
				<-ctx.Done()
				assert.ErrorIs(t, until(t, d.name, done), context.DeadlineExceeded)
				cancel()
			}
			begun := time.Now()
			assert.NoError(t, b.Close())
			assert.Less(t, time.Since(begun), closing+slack)
			closed(t, p)
		})
	}
	wg.Wait()
}

// leftovers are the goroutines that belong to stores.
func leftovers() string {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for _, g := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(g, "lib/pq.") || strings.Contains(g, "backend/sqldb.") || strings.Contains(g, "backend/postgres.") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// connector gives the connections that a store uses to a test.
func connector(t testing.TB, dsn string) driver.Connector {
	t.Helper()
	var c driver.Connector
	b, err := postgres.Open(t.Context(), dsn, &postgres.Options{Wrap: func(inner driver.Connector) driver.Connector {
		c = inner
		return inner
	}})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	return c
}

func TestFreeingAStatementEndsOnADeadNetwork(t *testing.T) {
	t.Parallel()
	p, through := netfault.New(t, pgtest.DSN(t))
	c, err := connector(t, through).Connect(t.Context())
	require.NoError(t, err)
	s, err := c.(driver.ConnPrepareContext).PrepareContext(t.Context(), "SELECT 1")
	require.NoError(t, err)
	p.Blackout()
	require.Error(t, until(t, "free a statement", start(s.Close)))
	_ = c.Close() // it says that it was cut off
	closed(t, p)
}

func TestTheServerIsToldToGiveUpDeadClients(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(connector(t, pgtest.DSN(t)))
	defer func() { require.NoError(t, db.Close()) }()
	for name, want := range map[string]string{"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"} { // and a limit that only Linux has

		var have string
		require.NoError(t, db.QueryRow("SHOW "+name).Scan(&have))
		require.Equal(t, want, have, name)
	}
}

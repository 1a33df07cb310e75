package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/netfault"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

const (
	afterContext = time.Second      // how long a call may go on after its context has ended
	slack        = time.Second      // what a busy machine may add to it
	patience     = 30 * time.Second // for what has to happen, with no promise when
	lanes        = 16               // cases of one operation at once
	casesAModel  = 4
)

// An operation moves a model from its n-th state to the next, and fails if it is in another. done says in which it is.
type operation struct {
	name string
	do   func(ctx context.Context, r modelregistry.Registry, model string, n int) error
	done func(*modelregistry.Event) bool
}

var operations = []operation{
	{"register",
		func(ctx context.Context, r modelregistry.Registry, model string, n int) error {
			v, err := r.Register(ctx, model, modelregistry.VersionSpec{Tags: map[string]string{"a": "b"}})
			if err == nil && v.Number != n+3 { // behind the two that a model begins with
				return fmt.Errorf("number %d; want %d", v.Number, n+3)
			}
			return err
		},
		func(e *modelregistry.Event) bool { return e.Kind == modelregistry.VersionRegistered && e.Version > 2 }},
	{"promote",
		func(ctx context.Context, r modelregistry.Registry, model string, n int) error {
			holder := turn(n)
			_, err := r.Promote(ctx, model, turn(n+1), modelregistry.Production, &modelregistry.PromoteOptions{IfCurrent: &holder})
			return err
		},
		func(e *modelregistry.Event) bool { return e.Stage == modelregistry.Production }},
	{"move alias",
		func(ctx context.Context, r modelregistry.Registry, model string, n int) error {
			holder := turn(n)
			_, err := r.SetAlias(ctx, model, "champion", turn(n+1), &modelregistry.AliasOptions{IfCurrent: &holder})
			return err
		},
		func(e *modelregistry.Event) bool {
			return e.Kind == modelregistry.AliasSet && e.Alias == "champion"
		}},
}

// turn is the version whose turn it is after n changes: none, 1, 2, 1, 2 …
func turn(n int) int {
	if n == 0 {
		return 0
	}
	return 2 - n%2
}

func (op *operation) count(ctx context.Context, r modelregistry.Registry, model string) (n int, err error) {
	for e, err := range r.Events(ctx, modelregistry.EventQuery{Model: model}) {
		if err != nil {
			return 0, err
		}
		if op.done(e) {
			n++
		}
	}
	return n, nil
}

func openRegistry(t testing.TB, dsn string) (modelregistry.Registry, io.Closer) {
	t.Helper()
	b, err := postgres.Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	r, err := modelregistry.New(t.Context(), b, nil, nil)
	require.NoError(t, err)
	return r, b
}

// A point is a place in a conversation.
type point struct {
	side      netfault.Side
	n         int
	after     bool
	name      string
	ambiguous bool // once nothing comes through here, a client that gives up cannot know what it did
}

// points are all places between the messages of a conversation. Behind a message is not the same place as before the
// next if that one is the answer: before it, the server has done what it answers.
func points(said []netfault.Message) []point {
	commit := len(said)
	for i, m := range said {
		if m.From == netfault.Client && m.Text == "COMMIT" {
			commit = i
		}
	}
	var all []point
	for i, m := range said {
		name := fmt.Sprintf("%s's message %d, %q %.20s", m.From, m.N, m.Type, m.Text)
		all = append(all, point{m.From, m.N, false, "before the " + name, i >= commit})
		if i+1 == len(said) || said[i+1].From != m.From {
			all = append(all, point{m.From, m.N, true, "after the " + name, i+1 >= commit})
		}
	}
	return all
}

// converse records what is said on a new connection.
func converse(t testing.TB, p *netfault.Proxy, call func() error) []netfault.Message {
	t.Helper()
	p.Sever()
	trap := p.Arm(nil)
	require.NoError(t, call())
	return trap.Messages()
}

// within fails the test if done is not closed soon.
func within(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Errorf("%s: nothing happened in %s", what, patience)
	}
}

// linger gives a client the time to come to where it waits for an answer.
func linger(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

// start makes a call.
func start(call func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return done
}

// until waits for a call whose context has just ended.
func until(t testing.TB, what string, call <-chan error) error {
	t.Helper()
	start := time.Now()
	select {
	case err := <-call:
		if took := time.Since(start); took > afterContext+slack {
			t.Errorf("%s: the call went on for %s after its context", what, took)
		}
		return err
	case <-time.After(patience):
		t.Errorf("%s: the call did not end", what)
		return context.DeadlineExceeded
	}
}

// closed fails the test if a client that was closed has left connections open.
func closed(t testing.TB, p *netfault.Proxy) {
	t.Helper()
	assert.Eventually(t, func() bool { return p.Open() == 0 }, patience, 5*time.Millisecond, "connections were left open")
}

func TestABreakAtAnyMessageAppliesNothingTwiceAndLosesNothing(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	direct, b := openRegistry(t, dsn)
	defer func() { require.NoError(t, b.Close()) }()
	// Every day a part of them, another each time; it is the whole that make test asks for.
	every := 8
	if os.Getenv("MODELREGISTRY_TEST_THOROUGH") != "" {
		every = 1
	}
	score := &score{}
	var wg sync.WaitGroup
	for _, op := range operations {
		var all []*lane
		for i := range lanes {
			p, through := netfault.New(t, dsn)
			r, b := openRegistry(t, through)
			l := &lane{op: op, proxy: p, through: r, direct: direct, store: b, score: score, name: fmt.Sprintf("%s %d", op.name, i)}
			require.NoError(t, l.renew(t.Context()))
			all = append(all, l)
		}
		said := converse(t, all[0].proxy, func() error { return all[0].next(t.Context()) })
		require.Greater(t, len(said), 50)
		cases := make(chan breach, 5*2*len(said))
		n := rand.IntN(every)
		for _, p := range points(said) {
			for _, kind := range []netfault.Kind{netfault.FIN, netfault.RST, netfault.Ghost, netfault.Hole, netfault.HalfHole} {
				if n++; n%every == 0 {
					cases <- breach{p, kind}
				}
			}
		}
		close(cases)
		for _, l := range all {
			wg.Go(func() {
				for c := range cases {
					l.try(t, c)
				}
				l.close(t)
			})
		}
	}
	wg.Wait()
	require.NoError(t, registrytest.Check(t.Context(), direct))
	t.Log(score)
}

// A breach is a break of a connection at a point.
type breach struct {
	point
	kind netfault.Kind
}

// silent says that a client cannot see it.
func (b breach) silent() bool { return b.kind == netfault.Hole || b.kind == netfault.HalfHole }

// score counts how calls ended.
type score struct{ succeeded, failed, unknown atomic.Int64 }

func (s *score) String() string {
	return fmt.Sprintf("%d calls succeeded, %d failed and were not applied, %d failed and were", s.succeeded.Load(), s.failed.Load(), s.unknown.Load())
}

// A lane is a client behind a proxy, and the model that it works on.
type lane struct {
	op      operation
	proxy   *netfault.Proxy
	through modelregistry.Registry
	store   io.Closer // of through
	direct  modelregistry.Registry
	score   *score

	name  string
	model string
	tries int
	state int
}

// renew makes another model: what a check costs grows with the history.
func (l *lane) renew(ctx context.Context) error {
	l.model = fmt.Sprintf("%s, model %d", l.name, l.tries/casesAModel)
	for range 2 {
		if _, err := l.direct.Register(ctx, l.model, modelregistry.VersionSpec{}); err != nil {
			return err
		}
	}
	for l.state = 0; l.state < 2; l.state++ { // from the second on, all changes are alike
		if err := l.op.do(ctx, l.direct, l.model, l.state); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) next(ctx context.Context) error {
	err := l.op.do(ctx, l.through, l.model, l.state)
	if err == nil {
		l.state++
	}
	return err
}

// try makes a call on a connection that breaks, and looks what became of it.
func (l *lane) try(t testing.TB, b breach) {
	what := fmt.Sprintf("%s, %s %s", l.name, b.kind, b.name)
	if l.tries++; l.tries%casesAModel == 0 {
		if err := l.renew(t.Context()); err != nil {
			t.Errorf("%s: %v", l.name, err)
			return
		}
	}
	err := l.call(t, what, b)
	done, e := l.op.count(t.Context(), l.direct, l.model)
	if e != nil {
		t.Errorf("%s: %v", what, e)
		return
	}
	done -= l.state
	l.state += done
	switch {
	case err == nil:
		l.score.succeeded.Add(1)
		if done != 1 {
			t.Errorf("%s: the call succeeded and was applied %d times", what, done)
		}
	case !b.silent():
		t.Errorf("%s: the call failed though its context went on: %v", what, err)
	case !errors.Is(err, context.Canceled):
		t.Errorf("%s: the call failed for another reason than its context: %v", what, err)
	case done == 0:
		l.score.failed.Add(1)
	case done == 1 && b.ambiguous:
		l.score.unknown.Add(1)
	default:
		t.Errorf("%s: the call failed and was applied %d times: %v", what, done, err)
	}
	if err := registrytest.CheckModel(t.Context(), l.direct, l.model); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.next(ctx); err != nil {
		t.Errorf("%s: the next call: %v", what, err)
	}
}

// call returns the call's error when nothing more can come of it.
func (l *lane) call(t testing.TB, what string, b breach) error {
	l.proxy.Sever()
	trap := l.proxy.Arm(&netfault.Cut{Kind: b.kind, From: b.side, N: b.n, After: b.after})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	call := start(func() error { return l.op.do(ctx, l.through, l.model, l.state) })
	within(t, trap.Met(), what)
	if !b.silent() {
		err := <-call
		l.proxy.Heal() // so that the server hears of a ghost
		return err
	}
	if b.kind == netfault.Hole {
		linger(ctx)
	}
	cancel()
	err := until(t, what, call)
	l.proxy.Heal()
	if err != nil {
		within(t, trap.Gone(), what+": the connection was given up and is open")
	}
	return err
}

func (l *lane) close(t testing.TB) {
	if err := l.store.Close(); err != nil {
		t.Errorf("%s: %v", l.name, err)
	}
	closed(t, l.proxy)
}

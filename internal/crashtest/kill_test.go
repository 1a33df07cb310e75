package crashtest

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	stores        = 12 // one after the other, two at a time; so that checking them stays quick
	everydayKills = 60 // in all
	thoroughKills = 300
	killTime      = 2 * time.Minute
)

func TestKilledProcess(t *testing.T) {
	seed := newSeed(t)
	kills := everydayKills
	if os.Getenv("MODELREGISTRY_TEST_THOROUGH") != "" {
		kills = thoroughKills
	}
	deadline := time.Now().Add(killTime)
	var total tally
	t.Run("stores", func(t *testing.T) {
		for i := range stores {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				killAndCheck(t, rand.New(rand.NewPCG(seed, uint64(i))), (kills+i)/stores, deadline, &total)
			})
		}
	})
	t.Logf("%d kills (%d before the store was open, %d during a sweep), %d operations acknowledged, %d under way, %d files left in tmp",
		total.kills.Load(), total.early.Load(), total.sweeps.Load(), total.acknowledged.Load(), total.open.Load(), total.leftovers.Load())
	require.Positive(t, total.acknowledged.Load())
	require.Positive(t, total.open.Load(), "no kill came while something was under way")
}

// tally counts what the kills hit.
type tally struct{ kills, early, sweeps, acknowledged, open, leftovers atomic.Int64 }

// killAndCheck kills children on one store until the deadline, and checks it after each.
func killAndCheck(t *testing.T, choice *rand.Rand, kills int, deadline time.Time, total *tally) {
	ctx := t.Context()
	dir := t.TempDir()
	at := location{Rows: dir, Blobs: filepath.Join(dir, "bucket")}
	j := newJournal()
	for range kills {
		if time.Now().After(deadline) {
			break
		}
		at.Ahead += 2 * time.Hour
		l := load{Store: at, Seed: choice.Uint64(), Workers: 6, Sweep: choice.IntN(4) == 0}
		at.Ahead += 2 * time.Hour
		// With somebody else at work on the file, its log is not recovered but goes on.
		var witness *store
		if choice.IntN(2) == 0 {
			var err error
			witness, err = at.open(ctx)
			require.NoError(t, err)
		}
		c := start(t, l)
		ready := killSometime(t, c, l.Sweep, choice)
		total.count(c, ready, l.Sweep)
		require.NoError(t, j.note(c.said, false, len(c.said)))
		s, err := at.open(ctx)
		require.NoError(t, err)
		require.NoError(t, j.check(ctx, s, false), "%+v", l)
		require.NoError(t, j.checkNext(ctx, s, choice.Uint64()|1))
		require.NoError(t, s.close())
		if witness != nil {
			require.NoError(t, j.check(ctx, witness, false))
			require.NoError(t, witness.close())
		}
	}
	checkEnd(t, at, j, total)
}

// killSometime kills the child within some milliseconds: of its start, or of a random operation.
func killSometime(t *testing.T, c *child, sweeps bool, choice *rand.Rand) (ready bool) {
	moment := time.Duration(choice.IntN(60_000)) * time.Microsecond
	never := func(m message) bool { ready = ready || m.Ready; return false }
	if choice.IntN(6) > 0 {
		c.await(t, isReady)
		ready = true
		moment /= 20
		lines := choice.IntN(100)
		if sweeps {
			lines /= 4 // registrations wait for sweeps
		}
		for range lines {
			c.await(t, func(message) bool { return true })
		}
	}
	alive := c.listen(moment, never)
	stderr := c.kill()
	require.True(t, alive, "the child ended by itself: %s", stderr)
	return ready
}

func (n *tally) count(c *child, ready, sweep bool) {
	n.kills.Add(1)
	if !ready {
		n.early.Add(1)
	}
	if sweep {
		n.sweeps.Add(1)
	}
	for _, m := range c.said {
		if m.Begin != nil {
			n.open.Add(1)
		}
		if m.End != nil {
			n.open.Add(-1)
			n.acknowledged.Add(1)
		}
	}
}

// checkEnd reads all, ages what was left in the bucket, and sweeps.
func checkEnd(t *testing.T, at location, j *journal, total *tally) {
	ctx := context.WithoutCancel(t.Context())
	at.Ahead += 2 * time.Hour
	s, err := at.open(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	require.NoError(t, j.check(ctx, s, true))
	left, err := at.leftovers()
	require.NoError(t, err)
	total.leftovers.Add(int64(len(left)))
	longAgo := time.Now().Add(-48 * time.Hour)
	for _, path := range left {
		require.NoError(t, os.Chtimes(path, longAgo, longAgo))
	}
	require.NoError(t, j.checkSweep(ctx, s))
	left, err = at.leftovers()
	require.NoError(t, err)
	require.Empty(t, left, "left by processes that were killed long ago")
	require.NoError(t, j.check(ctx, s, true), "after the sweep")
	require.NoError(t, j.checkNext(ctx, s, 1))
	require.NoError(t, at.integrity(ctx))
}

package crashtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	cuts      = 10
	imageSize = 96 // MiB
	newStore  = 4  // rounds that a store lives
)

// TestPowerLoss shuts file systems down beneath a load, so that they come back with what was synced and nothing more.
//
// The SQLite file and the bucket are on two file systems in every other round: on one of them, each sync of either makes
// the other's directory entries durable too. In every third round the load has come to rest: nothing that was
// acknowledged last can be durable by a sync that came later.
func TestPowerLoss(t *testing.T) {
	choice := rand.New(rand.NewPCG(newSeed(t), 0))
	p := &power{rows: newImage(t, imageSize), blobs: newImage(t, imageSize)}
	var acknowledged, lost int
	var at location
	var j *journal
	for round := range cuts {
		if round%newStore == 0 {
			at, j = p.location(t, "store-"+strconv.Itoa(round), round%(2*newStore) == 0), newJournal()
		}
		l := load{Store: at, Seed: choice.Uint64(), Workers: 6}
		if round%3 == 2 {
			l.Ops = 1 + choice.IntN(20)
		}
		done, open := p.loseUnder(t, l, j, choice)
		acknowledged, lost = acknowledged+done, lost+open
		at.Ahead += 2 * time.Hour
		require.NoError(t, p.check(t, at, j), "round %d: %+v", round, l)
		at.Ahead += 2 * time.Hour
	}
	t.Logf("%d cuts, %d operations acknowledged, %d under way", cuts, acknowledged, lost)
	require.Positive(t, acknowledged)
	require.Positive(t, lost, "no cut came while something was under way")
}

// TestPowerLossIsNoticed takes single syncs away, to see that TestPowerLoss would fail without them.
func TestPowerLossIsNoticed(t *testing.T) {
	seed := newSeed(t)
	p := &power{rows: newImage(t, imageSize), blobs: newImage(t, imageSize)}
	for _, weak := range []weakness{"", unsyncedLog, unsyncedFiles, unsyncedFolders} {
		t.Run(cmp.Or(string(weak), "everything is synced"), func(t *testing.T) {
			// What is lost may be a file of a version that was deleted since, which is nobody's loss.
			for try := range 4 {
				at, j := p.location(t, fmt.Sprintf("weak-%s-%d", weak, try), true), newJournal()
				at.Weak = weak
				// Few operations: now and then SQLite moves its log into the file, and then syncs both.
				l := load{Store: at, Seed: seed + uint64(try), Workers: 6, Ops: 4}
				p.loseUnder(t, l, j, rand.New(rand.NewPCG(seed, 1)))
				at.Weak = ""
				err := p.check(t, at, j)
				if weak == "" {
					require.NoError(t, err)
				} else if err != nil {
					t.Logf("noticed: %v", err)
					return
				}
			}
			require.Empty(t, weak, "nothing was lost")
		})
	}
}

// power is a machine with two disks.
type power struct{ rows, blobs *image }

func (p *power) location(t *testing.T, name string, twoDisks bool) location {
	rows := filepath.Join(p.rows.folder, name)
	require.NoError(t, os.Mkdir(rows, 0o777))
	if !twoDisks {
		return location{Rows: rows, Blobs: filepath.Join(rows, "bucket")}
	}
	return location{Rows: rows, Blobs: filepath.Join(p.blobs.folder, name)}
}

// loseUnder starts the load and cuts the power at some moment: sometime, or when the load has come to rest. It returns how
// many operations had been acknowledged and how many were under way.
func (p *power) loseUnder(t *testing.T, l load, j *journal, choice *rand.Rand) (acknowledged, open int) {
	// What the parent has made is not what is tested.
	p.rows.sync(t)
	p.blobs.sync(t)
	c := start(t, l)
	c.await(t, isReady)
	if l.Ops > 0 {
		c.await(t, isIdle)
	} else {
		for range choice.IntN(600) {
			c.await(t, func(message) bool { return true })
		}
		c.listen(time.Duration(choice.IntN(5000))*time.Microsecond, func(message) bool { return false })
	}
	// The rows first: a Put of a moment between the two is followed by a commit that fails.
	intime := len(c.said)
	p.rows.cut(t)
	p.blobs.cut(t)
	if l.Ops == 0 {
		// What it does without power has to fail, which ends the workers; or the process, where a mapped page is gone.
		c.listen(patience, isIdle)
	}
	c.kill()
	p.rows.restart(t)
	p.blobs.restart(t)
	for _, m := range c.said {
		if m.Begin != nil {
			open++
		}
		if m.End != nil && m.End.Error == "" {
			open--
			acknowledged++
		}
	}
	require.NoError(t, j.note(c.said, true, intime))
	return acknowledged, open
}

// check opens the store after the power is back and compares it with the journal.
func (p *power) check(t *testing.T, at location, j *journal) error {
	ctx := t.Context()
	s, err := at.open(ctx)
	if err != nil {
		return err
	}
	defer func() { require.NoError(t, s.close()) }()
	if err := at.integrity(ctx); err != nil {
		return err
	}
	if err := j.check(ctx, s, true); err != nil {
		return err
	}
	return j.checkNext(ctx, s, rand.Uint64()|1)
}

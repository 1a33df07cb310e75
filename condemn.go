package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// condemnation is the document of a condemned blob.
type condemnation struct {
	Sweep string `json:"sweep"` // which one
	// Running are the leases that Sweep waits for before it removes the blob: those registrations need not wait for it.
	Running []string `json:"running,omitempty"`
}

func decodeCondemnation(row backend.Row) (c condemnation, err error) {
	if err := json.Unmarshal(row.Doc, &c); err != nil {
		return c, fmt.Errorf("condemned blob %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return c, nil
}

// A sweeping is a Sweep that removes, as others see it: a row that beats, and the rows of the blobs that it has condemned.
type sweeping struct {
	r    *registry
	id   string
	stop func()
	// late are blobs whose removal failed, and may yet happen. They stay condemned, and the Sweep's row stays without
	// beating, so that registrations wait for as long as that could take.
	late map[string]bool
}

// errTaken ends a Sweep that was taken for dead.
var errTaken = fmt.Errorf("%w: this sweep did not move for so long that others took it for dead; what is left is for the next one", ErrConflict)

// beginSweep makes the row and lets it beat until end.
func (r *registry) beginSweep(ctx context.Context) (*sweeping, error) {
	s := &sweeping{r: r, id: newID(), late: map[string]bool{}}
	row, err := beatRow(s.id, 0)
	if err == nil {
		err = r.backend.Update(ctx, []string{sweepLock}, func(tx backend.Tx) error { return tx.Put(tableSweeps, row) })
	}
	if err != nil {
		return nil, fmt.Errorf("begin to remove: %w", err)
	}
	beating, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(sweepTime / 30)
		defer tick.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-tick.C:
				_ = s.beat(beating) // who removes looks for itself
			}
		}
	})
	s.stop = func() { cancel(); wg.Wait() }
	return s, nil
}

// beat tells others that the Sweep lives; errTaken if they have stopped waiting for it.
func (s *sweeping) beat(ctx context.Context) error {
	return s.r.backend.Update(ctx, []string{sweepLock}, func(tx backend.Tx) error {
		row, err := tx.Get(tableSweeps, backend.StringValue(s.id))
		if errors.Is(err, backend.ErrNotFound) {
			return errTaken
		}
		if err != nil {
			return fmt.Errorf("read the row of the sweep: %w", err)
		}
		count, err := beatOf(row)
		if err != nil {
			return err
		}
		if row, err = beatRow(s.id, count+1); err != nil {
			return err
		}
		return tx.Put(tableSweeps, row)
	})
}

// end removes the row, also when ctx has ended.
func (s *sweeping) end(ctx context.Context) {
	s.stop()
	if len(s.late) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// If this fails others take it away in time.
	_ = s.r.backend.Update(ctx, []string{sweepLock}, func(tx backend.Tx) error { return endSweep(tx, s.id) })
}

// awaitOthers waits until each Sweep that was there first has ended or is seen to live. One that is dead is taken away, with
// what it had condemned.
func (s *sweeping) awaitOthers(ctx context.Context) error {
	w, live := s.r.newWatch(), map[string]bool{s.id: true}
	var pace pacer
	for {
		rows, err := s.r.backend.Find(ctx, backend.Query{Table: tableSweeps})
		if err != nil {
			return fmt.Errorf("read other sweeps: %w", err)
		}
		waiting := 0
		for _, row := range rows {
			id := row.Key[0].Str()
			if live[id] {
				continue
			}
			count, err := beatOf(row)
			if err != nil {
				return err
			}
			still, moved := w.look(id, count)
			switch {
			case moved:
				live[id] = true
			case still >= sweepTime:
				if err := s.r.takeAway(ctx, id, count); err != nil {
					return err
				}
			default:
				waiting++
			}
		}
		if waiting == 0 {
			return nil
		}
		if err := pace.pause(ctx); err != nil {
			return fmt.Errorf("wait for %d other sweeps: %w", waiting, err)
		}
		w.again()
	}
}

// noBeat stands for a Sweep whose row is gone.
const noBeat = -1

// takeAway ends a Sweep from outside, if its beat is still the same. It removes nothing from then on.
func (r *registry) takeAway(ctx context.Context, id string, count int64) error {
	err := r.backend.Update(ctx, []string{sweepLock}, func(tx backend.Tx) error {
		key := backend.Key{backend.StringValue(id)}
		row, err := tx.Get(tableSweeps, key...)
		switch {
		case errors.Is(err, backend.ErrNotFound):
		case err != nil:
			return err
		default:
			if now, err := beatOf(row); err != nil || now != count {
				return err
			}
		}
		return endSweep(tx, id)
	})
	if err != nil {
		return fmt.Errorf("take away what a dead sweep has condemned: %w", err)
	}
	return nil
}

// endSweep removes the row of a Sweep, and what rows it has of condemned blobs.
func endSweep(tx backend.Tx, id string) error {
	rows, err := tx.Find(backend.Query{Table: tableCondemned, Where: []backend.Cond{{Field: "sweep", Value: backend.StringValue(id)}}})
	if err != nil {
		return err
	}
	if err := tx.Delete(tableCondemned, keysOf(rows)...); err != nil {
		return err
	}
	return tx.Delete(tableSweeps, backend.Key{backend.StringValue(id)})
}

// condemn writes the rows that make later registrations wait, and returns the blobs that it did it for and the leases of
// the registrations that run now. It holds the locks of all leases, so that a registration is one or the other. What
// another Sweep has condemned is left to it: a row speaks for one Sweep, and is gone when that one is done.
func (s *sweeping) condemn(ctx context.Context, batch []BlobInfo) (condemned []BlobInfo, running []backend.Value, err error) {
	err = s.r.backend.Update(ctx, append(allUploadLocks(), sweepLock), func(tx backend.Tx) error {
		if _, err := tx.Get(tableSweeps, backend.StringValue(s.id)); errors.Is(err, backend.ErrNotFound) {
			return errTaken
		} else if err != nil {
			return fmt.Errorf("read the row of the sweep: %w", err)
		}
		leases, err := tx.Find(backend.Query{Table: tableUploads})
		if err != nil {
			return fmt.Errorf("read leases: %w", err)
		}
		running = nil
		c := condemnation{Sweep: s.id}
		for _, row := range leases {
			running = append(running, row.Key[0])
			c.Running = append(c.Running, row.Key[0].Str())
		}
		doc, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode condemnation: %w", err)
		}
		taken, err := tx.Find(condemnedOf(batch))
		if err != nil {
			return err
		}
		condemned = slices.DeleteFunc(slices.Clone(batch), func(info BlobInfo) bool {
			return slices.ContainsFunc(taken, func(row backend.Row) bool { return row.Key[0].Str() == info.Digest })
		})
		rows := make([]backend.Row, len(condemned))
		for i, info := range condemned {
			rows[i] = backend.Row{Key: backend.Key{backend.StringValue(info.Digest)}, Doc: doc,
				Fields: map[string]any{"sweep": backend.StringValue(s.id)}}
		}
		slices.SortFunc(rows, func(a, b backend.Row) int { return a.Key.Compare(b.Key) })
		return tx.Put(tableCondemned, rows...)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("condemn blobs: %w", err)
	}
	return condemned, running, nil
}

// condemnedOf selects the rows of blobs.
func condemnedOf(batch []BlobInfo) backend.Query {
	return backend.Query{Table: tableCondemned, Where: []backend.Cond{{Field: "digest", Op: backend.In, Values: digestsOf(batch)}}}
}

func digestsOf(batch []BlobInfo) []backend.Value {
	digests := make([]backend.Value, len(batch))
	for i, info := range batch {
		digests[i] = backend.StringValue(info.Digest)
	}
	slices.SortFunc(digests, backend.Value.Compare)
	return digests
}

func keysOf(rows []backend.Row) []backend.Key {
	keys := make([]backend.Key, len(rows))
	for i, row := range rows {
		keys[i] = row.Key
	}
	return keys
}

// pardon removes the rows of condemn but those of late removals, also when ctx has ended.
func (s *sweeping) pardon(ctx context.Context, batch []BlobInfo) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// If this fails others take the rows away in time.
	_ = s.r.backend.Update(ctx, []string{sweepLock}, func(tx backend.Tx) error {
		rows, err := tx.Find(condemnedOf(batch))
		if err != nil {
			return err
		}
		var keys []backend.Key
		for _, row := range rows {
			c, err := decodeCondemnation(row)
			if err != nil {
				return err
			}
			if c.Sweep == s.id && !s.late[row.Key[0].Str()] { // another's, if this one was taken away
				keys = append(keys, row.Key)
			}
		}
		return tx.Delete(tableCondemned, keys...)
	})
}

// awaitUploads waits until the leases are given back, and takes away those of dead programs, so that their registrations,
// should they wake up, cannot commit. It returns how many live on after some time.
func (r *registry) awaitUploads(ctx context.Context, leases []backend.Value) (left int, err error) {
	w, really := r.newWatch(), time.Now()
	const patience = leaseTime + leaseTime/2
	var pace pacer
	for len(leases) > 0 {
		slices.SortFunc(leases, backend.Value.Compare)
		rows, err := r.backend.Find(ctx, backend.Query{Table: tableUploads, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: leases}}})
		if err != nil {
			return 0, fmt.Errorf("read leases: %w", err)
		}
		leases = leases[:0]
		dead := map[string]int64{}
		for _, row := range rows {
			count, err := beatOf(row)
			if err != nil {
				return 0, err
			}
			leases = append(leases, row.Key[0])
			if still, _ := w.look(row.Key[0].Str(), count); still >= leaseTime {
				dead[row.Key[0].Str()] = count
			}
		}
		if len(dead) > 0 {
			if err := r.endLeases(ctx, dead); err != nil {
				return 0, err
			}
			continue
		}
		if len(leases) == 0 {
			return 0, nil
		}
		if w.lasted() > patience || time.Since(really) > patience {
			return len(leases), nil
		}
		if err := pace.pause(ctx); err != nil {
			return 0, fmt.Errorf("wait for %d registrations: %w", len(leases), err)
		}
		w.again()
	}
	return 0, nil
}

// endLeases takes away leases whose beat is still the same under the locks of all leases.
func (r *registry) endLeases(ctx context.Context, dead map[string]int64) error {
	var ids []backend.Value
	for id := range dead {
		ids = append(ids, backend.StringValue(id))
	}
	slices.SortFunc(ids, backend.Value.Compare)
	err := r.backend.Update(ctx, allUploadLocks(), func(tx backend.Tx) error {
		rows, err := tx.Find(backend.Query{Table: tableUploads, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: ids}}})
		if err != nil {
			return err
		}
		var keys []backend.Key
		for _, row := range rows {
			count, err := beatOf(row)
			if err != nil {
				return err
			}
			if count == dead[row.Key[0].Str()] {
				keys = append(keys, row.Key)
			}
		}
		return tx.Delete(tableUploads, keys...)
	})
	if err != nil {
		return fmt.Errorf("take away leases of dead programs: %w", err)
	}
	return nil
}

// awaitSweep waits until the Sweeps are done that had condemned any of the files before the lease began, and says whether
// there were any: then the files have to be stored again, for they may have been removed since they were found stored.
func (up *upload) awaitSweep(ctx context.Context) (again bool, err error) {
	var digests []backend.Value
	for _, f := range up.files {
		if up.condemned[f.Digest] != "" {
			digests = append(digests, backend.StringValue(f.Digest))
		}
	}
	up.condemned = nil
	slices.SortFunc(digests, backend.Value.Compare)
	digests = slices.Compact(digests)
	w := up.r.newWatch()
	var pace pacer
	for batch := range slices.Chunk(digests, sweepPage) {
		for {
			left, err := up.r.condemned(ctx, up.lease, batch)
			if err != nil {
				return false, fmt.Errorf("look for a sweep: %w", err)
			}
			if len(left) == 0 {
				break
			}
			if err := up.r.takeAwayDead(ctx, w, left); err != nil {
				return false, err
			}
			if w.lasted() > 3*sweepTime {
				return false, fmt.Errorf("%w: a sweep has been removing content of these files for %v; try again when it is done", ErrConflict, w.lasted())
			}
			if err := pace.pause(ctx); err != nil {
				return false, fmt.Errorf("wait for a sweep: %w", err)
			}
			w.again()
		}
	}
	return len(digests) > 0, nil
}

// takeAwayDead looks at the Sweeps that have condemned blobs, and ends those that do not move.
func (r *registry) takeAwayDead(ctx context.Context, w *watch, condemned map[string]string) error {
	beats := map[string]int64{}
	for _, sweep := range condemned {
		beats[sweep] = noBeat
	}
	rows, err := r.backend.Find(ctx, backend.Query{Table: tableSweeps})
	if err != nil {
		return fmt.Errorf("read sweeps: %w", err)
	}
	for _, row := range rows {
		if _, ok := beats[row.Key[0].Str()]; !ok {
			continue
		}
		if beats[row.Key[0].Str()], err = beatOf(row); err != nil {
			return err
		}
	}
	for id, count := range beats {
		if still, _ := w.look(id, count); still >= sweepTime {
			if err := r.takeAway(ctx, id, count); err != nil {
				return err
			}
		}
	}
	return nil
}

// condemned are those of the digests, or with none of all, that a Sweep which does not wait for the lease is about to
// remove, and which Sweep.
func (r *registry) condemned(ctx context.Context, lease string, digests []backend.Value) (map[string]string, error) {
	q := backend.Query{Table: tableCondemned}
	if len(digests) > 0 {
		q.Where = []backend.Cond{{Field: "digest", Op: backend.In, Values: digests}}
	}
	rows, err := r.backend.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, row := range rows {
		c, err := decodeCondemnation(row)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(c.Running, lease) {
			found[row.Key[0].Str()] = c.Sweep
		}
	}
	return found, nil
}

// A pacer makes pauses between looks at what others do: short ones first, for most are done at once.
type pacer struct{ last time.Duration }

func (p *pacer) pause(ctx context.Context) error {
	p.last = min(max(2*p.last, sweepWait/40), sweepWait)
	timer := time.NewTimer(p.last)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

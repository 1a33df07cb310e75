package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// condemnation is the document of a condemned blob.
type condemnation struct {
	Sweep string `json:"sweep"` // which one
	// Running are the leases that Sweep waits for before it removes the blob: those registrations need not wait for it.
	Running []string `json:"running,omitempty"`
}

// condemn writes the rows that make later registrations wait, and returns the blobs that it did it for and the leases of
// the registrations that run now. It holds the locks of all leases, so that a registration is one or the other. What
// another Sweep has condemned is left to it: a row speaks for one Sweep, and is gone when that one is done.
func (r *registry) condemn(ctx context.Context, sweep string, batch []BlobInfo, expires time.Time) (condemned []BlobInfo, running []backend.Value, err error) {
	err = r.backend.Update(ctx, append(allUploadLocks(), sweepLock), func(tx backend.Tx) error {
		leases, err := tx.Find(backend.Query{Table: tableUploads})
		if err != nil {
			return fmt.Errorf("read leases: %w", err)
		}
		running = nil
		c := condemnation{Sweep: sweep}
		for _, row := range leases {
			running = append(running, row.Key[0])
			c.Running = append(c.Running, row.Key[0].Str())
		}
		doc, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode condemnation: %w", err)
		}
		if err := dropExpired(tx, r.now()); err != nil {
			return err
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
				Fields: map[string]any{"expires": backend.TimeValue(expires)}}
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

// dropExpired removes the rows of a Sweep that died.
func dropExpired(tx backend.Tx, now time.Time) error {
	rows, err := tx.Find(backend.Query{Table: tableCondemned, Where: []backend.Cond{{Field: "expires", Op: backend.Lt, Value: backend.TimeValue(now)}}})
	if err != nil || len(rows) == 0 {
		return err
	}
	return tx.Delete(tableCondemned, keysOf(rows)...)
}

func keysOf(rows []backend.Row) []backend.Key {
	keys := make([]backend.Key, len(rows))
	for i, row := range rows {
		keys[i] = row.Key
	}
	return keys
}

// pardon removes the rows of condemn, also when ctx has ended. A Sweep that took too long may find another's in their place.
func (r *registry) pardon(ctx context.Context, sweep string, batch []BlobInfo) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// If this fails the rows expire.
	_ = r.backend.Update(ctx, []string{sweepLock}, func(tx backend.Tx) error {
		rows, err := tx.Find(condemnedOf(batch))
		if err != nil {
			return err
		}
		var keys []backend.Key
		for _, row := range rows {
			var c condemnation
			if err := json.Unmarshal(row.Doc, &c); err != nil {
				return err
			}
			if c.Sweep == sweep {
				keys = append(keys, row.Key)
			}
		}
		return tx.Delete(tableCondemned, keys...)
	})
}

// awaitUploads waits until the leases are given back or have expired. An expired one is taken away, so that its
// registration, should it wake up, cannot commit.
func (r *registry) awaitUploads(ctx context.Context, leases []backend.Value) error {
	for len(leases) > 0 {
		slices.SortFunc(leases, backend.Value.Compare)
		rows, err := r.backend.Find(ctx, backend.Query{Table: tableUploads, Where: []backend.Cond{{Field: "id", Op: backend.In, Values: leases}}})
		if err != nil {
			return fmt.Errorf("read leases: %w", err)
		}
		leases = leases[:0]
		for _, row := range rows {
			leases = append(leases, row.Key[0])
		}
		if len(leases) == 0 {
			return nil
		}
		expired, err := r.backend.Find(ctx, backend.Query{Table: tableUploads, Where: []backend.Cond{
			{Field: "id", Op: backend.In, Values: leases},
			{Field: "expires", Op: backend.Lt, Value: backend.TimeValue(r.now())},
		}})
		if err != nil {
			return fmt.Errorf("read leases: %w", err)
		}
		if len(expired) > 0 {
			if err := r.expire(ctx, expired); err != nil {
				return err
			}
			continue
		}
		if err := pause(ctx, sweepWait); err != nil {
			return fmt.Errorf("wait for %d registrations: %w", len(leases), err)
		}
	}
	return nil
}

// expire takes away leases that are still expired under the locks of all leases.
func (r *registry) expire(ctx context.Context, leases []backend.Row) error {
	ids := make([]backend.Value, len(leases))
	for i, row := range leases {
		ids[i] = row.Key[0]
	}
	err := r.backend.Update(ctx, allUploadLocks(), func(tx backend.Tx) error {
		rows, err := tx.Find(backend.Query{Table: tableUploads, Where: []backend.Cond{
			{Field: "id", Op: backend.In, Values: ids},
			{Field: "expires", Op: backend.Lt, Value: backend.TimeValue(r.now())},
		}})
		if err != nil {
			return err
		}
		return tx.Delete(tableUploads, keysOf(rows)...)
	})
	if err != nil {
		return fmt.Errorf("take away expired leases: %w", err)
	}
	return nil
}

// awaitSweep waits until the Sweeps are done that had condemned any of the files before the lease began, and says whether
// there were any: then the files have to be stored again, for they may have been removed since they were found stored.
func (up *upload) awaitSweep(ctx context.Context) (again bool, err error) {
	var digests []backend.Value
	for _, f := range up.files {
		if up.condemned[f.Digest] {
			digests = append(digests, backend.StringValue(f.Digest))
		}
	}
	up.condemned = nil
	slices.SortFunc(digests, backend.Value.Compare)
	digests = slices.Compact(digests)
	for batch := range slices.Chunk(digests, sweepPage) {
		for {
			left, err := up.r.condemned(ctx, up.lease, batch)
			if err != nil {
				return false, fmt.Errorf("look for a sweep: %w", err)
			}
			if len(left) == 0 {
				break
			}
			if err := pause(ctx, sweepWait); err != nil {
				return false, fmt.Errorf("wait for a sweep: %w", err)
			}
		}
	}
	return len(digests) > 0, nil
}

// condemned are those of the digests, or with none of all, that a Sweep which does not wait for the lease is about to remove.
func (r *registry) condemned(ctx context.Context, lease string, digests []backend.Value) (map[string]bool, error) {
	q := backend.Query{Table: tableCondemned, Where: []backend.Cond{{Field: "expires", Op: backend.Gt, Value: backend.TimeValue(r.now())}}}
	if len(digests) > 0 {
		q.Where = append(q.Where, backend.Cond{Field: "digest", Op: backend.In, Values: digests})
	}
	rows, err := r.backend.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, row := range rows {
		var c condemnation
		if err := json.Unmarshal(row.Doc, &c); err != nil {
			return nil, fmt.Errorf("condemned blob %v: %w: %w", row.Key, ErrCorrupt, err)
		}
		if !slices.Contains(c.Running, lease) {
			found[row.Key[0].Str()] = true
		}
	}
	return found, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

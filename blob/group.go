package blob

import (
	"path/filepath"
	"sync"
)

// worthGrouping is how many Puts have to wait at once for two syncs of the whole file system to be cheaper than two for
// each of them.
const worthGrouping = 4

// group makes small content durable together: what arrives while others are being synced shares the next sync.
type group struct {
	mu      sync.Mutex
	running bool
	waiting []*member
}

type member struct {
	*temp
	name name
	err  error
	done chan struct{}
}

// commitSmall returns when t is durable under its name, or failed.
func (d *dir) commitSmall(t *temp, n name) error {
	if !d.groups.Load() {
		return d.commit(t, n)
	}
	m := &member{temp: t, name: n, done: make(chan struct{})}
	d.group.mu.Lock()
	d.group.waiting = append(d.group.waiting, m)
	lead := !d.group.running
	d.group.running = true
	d.group.mu.Unlock()
	if lead {
		go d.serve()
	}
	<-m.done
	return m.err
}

// serve commits batch after batch until nobody waits.
func (d *dir) serve() {
	for {
		d.group.mu.Lock()
		batch := d.group.waiting
		d.group.waiting = nil
		d.group.running = len(batch) > 0
		d.group.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if len(batch) < worthGrouping || !d.commitTogether(batch) {
			var each sync.WaitGroup
			for _, m := range batch {
				each.Go(func() { m.err = d.commit(m.temp, m.name) })
			}
			each.Wait()
		}
		for _, m := range batch {
			close(m.done)
		}
	}
}

// commitTogether returns false, having renamed nothing, if the members have to be synced one by one: because the disk
// cannot do otherwise, or to find out which of them failed.
func (d *dir) commitTogether(batch []*member) bool {
	if ok, err := d.disk.syncAll(d.tmp); !ok || err != nil {
		return false
	}
	shards := map[string][]*member{}
	for _, m := range batch {
		shard := filepath.Dir(d.path(m.name))
		shards[shard] = append(shards[shard], m)
	}
	var unsynced []string
	for shard, members := range shards {
		d.mu.Lock()
		made, err := d.mkdir(shard)
		d.mu.Unlock()
		unsynced = append(unsynced, made...)
		for _, m := range members {
			if m.err = err; err == nil {
				m.err = d.place(m.temp, m.name)
			}
		}
	}
	if ok, err := d.disk.syncAll(d.tmp); ok && err == nil {
		d.mu.Lock()
		for _, f := range unsynced {
			d.made[f] = true
		}
		d.mu.Unlock()
		return true
	}
	for shard, members := range shards {
		err := d.makeFolder(shard)
		if err == nil {
			err = d.disk.syncDir(shard)
		}
		for _, m := range members {
			if m.err == nil {
				m.err = err
			}
		}
	}
	return true
}

package modelregistry

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Programs that store files, and Sweeps, tell each other that they live: each counts up in a row of its own, its beat.
// Nobody compares clocks: one is taken for dead when its beat has not moved for so long by the clock of who watches it.
const (
	// leaseTime is how long a Sweep watches a registration that does not move before it takes its lease away.
	leaseTime = 2 * time.Minute
	// sweepTime is how long a registration watches a Sweep that does not move before it takes its condemnations away.
	sweepTime = 5 * time.Minute
	// removeTime is how long a Sweep may be removing since its last beat: the rest of sweepTime is for what is under way.
	removeTime = time.Minute
)

// A beat is the document of such a row.
type beat struct {
	Beat int64 `json:"beat"`
}

func beatRow(id string, count int64) (backend.Row, error) {
	doc, err := json.Marshal(beat{count})
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode beat: %w", err)
	}
	return backend.Row{Key: backend.Key{backend.StringValue(id)}, Doc: doc}, nil
}

func beatOf(row backend.Row) (int64, error) {
	var b beat
	if err := json.Unmarshal(row.Doc, &b); err != nil {
		return 0, fmt.Errorf("row of %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return b.Beat, nil
}

// A watch remembers when it saw whose beat move. Of its clock only differences count; time.Now's are not touched when the
// time is set.
type watch struct {
	clock func() time.Time
	began time.Time
	now   time.Time // of the look around that is under way
	seen  map[string]sighting
}

type sighting struct {
	beat  int64
	since time.Time
}

func (r *registry) newWatch() *watch {
	now := r.clock()
	return &watch{clock: r.clock, began: now, now: now, seen: map[string]sighting{}}
}

// again begins another look around.
func (w *watch) again() { w.now = w.clock() }

// lasted is how long the watch has lasted.
func (w *watch) lasted() time.Duration { return w.now.Sub(w.began) }

// look returns how long a beat has not moved as far as this watch saw, and whether it has moved since the watch began.
func (w *watch) look(id string, beat int64) (still time.Duration, moved bool) {
	last, known := w.seen[id]
	if !known || last.beat != beat {
		w.seen[id] = sighting{beat, w.now}
		return 0, known
	}
	return w.now.Sub(last.since), false
}

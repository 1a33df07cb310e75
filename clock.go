package modelregistry

import (
	"fmt"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// No clock is trusted. Times of one history do not fall as long as the clocks of those who write it are apart by less than
// clockLeap: who is behind writes the time of the event before. If they are further apart one of them is wrong, and what
// the registry was told last, by all who write to it, says which: see settleTime. Who reads a time that is further ahead
// of its own clock than that does not believe it.
const (
	clockLeap    = 24 * time.Hour
	clockWitness = 100 // events that are asked whose clock is wrong
)

// settleTime is the time of a change that comes after one of the time last, when the clock says now. A clock that went
// back must not turn history around; but one event of a host whose clock was years ahead must not date all that follow
// it either. If now is not before what most of the newest events of the registry say, last was ahead, and now is the
// time: it falls. Else this clock is behind. It costs a statement in this case alone.
func settleTime(tx backend.Reader, now, last time.Time) (time.Time, error) {
	if !now.Before(last) {
		return now, nil
	}
	if last.Sub(now) <= clockLeap {
		return last, nil
	}
	rows, err := tx.Find(backend.Query{Table: tableEvents, Desc: true, Limit: clockWitness})
	if err != nil {
		return now, fmt.Errorf("read history: %w", err)
	}
	var times []time.Time
	for _, row := range rows {
		e, err := decodeEvent(row, cursorSeen)
		if err != nil {
			return now, err
		}
		times = append(times, e.Time)
	}
	slices.SortFunc(times, time.Time.Compare)
	if len(times) > 0 && now.Before(times[(len(times)-1)/2].Add(-clockLeap)) {
		return last, nil
	}
	return now, nil
}

// fell says whether a history's time fell from one event to the next in a way that settleTime does not make.
func fell(before, after time.Time) bool {
	return after.Before(before) && before.Sub(after) <= clockLeap
}

// storable brings a time that is asked about into the years that times are stored of. A time far beyond, as some mean by
// "for ever", would wrap around in microseconds, and be long ago.
func storable(t time.Time) time.Time {
	first, last := time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t.UTC()
}

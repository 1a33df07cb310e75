package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A cursor is a position in the log of events, then what may be done behind it, then a checksum: one that was cut short,
// mistyped or made up is known by itself. Cursors of one sort order as the events do.
const (
	cursorSettled = "-s" // no event will ever appear at or before it: Follow misses nothing behind it
	cursorSeen    = "-e" // it was read, and one before it may still appear: good for paging
	cursorSum     = 8    // hexadecimal digits of the checksum
	cursorTail    = len(cursorSettled) + cursorSum

	maxCursor = 64 + cursorTail // a backend.Position has up to 64 bytes
)

func newCursor(position, sort string) string {
	sum := sha256.Sum256([]byte(position + sort))
	return position + sort + hex.EncodeToString(sum[:cursorSum/2])
}

// readCursor is the position of a cursor and whether it is settled; "" is the beginning, and is.
func readCursor(c string) (position string, settled bool, err error) {
	if c == "" {
		return "", true, nil
	}
	if len(c) > cursorTail && len(c) <= maxCursor {
		position = c[:len(c)-cursorTail]
		for _, sort := range []string{cursorSettled, cursorSeen} {
			if newCursor(position, sort) == c {
				return position, sort == cursorSettled, nil
			}
		}
	}
	return "", false, fmt.Errorf("cursor %.80q: %w: it is an Event's Cursor, or that of Registry.Cursor, as it was", c, ErrInvalid)
}

// settledPosition is the position of a cursor that nothing can be missed behind.
func settledPosition(c string) (string, error) {
	position, settled, err := readCursor(c)
	if err == nil && !settled {
		err = fmt.Errorf("cursor %q: %w: Events told it, and an event before it may have appeared since; "+
			"continue behind a cursor of Follow or of Registry.Cursor", c, ErrInvalid)
	}
	return position, err
}

func (r *registry) Cursor(ctx context.Context) (string, error) {
	cursor, err := r.settledCursor(ctx)
	return cursor, wrap("Cursor", "", err)
}

// settledCursor is where a follower begins that is to miss nothing from now on. The newest event is not the place: one
// that commits later may stand before it. Nothing that is still to come stands before a settled one.
func (r *registry) settledCursor(ctx context.Context) (string, error) {
	row, err := r.findOne(ctx, backend.Query{Table: tableEvents, Desc: true, Settled: true})
	if errors.Is(err, backend.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read history: %w", err)
	}
	return newCursor(row.Key[0].Str(), cursorSettled), nil
}

// checkThere refuses the cursor of an event that is not in this registry: of another one, or of what it was before an
// older state of it was restored. A follower would wait behind it, and be told nothing until as much had happened again.
func (r *registry) checkThere(ctx context.Context, position string) error {
	if position == "" {
		return nil
	}
	_, err := r.findOne(ctx, backend.Query{Table: tableEvents, Where: []backend.Cond{
		{Field: backend.PositionField, Value: backend.StringValue(position)},
	}})
	if errors.Is(err, backend.ErrNotFound) {
		return fmt.Errorf("cursor at %q: %w: no event stands there; it is of another registry, or of a state that this one has not reached "+
			"since an older one was restored", position, ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	return nil
}

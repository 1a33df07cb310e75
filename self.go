package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// selfRow is the document of the one row that is about the registry itself.
type selfRow struct {
	ID string `json:"id"` // tells apart those that keep files in one bucket
	// Generation counts Sweeps. What a list of files names is written with it, so that a Sweep can tell what came since it
	// looked without anybody's clock.
	Generation int64 `json:"generation,omitempty"`
	// Marks are the last that were made for the store of files, in order; see addMark.
	Marks []string `json:"marks,omitempty"`
}

const selfLock = "self"

func selfKey() backend.Key { return backend.Key{backend.StringValue("self")} }

// readSelf reads the row, which is zero before files are first stored.
func readSelf(tx backend.Reader) (self selfRow, err error) {
	row, err := tx.Get(tableSelf, selfKey()...)
	if errors.Is(err, backend.ErrNotFound) {
		return self, nil
	}
	if err != nil {
		return self, fmt.Errorf("read the registry's own row: %w", err)
	}
	return decodeSelf(row)
}

func decodeSelf(row backend.Row) (self selfRow, err error) {
	if err := json.Unmarshal(row.Doc, &self); err != nil {
		return self, fmt.Errorf("the registry's own row: %w: %w", ErrCorrupt, err)
	}
	return self, nil
}

func putSelf(tx backend.Tx, self selfRow) error {
	doc, err := json.Marshal(self)
	if err != nil {
		return fmt.Errorf("encode the registry's own row: %w", err)
	}
	return tx.Put(tableSelf, backend.Row{Key: selfKey(), Doc: doc})
}

// identity is what a handle knows of its registry, shared by all that As makes of it.
type identity struct {
	mu     sync.Mutex
	marked time.Time // when the store of blobs was last told that this registry keeps files there
}

// A mark is the registry's ID, a count in hexadecimal, and something random. The rows remember the last marksKept: one with
// this ID that stands in the store of files, and is neither among them nor older, was made by others. That is a copy of the
// database, or a later state of it than the backup that this is. What these have stored is not named here, and is spared.
//
// A handle makes a mark when it first stores files and every markTime after, not for each registration. So a copy that was
// made since is not told from its original until either is opened anew, sweeps, or stores files again later.
const (
	idLen    = 16
	countLen = 16
	markTime = time.Hour

	marksKept = 32
)

// addMark makes a mark, and returns it with the one before, if there was one.
func (s *selfRow) addMark() (mark, before string) {
	if n := len(s.Marks); n > 0 {
		before = s.Marks[n-1]
	}
	mark = fmt.Sprintf("%s%016x%s", s.ID, markCount(before)+1, newID())
	s.Marks = append(s.Marks[max(0, len(s.Marks)+1-marksKept):], mark)
	return mark, before
}

// made says whether this registry made a mark with its ID, for all that it remembers.
func (s *selfRow) made(mark string) bool {
	return slices.Contains(s.Marks, mark) || len(s.Marks) == marksKept && markCount(mark) < markCount(s.Marks[0])
}

// markCount is the count of a mark, 0 of none.
func markCount(mark string) uint64 {
	if len(mark) < idLen+countLen {
		return 0
	}
	n, err := strconv.ParseUint(mark[idLen:idLen+countLen], 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// markedBy is the ID of the registry that made a mark.
func markedBy(mark string) string { return mark[:min(idLen, len(mark))] }

// mark makes sure that the store of blobs knows of this registry before it has files of it, and before each Sweep.
func (r *registry) mark(ctx context.Context, sweep bool) error {
	marks, ok := r.blobs.(MarkedBlobs)
	if !ok {
		return nil
	}
	r.identity.mu.Lock()
	defer r.identity.mu.Unlock()
	if !sweep && !r.identity.marked.IsZero() && time.Since(r.identity.marked) < markTime {
		return nil
	}
	var mark, before string
	err := r.backend.Update(ctx, []string{selfLock}, func(tx backend.Tx) error {
		self, err := readSelf(tx)
		if err != nil {
			return err
		}
		if self.ID == "" {
			self.ID = newID()
		}
		mark, before = self.addMark()
		return putSelf(tx, self)
	})
	if err != nil {
		return err
	}
	if err := marks.Mark(ctx, mark); errors.Is(err, errors.ErrUnsupported) {
		before = ""
	} else if err != nil {
		return fmt.Errorf("mark the store of files: %w", err)
	}
	r.identity.marked = time.Now()
	if before != "" {
		_ = marks.Unmark(ctx, before) // who stores files may not be allowed to remove any; Sweep will
	}
	return nil
}

// owners are the marks in the store of blobs.
type owners struct {
	id     string   // this registry's, or "" if it has none yet
	own    []string // marks of this registry
	copies []string // marks of its ID that it did not make
	others []string // of other registries
}

// owners reads the marks in the store of blobs.
func (r *registry) owners(ctx context.Context) (o owners, err error) {
	var all []string
	if marks, ok := r.blobs.(MarkedBlobs); ok {
		if all, err = marks.Marks(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return o, fmt.Errorf("read the marks in the store of files: %w", err)
		}
	}
	// After the marks: each of this registry's was in its row before.
	rows, err := r.backend.Find(ctx, backend.Query{Table: tableSelf, Limit: 1})
	if err != nil {
		return o, fmt.Errorf("read the registry's own row: %w", err)
	}
	var self selfRow
	if len(rows) > 0 {
		if self, err = decodeSelf(rows[0]); err != nil {
			return o, err
		}
	}
	o.id = self.ID
	for _, mark := range all {
		switch {
		case self.ID == "" || markedBy(mark) != self.ID:
			o.others = append(o.others, mark)
		case self.made(mark):
			o.own = append(o.own, mark)
		default:
			o.copies = append(o.copies, mark)
		}
	}
	return o, nil
}

// claim leaves one mark of this registry, and none of others if they are taken over.
func (r *registry) claim(ctx context.Context, takeOver bool) error {
	o, err := r.owners(ctx)
	if err != nil {
		return err
	}
	if err := r.mark(ctx, true); err != nil {
		return err
	}
	old := o.own
	if takeOver {
		old = slices.Concat(old, o.copies, o.others)
	}
	for _, mark := range old {
		if err := r.blobs.(MarkedBlobs).Unmark(ctx, mark); err != nil {
			return fmt.Errorf("take the mark of registry %s away: %w", markedBy(mark), err)
		}
	}
	return nil
}

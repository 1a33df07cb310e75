package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/modelregistry-go/modelregistry/backend"
)

// selfRow is the document of the one row that is about the registry itself.
type selfRow struct {
	ID string `json:"id"` // tells apart those that keep files in one bucket
	// Generation counts Sweeps. What a list of files names is written with it, so that a Sweep can tell what came since it
	// looked without anybody's clock.
	Generation int64 `json:"generation,omitempty"`
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
	marked bool // the store of blobs knows that this registry keeps files there
}

// id is the registry's ID, or "" if it has none yet.
func (r *registry) id(ctx context.Context) (string, error) {
	rows, err := r.backend.Find(ctx, backend.Query{Table: tableSelf, Limit: 1})
	if err != nil {
		return "", fmt.Errorf("read the registry's own row: %w", err)
	}
	if len(rows) == 0 {
		return "", nil
	}
	self, err := decodeSelf(rows[0])
	return self.ID, err
}

// mark makes sure that the store of blobs knows of this registry before it has files of it. It looks once for each handle.
func (r *registry) mark(ctx context.Context) error {
	r.identity.mu.Lock()
	defer r.identity.mu.Unlock()
	if r.identity.marked {
		return nil
	}
	id, err := r.id(ctx)
	if err == nil && id == "" {
		err = r.backend.Update(ctx, []string{selfLock}, func(tx backend.Tx) error {
			self, err := readSelf(tx)
			if err != nil {
				return err
			}
			if self.ID == "" {
				self.ID = newID()
				err = putSelf(tx, self)
			}
			id = self.ID
			return err
		})
	}
	if err != nil {
		return err
	}
	if marks, ok := r.blobs.(MarkedBlobs); ok {
		if err := marks.Mark(ctx, id); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("mark the store of files: %w", err)
		}
	}
	r.identity.marked = true
	return nil
}

// owners says whether the store of blobs knows of this registry, and of which others.
func (r *registry) owners(ctx context.Context, id string) (own bool, others []string, err error) {
	marks, ok := r.blobs.(MarkedBlobs)
	if !ok {
		return false, nil, nil
	}
	all, err := marks.Marks(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, fmt.Errorf("read the marks in the store of files: %w", err)
	}
	others = slices.DeleteFunc(slices.Clone(all), func(mark string) bool { return mark == id })
	return len(others) < len(all), others, nil
}

// takeOver removes the marks of others, and leaves one.
func (r *registry) takeOver(ctx context.Context) error {
	id, err := r.id(ctx)
	if err != nil {
		return err
	}
	_, others, err := r.owners(ctx, id)
	if err != nil {
		return err
	}
	for _, other := range others {
		if err := r.blobs.(MarkedBlobs).Unmark(ctx, other); err != nil {
			return fmt.Errorf("take the mark of registry %s away: %w", other, err)
		}
	}
	return r.mark(ctx)
}

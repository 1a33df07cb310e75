package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A contentCheck looks whether the store has the content of files that a version is to be made of without storing them:
// a copy of what is lost would only spread the loss. It looks before the transaction, so that nobody waits for the store,
// and in it only for what has changed meanwhile. Without Blobs it cannot look.
type contentCheck struct {
	r    *registry
	seen map[string]bool // digests that are there
}

func (r *registry) newContentCheck() *contentCheck {
	return &contentCheck{r: r, seen: map[string]bool{}}
}

// artifacts looks for the content of the artifacts that are at a path.
func (c *contentCheck) artifacts(ctx context.Context, path string) error {
	if c.r.blobs == nil {
		return nil
	}
	files, err := filesAt(c.r.find(ctx), path)
	if err != nil {
		return err
	}
	return c.files(ctx, files)
}

// version looks for the content of the files of v, unless those of such a digest were looked for.
func (c *contentCheck) version(ctx context.Context, find func(backend.Query) ([]backend.Row, error), v *Version) error {
	if c.r.blobs == nil || v.Digest == "" || c.seen[v.Digest] {
		return nil
	}
	files, err := readManifest(find, v.Digest)
	if errors.Is(err, backend.ErrNotFound) {
		return errLostManifest(v)
	}
	if err == nil {
		err = c.files(ctx, files)
	}
	if err != nil {
		return fmt.Errorf("files of %s: %w", v.Ref(), err)
	}
	c.seen[v.Digest] = true
	return nil
}

// files looks for each content that it has not seen. ErrCorrupt: it is not there, or of another size.
func (c *contentCheck) files(ctx context.Context, files []File) error {
	if c.r.blobs == nil {
		return nil
	}
	var unseen []File
	listed := map[string]bool{}
	for _, f := range files {
		if !c.seen[f.Digest] && !listed[f.Digest] {
			listed[f.Digest] = true
			unseen = append(unseen, f)
		}
	}
	err := several(ctx, len(unseen), func(ctx context.Context, i int) error {
		f := unseen[i]
		size, err := c.r.blobs.Stat(ctx, f.Digest)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("file %.200q: %w", f.Path, errLostContent(f.Digest))
		case err != nil:
			return fmt.Errorf("look for the content of %.200q: %w", f.Path, err)
		case size != f.Size:
			return fmt.Errorf("file %.200q: %w: the content %s has %d bytes in the store, not %d", f.Path, ErrCorrupt, f.Digest, size, f.Size)
		}
		return nil
	})
	if err != nil {
		return err
	}
	maps.Copy(c.seen, listed)
	return nil
}

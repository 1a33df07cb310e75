package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// staleAfter is the age at which a file in blobs/tmp is what a crash left. A Put that is alive writes to its own.
const staleAfter = 24 * time.Hour

// dir keeps content in a directory, laid out as gocloud's fileblob would, but durably.
type dir struct {
	disk  disk
	root  string // the bucket; never made by a Put, which would hide that it is gone
	sums  string // root/prefix/blobs/sha256
	tmp   string // root/prefix/blobs/tmp
	hints string // root/prefix/blobs/hints

	mu   sync.Mutex
	made map[string]bool // folders that are durably there

	prepare sync.Once
	groups  atomic.Bool // the disk can sync many files at once
	group   group
}

func newDir(d disk, root, prefix string) *dir {
	base := filepath.Join(root, filepath.FromSlash(prefix), "blobs")
	return &dir{disk: d, root: root, sums: filepath.Join(base, "sha256"), tmp: filepath.Join(base, "tmp"),
		hints: filepath.Join(base, "hints"), made: map[string]bool{root: true}}
}

func (d *dir) path(n name) string { return filepath.Join(d.sums, n.shard(), string(n)) }

// errGone: a bucket that was there is not. That is a fault, where content that is not there may be nobody's.
var errGone = errors.New("the bucket is gone")

// gone says that the bucket is not there, if it is not.
func (d *dir) gone() error {
	info, err := os.Stat(d.root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no such directory", errGone)
	case errors.Is(err, syscall.ENOTDIR), err == nil && !info.IsDir():
		return fmt.Errorf("%w: it is not a directory", errGone)
	}
	return err
}

// absent is gone for who opens a bucket: then it is a mistake that it is not there.
func (d *dir) absent() error {
	err := d.gone()
	if !errors.Is(err, errGone) {
		return err
	}
	if _, serr := os.Stat(d.root); errors.Is(serr, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no such directory", modelregistry.ErrNotFound)
	}
	return fmt.Errorf("%w: the bucket is a file, not a directory", modelregistry.ErrInvalid)
}

// missing turns "no such file" into ErrNotFound, and tells the content and the bucket apart.
func (d *dir) missing(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if gone := d.gone(); gone != nil {
		return gone
	}
	return modelregistry.ErrNotFound
}

func (d *dir) stat(_ context.Context, n name) (int64, error) {
	info, err := statPlain(d.path(n))
	if err != nil {
		return 0, d.missing(err)
	}
	return info.Size(), nil
}

func (d *dir) open(ctx context.Context, n name, offset, length int64) (io.ReadCloser, error) {
	f, err := openPlain(d.root, d.path(n))
	if err != nil {
		return nil, d.missing(err)
	}
	r, err := section(ctx, f, n, offset, length)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// section reads a range of a file of content.
func section(ctx context.Context, f *os.File, n name, offset, length int64) (io.ReadCloser, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a file", modelregistry.ErrCorrupt, f.Name())
	case offset > size:
		return nil, pastEnd(offset, size)
	case offset > 0:
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return newSized(&cancelled{f, ctx}, n, size, offset, length), nil
}

// cancelled ends reads with the context, as those from a cloud do.
type cancelled struct {
	io.ReadCloser
	ctx context.Context
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.ReadCloser.Read(p)
}

func (d *dir) list(ctx context.Context, yield func(modelregistry.BlobInfo) bool) error {
	if err := d.gone(); err != nil {
		return err
	}
	if err := d.tidy(time.Now().Add(-staleAfter)); err != nil {
		return err
	}
	shards, err := entries(d.sums)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		if !shard.IsDir() || len(shard.Name()) != 2 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		files, err := entries(filepath.Join(d.sums, shard.Name()))
		if err != nil {
			return err
		}
		for _, f := range files {
			if !isName(f.Name()) || f.Name()[:2] != shard.Name() || !f.Type().IsRegular() {
				continue
			}
			info, err := f.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed since
			}
			if err != nil {
				return err
			}
			if !yield(modelregistry.BlobInfo{Digest: name(f.Name()).digest(), Size: info.Size(), ModTime: info.ModTime()}) {
				return nil
			}
		}
	}
	return nil
}

// entries reads a folder; one that is not there is empty.
func entries(folder string) ([]fs.DirEntry, error) {
	list, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, err
}

// tidy removes what crashes have left in blobs/tmp before a time.
func (d *dir) tidy(before time.Time) error {
	list, err := entries(d.tmp)
	if err != nil {
		return err
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(before) {
			continue
		}
		if err := d.disk.remove(filepath.Join(d.tmp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a crash left: %w", err)
		}
	}
	return nil
}

// remove does not sync: content that comes back after a power loss is named by nothing and removed again.
func (d *dir) remove(ctx context.Context, n name) error {
	d.forgetHint(ctx, n)
	err := d.disk.remove(d.path(n))
	if errors.Is(err, fs.ErrNotExist) {
		return d.gone()
	}
	return err
}

func (d *dir) close() error { return d.disk.close() }

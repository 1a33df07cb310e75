package modelregistry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An upload stores a registration's files, under a lease: a row that tells Sweep to wait. Blobs come first and the rows
// that name them last, so a crash leaves blobs without a name, and the lease says which of those are on their way.
type upload struct {
	r     *registry
	lease string
	stop  func()
	// condemned are the blobs that Sweeps were about to remove when the lease began: later Sweeps wait for it.
	condemned map[string]bool

	files  []File
	digest string
	size   int64
}

const (
	leaseTime   = 5 * time.Minute // renewed until the files are stored; a dead program holds Sweep up for so long
	uploadLocks = 16              // so that registrations seldom wait for each other's lease; Sweep takes all
	workers     = 16              // files stored at once: for small ones the time is all in waiting for the disk or the network
)

func uploadLock(i int) string { return "uploads/" + strconv.Itoa(i) }

// allUploadLocks keep every lease from being taken, renewed or given back with a version meanwhile.
func allUploadLocks() []string {
	locks := make([]string, uploadLocks)
	for i := range locks {
		locks[i] = uploadLock(i)
	}
	return locks
}

// anyUploadLock keeps a lease from being taken away meanwhile.
func anyUploadLock() string { return uploadLock(rand.IntN(uploadLocks)) }

func uploadKey(id string) backend.Key { return backend.Key{backend.StringValue(id)} }

// beginUpload takes a lease and renews it until end.
func (r *registry) beginUpload(ctx context.Context) (*upload, error) {
	if r.blobs == nil {
		return nil, fmt.Errorf("%w: the registry was made without Blobs, so a version cannot have files", ErrInvalid)
	}
	up := &upload{r: r, lease: newID()}
	if err := up.hold(ctx, true); err != nil {
		return nil, fmt.Errorf("begin to store files: %w", err)
	}
	renewal, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(leaseTime / 6)
		defer tick.Stop()
		for {
			select {
			case <-renewal.Done():
				return
			case <-tick.C:
				_ = up.hold(renewal, false) // commit looks whether the lease still holds
			}
		}
	})
	up.stop = func() { cancel(); wg.Wait() }
	return up, nil
}

// hold takes the lease, or renews it: one that was taken away stays so, for a Sweep has not waited for it.
func (up *upload) hold(ctx context.Context, begin bool) error {
	return up.r.backend.Update(ctx, []string{anyUploadLock()}, func(tx backend.Tx) error {
		if !begin {
			if _, err := tx.Get(tableUploads, uploadKey(up.lease)...); err != nil {
				return err
			}
		}
		return tx.Put(tableUploads, backend.Row{Key: uploadKey(up.lease), Doc: []byte("{}"),
			Fields: map[string]any{"expires": backend.TimeValue(up.r.now().Add(leaseTime))}})
	})
}

// commit writes the list of files and gives the lease back, in the transaction that makes the version.
func (up *upload) commit(tx backend.Tx, now time.Time) error {
	if _, err := tx.Get(tableUploads, uploadKey(up.lease)...); errors.Is(err, backend.ErrNotFound) {
		return fmt.Errorf("%w: storing the files took longer than the lease of %v could be renewed for; register again", ErrConflict, leaseTime)
	} else if err != nil {
		return fmt.Errorf("read lease: %w", err)
	}
	if err := tx.Delete(tableUploads, uploadKey(up.lease)); err != nil {
		return fmt.Errorf("give back lease: %w", err)
	}
	row, err := manifestRow(up.digest, up.files, now)
	if err != nil {
		return err
	}
	if err := tx.Put(tableManifests, row); err != nil {
		return fmt.Errorf("write list of files: %w", err)
	}
	return nil
}

// end gives the lease back if commit did not.
func (up *upload) end(ctx context.Context) {
	up.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := up.r.findOne(ctx, backend.Query{Table: tableUploads, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(up.lease)}}}); err != nil {
		return // it is gone, or it will expire
	}
	_ = up.r.backend.Update(ctx, nil, func(tx backend.Tx) error { return tx.Delete(tableUploads, uploadKey(up.lease)) })
}

// store stores every file below fsys.
func (up *upload) store(ctx context.Context, fsys fs.FS, progress func(Progress)) error {
	sources, err := listFiles(ctx, fsys)
	if err != nil {
		return err
	}
	if up.condemned, err = up.r.condemned(ctx, up.lease, nil); err != nil {
		return fmt.Errorf("look for a sweep: %w", err)
	}
	meter := &meter{report: progress}
	for _, s := range sources {
		meter.total += s.size
	}
	for {
		if up.files, err = up.storeAll(ctx, fsys, sources, meter); err != nil {
			return err
		}
		again, err := up.awaitSweep(ctx)
		if err != nil {
			return err
		}
		if !again {
			break
		}
		meter = nil // those that were swept are stored again; nearly all are there
	}
	up.size = 0
	for _, f := range up.files {
		up.size += f.Size
	}
	up.digest = digestFiles(up.files)
	return nil
}

// storeAll stores the sources, several at once, and returns them in order. The first error stops all.
func (up *upload) storeAll(ctx context.Context, fsys fs.FS, sources []source, m *meter) ([]File, error) {
	files := make([]File, len(sources))
	err := several(ctx, len(sources), func(ctx context.Context, i int) (err error) {
		if files[i], err = up.storeOne(ctx, fsys, sources[i], m); err != nil {
			return fmt.Errorf("store file %s: %w", sources[i].path, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// several calls do for each i below n, some at once. The first error ends the context of the others and is returned.
func several(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (up *upload) storeOne(ctx context.Context, fsys fs.FS, s source, m *meter) (File, error) {
	f, err := fsys.Open(s.open)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	in := &meteredReader{ctx: ctx, r: f, file: s.path, meter: m}
	var r io.Reader = in
	if seeker, ok := f.(io.Seeker); ok {
		r = &seekingReader{in, seeker}
	}
	digest, size, err := up.r.blobs.Put(ctx, r)
	if err != nil {
		return File{}, err
	}
	return File{Path: s.path, Size: size, Digest: digest}, nil
}

// A source is a file to store.
type source struct {
	path string // its name in the version
	open string // its name in the file system: another, if path is a symbolic link
	size int64  // bytes, as listed
}

// listFiles lists the regular files below fsys's root, in byte order of their paths.
func listFiles(ctx context.Context, fsys fs.FS) ([]source, error) {
	var out []source
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if name != "." && d.Name() != path.Base(name) {
			return fmt.Errorf("file %.200q: %w: not a relative path of plain elements (no leading /, no . or ..)", d.Name(), ErrInvalid)
		}
		if d.IsDir() {
			return nil
		}
		if err := checkPath(name); err != nil {
			return err
		}
		s := source{path: name, open: name}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if s.open, err = followLink(fsys, name); err != nil {
				return err
			}
			if info, err = fs.Stat(fsys, s.open); err != nil {
				return fmt.Errorf("symbolic link %s: %w: %w", name, ErrInvalid, err)
			}
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("file %s: %w: %v; only regular files can be registered", name, ErrInvalid, info.Mode().Type())
		}
		s.size = info.Size()
		out = append(out, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	slices.SortFunc(out, func(a, b source) int { return cmp.Compare(a.path, b.path) })
	for i := 1; i < len(out); i++ {
		if out[i].path == out[i-1].path {
			return nil, fmt.Errorf("list files: %w: %s is there twice", ErrInvalid, out[i].path)
		}
	}
	return out, nil
}

// checkPath refuses a path that some system would read as another, or keep otherwise.
func checkPath(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("file %.200q: %w: not a relative path of plain elements (no leading /, no . or ..)", name, ErrInvalid)
	}
	if len(name) > maxPath {
		return fmt.Errorf("file %.80q…: %w: a path of %d bytes, at most %d", name, ErrInvalid, len(name), maxPath)
	}
	return checkText("file", name, maxPath)
}

// followLink finds the file that a symbolic link leads to, link by link, and refuses one that leaves the tree.
func followLink(fsys fs.FS, name string) (string, error) {
	at := name
	for range 40 {
		target, err := fs.ReadLink(fsys, at)
		if err != nil {
			return "", fmt.Errorf("symbolic link %s: %w: %w", name, ErrInvalid, err)
		}
		if path.IsAbs(target) || strings.Contains(target, `\`) {
			return "", fmt.Errorf("symbolic link %s: %w: leads to %s, out of the tree", name, ErrInvalid, target)
		}
		at = path.Join(path.Dir(at), target)
		if !fs.ValidPath(at) {
			return "", fmt.Errorf("symbolic link %s: %w: leads to %s, out of the tree", name, ErrInvalid, target)
		}
		if err := noLinkAbove(fsys, at); err != nil {
			return "", fmt.Errorf("symbolic link %s: %w", name, err)
		}
		info, err := fs.Lstat(fsys, at)
		if err != nil {
			return "", fmt.Errorf("symbolic link %s: %w: %w", name, ErrInvalid, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return at, nil
		}
	}
	return "", fmt.Errorf("symbolic link %s: %w: leads in a circle", name, ErrInvalid)
}

// noLinkAbove refuses a path that goes through a linked directory: it may lead anywhere.
func noLinkAbove(fsys fs.FS, name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		info, err := fs.Lstat(fsys, dir)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%w: leads through the linked directory %s", ErrInvalid, dir)
		}
	}
	return nil
}

// A meter counts bytes over several files and reports them, one call at a time. A nil meter does nothing.
type meter struct {
	report func(Progress)
	mu     sync.Mutex
	done   int64
	total  int64
}

func (m *meter) add(file string, n int64) {
	if m == nil || m.report == nil || n <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.report(Progress{Done: m.done, Total: m.total, File: file})
}

// meteredReader reads a file, counts what it reads for the first time, and stops when its context ends.
type meteredReader struct {
	ctx     context.Context
	r       io.Reader
	file    string
	meter   *meter
	at      int64
	counted int64
}

func (r *meteredReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.r.Read(p)
	r.at += int64(n)
	r.meter.add(r.file, r.at-r.counted)
	r.counted = max(r.counted, r.at)
	return n, err
}

// seekingReader is a meteredReader of a file that can be read again.
type seekingReader struct {
	*meteredReader
	seeker io.Seeker
}

func (r *seekingReader) Seek(offset int64, whence int) (int64, error) {
	at, err := r.seeker.Seek(offset, whence)
	r.at = at
	return at, err
}

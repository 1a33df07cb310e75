package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Files is the version's files, as the server has them when a directory is first read. Names that the server gives are
// used only if they are plain, so that they lead out of no directory.
//
// A server that gives SHA-256 digests as ETags, as Handler does, has its files verified: a read fails with ErrCorrupt before
// the last byte of a file that is not what was registered. MLflow's own has no digests, and all that can be noticed is a
// file of another size than listed.
func (c *Client) Files(ctx context.Context, v *modelregistry.Version) fs.FS {
	if v == nil {
		return noFiles{}
	}
	return &remoteFS{ctx: ctx, c: c, time: v.Created, find: func() (place, error) { return c.locate(ctx, v) }}
}

// someFiles refuses a directory that has no files: it is the wrong one.
func someFiles(fsys fs.FS) error {
	if fsys == nil {
		return nil
	}
	found := errors.New("found")
	err := fs.WalkDir(fsys, ".", func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = found
		}
		return err
	})
	switch {
	case errors.Is(err, found):
		return nil
	case err != nil:
		return fmt.Errorf("list files: %w", err)
	}
	return fmt.Errorf("%w: Files has no files; is it the right directory? Leave Files nil for a version without any", modelregistry.ErrInvalid)
}

// noFiles is the files of no version.
type noFiles struct{}

func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w: the version is nil; give one that Register, Version or "+
		"Resolve has returned", modelregistry.ErrInvalid)}
}

// Manifest lists the version's files. Their digests are empty if the server does not give them; see Files.
func (c *Client) Manifest(ctx context.Context, v *modelregistry.Version) ([]modelregistry.File, error) {
	var files []modelregistry.File
	fsys := c.Files(ctx, v)
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f := modelregistry.File{Path: name, Size: info.Size()}
		if known, ok := info.Sys().(*modelregistry.File); ok {
			f.Digest = known.Digest
		}
		files = append(files, f)
		return nil
	})
	slices.SortFunc(files, func(a, b modelregistry.File) int { return strings.Compare(a.Path, b.Path) })
	return files, failed("Manifest", v.Ref(), "", err)
}

// remoteFS is a directory of files that a server has.
type remoteFS struct {
	ctx  context.Context
	c    *Client
	time time.Time // of all files: MLflow tells none
	find func() (place, error)

	mu      sync.Mutex
	found   bool
	place   place
	wire    string              // the place's directory, as the server tells it
	foreign fs.FS               // of a place that is not behind the proxy
	dirs    map[string][]*entry // that were listed
}

// An entry is a file or directory, and its own DirEntry and FileInfo. Sys returns the *modelregistry.File of a file, with
// an empty digest if the server does not give it.
type entry struct {
	fsys *remoteFS
	file modelregistry.File // Path is below the root
	wire string             // its path among all artifacts, as the server tells it
	dir  bool

	mu    sync.Mutex
	asked bool // for the digest
}

func (e *entry) Name() string       { return path.Base(e.file.Path) }
func (e *entry) Size() int64        { return e.file.Size }
func (e *entry) IsDir() bool        { return e.dir }
func (e *entry) ModTime() time.Time { return e.fsys.time }
func (e *entry) Type() fs.FileMode  { return e.Mode().Type() }
func (e *entry) String() string     { return fs.FormatFileInfo(e) }

func (e *entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

func (e *entry) Sys() any {
	if e.dir {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	file := e.file
	return &file
}

// Info asks the server for the file's digest, unless it is one that gives none.
func (e *entry) Info() (fs.FileInfo, error) {
	if e.dir {
		return e, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked {
		return e, nil
	}
	digest, err := e.fsys.c.digestOf(e.fsys.ctx, e.wire)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: e.file.Path, Err: err}
	}
	e.file.Digest, e.asked = digest, true
	return e, nil
}

// maxPathLen bounds, in bytes, how deep a server's directories go; it is what a registry takes.
const maxPathLen = 1024

// root finds the place. It tries again after an error.
func (f *remoteFS) root() error {
	if f.found {
		return nil
	}
	p, err := f.find()
	if err != nil {
		return err
	}
	if !p.proxied && !p.empty {
		if f.foreign, err = f.c.open(f.ctx, p.dir); err != nil {
			return err
		}
	}
	f.place, f.wire, f.found = p, wirePath(p.dir), true
	f.dirs = map[string][]*entry{}
	if p.empty {
		f.dirs["."] = nil
	}
	return nil
}

// list reads a directory that is one.
func (f *remoteFS) list(at *entry) ([]*entry, error) {
	dir := at.file.Path
	if entries, ok := f.dirs[dir]; ok {
		return entries, nil
	}
	listed, err := f.c.listWire(f.ctx, at.wire)
	if err == nil && len(listed) == 0 && dir == "." && f.wire != f.place.dir { // as in listProxied
		f.wire = f.place.dir
		listed, err = f.c.listWire(f.ctx, f.wire)
		at = f.rootEntry()
	}
	if err != nil {
		return nil, err
	}
	entries := make([]*entry, 0, len(listed))
	for _, l := range listed {
		if dir == "." && f.place.only != "" && l.Name != f.place.only {
			continue
		}
		e := &entry{fsys: f, dir: l.IsDir, wire: path.Join(at.wire, l.Wire), file: modelregistry.File{Path: path.Join(dir, l.Name), Size: l.Size}}
		if len(e.file.Path) > maxPathLen {
			return nil, fmt.Errorf("%w: the server lists a path of %d bytes", modelregistry.ErrCorrupt, len(e.file.Path))
		}
		entries = append(entries, e)
	}
	f.dirs[dir] = entries
	return entries, nil
}

func (f *remoteFS) rootEntry() *entry {
	return &entry{fsys: f, dir: true, wire: f.wire, file: modelregistry.File{Path: "."}}
}

// lookup finds what has a name, from the root down, since a listing of what is no directory is empty.
func (f *remoteFS) lookup(name string) (*entry, error) {
	at := f.rootEntry()
	if name == "." {
		return at, nil
	}
	for rest := name; rest != ""; {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		if !at.dir {
			return nil, fs.ErrNotExist
		}
		entries, err := f.list(at)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(entries, func(e *entry) bool { return e.Name() == element })
		if i < 0 {
			return nil, fs.ErrNotExist
		}
		at = entries[i]
	}
	return at, nil
}

// at finds what has a name; foreign is the file system that has it instead.
func (f *remoteFS) at(op, name string) (e *entry, foreign fs.FS, err error) {
	if !fs.ValidPath(name) {
		return nil, nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err = f.root(); err == nil {
		if f.foreign != nil {
			return nil, f.foreign, nil
		}
		e, err = f.lookup(name)
	}
	if err != nil {
		return nil, nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return e, nil, nil
}

func (f *remoteFS) Open(name string) (fs.File, error) {
	e, foreign, err := f.at("open", name)
	switch {
	case err != nil:
		return nil, err
	case foreign != nil:
		return openForeign(f.ctx, foreign, name)
	case !e.dir:
		return &remoteFile{entry: e}, nil
	}
	entries, err := f.ReadDir(name)
	if err != nil {
		return nil, err
	}
	return &remoteDir{entry: e, entries: entries}, nil
}

// Stat implements fs.StatFS.
func (f *remoteFS) Stat(name string) (fs.FileInfo, error) {
	e, foreign, err := f.at("stat", name)
	switch {
	case err != nil:
		return nil, err
	case foreign != nil:
		return statForeign(foreign, name)
	}
	return e.Info()
}

// ReadDir implements fs.ReadDirFS.
func (f *remoteFS) ReadDir(name string) ([]fs.DirEntry, error) {
	e, foreign, err := f.at("readdir", name)
	switch {
	case err != nil:
		return nil, err
	case foreign != nil:
		return readForeign(foreign, name)
	case !e.dir:
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, err := f.list(e)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		out[i] = e
	}
	return out, nil
}

// remoteDir is an open directory.
type remoteDir struct {
	*entry
	entries []fs.DirEntry
}

func (d *remoteDir) Stat() (fs.FileInfo, error) { return d.entry, nil }
func (d *remoteDir) Close() error               { return nil }
func (d *remoteDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.file.Path, Err: errors.New("is a directory")}
}

func (d *remoteDir) ReadDir(n int) ([]fs.DirEntry, error) {
	out := d.entries
	if n > 0 {
		if len(out) == 0 {
			return nil, io.EOF
		}
		out = out[:min(n, len(out))]
	}
	d.entries = d.entries[len(out):]
	return slices.Clone(out), nil
}

package provenance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Snapshot is the code in a directory of a git repository ("" is the working directory): the files that git tracks in it
// and below, with what is in them now, committed or not. Symbolic links and submodules are left out. With Attach it is
// registered with the model that it made.
func Snapshot(ctx context.Context, dir string) (fsys fs.FS, err error) {
	q, err := ask(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("code snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, q.close()) }()
	list, err := q.git("ls-files", "-s", "-z")
	if err != nil {
		return nil, fmt.Errorf("code snapshot: %w", err)
	}
	root, err := os.OpenRoot(q.dir)
	if err != nil {
		return nil, fmt.Errorf("code snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	t := newTree()
	for _, entry := range strings.Split(list, "\x00") {
		mode, name, ok := strings.Cut(entry, "\t")
		if !ok || !strings.HasPrefix(mode, "100") || !fs.ValidPath(name) {
			continue
		}
		info, err := root.Lstat(filepath.FromSlash(name))
		if err != nil || !info.Mode().IsRegular() {
			continue // deleted and not yet committed so, in the middle of a merge, or by now a link or below one
		}
		t.add(name, within(q.dir), name)
	}
	return t, nil
}

// within is a directory of files, from which no link leads out.
type within string

func (w within) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return os.OpenInRoot(string(w), filepath.FromSlash(name))
}

// Attach is files with the files of code under a directory: what to register. The directory must not be there yet.
func Attach(files fs.FS, dir string, code fs.FS) (fs.FS, error) {
	if !fs.ValidPath(dir) || dir == "." {
		return nil, fmt.Errorf("directory for code %q: %w: not a relative path", dir, modelregistry.ErrInvalid)
	}
	t := newTree()
	for _, source := range []struct {
		under string
		fsys  fs.FS
	}{{".", files}, {dir, code}} {
		if source.fsys == nil {
			continue
		}
		err := fs.WalkDir(source.fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			full := path.Join(source.under, name)
			if source.under == "." && (full == dir || strings.HasPrefix(full, dir+"/")) {
				return fmt.Errorf("directory for code %q: %w: the model has it", dir, modelregistry.ErrExists)
			}
			if d.Type()&fs.ModeSymlink != 0 {
				return fmt.Errorf("file %s: %w: a symbolic link; attach code to plain files", full, modelregistry.ErrInvalid)
			}
			t.add(full, source.fsys, name)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("attach code: %w", err)
		}
	}
	return t, nil
}

// A tree is a file system of files that are elsewhere.
type tree struct {
	files map[string]place
	dirs  map[string][]string // to the names in them
}

type place struct {
	fsys fs.FS
	name string
}

func newTree() *tree { return &tree{files: map[string]place{}, dirs: map[string][]string{".": nil}} }

func (t *tree) add(name string, fsys fs.FS, at string) {
	if _, twice := t.files[name]; twice {
		return // git lists a file in conflict once for each side
	}
	t.files[name] = place{fsys, at}
	for {
		dir := path.Dir(name)
		_, known := t.dirs[dir]
		t.dirs[dir] = append(t.dirs[dir], path.Base(name))
		if known || dir == "." {
			return
		}
		name = dir
	}
}

func (t *tree) Open(name string) (fs.File, error) {
	if at, ok := t.files[name]; ok {
		return at.fsys.Open(at.name)
	}
	if _, ok := t.dirs[name]; ok {
		entries, err := t.ReadDir(name)
		return &directory{name: name, entries: entries}, err
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	names, ok := t.dirs[name]
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var entries []fs.DirEntry
	for _, base := range slices.Sorted(slices.Values(names)) {
		at, file := t.files[path.Join(name, base)]
		if !file {
			entries = append(entries, fs.FileInfoToDirEntry(dirInfo(base)))
			continue
		}
		info, err := fs.Stat(at.fsys, at.name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	return entries, nil
}

// dirInfo is the fs.FileInfo of a directory of a tree.
type dirInfo string

func (d dirInfo) Name() string       { return path.Base(string(d)) }
func (d dirInfo) Size() int64        { return 0 }
func (d dirInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o555 }
func (d dirInfo) ModTime() time.Time { return time.Time{} }
func (d dirInfo) IsDir() bool        { return true }
func (d dirInfo) Sys() any           { return nil }

// A directory is an open directory of a tree.
type directory struct {
	name    string
	entries []fs.DirEntry
}

func (d *directory) Stat() (fs.FileInfo, error) { return dirInfo(d.name), nil }
func (d *directory) Close() error               { return nil }

func (d *directory) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

func (d *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	page := d.entries[:n]
	d.entries = d.entries[n:]
	return page, nil
}

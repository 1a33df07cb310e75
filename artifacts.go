package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) PutArtifact(ctx context.Context, path string, in io.Reader) (File, error) {
	f, err := r.putArtifact(ctx, path, in)
	return f, wrap("PutArtifact", path, err)
}

func (r *registry) putArtifact(ctx context.Context, path string, in io.Reader) (File, error) {
	if err := checkPath(path); err != nil {
		return File{}, err
	}
	if in == nil {
		return File{}, fmt.Errorf("content of %s: %w: nil; give a reader, of nothing for an empty file", path, ErrInvalid)
	}
	up, err := r.beginUpload(ctx)
	if err != nil {
		return File{}, err
	}
	defer up.end(ctx)
	if err := up.storeReader(ctx, path, in); err != nil {
		return File{}, err
	}
	if err := up.commitArtifacts(ctx, up.files); err != nil {
		return File{}, err
	}
	return up.files[0], nil
}

func (r *registry) LogArtifacts(ctx context.Context, dir string, fsys fs.FS, opts *LogArtifactsOptions) error {
	if opts == nil {
		opts = &LogArtifactsOptions{}
	}
	return wrap("LogArtifacts", dir, r.logArtifacts(ctx, dir, fsys, opts.Progress))
}

func (r *registry) logArtifacts(ctx context.Context, dir string, fsys fs.FS, progress func(Progress)) error {
	if err := checkDir(dir); err != nil {
		return err
	}
	if fsys == nil {
		return fmt.Errorf("%w: no files were given, the fs.FS is nil", ErrInvalid)
	}
	up, err := r.beginUpload(ctx)
	if err != nil {
		return err
	}
	defer up.end(ctx)
	if err := up.store(ctx, fsys, progress); err != nil {
		return err
	}
	files := slices.Clone(up.files)
	for i := range files {
		files[i].Path = joinPath(dir, files[i].Path)
		if err := checkPath(files[i].Path); err != nil {
			return err
		}
	}
	return up.commitArtifacts(ctx, files)
}

// commitArtifacts makes the files visible under their paths, and gives the lease back.
func (up *upload) commitArtifacts(ctx context.Context, files []File) error {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	err := up.r.backend.Update(ctx, append(artifactLocks(paths...), anyUploadLock()), func(tx backend.Tx) error {
		if err := up.giveBack(tx); err != nil {
			return err
		}
		return putArtifacts(tx, files, up.r.now())
	})
	up.done = err == nil
	return err
}

// putArtifacts writes the rows of files, and of the directories above them that are not there.
func putArtifacts(tx backend.Tx, files []File, now time.Time) error {
	wanted := make(map[string]artifact, len(files))
	for _, f := range files {
		wanted[f.Path] = artifact{File: f, updated: now}
	}
	for _, f := range files {
		for dir, _ := splitPath(f.Path); dir != ""; dir, _ = splitPath(dir) {
			if a, ok := wanted[dir]; ok && !a.dir {
				return errFileAbove(f.Path, dir)
			} else if ok {
				break // and all above it
			}
			wanted[dir] = artifact{File: File{Path: dir}, dir: true, updated: now}
		}
	}
	there, err := findArtifacts(tx.Find, wanted)
	if err != nil {
		return err
	}
	for _, old := range there {
		switch a := wanted[old.Path]; {
		case a.dir && !old.dir:
			return errFileAbove(files[0].Path, old.Path)
		case !a.dir && old.dir:
			return fmt.Errorf("artifact %s: %w: it is a directory; delete it first", old.Path, ErrInvalid)
		case a.dir:
			delete(wanted, old.Path) // as it is
		}
	}
	rows := make([]backend.Row, 0, len(wanted))
	for _, a := range wanted {
		row, err := a.row()
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	// In one order, so that writers of different runs who add the same directory wait for each other in a row.
	slices.SortFunc(rows, func(a, b backend.Row) int { return a.Key.Compare(b.Key) })
	if err := tx.Put(tableArtifacts, rows...); err != nil {
		return fmt.Errorf("write artifacts: %w", err)
	}
	return nil
}

func errFileAbove(path, file string) error {
	return fmt.Errorf("artifact %s: %w: %s is a file, not a directory; delete it first", path, ErrInvalid, file)
}

func (r *registry) DeleteArtifacts(ctx context.Context, path string) error {
	return wrap("DeleteArtifacts", path, r.deleteArtifacts(ctx, path))
}

func (r *registry) deleteArtifacts(ctx context.Context, path string) error {
	if path == "" {
		return fmt.Errorf("%w: the root of all artifacts cannot be deleted", ErrInvalid)
	}
	if err := checkPath(path); err != nil {
		return err
	}
	dir, name := splitPath(path)
	if dir != "" {
		return r.removeArtifacts(ctx, dir, name)
	}
	if err := r.removeEntries(ctx, name); err != nil {
		return err
	}
	return r.removeArtifacts(ctx, "", name)
}

// removeEntries removes what is in a directory of the root, which may be all runs of an experiment: a directory at a
// time, so that no transaction has to hold everything, and files by the page.
func (r *registry) removeEntries(ctx context.Context, top string) error {
	q := backend.Query{Table: tableArtifacts, Limit: artifactPage, Where: []backend.Cond{{Field: "dir", Value: backend.StringValue(top)}}}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return fmt.Errorf("read artifacts: %w", err)
		}
		var files []string
		for _, row := range rows {
			a, err := decodeArtifact(row)
			if err != nil {
				return err
			}
			if _, name := splitPath(a.Path); !a.dir {
				files = append(files, name)
			} else if err := r.removeArtifacts(ctx, top, name); err != nil {
				return err
			}
		}
		if len(files) > 0 {
			if err := r.removeArtifacts(ctx, top, files...); err != nil {
				return err
			}
		}
		if len(rows) < artifactPage {
			return nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// errLast says that a removal leaves the second directory of its path empty, and has not the locks for that.
var errLast = errors.New("the last of a subtree")

// removeArtifacts removes entries of a directory, with all below them, and then those directories above that are empty.
func (r *registry) removeArtifacts(ctx context.Context, dir string, names ...string) error {
	path := joinPath(dir, names[0])
	top, _, _ := strings.Cut(path, "/")
	if strings.Count(path, "/") >= 2 {
		err := r.backend.Update(ctx, artifactLocks(path), func(tx backend.Tx) error { return removeArtifacts(tx, dir, names, false) })
		if !errors.Is(err, errLast) {
			return err
		}
	}
	return r.backend.Update(ctx, artifactLocks(top), func(tx backend.Tx) error { return removeArtifacts(tx, dir, names, true) })
}

// removeArtifacts works in a transaction that holds the locks of names in dir or, if whole, of the root's entry.
func removeArtifacts(tx backend.Tx, dir string, names []string, whole bool) error {
	wanted := make(map[string]artifact, len(names))
	for _, name := range names {
		wanted[joinPath(dir, name)] = artifact{}
	}
	there, err := findArtifacts(tx.Find, wanted)
	if err != nil || len(there) == 0 {
		return err
	}
	keys := make([]backend.Key, len(there))
	for i, a := range there {
		keys[i] = artifactKey(a.Path)
		if !a.dir {
			continue
		}
		err := eachBelow(tx.Find, a.Path, func(rows []backend.Row) error { return tx.Delete(tableArtifacts, keysOf(rows)...) })
		if err != nil {
			return fmt.Errorf("delete artifacts: %w", err)
		}
	}
	if err := tx.Delete(tableArtifacts, keys...); err != nil {
		return fmt.Errorf("delete artifacts: %w", err)
	}
	for ; dir != ""; dir, _ = splitPath(dir) {
		rest, err := tx.Find(backend.Query{Table: tableArtifacts, Limit: 1, Where: []backend.Cond{{Field: "dir", Value: backend.StringValue(dir)}}})
		if err != nil {
			return fmt.Errorf("read artifacts: %w", err)
		}
		if len(rest) > 0 {
			return nil
		}
		if !whole && strings.Count(dir, "/") < 2 {
			return errLast
		}
		if err := tx.Delete(tableArtifacts, artifactKey(dir)); err != nil {
			return fmt.Errorf("delete artifacts: %w", err)
		}
	}
	return nil
}

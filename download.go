package modelregistry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DownloadOptions go with Download. Nil means all defaults.
type DownloadOptions struct {
	// Replace allows an earlier download to be replaced, with whatever it holds by now: a directory that Download has
	// made under that name, of whatever version. A small hidden file beside it (.NAME.download) remembers which.
	Replace bool
	// Progress, if not nil, is called while files are fetched, one call at a time.
	Progress func(Progress)
}

// Download puts the files of a version into the directory dir, all or none: they are gathered in a hidden directory
// beside it, verified, synced to disk, and take its name at once. What an interrupted Download left there, and is
// right, is not fetched again. A dir that holds just these files already is left as it is.
//
// ErrExists: dir holds something else, and Replace is not set or it is no earlier download. ErrInvalid: dir is "", or is or
// holds the working directory or the user's home; v is nil; or the file system cannot hold the files as they are (names that
// differ only by case on one that folds it, or that it reserves). ErrCorrupt: the stored bytes are not what was registered.
// After an error, dir is as it was.
//
// Programs may download into the same dir at the same time; on systems without flock they must not.
func Download(ctx context.Context, r Resolver, v *Version, dir string, opts *DownloadOptions) error {
	if opts == nil {
		opts = &DownloadOptions{}
	}
	if v == nil {
		return wrap("Download", "", errNilVersion)
	}
	d := &download{fsys: r.Files(ctx, v), ctx: ctx, replace: opts.Replace, meter: &meter{report: opts.Progress}}
	return wrap("Download", v.Ref(), d.run(v, dir))
}

type download struct {
	ctx     context.Context
	fsys    fs.FS
	replace bool
	meter   *meter

	dir    string // absolute, links resolved
	hidden string // where the files are gathered
	files  []File
}

func (d *download) run(v *Version, dir string) (err error) {
	if dir == "" {
		return fmt.Errorf("%w: the directory is \"\"; give one of its own to the version", ErrInvalid)
	}
	if d.files, err = versionFiles(d.fsys); err != nil {
		return err
	}
	for _, f := range d.files {
		d.meter.total += f.Size
		if _, err := filepath.Localize(f.Path); err != nil {
			return fmt.Errorf("file %q: %w: this system cannot name it so", f.Path, ErrInvalid)
		}
	}
	if d.dir, err = resolveDir(dir); err != nil {
		return err
	}
	if err := checkTarget(d.dir); err != nil {
		return err
	}
	if done, err := d.present(); err != nil {
		return err
	} else if done {
		return nil // and not remembered: a directory that somebody else has made may get files that only they have
	}
	d.hidden = filepath.Join(filepath.Dir(d.dir), fmt.Sprintf(".%s.%.12s.partial", filepath.Base(d.dir), strings.TrimPrefix(v.Digest, "sha256:")))
	unlock, err := lockDir(d.ctx, d.hidden)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer unlock()
	if done, err := d.present(); err != nil || done { // by another, while this one waited
		return errors.Join(err, os.RemoveAll(d.hidden))
	}
	if err := d.gather(); err != nil {
		return err
	}
	return d.swap()
}

// versionFiles lists the files of a version with their digests.
func versionFiles(fsys fs.FS) ([]File, error) {
	var files []File
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f, ok := info.Sys().(*File)
		if !ok {
			return fmt.Errorf("file %q: %w: not from a registry's Files", name, ErrInvalid)
		}
		files = append(files, *f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

// resolveDir makes dir absolute and follows links, so that renaming beside it stays in its file system.
func resolveDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(dir)), nil
}

// present says whether dir holds just these files already. ErrExists: it holds something else, and may not be replaced.
func (d *download) present() (bool, error) {
	info, err := os.Lstat(d.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("%s: %w: not a directory", d.dir, ErrExists)
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	others, err := strangers(root.FS(), d.files)
	if err != nil {
		return false, err
	}
	right := len(others) == 0
	for _, f := range d.files {
		if !right {
			break
		}
		if right, err = holds(d.ctx, root, f); err != nil {
			return false, err
		}
	}
	if right {
		return true, nil
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	if !d.replace {
		return false, fmt.Errorf("%s: %w and holds other files than the version's; give an empty directory, or set Replace", d.dir, ErrExists)
	}
	if ours, err := d.recorded(); err != nil || !ours {
		return false, errors.Join(err, fmt.Errorf("%s: %w and is no earlier download, which is all that Replace takes away; "+
			"give another directory, or remove it yourself", d.dir, ErrExists))
	}
	return false, nil
}

// strangers lists what is in fsys besides the files and their directories.
func strangers(fsys fs.FS, files []File) ([]string, error) {
	known := map[string]fs.FileMode{".": fs.ModeDir}
	for _, f := range files {
		known[f.Path] = 0
		for i := strings.LastIndexByte(f.Path, '/'); i > 0; i = strings.LastIndexByte(f.Path[:i], '/') {
			known[f.Path[:i]] = fs.ModeDir
		}
	}
	var out []string
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if mode, ok := known[name]; ok && e.Type() == mode { // a link under a known name is a stranger
			return nil
		}
		out = append(out, name)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	return out, err
}

// holds says whether root has just that file, with just that content.
func holds(ctx context.Context, root *os.Root, f File) (bool, error) {
	info, err := root.Lstat(filepath.FromSlash(f.Path))
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false, nil //nolint:nilerr // whatever it is, it is not the file
	}
	in, err := root.Open(filepath.FromSlash(f.Path))
	if err != nil {
		return false, nil //nolint:nilerr // likewise
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &meteredReader{ctx: ctx, r: in}); err != nil {
		return false, err
	}
	return "sha256:"+hex.EncodeToString(h.Sum(nil)) == f.Digest, nil
}

// gather makes the hidden directory hold just the files, verified and synced.
func (d *download) gather() error {
	root, err := openRealRoot(d.hidden)
	if err != nil {
		return err
	}
	defer root.Close()
	others, err := strangers(root.FS(), d.files)
	if err != nil {
		return err
	}
	for _, name := range others {
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := checkFolding(root, d.files); err != nil {
		return err
	}
	err = several(d.ctx, len(d.files), func(ctx context.Context, i int) error {
		if err := d.fetch(ctx, root, d.files[i]); err != nil {
			return fmt.Errorf("file %s: %w", d.files[i].Path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return syncDirs(root)
}

// openRealRoot opens a directory that is no link: whoever can write beside it must not choose where the files go.
func openRealRoot(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil {
		var there fs.FileInfo
		if there, err = os.Lstat(dir); err == nil && !os.SameFile(opened, there) {
			err = fmt.Errorf("%s: %w: a link stands in its place; remove it", dir, ErrInvalid)
		}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// fetch writes one file, under a name that says it is not finished until it is.
func (d *download) fetch(ctx context.Context, root *os.Root, f File) error {
	name := filepath.FromSlash(f.Path)
	there, err := holds(ctx, root, f)
	if err != nil {
		return err
	}
	if there {
		d.meter.add(f.Path, f.Size)
		return nil
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	in, err := d.fsys.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	part := f.Path + ".part"
	for i := 0; d.has(part); i++ {
		part = fmt.Sprintf("%s.part%d", f.Path, i)
	}
	part = filepath.FromSlash(part)
	out, err := root.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, &meteredReader{ctx: ctx, r: in, file: f.Path, meter: d.meter})
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, root.Remove(part))
	}
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	return root.Rename(part, name)
}

// has says whether the version has a file of that path.
func (d *download) has(path string) bool {
	_, found := slices.BinarySearchFunc(d.files, path, func(f File, path string) int { return cmp.Compare(f.Path, path) })
	return found
}

// checkFolding refuses names that this file system would take for one.
func checkFolding(root *os.Root, files []File) error {
	const probe, other = ".Case-Probe", ".cASE-pROBE"
	f, err := root.Create(probe)
	if err != nil {
		return err
	}
	_, err = root.Lstat(other)
	if err := errors.Join(f.Close(), root.Remove(probe)); err != nil {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // it does not fold
	}
	return foldCollision(files)
}

// foldCollision finds two files whose names, or the names of whose directories, differ only by case.
func foldCollision(files []File) error {
	seen := map[string]string{}
	for _, f := range files {
		for end := 0; end < len(f.Path); {
			if i := strings.IndexByte(f.Path[end:], '/'); i < 0 {
				end = len(f.Path)
			} else {
				end += i
			}
			name := f.Path[:end]
			folded := strings.ToLower(strings.ToUpper(name))
			if before, ok := seen[folded]; ok && before != name {
				return fmt.Errorf("files %q and %q: %w: this file system does not tell them apart", before, name, ErrInvalid)
			}
			seen[folded] = name
			end++
		}
	}
	return nil
}

// syncDirs makes the names in the hidden directory durable.
func syncDirs(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		f, err := root.Open(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		return errors.Join(syncDir(f), f.Close())
	})
}

// swap gives the hidden directory its name.
func (d *download) swap() error {
	if err := d.record(d.hidden); err != nil {
		return err
	}
	old := ""
	if entries, err := os.ReadDir(d.dir); err == nil {
		if len(entries) == 0 {
			if err := os.Remove(d.dir); err != nil {
				return err
			}
		} else {
			old = d.dir + "." + newID() + ".old"
			old = filepath.Join(filepath.Dir(old), "."+filepath.Base(old))
			if err := os.Rename(d.dir, old); err != nil {
				return err
			}
		}
	}
	if err := os.Rename(d.hidden, d.dir); err != nil {
		if old != "" {
			err = errors.Join(err, os.Rename(old, d.dir))
		}
		return err
	}
	parent, err := os.Open(filepath.Dir(d.dir))
	if err != nil {
		return err
	}
	if err := errors.Join(syncDir(parent), parent.Close()); err != nil {
		return err
	}
	if old != "" {
		return os.RemoveAll(old)
	}
	return nil
}

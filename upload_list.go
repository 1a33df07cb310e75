package modelregistry

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A source is a file to store.
type source struct {
	path string // its name in the version
	open string // its name in the file system: another, if path is a symbolic link
	size int64  // bytes, as listed
}

// listFiles lists the regular files below fsys's root, in byte order of their paths.
func listFiles(ctx context.Context, fsys fs.FS) ([]source, error) {
	var out []source
	var limit listLimit
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
		if err := limit.add(name); err != nil {
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
	if err := checkName("file", name, maxPath); err != nil {
		return err
	}
	for element := range strings.SplitSeq(name, "/") {
		if deviceRE.MatchString(element) {
			return fmt.Errorf("file %.200q: %w: %.80q is a device on Windows, not a file; give it another name", name, ErrInvalid, element)
		}
	}
	return nil
}

// deviceRE is what Windows takes for a device in every directory, whatever follows a dot or a colon.
var deviceRE = regexp.MustCompile(`^(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:[.:].*)?$`)

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

package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/modelregistry-go/modelregistry"
)

// openPlain opens a file below root that is a file, and no link to one: whoever can put a link in the place of content must
// not choose what is read. Nor does any link in the path lead out of root, which may be one itself.
func openPlain(root, path string) (*os.File, error) {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	there, err := r.Lstat(rel)
	if err != nil {
		return nil, err
	}
	if !there.Mode().IsRegular() {
		return nil, notPlain(path)
	}
	f, err := r.Open(rel)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(there, opened) { // changed in between, or reached through another link
		err = notPlain(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// statPlain is os.Stat of a file that is no link.
func statPlain(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = notPlain(path)
	}
	return info, err
}

func notPlain(path string) error {
	return fmt.Errorf("%w: %s is not a file, or is a link", modelregistry.ErrCorrupt, path)
}

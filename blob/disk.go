package blob

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// disk is what a directory store does to change a file system. Tests count and break it.
type disk interface {
	create(path string) (diskFile, error) // fails if path is there
	rename(from, to string) error
	mkdir(path string) error
	remove(path string) error
	syncDir(path string) error
	// syncsAll prepares for syncAll and returns whether it can be relied on.
	syncsAll(folder string) bool
	// syncAll makes all durable that happened since syncsAll in the file system that the folder is on. It returns false,
	// having done nothing, if that is another file system now.
	syncAll(folder string) (bool, error)
	close() error
}

type diskFile interface {
	io.WriteCloser
	// flush begins to write bytes to the medium that were written to the file, and does not wait.
	flush(offset, length int64)
	sync() error
}

type osDisk struct{ whole wholeDisk }

type osFile struct{ *os.File }

func (*osDisk) create(path string) (diskFile, error) {
	// Read-only: content never changes. The descriptor at hand can write all the same.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) sync() error                { return f.File.Sync() }
func (f osFile) flush(offset, length int64) { startWriteback(f.File, offset, length) }

func (*osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (*osDisk) mkdir(path string) error      { return os.Mkdir(path, 0o777) }
func (*osDisk) remove(path string) error     { return os.Remove(path) }

func (*osDisk) syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (d *osDisk) syncsAll(folder string) bool         { return d.whole.open(folder) }
func (d *osDisk) syncAll(folder string) (bool, error) { return d.whole.sync(folder) }
func (d *osDisk) close() error                        { return d.whole.close() }

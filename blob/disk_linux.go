package blob

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// startWriteback lets the disk work while content is still being hashed. It measured 0.23 instead of 0.32 s for 256 MiB.
func startWriteback(f *os.File, offset, length int64) {
	// Only a hint: sync reports what goes wrong.
	_ = unix.SyncFileRange(int(f.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}

// wholeDisk calls syncfs, which makes many small files durable for the price of a few: 3,000 files of 4 KiB, written by 32
// callers, took 0.13 s with it, 0.43 s with an fsync each, and 1.7 s one after the other.
type wholeDisk struct{ folder *os.File }

// The file systems on which syncfs waits for the medium. FUSE's does not, and others were not looked at.
var syncfsWaits = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC}

// open keeps a descriptor, because the kernel reports to it the writes that failed since it was opened.
func (w *wholeDisk) open(folder string) bool {
	f, err := os.Open(folder)
	if err != nil {
		return false
	}
	if !syncfsReports() || !syncfsKnown(f) {
		_ = f.Close()
		return false
	}
	w.folder = f
	return true
}

func (w *wholeDisk) sync(folder string) (bool, error) {
	was, err := w.folder.Stat()
	if err != nil {
		return false, nil
	}
	if now, err := os.Stat(folder); err != nil || !os.SameFile(was, now) {
		return false, nil
	}
	return true, unix.Syncfs(int(w.folder.Fd()))
}

func (w *wholeDisk) close() error {
	if w.folder == nil {
		return nil
	}
	return w.folder.Close()
}

func syncfsKnown(f *os.File) bool {
	var s unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &s) == nil && slices.Contains(syncfsWaits, int64(s.Type))
}

// syncfsReports: before Linux 5.8 syncfs kept quiet about failed writes.
func syncfsReports() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, minor, field := 0, 0, 0
	for _, c := range u.Release {
		switch {
		case c >= '0' && c <= '9' && field == 0:
			major = major*10 + int(c-'0')
		case c >= '0' && c <= '9':
			minor = minor*10 + int(c-'0')
		case c == '.' && field == 0:
			field = 1
		default:
			return major > 5 || major == 5 && minor >= 8
		}
	}
	return false
}

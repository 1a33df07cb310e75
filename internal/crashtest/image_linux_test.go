package crashtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// An image is an ext4 file system in a file, mounted.
type image struct {
	file   string
	folder string
}

// newImage makes an image of that many MiB and mounts it. It skips the test where that is not allowed.
func newImage(t *testing.T, size int64) *image {
	t.Helper()
	needMounts(t)
	dir := t.TempDir()
	i := &image{file: filepath.Join(dir, "image"), folder: filepath.Join(dir, "mounted")}
	require.NoError(t, os.Mkdir(i.folder, 0o777))
	require.NoError(t, os.WriteFile(i.file, nil, 0o666))
	require.NoError(t, os.Truncate(i.file, size<<20))
	// No blocks are set aside for root, which would see the disk full later than others.
	system(t, "mkfs.ext4", "-q", "-F", "-m", "0", i.file)
	i.mount(t)
	t.Cleanup(func() { _ = unix.Unmount(i.folder, unix.MNT_DETACH) })
	return i
}

// needMounts skips the test where file systems cannot be mounted.
func needMounts(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount file systems")
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs loop devices: %v", err)
	}
	require.NoError(t, control.Close())
	probe := t.TempDir()
	err = unix.Mount("probe", probe, "tmpfs", 0, "")
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skipf("needs the right to mount file systems: %v", err)
	}
	require.NoError(t, err)
	require.NoError(t, unix.Unmount(probe, 0))
}

// mount leaves it to calls of fsync what reaches the disk: by itself the file system would commit every five seconds.
func (i *image) mount(t *testing.T) {
	t.Helper()
	system(t, "mount", "-t", "ext4", "-o", "loop,commit=300", i.file, i.folder)
}

func (i *image) unmount(t *testing.T) {
	t.Helper()
	require.NoError(t, unix.Unmount(i.folder, 0))
}

// sync makes all durable that is on the image.
func (i *image) sync(t *testing.T) {
	t.Helper()
	i.onFolder(t, unix.Syncfs)
}

// onFolder calls the system with a descriptor of the folder.
func (i *image) onFolder(t *testing.T, call func(fd int) error) {
	t.Helper()
	folder, err := os.Open(i.folder)
	require.NoError(t, err)
	defer folder.Close()
	require.NoError(t, call(int(folder.Fd())))
}

// From fs/ext4/ext4.h and fs/xfs/xfs_fs.h of Linux: FS_IOC_SHUTDOWN is _IOR('X', 125, __u32).
const (
	shutdownIoctl = 2<<30 | 4<<16 | 'X'<<8 | 125
	noLogFlush    = 2
)

// cut takes the power away: from now on nothing reaches the image, and what has not yet is lost.
func (i *image) cut(t *testing.T) {
	t.Helper()
	i.onFolder(t, func(fd int) error { return unix.IoctlSetPointerInt(fd, shutdownIoctl, noLogFlush) })
}

// restart is what a machine does when the power is back: it replays the journal.
func (i *image) restart(t *testing.T) {
	t.Helper()
	i.unmount(t)
	i.mount(t)
}

// system runs a program of the system, which may not be on the PATH of all users.
func system(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	require.NoError(t, err, "make tools installs it")
	out, err := exec.Command(path, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}

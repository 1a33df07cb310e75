//go:build unix

package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// lockDir creates dir if need be and locks it against other downloads, until unlock or the end of the process. The lock
// is on the directory itself, so nothing stays behind.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	for ctx.Err() == nil {
		// Not MkdirAll: it fails if another download renames dir away at the wrong moment.
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s: %w: not a directory; remove it", dir, ErrInvalid)
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // renamed by the download that held it
		}
		if err != nil {
			return nil, err
		}
		if err := flock(ctx, f); err != nil {
			f.Close()
			return nil, err
		}
		if same(f, dir) {
			return func() { f.Close() }, nil
		}
		f.Close()
	}
	return nil, context.Cause(ctx)
}

func flock(ctx context.Context, f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond): // flock has no wait that ends with a context
		}
	}
}

// same says whether dir still names what f has open.
func same(f *os.File, dir string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(dir)
	return err == nil && os.SameFile(a, b)
}

func syncDir(f *os.File) error { return f.Sync() }

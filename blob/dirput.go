package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

const (
	// flushEvery is how much of a large file is handed to the disk at a time while more is being written.
	flushEvery = 8 << 20
	// settled is the age at which a file that is there already is taken to be durably there. A younger one may have been
	// renamed by a Put that has yet to sync the folder, in this process or in another.
	settled = time.Hour
)

func (d *dir) putSmall(ctx context.Context, n name, content []byte) error {
	if there, err := d.has(ctx, n, int64(len(content)), content, false); there || err != nil {
		return err
	}
	t, err := d.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	if _, err := t.Write(content); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.commitSmall(t, n)
}

func (d *dir) putLarge(ctx context.Context, head []byte, r io.Reader, whole bool) (name, int64, error) {
	hint := sha256.Sum256(head)
	n, size, there, err := d.foundAlready(ctx, hint, head, r, whole)
	if there || err != nil {
		return n, size, err
	}
	t, err := d.newTemp()
	if err != nil {
		return "", 0, err
	}
	defer t.discard()
	sum, size, err := tee(ctx, t, head, r)
	if err != nil {
		return "", 0, err
	}
	n = nameOf(sum)
	if there, err := d.has(ctx, n, size, head, whole); there || err != nil {
		return n, size, err
	}
	d.leaveHint(size, hint)
	return n, size, d.commit(t, n)
}

// has reports whether content of that size is durably there that begins with head, or is right to its end if that is asked
// for. If not, what is there was damaged, and it is written again.
func (d *dir) has(ctx context.Context, n name, size int64, head []byte, whole bool) (bool, error) {
	f, err := openPlain(d.root, d.path(n))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, modelregistry.ErrCorrupt):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look whether it is there already: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("look whether it is there already: %w", err)
	}
	if info.Size() != size {
		return false, nil
	}
	if right, err := holds(ctx, f, n, head, whole); err != nil || !right {
		if cause := ctx.Err(); cause != nil {
			return false, cause
		}
		return false, nil //nolint:nilerr // what cannot be read is written anew
	}
	if time.Since(info.ModTime()) < settled {
		shard := filepath.Dir(d.path(n))
		if err := d.makeFolder(shard); err != nil {
			return false, err
		}
		if err := d.disk.syncDir(shard); err != nil {
			return false, err
		}
	}
	return true, nil
}

// commit makes t durable under its name, all by itself.
func (d *dir) commit(t *temp, n name) error {
	if err := t.sync(); err != nil {
		return err
	}
	shard := filepath.Dir(d.path(n))
	if err := d.makeFolder(shard); err != nil {
		return err
	}
	if err := d.place(t, n); err != nil {
		return err
	}
	return d.disk.syncDir(shard)
}

// place gives t its name, which is durable once its folder is synced.
func (d *dir) place(t *temp, n name) error {
	if err := t.rename(d.path(n)); err != nil {
		d.forgetFolders()
		return d.lost(err)
	}
	return nil
}

// lost explains an error that may come from the bucket being gone.
func (d *dir) lost(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if gone := d.gone(); gone != nil {
			return gone
		}
	}
	return err
}

// makeFolder makes a folder below the root, and those above it, durably. It asks the disk once for each.
func (d *dir) makeFolder(folder string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	made, err := d.mkdir(folder)
	if err != nil {
		return err
	}
	for _, f := range made {
		if err := d.disk.syncDir(filepath.Dir(f)); err != nil {
			return err
		}
		d.made[f] = true
	}
	return nil
}

// mkdir returns the folders whose entry in their parent has yet to be synced: also those that were there, since another
// process may have made them a moment ago. d.mu is held.
func (d *dir) mkdir(folder string) (unsynced []string, err error) {
	if d.made[folder] {
		return nil, nil
	}
	if unsynced, err = d.mkdir(filepath.Dir(folder)); err != nil {
		return nil, err
	}
	if err := d.disk.mkdir(folder); errors.Is(err, fs.ErrExist) {
		if info, err := os.Lstat(folder); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is not a folder, or is a link to one", folder)
		}
	} else if err != nil {
		return nil, d.lost(err)
	}
	return append(unsynced, folder), nil
}

// forgetFolders: one that was there was not any more.
func (d *dir) forgetFolders() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made = map[string]bool{d.root: true}
}

// temp is a file beside the content, in the same file system, that becomes content by being renamed.
type temp struct {
	diskFile
	disk    disk
	path    string
	written int64
	flushed int64
	closed  bool
	renamed bool
}

func (d *dir) newTemp() (*temp, error) {
	if err := d.makeFolder(d.tmp); err != nil {
		return nil, err
	}
	d.prepare.Do(func() { d.groups.Store(d.disk.syncsAll(d.tmp)) })
	for again := false; ; again = true {
		path := filepath.Join(d.tmp, "put-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatUint(rand.Uint64(), 36))
		f, err := d.disk.create(path)
		switch {
		case err == nil:
			return &temp{diskFile: f, disk: d.disk, path: path}, nil
		case errors.Is(err, fs.ErrNotExist) && !again:
			// Somebody has emptied the bucket.
			d.forgetFolders()
			if err := d.makeFolder(d.tmp); err != nil {
				return nil, err
			}
		case !errors.Is(err, fs.ErrExist):
			return nil, d.lost(err)
		}
	}
}

func (t *temp) Write(p []byte) (int, error) {
	n, err := t.diskFile.Write(p)
	t.written += int64(n)
	if t.written-t.flushed >= flushEvery {
		t.flush(t.flushed, t.written-t.flushed)
		t.flushed = t.written
	}
	return n, err
}

func (t *temp) rename(to string) error {
	if err := t.close(); err != nil {
		return err
	}
	if err := t.disk.rename(t.path, to); err != nil {
		return err
	}
	t.renamed = true
	return nil
}

func (t *temp) close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	return t.Close()
}

// discard removes what was not renamed. What cannot be removed now, tidy will.
func (t *temp) discard() {
	_ = t.close()
	if !t.renamed {
		_ = t.disk.remove(t.path)
	}
}

// A hint is an empty file that says that content of this size and with this first block was stored. If there is one, a
// Put reads its argument for the digest before it writes anything; if there is none, it hashes beside the writing. A
// wrong hint costs time, nothing else, so hints are not synced.
func (d *dir) hint(size int64, head [32]byte) string {
	return filepath.Join(d.hints, strconv.FormatInt(size, 10)+"-"+hex.EncodeToString(head[:16]))
}

func (d *dir) leaveHint(size int64, head [32]byte) {
	if d.makeFolder(d.hints) != nil {
		return
	}
	if f, err := d.disk.create(d.hint(size, head)); err == nil {
		_ = f.Close()
	}
}

// foundAlready looks for content that begins with head, without writing. If it is not there, r is where it was.
func (d *dir) foundAlready(ctx context.Context, hint [32]byte, head []byte, r io.Reader, whole bool) (n name, size int64, there bool, err error) {
	s, ok := r.(io.Seeker)
	if !ok {
		return "", 0, false, nil
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", 0, false, nil // a pipe
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return "", 0, false, nil
	}
	if _, err := s.Seek(at, io.SeekStart); err != nil {
		return "", 0, false, fmt.Errorf("go back in the content: %w", err)
	}
	if _, err := os.Stat(d.hint(end-at+int64(len(head)), hint)); err != nil {
		return "", 0, false, nil
	}
	sum, size, err := tee(ctx, io.Discard, head, r)
	if err != nil {
		return "", 0, false, err
	}
	if there, err := d.has(ctx, nameOf(sum), size, head, whole); there || err != nil {
		return nameOf(sum), size, there, err
	}
	if _, err := s.Seek(at, io.SeekStart); err != nil {
		return "", 0, false, fmt.Errorf("go back in the content: %w", err)
	}
	return "", 0, false, nil
}

func (d *dir) forgetHint(ctx context.Context, n name) {
	r, err := d.open(ctx, n, 0, blockSize)
	if err != nil {
		return
	}
	defer r.Close()
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	if m, _ := fill(ctx, r, block[:]); m < blockSize {
		return // too small to have one
	}
	if size, err := d.stat(ctx, n); err == nil {
		_ = d.disk.remove(d.hint(size, sha256.Sum256(block[:])))
	}
}

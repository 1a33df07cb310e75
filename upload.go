package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An upload stores the files of a registration, or artifacts, under a lease: a row that tells Sweep to wait. Blobs come
// first and the rows that name them last, so a crash leaves blobs without a name, and the lease says which of those are on their way.
type upload struct {
	r     *registry
	lease string
	stop  func()
	// putBlob is the Put of the Blobs, or its PutVerified.
	putBlob func(ctx context.Context, r io.Reader) (digest string, size int64, err error)
	// condemned are the blobs that Sweeps were about to remove when the lease began: later Sweeps wait for it.
	condemned map[string]string // and by which
	done      bool              // the lease was given back with what it was for
	spool     *os.File          // what could be read only once; nil if there was no need

	files  []File
	digest string
	size   int64
}

const (
	uploadLocks = 16 // so that registrations seldom wait for each other's lease; Sweep takes all
	workers     = 16 // files stored at once: for small ones the time is all in waiting for the disk or the network
)

func uploadLock(i int) string { return "uploads/" + strconv.Itoa(i) }

// allUploadLocks keep every lease from being taken, renewed or given back with a version meanwhile.
func allUploadLocks() []string {
	locks := make([]string, uploadLocks)
	for i := range locks {
		locks[i] = uploadLock(i)
	}
	return locks
}

// anyUploadLock keeps a lease from being taken away meanwhile.
func anyUploadLock() string { return uploadLock(rand.IntN(uploadLocks)) }

func uploadKey(id string) backend.Key { return backend.Key{backend.StringValue(id)} }

// beginUpload takes a lease and lets it beat until end.
func (r *registry) beginUpload(ctx context.Context) (*upload, error) {
	if r.blobs == nil {
		return nil, fmt.Errorf("%w: the registry was made without Blobs, so there can be no files", ErrInvalid)
	}
	if err := r.mark(ctx, false); err != nil {
		return nil, fmt.Errorf("begin to store files: %w", err)
	}
	up := &upload{r: r, lease: newID(), putBlob: r.blobs.Put}
	if err := up.hold(ctx, true); err != nil {
		return nil, fmt.Errorf("begin to store files: %w", err)
	}
	renewal, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(leaseTime / 6)
		defer tick.Stop()
		for {
			select {
			case <-renewal.Done():
				return
			case <-tick.C:
				_ = up.hold(renewal, false) // commit looks whether the lease still holds
			}
		}
	})
	up.stop = func() { cancel(); wg.Wait() }
	return up, nil
}

// hold takes the lease, or lets it beat: one that was taken away stays so, for a Sweep has not waited for it.
func (up *upload) hold(ctx context.Context, begin bool) error {
	return up.r.backend.Update(ctx, []string{anyUploadLock()}, func(tx backend.Tx) error {
		var count int64
		if !begin {
			row, err := tx.Get(tableUploads, uploadKey(up.lease)...)
			if err != nil {
				return err
			}
			if count, err = beatOf(row); err != nil {
				return err
			}
			count++
		}
		row, err := beatRow(up.lease, count)
		if err != nil {
			return err
		}
		return tx.Put(tableUploads, row)
	})
}

// commit writes the list of files and gives the lease back, in the transaction that makes the version.
func (up *upload) commit(tx backend.Tx) error {
	if err := up.giveBack(tx); err != nil {
		return err
	}
	return putManifest(tx, up.digest, up.files)
}

// giveBack ends the lease in the transaction that names the blobs, if it still holds.
func (up *upload) giveBack(tx backend.Tx) error {
	if _, err := tx.Get(tableUploads, uploadKey(up.lease)...); errors.Is(err, backend.ErrNotFound) {
		return fmt.Errorf("%w: this program did not move for so long, while it stored the files, that a sweep took it for dead; try again", ErrConflict)
	} else if err != nil {
		return fmt.Errorf("read lease: %w", err)
	}
	if err := tx.Delete(tableUploads, uploadKey(up.lease)); err != nil {
		return fmt.Errorf("give back lease: %w", err)
	}
	return nil
}

// end gives the lease back if that was not done in a transaction.
func (up *upload) end(ctx context.Context) {
	up.stop()
	if up.spool != nil {
		_ = up.spool.Close()
		_ = os.Remove(up.spool.Name())
	}
	if up.done {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := up.r.findOne(ctx, backend.Query{Table: tableUploads, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(up.lease)}}}); err != nil {
		return // it is gone, or it will be taken away
	}
	_ = up.r.backend.Update(ctx, nil, func(tx backend.Tx) error { return tx.Delete(tableUploads, uploadKey(up.lease)) })
}

// store stores every file below fsys.
func (up *upload) store(ctx context.Context, fsys fs.FS, progress func(Progress)) error {
	sources, err := listFiles(ctx, fsys)
	if err != nil {
		return err
	}
	meter := &meter{report: progress}
	for _, s := range sources {
		meter.total += s.size
	}
	err = up.besideSweeps(ctx, func() error {
		up.files, err = up.storeAll(ctx, fsys, sources, meter)
		meter = nil // those that were swept are stored again; nearly all are there
		return err
	})
	if err != nil {
		return err
	}
	up.size = 0
	for _, f := range up.files {
		up.size += f.Size
	}
	up.digest = digestFiles(up.files)
	return nil
}

// storeReader stores what in yields as a file. It is read again if a Sweep removes the content meanwhile, for which one
// that cannot be is kept in a temporary file, if a Sweep is under way.
func (up *upload) storeReader(ctx context.Context, path string, in io.Reader) (err error) {
	seeker, _ := in.(io.Seeker)
	var start int64
	if seeker != nil {
		if start, err = seeker.Seek(0, io.SeekCurrent); err != nil { // a pipe, which has the method only
			seeker, in = nil, struct{ io.Reader }{in}
		}
	}
	stored := false
	return up.besideSweeps(ctx, func() error {
		if stored {
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return fmt.Errorf("read once more: %w", err)
			}
		} else if seeker == nil && len(up.condemned) > 0 {
			if up.spool, err = spool(&meteredReader{ctx: ctx, r: in}); err != nil {
				return fmt.Errorf("keep what a sweep may remove: %w", err)
			}
			seeker, in = up.spool, up.spool
		}
		stored = true
		f, err := up.put(ctx, path, in, nil)
		up.files = []File{f}
		return err
	})
}

// spool copies in to a temporary file and returns to its beginning.
func spool(in io.Reader) (f *os.File, err error) {
	if f, err = os.CreateTemp("", "modelregistry-*"); err != nil {
		return nil, err
	}
	if _, err = io.Copy(f, in); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// besideSweeps calls store, and again when a Sweep may have removed what it stored.
func (up *upload) besideSweeps(ctx context.Context, store func() error) (err error) {
	if up.condemned, err = up.r.condemned(ctx, up.lease, nil); err != nil {
		return fmt.Errorf("look for a sweep: %w", err)
	}
	for again := true; again; {
		if err := store(); err != nil {
			return err
		}
		if again, err = up.awaitSweep(ctx); err != nil {
			return err
		}
	}
	return nil
}

// storeAll stores the sources, several at once, and returns them in order. The first error stops all.
func (up *upload) storeAll(ctx context.Context, fsys fs.FS, sources []source, m *meter) ([]File, error) {
	files := make([]File, len(sources))
	err := several(ctx, len(sources), func(ctx context.Context, i int) (err error) {
		if files[i], err = up.storeOne(ctx, fsys, sources[i], m); err != nil {
			return fmt.Errorf("store file %s: %w", sources[i].path, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// several calls do for each i below n, some at once. The first error ends the context of the others and is returned.
func several(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (up *upload) storeOne(ctx context.Context, fsys fs.FS, s source, m *meter) (File, error) {
	f, err := fsys.Open(s.open)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	return up.put(ctx, s.path, f, m)
}

func (up *upload) put(ctx context.Context, path string, in io.Reader, m *meter) (File, error) {
	metered := &meteredReader{ctx: ctx, r: in, file: path, meter: m}
	var r io.Reader = metered
	if seeker, ok := in.(io.Seeker); ok {
		r = &seekingReader{metered, seeker}
	}
	digest, size, err := up.putBlob(ctx, r)
	if err != nil {
		return File{}, err
	}
	return File{Path: path, Size: size, Digest: digest}, nil
}

// A meter counts bytes over several files and reports them, one call at a time. A nil meter does nothing.
type meter struct {
	report func(Progress)
	mu     sync.Mutex
	done   int64
	total  int64
}

func (m *meter) add(file string, n int64) {
	if m == nil || m.report == nil || n <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.report(Progress{Done: m.done, Total: m.total, File: file})
}

// meteredReader reads a file, counts what it reads for the first time, and stops when its context ends.
type meteredReader struct {
	ctx     context.Context
	r       io.Reader
	file    string
	meter   *meter
	at      int64
	counted int64
}

func (r *meteredReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.r.Read(p)
	r.at += int64(n)
	r.meter.add(r.file, r.at-r.counted)
	r.counted = max(r.counted, r.at)
	return n, err
}

// seekingReader is a meteredReader of a file that can be read again.
type seekingReader struct {
	*meteredReader
	seeker io.Seeker
}

func (r *seekingReader) Seek(offset int64, whence int) (int64, error) {
	at, err := r.seeker.Seek(offset, whence)
	r.at = at
	return at, err
}

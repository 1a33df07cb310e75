// Package sqlite keeps a model registry in an SQLite file, by github.com/mattn/go-sqlite3. Several programs may use one
// file at once, on one machine: SQLite's locks do not work over network file systems.
//
// # URLs
//
// The URL scheme is sqlite: sqlite:relative/path.db, or sqlite:/absolute/path.db, which may also have three or four slashes. It
// has one parameter, mode: ro only reads, rw writes and makes no file, rwc makes the file if there is none and is the default.
//
// In the URLs of SQLAlchemy, and so of MLflow, sqlite:///x.db is a relative path. Here it would be a file in the root
// directory, and is refused; sqlite:////x.db is that file.
//
// # A file that goes away
//
// A file that is removed or replaced while it is open lives on for those who have it open, and what they write is lost
// with them. An Update notices that before it commits, and reads within a moment: they fail from then on.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
)

// A Mode is what may be done to a file.
type Mode string

// The modes, as SQLite's own URLs call them.
const (
	Create   Mode = "rwc" // read, write, and make it if there is none
	Existing Mode = "rw"  // read and write; a path where nothing is, is ErrNotFound
	ReadOnly Mode = "ro"  // read; Update and a Declare that would change something answer errors.ErrUnsupported
)

// Options are settings of a store; nil is the defaults.
type Options struct {
	Mode Mode // "" is Create
	// Readers is how many reads run at once; 0 is twice the number of processors, and at least 4.
	Readers int
	// Wrap, if not nil, wraps the driver, for tracing and the like.
	Wrap func(driver.Connector) driver.Connector
}

// Open opens the store in the file at path, and makes the file if there is none (see Mode); its directory has to be there.
//
// What an Update has committed survives a loss of power. Beside the file SQLite keeps two more while it is open, ending
// in -wal and -shm; a copy of the file alone is not a backup.
func Open(ctx context.Context, path string, opts *Options) (*sqldb.DB, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Mode == "" {
		o.Mode = Create
	}
	if o.Mode != Create && o.Mode != Existing && o.Mode != ReadOnly {
		return nil, fmt.Errorf("open sqlite: %w: mode %q is none of ro, rw, rwc", backend.ErrInvalid, o.Mode)
	}
	if err := check(path, o.Mode); err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	if o.Readers <= 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.Wrap == nil {
		o.Wrap = func(c driver.Connector) driver.Connector { return c }
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open sqlite %s: %w", path, err)
	}
	store, err := open(ctx, abs, o)
	if err != nil {
		return nil, fmt.Errorf("open sqlite %s: %w", path, explain(abs, err))
	}
	return store, nil
}

func open(ctx context.Context, path string, o Options) (*sqldb.DB, error) {
	if o.Mode == Create { // from here on nobody does: whoever opens another connection would make another file
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("the file or its directory cannot be written: %w", err)
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	read := sql.OpenDB(o.Wrap(newReader(path, o.Mode)))
	write, first := read, read
	if o.Mode != ReadOnly {
		write = sql.OpenDB(o.Wrap(newWriter(path)))
		write.SetMaxOpenConns(1)
		first = write
	}
	// The last connection of all programs to be closed checkpoints the log and removes it; that has to be one that may
	// write.
	closeAll := func() error { return errors.Join(read.Close(), write.Close()) }
	if err := ping(ctx, first); err != nil {
		_ = closeAll() // the first error is the one that counts
		return nil, err
	}
	f, err := newFile(path)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	read.SetMaxOpenConns(o.Readers)
	read.SetMaxIdleConns(o.Readers)
	settings := &sqldb.Options{ReadConns: o.Readers, Alive: f.alive, Close: closeAll, ReadOnly: o.Mode == ReadOnly}
	if o.Mode != ReadOnly {
		w := &wal{path: path + "-wal"}
		settings.WriteConns, settings.Committed = 1, w.committed
	}
	return sqldb.New(read, write, sqldb.SQLite(code), settings), nil
}

// A file is the one that was opened, as opposed to what is at its path later.
type file struct {
	path string
	info os.FileInfo
}

func newFile(path string) (*file, error) {
	info, err := os.Stat(path)
	return &file{path, info}, err
}

// alive says whether the file is still at its path.
func (f *file) alive() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("the file was removed while it was open; restore it and start again: %w", err)
	}
	if !os.SameFile(f.info, info) {
		return fmt.Errorf("the file %s was replaced by another while it was open; start again to use that", f.path)
	}
	return nil
}

// check refuses what SQLite would answer with a message that helps nobody.
func check(path string, mode Mode) error {
	if path == "" {
		return fmt.Errorf("%w: no path to a file is given", backend.ErrInvalid)
	}
	if path == ":memory:" {
		return fmt.Errorf("%w: %s is another database for each connection; use package memory, mem:// as a URL", backend.ErrInvalid, path)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%w: %s is a directory; give the path of a file in it", backend.ErrInvalid, path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is not a regular file", backend.ErrInvalid, path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case mode != Create:
		return fmt.Errorf("%w: there is no registry, and mode=%s makes none: %w", backend.ErrNotFound, mode, err)
	}
	if info, err = os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("the directory for %s: %w", path, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a directory", backend.ErrInvalid, filepath.Dir(path))
	}
	return nil
}

// ping makes the first connection, waiting for programs that keep the file locked, until ctx ends.
func ping(ctx context.Context, db *sql.DB) error {
	for {
		err := db.PingContext(ctx)
		if code(err)&0xff != int(sqlite3.ErrBusy) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// explain adds to an error of the first connection what is wrong with the file.
func explain(path string, err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrNotADB:
		return fmt.Errorf("%w: the file is not an SQLite database", backend.ErrInvalid)
	case sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return fmt.Errorf("the file or its directory cannot be written: %w", err)
	case sqlite3.ErrCorrupt:
		return fmt.Errorf("the file is damaged; restore a backup: %w", err)
	}
	return err
}

// code is the extended result code of err.
func code(err error) int {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return 0
	}
	return max(int(e.ExtendedCode), int(e.Code))
}

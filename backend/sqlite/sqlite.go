// Package sqlite keeps a model registry in an SQLite file, by github.com/mattn/go-sqlite3. Several programs may use one
// file at once, on one machine: SQLite's locks do not work over network file systems.
//
// The URL scheme is sqlite: sqlite:///absolute/path.db or sqlite:relative/path.db. It has no parameters.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
)

func init() {
	backend.RegisterScheme("sqlite", func(ctx context.Context, u *url.URL) (backend.Backend, error) {
		if err := backend.CheckParams(u); err != nil {
			return nil, err
		}
		path := u.Path
		if u.Opaque != "" {
			var err error
			if path, err = url.PathUnescape(u.Opaque); err != nil {
				return nil, fmt.Errorf("open sqlite: %w: %w", backend.ErrInvalid, err)
			}
		}
		if u.Host != "" {
			return nil, fmt.Errorf("open sqlite: %w: %q names a host; write sqlite:///absolute/path.db or sqlite:relative/path.db", backend.ErrInvalid, u.Redacted())
		}
		return Open(ctx, path, nil)
	})
}

// Options are settings of a store; nil is the defaults.
type Options struct {
	// Readers is how many reads run at once; 0 is twice the number of processors, and at least 4.
	Readers int
	// Wrap, if not nil, wraps the driver, for tracing and the like.
	Wrap func(driver.Connector) driver.Connector
}

// Open opens the store in the file at path, and makes the file if there is none; its directory has to be there.
//
// What an Update has committed survives a loss of power. Beside the file SQLite keeps two more while it is open, ending
// in -wal and -shm; a copy of the file alone is not a backup.
func Open(ctx context.Context, path string, opts *Options) (*sqldb.DB, error) {
	if err := check(path); err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	var o Options
	if opts != nil {
		o = *opts
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
	write := sql.OpenDB(o.Wrap(newWriter(abs)))
	write.SetMaxOpenConns(1)
	if err := ping(ctx, write); err != nil {
		_ = write.Close() // the first error is the one that counts
		return nil, fmt.Errorf("open sqlite %s: %w", path, explain(abs, err))
	}
	read := sql.OpenDB(o.Wrap(newReader(abs)))
	read.SetMaxOpenConns(o.Readers)
	read.SetMaxIdleConns(o.Readers)
	w := &wal{path: abs + "-wal"}
	return sqldb.New(read, write, sqldb.SQLite(code), &sqldb.Options{
		ReadConns:  o.Readers,
		WriteConns: 1,
		Committed:  w.committed,
		Close: func() error {
			// The last connection of all programs to be closed checkpoints the log and removes it; that has to be one
			// that may write.
			return errors.Join(read.Close(), write.Close())
		},
	}), nil
}

// check refuses what SQLite would answer with a message that helps nobody.
func check(path string) error {
	if path == "" {
		return fmt.Errorf("%w: no path to a file is given", backend.ErrInvalid)
	}
	if path == ":memory:" {
		return fmt.Errorf("%w: %s is another database for each connection; use package memory", backend.ErrInvalid, path)
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

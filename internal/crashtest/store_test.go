package crashtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
)

// location is where a registry is, and how it is opened.
type location struct {
	Rows  string // folder of the SQLite file
	Blobs string // folder of the bucket
	// Ahead is how much the clock is ahead. Each child's is hours later than the last one's, so that it takes neither the
	// leases nor the Sweeps of those that were killed for alive.
	Ahead time.Duration
	// Weak is what the store leaves out, to see that this is noticed.
	Weak weakness
}

type weakness string

const (
	unsyncedLog     weakness = "synchronous=NORMAL"     // SQLite does not sync the log when it commits
	unsyncedFiles   weakness = "files are not synced"   // nor are folders
	unsyncedFolders weakness = "folders are not synced" // but files are
)

func (l location) file() string { return filepath.Join(l.Rows, "registry.db") }

// store is an open registry.
type store struct {
	r     modelregistry.Registry
	rows  *sqldb.DB
	blobs *blob.Store
}

func (l location) open(ctx context.Context) (*store, error) {
	s := &store{}
	var err error
	if l.Weak == unsyncedLog {
		s.rows, err = openWeak(l.file())
	} else {
		s.rows, err = sqlite.Open(ctx, l.file(), nil)
	}
	if err != nil {
		return nil, err
	}
	if s.blobs, err = blob.Open(ctx, (&url.URL{Scheme: "file", Path: l.Blobs}).String()); err != nil {
		return nil, errors.Join(err, s.rows.Close())
	}
	var blobs modelregistry.Blobs = s.blobs
	if l.Weak == unsyncedFiles || l.Weak == unsyncedFolders {
		blobs = weakBlobs{s.blobs, l.Blobs, l.Weak == unsyncedFolders}
	}
	s.r, err = modelregistry.New(ctx, s.rows, blobs, &modelregistry.Options{
		Actor: "crashtest", Now: func() time.Time { return time.Now().Add(l.Ahead) },
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *store) close() error { return errors.Join(s.blobs.Close(), s.rows.Close()) }

// openWeak opens an SQLite file as sqlite.Open would if it had forgotten one setting.
func openWeak(path string) (*sqldb.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=20")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	code := func(err error) int {
		var e sqlite3.Error
		if !errors.As(err, &e) {
			return 0
		}
		return max(int(e.Code), int(e.ExtendedCode))
	}
	return sqldb.New(db, db, sqldb.SQLite(code), &sqldb.Options{Close: db.Close}), nil
}

// weakBlobs is a blob.Store in a folder whose Put forgets to sync something.
type weakBlobs struct {
	*blob.Store
	folder    string
	syncsFile bool
}

func (b weakBlobs) Put(_ context.Context, r io.Reader) (string, int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	shard := filepath.Join(b.folder, "blobs", "sha256", name[:2])
	if _, err := os.Stat(filepath.Join(shard, name)); err == nil {
		return "sha256:" + name, int64(len(data)), nil
	}
	if err := os.MkdirAll(shard, 0o777); err != nil {
		return "", 0, err
	}
	f, err := os.CreateTemp(shard, "put-*")
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return "", 0, err
	}
	if b.syncsFile {
		if err := f.Sync(); err != nil {
			return "", 0, err
		}
	}
	if err := os.Rename(f.Name(), filepath.Join(shard, name)); err != nil {
		return "", 0, err
	}
	return "sha256:" + name, int64(len(data)), nil
}

// leftovers are the files that Puts which did not end have left in the bucket.
func (l location) leftovers() ([]string, error) {
	return filepath.Glob(filepath.Join(l.Blobs, "blobs", "tmp", "*"))
}

// integrity is SQLite's own check of the file.
func (l location) integrity(ctx context.Context) error {
	db, err := sql.Open("sqlite3", "file:"+l.file()+"?mode=rw&_query_only=true")
	if err != nil {
		return err
	}
	defer db.Close()
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&answer); err != nil {
		return fmt.Errorf("check integrity: %w", err)
	}
	if answer != "ok" {
		return fmt.Errorf("check integrity: %s", answer)
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"os"
)

// A wal keeps the write-ahead log from growing. SQLite starts it over when all of it is in the database and nobody reads
// it; under a steady stream of readers that moment never comes by itself. And it never shortens the file.
type wal struct {
	path    string
	commits int
}

const (
	walLimit   = 64 << 20 // bytes
	walCommits = 64       // between looks at its size
)

// committed is called after each commit, by one goroutine at a time.
func (w *wal) committed(ctx context.Context, conn *sql.Conn) {
	if w.commits++; w.commits%walCommits != 0 {
		return
	}
	if info, err := os.Stat(w.path); err != nil || info.Size() < walLimit {
		return
	}
	// If a long read is under way this waits for it as long as the connection waits for locks, and does not succeed;
	// there will be another time.
	var busy, pages, moved int
	_ = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
}

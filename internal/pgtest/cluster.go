package pgtest

import (
	"database/sql"
	"fmt"
	"io"
	"testing"
	"time"
)

// A Cluster is a server of one test, which can restart it. It is always one that is started for the purpose.
type Cluster struct {
	dsn   string
	input io.WriteCloser // the supervisor's
	ended func() error
}

// NewCluster starts a server that ends with the test.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c, err := start()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		_ = c.input.Close()
		_ = c.ended() // with the status of whatever ended last
	})
	return c
}

// DSN is the URL of the server's first database.
func (c *Cluster) DSN() string { return c.dsn }

// A Mode is how a server is stopped.
type Mode string

// The modes, as pg_ctl calls them.
const (
	Fast      Mode = "INT"  // it ends connections and sessions
	Immediate Mode = "QUIT" // it drops everything, and recovers when it starts again
)

// Restart stops the server and starts it, and returns when it answers again.
func (c *Cluster) Restart(mode Mode) error {
	db, err := sql.Open("postgres", c.dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing was written
	var before, now string
	const started = "SELECT pg_postmaster_start_time()"
	if err := db.QueryRow(started).Scan(&before); err != nil {
		return err
	}
	if _, err := io.WriteString(c.input, string(mode)+"\n"); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if err = db.QueryRow(started).Scan(&now); err == nil && now != before {
			return nil
		}
	}
	return fmt.Errorf("the server did not come back: %w", err)
}

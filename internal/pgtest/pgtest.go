// Package pgtest gives tests a PostgreSQL to use: the one that the environment variable MODELREGISTRY_TEST_POSTGRES
// names, or else one that is started for the test process and gone when it ends.
package pgtest

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/lib/pq" // the driver that makes schemas
)

// Env is the environment variable that names a server to use, as a URL. Its user has to be allowed to create schemas.
const Env = "MODELREGISTRY_TEST_POSTGRES"

// EnvFsync is the environment variable that makes a throwaway server wait for the disk, whatever it holds.
const EnvFsync = "MODELREGISTRY_TEST_POSTGRES_FSYNC"

var server = sync.OnceValues(func() (*Cluster, error) {
	if dsn := os.Getenv(Env); dsn != "" {
		if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
			return nil, fmt.Errorf("%s is not a postgres:// URL", Env)
		}
		return &Cluster{dsn: dsn}, nil
	}
	return start()
})

// Server is the URL of the server's first database, for tests that need more than a schema.
func Server(t testing.TB) string {
	t.Helper()
	c, err := server()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c.dsn
}

// DSN is the URL of an empty schema of its own, which is dropped when the test ends.
func DSN(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(Server(t))
	if err != nil {
		t.Fatalf("pgtest: %s: %v", Env, err)
	}
	schema := fmt.Sprintf("test_%016x", rand.Uint64())
	db, err := sql.Open("postgres", u.String())
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		_ = db.Close()
		t.Fatalf("pgtest: make a schema: %v", err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Errorf("pgtest: drop the schema: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"net/url"
	"strings"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// connector opens connections with settings that a DSN cannot give.
type connector struct {
	driver *sqlite3.SQLiteDriver
	dsn    string
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.driver.Open(c.dsn)
}

func (c *connector) Driver() driver.Driver { return c.driver }

// newWriter opens connections that write. WAL lets readers go on meanwhile; with FULL a commit is on the disk when it
// returns, which NORMAL does not promise. The driver waits for locks whatever the context says, so it waits briefly,
// and sqldb tries again under the context. Its cache is small because it is memory that a server keeps for good: with 16 MiB
// writes were no faster at 600,000 versions, for the system has the file's pages too.
func newWriter(path string) *connector {
	return newConnector(path, url.Values{
		"mode":          {"rw"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_busy_timeout": {"20"},
		"_mutex":        {"no"}, // database/sql never uses a connection from two goroutines at once
		"_cache_size":   {"-4096"},
	})
}

// newReader opens connections that read, and can do nothing else. In WAL mode a reader drops its page cache whenever
// somebody has written: mapped into memory, the pages are there again at once.
func newReader(path string, mode Mode) *connector {
	if mode == Create {
		mode = Existing // it has been made
	}
	return newConnector(path, url.Values{
		"mode":          {string(mode)},
		"_query_only":   {"true"},
		"_busy_timeout": {"20"},
		"_mutex":        {"no"},
		"_cache_size":   {"-256"},
	})
}

func newConnector(path string, params url.Values, pragmas ...string) *connector {
	// Escaped by hand: url.URL leaves characters alone that SQLite or the driver take for the end of the path.
	escaped := strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
	return &connector{
		dsn: "file:" + escaped + "?" + params.Encode(),
		driver: &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
			for _, text := range pragmas {
				if _, err := c.Exec(text, nil); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

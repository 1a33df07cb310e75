// Package postgres keeps a model registry in PostgreSQL 12 or later, by github.com/lib/pq, in the first schema of the
// connection's search_path. It needs no extension, and no right but to create tables there.
//
// The URL schemes are postgres and postgresql, with the parameters of lib/pq, which are those of libpq; search_path
// among them.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
)

func init() {
	open := func(ctx context.Context, u *url.URL) (backend.Backend, error) {
		if err := backend.CheckParams(u, params...); err != nil {
			return nil, err
		}
		return Open(ctx, u.String(), nil)
	}
	backend.RegisterScheme("postgres", open)
	backend.RegisterScheme("postgresql", open)
}

// params are the parameters of URLs: lib/pq's, and settings of the session that a registry may have use for.
var params = []string{
	"application_name", "client_encoding", "connect_timeout", "dbname", "fallback_application_name", "host", "hostaddr",
	"krbspn", "krbsrvname", "load_balance_hosts", "options", "passfile", "password", "port", "search_path", "service",
	"sslcert", "sslinline", "sslkey", "sslmode", "sslnegotiation", "sslrootcert", "sslsni", "ssl_max_protocol_version",
	"ssl_min_protocol_version", "statement_timeout", "synchronous_commit", "target_session_attrs", "user",
}

// Options are settings of a store; nil is the defaults.
type Options struct {
	// Conns is how many connections are used at once; 0 is 20.
	Conns int
	// Wrap, if not nil, wraps the driver, for tracing and the like. Open only.
	Wrap func(driver.Connector) driver.Connector
}

const defaultConns = 20

// Open connects to the database that dsn names: a postgres:// URL, or words of the form key=value.
//
// Connections are opened in such a way that a network which swallows everything does not outlast a context.
func Open(ctx context.Context, dsn string, opts *Options) (*sqldb.DB, error) {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w: %s", backend.ErrInvalid, mistake(dsn, err))
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	conns := conns(opts)
	var c driver.Connector = &connector{cfg: cfg}
	if opts != nil && opts.Wrap != nil {
		c = opts.Wrap(c)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	store, err := open(ctx, db, &sqldb.Options{ReadConns: conns, WriteConns: conns, Close: db.Close})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open postgres: %w", err), db.Close())
	}
	return store, nil
}

// New makes a store in a database that is open already, by lib/pq or a driver over it such as gocloud.dev's. Close
// leaves db open. Others may use db too.
func New(ctx context.Context, db *sql.DB, opts *Options) (*sqldb.DB, error) {
	conns := conns(opts)
	store, err := open(ctx, db, &sqldb.Options{ReadConns: conns, WriteConns: conns, Shared: true})
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	return store, nil
}

// mistake says what is wrong with dsn without repeating its password, as err may.
func mistake(dsn string, err error) string {
	if scheme, _, ok := strings.Cut(dsn, "://"); !ok || scheme != "postgres" && scheme != "postgresql" {
		return "not a postgres:// URL, or words of the form key=value that have a meaning"
	}
	var inURL *url.Error
	if errors.As(err, &inURL) { // which begins with the URL
		return "not a URL: " + inURL.Err.Error()
	}
	if u, e := url.Parse(dsn); e == nil && u.User != nil {
		if password, _ := u.User.Password(); password != "" {
			return strings.ReplaceAll(err.Error(), password, "...")
		}
	}
	return err.Error()
}

func conns(opts *Options) int {
	if opts != nil && opts.Conns > 0 {
		return opts.Conns
	}
	return defaultConns
}

func open(ctx context.Context, db *sql.DB, opts *sqldb.Options) (*sqldb.DB, error) {
	dialect := sqldb.Postgres()
	for {
		err := check(ctx, db)
		if err == nil {
			return sqldb.New(db, db, dialect, opts), nil
		}
		var e *pq.Error
		// Only a server that says it will soon be ready is waited for: nothing else about a first connection passes.
		if !errors.As(err, &e) || dialect.Classify(err) != sqldb.Passing {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// check refuses databases in which a store would fail later.
func check(ctx context.Context, db *sql.DB) error {
	var version int
	var encoding, schema string
	err := db.QueryRowContext(ctx, `SELECT CAST(current_setting('server_version_num') AS INT),
		current_setting('server_encoding'), coalesce(current_schema(), '')`).Scan(&version, &encoding, &schema)
	switch {
	case err != nil:
		return err
	case version < 120000:
		return fmt.Errorf("%w: the server is PostgreSQL %d.%d; 12 or later is needed", backend.ErrInvalid, version/10000, version%10000)
	case encoding != "UTF8":
		return fmt.Errorf("%w: the database has the encoding %s; create it with ENCODING 'UTF8'", backend.ErrInvalid, encoding)
	case schema == "":
		return fmt.Errorf("%w: no schema of the search_path exists; create it, or give another search_path", backend.ErrInvalid)
	}
	return nil
}

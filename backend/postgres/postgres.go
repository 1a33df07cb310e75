// Package postgres keeps a model registry in PostgreSQL 12 or later, by github.com/lib/pq. It needs no extension, and no
// right but to create tables in one schema.
//
// # Which schema
//
// Options.Schema, or the parameter schema of a URL, says where the tables are. Without it they are looked for in the
// schemas of the connection's search_path, by default the one called like the user and then public. Where a store is, it
// is used; if there is none, it is made in the first of these schemas that exists. Stores in several of them are
// refused: programs whose paths begin differently would each take another.
//
// Everything is said to the server with that schema's name, and the names of locks contain it: programs that get to the
// same tables in different ways keep each other's changes apart.
//
// # Settings of the session
//
// The URL schemes are postgres and postgresql, with the parameters of lib/pq, which are those of libpq, search_path among
// them, and schema.
//
// statement_timeout and lock_timeout may be set. What they end while it waits for locks is tried again until the context
// ends; a transaction in which a statement is ended is tried again a few times, and a statement that reads fails with
// an error that names the setting. A session with default_transaction_read_only reads, and Update answers
// errors.ErrUnsupported, as it does on a standby.
//
// An Update takes an advisory lock for each name that it is given. They fill a table that all sessions of the server
// share (max_locks_per_transaction times max_connections); while that is full (53200), Updates wait.
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
	"schema", "ssl_min_protocol_version", "statement_timeout", "synchronous_commit", "target_session_attrs", "user",
}

// Options are settings of a store; nil is the defaults.
type Options struct {
	// Schema is the schema to keep the tables in, which has to be there; "" is described above. A URL may say it too.
	Schema string
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
	schema, dsn, err := takeSchema(dsn, opts)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w: %s", backend.ErrInvalid, mistake(dsn))
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
	store, err := open(ctx, db, &sqldb.Options{Schema: schema, ReadConns: conns, WriteConns: conns, Close: db.Close})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open postgres: %w", err), db.Close())
	}
	return store, nil
}

// New makes a store in a database that is open already: by lib/pq, a driver over it such as gocloud.dev's, or pgx
// (github.com/jackc/pgx/v5/stdlib), with which an Update costs three round trips more. Close leaves db open. Others may use
// db too. ErrInvalid: the driver cannot do what a store needs of it.
func New(ctx context.Context, db *sql.DB, opts *Options) (*sqldb.DB, error) {
	conns := conns(opts)
	store, err := open(ctx, db, &sqldb.Options{Schema: opts.schema(), ReadConns: conns, WriteConns: conns, Shared: true})
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	return store, nil
}

// isURL says whether dsn is a URL, as opposed to words.
func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// mistake says what is wrong with a DSN that the driver refused. The driver's own message may repeat any part of it, so what
// it says is asked for once more, of the DSN without its secrets.
func mistake(dsn string) string {
	if !isURL(dsn) {
		return `not a postgres:// URL, or words of the form key=value that have a meaning; a value with spaces is written 'so', with \' and \\`
	}
	u, err := backend.ParseURL(dsn)
	if err != nil {
		return err.Error()
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	if _, err := pq.NewConfig(u.String()); err != nil {
		return err.Error()
	}
	return "a parameter of the URL has no value that is possible"
}

func (o *Options) schema() string {
	if o == nil {
		return ""
	}
	return o.Schema
}

// takeSchema takes the parameter schema, which is not one of the server's, out of a URL.
func takeSchema(dsn string, opts *Options) (schema, rest string, err error) {
	schema = opts.schema()
	if !isURL(dsn) {
		return schema, dsn, nil
	}
	u, err := backend.ParseURL(dsn)
	if err != nil {
		return "", "", err
	}
	if strings.Contains(u.EscapedPath(), "@") { // what a / before it cut off would be shown as a host and a database
		return "", "", fmt.Errorf("%w: there is an @ behind the URL's host; in a user's name and password write %%2F for /, "+
			"in the name of a database %%40 for @", backend.ErrInvalid)
	}
	q := u.Query()
	said := q["schema"]
	if len(said) == 0 {
		return schema, dsn, nil
	}
	if len(said) > 1 || said[0] == "" || schema != "" && schema != said[0] {
		return "", "", fmt.Errorf("%w: the parameter schema is empty, is there twice, or differs from Options.Schema", backend.ErrInvalid)
	}
	q.Del("schema")
	u.RawQuery = q.Encode()
	return said[0], u.String(), nil
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
		err := check(ctx, db, opts.Schema)
		if err == nil && opts.Shared {
			dialect.Batches, err = batches(ctx, db)
		}
		if err == nil {
			return sqldb.New(db, db, dialect, opts), nil
		}
		var e interface{ SQLState() string }
		if !errors.As(err, &e) {
			return nil, err
		}
		if e.SQLState() == "42704" { // its name may be the rest of a password
			return nil, fmt.Errorf("%w: the server does not know one of the parameters", backend.ErrInvalid)
		}
		// Only a server that says it will soon be ready is waited for: nothing else about a first connection passes.
		if dialect.Classify(err) != sqldb.Passing {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// batches says whether db's driver takes several statements in one call, and refuses one with which a store would fail later.
func batches(ctx context.Context, db *sql.DB) (bool, error) {
	var n int
	// A driver of another kind, or of another database, does not pass a slice.
	if err := db.QueryRowContext(ctx, "SELECT cardinality(CAST($1 AS TEXT[]))", []string{"a", "b"}).Scan(&n); err != nil {
		return false, fmt.Errorf("%w: the driver passes no arrays; use lib/pq 1.11 or later, or pgx: %w", backend.ErrInvalid, err)
	}
	err := db.QueryRowContext(ctx, "SELECT 1; SELECT 2").Scan(&n)
	if err == nil {
		return true, nil
	}
	var state interface{ SQLState() string }
	switch {
	case !errors.As(err, &state):
		return false, fmt.Errorf("%w: errors of the driver have no method SQLState; use lib/pq or pgx: %w", backend.ErrInvalid, err)
	case state.SQLState() == "42601": // "cannot insert multiple commands into a prepared statement"
		return false, nil
	}
	return false, err
}

// check refuses databases in which a store would fail later.
func check(ctx context.Context, db *sql.DB, schema string) error {
	var version int
	var encoding string
	var there bool
	err := db.QueryRowContext(ctx, `SELECT CAST(current_setting('server_version_num') AS INT), current_setting('server_encoding'),
		CASE WHEN CAST($1 AS TEXT) = '' THEN current_schema() IS NOT NULL ELSE to_regnamespace(quote_ident($1)) IS NOT NULL END`,
		schema).Scan(&version, &encoding, &there)
	switch {
	case err != nil:
		return err
	case version < 120000:
		return fmt.Errorf("%w: the server is PostgreSQL %d.%d; 12 or later is needed", backend.ErrInvalid, version/10000, version%10000)
	case encoding != "UTF8":
		return fmt.Errorf("%w: the database has the encoding %s; create it with ENCODING 'UTF8'", backend.ErrInvalid, encoding)
	case !there && schema != "":
		return fmt.Errorf("%w: there is no schema %q; create it, or give another", backend.ErrInvalid, schema)
	case !there:
		return fmt.Errorf("%w: no schema of the search_path exists; create it, or give another search_path", backend.ErrInvalid)
	}
	return nil
}

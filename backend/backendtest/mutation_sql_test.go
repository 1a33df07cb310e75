package backendtest_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqldb"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// openSQLite opens SQLite by a dialect that change was made to. It does without the durability that package sqlite
// asks for: nothing here outlives a test.
func openSQLite(change func(d *sqldb.Dialect)) func(testing.TB) func() backend.Backend {
	return func(t testing.TB) func() backend.Backend {
		dsn := "file:" + filepath.Join(t.TempDir(), "store.db") + "?_journal_mode=WAL&_synchronous=OFF&_busy_timeout=20"
		dialect := sqldb.SQLite(func(err error) int {
			var e sqlite3.Error
			errors.As(err, &e)
			return max(int(e.ExtendedCode), int(e.Code))
		})
		change(&dialect)
		return func() backend.Backend {
			read, err := sql.Open("sqlite3", dsn)
			if err != nil {
				t.Fatal(err)
			}
			write, err := sql.Open("sqlite3", dsn)
			if err != nil {
				t.Fatal(err)
			}
			read.SetMaxOpenConns(4)
			write.SetMaxOpenConns(1)
			return sqldb.New(read, write, dialect, &sqldb.Options{ReadConns: 4, WriteConns: 1, Close: func() error {
				return errors.Join(read.Close(), write.Close())
			}})
		}
	}
}

// openPostgres is openSQLite for Postgres.
func openPostgres(change func(d *sqldb.Dialect)) func(testing.TB) func() backend.Backend {
	return func(t testing.TB) func() backend.Backend {
		dsn := pgtest.DSN(t)
		dialect := sqldb.Postgres()
		change(&dialect)
		return func() backend.Backend {
			db, err := sql.Open("postgres", dsn)
			if err != nil {
				t.Fatal(err)
			}
			db.SetMaxOpenConns(20) // an early event takes two at once
			db.SetMaxIdleConns(20)
			return sqldb.New(db, db, dialect, &sqldb.Options{Close: db.Close})
		}
	}
}

func unchanged(*sqldb.Dialect) {}

// sqlControls are what the mutants are made of; they pass where those have to fail.
func sqlControls() []mutant {
	return []mutant{
		{"SQLite", "(Indexes|Ownership|Locks|Views)", openSQLite(unchanged), nil},
		{"SQLite, its values", "Values/(strings|floats)", openSQLite(unchanged), nil},
		{"Postgres", "(Locks|Logs|Views)", openPostgres(unchanged), nil},
		{"Postgres, its values", "Values/(strings|floats)", openPostgres(unchanged), nil},
	}
}

func sqlMutants() []mutant {
	return []mutant{
		{"Postgres: read committed without locks", "Locks", openPostgres(func(d *sqldb.Dialect) {
			d.PrepareLocks = strings.ReplaceAll(d.PrepareLocks, "pg_advisory_xact_lock(k)", "k")
		}), nil},
		{"Postgres: a lost event", "Logs", openPostgres(func(d *sqldb.Dialect) { d.Settled = "%s <> ''" }), nil},
		{"Postgres: an early event", "Logs", wrap("an early event", openPostgres(unchanged)), nil},
		{"Postgres: a wrong collation", "Values/strings", openPostgres(func(d *sqldb.Dialect) { d.Types[backend.String] = `TEXT COLLATE "und-x-icu"` }), nil},
		{"Postgres: a View of several states", "Views", openPostgres(func(d *sqldb.Dialect) {
			d.BeginView = []string{"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", "SELECT 1"}
		}), nil},
		{"Postgres: deadlocks not tried again", "Locks/Updates_that_write_the_same_rows", openPostgres(func(d *sqldb.Dialect) {
			classify := d.Classify
			d.Classify = func(err error) sqldb.Fault {
				var server interface{ SQLState() string }
				if errors.As(err, &server) && server.SQLState() == "40P01" {
					return sqldb.Broken
				}
				return classify(err)
			}
		}), nil},
		{"SQLite: deferred transactions", "Locks", openSQLite(func(d *sqldb.Dialect) { d.BeginUpdate = []string{"BEGIN DEFERRED"} }), nil},
		{"SQLite: a wrong collation", "Values/strings", openSQLite(func(d *sqldb.Dialect) { d.Types[backend.String] = "TEXT COLLATE NOCASE" }), nil},
		{"SQLite: a View whose snapshot begins late", "Views", openSQLite(func(d *sqldb.Dialect) { d.BeginView = []string{"BEGIN", "COMMIT"} }), nil},
	}
}

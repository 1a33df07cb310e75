package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
)

// Postgres is the dialect of PostgreSQL 12 and later, for drivers whose errors have the method SQLState() string:
// lib/pq and pgx do.
func Postgres() Dialect {
	return Dialect{
		Name:      "postgres",
		Types:     [4]string{`TEXT COLLATE "C"`, "BIGINT", "DOUBLE PRECISION", "BIGINT"},
		Param:     "$",
		FloatText: "CAST(%s AS TEXT)",
		Arrays:    true,
		// An index entry has to fit into a third of a page, about 2,700 bytes: two keys of 1,024 and two such strings do.
		IndexChars: 100,
		EntryKey:   "CASE WHEN octet_length(%[1]s) <= 200 THEN %[1]s ELSE left(%[1]s, 40) || md5(%[1]s) END",
		// Postgres looks for a table in all schemas of the search_path, and makes it in the first: both ways at once lead to
		// two stores.
		Locate: `SELECT n.nspname, EXISTS (SELECT FROM pg_class AS c
				WHERE c.relnamespace = n.oid AND c.relname = '` + metaTable + `' AND c.relkind IN ('r', 'p'))
			FROM unnest(CASE WHEN CAST($1 AS TEXT) = '' THEN CAST(current_schemas(false) AS TEXT[]) ELSE ARRAY[$1] END)
				WITH ORDINALITY AS s (name, place) JOIN pg_namespace AS n ON n.nspname = s.name ORDER BY s.place`,
		// Not information_schema, which leaves out what the user has no rights to.
		Catalog: `SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
		LockStore: "LOCK TABLE {schema}" + metaTable + " IN ACCESS EXCLUSIVE MODE",
		Batches:   true,
		BeginView: []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT 1"},
		// An Update keeps Declare out until it ends. It waits for a Declare under way in a statement of its own, so
		// that the next one's snapshot has the format that this made.
		BeginUpdate:  []string{beginPostgres, "LOCK TABLE {schema}" + metaTable + " IN ACCESS SHARE MODE"},
		BeginDeclare: []string{beginPostgres, "SELECT pg_advisory_xact_lock(5287614201563349101)"},
		Session:      "SELECT format, era, txid_current(), pg_backend_pid() FROM {schema}" + metaTable,
		// The witness and the transaction's number are made of the join's result, so after all locks: among Updates that
		// share a lock, numbers are in commit order. Later statements have later snapshots, which see what was committed
		// before the locks were free.
		PrepareLocks: "PREPARE %s (bigint[], bigint, bigint) AS WITH s AS (SELECT format, era FROM {schema}" + metaTable +
			", (SELECT count(pg_advisory_xact_lock(k)) FROM unnest($1) AS k) AS locks), w AS (INSERT INTO {schema}" + commitTable +
			` (conn, n, at) SELECT $2, $3, now() FROM s
			ON CONFLICT (conn) DO UPDATE SET n = excluded.n, at = excluded.at)
			SELECT format, era, txid_current(), pg_backend_pid() FROM s`,
		TakeLocks: "EXECUTE %s ('{%s}', %d, %d)",
		Settled: `%s < (SELECT lpad(to_hex(era), 4, '0') || lpad(to_hex(txid_snapshot_xmin(txid_current_snapshot())), 16, '0')
			FROM {schema}` + metaTable + ")",
		Newest:      "lpad(to_hex(era), 4, '0') || lpad(to_hex(txid_snapshot_xmax(txid_current_snapshot())), 16, '0')",
		Remote:      true,
		CommitTable: "CREATE TABLE IF NOT EXISTS {schema}" + commitTable + " (conn BIGINT PRIMARY KEY, n BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL)",
		// It waits for nobody who is writing one of them anew.
		Forget: "DELETE FROM {schema}" + commitTable + " WHERE conn IN (SELECT conn FROM {schema}" + commitTable +
			" WHERE at < now() - INTERVAL '2 days' FOR UPDATE SKIP LOCKED)",
		Outcome: "SELECT EXISTS (SELECT FROM {schema}" + commitTable + " WHERE conn = $1 AND n = $2)",
		// A transaction holds the lock on its number until others see what it has committed. Everybody may read
		// pg_locks; in pg_stat_activity the transactions of other users are hidden, and would look ended. A standby may
		// yet hear of a commit.
		Kill: `SELECT count(pg_terminate_backend(pid)) > 0 OR pg_is_in_recovery() FROM pg_locks
			WHERE pid = $1 AND locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
			AND CAST(CAST(transactionid AS TEXT) AS BIGINT) = $2 & 4294967295`,
		KillMarked: `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE position($1 IN query) > 0 AND pid <> pg_backend_pid()`,
		Classify: classifyPostgres,
	}
}

// A session that is read-only by default stays so: whoever set that does not want to write.
const beginPostgres = "BEGIN ISOLATION LEVEL READ COMMITTED"

func classifyPostgres(err error) Fault {
	var server interface{ SQLState() string }
	if errors.As(err, &server) {
		state := server.SQLState()
		switch {
		case state == "23505":
			return Exists
		case state == "42P01":
			return Missing
		case state == "57014": // by statement_timeout, or pg_cancel_backend
			return Cut
		case state == "25006": // default_transaction_read_only, or a standby
			return ReadOnly
		case state == "25P03": // idle_in_transaction_session_timeout: this program was held up, and the connection is closed
			return Lost
		case strings.HasPrefix(state, "40"), // serialization failure, deadlock
			state == "55P03", // lock not available
			state == "53200", // out of memory, also of that for locks, which all sessions share
			state == "53300", // too many connections
			state == "57P03": // starting up or shutting down
			return Passing
		case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P"): // connection, shutdown
			return Lost
		}
		return Broken
	}
	var netErr net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &netErr) {
		return Lost
	}
	return Broken
}

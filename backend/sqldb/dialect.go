package sqldb

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Dialect is what two SQL engines do differently, as data with few hooks. [SQLite] and [Postgres] are the ones there are.
//
// Where its texts name a table, {schema} stands in front: it becomes the schema in which the store was found, quoted,
// and a dot; nothing for engines without Locate.
type Dialect struct {
	Name string // begins messages
	// schema is where the tables are, in a dialect that in returned.
	schema string

	Types      [4]string // column type of each backend.Kind; strings compare bytewise
	Param      string    // written before a parameter's number
	FloatText  string    // prints the float %s so that parsing it gives the same float
	SideSuffix string    // ends CREATE TABLE of a side table

	// Arrays passes rows as one array a column, and lists as one array. Otherwise rows are VALUES, lists are JSON.
	Arrays bool
	// IndexChars is how many characters of a string that may be long go into an index, for engines that limit the
	// size of index entries; 0 is all. EntryKey then makes an entry short enough to be part of a unique index.
	IndexChars int
	EntryKey   string

	// Serial engines have one writer at a time: Updates share a transaction, each behind a savepoint, and the
	// positions of a Log are row ids in hexadecimal. Otherwise Updates run side by side behind locks by name, and
	// positions are made of the store's era, the transaction's number and a counter.
	Serial bool

	// Locate, for engines with schemas, selects the name of each schema that the store may be in and whether one is there,
	// the schema that a new one goes to first: $1, if there is such a schema, or if it is '' those that the session
	// looks in.
	Locate    string
	Catalog   string // selects table and column names of what is there; with Locate, in schema $1
	LockStore string // in Declare, keeps Updates out

	// Batches sends the statements that begin a transaction in one call. It has to be false for drivers that take only
	// one statement in a call, such as pgx unless told to use the simple protocol.
	Batches      bool
	BeginView    []string // begin a transaction that reads one snapshot, and take that snapshot
	BeginUpdate  []string
	BeginDeclare []string
	Session      string // selects the store's format and era, the transaction's number, and the server process
	// PrepareLocks, where Updates run side by side, prepares as %s what takes locks, then writes the witness of the
	// Update and selects what Session does; TakeLocks executes it with the list of their keys, the name of the
	// connection and the number of the Update.
	PrepareLocks string
	TakeLocks    string

	Settled string // condition that position %s is below all that is still to come
	Newest  string // text that no position of this era so far is above

	// Remote engines are at the other end of a connection that may break, with the answer to a COMMIT on it. There each
	// Update's transaction writes a row, its witness, by which it is found again. Without Remote, a COMMIT that Classify
	// calls Lost is an error which says that its outcome is unknown, and is not tried again.
	//
	// CommitTable, Forget and Outcome have a default if the engine is Serial, made of plain SQL, as has what writes the
	// witness; elsewhere PrepareLocks writes it.
	Remote      bool
	CommitTable string // makes the table of witnesses
	Forget      string // deletes those of two days ago
	Outcome     string // selects whether the witness of Update $2 of connection $1 is there
	// Kill ends server process $1 if it still runs transaction $2. It selects whether that, for all this server can
	// tell, may yet be committed.
	Kill       string
	KillMarked string // ends the server processes whose last text contains $1

	Classify func(error) Fault // never called with nil
}

// in is the dialect with the texts for the store in a schema.
func (d *Dialect) in(schema string) *Dialect {
	bound := *d
	bound.schema = schema
	if d.Remote && d.Serial {
		bound.witnessed()
	}
	named := func(text, prefix string) string { return strings.ReplaceAll(text, "{schema}", prefix) }
	for _, text := range []*string{&bound.LockStore, &bound.Session, &bound.Newest, &bound.CommitTable, &bound.Forget, &bound.Outcome} {
		*text = named(*text, bound.prefix())
	}
	for _, format := range []*string{&bound.PrepareLocks, &bound.TakeLocks, &bound.Settled} {
		*format = named(*format, strings.ReplaceAll(bound.prefix(), "%", "%%"))
	}
	for _, texts := range []*[]string{&bound.BeginView, &bound.BeginUpdate, &bound.BeginDeclare} {
		*texts = slices.Clone(*texts)
		for i, text := range *texts {
			(*texts)[i] = named(text, bound.prefix())
		}
	}
	return &bound
}

// witnessed sets the texts about witnesses that the dialect leaves out.
func (d *Dialect) witnessed() {
	for text, standard := range map[*string]string{
		&d.CommitTable: "CREATE TABLE IF NOT EXISTS {schema}" + commitTable + " (conn BIGINT PRIMARY KEY, n BIGINT NOT NULL, at BIGINT NOT NULL)",
		&d.Outcome:     "SELECT count(*) FROM {schema}" + commitTable + " WHERE conn = " + d.Param + "1 AND n = " + d.Param + "2",
		&d.Forget: "DELETE FROM {schema}" + commitTable + " WHERE at < " +
			strconv.FormatInt(time.Now().Add(-2*mostDoubt).Unix(), 10),
	} {
		if *text == "" {
			*text = standard
		}
	}
}

func (d *Dialect) prefix() string {
	if d.schema == "" {
		return ""
	}
	return quote(d.schema) + "."
}

// table is the name of a table of the store.
func (d *Dialect) table(name string) string { return d.prefix() + quote(name) }

// A Fault says what an error means for the call that met it.
type Fault uint8

// The faults.
const (
	Broken   Fault = iota // the call has failed
	Exists                // a key or a unique index has that value
	Passing               // nothing was done; it may work when tried again
	Lost                  // the connection is gone; whether a commit was done is unknown
	Missing               // there is no such table, among statements that are right otherwise
	Cut                   // the server ended a statement that took longer than it may, or that somebody had canceled
	ReadOnly              // the database takes no changes, by its settings or because it is a copy
)

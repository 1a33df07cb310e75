package sqldb

// Result codes of SQLite (https://www.sqlite.org/rescode.html).
const (
	sqliteError      = 1
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteReadOnly   = 8
	sqliteConstraint = 19
)

var sqliteUniqueCodes = map[int]bool{1555: true /* PRIMARYKEY */, 2067: true /* UNIQUE */, 2579: true /* ROWID */}

// SQLite is the dialect of SQLite 3.44 and later. code gives an error's extended result code, 0 if it is none of SQLite's.
//
// A parameter is written +?1: go-sqlite3 clears bindings after each use, and SQLite then prepares statements anew in
// which it could have looked at a parameter's value; behind the + it does not look.
func SQLite(code func(error) int) Dialect {
	return Dialect{
		Name:       "sqlite",
		Types:      [4]string{"TEXT", "INTEGER", "REAL", "INTEGER"},
		Param:      "+?",
		FloatText:  "printf('%%!.17g', %s)",
		SideSuffix: " WITHOUT ROWID",
		Serial:     true,
		Catalog: `SELECT m.name, c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
			WHERE m.type = 'table'`,
		Batches: true,
		// The select makes the snapshot begin here and not at the first read.
		BeginView:    []string{"BEGIN", "SELECT 1 FROM sqlite_schema LIMIT 1"},
		BeginUpdate:  []string{"BEGIN IMMEDIATE"},
		BeginDeclare: []string{"BEGIN IMMEDIATE"},
		Session:      "SELECT format, era, 0, 0 FROM " + metaTable,
		Classify: func(err error) Fault {
			switch c := code(err); {
			case sqliteUniqueCodes[c]:
				return Exists
			case c&0xff == sqliteBusy, c&0xff == sqliteLocked:
				return Passing
			case c&0xff == sqliteReadOnly:
				return ReadOnly
			case c == sqliteError:
				return Missing
			}
			return Broken
		},
	}
}

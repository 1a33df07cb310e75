package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Declare makes tables, columns and indexes that are missing. A store that was declared so before costs two reads, and on
// Postgres a statement that deletes what no Update needs any more.
func (db *DB) Declare(ctx context.Context, decl backend.Schema) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.leave()
	if _, err := newSchema(&db.dialect, decl); err != nil {
		return fmt.Errorf("%s: declare: %w", db.dialect.Name, err)
	}
	var sc *schema
	err := db.retry(ctx, func() (err error) {
		sc, err = db.declared(ctx, decl)
		return err
	})
	if err == nil && sc == nil && db.opts.ReadOnly {
		return fmt.Errorf("%s: declare: %w: it was opened for reading only, and this program's tables are not there; "+
			"a program that writes has to open it first", db.dialect.Name, errors.ErrUnsupported)
	}
	for more := sc == nil; err == nil && more; {
		err = db.retry(ctx, func() (err error) {
			sc, more, err = db.declare(ctx, decl)
			return err
		})
	}
	if err != nil {
		return err // and whatever was declared before goes on as it was
	}
	if !db.opts.ReadOnly {
		db.forget(ctx, sc)
	}
	db.schema.Store(sc)
	return nil
}

// state is the row of the table modelregistry.
type state struct {
	format int // 0 is that there is none
	era    int64
	digest string
	tables []backend.Table // all that were ever declared, with all fields, and the indexes there are
	half   *half           // the Upgrade to format that is to go on
}

// half is an Upgrade of which steps are done.
type half struct {
	From int
	At   string
}

// locate finds the schema of the store, and makes the names that its tables have there. there says that there is a store.
func (db *DB) locate(ctx context.Context, c *conn, decl backend.Schema) (sc *schema, there bool, err error) {
	place := ""
	if db.dialect.Locate != "" {
		if place, there, err = db.place(ctx, c); err != nil {
			return nil, false, err
		}
	} else if there = true; db.opts.Schema != "" {
		return nil, false, fmt.Errorf("%s: %w: a schema %q is given; there are none", db.dialect.Name, backend.ErrInvalid, db.opts.Schema)
	}
	sc, err = newSchema(db.dialect.in(place), decl)
	return sc, there, err
}

// place finds the one schema where a store is, or else where a new one goes.
func (db *DB) place(ctx context.Context, c *conn) (place string, there bool, err error) {
	rows, err := c.sql.QueryContext(ctx, db.dialect.Locate, db.opts.Schema)
	if err != nil {
		return "", false, db.fault("look for the store's schema", err)
	}
	var names, stores []string
	for rows.Next() {
		var name string
		var store bool
		if err := rows.Scan(&name, &store); err != nil {
			return "", false, errors.Join(err, rows.Close())
		}
		names = append(names, name)
		if store {
			stores = append(stores, name)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return "", false, db.fault("look for the store's schema", err)
	}
	switch {
	case len(stores) == 1:
		return stores[0], true, nil
	case len(stores) > 1:
		return "", false, fmt.Errorf("%s: %w: there are stores in several schemas of the search_path, %q; give the schema that is meant",
			db.dialect.Name, backend.ErrInvalid, stores)
	case len(names) > 0:
		return names[0], false, nil
	case db.opts.Schema != "":
		return "", false, fmt.Errorf("%s: %w: there is no schema %q; create it, or give another", db.dialect.Name, backend.ErrInvalid, db.opts.Schema)
	}
	return "", false, fmt.Errorf("%s: %w: no schema of the search_path exists; create it, or give another search_path",
		db.dialect.Name, backend.ErrInvalid)
}

// declared returns the schema if there is nothing to do: the store was declared like this, or is newer than this program.
func (db *DB) declared(ctx context.Context, decl backend.Schema) (*schema, error) {
	c, err := db.readers.get(ctx)
	if err != nil {
		return nil, db.fault("connect", err)
	}
	ready := false
	sc, there, err := db.locate(ctx, c, decl)
	if err == nil && there {
		ready, err = db.upToDate(ctx, c, sc)
	}
	db.give(ctx, db.readers, c, err)
	var f *fault
	switch {
	case ready:
		return sc, nil
	case errors.As(err, &f) && f.kind == Missing:
		return nil, nil
	}
	return nil, err
}

func (db *DB) upToDate(ctx context.Context, c *conn, sc *schema) (bool, error) {
	st, err := db.state(ctx, c, sc)
	if err == nil && (st.format > sc.format || st.format == sc.format && st.digest == sc.digest && st.half == nil) {
		var ahead bool
		ahead, err = db.ahead(ctx, c, sc)
		return !ahead && err == nil, err
	}
	return false, err
}

// state reads the store's state.
func (db *DB) state(ctx context.Context, c *conn, sc *schema) (st state, err error) {
	var declared, upgrading string
	err = c.scan(ctx, "SELECT format, era, digest, declared, upgrading FROM "+sc.d.table(metaTable),
		&st.format, &st.era, &st.digest, &declared, &upgrading)
	if errors.Is(err, sql.ErrNoRows) {
		return state{}, nil
	}
	if err != nil {
		return state{}, db.fault("read the store's format", err)
	}
	err = json.Unmarshal([]byte(declared), &st.tables)
	if err == nil && upgrading != "" {
		err = json.Unmarshal([]byte(upgrading), &st.half)
	}
	if err != nil {
		return state{}, fmt.Errorf("%s: read what was declared: %w", db.dialect.Name, err)
	}
	return st, nil
}

// catalog lists the columns of all tables that there are.
func (db *DB) catalog(ctx context.Context, c *conn, sc *schema) (map[string][]string, error) {
	var args []any
	if sc.d.Locate != "" {
		args = append(args, sc.d.schema)
	}
	rows, err := c.sql.QueryContext(ctx, sc.d.Catalog, args...)
	if err != nil {
		return nil, err
	}
	tables := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		tables[table] = append(tables[table], column)
	}
	return tables, errors.Join(rows.Err(), rows.Close())
}

// ahead says that a log has positions which new ones would not be above: the store was moved to a server that has seen
// fewer transactions.
func (db *DB) ahead(ctx context.Context, c *conn, sc *schema) (bool, error) {
	if sc.d.Newest == "" {
		return false, nil
	}
	for _, t := range sc.order {
		if !t.decl.Log {
			continue
		}
		var ahead bool
		position := t.key[0].quoted
		text := "SELECT coalesce((SELECT max(" + position + ") FROM " + t.quoted + ") > " + sc.d.Newest + ", false) FROM " + sc.d.table(metaTable)
		if err := c.scan(ctx, text, &ahead); err != nil {
			return false, db.fault("read the newest position", err)
		}
		if ahead {
			return true, nil
		}
	}
	return false, nil
}

// declare does what is to do, in one transaction; more says that Upgrade has another step.
func (db *DB) declare(ctx context.Context, decl backend.Schema) (sc *schema, more bool, err error) {
	c, err := db.writers.get(ctx)
	if err != nil {
		return nil, false, db.fault("connect", err)
	}
	defer func() { db.writers.put(c) }()
	if err := c.begin(ctx, db.dialect.BeginDeclare); err != nil {
		return nil, false, db.lost(c, db.fault("declare", err))
	}
	committed := false
	defer func() {
		if !committed {
			c.end(ctx, "ROLLBACK")
		}
	}()
	sc, _, err = db.locate(ctx, c, decl) // where another Declare has just made it, too
	if err == nil {
		more, err = db.raise(ctx, c, sc, decl)
	}
	if err != nil {
		return nil, false, db.lost(c, err)
	}
	if err := c.commit(ctx); err != nil {
		return nil, false, db.lost(c, db.fault("declare", err)) // done twice it does nothing
	}
	committed = true
	return sc, more, nil
}

// lost has the connection closed if err says that it is gone.
func (db *DB) lost(c *conn, err error) error {
	var f *fault
	if errors.As(err, &f) && f.kind == Lost {
		c.bad = true
		db.writers.forget()
	}
	return err
}

// raise brings the store to what sc declares.
func (db *DB) raise(ctx context.Context, c *conn, sc *schema, decl backend.Schema) (more bool, err error) {
	meta := sc.d.table(metaTable)
	texts := []string{"CREATE TABLE IF NOT EXISTS " + meta +
		" (format BIGINT NOT NULL, era BIGINT NOT NULL, digest TEXT NOT NULL, declared TEXT NOT NULL, upgrading TEXT NOT NULL)"}
	for _, text := range []string{sc.d.LockStore, sc.d.CommitTable} {
		if text != "" {
			texts = append(texts, text)
		}
	}
	if err := c.run(ctx, texts); err != nil {
		return false, db.fault("declare", err)
	}
	st, err := db.state(ctx, c, sc)
	if err != nil {
		return false, err
	}
	tables, err := db.catalog(ctx, c, sc)
	if err != nil {
		return false, db.fault("declare", err)
	}
	if st.format <= sc.format && (st.format < sc.format || st.digest != sc.digest) {
		united, dropped, err := db.dialect.unite(st, decl)
		if err != nil {
			return false, fmt.Errorf("%s: declare: %w", db.dialect.Name, err)
		}
		for _, name := range dropped {
			if err := c.run(ctx, []string{"DROP INDEX IF EXISTS " + sc.d.table(name)}); err != nil {
				return false, db.fault("declare", err)
			}
		}
		if err := db.create(ctx, c, sc, tables, st.format == 0); err != nil {
			return false, err
		}
		// Names are letters and underscores: nothing in the texts has to be escaped.
		text := fmt.Sprintf("UPDATE %s SET format = %d, digest = '%s', declared = '%s'", meta, sc.format, sc.digest, united)
		if st.format == 0 {
			text = fmt.Sprintf("INSERT INTO %s (format, era, digest, declared, upgrading) VALUES (%d, 0, '%s', '%s', '')", meta, sc.format, sc.digest, united)
		}
		if err := c.run(ctx, []string{text}); err != nil {
			return false, db.fault("declare", err)
		}
	}
	if more, err = db.upgrade(ctx, c, sc, decl, st); err != nil {
		return false, err
	}
	ahead, err := db.ahead(ctx, c, sc)
	if err != nil || !ahead {
		return more, err
	}
	if err := c.run(ctx, []string{"UPDATE " + meta + " SET era = era + 1"}); err != nil {
		return false, db.fault("declare", err)
	}
	return more, nil
}

// unite returns what a store holds that decl is declared in, as JSON, and the names of the indexes that a newer format
// gives up, with what they promised.
func (d *Dialect) unite(st state, decl backend.Schema) (united string, dropped []string, err error) {
	tables := slices.Clone(st.tables)
	for i := range decl.Tables {
		t := decl.Tables[i]
		at := slices.IndexFunc(tables, func(s backend.Table) bool { return s.Name == t.Name })
		if at < 0 {
			tables = append(tables, t)
			continue
		}
		old := tables[at]
		if err := t.CheckStored(old); err != nil {
			return "", nil, err
		}
		next := backend.Table{Name: t.Name, Key: t.Key, Fields: old.Fields, Indexes: t.Indexes, Log: t.Log}
		for _, f := range t.Fields {
			if !slices.ContainsFunc(next.Fields, func(g backend.Field) bool { return g.Name == f.Name }) {
				next.Fields = append(slices.Clip(next.Fields), f)
			}
		}
		for _, x := range old.Indexes {
			name := d.nameOf(&old, x)
			switch {
			case slices.ContainsFunc(t.Indexes, func(y backend.Index) bool { return d.nameOf(&t, y) == name }):
			case decl.Format > st.format:
				dropped = append(dropped, name)
			default:
				next.Indexes = append(slices.Clip(next.Indexes), x)
			}
		}
		tables[at] = next
	}
	text, err := json.Marshal(tables)
	return string(text), dropped, err
}

// nameOf is the name of a table's index in the database.
func (d *Dialect) nameOf(t *backend.Table, x backend.Index) string {
	suffix := "idx"
	f, _, _ := t.Field(x.Fields[len(x.Fields)-1])
	switch {
	case x.Unique:
		suffix = "key"
	case f.Shape == backend.One && x.Sparse && slices.ContainsFunc(x.Fields, func(name string) bool {
		f, key, _ := t.Field(name)
		return !key && f.Kind == backend.String
	}):
		suffix = "sparse"
	}
	return indexName(suffix, append([]string{t.Name}, x.Fields...)...)
}

// create makes the tables, columns and indexes that are missing.
func (db *DB) create(ctx context.Context, c *conn, sc *schema, tables map[string][]string, fresh bool) error {
	for _, t := range sc.order {
		have, ok := tables[t.decl.Name]
		if ok && fresh {
			return fmt.Errorf("%s: declare: %w: there is a table %s already, which is not the registry's; use a database or schema of its own",
				db.dialect.Name, backend.ErrInvalid, t.decl.Name)
		}
		var texts []string
		if ok {
			for _, col := range t.all[len(t.key) : len(t.all)-1] {
				if !slices.Contains(have, col.name) {
					texts = append(texts, "ALTER TABLE "+t.quoted+" ADD COLUMN "+db.dialect.define(col))
				}
			}
		} else {
			texts = append(texts, db.dialect.createTable(t))
		}
		for _, side := range t.sides {
			texts = append(texts, db.dialect.createSide(t, side)...)
		}
		texts = append(texts, db.dialect.createIndexes(t)...)
		if err := c.run(ctx, texts); err != nil {
			return db.fault("declare table "+t.decl.Name, err)
		}
	}
	return nil
}

// upgrade does the next step of Upgrade, if it has to do one: from st.format, or where an earlier Declare was.
func (db *DB) upgrade(ctx context.Context, c *conn, sc *schema, decl backend.Schema, st state) (more bool, err error) {
	h := st.half
	switch {
	case st.format == 0 || st.format > sc.format, st.format == sc.format && h == nil:
		return false, nil
	case h == nil:
		h = &half{From: st.format}
	case st.format < sc.format:
		h.At = "" // that of an older format was interrupted: this one begins anew
	}
	x := &tx{reader: reader{db: db, ctx: ctx, sc: sc, conn: c, mem: memory{}}}
	if err := c.scan(ctx, sc.d.Session, &x.format, &x.era, &x.xid, &x.pid); err != nil {
		return false, db.fault("declare", err)
	}
	at := ""
	if decl.Upgrade != nil {
		at, err = decl.Upgrade(x, h.From, h.At)
		if err = x.result(err); err != nil {
			return false, fmt.Errorf("%s: upgrade from format %d to %d: %w", db.dialect.Name, h.From, sc.format, err)
		}
	}
	var text []byte
	if at != "" {
		if text, err = json.Marshal(half{h.From, at}); err != nil {
			return false, fmt.Errorf("%s: upgrade: %w", db.dialect.Name, err)
		}
	}
	s := sc.d.script().add("UPDATE ", sc.d.table(metaTable), " SET upgrading = ").arg(string(text))
	if _, err := c.exec(ctx, s); err != nil {
		return false, db.fault("declare", err)
	}
	return at != "", nil
}

// define is the definition of a column.
func (d *Dialect) define(c column) string {
	zero := "0"
	if c.kind == backend.String {
		zero = "''"
	} else if c.kind == backend.Time {
		zero = fmt.Sprint(backend.ZeroValue(backend.Time).Micros())
	}
	return c.quoted + " " + d.Types[c.kind] + " NOT NULL DEFAULT " + zero
}

func (d *Dialect) createTable(t *table) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE " + t.quoted + " (")
	if t.rowKeyed(d) {
		b.WriteString(t.key[0].quoted + " INTEGER PRIMARY KEY, ") // the row id; it counts up, since no row is ever deleted
	} else {
		for _, c := range t.key {
			b.WriteString(c.quoted + " " + d.Types[c.kind] + " NOT NULL, ")
		}
	}
	for _, c := range t.all[len(t.key) : len(t.all)-1] {
		b.WriteString(d.define(c) + ", ")
	}
	b.WriteString(`"doc" TEXT NOT NULL`)
	if !t.rowKeyed(d) {
		b.WriteString(", PRIMARY KEY (" + list(t.key) + ")")
	}
	b.WriteString(")")
	return b.String()
}

// createSide gives the texts that make a side table and its indexes.
func (d *Dialect) createSide(t *table, side *side) []string {
	var b strings.Builder
	b.WriteString("CREATE TABLE IF NOT EXISTS " + side.quoted + " (")
	for _, c := range side.all {
		kind := d.Types[c.kind]
		if t.rowKeyed(d) && c.name == backend.PositionField {
			kind = d.Types[backend.Int]
		}
		b.WriteString(c.quoted + " " + kind + " NOT NULL, ")
	}
	unique := list(side.key()) + ", " + d.entryKey(side.own[0])
	var texts []string
	if d.EntryKey == "" {
		b.WriteString("PRIMARY KEY (" + unique + "))" + d.SideSuffix)
		texts = append(texts, b.String())
	} else {
		texts = append(texts, strings.TrimSuffix(b.String(), ", ")+")"+d.SideSuffix,
			"CREATE UNIQUE INDEX IF NOT EXISTS "+quote(indexName("entry", t.decl.Name, side.field.Name))+" ON "+side.quoted+" ("+unique+")")
	}
	for i, fields := range side.indexes {
		var cols []string
		for _, name := range fields[:len(fields)-1] {
			cols = append(cols, quote(name))
		}
		for _, c := range []*column{side.entry, &side.value} {
			switch {
			case c == nil:
			case c.long && !side.unique[i]:
				cols = append(cols, d.short(c.quoted))
			default:
				cols = append(cols, c.quoted)
			}
		}
		texts = append(texts, d.createIndex(t.decl.Name, side.quoted, fields, cols, side.key(), side.unique[i], nil))
	}
	return texts
}

// createIndexes gives the texts that make the indexes on a table itself.
func (d *Dialect) createIndexes(t *table) []string {
	var texts []string
	for _, x := range t.chosen {
		var cols []string
		for _, name := range x.fields {
			c := t.column(name)
			if c.long && !x.unique {
				cols = append(cols, d.short(c.quoted))
			} else {
				cols = append(cols, c.quoted)
			}
		}
		key := t.key
		if t.rowKeyed(d) {
			key = nil // every index ends with the row id
		}
		texts = append(texts, d.createIndex(t.decl.Name, t.quoted, x.fields, cols, key, x.unique, x.sparse))
	}
	return texts
}

// createIndex gives the text that makes an index on cols, and then the key so that its order is that of pages.
func (d *Dialect) createIndex(table, quoted string, fields, cols []string, key []column, unique bool, sparse []string) string {
	word, suffix := "INDEX", "idx"
	if unique {
		word, suffix = "UNIQUE INDEX", "key"
	} else {
		for _, k := range key {
			if !slices.Contains(fields, k.name) {
				cols = append(cols, k.quoted)
			}
		}
	}
	where := ""
	if len(sparse) > 0 {
		if !unique {
			suffix = "sparse"
		}
		for i, name := range sparse {
			where += []string{" WHERE ", " AND "}[min(i, 1)] + quote(name) + " <> ''"
		}
	}
	name := quote(indexName(suffix, append([]string{table}, fields...)...))
	return "CREATE " + word + " IF NOT EXISTS " + name + " ON " + quoted + " (" + strings.Join(cols, ", ") + ")" + where
}

func list(cols []column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.quoted
	}
	return strings.Join(names, ", ")
}

// run executes texts one after the other.
func (c *conn) run(ctx context.Context, texts []string) error {
	for _, text := range texts {
		if _, err := c.sql.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// scan reads one row.
func (c *conn) scan(ctx context.Context, text string, dest ...any) error {
	return c.sql.QueryRowContext(ctx, text).Scan(dest...)
}

package sqldb

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A schema is a declaration with the names that its tables and columns have in the database.
type schema struct {
	d      *Dialect // for where the tables are
	salt   uint64   // keeps the locks of stores in one database apart
	format int
	digest string // of the declaration
	tables map[string]*table
	order  []*table // as declared
}

// A table is a declared table.
type table struct {
	decl   *backend.Table
	quoted string // with its schema
	key    []column
	ones   []column // the fields with one value
	sides  []*side  // the fields with many
	all    []column // key, ones, fingerprint, doc
	chosen []index  // the declared indexes on ones and key parts
	shapes shapes
}

// A column is a column of a table or of a side table.
type column struct {
	name   string
	quoted string
	kind   backend.Kind
	// long columns are indexed by their first characters only, where the dialect says so.
	long bool
}

// An index is a declared index on key parts and fields with one value.
type index struct {
	fields []string
	unique bool
	sparse []string // the String fields that are not "" in its rows
}

// A side is the table that holds a field with many values.
type side struct {
	field   backend.Field
	name    string
	quoted  string
	entry   *column // the name of a Map's entry
	value   column
	own     []column // entry, value
	all     []column // key, entry, value
	indexes [][]string
	unique  []bool // of indexes
}

const (
	metaTable   = "modelregistry"
	commitTable = "modelregistry_commits" // has the witnesses
)

// layout is part of the digest: it changes when the same declaration is stored in another way.
const layout = 1

// newSchema makes the names for a store in the schema that d is for.
func newSchema(d *Dialect, decl backend.Schema) (*schema, error) {
	if err := decl.Validate(); err != nil {
		return nil, err
	}
	sc := &schema{d: d, format: decl.Format, tables: map[string]*table{}}
	h := fnv.New64a()
	h.Write([]byte(d.schema))
	sc.salt = h.Sum64()
	names := map[string]bool{metaTable: true, commitTable: true}
	decl.Tables = slices.Clone(decl.Tables)
	for i := range decl.Tables {
		t := newTable(d, &decl.Tables[i])
		sc.tables[t.decl.Name] = t
		sc.order = append(sc.order, t)
		own := []string{t.decl.Name}
		for _, s := range t.sides {
			own = append(own, s.name)
		}
		for _, name := range own {
			if names[name] {
				return nil, fmt.Errorf("schema: %w: two tables would be called %s in the database", backend.ErrInvalid, name)
			}
			names[name] = true
		}
	}
	text, err := json.Marshal(struct {
		Layout int
		Tables []backend.Table
	}{layout, decl.Tables})
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	sum := sha256.Sum256(text)
	sc.digest = hex.EncodeToString(sum[:])
	return sc, nil
}

func newTable(d *Dialect, decl *backend.Table) *table {
	t := &table{decl: decl, quoted: d.table(decl.Name)}
	for _, f := range decl.KeyFields() {
		t.key = append(t.key, column{name: f.Name, quoted: quote(f.Name), kind: f.Kind})
	}
	for _, f := range decl.Fields {
		if f.Shape == backend.One {
			t.ones = append(t.ones, column{name: f.Name, quoted: quote(f.Name), kind: f.Kind})
		} else {
			t.sides = append(t.sides, newSide(d, t, f))
		}
	}
	for _, x := range decl.Indexes {
		last := x.Fields[len(x.Fields)-1]
		if s := t.side(last); s != nil {
			s.indexes = append(s.indexes, x.Fields)
			s.unique = append(s.unique, x.Unique)
			if !x.Unique && d.IndexChars > 0 {
				s.shorten()
			}
			continue
		}
		ix := index{fields: x.Fields, unique: x.Unique}
		for _, name := range x.Fields {
			i := slices.IndexFunc(t.ones, func(c column) bool { return c.name == name })
			if i < 0 || t.ones[i].kind != backend.String {
				continue
			}
			if x.Unique || x.Sparse {
				ix.sparse = append(ix.sparse, name)
			}
			t.ones[i].long = t.ones[i].long || !x.Unique && d.IndexChars > 0
		}
		t.chosen = append(t.chosen, ix)
	}
	t.all = slices.Concat(t.key, t.ones)
	if t.printed() {
		t.all = append(t.all, fingerprint)
	}
	t.all = append(t.all, column{name: "doc", quoted: quote("doc"), kind: backend.String})
	return t
}

// fingerprint is a column of tables with side tables: a digest of the row's side values. By it a Put knows that they
// stay as they are, which most do, without reading them. The digit keeps the name from being a field's.
var fingerprint = column{name: "sides_sha256", quoted: quote("sides_sha256"), kind: backend.String}

// printed says that the table has fingerprints.
func (t *table) printed() bool { return len(t.sides) > 0 && !t.decl.Log }

// compared says that a Put leaves columns alone whose values do not change: SQLite writes every index anew that has an
// assigned column. Where Updates run side by side, what was read may have changed since.
func (t *table) compared(d *Dialect) bool {
	return d.Serial && !t.decl.Log && len(t.chosen) > 0 && len(t.ones) > 0
}

func newSide(d *Dialect, t *table, f backend.Field) *side {
	// A key part may have the name of a side table's own column.
	free := func(name string) column {
		for slices.ContainsFunc(t.key, func(c column) bool { return c.name == name }) {
			name += "_"
		}
		return column{name: name, quoted: quote(name)}
	}
	s := &side{field: f, name: identifier(t.decl.Name, f.Name)}
	s.quoted = d.table(s.name)
	if f.Shape == backend.Map {
		c := free("entry")
		s.entry = &c
		s.own = append(s.own, c)
	}
	s.value = free("value")
	s.value.kind = f.Kind
	s.own = append(s.own, s.value)
	s.all = slices.Concat(t.key, s.own)
	return s
}

// shorten marks the side's own strings as indexed by their first characters.
func (s *side) shorten() {
	s.value.long = s.value.kind == backend.String
	if s.entry != nil {
		s.entry.long = true
	}
}

func (t *table) side(field string) *side {
	for _, s := range t.sides {
		if s.field.Name == field {
			return s
		}
	}
	return nil
}

// column finds a key part or a field with one value.
func (t *table) column(name string) column {
	for _, c := range t.all {
		if c.name == name {
			return c
		}
	}
	return column{}
}

// key is the part of the side's columns that is the row's key.
func (s *side) key() []column { return s.all[:len(s.all)-len(s.own)] }

// quote makes name an identifier also where it is a word of SQL.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// identifier joins parts to a name. Their own underscores are doubled, so that a_b and c make another than a and b_c.
func identifier(parts ...string) string {
	doubled := make([]string, len(parts))
	for i, p := range parts {
		doubled[i] = strings.ReplaceAll(p, "_", "__")
	}
	return fit(strings.Join(doubled, "_"))
}

// indexName is the name of an index on columns of a table; the digit keeps it from being a table's.
func indexName(sort string, parts ...string) string {
	return fit(identifier(parts...) + "_" + sort + "1")
}

// fit shortens a name that engines would cut off (Postgres does, at 63 bytes).
func fit(name string) string {
	if len(name) <= 60 {
		return name
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprintf("%s_%08x", name[:51], h.Sum32())
}

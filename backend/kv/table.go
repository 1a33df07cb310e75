package kv

import (
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A table is a declared table as it lies in the store.
type table struct {
	name   string
	decl   *backend.Table
	key    []backend.Field
	fields []backend.Field // by number; the declared ones and what other programs declared
	zero   [][]byte        // by number, the content of a field that is not stored
	paths  []*path         // ways to find rows: paths[0] is by key, the others are the indexes
}

// A path is an ordered way to the rows: by key, or by an index.
type path struct {
	space  string
	cols   []column // of the encoded keys: the fields of the index, then the parts of the row's key
	n      int      // of cols belong to the index; 0 is the path by key
	many   bool     // cols[n-1] is a Set or a Map
	unique bool
	sparse bool
	// building says that rows from before may have no entries yet: no query uses the path, and no Update is refused by it.
	building bool
}

// indexed are the columns of the index's own fields.
func (p *path) indexed() []column { return p.cols[:p.n] }

// A column is one field of a path.
type column struct {
	backend.Field
	part  int // which part of the row's key it is, or -1
	id    int // the number of the field, if it is none
	place int // tells it from the table's other columns; of key parts it is the part
}

// tables is a declaration together with the stored catalog that it was matched to.
type tables struct {
	schema *backend.Schema
	raw    []byte // the catalog as stored
	format int
	byName map[string]*table
	// upgrading says that the store is between two formats
	upgrading bool
}

// newTables matches schema to the stored catalog. Tables and fields that the store lacks, because it is of a newer
// format that gave them up, have no rows and no values.
func newTables(schema *backend.Schema, raw []byte) (*tables, error) {
	c, err := decodeCatalog(raw)
	if err != nil {
		return nil, err
	}
	ts := &tables{schema: schema, raw: raw, format: c.Format, upgrading: c.Upgrade != nil, byName: map[string]*table{}}
	building := c.building()
	for i := range schema.Tables {
		decl := &schema.Tables[i]
		stored := c.Tables[decl.Name]
		t := &table{name: decl.Name, decl: decl, key: decl.KeyFields()}
		t.fields = mergeFields(c.fields(decl.Name), decl.Fields)
		for _, f := range t.fields {
			var zero []byte
			if f.Shape == backend.One {
				zero = appendRaw(nil, backend.ZeroValue(f.Kind))
			}
			t.zero = append(t.zero, zero)
		}
		t.paths = []*path{{space: t.name, cols: t.keyColumns()}}
		for _, x := range stored.Indexes {
			t.paths = append(t.paths, t.newPath(x))
		}
		for _, a := range building {
			if a.table == decl.Name {
				p := t.newPath(a.index)
				p.building = true
				t.paths = append(t.paths, p)
			}
		}
		ts.byName[t.name] = t
	}
	return ts, nil
}

func (t *table) keyColumns() []column {
	cols := make([]column, len(t.key))
	for i, f := range t.key {
		cols[i] = column{Field: f, part: i, id: -1, place: i}
	}
	return cols
}

func (t *table) newPath(x backend.Index) *path {
	p := &path{space: indexSpace(t.name, x), n: len(x.Fields), unique: x.Unique, sparse: x.Sparse || x.Unique}
	for _, name := range x.Fields {
		c, _ := t.column(name)
		p.cols = append(p.cols, c)
		p.many = c.Shape != backend.One
	}
	p.cols = append(p.cols, t.keyColumns()...)
	return p
}

// column finds a key part or a field by name.
func (t *table) column(name string) (column, bool) {
	for i, f := range t.key {
		if f.Name == name {
			return column{Field: f, part: i, id: -1, place: i}, true
		}
	}
	for id, f := range t.fields {
		if f.Name == name {
			return column{Field: f, part: -1, id: id, place: len(t.key) + id}, true
		}
	}
	return column{}, false
}

// table returns the table called name, if it is declared.
func (ts *tables) table(name string) (*table, error) {
	t, ok := ts.byName[name]
	if !ok {
		return nil, fmt.Errorf("table %q: %w: not declared", name, backend.ErrInvalid)
	}
	return t, nil
}

// logKey is the key in catalogSpace of the last position of log t.
func (t *table) logKey() []byte { return []byte(t.name) }

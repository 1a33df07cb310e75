package kv

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// catalogSpace holds the catalog, under catalogKey, and the last position of each log, under the log's name.
const catalogSpace = "/catalog"

var catalogKey = []byte("/")

// A catalog is what a store remembers of its declarations. It is the union of all: several programs may be at work on
// one store, and each keeps every index, also those that only another has declared.
type catalog struct {
	Format int
	Tables map[string]catalogTable
	// Next is what a Declare under way, or one that was interrupted, makes of the above. Its indexes that Tables lacks are
	// kept by all Updates from when it is there, and used by no query.
	Next *pending `json:",omitempty"`
	// Dropping are spaces of indexes that are given up; their entries go in steps.
	Dropping []string `json:",omitempty"`
	// Upgrade is where an Upgrade to Format has to go on.
	Upgrade *upgrade `json:",omitempty"`
}

// A pending is a catalog that a store will have when its new indexes are built.
type pending struct {
	Format int
	Tables map[string]catalogTable
	Built  map[string]built `json:",omitempty"` // by the space of an index
}

// A built says how far an index is built: the rows up to the key After are in it, or all.
type built struct {
	After []byte
	All   bool
}

type upgrade struct {
	From int
	At   string
}

// fields are the fields of a table by number, with those of a Declare under way.
func (c catalog) fields(table string) []backend.Field {
	if c.Next != nil {
		if t, ok := c.Next.Tables[table]; ok {
			return t.Fields
		}
	}
	return c.Tables[table].Fields
}

// building are the indexes that Next adds to tables, in a fixed order.
func (c catalog) building() (list []indexChange) {
	if c.Next == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.Next.Tables)) {
		for _, x := range c.Next.Tables[name].Indexes {
			if !containsIndex(c.Tables[name].Indexes, x) {
				list = append(list, indexChange{name, x})
			}
		}
	}
	return list
}

// abandon gives up what Next adds.
func (c *catalog) abandon() {
	for _, a := range c.building() {
		c.Dropping = append(c.Dropping, indexSpace(a.table, a.index))
	}
	c.Next = nil
}

// finish makes Next the catalog.
func (c *catalog) finish() {
	for _, name := range slices.Sorted(maps.Keys(c.Tables)) {
		for _, x := range c.Tables[name].Indexes {
			if !containsIndex(c.Next.Tables[name].Indexes, x) {
				c.Dropping = append(c.Dropping, indexSpace(name, x))
			}
		}
	}
	c.Format, c.Tables, c.Next = c.Next.Format, c.Next.Tables, nil
}

// A catalogTable never loses a field, since stored rows name fields by their place in the list.
type catalogTable struct {
	Key     []backend.Field
	Fields  []backend.Field
	Indexes []backend.Index
	Log     bool
}

// decodeCatalog reads a stored catalog; that of a fresh store is empty.
func decodeCatalog(raw []byte) (catalog, error) {
	c := catalog{Tables: map[string]catalogTable{}}
	if raw == nil {
		return c, nil
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("kv: read the catalog: %w", err)
	}
	return c, nil
}

// An indexChange is an index that a declaration adds to a table that may have rows.
type indexChange struct {
	table string
	index backend.Index
}

// merge returns c with what schema declares besides, and without the indexes that a newer format no longer declares.
func (c catalog) merge(schema backend.Schema) (next *pending, err error) {
	next = &pending{Format: schema.Format, Tables: maps.Clone(c.Tables), Built: map[string]built{}}
	for i := range schema.Tables {
		decl := &schema.Tables[i]
		old, ok := c.Tables[decl.Name]
		if !ok {
			old = catalogTable{Key: decl.Key, Log: decl.Log}
		}
		if err := decl.CheckStored(backend.Table{Key: old.Key, Fields: old.Fields, Log: old.Log}); err != nil {
			return nil, err
		}
		t := catalogTable{Key: decl.Key, Fields: mergeFields(old.Fields, decl.Fields), Log: old.Log}
		for _, x := range old.Indexes {
			if schema.Format == c.Format || containsIndex(decl.Indexes, x) {
				t.Indexes = append(t.Indexes, x)
			}
		}
		for _, x := range decl.Indexes {
			if !containsIndex(t.Indexes, x) {
				t.Indexes = append(t.Indexes, x)
			}
		}
		next.Tables[decl.Name] = t
	}
	return next, nil
}

// mergeFields returns old, in their places, and what declared has besides.
func mergeFields(old, declared []backend.Field) []backend.Field {
	fields := slices.Clone(old)
	for _, f := range declared {
		i := slices.IndexFunc(fields, func(g backend.Field) bool { return g.Name == f.Name })
		if i < 0 {
			fields = append(fields, f)
		} else {
			fields[i] = f
		}
	}
	return fields
}

func containsIndex(list []backend.Index, x backend.Index) bool {
	return slices.ContainsFunc(list, func(y backend.Index) bool { return indexSpace("", x) == indexSpace("", y) })
}

// indexSpace names the space of an index; two indexes of a table that hold the same entries and promise the same have
// the same name.
func indexSpace(table string, x backend.Index) string {
	name := table + "/" + strings.Join(x.Fields, ",")
	switch {
	case x.Unique:
		return name + "!"
	case x.Sparse:
		return name + "?"
	}
	return name
}

package kv

import (
	"encoding/json"
	"fmt"
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

// An indexChange is an index that a declaration adds to or takes from a table that may have rows.
type indexChange struct {
	table string
	index backend.Index
}

// merge returns c with what schema declares besides, the indexes that are new, and those that a newer format no longer
// declares.
func (c catalog) merge(schema backend.Schema) (next catalog, added, dropped []indexChange, err error) {
	next = catalog{Format: schema.Format, Tables: map[string]catalogTable{}}
	for name, t := range c.Tables {
		next.Tables[name] = t
	}
	for i := range schema.Tables {
		decl := &schema.Tables[i]
		old, ok := c.Tables[decl.Name]
		if !ok {
			old = catalogTable{Key: decl.Key, Log: decl.Log}
		}
		if err := decl.CheckStored(backend.Table{Key: old.Key, Fields: old.Fields, Log: old.Log}); err != nil {
			return next, nil, nil, err
		}
		t := catalogTable{Key: decl.Key, Fields: mergeFields(old.Fields, decl.Fields), Log: old.Log}
		for _, x := range old.Indexes {
			if schema.Format > c.Format && !containsIndex(decl.Indexes, x) {
				dropped = append(dropped, indexChange{decl.Name, x})
				continue
			}
			t.Indexes = append(t.Indexes, x)
		}
		for _, x := range decl.Indexes {
			if !containsIndex(t.Indexes, x) {
				added = append(added, indexChange{decl.Name, x})
				t.Indexes = append(t.Indexes, x)
			}
		}
		next.Tables[decl.Name] = t
	}
	return next, added, dropped, nil
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

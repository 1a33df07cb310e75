package backendtest

import (
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

var ownershipPromises = []promise{
	{"a backend keeps nothing of the rows and keys it was passed", passedRows},
	{"the caller owns what Get and Find return", returnedRows},
	{"a change in place to what was read survives no rollback", changeInPlace},
	{"rows that were read stay as they are when the store changes", rowsOutlive},
}

// scribble writes over all memory of a row: over its document, its key, its fields, and behind them.
func scribble(r backend.Row) {
	for i := range r.Doc {
		r.Doc[i] = '#'
	}
	_ = append(r.Doc, "#########"...)
	for i := range r.Key {
		r.Key[i] = backend.StringValue("#")
	}
	_ = append(r.Key, backend.StringValue("#"))
	for name, content := range r.Fields {
		switch c := content.(type) {
		case []string:
			for i := range c {
				c[i] = "#"
			}
		case map[string]backend.Value:
			clear(c)
			c["#"] = backend.StringValue("#")
		}
		r.Fields[name] = backend.StringValue("#")
	}
}

func full(name string) backend.Row {
	r := cell(name, "tag", 1)
	r.Fields["labels"], r.Fields["notes"] = []string{"l", "m"}, text("k", "v")
	return r
}

// intact checks that the rows full("a"), full("b"), full("c") are found each way, and nothing else is.
func (s *store) intact(b backend.Backend, promise string) {
	s.Helper()
	want := docs([]backend.Row{full("a"), full("b"), full("c")})
	for _, c := range [][]backend.Cond{
		nil, {eq("tag", backend.StringValue("tag"))}, {eq("labels", backend.StringValue("l"))}, {eq("labels", backend.StringValue("m"))},
		{{Field: "notes", Name: "k", Value: backend.StringValue("v")}}, {{Field: "id", Op: backend.Lt, Value: backend.StringValue("z")}},
	} {
		for _, order := range []string{"", "n"} {
			if !s.equal(s.docs(b, backend.Query{Table: "cells", Where: c, Order: order}), want, promise) {
				return
			}
		}
	}
	for _, c := range []backend.Cond{eq("labels", backend.StringValue("#")), {Field: "notes", Name: "#", Op: backend.Ge}, eq("tag", backend.StringValue("#")), eq("id", backend.StringValue("#"))} {
		s.equal(s.docs(b, backend.Query{Table: "cells", Where: []backend.Cond{c}}), nil, promise)
	}
	for _, name := range []string{"a", "b", "c"} {
		err := b.View(s.ctx, func(r backend.Reader) error {
			row, err := r.Get("cells", id(name)...)
			if err == nil {
				s.sameRows([]backend.Row{row}, []backend.Row{full(name)}, promise)
			}
			return err
		})
		if err != nil {
			s.Errorf("%s: Get: %v", promise, err)
		}
	}
}

func passedRows(s *store) {
	b := s.declared(cells, journal)
	s.update(b, func(tx backend.Tx) error {
		inserted, put, again, gone := []backend.Row{full("a")}, []backend.Row{full("b"), full("c")}, full("c"), full("d")
		if err := tx.Insert("cells", inserted...); err != nil {
			return err
		}
		if err := tx.Put("cells", put...); err != nil {
			return err
		}
		if err := tx.Put("cells", again, gone); err != nil {
			return err
		}
		keys := []backend.Key{id("d")}
		if err := tx.Delete("cells", keys...); err != nil {
			return err
		}
		keys[0][0] = backend.StringValue("a")
		keys[0] = id("b")
		logged := entry("t", 1)
		if _, err := tx.Append("journal", logged); err != nil {
			return err
		}
		for _, r := range append(append(inserted, put...), again, gone, logged) {
			scribble(r)
		}
		inserted[0], put[0], put[1] = full("x"), full("y"), full("z")
		return nil
	})
	s.intact(b, "a row or key that the caller changes after the call is stored as it was passed")
	s.has(b, "journal", "an appended row that the caller changes after the call is stored as it was passed", string(entry("t", 1).Doc))
	q := backend.Query{Table: "cells", Where: []backend.Cond{{Field: "id", Op: backend.In, Values: values(backend.StringValue, "a", "b")}}, After: id("a")}
	s.find(b, q)
	q.After[0], q.Where[0].Values[0] = backend.StringValue("#"), backend.StringValue("#")
	s.intact(b, "a query that the caller changes after the call changes nothing")
}

// reads are the ways to read the three rows.
func reads(r backend.Reader) ([]backend.Row, error) {
	var rows []backend.Row
	for _, q := range []backend.Query{
		{Table: "cells"}, {Table: "cells", Order: "n", Desc: true}, {Table: "cells", Where: []backend.Cond{eq("tag", backend.StringValue("tag"))}},
		{Table: "cells", Where: []backend.Cond{eq("labels", backend.StringValue("l"))}, Limit: 2},
	} {
		found, err := r.Find(q)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	for _, name := range []string{"a", "b", "c"} {
		row, err := r.Get("cells", id(name)...)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// unshared scribbles over each of rows; the others must not see it.
func unshared(rows []backend.Row) error {
	for i := range rows {
		scribble(rows[i])
		for _, r := range rows[i+1:] {
			if name := r.Key[0].Str(); string(r.Doc) != string(full(name).Doc) {
				return fmt.Errorf("a caller owns each row it reads, but writing over one changed another: row %s reads %s", r.Key, r.Doc)
			}
		}
	}
	return nil
}

func returnedRows(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	for range 2 {
		if err := unshared(s.find(b, backend.Query{Table: "cells"})); err != nil {
			s.Error(err)
		}
		s.intact(b, "a caller may change what Find returned; the store does not")
	}
	readTwice := func(r backend.Reader) error {
		for range 2 {
			rows, err := reads(r)
			if err != nil {
				return err
			}
			if err := unshared(rows); err != nil {
				return err
			}
		}
		return nil
	}
	if err := b.View(s.ctx, readTwice); err != nil {
		s.Errorf("View: %v", err)
	}
	s.intact(b, "a caller may change what it read in a View; the store does not")
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
		if err := readTwice(tx); err != nil {
			return err
		}
		// The same of rows that this Update wrote.
		if err := tx.Put("cells", full("a"), full("b")); err != nil {
			return err
		}
		return readTwice(tx)
	})
	if err != nil {
		s.Errorf("Update: %v", err)
	}
	s.intact(b, "a caller may change what it read in an Update; the store does not")
}

func changeInPlace(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	for _, write := range []bool{false, true} {
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
			if write {
				if err := tx.Put("cells", cell("a", "other", 5), cell("d", "", 1)); err != nil {
					return err
				}
				if err := tx.Delete("cells", id("b")); err != nil {
					return err
				}
			}
			rows, err := tx.Find(backend.Query{Table: "cells"})
			if err != nil {
				return err
			}
			row, err := tx.Get("cells", id("c")...)
			if err != nil {
				return err
			}
			for _, r := range append(rows, row) {
				scribble(r)
			}
			return errAbort
		})
		s.wants(err, errAbort, "an Update answers fn's error")
		s.intact(b, "what an Update changed in place is as it was after a rollback")
	}
}

func rowsOutlive(s *store) {
	b := s.declared(cells)
	s.insert(b, "cells", full("a"), full("b"), full("c"))
	kept := s.find(b, backend.Query{Table: "cells"})
	var read, written []backend.Row
	err := b.View(s.ctx, func(r backend.Reader) (err error) { read, err = reads(r); return err })
	if err != nil {
		s.Fatal(err)
	}
	s.update(b, func(tx backend.Tx) (err error) {
		if err := tx.Put("cells", full("b")); err != nil {
			return err
		}
		written, err = reads(tx)
		return err
	})
	for i := range 20 {
		s.update(b, func(tx backend.Tx) error {
			for j := range 20 {
				if err := tx.Put("cells", cell("a", fmt.Sprint(i), 2), cell(fmt.Sprint("filler", j), noise(uint64(i), 300), 2)); err != nil {
					return err
				}
			}
			return tx.Delete("cells", id("b"), id("c"))
		})
	}
	for _, r := range append(append(kept, read...), written...) {
		s.sameRows([]backend.Row{r}, []backend.Row{full(r.Key[0].Str())}, "a row that was read is the caller's, whatever becomes of the store")
	}
}

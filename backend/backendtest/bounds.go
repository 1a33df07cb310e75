package backendtest

import (
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

var limitPromises = []promise{
	{"values at every limit are kept, found and told apart", atTheLimits},
	{"values beyond a limit are refused with ErrInvalid", beyondTheLimits},
	{"the largest document is kept", largestDocument},
	{"the largest Update is committed", largestUpdate},
}

// bounded has a field for each limit of the contract.
var bounded = backend.Table{
	Name: "bounded",
	Key:  []backend.Field{{Name: "first"}, {Name: "second", Max: 300}},
	Fields: []backend.Field{
		{Name: "text"}, {Name: "short", Max: 100}, {Name: "slot"},
		{Name: "labels", Shape: backend.Set}, {Name: "marks", Shape: backend.Map, Max: 2000}, {Name: "owners", Shape: backend.Map},
	},
	Indexes: []backend.Index{
		{Fields: []string{"text"}}, {Fields: []string{"short"}}, {Fields: []string{"slot"}, Unique: true}, {Fields: []string{"first", "owners"}, Unique: true},
		{Fields: []string{"labels"}}, {Fields: []string{"marks"}},
	},
}

// utmost is a row at every limit; runes of four bytes, since the limits are in bytes.
func utmost(change func(r *backend.Row)) backend.Row {
	r := backend.Row{
		Key: key(backend.StringValue(runes(backend.MaxKeyPart)), backend.StringValue(runes(300))),
		Fields: map[string]any{
			"text": backend.StringValue(runes(backend.MaxValue)), "short": backend.StringValue(runes(100)), "slot": backend.StringValue(runes(backend.MaxKeyPart)),
			"labels": []string{runes(backend.MaxValue)}, "marks": text(runes(backend.MaxName), runes(2000)), "owners": text(runes(backend.MaxName), runes(backend.MaxKeyPart)),
		},
		Doc: []byte(`{"bounded":1}`),
	}
	if change != nil {
		change(&r)
	}
	return r
}

func runes(bytes int) string { return strings.Repeat("😀", bytes/4) }

func atTheLimits(s *store) {
	b := s.declared(bounded)
	s.insert(b, "bounded", utmost(nil))
	s.put(b, "bounded", utmost(nil))
	r := utmost(nil)
	for _, c := range []backend.Cond{
		eq("first", r.Key[0]), eq("second", r.Key[1]), eq("text", r.Fields["text"].(backend.Value)), eq("short", r.Fields["short"].(backend.Value)),
		eq("slot", r.Fields["slot"].(backend.Value)), eq("labels", backend.StringValue(runes(backend.MaxValue))),
		{Field: "marks", Name: runes(backend.MaxName), Value: backend.StringValue(runes(2000))},
		{Field: "owners", Name: runes(backend.MaxName), Value: backend.StringValue(runes(backend.MaxKeyPart))},
	} {
		s.asks(&bounded, []backend.Row{r}, backend.Query{Table: "bounded", Where: []backend.Cond{c}}, s.finder(b))
	}
	other := utmost(func(r *backend.Row) { r.Key[1] = backend.StringValue("other") })
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Insert("bounded", other) })
	s.wants(err, backend.ErrExists, "a unique value at the limit is refused a second time")
}

func beyondTheLimits(s *store) {
	b := s.declared(bounded, journal)
	field := func(name string, content any) backend.Row {
		return utmost(func(r *backend.Row) { r.Fields[name] = content })
	}
	one := func(bytes int) backend.Value { return backend.StringValue(runes(bytes) + "x") }
	for name, row := range map[string]backend.Row{
		"a key part":                      utmost(func(r *backend.Row) { r.Key[0] = one(backend.MaxKeyPart) }),
		"a key part with a Max":           utmost(func(r *backend.Row) { r.Key[1] = one(300) }),
		"a value":                         field("text", one(backend.MaxValue)),
		"a value with a Max":              field("short", one(100)),
		"a unique value":                  field("slot", one(backend.MaxKeyPart)),
		"an element of a Set":             field("labels", []string{"short", one(backend.MaxValue).Str()}),
		"a value of a Map with a Max":     field("marks", text("name", one(2000).Str())),
		"a name of a Map":                 field("marks", text(one(backend.MaxName).Str(), "short")),
		"a value of a Map that is unique": field("owners", text("name", one(backend.MaxKeyPart).Str())),
		"a document": utmost(func(r *backend.Row) {
			r.Doc = fmt.Appendf(nil, `{"long":"%s"}`, strings.Repeat("x", backend.MaxDoc))
		}),
	} {
		for how, write := range map[string]func(tx backend.Tx) error{
			"Insert": func(tx backend.Tx) error { return tx.Insert("bounded", row) },
			"Put":    func(tx backend.Tx) error { return tx.Put("bounded", row) },
		} {
			err := b.Update(s.ctx, nil, write)
			s.wants(err, backend.ErrInvalid, fmt.Sprintf("%s of a row beyond a limit: %s", how, name))
		}
	}
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error {
		event := entry("t", 1)
		event.Fields["topic"] = one(backend.MaxValue)
		_, err := tx.Append("journal", event)
		return err
	})
	s.wants(err, backend.ErrInvalid, "Append of a value beyond the limit")
	s.has(b, "bounded", "what is beyond a limit leaves no trace")
}

func largestDocument(s *store) {
	b := s.declared(cells)
	text := `{"text":"` + noiseLetters(1<<20) + `","long":"`
	text += strings.Repeat("0123456789abcdef", (backend.MaxDoc-len(text))/16)
	text += strings.Repeat("x", backend.MaxDoc-len(text)-2) + `"}`
	row := backend.Row{Key: id("a"), Doc: []byte(text)}
	s.insert(b, "cells", row)
	got := s.find(b, backend.Query{Table: "cells"})
	if len(got) != 1 || string(got[0].Doc) != text {
		s.Errorf("a document of %d bytes is kept byte for byte; %d rows are found", backend.MaxDoc, len(got))
	}
}

// largestUpdate writes as many rows as an Update may, and one batch of them again.
func largestUpdate(s *store) {
	const batch = 1000
	b := s.declared(cells, journal)
	s.update(b, func(tx backend.Tx) error {
		for first := 0; first < backend.MaxRows; first += batch {
			rows := make([]backend.Row, batch)
			for i := range rows {
				rows[i] = cell(fmt.Sprintf("%06d", first+i), "t", int64(i))
			}
			if first/batch%2 == 1 {
				for i := range rows {
					rows[i] = entry("t", int64(first+i))
				}
				if _, err := tx.Append("journal", rows...); err != nil {
					return err
				}
				continue
			}
			if err := tx.Put("cells", rows...); err != nil {
				return err
			}
		}
		return nil
	})
	for _, table := range []string{"cells", "journal"} {
		if n := len(s.find(b, backend.Query{Table: table})); n != backend.MaxRows/2 {
			s.Errorf("an Update of %d rows leaves all of them: %d are in %s, want %d", backend.MaxRows, n, table, backend.MaxRows/2)
		}
	}
}

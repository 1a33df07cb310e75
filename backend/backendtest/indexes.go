package backendtest

import (
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

var indexPromises = []promise{
	{"a unique index refuses a second row with its value, at each row", uniqueOne},
	{"a value can be freed and taken, and swapped, in one Update", freeThenTake},
	{"a unique Set gives each element one owner", uniqueSet},
	{"a unique Map gives each entry one owner", uniqueMap},
	{"a unique index leaves out empty strings, and only those", uniqueSparse},
	{"a sparse index hides no row", sparseHidesNothing},
	{"a unique index hides no row", uniqueHidesNothing},
}

var slots = backend.Table{
	Name: "slots",
	Key:  []backend.Field{{Name: "model", Kind: backend.String}, {Name: "number", Kind: backend.Int}},
	Fields: []backend.Field{
		{Name: "stage", Kind: backend.String},
		{Name: "code", Kind: backend.Int},
		{Name: "part", Kind: backend.String},
		{Name: "aliases", Kind: backend.String, Shape: backend.Set},
		{Name: "marks", Kind: backend.String, Shape: backend.Map},
	},
	Indexes: []backend.Index{
		{Fields: []string{"model", "stage"}, Unique: true},
		{Fields: []string{"stage", "part"}, Unique: true},
		{Fields: []string{"model", "aliases"}, Unique: true},
		{Fields: []string{"model", "marks"}, Unique: true},
	},
}

// slot makes a row of slots from its key and pairs of field names and contents.
func slot(model string, number int64, fields ...any) backend.Row {
	r := backend.Row{Key: key(backend.StringValue(model), backend.IntValue(number)), Fields: map[string]any{}}
	r.Doc = fmt.Appendf(nil, `{"row":%q,"fields":%q}`, r.Key, fmt.Sprint(fields...))
	for i := 0; i < len(fields); i += 2 {
		content := fields[i+1]
		if text, ok := content.(string); ok {
			content = backend.StringValue(text)
		}
		r.Fields[fields[i].(string)] = content
	}
	return r
}

// refused checks that rows of slots are refused with ErrExists, each way to write them, and that nothing changes.
func (s *store) refused(b backend.Backend, promise string, rows ...backend.Row) {
	s.Helper()
	before := s.docs(b, backend.Query{Table: "slots"})
	for name, write := range map[string]func(backend.Tx, ...backend.Row) error{
		"Put":    func(tx backend.Tx, rows ...backend.Row) error { return tx.Put("slots", rows...) },
		"Insert": func(tx backend.Tx, rows ...backend.Row) error { return tx.Insert("slots", rows...) },
	} {
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return write(tx, rows...) })
		s.wants(err, backend.ErrExists, name+": "+promise)
		var at error
		_ = b.Update(s.ctx, nil, func(tx backend.Tx) error {
			at = nil
			for _, r := range rows {
				if at = write(tx, r); at != nil {
					return at
				}
			}
			return nil
		})
		s.wants(at, backend.ErrExists, name+", answered at the row and not at the commit: "+promise)
	}
	s.equal(s.docs(b, backend.Query{Table: "slots"}), before, "what is refused changes nothing: "+promise)
}

// accepted checks that a Put of each row in turn is not refused.
func (s *store) accepted(b backend.Backend, promise string, rows ...backend.Row) {
	s.Helper()
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Put("slots", rows...) })
	if err != nil {
		s.Errorf("%s: %v", promise, err)
	}
}

func uniqueOne(s *store) {
	b := s.declared(slots)
	s.insert(b, "slots", slot("m", 1, "stage", "Production"), slot("m", 2, "stage", "Staging", "part", "x"), slot("n", 1))
	s.refused(b, "a value that another row has", slot("m", 3, "stage", "Production"))
	s.refused(b, "a value that another row has, behind good rows", slot("n", 2, "stage", "Production", "part", "p"), slot("m", 3, "stage", "Production"))
	s.refused(b, "a row of the same call has the value", slot("m", 3, "stage", "New"), slot("m", 4, "stage", "New"))
	s.refused(b, "an index of two fields", slot("o", 1, "stage", "Staging", "part", "x"))
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Put("slots", slot("n", 1, "stage", "Staging", "part", "x")) })
	s.wants(err, backend.ErrExists, "a Put over a row cannot take another row's value")
	s.accepted(b, "a row keeps its own values when it is put again", slot("m", 1, "stage", "Production", "code", backend.IntValue(1)))
	s.accepted(b, "values that differ in one field of the index", slot("n", 1, "stage", "Production", "part", "x"), slot("o", 1, "stage", "Staging", "part", "X"))
	s.accepted(b, "bytes decide what is equal", slot("m", 5, "stage", "production"), slot("m", 6, "stage", "Production "), slot("m", 7, "stage", "Productio\u0301n"))
}

func freeThenTake(s *store) {
	b := s.declared(slots)
	s.insert(b, "slots", slot("m", 1, "stage", "Production"), slot("m", 2, "stage", "Staging"))
	s.accepted(b, "a value that a row before it freed can be taken", slot("m", 1, "stage", "Archived"), slot("m", 2, "stage", "Production"))
	s.refused(b, "a value is free only after the row that has it was put; a later row is too late", slot("m", 3, "stage", "Production"), slot("m", 2, "stage", "Staging"))
	s.accepted(b, "two rows swap values over a third", slot("m", 1, "stage", "aside"), slot("m", 2, "stage", "Archived"), slot("m", 1, "stage", "Production"))
	for _, gone := range []int64{1, 2} {
		s.update(b, func(tx backend.Tx) error {
			if err := tx.Delete("slots", slot("m", gone).Key); err != nil {
				return err
			}
			return tx.Insert("slots", slot("m", gone+10, "stage", []string{"Production", "Archived"}[gone-1]))
		})
	}
	s.equal(s.docs(b, backend.Query{Table: "slots"}), docs([]backend.Row{slot("m", 11, "stage", "Production"), slot("m", 12, "stage", "Archived")}), "values move between rows")
	for _, r := range []backend.Row{slot("m", 11, "stage", "Production"), slot("m", 12, "stage", "Archived")} {
		got := s.docs(b, backend.Query{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue("m")), eq("stage", r.Fields["stage"].(backend.Value))}})
		s.equal(got, []string{string(r.Doc)}, "a value that moved is found at its new row")
	}
}

func uniqueSet(s *store) {
	b := s.declared(slots)
	set := func(elements ...string) []string { return elements }
	s.insert(b, "slots", slot("m", 1, "aliases", set("champion", "best")), slot("m", 2, "aliases", set("old")), slot("n", 1, "aliases", set("champion")))
	s.refused(b, "an element that another row has", slot("m", 3, "aliases", set("new", "best")))
	s.refused(b, "a row of the same call has the element", slot("m", 3, "aliases", set("new")), slot("m", 4, "aliases", set("newer", "new")))
	s.refused(b, "a value is free only after the row that has it was put", slot("m", 3, "aliases", set("old")), slot("m", 2))
	s.accepted(b, "an element moves if it is freed first", slot("m", 1, "aliases", set("best")), slot("m", 2, "aliases", set("old", "champion")))
	s.accepted(b, "a row keeps its elements when it is put again", slot("m", 2, "aliases", set("champion", "old")))
	for alias, want := range map[string]backend.Row{"champion": slot("m", 2, "aliases", set("champion", "old")), "best": slot("m", 1, "aliases", set("best"))} {
		got := s.docs(b, backend.Query{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue("m")), eq("aliases", backend.StringValue(alias))}})
		s.equal(got, []string{string(want.Doc)}, "an element that moved is found at its new row")
	}
	s.refused(b, "an element that moved is taken", slot("m", 3, "aliases", set("champion")))
	s.update(b, func(tx backend.Tx) error { return tx.Delete("slots", slot("m", 2).Key) })
	s.accepted(b, "the elements of a deleted row are free", slot("m", 3, "aliases", set("champion", "old")))
}

func uniqueMap(s *store) {
	b := s.declared(slots)
	s.insert(b, "slots", slot("m", 1, "marks", text("a", "1", "b", "2")), slot("n", 1, "marks", text("a", "1")))
	s.refused(b, "an entry (name and value) that another row has", slot("m", 2, "marks", text("b", "2")))
	s.accepted(b, "another name or another value is another entry", slot("m", 2, "marks", text("a", "2", "b", "1", "c", "1")))
	s.accepted(b, "an entry moves if it is freed first", slot("m", 1, "marks", text("b", "2")), slot("m", 2, "marks", text("a", "1")))
	s.refused(b, "an entry that moved is taken", slot("m", 3, "marks", text("a", "1")))
}

func uniqueSparse(s *store) {
	numbers := backend.Table{
		Name:    "numbers",
		Key:     []backend.Field{{Name: "id", Kind: backend.String}},
		Fields:  []backend.Field{{Name: "n", Kind: backend.Int}, {Name: "f", Kind: backend.Float}, {Name: "at", Kind: backend.Time}, {Name: "tag", Kind: backend.String}},
		Indexes: []backend.Index{{Fields: []string{"tag", "n"}, Unique: true}, {Fields: []string{"f", "at"}, Unique: true}},
	}
	b := s.declared(slots, numbers)
	s.accepted(b, "rows with an empty string are left out", slot("m", 1), slot("m", 2), slot("m", 3, "part", "x"), slot("m", 4, "part", "x"),
		slot("m", 5, "stage", "a"), slot("n", 5, "stage", "a"), slot("", 1, "stage", "b"))
	s.refused(b, "a key part that is empty does not leave a row out", slot("", 2, "stage", "b"))
	row := func(id string, f float64, at int64, tag string) backend.Row {
		return backend.Row{Key: key(backend.StringValue(id)), Doc: fmt.Appendf(nil, `{"id":%q}`, id),
			Fields: map[string]any{"f": backend.FloatValue(f), "at": backend.MicrosValue(at), "tag": backend.StringValue(tag)}}
	}
	s.insert(b, "numbers", row("a", 0, 0, ""), row("b", 0, 1, ""), row("c", 1, 0, "t"))
	for _, r := range []backend.Row{row("d", 0, 0, ""), row("e", 2, 2, "t")} {
		err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Insert("numbers", r) })
		s.wants(err, backend.ErrExists, "zero is a value like others for a unique index; only empty strings are left out")
	}
}

// sparseHidesNothing asks what a backend might answer from an index that leaves rows out.
func sparseHidesNothing(s *store) {
	var queries []backend.Query
	for _, where := range [][]backend.Cond{
		nil, {eq("stage", backend.StringValue(""))}, {{Field: "stage", Op: backend.Lt, Value: backend.StringValue("S")}}, {{Field: "stage", Op: backend.Ge}},
		{{Field: "stage", Op: backend.Prefix}}, {{Field: "stage", Op: backend.In, Values: values(backend.StringValue, "Staging", "")}},
	} {
		for _, order := range []string{"", "stage", "made"} {
			queries = append(queries, backend.Query{Where: where, Order: order}, backend.Query{Where: where, Order: order, Desc: true, Limit: 50})
		}
	}
	s.both(few(), queries...)
}

func uniqueHidesNothing(s *store) {
	b := s.declared(slots)
	rows := []backend.Row{slot("m", 1, "stage", "a"), slot("m", 2), slot("m", 3, "stage", "b", "part", "p"), slot("n", 1)}
	s.insert(b, "slots", rows...)
	for _, q := range []backend.Query{
		{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue("m"))}, Order: "stage"},
		{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue("m")), eq("stage", backend.StringValue(""))}},
		{Table: "slots", Where: []backend.Cond{eq("model", backend.StringValue("m")), {Field: "stage", Op: backend.Lt, Value: backend.StringValue("b")}}},
		{Table: "slots", Order: "stage", Desc: true}, {Table: "slots", Where: []backend.Cond{eq("stage", backend.StringValue("a"))}},
	} {
		s.asks(&slots, rows, q, s.finder(b))
	}
}

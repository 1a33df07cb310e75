package backendtest

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry/backend"
)

var queryPromises = []promise{
	{"In takes no values, one, and thousands", inLists},
	{"a row is found once, however many elements meet a condition", foundOnce},
	{"two conditions on a Set may be met by two elements", twoElements},
	{"all conditions hold, a range on one field too", ranges},
	{"an order by a field breaks ties by the key, in both directions", ties},
	{"Limit cuts the complete answer", limits},
	{"After continues behind a row, also one that is gone", after},
	{"pages lose and repeat nothing under concurrent writes", pagesUnderWrites},
	{"a Query with Fields returns what a row is found by", withFields},
	{"random queries over random rows agree with an oracle", randomQueries},
}

// few are rows of items with many ties.
func few() []backend.Row {
	var rows []backend.Row
	for i := range 60 {
		rows = append(rows, backend.Row{
			Key: key(backend.StringValue(string(rune('a'+i%3))), backend.IntValue(int64(i))),
			Fields: map[string]any{
				"name":   backend.StringValue([]string{"x", "", "y", "x\x01", "é"}[i%5]),
				"rank":   backend.IntValue(int64(i%4) - 1),
				"score":  backend.FloatValue(float64(i%7) / 2),
				"made":   backend.MicrosValue(int64(i%6) - 3),
				"stage":  backend.StringValue([]string{"", "", "Staging", "Production"}[i%4]),
				"labels": []string{fmt.Sprint("l", i%6), fmt.Sprint("m", i%4), "every"}[i%2:],
				"notes":  text("k", fmt.Sprint(i%9), fmt.Sprint("n", i%3), "v"),
				"counts": map[string]backend.Value{"k": backend.IntValue(int64(i % 5))},
			},
			Doc: fmt.Appendf(nil, `{"row":%d}`, i),
		})
	}
	return rows
}

// both asks items and bare, which hold rows, all queries in one View and some by Find besides.
func (s *store) both(rows []backend.Row, queries ...backend.Query) {
	s.Helper()
	b := s.declared(items, bare)
	for _, t := range []backend.Table{items, bare} {
		s.insert(b, t.Name, rows...)
		for i := 0; i < len(queries); i += 5 {
			q := queries[i]
			q.Table = t.Name
			s.asks(&t, rows, q, s.finder(b))
		}
		err := b.View(s.ctx, func(r backend.Reader) error {
			for _, q := range queries {
				q.Table = t.Name
				s.asks(&t, rows, q, r.Find)
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
}

func inLists(s *store) {
	var texts, ints, floats, times []backend.Value
	for i := range 5000 {
		texts = append(texts, backend.StringValue(fmt.Sprint("l", i+3)))
		ints = append(ints, backend.IntValue(int64(i*2+1)))
		floats = append(floats, backend.FloatValue(float64(i)))
		times = append(times, backend.MicrosValue(int64(i-1)))
	}
	var queries []backend.Query
	for _, p := range []struct {
		field, name string
		many        []backend.Value
	}{
		{"labels", "", texts}, {"notes", "k", values(backend.StringValue, "3", "4", "4", "none")}, {"number", "", ints}, {"rank", "", ints}, {"counts", "k", ints},
		{"score", "", floats}, {"made", "", times}, {"space", "", values(backend.StringValue, "c", "a", "zz", "a")}, {"name", "", append(texts, backend.StringValue(""), backend.StringValue("é"))},
	} {
		for _, list := range [][]backend.Value{nil, {}, p.many[:1], p.many[1:3], p.many} {
			c := backend.Cond{Field: p.field, Name: p.name, Op: backend.In, Values: list}
			queries = append(queries,
				backend.Query{Where: []backend.Cond{c}},
				backend.Query{Where: []backend.Cond{c}, Order: "rank", Desc: true, Limit: 5},
				backend.Query{Where: []backend.Cond{c, eq("space", backend.StringValue("b"))}, Order: "score"})
		}
	}
	s.both(few(), queries...)
}

func foundOnce(s *store) {
	row := backend.Row{
		Key:    key(backend.StringValue("s"), backend.IntValue(1)),
		Fields: map[string]any{"labels": []string{"a", "ab", "abc", "b"}, "notes": text("k", "1", "l", "1", "m", "1"), "rank": backend.IntValue(3)},
		Doc:    []byte(`{"row":1}`),
	}
	other := backend.Row{
		Key:    key(backend.StringValue("s"), backend.IntValue(2)),
		Fields: map[string]any{"labels": []string{"ab", "a"}, "rank": backend.IntValue(2)},
		Doc:    []byte(`{"row":2}`),
	}
	a := backend.StringValue("a")
	var queries []backend.Query
	for _, c := range []backend.Cond{
		{Field: "labels", Op: backend.Prefix, Value: a}, {Field: "labels", Op: backend.Ge, Value: a}, {Field: "labels", Op: backend.Ge},
		{Field: "labels", Op: backend.Lt, Value: backend.StringValue("zz")}, {Field: "labels", Op: backend.In, Values: values(backend.StringValue, "ab", "a", "a")},
	} {
		for _, order := range []string{"", "rank", "number"} {
			for _, limit := range []int{0, 1, 2} {
				queries = append(queries, backend.Query{Where: []backend.Cond{c}, Order: order, Limit: limit},
					backend.Query{Where: []backend.Cond{c}, Order: order, Limit: limit, Desc: true},
					backend.Query{Where: []backend.Cond{c, eq("space", backend.StringValue("s"))}, Order: order, Limit: limit})
			}
		}
	}
	s.both([]backend.Row{row, other}, queries...)
}

func twoElements(s *store) {
	label := func(op backend.Op, v string) backend.Cond {
		return backend.Cond{Field: "labels", Op: op, Value: backend.StringValue(v)}
	}
	note := func(name string, op backend.Op, v string) backend.Cond {
		return backend.Cond{Field: "notes", Name: name, Op: op, Value: backend.StringValue(v)}
	}
	var queries []backend.Query
	for _, where := range [][]backend.Cond{
		{label(backend.Eq, "every"), label(backend.Eq, "m1")}, {label(backend.Eq, "l0"), label(backend.Prefix, "m")}, {label(backend.Lt, "f"), label(backend.Gt, "m1")},
		{label(backend.Eq, "l1"), label(backend.Eq, "l2")}, {label(backend.Eq, "every"), label(backend.Eq, "every")},
		{note("k", backend.Eq, "3"), note("n0", backend.Eq, "v")}, {note("k", backend.Ge, "3"), note("k", backend.Lt, "5")}, {note("k", backend.Eq, "1"), note("k", backend.Eq, "2")},
		{note("k", backend.Prefix, ""), label(backend.Eq, "m2"), note("n1", backend.Ge, "")}, {note("absent", backend.Ge, ""), label(backend.Eq, "every")},
	} {
		queries = append(queries, backend.Query{Where: where}, backend.Query{Where: where, Order: "score", Desc: true, Limit: 3})
	}
	s.both(few(), queries...)
}

func ranges(s *store) {
	i, str := backend.IntValue, backend.StringValue
	var queries []backend.Query
	for _, where := range [][]backend.Cond{
		{{Field: "number", Op: backend.Ge, Value: i(10)}, {Field: "number", Op: backend.Lt, Value: i(31)}},
		{{Field: "number", Op: backend.Ge, Value: i(31)}, {Field: "number", Op: backend.Lt, Value: i(10)}},
		{eq("space", str("b")), {Field: "number", Op: backend.Gt, Value: i(10)}},
		{eq("space", str("b")), eq("number", i(4))},
		{eq("space", str("b")), eq("number", i(5))},
		{{Field: "space", Op: backend.Ge, Value: str("b")}, {Field: "number", Op: backend.Le, Value: i(20)}},
		{{Field: "rank", Op: backend.Gt, Value: i(-1)}, {Field: "rank", Op: backend.Le, Value: i(1)}, eq("space", str("a"))},
		{eq("stage", str("Production")), {Field: "made", Op: backend.Lt, Value: backend.MicrosValue(1)}},
		{eq("stage", str(""))}, {{Field: "stage", Op: backend.Le, Value: str("Production")}}, {{Field: "stage", Op: backend.Gt}}, {{Field: "stage", Op: backend.Prefix}},
		{{Field: "stage", Op: backend.In, Values: values(str, "", "Staging")}},
		{eq("rank", i(1)), eq("rank", i(2))}, {eq("rank", i(1)), eq("rank", i(1))},
		{{Field: "name", Op: backend.Prefix, Value: str("x")}, {Field: "name", Op: backend.Gt, Value: str("x")}},
		{{Field: "score", Op: backend.Ge, Value: backend.FloatValue(0.5)}, {Field: "score", Op: backend.Lt, Value: backend.FloatValue(2)}, eq("stage", str(""))},
	} {
		for _, order := range []string{"", "number", "stage", "made"} {
			queries = append(queries, backend.Query{Where: where, Order: order}, backend.Query{Where: where, Order: order, Desc: true, Limit: 4})
		}
	}
	s.both(few(), queries...)
}

// withFields asks for the fields by every way to the rows; searchLog does so of a Log's.
func withFields(s *store) {
	queries := []backend.Query{{Fields: true}}
	for _, order := range orders {
		for _, where := range [][]backend.Cond{
			nil, {eq("space", backend.StringValue("b"))}, {eq("labels", backend.StringValue("every"))}, {{Field: "labels", Op: backend.Ge}},
			{{Field: "notes", Name: "k", Op: backend.Ge}}, {eq("stage", backend.StringValue("Staging"))},
			{eq("space", backend.StringValue("b")), eq("number", backend.IntValue(4))},
		} {
			queries = append(queries, backend.Query{Fields: true, Order: order, Where: where, Limit: 9}, backend.Query{Order: order, Where: where, Limit: 9})
		}
	}
	s.both(few(), queries...)
}

var orders = []string{"", "space", "number", "name", "stage", "rank", "score", "made"}

func ties(s *store) {
	var queries []backend.Query
	for _, order := range orders {
		for _, desc := range []bool{false, true} {
			queries = append(queries, backend.Query{Order: order, Desc: desc},
				backend.Query{Order: order, Desc: desc, Where: []backend.Cond{eq("space", backend.StringValue("b"))}},
				backend.Query{Order: order, Desc: desc, Where: []backend.Cond{eq("rank", backend.IntValue(0))}},
				backend.Query{Order: order, Desc: desc, Where: []backend.Cond{eq("labels", backend.StringValue("every"))}})
		}
	}
	s.both(few(), queries...)
}

func limits(s *store) {
	var queries []backend.Query
	for _, limit := range []int{1, 2, 59, 60, 61, 1 << 31, 1<<62 + 1} {
		queries = append(queries, backend.Query{Limit: limit}, backend.Query{Limit: limit, Order: "rank", Desc: true},
			backend.Query{Limit: limit, Where: []backend.Cond{{Field: "labels", Op: backend.Ge}}},
			backend.Query{Limit: limit, Order: "made", Where: []backend.Cond{eq("space", backend.StringValue("a")), {Field: "notes", Name: "k", Op: backend.Ge}}})
	}
	s.both(few(), queries...)
}

// place is the After that continues behind row.
func place(t *backend.Table, row backend.Row, order string) []backend.Value {
	if order == "" {
		return row.Key
	}
	return append([]backend.Value{contents(t, row, order, "")[0]}, row.Key...)
}

func after(s *store) {
	rows := few()
	var queries []backend.Query
	for i, order := range orders {
		for _, desc := range []bool{false, true} {
			for _, where := range [][]backend.Cond{nil, {eq("space", backend.StringValue("b"))}, {eq("labels", backend.StringValue("every"))}, {eq("rank", backend.IntValue(1))}} {
				for _, row := range []backend.Row{rows[0], rows[30+i], rows[59]} {
					queries = append(queries, backend.Query{Order: order, Desc: desc, Where: where, After: place(&items, row, order), Limit: 7})
					row.Key = key(row.Key[0], backend.IntValue(row.Key[1].Int()+1)) // no row is there
					queries = append(queries, backend.Query{Order: order, Desc: desc, Where: where, After: place(&items, row, order)})
				}
			}
		}
	}
	s.both(rows, queries...)
}

// pagesUnderWrites goes through pages while rows beside the ones that stay come, go and move.
func pagesUnderWrites(s *store) {
	const stay, writers, passes = 60, 2, 3
	hs := s.handles(writers+1, cells)
	var rows []backend.Row
	for i := range stay {
		rows = append(rows, cell(fmt.Sprintf("stay%02d", i), "t", int64(i%7)*10))
	}
	s.insert(hs[writers], "cells", rows...)
	var stop atomic.Bool
	writing := started(func() {
		err := race(writers, func(w int) error {
			for i := int64(0); !stop.Load() && s.ctx.Err() == nil; i++ {
				err := hs[w].Update(s.ctx, nil, func(tx backend.Tx) error {
					name := fmt.Sprintf("%c%d-%d", "as~"[i%3], w, i%11)
					if i%2 == 0 {
						if err := tx.Delete("cells", id(fmt.Sprintf("%c%d-%d", "as~"[(i+1)%3], w, (i+5)%11))); err != nil {
							return err
						}
					}
					return tx.Put("cells", cell(name, "t", i*13%70))
				})
				if err != nil {
					return fmt.Errorf("update beside a reader of pages: %w", err)
				}
			}
			return nil
		})
		if err != nil {
			s.Error(err)
		}
	})
	defer func() {
		stop.Store(true)
		s.await(writing, "Updates beside a reader of pages")
	}()
	for pass := range passes {
		for _, order := range []string{"", "n", "tag"} {
			for _, desc := range []bool{false, true} {
				q := backend.Query{Table: "cells", Order: order, Desc: desc, Limit: 7 + pass, Where: []backend.Cond{eq("tag", backend.StringValue("t"))}}
				kept := s.pages(hs[writers], q)
				s.equal(docs(kept), docs(answer(&cells, rows, backend.Query{Order: order, Desc: desc})), "pages have each row that stays once, in order: "+show(q))
			}
		}
	}
}

// pages reads all pages of q and returns the rows that no writer touches.
func (s *store) pages(b backend.Backend, q backend.Query) []backend.Row {
	s.Helper()
	var kept []backend.Row
	for {
		page := s.find(b, q)
		for _, r := range page {
			row, err := parseCell(r)
			if err != nil {
				s.Fatal(err)
			}
			at := place(&cells, row, q.Order)
			if c := backend.Key(at).Compare(q.After); len(q.After) > 0 && (c == 0 || (c < 0) != q.Desc) {
				s.Fatalf("%s is at %v, which is not behind %v: pages go one way and repeat nothing: %s", r.Key, at, q.After, show(q))
			}
			q.After = at
			if len(r.Key[0].Str()) > 4 && r.Key[0].Str()[:4] == "stay" {
				kept = append(kept, r)
			}
		}
		if len(page) < q.Limit {
			return slices.Clip(kept)
		}
	}
}

// parseCell makes the row that was put from the row that was read.
func parseCell(r backend.Row) (backend.Row, error) {
	var name, tag string
	var n int64
	if _, err := fmt.Sscanf(string(r.Doc), `{"id":%q,"tag":%q,"n":%d}`, &name, &tag, &n); err != nil {
		return r, fmt.Errorf("document %s of row %s: %w", r.Doc, r.Key, err)
	}
	return cell(name, tag, n), nil
}

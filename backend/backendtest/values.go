package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

var valuePromises = []promise{
	{"strings of every kind of rune are ordered bytewise", func(s *store) { s.ordered(stringProbes()) }},
	{"integers are ordered to both ends of int64", func(s *store) { s.ordered(intProbes()) }},
	{"floats are ordered with infinities, and minus zero is zero", func(s *store) { s.ordered(floatProbes()) }},
	{"times are ordered to the microsecond, from year 1 to 9999", func(s *store) { s.ordered(timeProbes()) }},
	{"an absent field is the zero value of its kind", absentFields},
	{"a prefix ends where its last rune does", prefixBounds},
	{"values that begin alike are told apart by their ends, however long", commonBeginnings},
	{"key parts of any content are kept apart", keyParts},
	{"values of a mebibyte are kept, compared and ordered to the last byte", longValues},
	{"key parts and unique values of 1024 bytes are kept apart", longKeys},
	{"documents are kept byte for byte", documents},
	{"names that SQL reserves, and long ones, are names", awkwardNames},
}

// The probes hold what collations, codecs and drivers get wrong: UTF-16 order, folded case, composed accents, trailing
// spaces, LIKE's wildcards, quotes, placeholders and the bytes next to terminators.
func stringProbes() []backend.Value {
	return values(backend.StringValue,
		"", "\x01", "\x01\x01", "\x01\x02", "\t", "\n", " ", "  ", "!", "\"", "$1", "%", "'", "''", "*", "+", "-", "-1", "0", "1", "10", "2", "?1", "A", "AB", "B",
		"Z", "[", "\\", "_", "a", "a\x01", "a ", "a%", "a%b", "a-b", "a_b", "ab", "aB", "axb", "b", "null", "z", "\x7f", "\u0080", "e\u0301", "é", "ß", "ss",
		"ÿ", "Ā", "\u07ff", "\u0800", "日本", "日本語", "\ud7ff", "\ue000", "\ufeff", "\ufffd", "\uffff", "\U00010000", "😀", "\U0010ffff", "a\U0010ffff")
}

func intProbes() []backend.Value {
	return values(backend.IntValue, math.MinInt64, math.MinInt64+1, -1<<53-1, -1<<53, math.MinInt32-1, -256, -255, -10, -2, -1, 0, 1, 2, 9, 10, 255, 256,
		math.MaxInt32, math.MaxInt32+1, 1<<53, 1<<53+1, 1<<53+2, math.MaxInt64-1, math.MaxInt64)
}

func floatProbes() []backend.Value {
	tenth := 0.1 // a variable, so that the sum is not rounded once, by the compiler
	return values(backend.FloatValue, math.Inf(-1), -math.MaxFloat64, -1e300, -2, -1.5, -1, -math.SmallestNonzeroFloat64, math.Copysign(0, -1),
		math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 0.3, tenth+0.2, 1, math.Nextafter(1, 2), 1.5, 10, 1<<53, 1<<53+2, 1e300, math.MaxFloat64, math.Inf(1))
}

func timeProbes() []backend.Value {
	epoch := time.Unix(0, 0).UTC()
	return values(backend.TimeValue, time.Time{}, time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(1582, 10, 10, 0, 0, 0, 0, time.UTC),
		time.Date(1900, 2, 28, 23, 59, 59, 999999000, time.UTC), epoch.Add(-time.Second), epoch.Add(-time.Microsecond), epoch, epoch.Add(time.Microsecond),
		epoch.Add(9*time.Microsecond), epoch.Add(10*time.Microsecond), time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 12, 0, 0, 1000, time.UTC),
		time.Date(2024, 2, 29, 12, 0, 0, 999999000, time.UTC), time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))
}

func values[T any](of func(T) backend.Value, list ...T) []backend.Value {
	probes := make([]backend.Value, len(list))
	for i, v := range list {
		probes[i] = of(v)
	}
	return probes
}

// The fields of items by kind.
var (
	oneOf = map[backend.Kind]string{backend.String: "name", backend.Int: "rank", backend.Float: "score", backend.Time: "made"}
	mapOf = map[backend.Kind]string{backend.String: "notes", backend.Int: "counts", backend.Float: "weights", backend.Time: "seen"}
)

// ordered puts a row for each probe, with the probe at every place that takes its kind, and asks every condition about
// every probe, and the orders.
func (s *store) ordered(probes []backend.Value) {
	b := s.declared(items, bare)
	kind := probes[0].Kind()
	var rows []backend.Row
	for i, at := range rand.New(rand.NewPCG(1, 2)).Perm(len(probes)) {
		p := probes[at]
		r := backend.Row{
			Key: key(backend.StringValue("k"), backend.IntValue(int64(i))),
			Fields: map[string]any{
				oneOf[kind]: p,
				mapOf[kind]: map[string]backend.Value{"a": probes[(at+7)%len(probes)], "it": p, "jt": probes[(at+3)%len(probes)]},
			},
			Doc: fmt.Appendf(nil, `{"probe":%d}`, at),
		}
		switch kind {
		case backend.String:
			r.Key[0], r.Key[1] = p, backend.IntValue(1)
			r.Fields["labels"] = []string{p.Str(), "constant"}
		case backend.Int:
			r.Key[1] = p
		}
		rows = append(rows, r)
	}
	for _, t := range []backend.Table{items, bare} {
		s.insert(b, t.Name, rows...)
		asked := probes
		if t.Indexes == nil {
			asked = nil
			for i := 0; i < len(probes); i += 4 {
				asked = append(asked, probes[i])
			}
		}
		for _, q := range orderedQueries(t.Name, probes[:1]) {
			s.asks(&t, rows, q, s.finder(b))
		}
		err := b.View(s.ctx, func(r backend.Reader) error {
			for _, q := range orderedQueries(t.Name, asked) {
				s.asks(&t, rows, q, r.Find)
			}
			for i := 0; i < len(rows) && t.Indexes != nil; i++ {
				got, err := r.Get(t.Name, rows[i].Key...)
				if err != nil {
					return fmt.Errorf("get %s: %w", rows[i].Key, err)
				}
				s.sameRows([]backend.Row{got}, rows[i:i+1], "Get")
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
}

func orderedQueries(table string, probes []backend.Value) []backend.Query {
	kind := probes[0].Kind()
	places := []backend.Cond{{Field: oneOf[kind]}, {Field: mapOf[kind], Name: "it"}}
	ops := []backend.Op{backend.Eq, backend.Lt, backend.Le, backend.Gt, backend.Ge}
	orders := []string{oneOf[kind]}
	switch kind {
	case backend.String:
		places = append(places, backend.Cond{Field: "labels"}, backend.Cond{Field: "space"})
		ops = append(ops, backend.Prefix)
		orders = append(orders, "", "space")
	case backend.Int:
		places = append(places, backend.Cond{Field: "number"})
		orders = append(orders, "", "number")
	}
	var queries []backend.Query
	for _, order := range orders {
		queries = append(queries, backend.Query{Table: table, Order: order}, backend.Query{Table: table, Order: order, Desc: true})
	}
	for i, p := range probes {
		for _, c := range places {
			c.Value = p
			for _, op := range ops {
				c.Op = op
				queries = append(queries, backend.Query{Table: table, Where: []backend.Cond{c}})
			}
			c.Op, c.Value, c.Values = backend.In, backend.Value{}, []backend.Value{p, probes[(i+5)%len(probes)], p}
			queries = append(queries, backend.Query{Table: table, Where: []backend.Cond{c}})
		}
	}
	return queries
}

func absentFields(s *store) {
	b := s.declared(items, bare)
	row := backend.Row{Key: key(backend.StringValue(""), backend.IntValue(0)), Doc: []byte(`{}`)}
	for _, t := range []backend.Table{items, bare} {
		s.insert(b, t.Name, row)
		for _, f := range t.Fields {
			if f.Shape != backend.One {
				continue
			}
			zero := eq(f.Name, backend.ZeroValue(f.Kind))
			s.equal(s.docs(b, backend.Query{Table: t.Name, Where: []backend.Cond{zero}}), []string{`{}`},
				fmt.Sprintf("an absent %s of %s is %s", f.Name, t.Name, zero.Value))
			s.equal(s.docs(b, backend.Query{Table: t.Name, Order: f.Name, Desc: true}), []string{`{}`},
				fmt.Sprintf("a row with an absent %s of %s is found in that order", f.Name, t.Name))
		}
		none := []backend.Cond{{Field: "labels", Op: backend.Ge}, {Field: "notes", Name: "a", Op: backend.Ge}, {Field: "counts", Name: "a", Value: backend.IntValue(0)}}
		for _, c := range none {
			s.equal(s.docs(b, backend.Query{Table: t.Name, Where: []backend.Cond{c}}), nil, "no condition holds on an empty Set or Map: "+c.Field)
		}
	}
}

func prefixBounds(s *store) {
	b := s.declared(items)
	var rows []backend.Row
	prefixes := []string{"", "a", "a\x7f", "\x7f", "\u07ff", "a\ud7ff", "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "a\U0010ffff", "\U0010ffff\U0010ffff", "é", "a\x01", "50%", "a_"}
	for i, p := range prefixes {
		for j, tail := range []string{"", "\x01", "z", "\U0010ffff", "\U0010ffff\U0010ffff!"} {
			rows = append(rows, backend.Row{
				Key:    key(backend.StringValue(p+tail), backend.IntValue(int64(i*10+j))),
				Fields: map[string]any{"name": backend.StringValue(p + tail), "labels": []string{p + tail, "a", "ab"}, "notes": map[string]backend.Value{"é": backend.StringValue(p + tail)}},
				Doc:    fmt.Appendf(nil, `{"row":%q}`, p+tail),
			})
		}
	}
	s.insert(b, "items", rows...)
	for _, p := range prefixes {
		for _, c := range []backend.Cond{{Field: "name"}, {Field: "space"}, {Field: "labels"}, {Field: "notes", Name: "é"}} {
			c.Op, c.Value = backend.Prefix, backend.StringValue(p)
			s.asks(&items, rows, backend.Query{Table: "items", Where: []backend.Cond{c}}, s.finder(b))
		}
	}
}

// keyParts has keys that are one text when their parts are joined without care.
func keyParts(s *store) {
	part := func(name string, kind backend.Kind) backend.Field { return backend.Field{Name: name, Kind: kind} }
	table := backend.Table{
		Name:    "parts",
		Key:     []backend.Field{part("first", backend.String), part("second", backend.String), part("number", backend.Int), part("last", backend.String)},
		Fields:  []backend.Field{part("name", backend.String)},
		Indexes: []backend.Index{{Fields: []string{"name"}}, {Fields: []string{"second", "last"}}},
	}
	b := s.declared(table)
	var rows []backend.Row
	texts := []string{"", "\x01", "a", "a\x01", "ab", "b", "a,b", "\U0010ffff"}
	for _, first := range texts {
		for _, second := range texts {
			for i, n := range []int64{math.MinInt64, -1, 0, 1, 256, math.MaxInt64} {
				rows = append(rows, backend.Row{
					Key:    key(backend.StringValue(first), backend.StringValue(second), backend.IntValue(n), backend.StringValue(texts[i])),
					Fields: map[string]any{"name": backend.StringValue(second + first)},
					Doc:    fmt.Appendf(nil, `{"row":[%q,%q,%d]}`, first, second, n),
				})
			}
		}
	}
	s.insert(b, "parts", rows...)
	queries := []backend.Query{{Table: "parts"}, {Table: "parts", Desc: true}, {Table: "parts", Order: "name"}, {Table: "parts", Order: "second"}, {Table: "parts", Order: "number", Desc: true}}
	for i, text := range texts {
		v := backend.StringValue(text)
		for _, op := range []backend.Op{backend.Eq, backend.Lt, backend.Ge, backend.Prefix} {
			for _, field := range []string{"first", "second", "last", "name"} {
				queries = append(queries, backend.Query{Table: "parts", Where: []backend.Cond{{Field: field, Op: op, Value: v}}},
					backend.Query{Table: "parts", Where: []backend.Cond{eq("first", v), {Field: field, Op: op, Value: backend.StringValue("a")}}, Order: "last"})
			}
			if op != backend.Prefix {
				queries = append(queries, backend.Query{Table: "parts", Where: []backend.Cond{eq("first", v), {Field: "number", Op: op, Value: backend.IntValue(0)}}, Limit: 20})
			}
		}
		for _, order := range []string{"", "first", "second", "number", "last", "name"} {
			queries = append(queries, backend.Query{Table: "parts", Order: order, After: place(&table, rows[i*37], order), Limit: 9, Desc: i%2 == 0})
		}
	}
	err := b.View(s.ctx, func(r backend.Reader) error {
		for _, q := range queries {
			s.asks(&table, rows, q, r.Find)
		}
		for i := 0; i < len(rows); i += 5 {
			row := rows[i]
			got, err := r.Get("parts", row.Key...)
			if err != nil {
				return fmt.Errorf("get %s: %w", row.Key, err)
			}
			s.sameRows([]backend.Row{got}, []backend.Row{row}, "Get")
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

func documents(s *store) {
	b := s.declared(cells)
	var rows []backend.Row
	for i, doc := range []string{
		`{}`, `{ }`, ` {"b": 1,"a":2, "a":3}` + "\n", `{"n":12345678901234567890,"f":1.0,"e":1E400,"z":-0}`, `{"nul":"\u0000","pair":"\ud83d\ude00","lone":"\ud800"}`,
		`{"html":"<a href='x'>&amp;</a>","slash":"\/"}`, `{"text":"日本\u65e5 ` + "\u2028\U0010ffff" + `"}`, `{"t":` + "\t" + `true}`, `{"":null,"deep":[[[[{}]]]]}`,
		`{"q":"?1 $1 :a @b -- /* ' \" \\"}`, `{"long":"` + noiseLetters(4<<20) + `"}`,
	} {
		rows = append(rows, backend.Row{Key: id(fmt.Sprintf("%02d", i)), Doc: []byte(doc)})
	}
	s.insert(b, "cells", rows...)
	s.sameRows(s.find(b, backend.Query{Table: "cells"}), rows, "a document is stored byte for byte")
	for i := range rows {
		rows[i].Doc = rows[(i+1)%len(rows)].Doc[:len(rows[(i+1)%len(rows)].Doc):len(rows[(i+1)%len(rows)].Doc)]
	}
	s.put(b, "cells", rows...)
	s.sameRows(s.find(b, backend.Query{Table: "cells"}), rows, "a document that was replaced is stored byte for byte")
}

// awkwardNames declares names that collide where a backend joins or shortens them.
func awkwardNames(s *store) {
	long := "a" + strings.Repeat("bcdefghi", 5) // the 41 letters that are allowed
	field := func(name string, shape backend.Shape) backend.Field {
		return backend.Field{Name: name, Kind: backend.String, Shape: shape}
	}
	tables := []backend.Table{
		{Name: "order", Key: []backend.Field{field("select", backend.One)}, Fields: []backend.Field{
			field("group", backend.One), field("key", backend.Set), field("value", backend.Map), field("rowid", backend.One), field("user", backend.One), field("oid", backend.One)},
			Indexes: []backend.Index{{Fields: []string{"group"}}, {Fields: []string{"key"}}, {Fields: []string{"value"}}, {Fields: []string{"select", "user"}}}},
		{Name: "a", Key: []backend.Field{field("id", backend.One)}, Fields: []backend.Field{field("b_c", backend.Set), field("element", backend.One)}, Indexes: []backend.Index{{Fields: []string{"b_c"}}}},
		{Name: "a_b", Key: []backend.Field{field("id", backend.One)}, Fields: []backend.Field{field("c", backend.Set), field("name", backend.One)}, Indexes: []backend.Index{{Fields: []string{"c"}}}},
		{Name: long, Key: []backend.Field{field(long, backend.One)}, Fields: []backend.Field{
			field(long[:40]+"x", backend.Set), field(long[:40]+"y", backend.Set), field(long[:40]+"z", backend.Map), field(long[:40]+"v", backend.One)},
			Indexes: []backend.Index{{Fields: []string{long[:40] + "x"}}, {Fields: []string{long[:40] + "y"}}, {Fields: []string{long[:40] + "v"}}, {Fields: []string{long, long[:40] + "v"}}}},
		{Name: long[:40] + "x", Key: []backend.Field{field(long, backend.One)}, Fields: []backend.Field{field(long[:40]+"x", backend.Set)}, Indexes: []backend.Index{{Fields: []string{long[:40] + "x"}}}},
	}
	b := s.declared(tables...)
	for i := range tables {
		t := &tables[i]
		var rows []backend.Row
		for _, name := range []string{"one", "two"} {
			r := backend.Row{Key: id(name), Fields: map[string]any{}, Doc: fmt.Appendf(nil, `{"row":%q}`, t.Name+name)}
			for _, f := range t.Fields {
				own := f.Name + name
				switch f.Shape {
				case backend.One:
					r.Fields[f.Name] = backend.StringValue(own)
				case backend.Set:
					r.Fields[f.Name] = []string{own}
				case backend.Map:
					r.Fields[f.Name] = map[string]backend.Value{"key": backend.StringValue(own)}
				}
			}
			rows = append(rows, r)
		}
		s.insert(b, t.Name, rows...)
		for _, f := range t.Fields {
			c := eq(f.Name, backend.StringValue(f.Name+"two"))
			if f.Shape == backend.Map {
				c.Name = "key"
			}
			q := backend.Query{Table: t.Name, Where: []backend.Cond{c}}
			s.asks(t, rows, q, s.finder(b))
			if f.Shape == backend.One {
				q.Order = f.Name
				s.asks(t, rows, q, s.finder(b))
			}
		}
	}
}

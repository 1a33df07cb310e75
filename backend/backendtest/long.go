package backendtest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// noise is text that does not compress, so that no page of an index holds it by luck.
func noise(seed uint64, size int) string {
	r := rand.New(rand.NewPCG(seed, 0))
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(' ' + r.IntN(95))
	}
	return string(text)
}

func longValues(s *store) {
	const mebibyte = 1 << 20
	b := s.declared(items, bare)
	base := noise(1, mebibyte-1)
	texts := []string{base[:mebibyte/2], base + "a", base + "b", strings.Repeat("日", mebibyte/3)}
	var rows []backend.Row
	for i, text := range texts {
		v := backend.StringValue(text)
		rows = append(rows, backend.Row{
			Key:    key(backend.StringValue("long"), backend.IntValue(int64(i))),
			Fields: map[string]any{"name": v, "stage": v, "labels": []string{text, "short"}, "notes": map[string]backend.Value{"n": v, noise(2, 1024): backend.StringValue("x")}},
			Doc:    []byte(`{"text":"` + strings.Repeat("0123456789abcdef", mebibyte/16) + fmt.Sprint(i) + `"}`),
		})
	}
	for _, t := range []backend.Table{items, bare} {
		s.insert(b, t.Name, rows...)
		var queries []backend.Query
		for _, c := range []backend.Cond{{Field: "name"}, {Field: "labels"}, {Field: "notes", Name: "n"}} {
			for _, q := range []struct {
				op   backend.Op
				text string
			}{{backend.Eq, texts[2]}, {backend.Lt, texts[2]}, {backend.Prefix, base}, {backend.Gt, texts[1]}, {backend.Eq, base}} {
				c.Op, c.Value = q.op, backend.StringValue(q.text)
				queries = append(queries, backend.Query{Table: t.Name, Where: []backend.Cond{c}})
			}
		}
		first := append(key(backend.StringValue(texts[1])), rows[1].Key...)
		queries = append(queries,
			backend.Query{Table: t.Name, Order: "name"},
			backend.Query{Table: t.Name, Order: "name", After: first},
			backend.Query{Table: t.Name, Order: "name", After: first, Desc: true, Limit: 1},
			backend.Query{Table: t.Name, Where: []backend.Cond{{Field: "notes", Name: noise(2, 1024), Value: backend.StringValue("x")}}})
		for _, q := range queries {
			s.asks(&t, rows, q, s.finder(b))
		}
	}
	s.update(b, func(tx backend.Tx) error { return tx.Delete("items", rows[1].Key, rows[0].Key) })
	s.asks(&items, rows[2:], backend.Query{Table: "items", Order: "name"}, s.finder(b))
}

// commonBeginnings has lengths around those at which backends shorten what goes into an index.
func commonBeginnings(s *store) {
	b := s.declared(items, bare)
	var rows []backend.Row
	var probes []backend.Value
	for _, unit := range []string{"x", "é"} {
		for _, length := range []int{39, 40, 63, 64, 99, 100, 101, 127, 128, 199, 200, 201, 255, 256, 512, 1023, 1024, 2700, 8192} {
			base := noise(5, length%7) + strings.Repeat(unit, length-length%7)
			for i, end := range []string{"", "\x01", "a", "b", "ba"} {
				probes = append(probes, backend.StringValue(base+end))
				notes := text("n", base+end)
				if len(base) <= backend.MaxName {
					notes[base] = backend.StringValue("1")
				}
				rows = append(rows, backend.Row{
					Key:    key(backend.StringValue(unit), backend.IntValue(int64(length*10+i))),
					Fields: map[string]any{"name": backend.StringValue(base + end), "labels": []string{base + end, "other"}, "notes": notes},
					Doc:    fmt.Appendf(nil, `{"length":%d,"end":%q}`, length, end),
				})
			}
		}
	}
	for _, t := range []backend.Table{items, bare} {
		s.insert(b, t.Name, rows...)
		queries := []backend.Query{{Table: t.Name, Order: "name"}, {Table: t.Name, Order: "name", Desc: true}}
		for i := 0; i < len(probes); i += 7 {
			for _, c := range []backend.Cond{{Field: "name"}, {Field: "labels"}, {Field: "notes", Name: "n"}} {
				for _, op := range []backend.Op{backend.Eq, backend.Lt, backend.Ge, backend.Prefix, backend.In} {
					c.Op, c.Value, c.Values = op, probes[i], probes[i:i+1]
					queries = append(queries, backend.Query{Table: t.Name, Where: []backend.Cond{c}})
				}
			}
			queries = append(queries, backend.Query{Table: t.Name, Order: "name", After: place(&t, rows[i], "name"), Limit: 4, Desc: i%2 == 0},
				backend.Query{Table: t.Name, Where: []backend.Cond{{Field: "notes", Name: probes[i/5*5].Str(), Op: backend.Ge}}})
		}
		err := b.View(s.ctx, func(r backend.Reader) error {
			for _, q := range queries {
				s.asks(&t, rows, q, r.Find)
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
}

func longKeys(s *store) {
	table := backend.Table{
		Name:    "long",
		Key:     []backend.Field{{Name: "first", Kind: backend.String}, {Name: "second", Kind: backend.String}},
		Fields:  []backend.Field{{Name: "slot", Kind: backend.String}, {Name: "labels", Kind: backend.String, Shape: backend.Set}},
		Indexes: []backend.Index{{Fields: []string{"slot"}, Unique: true}, {Fields: []string{"first", "labels"}, Unique: true}},
	}
	b := s.declared(table)
	base := noise(3, 1023)
	var rows []backend.Row
	for i, end := range []string{"a", "b", "c"} {
		rows = append(rows, backend.Row{
			Key:    key(backend.StringValue(base+"a"), backend.StringValue(base+end)),
			Fields: map[string]any{"slot": backend.StringValue(base + end), "labels": []string{base + end, base[:1020] + "é" + end}},
			Doc:    fmt.Appendf(nil, `{"row":%d}`, i),
		})
	}
	s.insert(b, "long", rows...)
	for _, c := range []backend.Cond{{Field: "slot"}, {Field: "labels"}, {Field: "second"}} {
		c.Value = backend.StringValue(base + "b")
		s.asks(&table, rows, backend.Query{Table: "long", Where: []backend.Cond{c}}, s.finder(b))
	}
	taken := rows[0]
	taken.Key = key(backend.StringValue(base+"a"), backend.StringValue("other"))
	err := b.Update(s.ctx, nil, func(tx backend.Tx) error { return tx.Put("long", taken) })
	s.wants(err, backend.ErrExists, "a unique value of 1,024 bytes is refused a second time")
}

// noiseLetters is noise that a JSON string can hold as it is.
func noiseLetters(size int) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' {
			return 'x'
		}
		return r
	}, noise(4, size))
}

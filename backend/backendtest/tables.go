package backendtest

import (
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

// cells is the small table that most promises about changes are proved on.
var cells = backend.Table{
	Name: "cells",
	Key:  []backend.Field{{Name: "id", Kind: backend.String}},
	Fields: []backend.Field{
		{Name: "tag", Kind: backend.String},
		{Name: "n", Kind: backend.Int},
		{Name: "labels", Kind: backend.String, Shape: backend.Set},
		{Name: "notes", Kind: backend.String, Shape: backend.Map},
	},
	Indexes: []backend.Index{{Fields: []string{"tag"}, Sparse: true}, {Fields: []string{"n"}}, {Fields: []string{"labels"}}},
}

// journal is a Log.
var journal = backend.Table{
	Name: "journal",
	Log:  true,
	Fields: []backend.Field{
		{Name: "topic", Kind: backend.String},
		{Name: "n", Kind: backend.Int},
		{Name: "labels", Kind: backend.String, Shape: backend.Set},
		{Name: "sizes", Kind: backend.Int, Shape: backend.Map},
	},
	Indexes: []backend.Index{{Fields: []string{"topic"}}, {Fields: []string{"labels"}}},
}

// items has a field of every kind and shape, and an index for each.
var items = backend.Table{
	Name: "items",
	Key:  []backend.Field{{Name: "space", Kind: backend.String}, {Name: "number", Kind: backend.Int}},
	Fields: []backend.Field{
		{Name: "name", Kind: backend.String},
		{Name: "stage", Kind: backend.String},
		{Name: "rank", Kind: backend.Int},
		{Name: "score", Kind: backend.Float},
		{Name: "made", Kind: backend.Time},
		{Name: "labels", Kind: backend.String, Shape: backend.Set},
		{Name: "notes", Kind: backend.String, Shape: backend.Map},
		{Name: "counts", Kind: backend.Int, Shape: backend.Map},
		{Name: "weights", Kind: backend.Float, Shape: backend.Map},
		{Name: "seen", Kind: backend.Time, Shape: backend.Map},
	},
	Indexes: []backend.Index{
		{Fields: []string{"name"}},
		{Fields: []string{"rank"}},
		{Fields: []string{"score"}},
		{Fields: []string{"made"}},
		{Fields: []string{"labels"}},
		{Fields: []string{"notes"}},
		{Fields: []string{"counts"}},
		{Fields: []string{"weights"}},
		{Fields: []string{"seen"}},
		{Fields: []string{"stage", "made"}, Sparse: true},
		{Fields: []string{"space", "rank"}},
		{Fields: []string{"space", "labels"}},
		{Fields: []string{"number", "space"}},
	},
}

// bare is items without an index: what an index finds has to be found without it too.
var bare = func() backend.Table {
	t := items
	t.Name, t.Indexes = "bare", nil
	return t
}()

func cell(id, tag string, n int64) backend.Row {
	return backend.Row{
		Key:    backend.Key{backend.StringValue(id)},
		Fields: map[string]any{"tag": backend.StringValue(tag), "n": backend.IntValue(n)},
		Doc:    fmt.Appendf(nil, `{"id":%q,"tag":%q,"n":%d}`, id, tag, n),
	}
}

func entry(topic string, n int64) backend.Row {
	return backend.Row{
		Fields: map[string]any{
			"topic": backend.StringValue(topic), "n": backend.IntValue(n),
			"labels": []string{topic, "every"}, "sizes": map[string]backend.Value{"n": backend.IntValue(-n)},
		},
		Doc: fmt.Appendf(nil, `{"topic":%q,"n":%d}`, topic, n),
	}
}

func key(values ...backend.Value) backend.Key { return values }

func id(name string) backend.Key { return key(backend.StringValue(name)) }

func eq(field string, v backend.Value) backend.Cond { return backend.Cond{Field: field, Value: v} }

package registrytest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
)

// register registers n versions without files and returns the last.
func (s *trial) register(model string, n int) (v *modelregistry.Version) {
	s.Helper()
	for range n {
		v = s.add(model, modelregistry.VersionSpec{})
	}
	return v
}

func (s *trial) add(model string, spec modelregistry.VersionSpec) *modelregistry.Version {
	s.Helper()
	v, err := s.r.Register(s.ctx, model, spec)
	s.ok(err)
	return v
}

func (s *trial) model(name string) *modelregistry.Model {
	s.Helper()
	m, err := s.r.Model(s.ctx, name)
	s.ok(err)
	return m
}

func (s *trial) version(model string, number int) *modelregistry.Version {
	s.Helper()
	v, err := s.r.Version(s.ctx, model, number)
	s.ok(err)
	return v
}

func (s *trial) promote(model string, number int, to modelregistry.Stage) *modelregistry.Promotion {
	s.Helper()
	p, err := s.r.Promote(s.ctx, model, number, to, nil)
	s.ok(err)
	return p
}

func (s *trial) rollback(model string, stage modelregistry.Stage) *modelregistry.Promotion {
	s.Helper()
	p, err := s.r.Rollback(s.ctx, model, stage, nil)
	s.ok(err)
	return p
}

func (s *trial) alias(model, alias string, number int) (previous int) {
	s.Helper()
	previous, err := s.r.SetAlias(s.ctx, model, alias, number, nil)
	s.ok(err)
	return previous
}

// names is the version that uri names, or 0 if it is not found.
func (s *trial) names(uri string) int {
	s.Helper()
	v, err := s.r.Resolve(s.ctx, uri)
	if err != nil {
		s.fails(err, modelregistry.ErrNotFound, "")
		return 0
	}
	return v.Number
}

// holders are who is in a stage, as the model's versions say: "1 2".
func (s *trial) holders(model string, stage modelregistry.Stage) string {
	s.Helper()
	var found []string
	for v, err := range s.r.Versions(s.ctx, modelregistry.Query{
		Filter: fmt.Sprintf("name = '%s'", model), OrderBy: []string{"version_number ASC"},
	}) {
		s.ok(err)
		if v.Stage == stage {
			found = append(found, fmt.Sprint(v.Number))
		}
	}
	return strings.Join(found, " ")
}

// events are what q selects.
func (s *trial) events(q modelregistry.EventQuery) []*modelregistry.Event {
	s.Helper()
	events, err := collect(s.r.Events(s.ctx, q))
	s.ok(err)
	return events
}

// kinds are the kinds of events, separated by spaces.
func kinds(events []*modelregistry.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Kind))
	}
	return strings.Join(all, " ")
}

// state is all that the registry says, as text to compare.
func (s *trial) state() string {
	s.Helper()
	var b strings.Builder
	models, err := collect(s.r.Models(s.ctx, modelregistry.Query{}))
	s.ok(err)
	for _, m := range models {
		fmt.Fprintln(&b, text(m))
	}
	versions, err := collect(s.r.Versions(s.ctx, modelregistry.Query{}))
	s.ok(err)
	for _, v := range versions {
		fmt.Fprintln(&b, text(v))
	}
	s.told(func() {
		for _, e := range s.events(modelregistry.EventQuery{}) {
			fmt.Fprintln(&b, e.Cursor, e.Hash)
		}
	})
	return b.String()
}

// unchanged ends the trial if the registry says something else than before.
func (s *trial) unchanged(before string) {
	s.Helper()
	if now := s.state(); now != before {
		s.Fatalf("a call that failed changed something\nbefore:\n%safter:\n%s", before, now)
	}
}

// text is v in JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// collect gathers what seq yields, up to its first error.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// tree is a file system of files with these contents, by path.
func tree(files map[string]string) fs.FS {
	t := fstest.MapFS{}
	for name, content := range files {
		t[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return t
}

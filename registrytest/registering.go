package registrytest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing/fstest"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var registerPromises = []promise{
	{"a version keeps all that it was registered with", registerAll},
	{"the model is created with its first version, and numbers count up from 1", registerNumbers},
	{"a registration that fails leaves nothing, not even the model", registerNothing},
	{"the digest is over paths and contents, and nothing else", registerDigest},
	{"aliases move to the new version as it appears", registerAliases},
	{"progress ends at the size of all files", registerProgress},
	{"an error of a source file is passed on", registerSourceError},
	{"cancelling stops at once", registerCancel},
	{"no files at all, and an empty tree, are two things", registerEmpty},
}

func registerAll(s *trial) {
	spec := modelregistry.VersionSpec{
		Files:       tree(map[string]string{"model.bin": "weights", "sub/labels.txt": "a\nb\n", "sub/empty": ""}),
		Semver:      "v1.2.3-rc.1+b5",
		Description: "first\ntry ✓",
		Tags:        map[string]string{"team": "risk", "note:x/y": strings.Repeat("é", 2000), "empty": ""},
		Params:      map[string]string{"depth": "3", "lr": "1e-3"},
		Metrics:     map[string]float64{"acc": 0.975, "loss": -0.5, "inf": math.Inf(1), "neginf": math.Inf(-1), "tiny": math.SmallestNonzeroFloat64, "zero": 0},
		RunID:       "run-1", Source: "s3://bucket/path", Aliases: []string{"champion", "blue"}, Reason: "first",
		Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris", Version: "3"}}},
	}
	spec = s.able(spec)
	v := s.add("fraud", spec)
	got := s.version("fraud", 1)
	equal(s, "version as read", text(got), text(v))
	equal(s, "stage", v.Stage, modelregistry.None)
	equal(s, "semantic version", v.Semver.String(), strings.TrimPrefix(spec.Semver, "v"))
	equal(s, "description", got.Description, spec.Description)
	equal(s, "tags", text(got.Tags), text(spec.Tags))
	if s.can("Params") {
		equal(s, "params", text(got.Params), text(spec.Params))
	}
	for name, value := range spec.Metrics {
		equal(s, "metric "+name, got.Metrics.Get(name), value)
	}
	equal(s, "run", got.RunID, "run-1")
	if s.can("Source") {
		equal(s, "source", got.Source, spec.Source)
	}
	equal(s, "aliases", got.Aliases.String(), "blue, champion")
	if s.can("Actors") {
		equal(s, "creator", got.CreatedBy, "ada")
	}
	if s.can("Digests") {
		equal(s, "size", got.Size, 11)
		equal(s, "files", got.FileCount, 3)
	}
	if got.Created.IsZero() || got.Created.Location() != time.UTC || got.Created.Nanosecond()%1000 != 0 {
		s.Fatalf("times of %s", text(got))
	}
	files, err := s.r.Manifest(s.ctx, got)
	s.ok(err)
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	equal(s, "files", strings.Join(paths, " "), "model.bin sub/empty sub/labels.txt")
	if s.can("Digests") {
		equal(s, "digest of a file", files[0].Digest, digestOf("weights"))
	}
	s.told(func() {
		equal(s, "since when it is in its stage", got.StageSince, got.Created)
		equal(s, "events", kinds(s.events(modelregistry.EventQuery{Model: "fraud"})), "model.created version.registered alias.set alias.set")
	})
	if s.can("Lineage") {
		g, err := s.r.Lineage(s.ctx, version("fraud", 1), nil)
		s.ok(err)
		equal(s, "edges", len(g.Edges), 1)
	}
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func registerNumbers(s *trial) {
	for i := range 3 {
		equal(s, "number", s.register("fraud", 1).Number, i+1)
		equal(s, "number in another model", s.register("other", 1).Number, i+1)
	}
	equal(s, "last", s.model("fraud").Last, 3)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 3, nil))
	equal(s, "latest", s.names("models:/fraud/latest"), 2)
	equal(s, "number after the newest was deleted", s.register("fraud", 1).Number, 4)
}

func registerNothing(s *trial) {
	before := s.state()
	for _, spec := range []modelregistry.VersionSpec{
		{Semver: "1"},
		{Files: tree(map[string]string{"a": "1", "c/\x00": "2"})},
		{Lineage: []modelregistry.Origin{{Type: "x", Node: modelregistry.Node{Kind: modelregistry.ModelVersion, Name: "fraud", Version: "1"}}}},
		{Aliases: []string{"ok", "not ok"}},
	} {
		_, err := s.r.Register(s.ctx, "fraud", spec)
		if err == nil {
			s.Fatalf("%+v was registered", spec)
		}
		s.unsupported(err)
	}
	s.unchanged(before)
	_, err := s.r.Model(s.ctx, "fraud")
	s.fails(err, modelregistry.ErrNotFound, "fraud")
}

func registerDigest(s *trial) {
	files := map[string]string{"a": "1", "b/c": "2"}
	first := s.add("fraud", modelregistry.VersionSpec{Files: tree(files), Description: "x"})
	same := s.add("other", modelregistry.VersionSpec{Files: tree(files), Tags: map[string]string{"k": "v"}})
	equal(s, "digest of the same files", same.Digest, first.Digest)
	seen := map[string]string{first.Digest: "the first"}
	for name, files := range map[string]map[string]string{
		"another content": {"a": "1", "b/c": "3"},
		"another path":    {"a": "1", "b/d": "2"},
		"swapped":         {"a": "2", "b/c": "1"},
		"one less":        {"a": "1"},
		"one more":        {"a": "1", "b/c": "2", "d": ""},
	} {
		v := s.add("fraud", modelregistry.VersionSpec{Files: tree(files)})
		if other, ok := seen[v.Digest]; ok {
			s.Fatalf("the files of %s and %s have one digest", name, other)
		}
		seen[v.Digest] = name
	}
	pinned, err := s.r.Resolve(s.ctx, "models:/fraud@"+first.Digest)
	s.ok(err)
	equal(s, "version of the digest", pinned.Number, 1)
}

func registerAliases(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Aliases: []string{"best", "blue"}})
	v := s.add("fraud", modelregistry.VersionSpec{Aliases: []string{"best", "best", "new"}})
	equal(s, "aliases of the new", v.Aliases.String(), "best, new")
	equal(s, "aliases of the old", s.version("fraud", 1).Aliases.String(), "blue")
	equal(s, "best", s.names("models:/fraud@best"), 2)
}

func registerProgress(s *trial) {
	files := map[string]string{"a": strings.Repeat("x", 3<<20), "b/c": "yy", "d": ""}
	var calls int
	var last modelregistry.Progress
	seen := map[string]bool{}
	s.add("fraud", modelregistry.VersionSpec{Files: tree(files), Progress: func(p modelregistry.Progress) {
		if p.Done <= last.Done || p.Total != 3<<20+2 || p.Done > p.Total {
			s.Errorf("progress %+v after %+v", p, last)
		}
		calls++
		last = p
		seen[p.File] = true
	}})
	equal(s, "bytes done", last.Done, last.Total)
	if calls < 3 || !seen["a"] || !seen["b/c"] {
		s.Fatalf("%d calls, about %v", calls, seen)
	}
}

// brokenFS is a file system with a file that cannot be read to its end.
type brokenFS struct {
	fs.FS
	err error
}

type brokenFile struct {
	fs.File
	err error
}

func (b brokenFS) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	if err == nil && name == "broken" {
		f = &brokenFile{f, b.err}
	}
	return f, err
}

func (b *brokenFile) Read(p []byte) (int, error) {
	n, err := b.File.Read(p[:min(len(p), 7)])
	if err == io.EOF {
		return n, b.err
	}
	return n, err
}

func registerSourceError(s *trial) {
	before := s.state()
	fault := errors.New("the disk is on fire")
	_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: brokenFS{tree(map[string]string{"a": "1", "broken": strings.Repeat("x", 100)}), fault}})
	s.fails(err, fault, "broken")
	s.unchanged(before)
	s.register("fraud", 1)
}

// endlessFS is a file system with a file that never ends.
type endlessFS struct{ fstest.MapFS }

type endlessFile struct{ fs.File }

func (e endlessFS) Open(name string) (fs.File, error) {
	f, err := e.MapFS.Open(name)
	if err == nil && name == "endless" {
		f = endlessFile{f}
	}
	return f, err
}

func (endlessFile) Read(p []byte) (int, error) { return len(p), nil }

func registerCancel(s *trial) {
	before := s.state()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	_, err := s.r.Register(ctx, "fraud", modelregistry.VersionSpec{
		Files:    endlessFS{fstest.MapFS{"endless": {Data: []byte("x")}}},
		Progress: func(p modelregistry.Progress) { cancel() },
	})
	s.fails(err, context.Canceled, "")
	s.unchanged(before)
}

func registerEmpty(s *trial) {
	none := s.register("fraud", 1)
	equal(s, "digest without files", none.Digest, "")
	files, err := s.r.Manifest(s.ctx, none)
	s.ok(err)
	equal(s, "files", len(files), 0)
	entries, err := fs.ReadDir(s.r.Files(s.ctx, none), ".")
	s.ok(err)
	equal(s, "entries", len(entries), 0)
}

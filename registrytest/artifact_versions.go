package registrytest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/modelregistry-go/modelregistry"
)

var artifactVersionPromises = []promise{
	{"a version made of artifacts has what they were then, for good", artifactsRegistered},
	{"a version is made of one artifact, or of very many", artifactsShapes},
	{"a version cannot be made of artifacts that are not there", artifactsMissing},
	{"a version is made of artifacts before or after a change of them", artifactsBeside},
	{"the URI of a run is what it left", artifactsOfRun},
	{"the URI of a run is a model that it logged, where it left nothing itself", artifactsOfLoggedModel},
}

func artifactsRegistered(s *trial) {
	files := map[string]string{"model.bin": "weights", "sub/labels": "a b", "sub/copy": "weights", "empty": ""}
	s.ok(s.r.LogArtifacts(s.ctx, "1/run/model", tree(files), nil))
	s.put(map[string]string{"1/run/model-2/other": "beside"})
	direct := s.add("direct", modelregistry.VersionSpec{Files: tree(files)})
	v := s.add("fraud", modelregistry.VersionSpec{Artifacts: "1/run/model", Semver: "1.0.0", Aliases: []string{"champion"}})
	equal(s, "digest", v.Digest, direct.Digest)
	equal(s, "size", v.Size, direct.Size)
	equal(s, "files", v.FileCount, 4)
	equal(s, "as read", text(s.version("fraud", 1)), text(v))
	equal(s, "as pinned", s.names("models:/fraud@champion@"+direct.Digest), 1)
	s.ok(s.r.DeleteModel(s.ctx, "direct", nil))
	check := func(v *modelregistry.Version, want map[string]string) {
		s.Helper()
		got, err := contents(s.r.Files(s.ctx, v))
		s.ok(err)
		equal(s, "files of "+v.Ref(), text(got), text(want))
		_, err = s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
		s.ok(err)
		s.ok(check(s.ctx, s.r, s.cannot))
	}
	check(v, files)
	s.put(map[string]string{"1/run/model/model.bin": "other weights", "1/run/model/new": "n"})
	s.ok(s.r.DeleteArtifacts(s.ctx, "1/run/model/sub"))
	check(v, files)
	second := s.add("fraud", modelregistry.VersionSpec{Artifacts: "1/run/model"})
	s.ok(s.r.DeleteArtifacts(s.ctx, "1"))
	check(v, files)
	check(second, map[string]string{"model.bin": "other weights", "new": "n", "empty": ""})
}

func artifactsShapes(s *trial) {
	s.put(map[string]string{"1/run/model.pkl": "one", "top": "two"})
	for path, want := range map[string]string{"1/run/model.pkl": `{"model.pkl":"one"}`, "top": `{"top":"two"}`, "1": `{"run/model.pkl":"one"}`, "1/run": `{"model.pkl":"one"}`} {
		got, err := contents(s.r.Files(s.ctx, s.add("fraud", modelregistry.VersionSpec{Artifacts: path})))
		s.ok(err)
		equal(s, path, text(got), want)
	}
	many := map[string]string{}
	for i := range 1101 {
		many[fmt.Sprintf("%d/%d", i%2, i)] = fmt.Sprint(i % 5)
	}
	s.ok(s.r.LogArtifacts(s.ctx, "2/run", tree(many), nil))
	v := s.add("many", modelregistry.VersionSpec{Artifacts: "2/run"})
	equal(s, "digest", v.Digest, s.add("many", modelregistry.VersionSpec{Files: tree(many)}).Digest)
	manifest, err := s.r.Manifest(s.ctx, v)
	s.ok(err)
	if !slices.IsSortedFunc(manifest, func(a, b modelregistry.File) int { return cmp.Compare(a.Path, b.Path) }) {
		s.Fatal("the files are not in order of their paths")
	}
}

func artifactsMissing(s *trial) {
	fraud(s)
	s.put(map[string]string{"1/run/a": "1"})
	var mistakes []mistake
	for _, c := range []struct {
		spec modelregistry.VersionSpec
		want error
		hint string
	}{
		{modelregistry.VersionSpec{Artifacts: "1/none"}, modelregistry.ErrNotFound, "1/none"},
		{modelregistry.VersionSpec{Artifacts: "1/run/a/b"}, modelregistry.ErrNotFound, "1/run/a/b"},
		{modelregistry.VersionSpec{Artifacts: "none"}, modelregistry.ErrNotFound, "none"},
		{modelregistry.VersionSpec{Artifacts: "1/run", Files: tree(map[string]string{"a": "1"})}, modelregistry.ErrInvalid, "both"},
	} {
		for _, model := range []string{"fraud", "new"} {
			mistakes = append(mistakes, mistake{"Register " + model + " of " + c.spec.Artifacts,
				func() error { _, err := s.r.Register(s.ctx, model, c.spec); return err }, c.want, c.hint})
		}
	}
	s.refused(mistakes)
}

// artifactsBeside registers a directory whose files are all replaced at once, again and again.
func artifactsBeside(s *trial) {
	const path = "1/run/model"
	generation := func(n int) fs.FS { return tree(map[string]string{"a": fmt.Sprint(n), "b/c": fmt.Sprint(n)}) }
	s.ok(s.r.LogArtifacts(s.ctx, path, generation(0), nil))
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			for n := range 8 {
				switch i {
				case 0:
					errs[i] = s.r.LogArtifacts(s.ctx, path, generation(n+1), nil)
				case 1:
					if errs[i] = s.r.DeleteArtifacts(s.ctx, path); errs[i] == nil {
						errs[i] = s.r.LogArtifacts(s.ctx, path, generation(100+n), nil)
					}
				default:
					_, err := s.r.Register(s.ctx, fmt.Sprint("m", i), modelregistry.VersionSpec{Artifacts: path})
					if !errors.Is(err, modelregistry.ErrNotFound) {
						errs[i] = err
					}
				}
				if errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	s.ok(errors.Join(errs...))
	versions, err := collect(s.r.Versions(s.ctx, modelregistry.Query{}))
	s.ok(err)
	for _, v := range versions {
		got, err := contents(s.r.Files(s.ctx, v))
		s.ok(err)
		if len(got) != 2 || got["a"] != got["b/c"] {
			s.Fatalf("%s is half of two: %v", v.Ref(), got)
		}
	}
}

func artifactsOfRun(s *trial) {
	run, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{})
	s.ok(err)
	uri := run.URI("")
	_, err = s.r.Resolve(s.ctx, uri)
	s.fails(err, modelregistry.ErrNotFound, "files of run")
	s.put(map[string]string{run.ArtifactPath("model/weights"): "w", run.ArtifactPath("model/sub/labels"): "l", run.ArtifactPath("report"): "r"})
	registered := s.add("fraud", modelregistry.VersionSpec{Artifacts: run.ArtifactPath("model"), RunID: run.ID})
	for path, want := range map[string]string{
		"":          `{"model/sub/labels":"l","model/weights":"w","report":"r"}`,
		"model":     `{"sub/labels":"l","weights":"w"}`,
		"model/sub": `{"labels":"l"}`,
		"report":    `{"report":"r"}`,
	} {
		v, err := s.r.Resolve(s.ctx, run.URI(path))
		s.ok(err)
		equal(s, "ref", v.Ref(), run.URI(path))
		equal(s, "URI", v.URI(), run.URI(path))
		equal(s, "source", v.Source, run.URI(path))
		equal(s, "run", v.RunID, run.ID)
		equal(s, "model and number", fmt.Sprint(v.Model, v.Number), "0")
		equal(s, "created", v.Created, run.Started)
		got, err := contents(s.r.Files(s.ctx, v))
		s.ok(err)
		equal(s, "files", text(got), want)
		equal(s, "count", v.FileCount, len(got))
		manifest, err := s.r.Manifest(s.ctx, v)
		s.ok(err)
		equal(s, "listed", len(manifest), len(got))
		dir := s.TempDir() + "/model"
		s.ok(modelregistry.Download(s.ctx, s.r, v, dir, nil))
		holds(s, dir, got)
		if path == "model" && (v.Digest != registered.Digest || v.Size != registered.Size) {
			s.Fatalf("unregistered it is %s of %d bytes, registered %s of %d", v.Digest, v.Size, registered.Digest, registered.Size)
		}
	}
	before := s.state()
	for uri, hint := range map[string]string{run.URI("none"): `"none"`, "runs:/none/model": `run "none"`, run.URI("report/x"): "report/x"} {
		_, err := s.r.Resolve(s.ctx, uri)
		s.fails(err, modelregistry.ErrNotFound, hint)
	}
	_, err = s.r.CopyVersion(s.ctx, uri, "copy", nil)
	s.fails(err, modelregistry.ErrInvalid, "Artifacts")
	s.unchanged(before)
	_, err = s.r.At(s.clock.Now()).Resolve(s.ctx, uri)
	if !errors.Is(err, errors.ErrUnsupported) {
		s.Fatalf("what the run left in the past: %v", err)
	}
	s.ok(s.r.DeleteArtifacts(s.ctx, run.Artifacts))
	_, err = s.r.Resolve(s.ctx, uri)
	s.fails(err, modelregistry.ErrNotFound, "files of run")
}

func artifactsOfLoggedModel(s *trial) {
	run, err := s.r.StartRun(s.ctx, modelregistry.RunSpec{})
	s.ok(err)
	var last *modelregistry.LoggedModel
	for _, content := range []string{"old", "new", "deleted"} {
		last, err = s.r.CreateLoggedModel(s.ctx, modelregistry.LoggedModelSpec{RunID: run.ID, Name: "model"})
		s.ok(err)
		s.put(map[string]string{last.Artifacts + "/weights": content, last.Artifacts + "/sub/labels": "l"})
	}
	_, err = s.r.UpdateLoggedModel(s.ctx, last.ID, modelregistry.LoggedModelPatch{Deleted: ptr(true)})
	s.ok(err)
	for path, want := range map[string]string{"model": `{"sub/labels":"l","weights":"new"}`, "model/sub": `{"labels":"l"}`, "model/weights": `{"weights":"new"}`} {
		v, err := s.r.Resolve(s.ctx, run.URI(path))
		s.ok(err)
		equal(s, "ref", v.Ref(), run.URI(path))
		got, err := contents(s.r.Files(s.ctx, v))
		s.ok(err)
		equal(s, "files", text(got), want)
	}
	_, err = s.r.Resolve(s.ctx, run.URI("model/none"))
	s.fails(err, modelregistry.ErrNotFound, "model/none")
	s.put(map[string]string{run.ArtifactPath("model/own"): "the run's own"})
	v, err := s.r.Resolve(s.ctx, run.URI("model"))
	s.ok(err)
	got, err := contents(s.r.Files(s.ctx, v))
	s.ok(err)
	equal(s, "files", text(got), `{"own":"the run's own"}`)
}

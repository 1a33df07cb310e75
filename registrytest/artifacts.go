package registrytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing/fstest"
	"testing/iotest"

	"github.com/modelregistry-go/modelregistry"
)

var artifactPromises = []promise{
	{"an artifact reads back byte for byte, and a later one takes its place", artifactsReading},
	{"a directory is listed in order of bytes, page by page", artifactsListing},
	{"artifacts are logged whole or not at all", artifactsLogging},
	{"a file and a directory do not share a path", artifactsClash},
	{"a directory goes with its last file, and all files with their directory", artifactsDeleting},
	{"Artifacts is a file system as testing/fstest wants it", artifactsFS},
	{"paths of artifacts that are not plain and relative are refused", artifactsPaths},
	{"names that control a terminal or are devices are refused", artifactsMisleading},
	{"a call about artifacts whose context has ended answers that", artifactsContext},
	{"writers and deleters of one tree leave it whole", artifactsTogether},
}

// put stores artifacts one by one.
func (s *trial) put(files map[string]string) {
	s.Helper()
	for path, content := range files {
		f, err := s.r.PutArtifact(s.ctx, path, strings.NewReader(content))
		s.ok(err)
		want := modelregistry.File{Path: path, Size: int64(len(content))}
		if s.can("Digests") {
			want.Digest = digestOf(content)
		}
		equal(s, "stored file", f, want)
	}
}

// left is all that is below a directory of artifacts, as text to compare.
func (s *trial) left(dir string) string {
	s.Helper()
	content, err := contents(s.r.Artifacts(s.ctx, dir))
	s.ok(err)
	return text(content)
}

// contents reads all files of a file system, by path.
func contents(fsys fs.FS) (map[string]string, error) {
	found := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := fs.ReadFile(fsys, name)
		found[name] = string(content)
		return err
	})
	return found, err
}

// list is the names in a directory of artifacts; directories end in a slash.
func (s *trial) list(dir string) string {
	s.Helper()
	page, err := s.r.ListArtifacts(s.ctx, dir, modelregistry.Query{})
	s.ok(err)
	equal(s, "next page", page.Next, "")
	var names []string
	for _, a := range page.Artifacts {
		if a.IsDir {
			a.Name += "/"
		}
		names = append(names, a.Name)
	}
	return strings.Join(names, " ")
}

func artifactsReading(s *trial) {
	content := strings.Repeat("weights", 50_000)
	s.put(map[string]string{"1/run/artifacts/model/weights.bin": content, "1/run/artifacts/model/empty": "", "top": "at the root"})
	f, err := s.r.OpenArtifact(s.ctx, "1/run/artifacts/model/weights.bin")
	s.ok(err)
	info, err := f.Stat()
	s.ok(err)
	equal(s, "name", info.Name(), "weights.bin")
	equal(s, "size", info.Size(), int64(len(content)))
	file, ok := info.Sys().(*modelregistry.File)
	if !ok || file.Digest != digestOf(content) {
		s.Fatalf("Sys is %v", info.Sys())
	}
	s.ok(iotest.TestReader(f, []byte(content)))
	s.ok(f.Close())
	put := info.ModTime()
	// A reader that cannot be read twice, and one that stands somewhere in its middle.
	_, err = s.r.PutArtifact(s.ctx, "1/run/artifacts/model/weights.bin", iotest.OneByteReader(strings.NewReader("other")))
	s.ok(err)
	middle := strings.NewReader("not this, but this")
	_, err = middle.Seek(10, io.SeekStart)
	s.ok(err)
	_, err = s.r.PutArtifact(s.ctx, "1/run/artifacts/middle", middle)
	s.ok(err)
	equal(s, "what is there", s.left(""), text(map[string]string{
		"1/run/artifacts/model/weights.bin": "other", "1/run/artifacts/model/empty": "", "1/run/artifacts/middle": "but this", "top": "at the root",
	}))
	f, err = s.r.OpenArtifact(s.ctx, "1/run/artifacts/model/weights.bin")
	s.ok(err)
	info, err = f.Stat()
	s.ok(err)
	if !info.ModTime().After(put) {
		s.Fatalf("put at %v, and again at %v", put, info.ModTime())
	}
	s.ok(f.Close())
	for path, want := range map[string]error{
		"none": modelregistry.ErrNotFound, "1/run/none": modelregistry.ErrNotFound, "top/none": modelregistry.ErrNotFound,
		"1/run": modelregistry.ErrInvalid, "": modelregistry.ErrInvalid,
	} {
		_, err := s.r.OpenArtifact(s.ctx, path)
		s.fails(err, want, path)
	}
	fault := errors.New("the reader broke")
	_, err = s.r.PutArtifact(s.ctx, "1/run/artifacts/broken", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(fault)))
	s.fails(err, fault, "broken")
	equal(s, "after a put that failed", s.list("1/run/artifacts"), "middle model/")
}

func artifactsListing(s *trial) {
	names := []string{"B", "a", "a b", "a-1/x", "a.b", "a0", "é", "z/y/x", "%2e"}
	for i := range 25 {
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	files := map[string]string{"1/run-2": "beside"}
	var want []string
	for _, name := range names {
		files["1/run/"+name] = name
		first, _, _ := strings.Cut(name, "/")
		want = append(want, first)
	}
	s.ok(s.r.LogArtifacts(s.ctx, "", tree(files), nil))
	slices.Sort(want)
	for _, size := range []int{0, 1, 7, len(want), len(want) + 1} {
		var got []string
		q := modelregistry.Query{PageSize: size}
		for {
			page, err := s.r.ListArtifacts(s.ctx, "1/run", q)
			s.ok(err)
			if size > 0 && (len(page.Artifacts) > size || page.Next != "" && len(page.Artifacts) != size) {
				s.Fatalf("%d on a page of %d", len(page.Artifacts), size)
			}
			for _, a := range page.Artifacts {
				got = append(got, a.Name)
				content := files["1/run/"+a.Name]
				switch {
				case a.Updated.Before(epoch):
					s.Fatalf("%s is of %v", a.Name, a.Updated)
				case a.IsDir:
					equal(s, "directory", a, modelregistry.Artifact{Name: a.Name, IsDir: true, Updated: a.Updated})
				default:
					equal(s, "file", a, modelregistry.Artifact{Name: a.Name, Size: int64(len(content)), Digest: digestOf(content), Updated: a.Updated})
				}
			}
			if q.PageToken = page.Next; page.Next == "" {
				break
			}
			if _, err := s.r.ListArtifacts(s.ctx, "1", q); err == nil {
				s.Fatal("a page token served another directory")
			}
		}
		equal(s, "names", text(got), text(want))
	}
	equal(s, "the root", s.list(""), "1/")
	equal(s, "an experiment", s.list("1"), "run/ run-2")
	equal(s, "a file", s.list("1/run/a"), "")
	equal(s, "nothing", s.list("1/none"), "")
	for _, q := range []modelregistry.Query{{Filter: "name = 'a'"}, {OrderBy: []string{"name"}}, {PageSize: -1}, {PageSize: 10_001}, {PageToken: "x"}} {
		_, err := s.r.ListArtifacts(s.ctx, "1", q)
		s.fails(err, modelregistry.ErrInvalid, "")
	}
}

func artifactsLogging(s *trial) {
	s.put(map[string]string{"1/run/model/old": "stays", "1/run/model/a": "is replaced"})
	var last modelregistry.Progress
	s.ok(s.r.LogArtifacts(s.ctx, "1/run/model", tree(map[string]string{"a": "new", "sub/b": "bb", "sub/deep/c": ""}),
		&modelregistry.LogArtifactsOptions{Progress: func(p modelregistry.Progress) { last = p }}))
	want := map[string]string{"old": "stays", "a": "new", "sub/b": "bb", "sub/deep/c": ""}
	equal(s, "what is there", s.left("1/run/model"), text(want))
	equal(s, "progress", last.Done, int64(5))
	equal(s, "progress in all", last.Total, int64(5))
	before := s.left("")
	s.fails(s.r.LogArtifacts(s.ctx, "1/run", tree(map[string]string{"fine": "1", "model": "a directory is there"}), nil), modelregistry.ErrInvalid, "1/run/model")
	s.fails(s.r.LogArtifacts(s.ctx, "1/run", tree(map[string]string{"fine": "1", "model/a/b": "a file is there"}), nil), modelregistry.ErrInvalid, "1/run/model/a")
	s.fails(s.r.LogArtifacts(s.ctx, "1/run", fstest.MapFS{"fine": {Data: []byte("1")}, "odd": {Mode: fs.ModeNamedPipe}}, nil), modelregistry.ErrInvalid, "regular")
	s.ok(s.r.LogArtifacts(s.ctx, "1/run", tree(nil), nil))
	equal(s, "after what failed", s.left(""), before)
	many := map[string]string{}
	for i := range 1200 {
		many[fmt.Sprintf("%d/%d/f%d", i%3, i%40, i)] = fmt.Sprint(i % 7)
	}
	s.ok(s.r.LogArtifacts(s.ctx, "2", tree(many), nil))
	s.ok(s.r.LogArtifacts(s.ctx, "2", tree(many), nil))
	equal(s, "many", s.left("2"), text(many))
	s.ok(s.r.DeleteArtifacts(s.ctx, "2"))
	equal(s, "after many were deleted", s.left(""), before)
}

func artifactsClash(s *trial) {
	s.put(map[string]string{"top": "1", "1/file": "1", "1/run/a/b": "1"})
	before := s.left("")
	for path, hint := range map[string]string{
		"top/x": "top", "1/file/x": "1/file", "1/file/x/y/z": "1/file", "1/run/a/b/c": "1/run/a/b", "1": "directory", "1/run": "directory", "1/run/a": "directory",
	} {
		_, err := s.r.PutArtifact(s.ctx, path, strings.NewReader("x"))
		s.fails(err, modelregistry.ErrInvalid, hint)
	}
	equal(s, "what is there", s.left(""), before)
	s.ok(s.r.DeleteArtifacts(s.ctx, "1/run/a"))
	s.ok(s.r.DeleteArtifacts(s.ctx, "1/file"))
	s.put(map[string]string{"1": "now a file"})
	equal(s, "what is there", s.left(""), text(map[string]string{"top": "1", "1": "now a file"}))
}

func artifactsDeleting(s *trial) {
	s.put(map[string]string{
		"1/run/a/b/c/d": "1", "1/run/a/x": "2", "1/run/a-b": "3", "1/run-2/a": "4", "1/file": "5", "1-2/run/a": "6", "top": "7", "2/only/deep/down": "8", "3/f1": "9", "3/f2": "10",
	})
	for _, d := range []struct{ path, dir, want string }{
		{"1/run/a/none", "1/run/a", "b/ x"},
		{"none", "", "1/ 1-2/ 2/ 3/ top"},
		{"top/none", "", "1/ 1-2/ 2/ 3/ top"},
		{"1/run/a/b/c/d", "1/run/a", "x"},
		{"1/run/a", "1/run", "a-b"},
		{"1/run/a-b", "1", "file run-2/"},
		{"1/file", "1", "run-2/"},
		{"2/only/deep/down", "", "1/ 1-2/ 3/ top"},
		{"3", "", "1/ 1-2/ top"},
		{"1", "", "1-2/ top"},
		{"top", "", "1-2/"},
		{"1-2/run", "", ""},
	} {
		s.ok(s.r.DeleteArtifacts(s.ctx, d.path))
		s.ok(s.r.DeleteArtifacts(s.ctx, d.path))
		equal(s, "after "+d.path+" was deleted", s.list(d.dir), d.want)
		s.ok(check(s.ctx, s.r, s.cannot))
	}
	s.fails(s.r.DeleteArtifacts(s.ctx, ""), modelregistry.ErrInvalid, "root")
}

func artifactsFS(s *trial) {
	files := map[string]string{"model.bin": strings.Repeat("weights", 1000), "empty": "", "a/b/c/d.txt": "deep", "a/b/e": "e", "a.b/f": "f", "ünï": "code", "a b": "space"}
	s.ok(s.r.LogArtifacts(s.ctx, "1/run", tree(files), nil))
	s.put(map[string]string{"1/run-2/other": "x", "1/run.x": "y"})
	fsys := s.r.Artifacts(s.ctx, "1/run")
	s.ok(fstest.TestFS(fsys, "model.bin", "empty", "a/b/c/d.txt", "a/b/e", "a.b/f", "ünï", "a b"))
	s.ok(s.r.DeleteArtifacts(s.ctx, "1/run/a"))
	equal(s, "files after a deletion", s.left("1/run"), text(map[string]string{"model.bin": files["model.bin"], "empty": "", "a.b/f": "f", "ünï": "code", "a b": "space"}))
	if _, err := fs.ReadFile(fsys, "a/b/e"); err != nil {
		s.Fatalf("reading from what was there when it was first read: %v", err)
	}
	equal(s, "below nothing", s.left("1/none"), "{}")
	equal(s, "below a file", s.left("1/run/empty"), "{}")
	if _, err := s.r.Artifacts(s.ctx, "../x").Open("."); !errors.Is(err, modelregistry.ErrInvalid) {
		s.Fatalf("opening what is below ../x: %v", err)
	}
}

// writingAt is the ways to put something at a path among the artifacts.
func writingAt(s *trial, path string) map[string]func() error {
	return map[string]func() error{
		"PutArtifact":  func() error { _, err := s.r.PutArtifact(s.ctx, path, strings.NewReader("x")); return err },
		"LogArtifacts": func() error { return s.r.LogArtifacts(s.ctx, path, tree(map[string]string{"a": "1"}), nil) },
	}
}

func refusedAt(s *trial, path string, calls map[string]func() error) {
	var mistakes []mistake
	for name, do := range calls {
		mistakes = append(mistakes, mistake{fmt.Sprintf("%s %.20q", name, path), do, modelregistry.ErrInvalid, ""})
	}
	s.refused(mistakes)
}

// Other stores may have such names, so they can be asked for; they cannot be given.
func artifactsMisleading(s *trial) {
	for _, path := range []string{
		"1/a\nb", "a\rb/c", "\x1b]0;title\a", "a\x7f", "a\u0085b", "a\u2028b", "a\u2029b", "gnp.\u202eexe", "a\u2066b", "a\u200fb",
		"CON", "1/nul", "1/Aux.txt", "com1/a", "lpt9.tar.gz", "COM¹", "prn .x", "CONOUT$", "con:x",
	} {
		refusedAt(s, path, writingAt(s, path))
	}
	equal(s, "what is there", s.left(""), "{}")
	s.put(map[string]string{"1/console": "fine", "1/com10.nul": "fine"})
}

func artifactsPaths(s *trial) {
	for _, path := range []string{
		"/etc/passwd", "../up", "a/../b", "a//b", "..", ".", "a/", "/", "nul\x00", "bad\xff",
		strings.Repeat("x", 1025), strings.Repeat("a/", 512) + "b",
	} {
		calls := writingAt(s, path)
		calls["OpenArtifact"] = func() error { _, err := s.r.OpenArtifact(s.ctx, path); return err }
		calls["ListArtifacts"] = func() error { _, err := s.r.ListArtifacts(s.ctx, path, modelregistry.Query{}); return err }
		calls["DeleteArtifacts"] = func() error { return s.r.DeleteArtifacts(s.ctx, path) }
		calls["Register"] = func() error {
			_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Artifacts: path})
			return err
		}
		refusedAt(s, path, calls)
	}
	long := strings.Repeat("x", 1000)
	err := s.r.LogArtifacts(s.ctx, long, tree(map[string]string{"fine": "1", strings.Repeat("y", 30): "too long together"}), nil)
	s.fails(err, modelregistry.ErrInvalid, "at most")
	equal(s, "what is there", s.left(""), "{}")
	deep := strings.Repeat("a/", 511) + "bb"
	s.put(map[string]string{deep: "deep", strings.Repeat("é", 512): "long", `a b\c%2e:*`: "odd"})
	f, err := s.r.OpenArtifact(s.ctx, deep)
	s.ok(err)
	s.ok(iotest.TestReader(f, []byte("deep")))
	s.ok(f.Close())
	s.ok(s.r.DeleteArtifacts(s.ctx, deep))
	equal(s, "what is left", s.list(""), `a b\c%2e:* `+strings.Repeat("é", 512))
}

func artifactsContext(s *trial) {
	s.put(map[string]string{"1/run/a": "1"})
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, call := range map[string]func() error{
		"PutArtifact":     func() error { _, err := s.r.PutArtifact(ctx, "1/run/b", strings.NewReader("x")); return err },
		"OpenArtifact":    func() error { _, err := s.r.OpenArtifact(ctx, "1/run/a"); return err },
		"Artifacts":       func() error { _, err := contents(s.r.Artifacts(ctx, "1")); return err },
		"ListArtifacts":   func() error { _, err := s.r.ListArtifacts(ctx, "1", modelregistry.Query{}); return err },
		"LogArtifacts":    func() error { return s.r.LogArtifacts(ctx, "1", tree(map[string]string{"c": "1"}), nil) },
		"DeleteArtifacts": func() error { return s.r.DeleteArtifacts(ctx, "1") },
	} {
		err := call()
		s.unsupported(err)
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	equal(s, "what is there", s.left(""), `{"1/run/a":"1"}`)
}

func artifactsTogether(s *trial) {
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			for n := range 8 {
				// Pairs share a run, and all an experiment that is empty now and then.
				path := fmt.Sprintf("1/run%d/d%d/f", i/2, n%2)
				_, err := s.r.PutArtifact(s.ctx, path, strings.NewReader(fmt.Sprint(i, n)))
				if err == nil {
					err = s.r.LogArtifacts(s.ctx, "2", tree(map[string]string{fmt.Sprintf("run%d/f", i): fmt.Sprint(n), "shared/f": fmt.Sprint(i)}), nil)
				}
				if err == nil && n%2 == 1 {
					err = s.r.DeleteArtifacts(s.ctx, []string{path, "1", fmt.Sprintf("1/run%d", i/2), "2/shared/f"}[(i+n/2)%4])
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	s.ok(errors.Join(errs...))
	s.ok(check(s.ctx, s.r, s.cannot))
	for _, top := range []string{"1", "2"} {
		s.ok(s.r.DeleteArtifacts(s.ctx, top))
	}
	equal(s, "what is left", s.list(""), "")
}

// artifacts walks the tree: every directory has something in it, and every file reads right to its end.
func (c *checker) artifacts(dir string) {
	q := modelregistry.Query{PageSize: 1000}
	for n := 0; ; {
		page, err := c.r.ListArtifacts(c.ctx, dir, q)
		if c.report("list artifacts", err) {
			return
		}
		n += len(page.Artifacts)
		for _, a := range page.Artifacts {
			path := strings.TrimPrefix(dir+"/"+a.Name, "/")
			if a.IsDir {
				c.artifacts(path)
				continue
			}
			f, err := c.r.OpenArtifact(c.ctx, path)
			if c.report("open artifact", err) {
				continue
			}
			size, err := io.Copy(io.Discard, f)
			if c.report("read artifact "+path, errors.Join(err, f.Close())) {
				continue
			}
			if size != a.Size {
				c.problem("artifact %s has %d bytes, listed are %d", path, size, a.Size)
			}
		}
		if q.PageToken = page.Next; page.Next == "" {
			if n == 0 && dir != "" && !c.emptyDirs {
				c.problem("there is nothing in the directory %s of artifacts", dir)
			}
			return
		}
	}
}

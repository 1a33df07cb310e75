package registrytest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"
	"testing/iotest"

	"github.com/modelregistry-go/modelregistry"
)

var filePromises = []promise{
	{"Files is a file system as testing/fstest wants it", filesFS},
	{"files read back byte for byte, in any pieces and from anywhere", filesReading},
	{"a symbolic link inside the tree is its file; one that leaves it is refused", filesLinks},
	{"only regular files are registered", filesRegular},
	{"a directory without files makes no version", filesEmpty},
	{"no version, and one made by hand, are told apart from one without files", filesOfNothing},
	{"paths that are not plain and relative are refused", filesPaths},
	{"names that control a terminal or are devices are refused", filesMisleading},
	{"reading ends with its context", filesContext},
	{"files stay readable when the version is renamed, moved or copied", filesStay},
}

func filesFS(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{
		"model.bin": strings.Repeat("weights", 1000), "empty": "", "a/b/c/d.txt": "deep", "a/b/e": "e", "a.b/f": "f", "ünï": "code", "a b": "space",
	})})
	s.ok(fstest.TestFS(s.r.Files(s.ctx, v), "model.bin", "empty", "a/b/c/d.txt", "a/b/e", "a.b/f", "ünï", "a b"))
	fsys := s.r.Files(s.ctx, v)
	for _, name := range []string{"none", "a/none", "model.bin/x"} {
		if _, err := fs.ReadFile(fsys, name); !errors.Is(err, fs.ErrNotExist) {
			s.Fatalf("reading %s: %v; want fs.ErrNotExist", name, err)
		}
	}
	for _, name := range []string{"/model.bin", "../fraud", "", "a//b"} {
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrInvalid) {
			s.Fatalf("opening %q: %v; want fs.ErrInvalid", name, err)
		}
	}
	f, err := fsys.Open("model.bin")
	s.ok(err)
	s.ok(f.Close())
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		s.Fatalf("reading a closed file: %v", err)
	}
}

func filesReading(s *trial) {
	rnd := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 3<<20+17)
	for i := range content {
		content[i] = byte(rnd.Uint32())
	}
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"big": string(content), "small": "small"})})
	fsys := s.r.Files(s.ctx, v)
	got, err := fs.ReadFile(fsys, "big")
	s.ok(err)
	if string(got) != string(content) {
		s.Fatal("the content is another")
	}
	f, err := fsys.Open("small")
	s.ok(err)
	s.ok(iotest.TestReader(f, []byte("small")))
	s.ok(f.Close())
	f, err = fsys.Open("big")
	s.ok(err)
	defer f.Close()
	seeker, ok := f.(io.ReadSeeker)
	if !ok {
		return
	}
	for range 8 {
		at, n := rnd.IntN(len(content)), rnd.IntN(1<<16)
		n = min(n, len(content)-at)
		_, err := seeker.Seek(int64(at), io.SeekStart)
		s.ok(err)
		piece := make([]byte, n)
		_, err = io.ReadFull(seeker, piece)
		s.ok(err)
		if string(piece) != string(content[at:at+n]) {
			s.Fatalf("%d bytes from %d on are others", n, at)
		}
	}
}

func filesLinks(s *trial) {
	dir := s.TempDir()
	outside := filepath.Join(s.TempDir(), "secret")
	s.ok(os.WriteFile(outside, []byte("secret"), 0o600))
	s.ok(os.MkdirAll(filepath.Join(dir, "sub", "deep"), 0o700))
	s.ok(os.WriteFile(filepath.Join(dir, "sub", "real"), []byte("real"), 0o600))
	if err := os.Symlink("sub/real", filepath.Join(dir, "link")); err != nil {
		s.Logf("this system makes no symbolic links: %v", err)
		return
	}
	s.ok(os.Symlink("../real", filepath.Join(dir, "sub", "deep", "up")))
	s.ok(os.Symlink("sub/deep/up", filepath.Join(dir, "twice")))
	v := s.add("fraud", modelregistry.VersionSpec{Files: os.DirFS(dir)})
	for _, name := range []string{"link", "sub/deep/up", "twice", "sub/real"} {
		got, err := fs.ReadFile(s.r.Files(s.ctx, v), name)
		s.ok(err)
		equal(s, name, string(got), "real")
	}
	s.ok(os.Mkdir(filepath.Join(dir, "bad"), 0o700))
	before := s.state()
	for _, c := range []struct{ target, hint string }{
		{outside, "out of the tree"},
		{"../../secret", "out of the tree"},
		{"../sub/../../x", "out of the tree"},
		{"../sub", "only regular files"},
		{"none", "bad/link"},
		{"link", "circle"},
	} {
		link := filepath.Join(dir, "bad", "link")
		s.ok(os.Symlink(c.target, link))
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: os.DirFS(dir)})
		s.fails(err, modelregistry.ErrInvalid, c.hint)
		s.ok(os.Remove(link))
	}
	s.ok(os.Symlink(filepath.Dir(outside), filepath.Join(dir, "away")))
	_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: os.DirFS(dir)})
	s.fails(err, modelregistry.ErrInvalid, "out of the tree")
	s.ok(os.Symlink("../away/secret", filepath.Join(dir, "bad", "through")))
	s.ok(os.Remove(filepath.Join(dir, "away")))
	s.ok(os.Symlink("sub", filepath.Join(dir, "away")))
	_, err = s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: os.DirFS(dir)})
	s.fails(err, modelregistry.ErrInvalid, "away")
	s.unchanged(before)
}

func filesRegular(s *trial) {
	before := s.state()
	for _, mode := range []fs.FileMode{fs.ModeNamedPipe, fs.ModeSocket, fs.ModeDevice, fs.ModeIrregular} {
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: fstest.MapFS{"odd": {Mode: mode | 0o600}}})
		s.fails(err, modelregistry.ErrInvalid, "only regular files")
	}
	s.unchanged(before)
}

func filesEmpty(s *trial) {
	before := s.state()
	for _, files := range []fs.FS{fstest.MapFS{}, fstest.MapFS{"sub/deeper": {Mode: fs.ModeDir | 0o700}}, os.DirFS(s.TempDir())} {
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: files})
		s.fails(err, modelregistry.ErrInvalid, "no files")
	}
	s.unchanged(before)
}

func filesOfNothing(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1"})})
	for name, v := range map[string]*modelregistry.Version{"nil": nil, "made by hand": {Model: "fraud", Number: 1}} {
		if v != nil && !s.can("IDs") {
			continue // its models have none, so one made by hand is as good
		}
		_, err := s.r.Manifest(s.ctx, v)
		s.fails(err, modelregistry.ErrInvalid, "Resolve has returned")
		_, err = fs.ReadFile(s.r.Files(s.ctx, v), "a")
		if !errors.Is(err, modelregistry.ErrInvalid) {
			s.Fatalf("reading files of a version that is %s: %v", name, err)
		}
		s.fails(modelregistry.Download(s.ctx, s.r, v, filepath.Join(s.TempDir(), "model"), nil), modelregistry.ErrInvalid, "Resolve has returned")
		_, err = s.r.Facts(s.ctx, v)
		if !errors.Is(err, errors.ErrUnsupported) {
			s.fails(err, modelregistry.ErrInvalid, "Resolve has returned")
		}
	}
}

// namedFS lists one file, under whatever name.
type namedFS struct{ name string }

func (n namedFS) Open(name string) (fs.File, error) {
	return fstest.MapFS{"file": {Data: []byte("x")}}.Open("file")
}

func (n namedFS) ReadDir(string) ([]fs.DirEntry, error) {
	entries, err := fstest.MapFS{"file": {Data: []byte("x")}}.ReadDir(".")
	if err != nil {
		return nil, err
	}
	return []fs.DirEntry{namedEntry{entries[0], n.name}}, nil
}

func (n namedFS) Stat(string) (fs.FileInfo, error) { return fs.Stat(fstest.MapFS{}, ".") }

type namedEntry struct {
	fs.DirEntry
	name string
}

func (n namedEntry) Name() string { return n.name }

func filesPaths(s *trial) {
	before := s.state()
	for _, c := range []struct{ name, hint string }{
		{"/etc/passwd", "/etc/passwd"},
		{"../up", "relative path"},
		{"a/../../b", "relative path"},
		{"a//b", "relative path"},
		{"..", "relative path"},
		{"", ""},
		{"nul\x00", "NUL"},
		{"bad\xff", ""},
		{strings.Repeat("x", 2000), "at most"},
	} {
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: namedFS{c.name}})
		s.fails(err, modelregistry.ErrInvalid, c.hint)
	}
	s.unchanged(before)
}

func filesMisleading(s *trial) {
	before := s.state()
	for _, c := range []struct{ name, hint string }{
		{"\x1b[31mred", "control character"},
		{"gnp.\u202eexe", "control character"},
		{"a\nb", "control character"},
		{"CON", "a device"},
		{"nul.bin", "a device"},
	} {
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Files: namedFS{c.name}})
		s.fails(err, modelregistry.ErrInvalid, c.hint)
	}
	s.unchanged(before)
}

func filesContext(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": strings.Repeat("x", 1<<20)})})
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	f, err := s.r.Files(ctx, v).Open("a")
	s.ok(err)
	defer f.Close()
	_, err = f.Read(make([]byte, 10))
	s.ok(err)
	cancel()
	if _, err := io.ReadAll(f); !errors.Is(err, context.Canceled) {
		s.Fatalf("reading after the context ended: %v", err)
	}
}

func filesStay(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "one"})})
	fsys := s.r.Files(s.ctx, v)
	read := func() {
		s.Helper()
		got, err := fs.ReadFile(fsys, "a")
		s.ok(err)
		equal(s, "content", string(got), "one")
	}
	if s.can("IDs") {
		_, err := s.r.RenameModel(s.ctx, "fraud", "scam", nil)
		s.ok(err)
		read()
		_, err = s.r.RenameModel(s.ctx, "scam", "fraud", nil)
		s.ok(err)
	}
	s.promote("fraud", 1, modelregistry.Production)
	read()
	copied, err := s.r.CopyVersion(s.ctx, "models:/fraud/1", "other", nil)
	s.ok(err)
	s.ok(s.r.DeleteModel(s.ctx, "fraud", &modelregistry.DeleteOptions{Force: true}))
	if s.can("Sweep") {
		_, err = s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
		s.ok(err)
	}
	fsys = s.r.Files(s.ctx, copied)
	read()
}

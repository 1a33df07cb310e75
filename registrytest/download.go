package registrytest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/modelregistry-go/modelregistry"
)

var downloadPromises = []promise{
	{"a download holds just the files, and is left as it is when it is right", downloadFiles},
	{"what is in the directory is kept unless it may be replaced", downloadReplace},
	{"a download goes on where an interrupted one stopped", downloadResume},
	{"a reader never sees half of a download", downloadAtomic},
	{"a link in the directory leads nothing out of it", downloadLinks},
	{"a name that the file system would fold into another is refused there", downloadFolding},
	{"a download takes the place of nothing but downloads", downloadPlaces},
	{"a cancelled download leaves the directory as it was", downloadCancel},
	{"downloads into one directory at the same time all end well", downloadTogether},
}

var downloadable = map[string]string{"model.bin": strings.Repeat("w", 300_000), "sub/labels": "a\nb", "sub/empty": "", "x.part": "named like a part"}

// listed are the paths below dir, with contents.
func listed(s *trial, dir string) map[string]string {
	s.Helper()
	found := map[string]string{}
	s.ok(fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		found[name] = string(content)
		return err
	}))
	return found
}

// holds ends the trial unless dir holds just these files, and nothing was left beside it.
func holds(s *trial, dir string, files map[string]string) {
	s.Helper()
	if got := listed(s, dir); text(got) != text(files) {
		s.Fatalf("%s holds %.300s", dir, text(got))
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	s.ok(err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && e.Name() != "."+filepath.Base(dir)+".download" {
			s.Fatalf("%s was left beside %s", e.Name(), dir)
		}
	}
}

func downloadFiles(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(downloadable)})
	dir := filepath.Join(s.TempDir(), "new", "model")
	var last modelregistry.Progress
	s.ok(modelregistry.Download(s.ctx, s.r, v, dir, &modelregistry.DownloadOptions{Progress: func(p modelregistry.Progress) { last = p }}))
	holds(s, dir, downloadable)
	if s.can("Digests") {
		equal(s, "progress in all", last.Total, v.Size)
	}
	equal(s, "progress", last.Done, last.Total)
	before, err := os.Stat(dir)
	s.ok(err)
	s.ok(modelregistry.Download(s.ctx, s.r, v, dir, &modelregistry.DownloadOptions{Progress: func(modelregistry.Progress) { s.Error("something was fetched anew") }}))
	after, err := os.Stat(dir)
	s.ok(err)
	if !os.SameFile(before, after) {
		s.Fatal("a directory that was right was replaced")
	}
	empty := filepath.Join(s.TempDir(), "empty")
	s.ok(os.Mkdir(empty, 0o700))
	s.ok(modelregistry.Download(s.ctx, s.r, v, empty, nil))
	holds(s, empty, downloadable)
	none := filepath.Join(s.TempDir(), "none")
	s.ok(modelregistry.Download(s.ctx, s.r, s.register("fraud", 1), none, nil))
	holds(s, none, map[string]string{})
}

func downloadReplace(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(downloadable)})
	for name, change := range map[string]func(dir string) error{
		"a file of the user's": func(dir string) error { return os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600) },
		"another content": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "sub", "labels"), []byte("a\nc"), 0o600)
		},
		"a file less":   func(dir string) error { return os.Remove(filepath.Join(dir, "model.bin")) },
		"a directory":   func(dir string) error { return os.Mkdir(filepath.Join(dir, "own"), 0o700) },
		"another cased": func(dir string) error { return os.Rename(filepath.Join(dir, "x.part"), filepath.Join(dir, "X.part")) },
	} {
		dir := filepath.Join(s.TempDir(), "model")
		s.ok(modelregistry.Download(s.ctx, s.r, v, dir, nil))
		s.ok(change(dir))
		before := listed(s, dir)
		err := modelregistry.Download(s.ctx, s.r, v, dir, nil)
		s.fails(err, modelregistry.ErrExists, "Replace")
		holds(s, dir, before)
		s.Logf("with %s: %v", name, err)
		s.ok(modelregistry.Download(s.ctx, s.r, v, dir, &modelregistry.DownloadOptions{Replace: true}))
		holds(s, dir, downloadable)
	}
	file := filepath.Join(s.TempDir(), "file")
	s.ok(os.WriteFile(file, []byte("mine"), 0o600))
	s.fails(modelregistry.Download(s.ctx, s.r, v, file, nil), modelregistry.ErrExists, "not a directory")
}

// counted counts what is read of each file.
type counted struct {
	modelregistry.Resolver
	mu     sync.Mutex
	read   map[string]int
	stop   func(name string) error // before a file is opened
	closed func(name string)
}

type countedFS struct {
	fs.FS
	c *counted
}

func (c *counted) Files(ctx context.Context, v *modelregistry.Version) fs.FS {
	return countedFS{c.Resolver.Files(ctx, v), c}
}

func (c countedFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	c.c.mu.Lock()
	c.c.read[name]++
	c.c.mu.Unlock()
	if err := c.c.stop(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return countedFile{f, func() { c.c.closed(name) }}, nil
}

type countedFile struct {
	fs.File
	closed func()
}

func (c countedFile) Close() error {
	defer c.closed()
	return c.File.Close()
}

func downloadResume(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(downloadable)})
	dir := filepath.Join(s.TempDir(), "model")
	fault := errors.New("the line is dead")
	var others sync.WaitGroup // that are complete before the fault, so that it cannot stop them half-way
	complete := map[string]*sync.Once{}
	for name := range downloadable {
		complete[name] = &sync.Once{}
	}
	others.Add(len(downloadable) - 1)
	dead := true
	c := &counted{Resolver: s.r, read: map[string]int{}}
	c.stop = func(name string) error {
		if name != "x.part" || !dead {
			return nil
		}
		others.Wait()
		return fault
	}
	c.closed = func(name string) {
		if name != "x.part" {
			complete[name].Do(others.Done)
		}
	}
	for range 3 {
		s.fails(modelregistry.Download(s.ctx, c, v, dir, nil), fault, "x.part")
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			s.Fatalf("half of a download is in its place: %v", err)
		}
	}
	dead = false
	s.ok(modelregistry.Download(s.ctx, c, v, dir, nil))
	holds(s, dir, downloadable)
	equal(s, "times that files were fetched", text(c.read), `{"model.bin":1,"sub/empty":1,"sub/labels":1,"x.part":4}`)
}

func downloadAtomic(s *trial) {
	files := []map[string]string{{"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "2", "d": "2"}}
	versions := []*modelregistry.Version{
		s.add("fraud", modelregistry.VersionSpec{Files: tree(files[0])}), s.add("fraud", modelregistry.VersionSpec{Files: tree(files[1])}),
	}
	dir := filepath.Join(s.TempDir(), "model")
	s.ok(modelregistry.Download(s.ctx, s.r, versions[0], dir, nil))
	done := make(chan error, 1)
	go func() {
		for i := range 30 {
			if err := modelregistry.Download(s.ctx, s.r, versions[(i+1)%2], dir, &modelregistry.DownloadOptions{Replace: true}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		select {
		case err := <-done:
			s.ok(err)
			return
		default:
		}
		root, err := os.OpenRoot(dir) // one generation, whatever takes its place
		if errors.Is(err, fs.ErrNotExist) {
			continue // between two renames
		}
		s.ok(err)
		got := map[string]string{}
		for _, name := range []string{"a", "b", "c", "d"} {
			content, err := root.ReadFile(name)
			if err == nil {
				got[name] = string(content)
			}
		}
		s.ok(root.Close())
		// The generation that was replaced is removed while it is read; what is left of it is still of one version.
		if t := text(got); strings.Contains(t, `"1"`) && strings.Contains(t, `"2"`) {
			s.Fatalf("files of two versions: %s", t)
		}
	}
}

func downloadLinks(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"file": "content", "sub/file": "content"})})
	outside := filepath.Join(s.TempDir(), "outside")
	s.ok(os.Mkdir(outside, 0o700))
	dir := filepath.Join(s.TempDir(), "model")
	s.ok(modelregistry.Download(s.ctx, s.r, v, dir, nil))
	s.ok(os.RemoveAll(filepath.Join(dir, "sub")))
	if err := os.Symlink(outside, filepath.Join(dir, "sub")); err != nil {
		s.Logf("this system makes no symbolic links: %v", err)
		return
	}
	s.fails(modelregistry.Download(s.ctx, s.r, v, dir, nil), modelregistry.ErrExists, "")
	s.ok(modelregistry.Download(s.ctx, s.r, v, dir, &modelregistry.DownloadOptions{Replace: true}))
	holds(s, dir, map[string]string{"file": "content", "sub/file": "content"})
	equal(s, "files outside", len(listed(s, outside)), 0)
	// A directory that is a link itself is where the user wants the files.
	link := filepath.Join(s.TempDir(), "link")
	s.ok(os.Symlink(outside, link))
	s.ok(modelregistry.Download(s.ctx, s.r, v, link, nil))
	equal(s, "files where the link leads", text(listed(s, outside)), `{"file":"content","sub/file":"content"}`)
}

func downloadFolding(s *trial) {
	files := map[string]string{"Model.bin": "1", "model.bin": "2", "Sub/a": "3", "sub/b": "4"}
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(files)})
	dir := filepath.Join(s.TempDir(), "model")
	err := modelregistry.Download(s.ctx, s.r, v, dir, nil)
	probe := s.TempDir()
	s.ok(os.WriteFile(filepath.Join(probe, "Case"), nil, 0o600))
	if _, errFolds := os.Stat(filepath.Join(probe, "cASE")); errFolds == nil {
		s.fails(err, modelregistry.ErrInvalid, "tell them apart")
		return
	}
	s.ok(err)
	holds(s, dir, files)
}

func downloadCancel(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(downloadable)})
	dir := filepath.Join(s.TempDir(), "model")
	s.ok(modelregistry.Download(s.ctx, s.r, v, dir, nil))
	s.ok(os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600))
	before := text(listed(s, dir))
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	err := modelregistry.Download(ctx, s.r, v, dir, &modelregistry.DownloadOptions{Replace: true, Progress: func(modelregistry.Progress) { cancel() }})
	s.fails(err, context.Canceled, "")
	equal(s, "files", text(listed(s, dir)), before)
}

func downloadPlaces(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(downloadable)})
	s.fails(modelregistry.Download(s.ctx, s.r, v, "", &modelregistry.DownloadOptions{Replace: true}), modelregistry.ErrInvalid, "directory")
	own := filepath.Join(s.TempDir(), "own")
	for _, name := range []string{"mine", "model.bin"} { // also one that looks like a version's
		s.ok(os.MkdirAll(own, 0o700))
		s.ok(os.WriteFile(filepath.Join(own, name), []byte("mine"), 0o600))
		s.fails(modelregistry.Download(s.ctx, s.r, v, own, &modelregistry.DownloadOptions{Replace: true}), modelregistry.ErrExists, "no earlier download")
		holds(s, own, map[string]string{name: "mine"})
		s.ok(os.RemoveAll(own))
	}
	// Nor is what took the place of a download one.
	s.ok(modelregistry.Download(s.ctx, s.r, v, own, nil))
	s.ok(os.RemoveAll(own))
	s.ok(os.Mkdir(own, 0o700))
	s.ok(os.WriteFile(filepath.Join(own, "model.bin"), []byte(downloadable["model.bin"]), 0o600))
	s.fails(modelregistry.Download(s.ctx, s.r, v, own, &modelregistry.DownloadOptions{Replace: true}), modelregistry.ErrExists, "no earlier download")
	holds(s, own, map[string]string{"model.bin": downloadable["model.bin"]})
}

func downloadTogether(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(downloadable)})
	dir := filepath.Join(s.TempDir(), "model")
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() { errs[i] = modelregistry.Download(s.ctx, s.r, v, dir, nil) })
	}
	wg.Wait()
	s.ok(errors.Join(errs...))
	holds(s, dir, downloadable)
}

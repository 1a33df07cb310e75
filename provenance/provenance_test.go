package provenance_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/provenance"
)

// run runs git in dir as nobody in particular.
func run(t testing.TB, dir string, args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.com", "GIT_COMMITTER_DATE=2026-01-31T12:00:00+02:00")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// repository makes one with a commit.
func repository(t testing.TB) string {
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "experiment/lr")
	run(t, dir, "remote", "add", "origin", "https://ada:hunter2@git.example.com/team/iris.git")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "features"), 0o755))
	for name, text := range map[string]string{"train.go": "package main", "features/scale.go": "package features"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	require.NoError(t, os.Symlink("train.go", filepath.Join(dir, "link.go")))
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "first")
	return dir
}

// The test binary is stamped with no revision, so what git says counts.
func TestCollectsWhatGitSays(t *testing.T) {
	dir := repository(t)
	opts := &provenance.Options{Dir: dir, Args: []string{"train", "--epochs=3", "--api-key", "abc", "postgres://u:p@db/x"}}
	p, err := provenance.Collect(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, run(t, dir, "rev-parse", "HEAD"), p.Revision)
	require.Equal(t, "2026-01-31T10:00:00Z", p.RevisionTime.Format("2006-01-02T15:04:05Z07:00"))
	require.Equal(t, "experiment/lr", p.Branch)
	require.Equal(t, "git.example.com/team/iris", p.Remote)
	require.False(t, p.Dirty)
	require.Empty(t, p.Warnings)
	require.Equal(t, runtime.Version(), p.GoVersion)
	require.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, p.OS+"/"+p.Arch)
	require.Empty(t, p.Host+p.User, "these have to be allowed")
	require.Equal(t, "train --epochs=3 --api-key *** postgres://***@db/x", strings.Join(p.Command, " "))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "train.go"), []byte("package main // changed"), 0o644))
	opts.Host, opts.User = true, true
	p, err = provenance.Collect(t.Context(), opts)
	require.NoError(t, err)
	require.True(t, p.Dirty)
	require.Equal(t, []string{"the code was changed since its commit " + p.Revision}, p.Warnings)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, host, p.Host)

	run(t, dir, "checkout", "-q", "--detach")
	p, err = provenance.Collect(t.Context(), opts)
	require.NoError(t, err)
	require.Empty(t, p.Branch)
}

func TestWithoutARepositoryThereAreWarnings(t *testing.T) {
	p, err := provenance.Collect(t.Context(), &provenance.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	require.Empty(t, p.Revision)
	require.Len(t, p.Warnings, 2)
	require.Contains(t, p.Warnings[0], "no git repository")
	require.Equal(t, "the commit of the code is not known", p.Warnings[1])

	p, err = provenance.Collect(t.Context(), &provenance.Options{NoGit: true})
	require.NoError(t, err)
	require.Equal(t, []string{"the commit of the code is not known"}, p.Warnings)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = provenance.Collect(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// A program that the go command stamped knows its commit wherever it runs.
func TestBuiltProgramsKnowTheirCommit(t *testing.T) {
	dir := repository(t)
	self, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	require.NoError(t, err)
	for name, text := range map[string]string{
		"go.mod": "module example.com/iris\n\ngo 1.26.0\n\nrequire github.com/modelregistry-go/modelregistry v0.0.0\nreplace github.com/modelregistry-go/modelregistry => " + strings.TrimSpace(string(self)) + "\nrequire github.com/Masterminds/semver/v3 v3.5.0\n",
		"train.go": `package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/modelregistry-go/modelregistry/provenance"
)

func main() {
	p, err := provenance.Collect(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode([]any{p.Revision, p.Dirty, p.Remote, p.Program, p.Warnings})
}
`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	sums, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(self)), "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("iris\n"), 0o644))
	require.NoError(t, os.Remove(filepath.Join(dir, "link.go")))
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "second")
	revision := run(t, dir, "rev-parse", "HEAD")
	build := exec.Command("go", "build", "-mod=mod", "-buildvcs=true", "-o", "iris", ".")
	build.Dir = dir
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	elsewhere := exec.Command(filepath.Join(dir, "iris"))
	elsewhere.Dir = t.TempDir()
	out, err = elsewhere.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), fmt.Sprintf(`[%q,false,"","example.com/iris",["module github.com/modelregistry-go/modelregistry was replaced by`, revision))

	run(t, dir, "commit", "-q", "--allow-empty", "-m", "third")
	moved := exec.Command(filepath.Join(dir, "iris"))
	moved.Dir = dir
	out, err = moved.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), fmt.Sprintf(`[%q,false,"","example.com/iris",["the program was built from %s, the repository`, revision, revision))
}

func TestSnapshotsAreTheTrackedFilesAsTheyAre(t *testing.T) {
	dir := repository(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret.env"), []byte("KEY=1"), 0o644)) // not tracked
	require.NoError(t, os.WriteFile(filepath.Join(dir, "train.go"), []byte("package main // changed"), 0o644))
	code, err := provenance.Snapshot(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, fstest.TestFS(code, "train.go", "features/scale.go"))
	text, err := fs.ReadFile(code, "train.go")
	require.NoError(t, err)
	require.Equal(t, "package main // changed", string(text))
	var names []string
	require.NoError(t, fs.WalkDir(code, ".", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	}))
	require.Equal(t, []string{".", "features", "features/scale.go", "train.go"}, names)

	files, err := provenance.Attach(fstest.MapFS{"model.bin": {Data: []byte("weights")}}, "code", code)
	require.NoError(t, err)
	require.NoError(t, fstest.TestFS(files, "model.bin", "code/train.go", "code/features/scale.go"))
	_, err = provenance.Attach(fstest.MapFS{"code/x": {}}, "code", code)
	require.ErrorIs(t, err, modelregistry.ErrExists)
	_, err = provenance.Attach(nil, "../code", code)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = provenance.Snapshot(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "not a git repository")
}

func ExampleCollect() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	p, err := provenance.Collect(ctx, &provenance.Options{Args: []string{"train", "-epochs", "10", "-db-password", "hunter2"}})
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{Provenance: p})
	if err != nil {
		log.Fatal(err)
	}
	facts, err := reg.Facts(ctx, v)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(facts.Provenance.Command)
	// Output:
	// [train -epochs 10 -db-password ***]
}

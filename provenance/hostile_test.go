package provenance_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/provenance"
)

// A directory that somebody else has made, with its .git, runs nothing: not what its settings name, nor a file that they
// include, nor its hooks, nor those of a submodule in it; nor what the environment says of another repository.
func TestNothingThatARepositoryNamesIsRun(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $*\" >> '"+mark+"'\ncat\n"), 0o755))
	dir, inner := repository(t), repository(t)
	run(t, dir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "inner")
	run(t, dir, "commit", "-q", "-m", "with a submodule")

	arm := func(top string, git string) {
		set := func(name, value string) { run(t, top, "config", name, value) }
		for _, name := range []string{
			"core.fsmonitor", "core.pager", "core.sshCommand", "core.askPass", "core.editor", "core.alternateRefsCommand", "core.gitProxy",
			"diff.external", "diff.x.command", "diff.x.textconv", "filter.x.clean", "filter.x.smudge", "filter.x.process", "gpg.program", "gpg.ssh.program",
			"merge.x.driver", "pager.status", "pager.log", "pager.config", "sequence.editor", "uploadpack.packObjectsHook", "credential.helper",
			"alias.status", "alias.log", "trailer.x.command", "interactive.diffFilter",
		} {
			value := script + " " + name
			if name == "alias.status" || name == "alias.log" || name == "credential.helper" {
				value = "!" + value
			}
			set(name, value)
		}
		set("log.showSignature", "true")
		set("status.submoduleSummary", "true")
		set("diff.ignoreSubmodules", "none")
		set("filter.x.required", "true")
		set("core.hooksPath", filepath.Join(git, "hooks"))
		require.NoError(t, os.MkdirAll(filepath.Join(git, "hooks"), 0o755))
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		for _, hook := range []string{"post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc", "query-watchman"} {
			require.NoError(t, os.WriteFile(filepath.Join(git, "hooks", hook), text, 0o755))
		}
		included := filepath.Join(git, "included")
		require.NoError(t, os.WriteFile(included, []byte("[filter \"y\"]\n\tclean = "+script+" included\n\tprocess = "+script+" included\n"), 0o644))
		set("include.path", included)
		require.NoError(t, os.MkdirAll(filepath.Join(git, "info"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(git, "info", "attributes"), []byte("*.go filter=x diff=x merge=x\nfeatures/* filter=y\n"), 0o644))
		for _, name := range []string{"train.go", "features/scale.go"} { // touched: git looks at the content
			require.NoError(t, os.WriteFile(filepath.Join(top, name), []byte("package other"), 0o644))
		}
	}
	arm(dir, filepath.Join(dir, ".git"))
	arm(filepath.Join(dir, "inner"), filepath.Join(dir, ".git", "modules", "inner"))
	require.NoError(t, os.RemoveAll(mark)) // git config has run some
	for _, name := range []string{
		"GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "GIT_EDITOR", "GIT_PAGER", "GIT_PROXY_COMMAND", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR",
	} {
		t.Setenv(name, script)
	}
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
	t.Setenv("GIT_CONFIG_VALUE_0", script+" environment")
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "none"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(t.TempDir(), "none"))

	for _, at := range []string{dir, filepath.Join(dir, "inner"), filepath.Join(dir, "features")} {
		p, err := provenance.Collect(t.Context(), &provenance.Options{Dir: at})
		require.NoError(t, err)
		require.NotEmpty(t, p.Revision, "%v", p.Warnings)
		require.True(t, p.Dirty)
		require.Equal(t, "experiment/lr", p.Branch)
		_, err = provenance.Snapshot(t.Context(), at)
		require.NoError(t, err)
	}
	require.NoFileExists(t, mark)
}

// A user's own filters are the user's to run, not a repository's, which asks for them by its attributes.
func TestARepositoryAsksForNoFilterOfTheUsers(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[filter \"lfs\"]\n\tclean = \"echo ran >> '"+filepath.ToSlash(mark)+"'; cat\"\n"+
		"[core]\n\texcludesFile = ~/ignored\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(home, "ignored"), []byte("*.ckpt\n"), 0o644))
	dir := repository(t)
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big.ckpt"), []byte("x"), 0o644))
	p, err := provenance.Collect(t.Context(), &provenance.Options{Dir: dir})
	require.NoError(t, err)
	require.False(t, p.Dirty, "what the user ignores everywhere is ignored")
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".git", "info", "attributes"), []byte("* filter=lfs\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "train.go"), []byte("package other"), 0o644))
	p, err = provenance.Collect(t.Context(), &provenance.Options{Dir: dir})
	require.NoError(t, err)
	require.True(t, p.Dirty)
	require.NoFileExists(t, mark)
}

// All the ways in which git keeps a repository are read as git reads them.
func TestRepositoriesOfAllForms(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) string{
		"packed branches": func(t *testing.T) string {
			dir := repository(t)
			run(t, dir, "pack-refs", "--all")
			run(t, dir, "gc", "-q")
			return dir
		},
		"a worktree": func(t *testing.T) string {
			dir := filepath.Join(t.TempDir(), "other")
			run(t, repository(t), "worktree", "add", "-q", "-b", "experiment/other", dir)
			return dir
		},
		"a split index": func(t *testing.T) string {
			dir := repository(t)
			run(t, dir, "update-index", "--split-index")
			return dir
		},
		"SHA-256": func(t *testing.T) string {
			dir := t.TempDir()
			run(t, dir, "init", "-q", "-b", "experiment/lr", "--object-format=sha256")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "train.go"), []byte("package main"), 0o644))
			run(t, dir, "add", ".")
			run(t, dir, "commit", "-q", "-m", "first")
			return dir
		},
		"objects of another": func(t *testing.T) string {
			dir := filepath.Join(t.TempDir(), "clone")
			run(t, t.TempDir(), "clone", "-q", "--shared", repository(t), dir)
			return dir
		},
		"a shallow one": func(t *testing.T) string {
			from, dir := repository(t), filepath.Join(t.TempDir(), "clone")
			run(t, from, "commit", "-q", "--allow-empty", "-m", "second")
			run(t, t.TempDir(), "clone", "-q", "--depth=1", "file://"+filepath.ToSlash(from), dir)
			return dir
		},
		"with names of its own to leave out": func(t *testing.T) string {
			dir := repository(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, ".git", "info", "exclude"), []byte("out\n"), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "out"), []byte("x"), 0o644))
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := make(t)
			p, err := provenance.Collect(t.Context(), &provenance.Options{Dir: dir})
			require.NoError(t, err)
			require.Equal(t, run(t, dir, "rev-parse", "HEAD"), p.Revision, "%v", p.Warnings)
			require.Equal(t, run(t, dir, "branch", "--show-current"), p.Branch)
			require.False(t, p.Dirty)
			require.False(t, p.RevisionTime.IsZero())
			code, err := provenance.Snapshot(t.Context(), dir)
			require.NoError(t, err)
			_, err = fs.ReadFile(code, "train.go")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "train.go"), []byte("package other"), 0o644))
			p, err = provenance.Collect(t.Context(), &provenance.Options{Dir: dir})
			require.NoError(t, err)
			require.True(t, p.Dirty)
		})
	}
}

// What git tracked and is a link by now leads out of no directory.
func TestSnapshotsFollowNoLinks(t *testing.T) {
	dir := repository(t)
	secret := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(secret, "scale.go"), []byte("secret"), 0o600))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "features")))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "features")))
	code, err := provenance.Snapshot(t.Context(), dir)
	require.NoError(t, err)
	_, err = fs.ReadFile(code, "features/scale.go")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A link in .git may lead to any file of this machine. What it says is told nowhere: warnings are registered with the model.
func TestLinksInARepositoryTellNothing(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "credentials")
	for _, text := range []string{"[default] key=hunter2pw\n", "ref: hunter2pw\n", "ref: refs/heads/hunter2pw\n"} {
		require.NoError(t, os.WriteFile(secret, []byte(text), 0o600))
		for _, name := range []string{"HEAD", "refs/heads/experiment/lr", "packed-refs", "config", "commondir"} {
			dir := repository(t)
			file := filepath.Join(dir, ".git", filepath.FromSlash(name))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, ".git", "refs", "heads", "experiment")))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.RemoveAll(file))
			require.NoError(t, os.Symlink(secret, file))
			p, err := provenance.Collect(t.Context(), &provenance.Options{Dir: dir})
			require.NoError(t, err)
			require.NotEmpty(t, p.Warnings)
			require.NotContains(t, fmt.Sprintf("%+v", p), "hunter2pw", "%s that says %q", name, text)
		}
	}
}

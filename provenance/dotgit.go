package provenance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// gitDirs are the directories of a repository.
type gitDirs struct {
	top    string // of the working files
	own    string // of this working directory: its HEAD and index
	common string // of all that share the repository: its objects and branches
}

const (
	maxDotGit = 64 << 10 // bytes of a small file below .git
	maxInfo   = 1 << 20  // of a list of patterns
	maxRefs   = 64 << 20 // of the list of branches
)

var errNoCommit = errors.New("HEAD: its branch has no commit yet")

var errNoGit = errors.New("not a git repository, nor is a directory above it one")

// findGit finds the repository that a directory is in.
func findGit(dir string) (*gitDirs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for top := dir; ; top = filepath.Dir(top) {
		info, err := os.Stat(filepath.Join(top, ".git"))
		switch {
		case err == nil:
			return dirsOf(top, info)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case top == filepath.Dir(top):
			return nil, errNoGit
		}
	}
}

func dirsOf(top string, info fs.FileInfo) (*gitDirs, error) {
	own := filepath.Join(top, ".git")
	if !info.IsDir() { // a worktree or a submodule: it says where
		text, err := readSmall(own)
		if err != nil {
			return nil, err
		}
		path, ok := strings.CutPrefix(text, "gitdir: ")
		if !ok {
			return nil, fmt.Errorf("%w: .git does not say where it is", errNoGit)
		}
		own = under(top, path)
	}
	common := own
	switch text, err := readSmall(filepath.Join(own, "commondir")); {
	case err == nil:
		common = under(own, text)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return &gitDirs{top, own, common}, nil
}

// under is a path that is below dir unless it is absolute.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// head is the commit that is checked out, and the branch, or "". A branch whose commit is not found is not told.
func (g *gitDirs) head() (revision, branch string, err error) {
	text, err := readSmall(filepath.Join(g.own, "HEAD"))
	if err != nil {
		return "", "", err
	}
	ref, symbolic := strings.CutPrefix(text, "ref: ")
	if !symbolic {
		return text, "", checkRevision(text)
	}
	branch = strings.TrimPrefix(ref, "refs/heads/")
	for range 5 { // a branch may stand for another
		if !fs.ValidPath(ref) || !strings.HasPrefix(ref, "refs/") {
			return "", "", errors.New("HEAD: it names no branch")
		}
		text, err := g.ref(ref)
		if err != nil {
			return "", "", err
		}
		if ref, symbolic = strings.CutPrefix(text, "ref: "); !symbolic {
			return text, branch, checkRevision(text)
		}
	}
	return "", "", errors.New("HEAD: the branches name each other")
}

// checkRevision does not cite what is no commit: a link in .git may lead to any file of this machine, and warnings are
// registered with the model.
func checkRevision(text string) error {
	if !revisionRE.MatchString(text) {
		return errors.New("HEAD: what it says is no commit")
	}
	return nil
}

// ref is what a file of a branch says, or the list of all.
func (g *gitDirs) ref(name string) (string, error) {
	text, err := readSmall(filepath.Join(g.common, filepath.FromSlash(name)))
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	packed, err := openRegular(filepath.Join(g.common, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNoCommit
	}
	if err != nil {
		return "", err
	}
	defer packed.Close() // only read
	lines := bufio.NewScanner(io.LimitReader(packed, maxRefs))
	for lines.Scan() {
		if revision, ref, ok := strings.Cut(lines.Text(), " "); ok && ref == name {
			return revision, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("list of branches: %w", err)
	}
	return "", errNoCommit
}

// readSmall reads a file of one line.
func readSmall(path string) (string, error) {
	f, err := openRegular(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxDotGit))
	return strings.TrimRight(string(text), "\r\n"), errors.Join(err, f.Close())
}

// openRegular opens a file that is one: opening a pipe would wait for a writer.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return os.Open(path)
}

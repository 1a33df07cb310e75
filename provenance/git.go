package provenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// A working directory may come from anybody, with the .git in it, and a repository's configuration names programs in more
// ways than can be listed: filters, hooks, fsmonitor, text conversions, helpers, and files that say more. So git never sees
// it: what .git says is read here, and git compares the files with a directory of settings that is made for this, in which
// there is nothing but what cannot run anything. Nor do the environment's GIT_ variables count, which may be about another
// repository, or the user's own settings, whose filters a repository can ask for by its attributes.

// A repository is what git says of a working directory.
type repository struct {
	revision string
	time     time.Time
	branch   string // "" if none is checked out
	remote   string
	dirty    bool
	problem  string // why nothing is known
}

// harmless are the settings that say what files mean to git. They name no program and no file of the repository's choice.
const harmless = `core\.(filemode|ignorecase|autocrlf|eol|symlinks|precomposeunicode)`

// A question is git, asked about a repository.
type question struct {
	ctx context.Context
	at  *gitDirs
	dir string   // where it is asked
	own string   // the directory of settings
	env []string // for all commands
}

// ask gets ready to ask git about the repository that a directory is in.
func ask(ctx context.Context, dir string) (q *question, err error) {
	if dir == "" {
		dir = "."
	}
	at, err := findGit(dir)
	if err != nil {
		return nil, err
	}
	own, err := os.MkdirTemp("", "modelregistry-git-")
	if err != nil {
		return nil, err
	}
	q = &question{ctx: ctx, at: at, dir: dir, own: own}
	if err := q.prepare(); err != nil {
		return nil, errors.Join(err, q.close())
	}
	return q, nil
}

func (q *question) close() error { return os.RemoveAll(q.own) }

// prepare makes a git directory with settings of its own, and the repository's objects and index.
func (q *question) prepare() error {
	err := errors.Join(
		os.Mkdir(filepath.Join(q.own, "refs"), 0o700),
		os.WriteFile(filepath.Join(q.own, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600),
		q.configure(settings),
		os.Mkdir(filepath.Join(q.own, "info"), 0o700),
		q.copyInfo("exclude"), q.copyInfo("attributes"),
	)
	if err != nil {
		return err
	}
	shared, err := filepath.Glob(filepath.Join(q.at.own, "sharedindex.*")) // that the index is split into
	if err != nil {
		return err
	}
	for _, path := range shared {
		if err := os.Symlink(path, filepath.Join(q.own, filepath.Base(path))); err != nil {
			return err
		}
	}
	q.env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(strings.ToUpper(v), "GIT_") }),
		"GIT_DIR="+q.own, "GIT_WORK_TREE="+q.at.top, "GIT_INDEX_FILE="+filepath.Join(q.at.own, "index"),
		"GIT_OBJECT_DIRECTORY="+filepath.Join(q.at.common, "objects"),
		"GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	user, _ := q.git("config", "-z", "--get-regexp", `^(`+harmless+`|core\.excludesfile)$`) // it fails if there are none
	q.env = append(q.env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	theirs, _ := q.git("config", "-z", "--file", filepath.Join(q.at.common, "config"), "--no-includes", "--get-regexp",
		`^(`+harmless+`|extensions\.objectformat)$`)
	count := 0
	for setting := range strings.SplitSeq(user+theirs, "\x00") {
		name, value, ok := strings.Cut(setting, "\n")
		switch {
		case !ok: // nothing, or a name alone
		case name == "extensions.objectformat" && value == "sha256":
			if err := q.configure(settings + "[extensions]\nobjectformat = sha256\n"); err != nil {
				return err
			}
		case name != "extensions.objectformat":
			q.env = append(q.env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", count, name), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", count, value))
			count++
		}
	}
	q.env = append(q.env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", count))
	return nil
}

const settings = "[core]\nrepositoryformatversion = 1\nbare = false\n"

func (q *question) configure(settings string) error {
	return os.WriteFile(filepath.Join(q.own, "config"), []byte(settings), 0o600)
}

// copyInfo copies one of the lists of patterns that a repository has besides those among its files.
func (q *question) copyInfo(name string) error {
	f, err := openRegular(filepath.Join(q.at.common, "info", name))
	if err != nil {
		return nil //nolint:nilerr // there is none that could be read
	}
	text, err := io.ReadAll(io.LimitReader(f, maxInfo))
	return errors.Join(err, f.Close(), os.WriteFile(filepath.Join(q.own, "info", name), text, 0o600))
}

// git runs one git command. It asks nobody for anything and takes no locks.
func (q *question) git(args ...string) (string, error) {
	cmd := exec.CommandContext(q.ctx, "git", append([]string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull}, args...)...)
	cmd.Dir, cmd.Env = q.dir, q.env
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if q.ctx.Err() != nil {
			return "", context.Cause(q.ctx)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(problem.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, first)
	}
	return out.String(), nil
}

var revisionRE = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// fromGit asks git. Only the end of ctx is an error.
func fromGit(ctx context.Context, dir string) (*repository, error) {
	r, err := askAll(ctx, dir)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return &repository{problem: "git is not installed"}, nil
	case err != nil:
		return &repository{problem: "no git repository was found: " + err.Error()}, nil
	}
	return r, nil
}

func askAll(ctx context.Context, dir string) (r *repository, err error) {
	q, err := ask(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.close()) }()
	r = new(repository)
	if r.revision, r.branch, err = q.at.head(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(q.own, "HEAD"), []byte(r.revision+"\n"), 0o600); err != nil {
		return nil, err
	}
	at, err := q.git("log", "--no-walk", "--no-show-signature", "--format=%cI", r.revision)
	if err != nil {
		return nil, err
	}
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(at)); err == nil {
		r.time = t.UTC()
	}
	remote, err := q.git("config", "--file", filepath.Join(q.at.common, "config"), "--no-includes", "--get", "remote.origin.url")
	if err == nil {
		r.remote = plainRemote(strings.TrimSpace(remote))
	}
	// Within submodules nothing is looked at: git would ask each by its own settings.
	status, err := q.git("status", "--porcelain", "--ignore-submodules=dirty")
	// What cannot be told clean is not called so.
	r.dirty = err != nil || status != ""
	return r, nil
}

// plainRemote is a repository's address without user and password, and for all ways to write it the same:
// "github.com/team/code" for https://token@github.com/team/code.git and git@github.com:team/code.git alike.
func plainRemote(remote string) string {
	remote = modelregistry.MaskSecrets([]string{remote})[0]
	if _, rest, ok := strings.Cut(remote, "://"); ok {
		remote = rest
	} else if host, path, ok := strings.Cut(remote, ":"); ok && !strings.Contains(host, "/") {
		remote = host + "/" + strings.TrimPrefix(path, "/") // as scp writes it
	}
	if user, rest, ok := strings.Cut(remote, "@"); ok && !strings.Contains(user, "/") {
		remote = rest
	}
	return strings.TrimSuffix(strings.TrimSuffix(remote, "/"), ".git")
}

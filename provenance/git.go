package provenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// A repository is what git says of a working directory.
type repository struct {
	revision string
	time     time.Time
	branch   string // "" if none is checked out
	remote   string
	dirty    bool
	problem  string // why nothing is known
}

// git runs one git command in dir. It asks nobody for anything, takes no locks, and runs none of the programs that a
// repository's configuration may name.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(problem.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, first)
	}
	return out.String(), nil
}

// fromGit asks git. Only the end of ctx is an error.
func fromGit(ctx context.Context, dir string) (*repository, error) {
	r := new(repository)
	head, err := git(ctx, dir, "log", "-1", "--no-show-signature", "--format=%H %cI")
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		r.problem = "no git repository was found: " + err.Error()
		if errors.Is(err, exec.ErrNotFound) {
			r.problem = "git is not installed"
		}
		return r, nil
	}
	revision, at, _ := strings.Cut(strings.TrimSpace(head), " ")
	r.revision = revision
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		r.time = t.UTC()
	}
	if branch, err := git(ctx, dir, "symbolic-ref", "--short", "-q", "HEAD"); err == nil {
		r.branch = strings.TrimSpace(branch)
	}
	if remote, err := git(ctx, dir, "config", "--get", "remote.origin.url"); err == nil {
		r.remote = plainRemote(strings.TrimSpace(remote))
	}
	status, err := git(ctx, dir, "status", "--porcelain")
	// What cannot be told clean is not called so.
	r.dirty = err != nil || status != ""
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
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

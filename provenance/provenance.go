// Package provenance finds out how the running program came to be, for the versions that it registers: the commit, branch
// and cleanness of its code, the modules that it was built with, the platform, and the command line.
//
//	p, err := provenance.Collect(ctx, nil)
//	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{Files: files, Provenance: p})
//
// The commit comes from what the go command stamped into the binary, and else, or for the branch and the repository's
// address, from the git repository that the working directory is in. Where neither is there, that is a warning in the result
// and no error. A repository may be a stranger's: nothing that its settings, hooks or attributes name is run. A file that only
// a filter could tell unchanged, of Git LFS for example, counts as changed when it was touched.
package provenance

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Options configure Collect. Nil means all defaults.
type Options struct {
	// Dir is where to look for a git repository; "" is the working directory.
	Dir string
	// NoGit leaves git alone.
	NoGit bool
	// Host and User allow to say on which machine and as whom the program runs.
	Host bool
	User bool
	// Args is the command line; nil is os.Args. Its secrets are masked: see modelregistry.MaskSecrets. An empty one
	// that is not nil leaves it out.
	Args []string
}

// Collect finds out what it can. It fails only if ctx ends.
func Collect(ctx context.Context, opts *Options) (*modelregistry.Provenance, error) {
	if opts == nil {
		opts = &Options{}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	p := fromBuild(info)
	p.OS, p.Arch = runtime.GOOS, runtime.GOARCH
	if !opts.NoGit {
		repository, err := fromGit(ctx, opts.Dir)
		if err != nil {
			return nil, fmt.Errorf("collect provenance: %w", err)
		}
		combine(p, repository)
	}
	args := opts.Args
	if args == nil {
		args = os.Args
	}
	p.Command = modelregistry.MaskSecrets(args)
	if opts.Host {
		p.Host, _ = os.Hostname()
	}
	if u, err := user.Current(); opts.User && err == nil {
		p.User = u.Username
	}
	warn(p)
	return p, nil
}

// fromBuild is what the go command stamped into the binary.
func fromBuild(info *debug.BuildInfo) *modelregistry.Provenance {
	p := &modelregistry.Provenance{GoVersion: info.GoVersion, Program: info.Path, Module: module(&info.Main)}
	for _, dep := range info.Deps {
		p.Modules = append(p.Modules, module(dep))
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			p.Revision = s.Value
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				p.RevisionTime = t.UTC()
			}
		case "vcs.modified":
			p.Dirty = s.Value == "true"
		}
	}
	return p
}

func module(m *debug.Module) modelregistry.Module {
	out := modelregistry.Module{Path: m.Path, Version: m.Version, Sum: m.Sum}
	if r := m.Replace; r != nil {
		out.Sum, out.Replace = r.Sum, r.Path
		if r.Version != "" {
			out.Replace += "@" + r.Version
		}
	}
	return out
}

// combine adds what the repository says to what the binary says, which knows better what code it was made from.
func combine(p *modelregistry.Provenance, r *repository) {
	switch {
	case r.problem != "":
		if p.Revision == "" {
			p.Warnings = append(p.Warnings, r.problem)
		}
		return
	case p.Revision == "":
		p.Revision, p.RevisionTime, p.Dirty = r.revision, r.time, r.dirty
	case p.Revision != r.revision:
		// The repository here may be another one altogether: its address and branch would be false witnesses.
		p.Warnings = append(p.Warnings, fmt.Sprintf("the program was built from %s, the repository in its working directory is at %s", p.Revision, r.revision))
		return
	}
	p.Branch, p.Remote = r.branch, r.remote
	p.Dirty = p.Dirty || r.dirty
}

// warn says what makes it doubtful that the version can be made again.
func warn(p *modelregistry.Provenance) {
	switch {
	case p.Revision == "":
		p.Warnings = append(p.Warnings, "the commit of the code is not known")
	case p.Dirty:
		p.Warnings = append(p.Warnings, "the code was changed since its commit "+p.Revision)
	}
	for _, m := range p.Modules {
		if m.Replace != "" && m.Sum == "" {
			p.Warnings = append(p.Warnings, fmt.Sprintf("module %s was replaced by the directory %s", m.Path, m.Replace))
		}
	}
}

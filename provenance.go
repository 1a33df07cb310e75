package modelregistry

import (
	"fmt"
	"slices"
	"time"
)

// Provenance says how and from what code a version was made. Package provenance collects it in the program that trains;
// registering a version with it also records, in its lineage, that the commit produced it.
type Provenance struct {
	// Revision is the commit of the code, "" if it is not known, RevisionTime when that was made, and Branch where.
	Revision     string    `json:"revision,omitempty"`
	RevisionTime time.Time `json:"revision_time,omitzero"`
	Branch       string    `json:"branch,omitempty"`
	// Remote is the repository's address, without credentials.
	Remote string `json:"remote,omitempty"`
	// Dirty says that the code was not that of the commit: something was changed and not committed.
	Dirty bool `json:"dirty,omitempty"`

	Program   string   `json:"program,omitempty"` // the main package's path
	Module    Module   `json:"module,omitzero"`   // that it belongs to
	Modules   []Module `json:"modules,omitempty"` // that it was built with
	GoVersion string   `json:"go_version,omitempty"`
	OS        string   `json:"os,omitempty"`   // as GOOS
	Arch      string   `json:"arch,omitempty"` // as GOARCH

	Host    string   `json:"host,omitempty"`    // only if that was allowed
	User    string   `json:"user,omitempty"`    // only if that was allowed
	Command []string `json:"command,omitempty"` // the command line; registering masks secrets in it, see MaskSecrets
	// Warnings say what makes it doubtful that the version can be made again, such as a dirty tree.
	Warnings []string `json:"warnings,omitempty"`
}

// A Module is a Go module.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version,omitempty"`
	Sum     string `json:"sum,omitempty"`     // as in go.sum
	Replace string `json:"replace,omitempty"` // what it was replaced by: a path, or another module and its version
}

// Code is the commit in the lineage; false if it is not known. It goes by the repository's address, or if that is not
// known by the module's path.
func (p *Provenance) Code() (Node, bool) {
	name := p.Remote
	if name == "" {
		name = p.Module.Path
	}
	return Node{Kind: CodeCommit, Name: name, Version: p.Revision}, name != "" && p.Revision != ""
}

// clean is p without secrets, and with its time as it is stored.
func (p *Provenance) clean() *Provenance {
	c := *p
	c.Command = MaskSecrets(p.Command)
	c.Remote = maskURL(p.Remote)
	c.RevisionTime = micro(p.RevisionTime)
	return &c
}

func (p *Provenance) check() error {
	if len(p.Modules) > maxEntries || len(p.Command) > maxEntries || len(p.Warnings) > maxEntries {
		return fmt.Errorf("provenance: %w: more than %d modules, arguments or warnings", ErrInvalid, maxEntries)
	}
	texts := slices.Concat([]string{p.Revision, p.Branch, p.Remote, p.Program, p.GoVersion, p.OS, p.Arch, p.Host, p.User}, p.Command, p.Warnings)
	for _, m := range append([]Module{p.Module}, p.Modules...) {
		texts = append(texts, m.Path, m.Version, m.Sum, m.Replace)
	}
	for _, text := range texts {
		if err := checkText("text", text, maxTagValue); err != nil {
			return fmt.Errorf("provenance: %w", err)
		}
	}
	if code, ok := p.Code(); ok {
		if err := code.check(); err != nil {
			return fmt.Errorf("provenance: %w", err)
		}
	}
	return nil
}

// withCode adds the commit to what a new version came from, unless the caller said so.
func (p *Provenance) withCode(origins []Origin) []Origin {
	if p == nil {
		return origins
	}
	code, ok := p.clean().Code()
	if !ok || slices.ContainsFunc(origins, func(o Origin) bool { return o.Type == ProducedBy && o.Node.id("") == code.id("") }) {
		return origins
	}
	return append(slices.Clip(origins), Origin{Type: ProducedBy, Node: code})
}

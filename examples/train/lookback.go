package main

import (
	"context"
	"io"
	"io/fs"

	"github.com/modelregistry-go/modelregistry"
)

// lookBack asks what only history and lineage know.
func (p *pipeline) lookBack(ctx context.Context) error {
	v, err := p.reg.Resolve(ctx, production)
	if err != nil {
		return err
	}
	p.out.printf("Who approved %s for Production, and what did the gates say?\n", v.Ref())
	for e, err := range p.reg.Events(ctx, modelregistry.EventQuery{Model: modelName, Version: v.Number}) {
		if err != nil {
			return err
		}
		p.out.printf("  %s\n", e)
		for _, said := range e.Verdicts {
			p.out.printf("    %s\n", said)
		}
	}

	p.out.printf("Which versions in Production came from this data?\n")
	impact, err := modelregistry.ImpactOf(ctx, p.reg, p.data, nil)
	if err != nil {
		return err
	}
	for i, hit := range impact.Versions {
		p.out.printf("  %s\n", hit.Ref())
		for _, e := range impact.Paths[i] {
			p.out.printf("    %s %s\n", e.Type, e.To)
		}
	}

	facts, err := p.reg.Facts(ctx, v)
	if err != nil {
		return err
	}
	made := facts.Provenance
	p.out.printf("What made it?\n  %s %s on %s/%s, commit %q\n", made.Program, made.GoVersion, made.OS, made.Arch, made.Revision)
	return nil
}

// verify reads every file of every version to its end, and recomputes the chain of the history.
func (p *pipeline) verify(ctx context.Context) error {
	versions, bytes := 0, int64(0)
	for v, err := range p.reg.Versions(ctx, modelregistry.Query{Filter: "name = " + modelregistry.Quote(modelName)}) {
		if err != nil {
			return err
		}
		n, err := readAll(p.reg.Files(ctx, v))
		if err != nil {
			return err // ErrCorrupt: a file is not what was registered
		}
		versions++
		bytes += n
	}
	report, err := p.reg.Verify(ctx, modelName)
	if err != nil {
		return err // ErrCorrupt: the report says which event was altered
	}
	p.out.printf("%d versions, %d bytes, %d events: all as they were written\n", versions, bytes, report.Events)
	return nil
}

func readAll(files fs.FS) (bytes int64, err error) {
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f, err := files.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(io.Discard, f)
		bytes += n
		return err
	})
	return bytes, err
}

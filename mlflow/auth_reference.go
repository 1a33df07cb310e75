package mlflow

import (
	"errors"
	"io/fs"

	"github.com/modelregistry-go/modelregistry"
)

// mayReference asks whether the caller may read a run and logged models that a request names to say where something comes
// from: else who may not read them could see from the answer that they are there, and tie something of his to them. An empty
// run is none.
func (c *call) mayReference(run string, models []string) error {
	if c.s.opts.Authorize == nil {
		return nil
	}
	if run != "" {
		if _, err := c.sourceRun(run); err != nil {
			return err
		}
	}
	return c.authorizeModels(Read, models)
}

// mayReadBelow asks whether the caller may read the artifact at path, or all below it: he is about to make a version of them,
// whose files he may read. An empty path is none.
func (c *call) mayReadBelow(reg modelregistry.Registry, path string) error {
	if c.s.opts.Authorize == nil || path == "" {
		return nil
	}
	if !c.may(Read, artifactResource(path)) {
		return c.denied
	}
	return fs.WalkDir(reg.Artifacts(c.r.Context(), path), ".", func(below string, _ fs.DirEntry, err error) error {
		switch {
		case below == "." && err != nil && isMissing(err): // a file, or nothing: that is for the registry to say
			return nil
		case err != nil:
			return err
		case below != "." && !c.may(Read, artifactResource(path+"/"+below)):
			return c.denied
		}
		return nil
	})
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, modelregistry.ErrNotFound) || errors.Is(err, modelregistry.ErrInvalid)
}

package mlflow

import (
	"cmp"
	"errors"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// versionArtifacts is the first element of the paths under which the files of versions can be read:
// registry/<model ID>/<version>/<path>. The ID, since a model may be renamed, or deleted and its name used again.
const versionArtifacts = "registry"

// versionArtifactPath is where among the artifacts the files of a version are.
func versionArtifactPath(v *modelregistry.Version) string {
	return versionArtifacts + "/" + v.ModelID + "/" + strconv.Itoa(v.Number)
}

func versionPath(path string) bool {
	return path == versionArtifacts || strings.HasPrefix(path, versionArtifacts+"/")
}

// versionFiles is the files of the version that a path is of, and what remains of the path; "." if nothing does.
func (c *call) versionFiles(path string) (files fs.FS, rest string, err error) {
	parts := strings.SplitN(path, "/", 4)
	parts = append(parts, make([]string, 4-len(parts))...)
	id, rest := parts[1], cmp.Or(parts[3], ".")
	number, err := strconv.Atoi(parts[2])
	if err != nil || strconv.Itoa(number) != parts[2] {
		number = 0
	}
	name, err := c.modelName(id)
	if err != nil {
		return nil, "", err
	}
	// Also of what is not there, so that who may not read a model cannot find out that it is.
	reg, err := c.authorizeVersion(Read, name, number)
	switch {
	case err != nil:
		return nil, "", err
	case name == "" || number < 1:
		return nil, "", fs.ErrNotExist
	}
	v, err := reg.Version(c.r.Context(), name, number)
	if err != nil {
		return nil, "", err
	}
	if v.ModelID != id { // renamed meanwhile
		return nil, "", fs.ErrNotExist
	}
	return reg.Files(c.r.Context(), v), rest, nil
}

// modelName is the name of the model with an ID, or "". The caller has yet to be authorized for what it names.
func (c *call) modelName(id string) (string, error) {
	if id == "" {
		return "", nil
	}
	page, err := c.s.reg.SearchModels(c.r.Context(), modelregistry.Query{Filter: "model_id = " + modelregistry.Quote(id), PageSize: 1})
	if errors.Is(err, modelregistry.ErrInvalid) { // nothing that could be an ID
		return "", nil
	}
	if err != nil || len(page.Models) == 0 {
		return "", err
	}
	return page.Models[0].Name, nil
}

func (c *call) openVersionPath(path string) (any, error) {
	fsys, rest, err := c.versionFiles(path)
	if err != nil {
		return nil, noArtifact(err, path)
	}
	return c.openFile(fsys, rest, path)
}

// openFile answers with the file at path; called is what the client called it.
func (c *call) openFile(fsys fs.FS, path, called string) (any, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, noArtifact(err, called)
	}
	return c.serveFile(f, called)
}

func (c *call) listVersionPath(path string) (any, error) {
	fsys, rest, err := c.versionFiles(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, modelregistry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(fsys, rest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, nil
	}
	found, err := fs.ReadDir(fsys, rest)
	if err != nil {
		return nil, err
	}
	return c.answerFiles(versionEntries(found))
}

func versionEntries(found []fs.DirEntry) iter.Seq2[artifactJSON, error] {
	return func(yield func(artifactJSON, error) bool) {
		for _, e := range found {
			info, err := e.Info()
			if err != nil {
				yield(artifactJSON{}, err)
				return
			}
			if !yield(artifactJSON{e.Name(), e.IsDir(), info.Size()}, nil) {
				return
			}
		}
	}
}

func (c *call) getVersionArtifact() (any, error) {
	name, version, path := c.required("name"), c.required("version"), c.required("path")
	if c.problem != nil {
		return nil, c.problem
	}
	number, err := parseVersion(version)
	if err != nil {
		return nil, err
	}
	reg, err := c.authorizeVersion(Read, name, number)
	if err != nil {
		return nil, err
	}
	path, err = queriedPath(path)
	if err == nil && path == "" {
		err = errPath
	}
	if err != nil {
		return nil, err
	}
	v, err := reg.Version(c.r.Context(), name, number)
	if err != nil {
		return nil, orNotFound(err, "Model Version (name=%s, version=%d) not found", clip(name), number)
	}
	return c.openFile(reg.Files(c.r.Context(), v), path, path)
}

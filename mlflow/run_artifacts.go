package mlflow

import (
	"errors"

	"github.com/modelregistry-go/modelregistry"
)

type artifactsJSON struct {
	RootURI string         `json:"root_uri"`
	Files   []artifactJSON `json:"files,omitempty"`
	Next    string         `json:"next_page_token,omitempty"`
}

type artifactJSON struct {
	Path  string `json:"path"`
	IsDir bool   `json:"is_dir"`
	Size  int64  `json:"file_size,omitempty"`
}

func (c *call) listRunArtifacts() (any, error) {
	id, path := c.runID(), c.text("path")
	if c.problem != nil {
		return nil, c.problem
	}
	reg, run, err := c.run(Read, id)
	if err != nil {
		return nil, err
	}
	return c.listArtifacts(reg, run.Artifacts, path)
}

func (c *call) listModelArtifacts() (any, error) {
	path := c.text("artifact_directory_path")
	if c.problem != nil {
		return nil, c.problem
	}
	reg, m, err := c.loggedModel(Read)
	if err != nil {
		return nil, err
	}
	return c.listArtifacts(reg, m.Artifacts, path)
}

// listArtifacts answers with a directory below root, whose paths are told from root on.
func (c *call) listArtifacts(reg modelregistry.Registry, root, path string) (any, error) {
	if schemeRE.MatchString(root) {
		return nil, invalid("The artifacts are at %s, which clients open and this server does not.", root)
	}
	path, err := queriedPath(path)
	if err != nil {
		return nil, err
	}
	dir, prefix := root, ""
	if path != "" {
		dir, prefix = root+"/"+path, path+"/"
	}
	q := modelregistry.Query{PageToken: c.pageToken()}
	if c.problem != nil {
		return nil, c.problem
	}
	if !c.may(Read, artifactResource(dir)) {
		return nil, c.denied
	}
	files, next, err := fill(corePage, q, func(q modelregistry.Query) ([]modelregistry.Artifact, string, error) {
		page, err := reg.ListArtifacts(c.r.Context(), dir, q)
		return page.Artifacts, page.Next, err
	}, func(a modelregistry.Artifact) bool { return c.may(Read, artifactResource(dir+"/"+a.Name)) })
	if err != nil {
		if q.PageToken == "" && errors.Is(err, modelregistry.ErrInvalid) {
			return nil, invalid("Invalid path")
		}
		return nil, err
	}
	return artifactsJSON{artifactURI(root), each(files, func(a modelregistry.Artifact) artifactJSON {
		return artifactJSON{prefix + a.Name, a.IsDir, a.Size}
	}), c.wireToken(next)}, nil
}

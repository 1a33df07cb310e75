package mlflow

import (
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"net/http"
	"strings"
	"unicode"

	"github.com/modelregistry-go/modelregistry"
)

// artifactAPI is where MLflow's clients find what has an mlflow-artifacts: URI.
const artifactAPI = "2.0/mlflow-artifacts/"

// artifactRoutes are those that move files.
func artifactRoutes() []route {
	const files, path = artifactAPI + "artifacts", "/{path...}"
	out := []route{
		{method: http.MethodPut, path: files + path, about: "store a file", handle: (*call).putArtifact, raw: true},
		{method: http.MethodGet, path: files + path, about: "read a file, or a range of it", handle: (*call).getArtifact, raw: true},
		{method: http.MethodGet, path: files, about: "list a directory", handle: (*call).listDirectory},
		{method: http.MethodDelete, path: files + path, about: "delete a file, or a directory with all below it", handle: (*call).deleteArtifacts, raw: true},
		{method: http.MethodGet, path: "/get-artifact", about: "read a file of a run", handle: (*call).getRunArtifact},
		{method: http.MethodGet, path: "/model-versions/get-artifact", about: "read a file of a version", handle: (*call).getVersionArtifact},
		{method: http.MethodGet, path: "logged-models/{model_id}/artifacts/files", about: "read a file of a logged model", handle: (*call).getModelArtifact},
	}
	for _, step := range []string{"create", "complete", "abort"} {
		out = append(out, route{method: http.MethodPost, path: artifactAPI + "mpu/" + step + path,
			about: "answers that files are not uploaded in parts", handle: (*call).uploadPart, raw: true})
	}
	return append(out, route{method: http.MethodGet, path: artifactAPI + "presigned" + path,
		about: "answers that there are no presigned URLs", handle: (*call).presigned, raw: true})
}

func artifactResource(path string) Resource { return Resource{Kind: KindArtifact, Name: path} }

// writableArtifact is the path among the artifacts that the URL names, and the registry for changing what is there.
func (c *call) writableArtifact(action Action) (modelregistry.Registry, string, error) {
	given := c.r.PathValue("path")
	path, err := storedPath(given)
	if err != nil {
		return nil, "", err
	}
	reg, err := c.authorize(action, artifactResource(path))
	switch {
	case err != nil:
		return nil, "", err
	case versionPath(path):
		return nil, "", &apiError{Code: "PERMISSION_DENIED", Message: "What is below " + versionArtifacts + "/ are the files of registered versions, which never change."}
	case path == "", action != Delete && strings.HasSuffix(given, "/"): // clients name all of a run's files with a slash behind
		return nil, "", errPath
	}
	return reg, path, nil
}

// checkNewArtifact refuses names that no new file should have. MLflow takes # in a path for a trick, and Windows a backslash
// for a slash: who means them writes them as they are told. What a terminal takes for a command is no part of a name.
func checkNewArtifact(given, path string) error {
	switch {
	case strings.ContainsAny(given, `#\`), strings.Contains(given, "%23"):
		return errPath
	case strings.ContainsFunc(path, unicode.IsControl):
		return invalid("Invalid path %q: the name of a file has no control characters.", clip(path))
	}
	return nil
}

func (c *call) putArtifact() (any, error) {
	reg, path, err := c.writableArtifact(Update)
	if err == nil {
		err = checkNewArtifact(c.r.PathValue("path"), path)
	}
	if err != nil {
		return nil, err
	}
	if c.r.Header.Get("Content-Range") != "" { // what is there would be replaced by the part
		return nil, invalid("A file is stored as a whole, without Content-Range.")
	}
	c.movesFile()
	_, err = reg.PutArtifact(c.r.Context(), path, c.r.Body)
	return nil, err
}

func (c *call) deleteArtifacts() (any, error) {
	reg, path, err := c.writableArtifact(Delete)
	if err != nil {
		return nil, err
	}
	return nil, reg.DeleteArtifacts(c.r.Context(), path)
}

func (c *call) getArtifact() (any, error) {
	path, err := storedPath(c.r.PathValue("path"))
	switch {
	case err != nil:
		return nil, err
	case path == "":
		return nil, errPath
	case versionPath(path):
		return c.openVersionPath(path)
	}
	reg, err := c.authorize(Read, artifactResource(path))
	if err != nil {
		return nil, err
	}
	return c.openArtifact(reg, path, path)
}

// openArtifact answers with the file at path; called is what the client called it.
func (c *call) openArtifact(reg modelregistry.Registry, path, called string) (any, error) {
	f, err := reg.OpenArtifact(c.r.Context(), path)
	if err != nil {
		return nil, noArtifact(err, called)
	}
	return c.serveFile(f, called)
}

func noArtifact(err error, path string) error {
	if errors.Is(err, modelregistry.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return notFound("No such artifact: '%s'", clip(path))
	}
	return err
}

func (c *call) getRunArtifact() (any, error) {
	id, path := c.text("run_id"), c.required("path")
	if id == "" && c.has("run_uuid") {
		id = c.text("run_uuid")
	} else if id == "" {
		c.missing("run_id")
	}
	if c.problem != nil {
		return nil, c.problem
	}
	_, run, err := c.run(Read, id)
	if err != nil {
		return nil, err
	}
	return c.getBelow(run.Artifacts, path)
}

func (c *call) getModelArtifact() (any, error) {
	path := c.required("artifact_file_path")
	if c.problem != nil {
		return nil, c.problem
	}
	_, m, err := c.loggedModel(Read)
	if err != nil {
		return nil, err
	}
	return c.getBelow(m.Artifacts, path)
}

// getBelow answers with the file at a path below the root that a run or logged model has for its files.
func (c *call) getBelow(root, path string) (any, error) {
	if schemeRE.MatchString(root) {
		return nil, invalid("The artifacts are at %s, which clients open and this server does not.", clip(root))
	}
	path, err := queriedPath(path) // by itself: it must not lead out of root
	if err == nil && path == "" {
		err = errPath
	}
	if err != nil {
		return nil, err
	}
	full := root + "/" + path
	reg, err := c.authorize(Read, artifactResource(full))
	if err != nil {
		return nil, err
	}
	return c.openArtifact(reg, full, path)
}

func (c *call) listDirectory() (any, error) {
	given := c.text("path")
	if c.problem != nil {
		return nil, c.problem
	}
	path, err := storedPath(given)
	switch {
	case err != nil:
		return nil, err
	case versionPath(path):
		return c.listVersionPath(path)
	}
	reg, err := c.authorize(Read, artifactResource(path))
	if err != nil {
		return nil, err
	}
	return c.answerFiles(c.entries(reg, path))
}

const artifactPage = 1000

// entries yields what is in a directory and may be seen.
func (c *call) entries(reg modelregistry.Registry, dir string) iter.Seq2[artifactJSON, error] {
	return func(yield func(artifactJSON, error) bool) {
		q := modelregistry.Query{PageSize: artifactPage}
		for {
			page, err := reg.ListArtifacts(c.r.Context(), dir, q)
			if err != nil {
				yield(artifactJSON{}, err)
				return
			}
			for _, a := range page.Artifacts {
				path := strings.TrimPrefix(dir+"/"+a.Name, "/")
				if c.may(Read, artifactResource(path)) && !yield(artifactJSON{a.Name, a.IsDir, a.Size}, nil) {
					return
				}
			}
			if q.PageToken = page.Next; page.Next == "" {
				return
			}
		}
	}
}

// answerFiles answers with a list of files, as it is read: this API has no pages, and a directory may have a million.
func (c *call) answerFiles(files iter.Seq2[artifactJSON, error]) (any, error) {
	for f, err := range files {
		if err != nil {
			return nil, c.cutOff(err)
		}
		f.Path = wireName(f.Path)
		text, err := json.Marshal(f)
		if err != nil {
			return nil, c.cutOff(err)
		}
		before := `, `
		if !c.answered {
			c.answered = true
			c.movesFile() // or as many names
			c.w.Header().Set("Content-Type", "application/json")
			before = `{"files": [`
		}
		if _, err := c.w.Write(append([]byte(before), text...)); err != nil {
			return nil, nil //nolint:nilerr // a client that is gone does not want the rest
		}
	}
	if c.answered {
		_, _ = c.w.Write([]byte("]}"))
	}
	return nil, nil
}

// uploadPart answers what makes MLflow's clients upload a file as a whole.
func (c *call) uploadPart() (any, error) {
	return c.cannot(Update, "Multipart upload is not supported for the current artifact repository")
}

func (c *call) presigned() (any, error) {
	return c.cannot(Read, "Presigned download is not supported for the current artifact repository")
}

func (c *call) cannot(action Action, message string) (any, error) {
	path, err := storedPath(c.r.PathValue("path"))
	if err != nil {
		return nil, err
	}
	if _, err := c.authorize(action, artifactResource(path)); err != nil {
		return nil, err
	}
	return nil, &apiError{Code: "NOT_IMPLEMENTED", Message: message}
}

package mlflow

import (
	"errors"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// The source of a version is where its files are. It comes from a client, and other clients will go there: so what names
// a file of a server, a host to connect to, or by detours something else than it seems to, is refused, and what is among
// the registry's own artifacts has to be what the request says that it is. The server itself opens none.

// A versionSource is what a client's source comes to.
type versionSource struct {
	text    string // to be kept, as MLflow would
	runID   string // of the run that made it
	modelID string // of the logged model
	// What the version's files are, if the registry has them: a path among its artifacts, or another version.
	artifacts string
	copyOf    *modelregistry.Version
	storage   string // where clients find the files otherwise; "" is at text
}

var sourceSchemeRE = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.\-]*):`)

func sourceScheme(source string) string {
	if m := sourceSchemeRE.FindStringSubmatch(source); m != nil {
		return strings.ToLower(m[1])
	}
	return ""
}

// versionSource reads a source together with the run and the logged model that it is said to be of.
func (c *call) versionSource(source, runID, modelID string) (*versionSource, error) {
	if err := checkSourceScheme(source); err != nil {
		return nil, err
	}
	src := &versionSource{text: source, runID: runID, modelID: modelID}
	scheme := sourceScheme(source)
	if scheme == "models" {
		id, err := modelsSource(source)
		if err != nil {
			return nil, err
		}
		if id == "" {
			return src, c.registeredSource(src)
		}
		if id != modelID {
			return nil, misplaced(source, "model_id")
		}
	}
	owner := "run_id"
	if modelID != "" {
		owner = "model_id"
	}
	if err := checkSourcePath(source, owner); err != nil {
		return nil, err
	}
	if modelID != "" {
		return src, c.loggedSource(src, scheme)
	}
	return src, c.runSource(src, scheme)
}

// checkSourceScheme refuses what names a host that the reader of the files would connect to.
func checkSourceScheme(source string) error {
	scheme := sourceScheme(source)
	if slices.Contains(hostSchemes, scheme) || scheme == "mlflow-artifacts" && strings.HasPrefix(source[len(scheme)+1:], "//") &&
		!strings.HasPrefix(source[len(scheme)+1:], "///") {
		return invalid("'source' cannot use the '%s' scheme: the '%s' scheme addresses a host other than the tracking server's "+
			"configured artifact storage, so the server would connect to the host named in the URI.", scheme, scheme)
	}
	return nil
}

func misplaced(source, parameter string) error {
	return invalid("Invalid model version source: '%s'. The %s request parameter must identify the resource that contains the source.",
		clip(source), parameter)
}

// checkSourcePath refuses paths of files, and those that lead elsewhere than they seem to. owner is the request's parameter
// that says whose the source is.
func checkSourcePath(source, owner string) error {
	scheme := sourceScheme(source)
	if len(scheme) <= 1 || scheme == "file" { // one letter is a drive of Windows
		return invalid("Invalid model version source: '%s'. To use a local path as a model version source, the %s request parameter "+
			"has to be specified and the local path has to be contained within the artifact directory of the run specified by the %s.",
			clip(source), owner, owner)
	}
	if !absolute(source) {
		return invalid("Invalid model version source: '%s'. If supplying a source as an http, https, local file path, ftp, objectstore, "+
			"or mlflow-artifacts uri, an absolute path must be provided without relative path references present. "+
			"Please provide an absolute path.", clip(source))
	}
	return nil
}

// absolute says whether the path of a URL is absolute and has no relative parts, however often it is unquoted, and
// whatever a reader takes for the end of a part.
func absolute(source string) bool {
	for range maxUnquote {
		plain := strings.ReplaceAll(unquote(source), "+", " ")
		if plain == source {
			break
		}
		source = plain
	}
	if strings.ContainsFunc(source, func(r rune) bool { return r < ' ' }) || unquote(source) != source ||
		slices.Contains(strings.FieldsFunc(source, func(r rune) bool { return strings.ContainsRune(`/\;?#`, r) }), "..") {
		return false
	}
	p := urlPath(source)
	return p != "" && p[0] == '/' && path.Clean(p) == p
}

var slashesRE = regexp.MustCompile(`/+`)

// urlPath is the path of a URL, without the slashes at its end and with one for several.
func urlPath(source string) string {
	_, rest, _ := strings.Cut(source, ":")
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		rest = ""
		if slash := strings.IndexByte(after, '/'); slash >= 0 {
			rest = after[slash:]
		}
	}
	return strings.TrimRight(slashesRE.ReplaceAllString(rest, "/"), "/")
}

// modelsSource is the ID of the logged model that a models:/ URI is of, or "" if it is of a registered one.
func modelsSource(source string) (id string, err error) {
	rest := source[len("models:"):]
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if rest = after; !strings.HasPrefix(rest, "/") {
			return "", invalid("Invalid model version source: '%s'. Registered model sources must use the active model registry.", clip(source))
		}
	}
	name, ok := strings.CutPrefix(rest, "/")
	if !ok || name == "" {
		return "", misplaced(source, "model_id")
	}
	if strings.ContainsAny(name, "/@") {
		return "", nil
	}
	return name, nil
}

// registeredSource finds the version that a source names, which becomes that version's number: an alias or stage may
// name another one later. What the request does not say of the run is that version's.
func (c *call) registeredSource(src *versionSource) error {
	u, err := modelregistry.ParseURI(src.text)
	if err != nil || u.Path != "" {
		return misplaced(src.text, "model_id")
	}
	reg, err := c.authorizeModel(Read, u.Model)
	if err != nil {
		return err
	}
	m, err := reg.Model(c.r.Context(), u.Model)
	if err != nil {
		return noModel(err, u.Model)
	}
	if isPrompt(m.Tags) {
		return invalid("Invalid model version source: '%s'. Prompt versions cannot be used as model version sources.", clip(src.text))
	}
	v, err := reg.Resolve(c.r.Context(), src.text)
	switch {
	case errors.Is(err, modelregistry.ErrNotFound) && u.Alias != "":
		return invalid("Registered model alias %s not found.", clip(u.Alias))
	case errors.Is(err, modelregistry.ErrNotFound) && u.Number != 0:
		return noVersion(err, u.Model, u.Number)
	case err != nil:
		return err
	case !c.mayRead(v):
		return c.denied
	}
	modelID := v.Tags.Get(tagModelID)
	if c.has("run_id") && src.runID != v.RunID || c.has("model_id") && src.modelID != modelID {
		return invalid("Invalid model version source: '%s'. The run_id and model_id request parameters must match the referenced model version.",
			clip(src.text))
	}
	src.text, src.runID, src.modelID, src.copyOf = v.URI(), v.RunID, modelID, v
	if v.Digest == "" {
		src.storage = downloadURI(v)
	}
	return nil
}

// loggedSource finds the files of a source that is said to be of a logged model.
func (c *call) loggedSource(src *versionSource, scheme string) error {
	reg, err := c.authorize(Read, Resource{Kind: KindLoggedModel, Name: src.modelID})
	if err != nil {
		return err
	}
	m, err := reg.LoggedModel(c.r.Context(), src.modelID)
	if err != nil {
		return noLoggedModel(err, src.modelID)
	}
	if !c.may(Read, loggedModelResource(m)) {
		return c.denied
	}
	if src.runID == "" {
		src.runID = m.RunID
	}
	switch scheme {
	case "models":
		src.storage = artifactURI(m.Artifacts)
		src.artifacts = ownPath(m.Artifacts)
	case "runs":
		return misplaced(src.text, "model_id")
	case "mlflow-artifacts":
		if src.artifacts = pathBelow(src.text, m.Artifacts); src.artifacts == "" {
			return misplaced(src.text, "model_id")
		}
	}
	return nil
}

// runSource finds the files of a source that is said to be of a run, or of none.
func (c *call) runSource(src *versionSource, scheme string) error {
	if scheme != "runs" && scheme != "mlflow-artifacts" {
		return nil
	}
	rest := ""
	if scheme == "runs" {
		id := strings.TrimPrefix(urlPath(src.text), "/")
		id, rest, _ = strings.Cut(id, "/")
		if strings.HasPrefix(src.text[len("runs:"):], "//") || id != src.runID {
			return misplaced(src.text, "run_id")
		}
	} else if src.runID == "" {
		return misplaced(src.text, "run_id")
	}
	run, err := c.sourceRun(src.runID)
	switch {
	case err != nil:
		return err
	case run == nil && scheme == "runs": // MLflow does not ask whether there is such a run
		return nil
	case run == nil:
		return misplaced(src.text, "run_id")
	case scheme == "runs":
		if own := ownPath(run.Artifacts); own != "" {
			src.artifacts = path.Join(own, rest)
		}
		return nil
	}
	if src.artifacts = pathBelow(src.text, run.Artifacts); src.artifacts == "" {
		return misplaced(src.text, "run_id")
	}
	return nil
}

// sourceRun is a run, or nil.
func (c *call) sourceRun(id string) (*modelregistry.Run, error) {
	reg, err := c.authorize(Read, Resource{Kind: KindRun, Name: id})
	if err != nil {
		return nil, err
	}
	run, err := reg.Run(c.r.Context(), id)
	switch {
	case errors.Is(err, modelregistry.ErrNotFound), errors.Is(err, modelregistry.ErrInvalid), errors.Is(err, errors.ErrUnsupported):
		return nil, nil
	case err != nil:
		return nil, err
	case !c.may(Read, runResource(run)):
		return nil, c.denied
	}
	return run, nil
}

// ownPath is a location that is a path among the registry's artifacts, or "".
func ownPath(location string) string {
	if schemeRE.MatchString(location) {
		return ""
	}
	return location
}

// pathBelow is the path of an mlflow-artifacts: source if it is root or below; else "".
func pathBelow(source, root string) string {
	own := ownPath(root)
	p := strings.TrimPrefix(urlPath(source), "/")
	if own == "" || p != own && !strings.HasPrefix(p, own+"/") {
		return ""
	}
	if plain, err := url.PathUnescape(p); err != nil || plain != p {
		return "" // it has to be read one way only
	}
	return p
}

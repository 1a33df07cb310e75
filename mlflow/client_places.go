package mlflow

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// withoutFiles begins the sources of versions that were registered without files: MLflow wants one of all. An ID follows,
// by which such a version can be told from others.
const withoutFiles = "modelregistry:/without-files"

func isWithoutFiles(source string) bool {
	return source == withoutFiles || strings.HasPrefix(source, withoutFiles+"/")
}

// proxyPath is the endpoint of the artifact proxy.
const proxyPath = "/api/2.0/mlflow-artifacts/artifacts"

// A place is where files are: a directory behind the server's proxy, or what OpenSource opens, or nowhere.
type place struct {
	proxied bool
	dir     string // among the artifacts of the server, "" is the root; or the URL
	empty   bool
	only    string // the one file of dir that is meant, or ""
}

// placeOf reads an artifact URI. mlflow-artifacts: URIs of another host are that host's.
func (c *Client) placeOf(uri string) place {
	if isWithoutFiles(uri) {
		return place{empty: true}
	}
	u, err := url.Parse(uri)
	if err != nil {
		return place{dir: uri}
	}
	dir, ok := "", false
	switch strings.ToLower(u.Scheme) {
	case "mlflow-artifacts":
		dir, ok = u.Path, u.Host == "" || u.Host == c.base.Host
	case "http", "https":
		dir, ok = strings.CutPrefix(u.Path, c.base.Path+proxyPath)
		ok = ok && u.Host == c.base.Host && (dir == "" || dir[0] == '/')
	}
	if !ok || u.RawQuery != "" || u.Fragment != "" {
		return place{dir: uri}
	}
	if dir = cleanPath(strings.Trim(dir, "/")); dir != "" && !fs.ValidPath(dir) {
		return place{dir: uri}
	}
	return place{proxied: true, dir: dir}
}

// artifactsOf is an artifact URI as Run.Artifacts has it: a path behind the proxy, or a URL.
func (c *Client) artifactsOf(uri string) string {
	if p := c.placeOf(uri); p.proxied {
		return p.dir
	}
	return uri
}

// uriOf is the artifact URI of such a path or URL.
func uriOf(artifacts string) string {
	if strings.Contains(artifacts, ":") {
		if u, err := url.Parse(artifacts); err == nil && u.Scheme != "" {
			return artifacts
		}
	}
	return (&url.URL{Scheme: "mlflow-artifacts", Path: "/" + artifacts, OmitHost: true}).String()
}

// locate finds where the files of a version are.
func (c *Client) locate(ctx context.Context, v *modelregistry.Version) (place, error) {
	if v.Number == 0 && v.RunID != "" { // Resolve made it, of a run
		return c.follow(ctx, v.Source)
	}
	var answer struct {
		URI string `json:"artifact_uri"`
	}
	err := c.call(ctx, get("model-versions/get-download-uri", url.Values{"name": {v.Model}, "version": {strconv.Itoa(v.Number)}}), &answer)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", versionText(v.Model, v.Number), err)
	}
	return c.follow(ctx, answer.URI)
}

// follow reads an artifact URI, which may name a logged model or a run's directory.
func (c *Client) follow(ctx context.Context, uri string) (place, error) {
	if id, ok := strings.CutPrefix(uri, "models:/"); ok && !strings.ContainsAny(strings.Trim(id, "/"), "/@") {
		id = strings.Trim(id, "/")
		m, err := c.loggedModel(ctx, id)
		if err != nil {
			return place{}, err
		}
		return c.placeOf(uriOf(m.Artifacts)), nil
	}
	if at, ok := strings.CutPrefix(uri, "runs:/"); ok && !strings.HasPrefix(at, "/") {
		u, err := modelregistry.ParseURI("runs:/" + cleanPath(at))
		if err != nil {
			return place{}, err
		}
		run, err := c.run(ctx, u.RunID)
		if err != nil {
			return place{}, err
		}
		return c.leftByRun(ctx, run, u.Path)
	}
	return c.placeOf(uri), nil
}

package mlflow

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// proxied is what a path among the registry's artifacts has in front for MLflow clients: it tells them to come here for it.
const proxied = "mlflow-artifacts:/"

var schemeRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.\-]*:`)

// artifactURI is where clients find what the registry keeps at a location: a path of its own, or a URL elsewhere.
func artifactURI(location string) string {
	if location == "" || schemeRE.MatchString(location) {
		return location
	}
	return proxied + location
}

// hostSchemes name the host that is to be connected to. MLflow refuses them where a client may choose.
var hostSchemes = []string{"ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss"}

const maxLocation = 2048 // characters, as in MLflow

// artifactLocation is artifactURI the other way, for a location that a client has chosen for an experiment.
func artifactLocation(uri string) (string, error) {
	if uri == "" {
		return "", nil
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case len(uri) > maxLocation:
		return "", invalid("Invalid artifact path length. The length of the artifact path cannot be greater than %d characters.", maxLocation)
	case !schemeRE.MatchString(uri), len(scheme) == 1, scheme == "file":
		return "", invalid("Invalid artifact location: '%s'. A local path names a file of this server; use mlflow-artifacts:/ or the URL of a store.", clip(uri))
	case scheme == "runs", scheme == "models":
		return "", invalid("Artifact location cannot be a %s:/ URI. Given: '%s'", scheme, clip(uri))
	case slices.Contains(hostSchemes, scheme):
		return "", invalid("'artifact_location' cannot use the '%s' scheme: clients would connect to the host that it names.", scheme)
	case strings.ContainsAny(uri, "?#;"):
		return "", invalid("'artifact_location' URL can't include queries, fragments or params.")
	case !plainPath(rest):
		return "", invalid("Invalid artifact location: '%s'. A path has no relative parts.", clip(uri))
	case scheme != "mlflow-artifacts":
		return uri, nil
	}
	location := strings.TrimPrefix(rest, "/")
	if rest == location || location == "" || location[0] == '/' || path.Clean(location) != location || schemeRE.MatchString(location) || versionPath(location) {
		return "", invalid("Invalid artifact location: '%s'. Expected mlflow-artifacts:/ and a path, without a host.", clip(uri))
	}
	return location, nil
}

// plainPath says whether a path has no .. in it, however often it is unescaped.
func plainPath(p string) bool {
	for range 10 {
		if slices.Contains(strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '\\' }), "..") {
			return false
		}
		plain, err := url.PathUnescape(p)
		if err != nil || plain == p {
			return err == nil || !strings.Contains(p, "..")
		}
		p = plain
	}
	return false
}

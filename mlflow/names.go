package mlflow

import (
	"cmp"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry"
)

// The checks in this file are those that MLflow has messages for. What the registry does not take besides, it says itself.

// wrong is the first mistake in the request: of its parameters' types, then of checks.
func (c *call) wrong(checks ...error) error {
	for _, err := range checks {
		c.mistake(err)
	}
	return c.problem
}

func checkModelName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("Missing value for required parameter 'name'.")
	case strings.ContainsAny(name, "/:"):
		return invalid("Invalid model name '%s'. Names cannot contain '/' or ':'.", clip(name))
	}
	return checkPathName("name", name)
}

// checkPathName refuses what would be another name as a path of files.
func checkPathName(parameter, name string) error {
	clean := path.Clean(name)
	if strings.HasPrefix(name, "//") && !strings.HasPrefix(name, "///") {
		clean = "/" + clean // two slashes stay two in Python's normpath
	}
	if clean == name && clean != "." && !strings.HasPrefix(clean, "..") && !strings.HasPrefix(clean, "/") {
		return nil
	}
	return invalid("Invalid value %q for parameter '%s' supplied: Names may be treated as files in certain cases, and must not "+
		"resolve to other names when treated as such. This name would resolve to '%s'", clip(name), parameter, clip(clean))
}

var tagKeyRE = regexp.MustCompile(`^[/\p{L}\p{N}_.\- :]*$`)

func checkTagKey(key string) error {
	if !tagKeyRE.MatchString(key) {
		return invalid("Invalid value %q for parameter 'key' supplied: Names may only contain alphanumerics, underscores (_), "+
			"dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).", clip(key))
	}
	if err := cmp.Or(checkOwnTag(key), checkPathName("key", key)); err != nil {
		return err
	}
	return checkLength("key", key, maxTagKey)
}

// checkOwnTag refuses what the server has tags for itself.
func checkOwnTag(key string) error {
	if strings.HasPrefix(key, ownTags) {
		return invalid("Invalid value %q for parameter 'key' supplied: Names that begin with %s are the server's own.", clip(key), ownTags)
	}
	return nil
}

func checkTag(key, value string) error {
	if err := checkTagKey(key); err != nil {
		return err
	}
	return checkLength("value", value, maxTagValue)
}

func checkTags(tags map[string]string) error {
	for key, value := range tags {
		if err := checkTag(key, value); err != nil {
			return err
		}
	}
	return nil
}

func checkLength(what, text string, limit int) error {
	if utf8.RuneCountInString(text) > limit {
		return invalid("'%s' exceeds the maximum length of %d characters", what, limit)
	}
	return nil
}

var (
	aliasRE        = regexp.MustCompile(`^[\p{L}\p{N}_\-]*$`)
	versionAliasRE = regexp.MustCompile(`^[vV]\p{Nd}+$`)
)

func checkAliasName(alias string) error {
	if !aliasRE.MatchString(alias) {
		return invalid("Invalid alias name: '%s'. Names may only contain alphanumerics, underscores (_), and dashes (-).", clip(alias))
	}
	return checkLength("Registered model alias name", alias, maxAlias)
}

// checkNewAlias is checkAliasName for one that is to be set.
func checkNewAlias(alias string) error {
	switch {
	case isLatest(alias):
		return invalid("'latest' alias name (case insensitive) is reserved.")
	case versionAliasRE.MatchString(alias):
		return invalid("Version alias name '%s' is reserved.", clip(alias))
	}
	return checkAliasName(alias)
}

func isLatest(alias string) bool { return strings.EqualFold(alias, "latest") }

// parseVersion reads the number of a version, which is text in MLflow. No version has the number 0.
func parseVersion(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > math.MaxInt32 || strings.Trim(text, "0123456789") != "" {
		return 0, invalid("Parameter 'version' must be an integer, got '%s'.", clip(text))
	}
	return int(n), nil
}

func parseStage(text string) (modelregistry.Stage, error) {
	stage, err := modelregistry.ParseStage(text)
	if err != nil {
		return "", invalid("Invalid Model Version stage: %s. Value must be one of None, Staging, Production, Archived.", clip(text))
	}
	return stage, nil
}

func noModel(err error, name string) error {
	return orNotFound(err, "Registered Model with name=%s not found", clip(name))
}

func noVersion(err error, name string, number int) error {
	return orNotFound(err, "Model Version (name=%s, version=%d) not found", clip(name), number)
}

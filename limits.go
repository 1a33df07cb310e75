package modelregistry

import (
	"fmt"
	"math"
	"os/user"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits are MLflow's, so that what one registry holds the other can; lengths are in characters. What becomes a part of
// a key or is indexed as unique is never longer than maxKeyBytes: four times 256.
const (
	maxName        = 256
	maxDescription = 5000
	maxKey         = 250
	maxTagValue    = 100_000
	maxParamValue  = 6000
	maxAlias       = 255
	maxSource      = 500
	maxRunID       = 250
	maxRunName     = 250
	maxExperiment  = 500 // and maxKeyBytes, for names of experiments are unique
	maxDataset     = 500
	maxDatasetText = 1 << 20 // a source, a schema or a profile
	maxActor       = 256
	maxReason      = 5000
	maxEntries     = 10_000 // tags, params, metrics of one version; lineage edges of one call
	maxPath        = 1024   // bytes of a file's path
	maxAliases     = 1000   // of a model

	// maxRow is how many bytes of JSON a model's or a version's row has, so that pages of them fit into memory. Its tags are in
	// events before and after a change of them, and so may have less than half; and what guards a model likewise.
	maxRow        = 1<<20 - 4096
	maxTagBytes   = 400 << 10
	maxGuardBytes = 400 << 10
)

// checkTags says whether a model or a version can have so many tags in all.
func checkTags(tags Map[string]) error {
	if n := tags.Len(); n > maxEntries {
		return fmt.Errorf("%w: %d tags in all, at most %d", ErrInvalid, n, maxEntries)
	}
	return checkBytes("tags", len(appendMap(nil, tags)), maxTagBytes)
}

// checkBytes says whether something that is stored is short enough.
func checkBytes(what string, n, limit int) error {
	if n > limit {
		return fmt.Errorf("%s: %w: %d bytes in all, at most %d", what, ErrInvalid, n, limit)
	}
	return nil
}

// checkText refuses what some backend could not keep as it is, and what is too long.
func checkText(what, s string, limit int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %.80q: %w: not UTF-8 text", what, s, ErrInvalid)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%s %.80q: %w: contains a NUL character", what, s, ErrInvalid)
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fmt.Errorf("%s %.40q…: %w: %d characters, at most %d", what, s, ErrInvalid, n, limit)
	}
	return nil
}

// checkName is checkText for what people read as a name: one that goes over several lines, turns the direction of what
// stands beside it or steers a terminal shows as something else than it is.
func checkName(what, s string, limit int) error {
	if err := checkText(what, s, limit); err != nil {
		return err
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Errorf("%s %.80q: %w: contains the control character %U", what, s, ErrInvalid, r)
		}
	}
	return nil
}

func checkModelName(name string) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("model name %q: %w: empty", name, ErrInvalid)
	}
	if err := checkName("model name", name, maxName); err != nil {
		return err
	}
	if strings.ContainsAny(name, "/:") {
		return fmt.Errorf("model name %.80q: %w: contains / or :, which separate names in URIs", name, ErrInvalid)
	}
	if name == "." || name == ".." || strings.HasPrefix(name, "..") {
		return fmt.Errorf("model name %.80q: %w: would be a path", name, ErrInvalid)
	}
	return nil
}

var keyRE = regexp.MustCompile(`^[/\p{L}\p{N}_.\- :]+$`)

// checkKey checks the name of a tag, param or metric.
func checkKey(what, key string) error {
	if key == "" {
		return fmt.Errorf("%s name: %w: empty", what, ErrInvalid)
	}
	if err := checkText(what+" name", key, maxKey); err != nil {
		return err
	}
	if !keyRE.MatchString(key) {
		return fmt.Errorf("%s name %.80q: %w: may contain letters, digits, underscores, dashes, periods, spaces, colons and slashes", what, key, ErrInvalid)
	}
	if path.Clean(key) != key || key == "." || key[0] == '/' || strings.HasPrefix(key, "..") {
		return fmt.Errorf("%s name %.80q: %w: as a path it would be another name", what, key, ErrInvalid)
	}
	return nil
}

func checkEntries(what string, values map[string]string, limit int) error {
	if len(values) > maxEntries {
		return fmt.Errorf("%w: %d %ss, at most %d", ErrInvalid, len(values), what, maxEntries)
	}
	for key, value := range values {
		if err := checkKey(what, key); err != nil {
			return err
		}
		if err := checkText("value of "+what+" "+key, value, limit); err != nil {
			return err
		}
	}
	return nil
}

func checkMetrics(metrics map[string]float64) error {
	if len(metrics) > maxEntries {
		return fmt.Errorf("%w: %d metrics, at most %d", ErrInvalid, len(metrics), maxEntries)
	}
	for key, value := range metrics {
		if err := checkKey("metric", key); err != nil {
			return err
		}
		if math.IsNaN(value) {
			return fmt.Errorf("metric %q: %w: not a number (NaN) compares with nothing; leave it out", key, ErrInvalid)
		}
	}
	return nil
}

var (
	aliasRE        = regexp.MustCompile(`^[\p{L}\p{N}_\-]+$`)
	versionAliasRE = regexp.MustCompile(`^[vV]\p{Nd}+$`)
)

func checkAlias(alias string) error {
	if alias == "" {
		return fmt.Errorf("alias: %w: empty", ErrInvalid)
	}
	if err := checkText("alias", alias, maxAlias); err != nil {
		return err
	}
	switch {
	case !aliasRE.MatchString(alias):
		return fmt.Errorf("alias %.80q: %w: may contain letters, digits, underscores and dashes", alias, ErrInvalid)
	case strings.EqualFold(alias, "latest"):
		return fmt.Errorf("alias %q: %w: reserved; it names the newest version by itself", alias, ErrInvalid)
	case versionAliasRE.MatchString(alias):
		return fmt.Errorf("alias %q: %w: reserved; it would read like version %s", alias, ErrInvalid, alias[1:])
	}
	return nil
}

func checkNumber(number int) error {
	if number < 1 || number > math.MaxInt32 {
		return fmt.Errorf("version %d: %w: versions are numbered from 1", number, ErrInvalid)
	}
	return nil
}

func osUser() string {
	if u, err := user.Current(); err == nil && checkName("actor", u.Username, maxActor) == nil {
		return u.Username
	}
	return ""
}

package modelregistry

import (
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A URI names a version of a model, or the output of a run:
//
//	models:/name/3              the version with that number
//	models:/name/Production     the newest version in a stage, in any case: None, Staging, Production, Archived
//	models:/name/latest         the newest version
//	models:/name@alias          the version that an alias names
//	models:/name/v1.2.3         the version with that semantic version; the v may be left out
//	models:/name/^1.2           the highest semantic version in a range; see Range. %-escapes are decoded
//	models:/name@sha256:…       the newest version with that digest, 64 hexadecimal digits
//	runs:/run_id/path           what a run left under a path; the path may be left out
//
// A digest can be put behind any of the others, as in models:/name@champion@sha256:…; it pins what they may name. Behind all,
// except that of a run, may stand a path of a file or directory of the version: models:/name/3/weights/a.bin.
//
// A name may hold an @: in models:/a@b@c the model is a@b, and so it is in models:/a@b/3. Hence a path behind an alias
// cannot begin with what reads as a version, such as 3 or Production, unless a digest stands between.
//
// The zero value of a field means that the URI does not give it. Of Number, Stage, Latest, Alias, Semver and Range at
// most one is set.
type URI struct {
	Model  string
	Number int
	Stage  Stage
	Latest bool
	Alias  string
	Semver Semver
	Range  Range
	Digest string // "sha256:" and 64 lower-case hexadecimal digits
	RunID  string // set in runs:/, and only there
	Path   string // slash-separated and relative, without "." or ".."
}

const (
	maxURILen  = 4096 // bytes
	maxVersion = math.MaxInt32
	digestHead = "sha256:"
	digestLen  = len(digestHead) + 64
)

// ParseURI reads a URI. The result shares memory with s. ErrInvalid: s is not one; the message says what
// would be.
func ParseURI(s string) (URI, error) {
	u, problem := parseURI(s)
	if problem != "" {
		return URI{}, fmt.Errorf("URI %.200q: %w: %s", s, ErrInvalid, problem)
	}
	return u, nil
}

// The functions below answer with a problem instead of an error so that a message is made only when it is shown:
// resolving goes through here for each request of an inference server, and must not allocate.

func parseURI(s string) (u URI, problem string) {
	switch {
	case len(s) > maxURILen:
		return u, "longer than " + strconv.Itoa(maxURILen) + " bytes"
	case !utf8.ValidString(s):
		return u, "not valid UTF-8"
	case strings.IndexByte(s, 0) >= 0:
		return u, "holds a NUL"
	}
	scheme, rest, _ := strings.Cut(s, ":")
	models := strings.EqualFold(scheme, "models")
	if !models && !strings.EqualFold(scheme, "runs") {
		return u, schemeProblem(s)
	}
	// An authority would be another registry's address; one that is empty says nothing.
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(authority, "/") {
			return u, "two slashes begin the address of a registry, and there is none; write " + scheme + ":/" + clip(authority)
		}
		rest = authority
	}
	rest, ok := strings.CutPrefix(rest, "/")
	if !ok {
		return u, "a slash is missing; write " + scheme + ":/" + clip(rest)
	}
	if models {
		return parseModelsURI(rest)
	}
	return parseRunsURI(rest)
}

func schemeProblem(s string) string {
	const forms = "the forms are models:/name/3, models:/name/Production, models:/name/latest, models:/name@alias, models:/name/v1.2.3, models:/name/^1.2 and runs:/run_id/path"
	scheme, rest, ok := strings.Cut(s, ":")
	guess := strings.TrimLeft(s, "/")
	if ok && strings.EqualFold(scheme, "model") {
		guess = strings.TrimLeft(rest, "/")
	}
	if _, problem := parseModelsURI(guess); problem == "" {
		return "write models:/" + guess
	}
	return forms
}

func parseModelsURI(rest string) (u URI, problem string) {
	head, tail, hasTail := strings.Cut(rest, "/")
	name, digest := cutPin(head)
	if at := strings.LastIndexByte(name, '@'); at >= 0 || digest != "" {
		if digest == "" && beginsWithSelector(tail) {
			u.Model = name // MLflow reads models:/a@b/3 as version 3 of a@b
			if problem = nameProblem(name); problem != "" {
				return u, problem
			}
			return u, u.parseSuffix(tail)
		}
		if u.Digest, problem = parseDigest(digest); problem != "" {
			return u, problem
		}
		u.Model = name
		if at >= 0 {
			u.Model, u.Alias = name[:at], name[at+1:]
			if u.Alias == "" || strings.IndexByte(u.Alias, ':') >= 0 {
				return u, "behind @ stands an alias or sha256: and 64 hexadecimal digits"
			}
			if strings.EqualFold(u.Alias, latest) {
				u.Alias, u.Latest = "", true
			}
		}
		if hasTail {
			u.Path = tail
			problem = pathProblem(tail)
		}
		if problem == "" {
			problem = nameProblem(u.Model)
		}
		return u, problem
	}
	u.Model = name
	if problem = nameProblem(name); problem != "" {
		return u, problem
	}
	if !hasTail {
		return u, "it does not say which version; write for example models:/" + clip(name) + "/latest, models:/" +
			clip(name) + "/Production, models:/" + clip(name) + "/3 or models:/" + clip(name) + "@alias"
	}
	return u, u.parseSuffix(tail)
}

func beginsWithSelector(tail string) bool {
	first, _, _ := strings.Cut(tail, "/")
	first, _ = cutPin(first)
	var probe URI
	return probe.parseSelector(first) == ""
}

// parseSuffix reads what follows the name and a slash: a version, perhaps a digest, perhaps a path.
func (u *URI) parseSuffix(tail string) (problem string) {
	selector, path, hasPath := strings.Cut(tail, "/")
	selector, digest := cutPin(selector)
	if problem = u.parseSelector(selector); problem != "" {
		return problem
	}
	if u.Digest, problem = parseDigest(digest); problem != "" {
		return problem
	}
	if hasPath {
		u.Path = path
		return pathProblem(path)
	}
	return ""
}

const latest = "latest"

func (u *URI) parseSelector(s string) (problem string) {
	if strings.IndexByte(s, '%') >= 0 {
		if plain, err := url.PathUnescape(s); err == nil && utf8.ValidString(plain) {
			s = plain
		}
	}
	switch {
	case s == "":
		return "the version behind the name is missing; write a number, a stage, latest or a semantic version"
	case isDigits(s):
		u.Number, problem = parseNumber(s)
		return problem
	case strings.EqualFold(s, latest):
		u.Latest = true
		return ""
	}
	for _, stage := range [...]Stage{None, Staging, Production, Archived} {
		if strings.EqualFold(s, string(stage)) {
			u.Stage = stage
			return ""
		}
	}
	if u.Semver, problem = parseSemver(s); problem == "" {
		return ""
	}
	if looksLikeRange(s) {
		if r, err := ParseRange(s); err == nil {
			u.Range = r
			return ""
		}
	}
	if d := strings.TrimPrefix(s, "v"); d != "" && isDigits(d[:1]) && strings.Trim(d, "0123456789.") == "" {
		return fmt.Sprintf("%.80q is neither a number nor a semantic version, which has three numbers (1.2.0); a range is written ^1.2 or 1.2.x", s)
	}
	return fmt.Sprintf("%.80q is not a version number (1 to %d), a stage (None, Staging, Production, Archived), latest, a semantic version (1.2.3) or a range of them (^1.2); an alias is written models:/name@alias", s, maxVersion)
}

// looksLikeRange keeps 1.2 from being one: who writes it may mean 1.2.0.
func looksLikeRange(s string) bool {
	return strings.ContainsAny(strings.TrimSpace(s), "^~<>=!* |,") || strings.ContainsAny(s, "xX") && strings.ContainsAny(s, "0123456789")
}

// parseNumber reads the number of a version.
func parseNumber(s string) (n int, problem string) {
	for i := 0; i < len(s) && isDigits(s[i:i+1]) && n <= maxVersion; i++ {
		n = n*10 + int(s[i]-'0')
	}
	if !isDigits(s) || n < 1 || n > maxVersion {
		return 0, "a version number is from 1 to " + strconv.Itoa(maxVersion)
	}
	return n, ""
}

// cutPin cuts @sha256:… off, whatever follows the colon. A name cannot hold a colon, so what is left is never cut short.
func cutPin(s string) (before, digest string) {
	if at := strings.LastIndex(s, "@"+digestHead); at >= 0 {
		return s[:at], s[at+1:]
	}
	return s, ""
}

func parseDigest(s string) (digest, problem string) {
	if s == "" {
		return "", ""
	}
	if len(s) != digestLen || strings.Trim(s[len(digestHead):], "0123456789abcdefABCDEF") != "" {
		return "", "a digest is sha256: and 64 hexadecimal digits"
	}
	return strings.ToLower(s), ""
}

func nameProblem(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "the name of the model is missing"
	case strings.IndexByte(name, ':') >= 0:
		return "a model's name cannot hold a colon; a digest is written @sha256:…"
	case name == "." || strings.HasPrefix(name, ".."):
		return "a model's name cannot be a path"
	}
	return ""
}

func pathProblem(path string) string {
	drive := len(path) >= 2 && path[1] == ':' // C:/x is absolute on Windows
	if !fs.ValidPath(path) || path == "." || drive || strings.IndexByte(path, '\\') >= 0 {
		return fmt.Sprintf("the path %.80q is not relative, with slashes between non-empty names that are not . or ..", path)
	}
	return ""
}

func parseRunsURI(rest string) (u URI, problem string) {
	id, path, _ := strings.Cut(rest, "/")
	if strings.TrimSpace(id) == "" {
		return u, "the run's id is missing; write runs:/run_id/path"
	}
	if path != "" {
		problem = pathProblem(path)
	}
	return URI{RunID: id, Path: path}, problem
}

// clip keeps messages short.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= 80 {
		return s
	}
	return string([]rune(s)[:80]) + "…"
}

// String prints the URI in its one canonical form, which ParseURI reads back.
func (u URI) String() string {
	var b strings.Builder
	if u.RunID != "" {
		b.WriteString("runs:/")
		b.WriteString(u.RunID)
	} else {
		b.WriteString("models:/")
		b.WriteString(u.Model)
		u.writeSelector(&b)
		if u.Digest != "" {
			b.WriteByte('@')
			b.WriteString(u.Digest)
		}
	}
	if u.Path != "" {
		b.WriteByte('/')
		b.WriteString(u.Path)
	}
	return b.String()
}

func (u URI) writeSelector(b *strings.Builder) {
	switch {
	case u.Number != 0:
		b.WriteByte('/')
		b.WriteString(strconv.Itoa(u.Number))
	case u.Stage != "":
		b.WriteByte('/')
		b.WriteString(string(u.Stage))
	case u.Latest:
		b.WriteString("/" + latest)
	case u.Alias != "":
		b.WriteByte('@')
		b.WriteString(u.Alias)
	case !u.Semver.IsZero():
		b.WriteString("/v")
		b.WriteString(u.Semver.String())
	case !u.Range.IsZero():
		b.WriteByte('/')
		if !looksLikeRange(u.Range.String()) {
			b.WriteByte('=')
		}
		b.WriteString(strings.ReplaceAll(u.Range.String(), " ", "%20"))
	}
}

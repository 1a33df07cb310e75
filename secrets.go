package modelregistry

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// masked stands for what was a secret.
const masked = "***"

// secretWords are the words in the name of a flag or variable that say that its value is a secret.
var secretWords = []string{
	"password", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "credential", "credentials", "apikey", "auth",
	"authorization", "bearer", "key", "dsn",
}

// notSecret are last words of names that say that the value is about a secret and none itself: where it is, or how long.
var notSecret = []string{"file", "path", "dir", "name", "id", "arn", "url", "uri", "type", "size", "length", "limit", "count", "ttl", "column"}

// secretName says whether the name of a flag or variable says that its value is a secret: DB_PASSWORD, --apiKey, and not
// TOKENIZER or KEY_FILE.
func secretName(name string) bool {
	words := nameWords(name)
	if len(words) == 0 || slices.Contains(notSecret, words[len(words)-1]) {
		return false
	}
	return slices.ContainsFunc(words, func(word string) bool { return slices.Contains(secretWords, word) })
}

// nameWords splits a name at what is no letter or digit, and where capitals begin, and puts it in lower case.
func nameWords(name string) []string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			r = ' '
		} else if unicode.IsUpper(r) && lower {
			b.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(b.String())
}

var (
	// knownSecretRE are forms that issuers gave their secrets so that they can be found.
	knownSecretRE = regexp.MustCompile(`AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|AIza[A-Za-z0-9_-]{30,}|dapi[0-9a-f]{32}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*|-----BEGIN [A-Z ]*PRIVATE KEY`)
	randomRE      = regexp.MustCompile(`^[A-Za-z0-9+/_=-]{32,}$`)
	hexRE         = regexp.MustCompile(`^[0-9a-fA-F-]+$`)
	userinfoRE    = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s@]*@`)
	headerRE      = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*):\s+\S`)
	libpqRE       = regexp.MustCompile(`(?i)\b(password|passwd|pwd|secret|token)\s*=\s*('[^']*'|[^\s&;,]+)`)
)

// secretValue says whether a value looks like a secret whatever its name: of a known form, or a long random string.
// Hexadecimal ones are left: commits and digests are written so.
func secretValue(value string) bool {
	if knownSecretRE.MatchString(value) {
		return true
	}
	if !randomRE.MatchString(value) || hexRE.MatchString(value) || strings.Count(value, "/") > 1 {
		return false
	}
	lower := strings.IndexFunc(value, unicode.IsLower) >= 0
	upper := strings.IndexFunc(value, unicode.IsUpper) >= 0
	digit := strings.IndexFunc(value, unicode.IsDigit) >= 0
	return lower && upper && digit
}

// MaskSecrets returns a command line without its secrets: each is "***" in its place. They are the values of flags and
// assignments and HTTP headers whose names say so (--db-password x, -token=x, API_KEY=x, "Authorization: x"), user and password in URLs, parameters of URLs
// with such names, what has the form of a well-known service's keys, and long random strings that are not hexadecimal.
// It is a net, and not a proof: a password that is given as a plain word is not told from any other word.
func MaskSecrets(args []string) []string {
	out := make([]string, len(args))
	next := false // the argument before was a flag whose value this is
	for i, arg := range args {
		if next && !strings.HasPrefix(arg, "-") {
			out[i], next = masked, false
			continue
		}
		out[i] = maskArg(arg)
		next = strings.HasPrefix(arg, "-") && !strings.Contains(arg, "=") && secretName(arg)
	}
	return out
}

func maskArg(arg string) string {
	if headerRE.MatchString(arg) {
		return maskValue(arg)
	}
	if name, value, ok := strings.Cut(arg, "="); ok && !strings.Contains(name, "://") {
		if value != "" && secretName(name) {
			return name + "=" + masked
		}
		return name + "=" + maskValue(value)
	}
	return maskValue(arg)
}

func maskValue(value string) string {
	if secretValue(value) {
		return masked
	}
	if header := headerRE.FindStringSubmatch(value); header != nil && secretName(header[1]) {
		return header[1] + ": " + masked
	}
	value = maskURL(value)
	return libpqRE.ReplaceAllString(value, "${1}="+masked)
}

// maskURL takes user, password and secret parameters out of a URL.
func maskURL(value string) string {
	if !strings.Contains(value, "://") {
		return value
	}
	value = userinfoRE.ReplaceAllString(value, "${1}"+masked+"@")
	base, query, ok := strings.Cut(value, "?")
	if !ok {
		return value
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		name, v, _ := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(name); v != "" && (err != nil || secretName(plain) || plain == "sig" || secretValue(v)) {
			params[i] = name + "=" + masked
		}
	}
	return base + "?" + strings.Join(params, "&")
}

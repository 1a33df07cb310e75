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
	"password", "passwd", "pwd", "pass", "pw", "passphrase", "secret", "secrets", "token", "credential", "credentials", "apikey", "auth",
	"authorization", "bearer", "key", "dsn", "pat", "sas", "jwt", "cookie", "cookies", "session", "sig",
}

// secretEnds are those of words that do so: PGPASSWORD, accesskey.
var secretEnds = []string{
	"password", "passwd", "passphrase", "secret", "token", "pwd", "apikey", "accesskey", "accountkey", "secretkey", "privatekey", "sharedkey",
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
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.Contains(secretWords, word) || slices.ContainsFunc(secretEnds, func(end string) bool { return strings.HasSuffix(word, end) })
	})
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
	headerRE      = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*):\s+\S`)
	// headersRE are headers within a text, such as a shell's command.
	headersRE = regexp.MustCompile(`([A-Za-z][A-Za-z0-9-]*):[ \t]+(?:(?i:bearer|basic|token)[ \t]+)?[^\s'"]+`)
	// assignedRE are assignments: of variables, of the keywords of a connection string, of parameters.
	assignedRE = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)(\s*=\s*)('[^']*'|"[^"]*"|[^\s&;,'"]+)`)
	// jsonRE are fields of JSON, and of what looks like it.
	jsonRE      = regexp.MustCompile(`(["'])([A-Za-z_][A-Za-z0-9_. -]*)(["']\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,}\]"']+)`)
	schemeURLRE = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s'"]+`)
	portRE      = regexp.MustCompile(`^[^/@:]*:[0-9]+/`)
	userAtRE    = regexp.MustCompile(`^([^\s:/@='"]+):([^\s'"/][^\s'"]*)@([A-Za-z0-9])`) // as scp writes it
	hookRE      = regexp.MustCompile(`(://hooks\.[^/\s]+/services/)[^\s'"]+`)
	userFlagRE  = regexp.MustCompile(`^(?:-u|-U|--?(?:proxy-?)?user)$`)
	userPassRE  = regexp.MustCompile(`^([^:/\s]+):([^\s]+)$`)
	wordRE      = regexp.MustCompile(`\S+`)
	numbersRE   = regexp.MustCompile(`^[0-9.:]+$`)
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

// MaskSecrets returns a command line without its secrets: each is "***" in its place. They are the values of flags, assignments,
// HTTP headers, parameters of URLs and fields of JSON whose names say so (--db-password x, -token=x, PGPASSWORD=x,
// "Authorization: x", {"apiKey": "x"}), user and password in URLs and in -u user:x, what has the form of a well-known service's
// keys, and long random strings that are not hexadecimal. Of an argument that is a command itself (sh -c "…") each word is
// looked at so. It is a net, and not a proof: a password that is given as a plain word is not told from any other word.
func MaskSecrets(args []string) []string {
	out := make([]string, len(args))
	flag := "" // that the argument before was, if this may be its value
	for i, arg := range args {
		switch {
		case flag != "" && arg == "--":
			out[i] = arg // and the value is the next
			continue
		case flag != "" && !strings.HasPrefix(arg, "-"), secretName(flag) && len(arg) > 2 && arg[0] == '-' && arg[1] != '-':
			out[i], flag = maskFlagValue(flag, arg), ""
			continue
		}
		out[i], flag = maskArg(arg), ""
		if strings.HasPrefix(arg, "-") && !strings.Contains(arg, "=") && (secretName(arg) || userFlagRE.MatchString(arg) || arg == "-p") {
			flag = arg
		}
	}
	return out
}

// maskFlagValue masks what follows a flag.
func maskFlagValue(flag, value string) string {
	switch {
	case userFlagRE.MatchString(flag):
		return maskUser(value)
	case flag == "-p" && (numbersRE.MatchString(value) || strings.ContainsAny(value, "/=")): // a port, or whatever else
		return maskArg(value)
	}
	return masked
}

// maskUser masks the password behind a user's name. Two numbers are a user and a group.
func maskUser(value string) string {
	if u := userPassRE.FindStringSubmatch(value); u != nil && !numbersRE.MatchString(value) {
		return u[1] + ":" + masked
	}
	return maskValue(value)
}

func maskArg(arg string) string {
	if words := strings.Fields(arg); len(words) > 1 && slices.ContainsFunc(words[1:], func(w string) bool { return w[0] == '-' }) {
		return maskCommand(arg)
	}
	if headerRE.MatchString(arg) {
		return maskValue(arg)
	}
	if name, value, ok := strings.Cut(arg, "="); ok && !strings.ContainsAny(name, ":/{\"' ") {
		switch {
		case value != "" && secretName(name):
			return name + "=" + masked
		case userFlagRE.MatchString(name):
			return name + "=" + maskUser(value)
		}
		return name + "=" + maskValue(value)
	}
	return maskValue(arg)
}

// maskCommand masks an argument that is a command itself, with the spaces as they are.
func maskCommand(arg string) string {
	arg = maskText(arg)
	at := wordRE.FindAllStringIndex(arg, -1)
	words := make([]string, len(at))
	for i, w := range at {
		words[i] = arg[w[0]:w[1]]
	}
	var b strings.Builder
	end := 0
	for i, word := range MaskSecrets(words) {
		b.WriteString(arg[end:at[i][0]] + word)
		end = at[i][1]
	}
	return b.String() + arg[end:]
}

func maskValue(value string) string {
	if secretValue(value) {
		return masked
	}
	if header := headerRE.FindStringSubmatch(value); header != nil && secretName(header[1]) {
		return header[1] + ": " + masked
	}
	return maskText(value)
}

// maskText masks what stands in a longer text.
func maskText(text string) string {
	text = schemeURLRE.ReplaceAllStringFunc(text, maskURL)
	text = hookRE.ReplaceAllString(text, "${1}"+masked)
	if at := userAtRE.FindStringSubmatch(text); at != nil && !strings.Contains(text, "://") && !strings.Contains(text, "@sha") && at[1] != "mailto" {
		text = userAtRE.ReplaceAllString(text, masked+"@${3}")
	}
	text = jsonRE.ReplaceAllStringFunc(text, func(field string) string {
		parts := jsonRE.FindStringSubmatch(field)
		if !secretName(parts[2]) {
			return field
		}
		return parts[1] + parts[2] + parts[3] + `"` + masked + `"`
	})
	text = headersRE.ReplaceAllStringFunc(text, func(header string) string {
		name := headersRE.FindStringSubmatch(header)[1]
		if !secretName(name) {
			return header
		}
		return name + ": " + masked
	})
	return assignedRE.ReplaceAllStringFunc(text, func(assignment string) string {
		parts := assignedRE.FindStringSubmatch(assignment)
		if !secretName(parts[1]) {
			return assignment
		}
		return parts[1] + "=" + masked
	})
}

// maskURL takes user, password and secret parameters out of a URL.
func maskURL(value string) string {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return value
	}
	// A password may have a slash and an @; a path may have an @ too, but behind it is no colon but that of a port.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		first := strings.IndexAny(rest, "/?#")
		colon := strings.IndexByte(rest[:at], ':')
		switch {
		case first < 0 || at < first, colon >= 0 && colon < first && !portRE.MatchString(rest):
			rest = masked + rest[at:]
		default:
			if in := strings.LastIndexByte(rest[:first], '@'); in >= 0 {
				rest = masked + rest[in:]
			}
		}
	}
	value = scheme + "://" + rest
	base, query, ok := strings.Cut(value, "?")
	if !ok {
		return value
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		name, v, _ := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(name); v != "" && (err != nil || secretName(plain) || secretValue(v)) {
			params[i] = name + "=" + masked
		}
	}
	return base + "?" + strings.Join(params, "&")
}

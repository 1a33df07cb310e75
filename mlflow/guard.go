package mlflow

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A guard keeps out what no route should see: requests of web pages that have no business here, and paths that would be
// read in two ways.
type guard struct {
	s       *server
	next    http.Handler
	hosts   []*regexp.Regexp // besides localhost and private addresses
	origins []string         // other than the server's own
	cross   *http.CrossOriginProtection
}

func (s *server) guard(next http.Handler) http.Handler {
	g := &guard{s: s, next: next, cross: http.NewCrossOriginProtection()}
	for _, host := range s.opts.AllowedHosts {
		pattern, err := regexp.Compile(`(?is)^` + strings.ReplaceAll(regexp.QuoteMeta(host), `\*`, `.*`) + `$`)
		if err != nil {
			s.opts.Logger.Error("an allowed host is not one, and is not answered", "host", host, "error", err)
			continue
		}
		g.hosts = append(g.hosts, pattern)
	}
	for _, origin := range s.opts.AllowedOrigins {
		if err := g.cross.AddTrustedOrigin(origin); err != nil {
			s.opts.Logger.Error("an allowed origin is not one, and stays out", "error", err)
			continue
		}
		g.origins = append(g.origins, origin)
	}
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Add("Vary", "Origin")
	h.Add("Vary", "Sec-Fetch-Site")
	r, plain := withPlainPath(r)
	switch {
	case !g.knownHost(r):
		refuse(w, "Invalid Host header - possible DNS rebinding attack detected")
	case !plain:
		// Here, since http.ServeMux would redirect some of them to what it takes them for.
		g.s.fail(w, r, errPath)
	case g.foreign(r):
		refuse(w, "Cross-origin request blocked")
	case !g.preflight(w, r):
		w, steadied := steady(w, r)
		defer func() { r.Pattern = steadied.Pattern }() // for who counts requests by it
		g.next.ServeHTTP(w, steadied)
	}
}

// foreign says whether a request is made by a page of another origin that is not allowed to. Reads are no exception: such a
// page is not given the answer, but it can take the time and tell from it what is there.
func (g *guard) foreign(r *http.Request) bool {
	as := *r
	as.Method = http.MethodPost // the protection lets through what changes nothing
	return g.cross.Check(&as) != nil
}

// artifactPathRE is what is in front of a path of artifacts in a URL.
var artifactPathRE = regexp.MustCompile(`^/[a-z-]+/2\.0/mlflow-artifacts/(?:artifacts|presigned|mpu/[a-z]+)/`)

// withPlainPath is a request with the one path that its URL means, if it means no more than one. Of an artifact's, clients
// send some with slashes and dots too many.
func withPlainPath(r *http.Request) (*http.Request, bool) {
	before := artifactPathRE.FindString(r.URL.Path)
	if before == "" {
		return r, strings.HasPrefix(r.URL.Path, "/") && !misleading(strings.TrimSuffix(r.URL.Path[1:], "/"))
	}
	given := r.URL.Path[len(before):]
	path := cleanPath(given)
	if path != "" && strings.HasSuffix(given, "/") {
		path += "/" // it means a directory
	}
	if misleading(strings.TrimSuffix(path, "/")) {
		return r, false
	}
	if path == given {
		return r, true
	}
	plain, u := *r, *r.URL
	u.Path, u.RawPath = before+path, ""
	plain.URL = &u
	return &plain, true
}

func refuse(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = fmt.Fprint(w, text) // a client that is gone does not want it
}

// knownHost says whether the request is for a name that this server is to have. A page that has its own name resolve to
// this machine is of one origin with the server, so that its browser protects nothing; but the name gives it away.
func (g *guard) knownHost(r *http.Request) bool {
	if r.URL.Path == "/health" || r.URL.Path == "/version" {
		return true // they tell nothing, and who asks may know but the address
	}
	u, err := url.Parse("//" + r.Host)
	if err != nil || u.Host != r.Host || u.Host == "" {
		return false
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	if err != nil && strings.Contains(host, ":") { // which a pattern with * might take for the end of a name
		return false
	}
	without := strings.TrimSuffix(u.Host, ":"+u.Port())
	if slices.ContainsFunc(g.hosts, func(allowed *regexp.Regexp) bool {
		return allowed.MatchString(u.Host) || allowed.MatchString(without)
	}) {
		return true
	}
	addr = addr.Unmap()
	return strings.EqualFold(host, "localhost") || err == nil && (addr.IsLoopback() || addr.IsPrivate() || addr.IsUnspecified())
}

// preflight lets pages of the allowed origins read answers, and answers itself where a browser asks beforehand. No others
// are told anything, which makes browsers keep answers from them.
func (g *guard) preflight(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if !slices.Contains(g.origins, origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Range")
	w.WriteHeader(http.StatusNoContent)
	return true
}

var errPath = invalid("Invalid path")

const maxUnquote = 8 // how often a path may be quoted; each time takes reading it all

// misleading says whether a relative path may lead elsewhere than it seems to: as it is, or to somebody who unquotes it
// once more, or again and again, or takes a backslash for a slash.
func misleading(p string) bool {
	for element := range strings.SplitSeq(p, "/") {
		if p != "" && (element == "" || element == ".") { // harmless, but another name for what has one
			return true
		}
	}
	for range maxUnquote {
		if climbs(p) {
			return true
		}
		plain := unquote(p)
		if plain == p {
			return false
		}
		p = plain
	}
	return true
}

var absoluteRE = regexp.MustCompile(`^(?i:[/\\]|file:|[a-z]:([/\\]|$))`)

// climbs says whether a path is absolute or goes up, maybe behind what some readers take for the end of an element.
func climbs(p string) bool {
	return strings.IndexByte(p, 0) >= 0 || absoluteRE.MatchString(p) ||
		slices.Contains(strings.FieldsFunc(p, func(r rune) bool { return strings.ContainsRune(`/\;?#`, r) }), "..")
}

var quotedRE = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unquote decodes what is quoted, and leaves a % alone that quotes nothing: a name may have one.
func unquote(p string) string {
	return quotedRE.ReplaceAllStringFunc(p, func(quoted string) string {
		b, _ := strconv.ParseUint(quoted[1:], 16, 8) // two hexadecimal digits are a number
		return string([]byte{byte(b)})
	})
}

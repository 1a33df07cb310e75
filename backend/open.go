package backend

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// An Opener opens the backend that a URL names. It refuses parameters that it does not know.
type Opener func(ctx context.Context, u *url.URL) (Backend, error)

// The URL schemes are the one registry of this module that packages fill by being imported, as database/sql's is.
var openers = struct {
	sync.Mutex
	byScheme map[string]Opener
}{byScheme: map[string]Opener{}}

// RegisterScheme makes Open use open for URLs of that scheme. Backends call it from init.
func RegisterScheme(scheme string, open Opener) {
	openers.Lock()
	defer openers.Unlock()
	openers.byScheme[scheme] = open
}

// packages are the backends of this module, so that a missing import can be named.
var packages = map[string]string{"mem": "memory", "sqlite": "sqlite", "postgres": "postgres", "postgresql": "postgres"}

// Open opens the backend that rawURL names: mem://, sqlite:/absolute/path.db, sqlite:relative/path.db,
// postgres://user@host/database. The package of the backend has to be imported, blank if need be. ErrInvalid: the URL
// is not one, or its scheme or a parameter is unknown. No error repeats what may be a password.
func Open(ctx context.Context, rawURL string) (Backend, error) {
	u, err := ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open backend: %w", err)
	}
	openers.Lock()
	open, ok := openers.byScheme[u.Scheme]
	known := slices.Sorted(maps.Keys(openers.byScheme))
	openers.Unlock()
	if ok {
		return open(ctx, u)
	}
	if u.Scheme == "" {
		shown := ""
		if plainPath.MatchString(rawURL) {
			shown = ", such as sqlite:" + rawURL
		}
		return nil, fmt.Errorf("open backend: %w: not a URL: it has no scheme%s; linked in: %s", ErrInvalid, shown, strings.Join(known, ", "))
	}
	hint := ""
	if pkg, ok := packages[u.Scheme]; ok {
		hint = fmt.Sprintf("; import _ \"github.com/modelregistry-go/modelregistry/backend/%s\"", pkg)
	}
	return nil, fmt.Errorf("open backend: %w: unknown scheme %q; linked in: %s%s", ErrInvalid, u.Scheme, strings.Join(known, ", "), hint)
}

var (
	plainPath = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,200}\.(db|sqlite|sqlite3)$`)
	paramName = regexp.MustCompile(`^[A-Za-z_.]{1,40}$`)
)

// ParseURL parses the URL of a store. ErrInvalid: it is not one, or it could be one in which a character of a password
// ended the part that it stands in; the error says how such characters are written, and repeats nothing of the URL. A
// fragment, behind a #, is refused: it would be left out, and two URLs would name one store.
func ParseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	const write = "in a password write %2F for /, %3A for :, %40 for @, %3F for ?, %23 for #, %25 for %, %20 for a space"
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: not a URL; %s", ErrInvalid, write)
	case strings.Contains(rawURL, "#"):
		return nil, fmt.Errorf("%w: the URL has a #, where a part begins that means nothing here; write %%23 for the character", ErrInvalid)
	case strings.Contains(u.Host, ":") && strings.Contains(u.EscapedPath(), "@"): // user:12/34@host
		return nil, fmt.Errorf("%w: there is an @ behind the URL's host and port; %s", ErrInvalid, write)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL's parameters cannot be read; %s", ErrInvalid, write)
	}
	for name := range query {
		if strings.Contains(name, "@") {
			return nil, fmt.Errorf("%w: there is an @ in a name of the URL's parameters; %s", ErrInvalid, write)
		}
	}
	return u, nil
}

// CheckParams says which of u's parameters is not among known, unless that may be a part of a password.
func CheckParams(u *url.URL, known ...string) error {
	query := u.Query()
	secret := false
	for name := range query {
		secret = secret || strings.Contains(strings.ToLower(name), "password")
	}
	for name := range query {
		if slices.Contains(known, name) {
			continue
		}
		shown := fmt.Sprintf(" %q", name)
		if secret || !paramName.MatchString(name) {
			shown = ", or an & in a value that is not written as %26"
		}
		return fmt.Errorf("open %s: %w: unknown parameter%s; known: %s", u.Scheme, ErrInvalid, shown, strings.Join(known, ", "))
	}
	return nil
}

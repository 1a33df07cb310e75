package backend

import (
	"context"
	"fmt"
	"maps"
	"net/url"
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

// Open opens the backend that rawURL names: mem://, sqlite:///absolute/path.db, sqlite:relative/path.db,
// postgres://user@host/database. The package of the backend has to be imported, blank if need be. ErrInvalid: the URL
// is not one, or its scheme or a parameter is unknown.
func Open(ctx context.Context, rawURL string) (Backend, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open backend: %w: %w", ErrInvalid, err)
	}
	openers.Lock()
	open, ok := openers.byScheme[u.Scheme]
	known := slices.Sorted(maps.Keys(openers.byScheme))
	openers.Unlock()
	if ok {
		return open(ctx, u)
	}
	if u.Scheme == "" {
		return nil, fmt.Errorf("open backend: %w: %q has no scheme; write for example sqlite:///path/registry.db", ErrInvalid, rawURL)
	}
	hint := ""
	if pkg, ok := packages[u.Scheme]; ok {
		hint = fmt.Sprintf("; import _ \"github.com/modelregistry-go/modelregistry/backend/%s\"", pkg)
	}
	return nil, fmt.Errorf("open backend: %w: unknown scheme %q; linked in: %s%s", ErrInvalid, u.Scheme, strings.Join(known, ", "), hint)
}

// CheckParams says which of u's parameters is not among known.
func CheckParams(u *url.URL, known ...string) error {
	for name := range u.Query() {
		if !slices.Contains(known, name) {
			return fmt.Errorf("open %s: %w: unknown parameter %q; known: %s", u.Scheme, ErrInvalid, name, strings.Join(known, ", "))
		}
	}
	return nil
}

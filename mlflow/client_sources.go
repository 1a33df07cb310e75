package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// Whoever may register versions on a server chooses their sources. So what a source says is only ever looked for among the
// places that the program allows: how they are opened, by which endpoint, region or account, is the program's word alone.

// A sourcePlace is a directory of a store.
type sourcePlace struct {
	scheme, host string
	dir          string // plain; "" is the root
}

// parseSource reads a URL, or the path of a file. Its query is the caller's to look at.
func parseSource(uri string) (sourcePlace, *url.URL, error) {
	bad := func(reason string) (sourcePlace, *url.URL, error) {
		return sourcePlace{}, nil, fmt.Errorf("source %.200q: %w: %s", modelregistry.MaskSecrets([]string{uri})[0], modelregistry.ErrInvalid, reason)
	}
	u := &url.URL{Scheme: "file", Path: uri}
	if !strings.HasPrefix(uri, "/") || strings.HasPrefix(uri, "//") {
		var err error
		if u, err = url.Parse(uri); err != nil || u.Scheme == "" || u.Opaque != "" || u.Host == "" && !strings.HasPrefix(u.Path, "/") {
			return bad("a source is a URL such as s3://bucket/path or file:///path")
		}
	}
	elements := slices.DeleteFunc(strings.Split(u.Path, "/"), func(e string) bool { return e == "" || e == "." })
	if slices.Contains(elements, "..") || strings.ContainsAny(u.Path, "\\\x00") && u.Scheme == "file" {
		return bad("its path is not plain")
	}
	return sourcePlace{u.Scheme, u.Host, strings.Join(elements, "/")}, u, nil
}

// below is the rest of the path of a place at or below another.
func (p sourcePlace) below(root sourcePlace) (rest string, ok bool) {
	switch {
	case p.scheme != root.scheme || p.host != root.host:
		return "", false
	case p.dir == root.dir:
		return ".", true
	case root.dir == "":
		return p.dir, true
	}
	return strings.CutPrefix(p.dir, root.dir+"/")
}

// An allowedSource is one of ClientOptions.Sources.
type allowedSource struct {
	sourcePlace
	url    string // as the program gave it
	fsys   fs.FS  // nil until it is needed
	closer io.Closer
}

func allowedSources(urls []string) ([]*allowedSource, error) {
	var out []*allowedSource
	for _, uri := range urls {
		p, u, err := parseSource(uri)
		if err != nil {
			return nil, err
		}
		out = append(out, &allowedSource{sourcePlace: p, url: u.String()})
	}
	return out, nil
}

// open is the file system of a place that is not behind the proxy, if the program allows it. It stays open until the client
// is closed.
func (c *Client) open(ctx context.Context, uri string) (fs.FS, error) {
	p, u, err := parseSource(uri)
	switch {
	case err != nil:
		return nil, err
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("source %.200q: %w: it has a query, a fragment or a user, and those of a server's sources are not followed",
			uri, modelregistry.ErrInvalid)
	}
	c.sources.Lock()
	defer c.sources.Unlock()
	if c.sources.closed {
		return nil, fs.ErrClosed
	}
	for _, allowed := range c.sources.allowed {
		rest, ok := p.below(allowed.sourcePlace)
		if !ok {
			continue
		}
		if allowed.fsys == nil {
			if allowed.fsys, allowed.closer, err = c.opts.OpenSource(ctx, allowed.url); err != nil {
				return nil, fmt.Errorf("open %.200q: %w", uri, ofOutside(err))
			}
		}
		if rest == "." {
			return allowed.fsys, nil
		}
		return fs.Sub(allowed.fsys, rest)
	}
	return nil, fmt.Errorf("%w: the files are at %.200q, neither behind the server's artifact proxy nor at one of the sources that may be read (ClientOptions.Sources)",
		errors.ErrUnsupported, uri)
}

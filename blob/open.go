package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	gocloudblob "gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
)

// drivers are the packages of gocloud.dev that open the schemes which are not linked in by themselves.
var drivers = map[string]string{"s3": "s3blob", "gs": "gcsblob", "azblob": "azureblob"}

// Open opens the store that rawURL names:
//
//   - file:///absolute/dir, or file:relative/dir. The directory itself is made if its parent is there, so that a disk that
//     is not mounted is noticed; create_dir=true makes the parents too, create_dir=false makes nothing.
//   - mem:// is a new store in memory.
//   - s3://bucket, gs://bucket, azblob://container, and any other scheme that a gocloud.dev/blob driver has registered, with
//     the parameters of that driver. The bucket has to be there.
//
// The parameter prefix puts all keys below a folder, so that stores can share a bucket.
//
// ErrInvalid: the URL is not one, or a scheme or parameter is unknown. ErrNotFound: there is no such bucket or directory.
func Open(ctx context.Context, rawURL string) (*Store, error) {
	u, err := backend.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	mux := gocloudblob.DefaultURLMux()
	if u.Scheme != "file" && u.Scheme != "mem" && !mux.ValidBucketScheme(u.Scheme) { // the rest of it may be anything
		return nil, fmt.Errorf("open blobs: %w", unknownScheme(u.Scheme, mux.BucketSchemes()))
	}
	place := (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path}).String()
	in, err := open(ctx, u, place)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %s: %w", place, err)
	}
	return &Store{place: place, in: in}, nil
}

func open(ctx context.Context, u *url.URL, place string) (storage, error) {
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: parameters: %w", modelregistry.ErrInvalid, err)
	}
	for param, values := range params {
		if len(values) > 1 {
			return nil, fmt.Errorf("%w: parameter %q is given %d times", modelregistry.ErrInvalid, param, len(values))
		}
	}
	prefix, err := cleanPrefix(params.Get("prefix"))
	if err != nil {
		return nil, err
	}
	params.Del("prefix")
	switch u.Scheme {
	case "file":
		return openDir(u, params, prefix)
	case "mem":
		if err := onlyParams(params, "prefix"); err != nil {
			return nil, err
		}
		if u.Host != "" || u.Path != "" || u.Opaque != "" {
			return nil, fmt.Errorf("%w: stores in memory have no names; write mem://", modelregistry.ErrInvalid)
		}
		b := newBucket(memblob.OpenBucket(&memblob.Options{NoMD5: true}), prefix, place)
		b.owned = true
		return b, nil
	}
	return openCloud(ctx, u, params, prefix, place)
}

func openCloud(ctx context.Context, u *url.URL, params url.Values, prefix, place string) (storage, error) {
	mux := gocloudblob.DefaultURLMux()
	if params.Has("key") {
		// gocloud would make a bucket of one object.
		return nil, fmt.Errorf("%w: unknown parameter \"key\"", modelregistry.ErrInvalid)
	}
	plain := *u
	plain.RawQuery = params.Encode()
	opened, err := mux.OpenBucketURL(ctx, &plain)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		// Drivers look at parameters and credentials here; they do not talk to the service yet. Their errors repeat the
		// URL, whose parameters may hold secrets.
		return nil, fmt.Errorf("%w: %s", modelregistry.ErrInvalid, strings.ReplaceAll(err.Error(), plain.String(), place))
	}
	b := newBucket(opened, prefix, place)
	b.owned = true
	b.abort = u.Scheme == "s3"
	if err := b.reachable(ctx); err != nil {
		if errors.Is(err, errGone) {
			err = fmt.Errorf("%w: there is no such bucket", modelregistry.ErrNotFound)
		}
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func unknownScheme(scheme string, linked []string) error {
	if scheme == "" {
		return fmt.Errorf("%w: no scheme; write for example file:///path/blobs", modelregistry.ErrInvalid)
	}
	known := append([]string{"file", "mem"}, linked...)
	slices.Sort(known)
	known = slices.Compact(known)
	if driver, ok := drivers[scheme]; ok {
		return fmt.Errorf("%w: scheme %q is not linked in (there are %s): import _ \"gocloud.dev/blob/%s\"",
			modelregistry.ErrInvalid, scheme, strings.Join(known, ", "), driver)
	}
	var others []string
	for s, driver := range maps.All(drivers) {
		if !slices.Contains(known, s) {
			others = append(others, fmt.Sprintf("%s (import _ \"gocloud.dev/blob/%s\")", s, driver))
		}
	}
	slices.Sort(others)
	msg := strings.Join(known, ", ")
	if len(others) > 0 {
		msg += "; not linked in: " + strings.Join(others, ", ")
	}
	return fmt.Errorf("%w: unknown scheme %q; there are %s", modelregistry.ErrInvalid, scheme, msg)
}

func onlyParams(params url.Values, known ...string) error {
	for _, param := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(known, param) {
			return fmt.Errorf("%w: unknown parameter %q; there are %s", modelregistry.ErrInvalid, param, strings.Join(known, ", "))
		}
	}
	return nil
}

// cleanPrefix returns a prefix that is a slash-separated path on every kind of bucket.
func cleanPrefix(prefix string) (string, error) {
	if prefix == "" {
		return "", nil
	}
	p := strings.TrimSuffix(prefix, "/")
	odd := strings.ContainsFunc(p, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`\:*?"<>|`, r) })
	if p == "" || !utf8.ValidString(p) || odd || path.Clean("/"+p) != "/"+p {
		return "", fmt.Errorf("%w: prefix %q: not a path such as team/models", modelregistry.ErrInvalid, prefix)
	}
	return p, nil
}

func openDir(u *url.URL, params url.Values, prefix string) (storage, error) {
	if err := onlyParams(params, "create_dir", "prefix"); err != nil {
		return nil, err
	}
	root, err := dirPath(u)
	if err != nil {
		return nil, err
	}
	create, parents := true, false
	if v := params.Get("create_dir"); v != "" {
		if create, err = strconv.ParseBool(v); err != nil {
			return nil, fmt.Errorf("%w: create_dir=%s: not true or false", modelregistry.ErrInvalid, v)
		}
		parents = create
	}
	d := newDir(&osDisk{}, root, prefix)
	if create {
		if err := d.createRoot(parents); err != nil {
			return nil, err
		}
	}
	if err := d.absent(); err != nil {
		return nil, err
	}
	if err := d.tidy(time.Now().Add(-staleAfter)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, err // a directory that is only read may be another user's
	}
	return d, nil
}

func dirPath(u *url.URL) (string, error) {
	p := u.Path
	switch {
	case u.Opaque != "":
		p = u.Opaque
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("%w: %q would be a host; write file:///absolute/dir or file:relative/dir", modelregistry.ErrInvalid, u.Host)
	case p == "":
		return "", fmt.Errorf("%w: no directory; write file:///absolute/dir", modelregistry.ErrInvalid)
	}
	if u.Opaque != "" {
		var err error
		if p, err = url.PathUnescape(p); err != nil {
			return "", fmt.Errorf("%w: %w", modelregistry.ErrInvalid, err)
		}
	}
	if runtime.GOOS == "windows" {
		p = strings.TrimPrefix(p, "/") // file:///C:/dir
	}
	if strings.ContainsRune(p, 0) {
		return "", fmt.Errorf("%w: the directory's name has a NUL", modelregistry.ErrInvalid)
	}
	return filepath.Abs(filepath.FromSlash(p))
}

// createRoot makes the bucket's directory durably, and those above it if asked to.
func (d *dir) createRoot(parents bool) error {
	var missing []string // the innermost first
	for p := d.root; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) || p == filepath.Dir(p) {
			break
		}
		missing = append(missing, p)
	}
	if len(missing) > 1 && !parents {
		return fmt.Errorf("%w: there is no directory %s to make it in; create_dir=true makes that too",
			modelregistry.ErrNotFound, filepath.Dir(d.root))
	}
	for _, p := range slices.Backward(missing) {
		if err := d.disk.mkdir(p); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := d.disk.syncDir(filepath.Dir(p)); err != nil {
			return err
		}
	}
	return nil
}

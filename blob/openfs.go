package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"

	gocloudblob "gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
)

// OpenFS opens a directory of files as they are, not a store of content: s3://bucket/path, gs://bucket/path,
// azblob://container/path, any other scheme that a gocloud.dev/blob driver has registered, file:///absolute/dir. Reads use
// ctx. It is the OpenSource of an MLflow client. It follows the
// parameters of the URL, such as endpoint, and sends credentials there: a URL that comes from somebody else is not for it.
//
// Links in a file: directory lead nowhere outside of it. Parameters of the URL are the driver's. ErrInvalid: the URL is not
// one, or its scheme is unknown. ErrNotFound: there is no such directory; of a bucket, that shows when it is read.
func OpenFS(ctx context.Context, rawURL string) (fs.FS, io.Closer, error) {
	u, err := backend.ParseURL(rawURL)
	if err != nil {
		return nil, nil, fmt.Errorf("open directory: %w", err)
	}
	mux := gocloudblob.DefaultURLMux()
	if u.Scheme != "file" && !mux.ValidBucketScheme(u.Scheme) {
		return nil, nil, fmt.Errorf("open directory: %w", unknownScheme(u.Scheme, mux.BucketSchemes()))
	}
	shown := (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path}).String()
	fsys, closer, err := openFS(ctx, u)
	if err != nil {
		return nil, nil, fmt.Errorf("open directory: %s: %w", shown, err)
	}
	return fsys, closer, nil
}

func openFS(ctx context.Context, u *url.URL) (fs.FS, io.Closer, error) {
	if u.Scheme == "file" {
		dir, err := dirPath(u)
		if err != nil {
			return nil, nil, err
		}
		root, err := os.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: there is no such directory", modelregistry.ErrNotFound)
		}
		if err != nil {
			return nil, nil, err
		}
		return root.FS(), root, nil
	}
	mux := gocloudblob.DefaultURLMux()
	dir := strings.Trim(u.Path, "/")
	if dir != "" && (!fs.ValidPath(dir) || dir == ".") {
		return nil, nil, fmt.Errorf("%w: the path is not plain", modelregistry.ErrInvalid)
	}
	bare := *u
	bare.Path, bare.RawPath = "", ""
	b, err := mux.OpenBucketURL(ctx, &bare)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, err
		}
		return nil, nil, fmt.Errorf("%w: %s", modelregistry.ErrInvalid, strings.ReplaceAll(err.Error(), bare.String(), bare.Scheme+"://"+bare.Host))
	}
	b.SetIOFSCallback(func() (context.Context, *gocloudblob.ReaderOptions) { return ctx, nil })
	return &bucketFS{b, dir}, b, nil
}

// bucketFS is a folder of a bucket. It hides the bucket's Sub, whose result would close the bucket.
type bucketFS struct {
	b   *gocloudblob.Bucket
	dir string
}

func (f *bucketFS) at(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name = path.Join(f.dir, name); name == "" {
		name = "."
	}
	return name, nil
}

func (f *bucketFS) Open(name string) (fs.File, error) {
	at, err := f.at("open", name)
	if err != nil {
		return nil, err
	}
	file, err := f.b.Open(at)
	return file, f.explain(err)
}

// ReadDir implements fs.ReadDirFS.
func (f *bucketFS) ReadDir(name string) ([]fs.DirEntry, error) {
	at, err := f.at("readdir", name)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(f.b, at)
	return entries, f.explain(err)
}

// explain makes gocloud's "not found" fs.ErrNotExist.
func (f *bucketFS) explain(err error) error {
	var p *fs.PathError
	if err == nil || errors.Is(err, fs.ErrNotExist) || gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	if errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: p.Path, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
}

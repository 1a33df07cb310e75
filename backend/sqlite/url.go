package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

func init() {
	backend.RegisterScheme("sqlite", func(ctx context.Context, u *url.URL) (backend.Backend, error) {
		if err := backend.CheckParams(u, "mode"); err != nil {
			return nil, err
		}
		file, err := filePath(u)
		if err != nil {
			return nil, fmt.Errorf("open sqlite: %w: %w", backend.ErrInvalid, err)
		}
		b, err := Open(ctx, file, &Options{Mode: Mode(u.Query().Get("mode"))})
		if err != nil {
			if u.Opaque == "" && errors.Is(err, fs.ErrNotExist) { // a nil *sqldb.DB is no nil Backend
				return nil, fmt.Errorf("%w (it is an absolute path; sqlite:%s is a relative one)", err, strings.TrimLeft(u.EscapedPath(), "/"))
			}
			return nil, err
		}
		return b, nil
	})
}

// filePath is the path of the file that a URL names.
func filePath(u *url.URL) (string, error) {
	switch {
	case u.Opaque == "" && u.Path == "" && u.Host == "":
		return "", nil
	case u.Host != "" || u.User != nil:
		return "", errors.New("it names a host; write sqlite:relative/path.db or sqlite:/absolute/path.db")
	case u.Opaque != "":
		file, err := url.PathUnescape(u.Opaque)
		return filepath.FromSlash(file), err
	case u.Path == "/:memory:" || u.Path == "//:memory:":
		return "", errors.New("SQLite in memory is another database for each connection; write mem:// for a registry in memory")
	case path.Dir(u.Path) == "/" && !strings.HasPrefix(u.Path, "//") && u.Path != "/":
		return "", fmt.Errorf("%s would be a file in the root directory; write sqlite:%s for a relative path, as "+
			"SQLAlchemy reads three slashes, and sqlite:///%[1]s for the root directory", u.Path, strings.TrimPrefix(u.EscapedPath(), "/"))
	}
	return filepath.FromSlash(path.Clean(u.Path)), nil
}

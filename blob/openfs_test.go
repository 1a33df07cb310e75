package blob_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	gocloudblob "gocloud.dev/blob"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/buckettest"
)

// A directory of files is read as it is, on every kind of bucket.
func TestOpenFS(t *testing.T) {
	for kind, bucketURL := range buckettest.URLs(t) {
		if kind == "mem" || kind == "file" { // each opening of memory is another; files are below
			continue
		}
		t.Run(kind, func(t *testing.T) {
			b, err := gocloudblob.OpenBucket(t.Context(), bucketURL)
			require.NoError(t, err)
			defer b.Close()
			for name, content := range map[string]string{"models/m/a": "1", "models/m/sub/b": "22", "other": "3"} {
				require.NoError(t, b.WriteAll(t.Context(), name, []byte(content), nil))
			}
			fsys, closer, err := blob.OpenFS(t.Context(), bucketURL)
			require.NoError(t, err)
			defer func() { require.NoError(t, closer.Close()) }()
			sub, err := fs.Sub(fsys, "models/m")
			require.NoError(t, err)
			content, err := fs.ReadFile(sub, "sub/b")
			require.NoError(t, err)
			require.Equal(t, "22", string(content))
			var names []string
			require.NoError(t, fs.WalkDir(sub, ".", func(name string, e fs.DirEntry, err error) error {
				names = append(names, name)
				return err
			}))
			require.Equal(t, []string{".", "a", "sub", "sub/b"}, names)
			_, err = fs.ReadFile(sub, "none")
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
	}
}

func TestOpenFSOfDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	root := filepath.Join(dir, "root")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "a", "b"), []byte("1"), 0o600))
	fsys, closer, err := blob.OpenFS(t.Context(), "file://"+filepath.ToSlash(root))
	require.NoError(t, err)
	defer func() { require.NoError(t, closer.Close()) }()
	require.NoError(t, fstest.TestFS(fsys, "a/b"))
	require.NoError(t, os.Symlink("../secret", filepath.Join(root, "link")))
	_, err = fs.ReadFile(fsys, "link")
	require.Error(t, err)
	for url, want := range map[string]error{
		"file://" + filepath.ToSlash(dir) + "/none": modelregistry.ErrNotFound, "nope://x": modelregistry.ErrInvalid, "": modelregistry.ErrInvalid,
		"s3://bucket/../x": modelregistry.ErrInvalid, ":": modelregistry.ErrInvalid,
	} {
		_, _, err := blob.OpenFS(t.Context(), url)
		require.ErrorIs(t, err, want, url)
	}
}

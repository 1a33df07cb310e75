package blob_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/buckettest"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		url  string
		want error
		says string
	}{
		{"", modelregistry.ErrInvalid, "file:///"},
		{dir, modelregistry.ErrInvalid, "no scheme"},
		{"ftp://host/dir", modelregistry.ErrInvalid, "azblob, file, gs, mem, s3"},
		{"file:// /x", modelregistry.ErrInvalid, "not a URL"},
		{"file://relative/dir", modelregistry.ErrInvalid, "file:///absolute/dir"},
		{"file://", modelregistry.ErrInvalid, "no directory"},
		{"file:///a%00b", modelregistry.ErrInvalid, "NUL"},
		{"file://" + dir + "?metadata=skip", modelregistry.ErrInvalid, `unknown parameter "metadata"; there are create_dir, prefix`},
		{"file://" + dir + "?create_dir=perhaps", modelregistry.ErrInvalid, "true or false"},
		{"file://" + dir + "?prefix=a&prefix=b", modelregistry.ErrInvalid, "given 2 times"},
		{"file://" + dir + "/a#b", modelregistry.ErrInvalid, "%23"},
		{"file:" + dir + "/a#", modelregistry.ErrInvalid, "%23"},
		{"file://" + dir + "?a;b", modelregistry.ErrInvalid, "parameters"},
		{"file://" + dir + "/missing?create_dir=false", modelregistry.ErrNotFound, "no such directory"},
		{"file://" + dir + "/missing/bucket", modelregistry.ErrNotFound, "create_dir=true"},
		{"file://" + file, modelregistry.ErrInvalid, "a file, not a directory"},
		{"file://" + file + "/bucket", modelregistry.ErrInvalid, "not a directory"},
		{"mem://name", modelregistry.ErrInvalid, "mem://"},
		{"mem://?nomd5=true", modelregistry.ErrInvalid, `unknown parameter "nomd5"`},
		{"s3://bucket?region=eu-central-1&key=one", modelregistry.ErrInvalid, `"key"`},
	} {
		_, err := blob.Open(t.Context(), c.url)
		require.ErrorIs(t, err, c.want, c.url)
		require.ErrorContains(t, err, c.says, c.url)
	}
	for _, prefix := range []string{"/a", "a//b", "../a", "a/../b", ".", "a/./b", "a\\b", "a\x00", "a\n", "\xff", "//", "/"} {
		for _, base := range []string{"mem://", "file://" + dir} {
			_, err := blob.Open(t.Context(), base+"?prefix="+url.QueryEscape(prefix))
			require.ErrorIs(t, err, modelregistry.ErrInvalid, "prefix %q", prefix)
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is made by a URL that is refused")
}

func TestOpenHidesSecrets(t *testing.T) {
	for _, u := range []string{"s3://bucket?region=eu&secret=hunter2", "ftp://user:hunter2@host", "file:///%zz?secret=hunter2"} {
		_, err := blob.Open(t.Context(), u)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestOpenMakesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, u := range []string{"file://" + dir + "/one", "file://localhost" + dir + "/one", "file://" + dir + "/two/three?create_dir=true",
		"file://" + dir + "/with%20space?prefix=team/a"} {
		for range 2 {
			store, err := blob.Open(t.Context(), u)
			require.NoError(t, err, u)
			put(t, store, content{seed: 1, size: 10})
			require.NoError(t, store.Close())
		}
	}
	require.DirExists(t, filepath.Join(dir, "two", "three", "blobs"))
	require.DirExists(t, filepath.Join(dir, "with space", "team", "a", "blobs"))

	t.Chdir(dir)
	store, err := blob.Open(t.Context(), "file:one")
	require.NoError(t, err)
	require.Len(t, listed(t, store), 1)
	require.NoError(t, store.Close())
}

func TestOpenOfABucketThatIsNotThere(t *testing.T) {
	for _, kind := range []string{"s3", "gcs", "azure"} {
		u, err := url.Parse(buckettest.URL(t, kind))
		require.NoError(t, err)
		u.Host = "no-such-bucket"
		_, err = blob.Open(t.Context(), u.String())
		require.ErrorIs(t, err, modelregistry.ErrNotFound, kind)
		require.ErrorContains(t, err, "no such bucket", kind)
		require.ErrorContains(t, err, strings.SplitN(u.String(), "?", 2)[0], kind)
	}
}

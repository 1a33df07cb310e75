package modelregistry_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// No download takes the place of the working directory, of the user's home, of the root, or of what these are in.
func TestDownloadKeepsOffPlaces(t *testing.T) {
	r := newRegistry(t, memory.New(), memBlobs(t))
	v, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	work, home := filepath.Join(base, "above", "work"), filepath.Join(base, "home", "ada")
	require.NoError(t, errors.Join(os.MkdirAll(filepath.Join(work, "sub"), 0o700), os.MkdirAll(home, 0o700)))
	require.NoError(t, os.WriteFile(filepath.Join(home, "mine"), []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(filepath.Dir(work), filepath.Join(base, "link")))
	t.Chdir(work)
	t.Setenv("HOME", home)
	places := []string{"", ".", "./", "/", "..", "../..", "sub/..", work, filepath.Dir(work), "../../home", home, home + "/.", base, "../../link"}
	for _, full := range []bool{false, true} { // an empty directory would be taken away too
		if full {
			require.NoError(t, os.WriteFile("mine", []byte("mine"), 0o600))
		}
		for _, replace := range []bool{true, false} {
			for _, dir := range places {
				err := modelregistry.Download(t.Context(), r, v, dir, &modelregistry.DownloadOptions{Replace: replace})
				require.Error(t, err, dir)
				if replace || !full {
					require.ErrorIs(t, err, modelregistry.ErrInvalid, dir)
				}
			}
		}
	}
	for _, mine := range []string{filepath.Join(work, "mine"), filepath.Join(home, "mine")} {
		content, err := os.ReadFile(mine)
		require.NoError(t, err)
		require.Equal(t, "mine", string(content))
	}
	entries, err := fs.ReadDir(os.DirFS(base), ".")
	require.NoError(t, err)
	require.Len(t, entries, 3)
}

// What gathers the files beside the directory is no link that somebody put there.
func TestDownloadFollowsNoLinkBesideIt(t *testing.T) {
	r := newRegistry(t, memory.New(), memBlobs(t))
	v, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	elsewhere, dir := t.TempDir(), filepath.Join(t.TempDir(), "model")
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "mine"), []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(filepath.Dir(dir), ".model."+v.Digest[7:19]+".partial")))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.ErrorIs(t, modelregistry.Download(ctx, r, v, dir, nil), modelregistry.ErrInvalid)
	require.NoDirExists(t, dir)
	content, err := os.ReadFile(filepath.Join(elsewhere, "mine"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
}

// A directory that a version was made of stays its maker's, also when Download has found the files there.
func TestDownloadWhereAVersionWasMade(t *testing.T) {
	ctx := t.Context()
	r := newRegistry(t, memory.New(), memBlobs(t))
	out := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Mkdir(out, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(out, "model.bin"), []byte("trained"), 0o644))
	made, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: os.DirFS(out)})
	require.NoError(t, err)
	other := register(t, r, "another")
	require.NoError(t, modelregistry.Download(ctx, r, made, out, nil))
	require.NoError(t, os.WriteFile(filepath.Join(out, "notes.txt"), []byte("mine"), 0o644))
	err = modelregistry.Download(ctx, r, other, out, &modelregistry.DownloadOptions{Replace: true})
	require.ErrorIs(t, err, modelregistry.ErrExists)
	require.FileExists(t, filepath.Join(out, "notes.txt"))
}

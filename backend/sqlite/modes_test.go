package sqlite_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

func TestAFileIsMadeOnlyByWhoMay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for _, mode := range []sqlite.Mode{sqlite.Existing, sqlite.ReadOnly} {
		_, err := sqlite.Open(t.Context(), path, &sqlite.Options{Mode: mode})
		require.ErrorIs(t, err, backend.ErrNotFound)
		_, err = backend.Open(t.Context(), "sqlite:"+filepath.ToSlash(path)+"?mode="+string(mode))
		require.ErrorIs(t, err, backend.ErrNotFound)
	}
	require.NoFileExists(t, path)
	_, err := backend.Open(t.Context(), "sqlite:"+filepath.ToSlash(path)+"?mode=memory")
	require.ErrorIs(t, err, backend.ErrInvalid)

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	empty, err := sqlite.Open(t.Context(), path, &sqlite.Options{Mode: sqlite.ReadOnly})
	require.NoError(t, err)
	require.ErrorIs(t, empty.Declare(t.Context(), counters), errors.ErrUnsupported)
	require.NoError(t, empty.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Size())
}

// A reader sees what others write, also when none of them has the file open, and changes nothing.
func TestAReaderReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	w := open(t, path)
	require.NoError(t, count(t.Context(), w, "writer"))
	read := func() {
		b, err := backend.Open(t.Context(), "sqlite:"+filepath.ToSlash(path)+"?mode=ro")
		require.NoError(t, err)
		require.NoError(t, b.Declare(t.Context(), counters))
		n, steps := counted(t, b)
		require.Equal(t, []int{1, 1}, []int{n, steps})
		require.ErrorIs(t, count(t.Context(), b, "reader"), errors.ErrUnsupported)
		more := counters
		more.Format = 2
		require.ErrorIs(t, b.Declare(t.Context(), more), errors.ErrUnsupported)
		require.NoError(t, b.Close())
	}
	read()
	require.NoError(t, w.Close())
	read()
	n, _ := counted(t, open(t, path))
	require.Equal(t, 1, n)
}

func TestAFileThatGoesAwayIsNoticed(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				require.NoError(t, os.Remove(path+suffix))
			}
		},
		"replaced": func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "other.db")
			require.NoError(t, open(t, other).Close())
			require.NoError(t, os.Rename(other, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			b := open(t, path)
			require.NoError(t, count(t.Context(), b, "before"))
			change(t, path)
			err := count(t.Context(), b, "after")
			require.ErrorContains(t, err, "while it was open")
			require.Eventually(t, func() bool {
				_, err := b.Find(t.Context(), backend.Query{Table: "counters"})
				return err != nil
			}, 10*time.Second, 10*time.Millisecond, "reads go on as if it were there")
			require.Error(t, b.View(t.Context(), func(backend.Reader) error { return nil }))
			if name == "removed" {
				_, err := os.Stat(path)
				require.ErrorIs(t, err, fs.ErrNotExist, "another file was made in its place")
			}
		})
	}
}

// Two URLs of different texts do not name one file unawares, and a URL that people know from elsewhere no other file.
func TestURLsThatMeanAnotherFileElsewhere(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for raw, says := range map[string]string{
		"sqlite:///mlflow.db":         "sqlite:mlflow.db",
		"sqlite:///:memory:":          "mem://",
		"sqlite:////:memory:":         "mem://",
		"sqlite::memory:":             "mem://",
		"sqlite:x.db#1":               "%23",
		"sqlite:x.db#":                "%23",
		"sqlite:///nowhere/at/all.db": "sqlite:nowhere/at/all.db",
		"sqlite:":                     "no path",
		"x.db":                        "sqlite:x.db",
	} {
		_, err := backend.Open(t.Context(), raw)
		require.ErrorContains(t, err, says, raw)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)

	for _, slashes := range []string{"", "//", "///"} {
		b, err := backend.Open(t.Context(), "sqlite:"+slashes+filepath.ToSlash(dir)+"/absolute%23.db")
		require.NoError(t, err)
		require.NoError(t, b.Close())
	}
	require.FileExists(t, filepath.Join(dir, "absolute#.db"))
}

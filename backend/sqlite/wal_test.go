package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
)

func TestTheLogIsCutWhenItIsLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b := open(t, path)
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	write := func(n int) {
		for i := range n {
			doc := []byte(`"` + strings.Repeat(string(rune('a'+i%26)), 1<<20) + `"`) // what is equal is not written
			require.NoError(t, b.Update(context.Background(), nil, func(tx backend.Tx) error {
				return tx.Put("counters", backend.Row{Key: backend.Key{backend.StringValue("all")}, Doc: doc})
			}))
		}
	}
	require.NoError(t, b.View(t.Context(), func(r backend.Reader) error {
		write(130) // which SQLite cannot move into the database while this snapshot is read
		return nil
	}))
	require.Greater(t, size(), int64(100<<20))
	write(64)
	require.Less(t, size(), int64(100<<20))
	require.NoError(t, b.Close())
	require.NoFileExists(t, path+"-wal")
}

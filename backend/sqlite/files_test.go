package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

var counters = backend.Schema{Format: 1, Tables: []backend.Table{
	{Name: "counters", Key: []backend.Field{{Name: "name"}}, Fields: []backend.Field{{Name: "n", Kind: backend.Int}}},
	{Name: "steps", Log: true, Fields: []backend.Field{{Name: "who"}}},
}}

func open(t testing.TB, path string) backend.Backend {
	b, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() }) // tests that care close it before
	require.NoError(t, b.Declare(t.Context(), counters))
	return b
}

// count adds one to the counter, which it has read.
func count(ctx context.Context, b backend.Backend, who string) error {
	return b.Update(ctx, []string{"counter"}, func(tx backend.Tx) error {
		n := 0
		row, err := tx.Get("counters", backend.StringValue("all"))
		if err == nil {
			n, err = strconv.Atoi(string(row.Doc))
		}
		if err != nil && !errors.Is(err, backend.ErrNotFound) {
			return err
		}
		if _, err := tx.Append("steps", backend.Row{Fields: map[string]any{"who": backend.StringValue(who)}, Doc: []byte(`{}`)}); err != nil {
			return err
		}
		return tx.Put("counters", backend.Row{Key: backend.Key{backend.StringValue("all")}, Doc: []byte(strconv.Itoa(n + 1)),
			Fields: map[string]any{"n": backend.IntValue(int64(n + 1))}})
	})
}

func counted(t testing.TB, b backend.Backend) (n, steps int) {
	rows, err := b.Find(t.Context(), backend.Query{Table: "counters"})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	n, err = strconv.Atoi(string(rows[0].Doc))
	require.NoError(t, err)
	events, err := b.Find(t.Context(), backend.Query{Table: "steps"})
	require.NoError(t, err)
	return n, len(events)
}

// childEnv makes the test binary a process that counts in the file it names.
const childEnv = "SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	path := os.Getenv(childEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := child(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const perProcess = 100

func child(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	if err := b.Declare(ctx, counters); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wg.Go(func() {
			for range perProcess / len(errs) {
				if errs[i] = count(ctx, b, strconv.Itoa(os.Getpid())); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, b.Close())...)
}

func TestSeveralProcessesShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a file? with #odd %41 name.db")
	self, err := os.Executable()
	require.NoError(t, err)
	var wg sync.WaitGroup
	const processes = 3
	for range processes { // they make the file, too
		wg.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), childEnv+"="+path)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	n, steps := counted(t, open(t, path))
	require.Equal(t, processes*perProcess, n)
	require.Equal(t, processes*perProcess, steps)
	require.FileExists(t, path)
}

func TestUpdatesShareTransactions(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "store.db"))
	const callers, each = 16, 20
	var wg sync.WaitGroup
	refused := errors.New("refused")
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if i%4 == 3 { // fails after it has written: leaves no trace in what the others commit
					err := b.Update(t.Context(), nil, func(tx backend.Tx) error {
						_, err := tx.Append("steps", backend.Row{Doc: []byte(`{"never":1}`)})
						return errors.Join(refused, err)
					})
					if !errors.Is(err, refused) {
						t.Errorf("got %v", err)
					}
				}
				if err := count(t.Context(), b, strconv.Itoa(c)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		wg.Go(func() { // what ends a goroutine ends only its own
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = b.Update(t.Context(), nil, func(tx backend.Tx) error { runtime.Goexit(); return nil })
			}()
			<-done
		})
	}
	wg.Wait()
	n, steps := counted(t, b)
	require.Equal(t, callers*each, n)
	require.Equal(t, callers*each, steps)
}

func TestWhatIsNotADatabaseIsSaidSo(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for _, c := range []struct {
		path, says string
		invalid    bool
	}{
		{"", "no path to a file is given", true},
		{":memory:", "use package memory", true},
		{dir, "is a directory", true},
		{write("text", "this is not a database, but it is as long as the header of one is, which is a hundred bytes; so SQLite reads it"), "is not an SQLite database", true},
		{filepath.Join(dir, "missing", "store.db"), "missing: no such file or directory", false},
		{filepath.Join(dir, "text", "store.db"), "not a directory", false},
		{os.DevNull, "is not a regular file", true},
	} {
		_, err := sqlite.Open(t.Context(), c.path, nil)
		require.ErrorContains(t, err, c.says, c.path)
		require.Equal(t, c.invalid, errors.Is(err, backend.ErrInvalid), "%v", err)
	}
}

func TestADatabaseOfSomebodyElseIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	other, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	require.NoError(t, other.Declare(t.Context(), counters))
	require.NoError(t, other.Close())
	raw, err := sql.Open("sqlite3", path)
	require.NoError(t, err)
	_, err = raw.Exec("DROP TABLE modelregistry")
	require.NoError(t, err)
	require.NoError(t, raw.Close())

	b, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	err = b.Declare(t.Context(), counters)
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "a table counters already")
}

func TestURLs(t *testing.T) {
	dir := t.TempDir()
	b, err := backend.Open(t.Context(), "sqlite://"+filepath.ToSlash(dir)+"/an%20absolute.db")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.FileExists(t, filepath.Join(dir, "an absolute.db"))

	t.Chdir(dir)
	b, err = backend.Open(t.Context(), "sqlite:relative.db")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.FileExists(t, filepath.Join(dir, "relative.db"))

	for _, raw := range []string{"sqlite:x.db?_journal_mode=OFF", "sqlite://host/x.db", "sqlite:", "sqlite://" + (&url.URL{Path: dir}).EscapedPath() + "?cache=shared"} {
		_, err = backend.Open(t.Context(), raw)
		require.ErrorIs(t, err, backend.ErrInvalid, raw)
	}
}

func TestALongReadHonoursItsContext(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "store.db"))
	require.NoError(t, b.Update(t.Context(), nil, func(tx backend.Tx) error {
		rows := make([]backend.Row, 20000)
		for i := range rows {
			rows[i] = backend.Row{Fields: map[string]any{"who": backend.StringValue(strconv.Itoa(i))}, Doc: []byte(`{}`)}
		}
		_, err := tx.Append("steps", rows...)
		return err
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
	defer cancel()
	// Each row that is found is compared with each value.
	values := make([]backend.Value, 200000)
	for i := range values {
		values[i] = backend.StringValue("x" + strconv.Itoa(i))
	}
	start := time.Now()
	_, err := b.Find(ctx, backend.Query{Table: "steps", Where: []backend.Cond{{Field: "who", Op: backend.In, Values: values}}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), time.Second)
}

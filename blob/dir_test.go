package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// newTestDir opens a store in a new directory, on a disk that is watched.
func newTestDir(t *testing.T, l *ledger) (*Store, *dir) {
	d := newDir(l, filepath.Join(t.TempDir(), "bucket"), "team")
	require.NoError(t, d.createRoot(false))
	s := &Store{place: "file://test", in: d}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, d
}

func filled(b byte, size int) []byte { return bytes.Repeat([]byte{b}, size) }

func requireSurvives(t *testing.T, l *ledger, d *dir, digest string) {
	t.Helper()
	n, err := parseDigest(digest)
	require.NoError(t, err)
	require.Empty(t, l.lost(d.root, d.path(n)), "a power loss would take this")
}

func TestDirPutSurvivesPowerLoss(t *testing.T) {
	for _, together := range []bool{true, false} {
		l := newLedger(together)
		s, d := newTestDir(t, l)
		for i, size := range []int{0, 100, blockSize, blockSize + 1, 9 << 20} {
			for range 2 { // the second finds it there
				digest, _, err := s.Put(t.Context(), bytes.NewReader(filled(byte(i), size)))
				require.NoError(t, err)
				requireSurvives(t, l, d, digest)
			}
		}
	}
}

func TestDirPutOfManySurvivesPowerLoss(t *testing.T) {
	for _, together := range []bool{true, false} {
		l := newLedger(together)
		s, d := newTestDir(t, l)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				content := fmt.Appendf(nil, "content %d", i/2) // each twice, at about the same time
				digest, _, err := s.Put(t.Context(), bytes.NewReader(content))
				if err != nil {
					t.Errorf("Put: %v", err)
				}
				n, _ := parseDigest(digest)
				if lost := l.lost(d.root, d.path(n)); lost != "" {
					t.Errorf("a power loss would take %s", lost)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 100, countBlobs(t, s))
	}
}

// What one process has renamed but not synced is not durable for another process that finds it.
func TestDirPutSyncsWhatAnotherProcessLeft(t *testing.T) {
	l := newLedger(false)
	s, d := newTestDir(t, l)
	content := []byte("renamed, then the other process was stopped")
	digest, _, err := s.Put(t.Context(), bytes.NewReader(content))
	require.NoError(t, err)
	clear(l.entries)
	d.forgetFolders()
	l.entries[filepath.Join(d.root, "team")], l.entries[filepath.Join(d.root, "team", "blobs")] = true, true
	_, _, err = s.Put(t.Context(), bytes.NewReader(content))
	require.NoError(t, err)
	requireSurvives(t, l, d, digest)
}

func TestDirSyncsManyTogether(t *testing.T) {
	const callers = 65
	l := newLedger(true)
	s, d := newTestDir(t, l)
	_, _, err := s.Put(t.Context(), strings.NewReader("makes the folders"))
	require.NoError(t, err)
	before := l.count("sync")
	waiting := func() int {
		d.group.mu.Lock()
		defer d.group.mu.Unlock()
		return len(d.group.waiting)
	}
	var once sync.Once
	l.mu.Lock()
	l.fail = func(call string, _ int) error {
		if call == "sync" {
			once.Do(func() { // the first one's sync takes until all others wait
				for waiting() < callers-1 {
					runtime.Gosched()
				}
			})
		}
		return nil
	}
	l.mu.Unlock()
	var wg sync.WaitGroup
	lead := make(chan struct{})
	for i := range callers {
		wg.Go(func() {
			if i > 0 {
				<-lead
			}
			if _, _, err := s.Put(t.Context(), strings.NewReader(fmt.Sprint(i))); err != nil {
				t.Errorf("Put: %v", err)
			}
		})
	}
	require.Eventually(t, func() bool { return l.count("sync") == before+1 }, 10*time.Second, time.Millisecond)
	close(lead)
	wg.Wait()
	require.Equal(t, before+1, l.count("sync"))
	require.Equal(t, 2, l.count("syncAll"))
	require.Equal(t, callers+1, countBlobs(t, s))
}

// Each call to the disk fails once, and all of its kind from then on: nothing is half there, the error says why, and once
// the disk is well again so is the store.
func TestDirPutFailsWhole(t *testing.T) {
	calls := []string{"create", "write", "sync", "close", "rename", "mkdir", "syncDir", "syncAll"}
	for i, why := range []error{syscall.ENOSPC, fs.ErrPermission} {
		for _, call := range calls {
			for _, nth := range [][]int{{1}, {3}}[i] {
				for _, size := range []int{10, blockSize + 10} {
					l := newLedger(true)
					s, d := newTestDir(t, l)
					l.calls = map[string]int{}
					l.fail = func(c string, n int) error {
						if c == call && n >= nth {
							return &fs.PathError{Op: c, Path: "there", Err: why}
						}
						return nil
					}
					var wg sync.WaitGroup
					for i := range 6 {
						wg.Go(func() {
							digest, _, err := s.Put(t.Context(), bytes.NewReader(filled(byte(i), size)))
							if err != nil && (!errors.Is(err, why) || digest != "") {
								t.Errorf("%s %d: digest %q, error %v", call, nth, digest, err)
							}
							if n, perr := parseDigest(digest); err == nil && (perr != nil || l.lost(d.root, d.path(n)) != "") {
								t.Errorf("%s %d: acknowledged, but a power loss would take %s", call, nth, l.lost(d.root, d.path(n)))
							}
						})
					}
					wg.Wait()
					for info, err := range s.Blobs(t.Context()) {
						require.NoError(t, err)
						requireWhole(t, s, info)
					}
					left, err := entries(d.tmp)
					require.NoError(t, err)
					require.Empty(t, left, "%s %d", call, nth)
					l.mu.Lock()
					l.fail = nil
					l.mu.Unlock()
					for i := range 6 {
						digest, _, err := s.Put(t.Context(), bytes.NewReader(filled(byte(i), size)))
						require.NoError(t, err)
						requireSurvives(t, l, d, digest)
					}
				}
			}
		}
	}
}

func requireWhole(t *testing.T, s *Store, info modelregistry.BlobInfo) {
	t.Helper()
	r, err := s.Open(t.Context(), info.Digest)
	require.NoError(t, err)
	defer r.Close()
	sum, size, err := tee(t.Context(), io.Discard, nil, r)
	require.NoError(t, err)
	require.Equal(t, info.Digest, nameOf(sum).digest())
	require.Equal(t, info.Size, size)
}

func countBlobs(t *testing.T, s *Store) (n int) {
	t.Helper()
	for info, err := range s.Blobs(t.Context()) {
		require.NoError(t, err)
		requireWhole(t, s, info)
		n++
	}
	return n
}

func TestDirWritesEqualContentOnce(t *testing.T) {
	l := newLedger(true)
	s, _ := newTestDir(t, l)
	for i, size := range []int{10, 3 << 20} {
		content := filled(byte(i), size)
		digest, _, err := s.Put(t.Context(), bytes.NewReader(content))
		require.NoError(t, err)
		creates, writes := l.count("create"), l.count("write")
		for range 3 {
			again, _, err := s.Put(t.Context(), bytes.NewReader(content))
			require.NoError(t, err)
			require.Equal(t, digest, again)
		}
		require.Equal(t, creates, l.count("create"), "%d bytes", size)
		require.Equal(t, writes, l.count("write"), "%d bytes", size)
	}
	// Content that begins alike is told apart.
	content := filled(1, 3<<20)
	content[len(content)-1] = 2
	digest, _, err := s.Put(t.Context(), bytes.NewReader(content))
	require.NoError(t, err)
	n, err := parseDigest(digest)
	require.NoError(t, err)
	requireWhole(t, s, modelregistry.BlobInfo{Digest: n.digest(), Size: 3 << 20})
	require.Equal(t, 3, countBlobs(t, s))
}

func TestDirRemovesHints(t *testing.T) {
	s, d := newTestDir(t, newLedger(true))
	for i := range 3 {
		_, _, err := s.Put(t.Context(), bytes.NewReader(filled(byte(i), 2<<20+i)))
		require.NoError(t, err)
	}
	hints, err := entries(d.hints)
	require.NoError(t, err)
	require.Len(t, hints, 3)
	for info, err := range s.Blobs(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, s.Remove(t.Context(), info.Digest))
	}
	hints, err = entries(d.hints)
	require.NoError(t, err)
	require.Empty(t, hints)
}

func TestDirTidiesAfterCrashes(t *testing.T) {
	s, d := newTestDir(t, newLedger(true))
	_, _, err := s.Put(t.Context(), strings.NewReader("whole"))
	require.NoError(t, err)
	leave := func(name string, age time.Duration) string {
		path := filepath.Join(d.tmp, name)
		require.NoError(t, os.WriteFile(path, []byte("half"), 0o444))
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(-age)))
		return path
	}
	young := leave("put-1-young", staleAfter-time.Hour)
	old := leave("put-1-old", staleAfter+time.Hour)
	require.Equal(t, 1, countBlobs(t, s))
	require.FileExists(t, young)
	require.NoFileExists(t, old)

	old = leave("put-1-old", staleAfter+time.Hour)
	again, err := Open(t.Context(), "file://"+filepath.ToSlash(d.root)+"?prefix=team")
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.FileExists(t, young)
	require.NoFileExists(t, old)
}

func TestDirListsOnlyContent(t *testing.T) {
	s, d := newTestDir(t, newLedger(true))
	digest, _, err := s.Put(t.Context(), strings.NewReader("content"))
	require.NoError(t, err)
	n, err := parseDigest(digest)
	require.NoError(t, err)
	for _, stray := range []string{
		filepath.Join(d.sums, "README"), filepath.Join(filepath.Dir(d.path(n)), "x"), d.path(n) + ".tmp",
		filepath.Join(filepath.Dir(d.path(n)), strings.Repeat("0", hexLen)), // in the wrong folder
		filepath.Join(d.root, string(n)),
	} {
		require.NoError(t, os.WriteFile(stray, nil, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(filepath.Dir(d.path(n)), n.shard()+strings.Repeat("0", hexLen-2)), 0o700))
	require.Equal(t, 1, countBlobs(t, s))
}

func TestDirThatIsGone(t *testing.T) {
	s, d := newTestDir(t, newLedger(true))
	digest, _, err := s.Put(t.Context(), strings.NewReader("content"))
	require.NoError(t, err)

	// Emptied by somebody: it goes on.
	require.NoError(t, os.RemoveAll(filepath.Join(d.root, "team")))
	for _, size := range []int{10, 2 << 20} {
		_, _, err = s.Put(t.Context(), bytes.NewReader(filled(1, size)))
		require.NoError(t, err)
	}
	require.Equal(t, 2, countBlobs(t, s))

	// Gone: it says so and does not make it anew.
	require.NoError(t, os.RemoveAll(d.root))
	requireGone := func(err error) {
		t.Helper()
		require.NotErrorIs(t, err, modelregistry.ErrNotFound, "a fault is no answer")
		require.ErrorContains(t, err, "bucket is gone")
	}
	for _, size := range []int{10, 2 << 20} {
		_, _, err = s.Put(t.Context(), bytes.NewReader(filled(2, size)))
		requireGone(err)
	}
	_, err = s.Open(t.Context(), digest)
	requireGone(err)
	_, err = s.Stat(t.Context(), digest)
	requireGone(err)
	requireGone(s.Remove(t.Context(), digest))
	for _, err := range s.Blobs(t.Context()) {
		requireGone(err)
	}
	require.NoDirExists(t, d.root)
}

func TestDirDamage(t *testing.T) {
	s, d := newTestDir(t, newLedger(true))
	content := filled(3, 3<<20)
	digest, _, err := s.Put(t.Context(), bytes.NewReader(content))
	require.NoError(t, err)
	n, err := parseDigest(digest)
	require.NoError(t, err)

	// Cut while it is read.
	r, err := s.Open(t.Context(), digest)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, r, 1<<20)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(d.path(n), 2<<20))
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, r.Close())

	// The next Put mends it.
	_, _, err = s.Put(t.Context(), bytes.NewReader(content))
	require.NoError(t, err)
	requireWhole(t, s, modelregistry.BlobInfo{Digest: digest, Size: 3 << 20})
}

func TestDirReadsEndWithTheContext(t *testing.T) {
	s, _ := newTestDir(t, newLedger(true))
	digest, _, err := s.Put(t.Context(), bytes.NewReader(filled(3, 3<<20)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Open(ctx, digest)
	require.NoError(t, err)
	defer r.Close()
	cancel()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, ctx.Err())
}

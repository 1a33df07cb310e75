package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
)

// tampered is Blobs whose content somebody altered, and that count what they are asked.
type tampered struct {
	*blob.Store
	alter func(content []byte) []byte
	puts  atomic.Int64 // calls of Put
}

func (b *tampered) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	r, err := b.Store.Open(ctx, digest)
	if err != nil || b.alter == nil {
		return r, err
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(b.alter(content))), nil
}

func (b *tampered) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	b.puts.Add(1)
	return b.Store.Put(ctx, r)
}

func newRegistry(t testing.TB, b backend.Backend, blobs modelregistry.Blobs) modelregistry.Registry {
	r, err := modelregistry.New(t.Context(), b, blobs, nil)
	require.NoError(t, err)
	return r
}

func oneFile(content string) fs.FS { return fstest.MapFS{"model.bin": {Data: []byte(content)}} }

// Bytes that are not what was registered never read to their end, however they are read.
func TestReadsFailClosed(t *testing.T) {
	ctx := t.Context()
	const content = "0123456789abcdef"
	blobs := &tampered{Store: memBlobs(t)}
	r := newRegistry(t, memory.New(), blobs)
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile(content)})
	require.NoError(t, err)
	empty, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("")})
	require.NoError(t, err)
	for name, alter := range map[string]func([]byte) []byte{
		"the first byte altered": func(b []byte) []byte { return append([]byte("x"), b[min(1, len(b)):]...) },
		"the last byte altered":  func(b []byte) []byte { return append(b[:max(0, len(b)-1)], 'x') },
		"cut short":              func(b []byte) []byte { return b[:len(b)/2] },
		"cut by one byte":        func(b []byte) []byte { return b[:max(0, len(b)-1)] },
		"empty":                  func([]byte) []byte { return nil },
		"longer by one byte":     func(b []byte) []byte { return append(b, 0) },
		"twice":                  func(b []byte) []byte { return append(b, b...) },
	} {
		blobs.alter = alter
		for how, read := range map[string]func(f fs.File) ([]byte, error){
			"whole":        func(f fs.File) ([]byte, error) { return io.ReadAll(f) },
			"byte by byte": func(f fs.File) ([]byte, error) { return io.ReadAll(iotest.OneByteReader(f)) },
			"into a buffer of its size": func(f fs.File) ([]byte, error) {
				b := make([]byte, len(content))
				n, err := io.ReadFull(f, b)
				return b[:n], err
			},
			"from the middle": func(f fs.File) ([]byte, error) {
				if _, err := f.(io.Seeker).Seek(8, io.SeekStart); err != nil {
					return nil, err
				}
				return io.ReadAll(f)
			},
		} {
			f, err := r.Files(ctx, v).Open("model.bin")
			require.NoError(t, err)
			got, err := read(f)
			require.ErrorIs(t, err, modelregistry.ErrCorrupt, "%s, read %s", name, how)
			require.Less(t, len(got), len(content), "%s, read %s: all bytes were given out", name, how)
			_, err = f.Read(make([]byte, 1))
			require.ErrorIs(t, err, modelregistry.ErrCorrupt, "%s, read on after %s", name, how)
			require.NoError(t, f.Close())
		}
		dir := filepath.Join(t.TempDir(), "model")
		require.ErrorIs(t, modelregistry.Download(ctx, r, v, dir, nil), modelregistry.ErrCorrupt, name)
		_, err := os.Stat(dir)
		require.ErrorIs(t, err, fs.ErrNotExist, "%s: a download that failed is in its place", name)
		if len(alter(nil)) > 0 {
			_, err = fs.ReadFile(r.Files(ctx, empty), "model.bin")
			require.ErrorIs(t, err, modelregistry.ErrCorrupt, "an empty file, %s", name)
		}
	}
	blobs.alter = nil
	got, err := fs.ReadFile(r.Files(ctx, v), "model.bin")
	require.NoError(t, err)
	require.Equal(t, content, string(got))
}

func TestReadingABlobThatIsGone(t *testing.T) {
	ctx := t.Context()
	blobs := memBlobs(t)
	r := newRegistry(t, memory.New(), blobs)
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	files, err := r.Manifest(ctx, v)
	require.NoError(t, err)
	require.NoError(t, blobs.Remove(ctx, files[0].Digest))
	_, err = fs.ReadFile(r.Files(ctx, v), "model.bin")
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	require.NotErrorIs(t, err, modelregistry.ErrNotFound)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, files[0].Digest)
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	_, err = fs.ReadFile(r.Files(ctx, v), "model.bin")
	require.NoError(t, err)
}

// A version is not made of content that the store has lost: by a copy, or of artifacts.
func TestNoVersionOfLostContent(t *testing.T) {
	ctx := t.Context()
	blobs := memBlobs(t)
	r := newRegistry(t, memory.New(), blobs)
	files := fstest.MapFS{}
	for i := range 40 {
		files[fmt.Sprintf("shard-%02d", i)] = &fstest.MapFile{Data: []byte{byte(i)}}
	}
	files["also-07"] = files["shard-07"]
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: files})
	require.NoError(t, err)
	require.NoError(t, r.LogArtifacts(ctx, "1/run", files, nil))
	list, err := r.Manifest(ctx, v)
	require.NoError(t, err)
	lost := list[slices.IndexFunc(list, func(f modelregistry.File) bool { return f.Path == "shard-07" })]
	ways := map[string]func(model string) error{
		"CopyVersion": func(model string) error { _, err := r.CopyVersion(ctx, "models:/fraud/1", model, nil); return err },
		"CopyOf": func(model string) error {
			_, err := r.Register(ctx, model, modelregistry.VersionSpec{CopyOf: "models:/fraud/1"})
			return err
		},
		"Artifacts": func(model string) error {
			_, err := r.Register(ctx, model, modelregistry.VersionSpec{Artifacts: "1/run"})
			return err
		},
	}
	require.NoError(t, blobs.Remove(ctx, lost.Digest))
	for name, make := range ways {
		err := make(name)
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
		require.NotErrorIs(t, err, modelregistry.ErrNotFound, name)
		require.ErrorContains(t, err, lost.Digest, name)
		require.ErrorContains(t, err, "-07", name)
		_, err = r.Model(ctx, name)
		require.ErrorIs(t, err, modelregistry.ErrNotFound, name)
	}
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: files})
	require.NoError(t, err)
	for name, make := range ways {
		require.NoError(t, make(name))
	}
	without := newRegistry(t, memory.New(), nil)
	_, err = without.Register(ctx, "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	_, err = without.CopyVersion(ctx, "models:/fraud/1", "other", nil)
	require.NoError(t, err)
}

// What rots at equal size is stored anew by registering the same files: small content always, large content where it
// begins otherwise, and anywhere if it is verified.
func TestRegisteringAgainMendsContent(t *testing.T) {
	ctx := t.Context()
	large := strings.Repeat("weights!", 1<<18)
	for name, c := range map[string]struct {
		content string
		at      int
		verify  bool
	}{
		"small":                     {"content", 3, false},
		"empty":                     {"", -1, false},
		"large, in the beginning":   {large, 1000, false},
		"large, verified":           {large, len(large) - 1, true},
		"a link in its place":       {"content", -2, false},
		"a large link in its place": {large, -2, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			blobs := openBlobs(t, "file://"+filepath.ToSlash(dir))
			r := newRegistry(t, memory.New(), blobs)
			v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile(c.content)})
			require.NoError(t, err)
			files, err := r.Manifest(ctx, v)
			require.NoError(t, err)
			path := filepath.Join(dir, "blobs", "sha256", files[0].Digest[7:9], files[0].Digest[7:])
			require.NoError(t, os.Chmod(path, 0o600))
			switch {
			case c.at == -2:
				secret := filepath.Join(t.TempDir(), "secret")
				require.NoError(t, os.WriteFile(secret, []byte(strings.Repeat("s", len(c.content))), 0o600))
				require.NoError(t, os.Remove(path))
				require.NoError(t, os.Symlink(secret, path))
				got, err := fs.ReadFile(r.Files(ctx, v), "model.bin")
				require.ErrorIs(t, err, modelregistry.ErrCorrupt)
				require.Empty(t, got, "not a byte is read through a link")
				_, err = blobs.Stat(ctx, files[0].Digest)
				require.ErrorIs(t, err, modelregistry.ErrCorrupt)
			case c.at >= 0:
				f, err := os.OpenFile(path, os.O_WRONLY, 0)
				require.NoError(t, err)
				_, err = f.WriteAt([]byte("X"), int64(c.at))
				require.NoError(t, errors.Join(err, f.Close()))
				_, err = fs.ReadFile(r.Files(ctx, v), "model.bin")
				require.ErrorIs(t, err, modelregistry.ErrCorrupt)
			}
			_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile(c.content), VerifyStored: c.verify})
			require.NoError(t, err)
			got, err := fs.ReadFile(r.Files(ctx, v), "model.bin")
			require.NoError(t, err)
			require.Equal(t, c.content, string(got))
		})
	}
}

// Equal content is there once, and a copy stores nothing.
func TestEqualFilesAreStoredOnce(t *testing.T) {
	ctx := t.Context()
	blobs := &tampered{Store: memBlobs(t)}
	r := newRegistry(t, memory.New(), blobs)
	large := strings.Repeat("weights!", 1<<18)
	_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile(large)})
	require.NoError(t, err)
	require.EqualValues(t, 1, blobs.puts.Load())
	_, err = r.CopyVersion(ctx, "models:/fraud/1", "other", nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, blobs.puts.Load(), "a copy stores nothing")
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile(large)})
	require.NoError(t, err)
	count := 0
	for _, err := range blobs.Blobs(ctx) {
		require.NoError(t, err)
		count++
	}
	require.Equal(t, 1, count)
}

// altered is a Backend whose rows somebody altered behind the registry's back.
type altered struct {
	backend.Backend
	alter func(table string, row *backend.Row) (keep bool)
}

type alteredReader struct {
	backend.Reader
	a *altered
}

func (a *altered) rows(table string, rows []backend.Row) []backend.Row {
	if a.alter == nil {
		return rows
	}
	var kept []backend.Row
	for _, row := range rows {
		if a.alter(table, &row) {
			kept = append(kept, row)
		}
	}
	return kept
}

func (a *altered) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	rows, err := a.Backend.Find(ctx, q)
	return a.rows(q.Table, rows), err
}

func (a *altered) View(ctx context.Context, fn func(backend.Reader) error) error {
	return a.Backend.View(ctx, func(r backend.Reader) error { return fn(alteredReader{r, a}) })
}

func (r alteredReader) Find(q backend.Query) ([]backend.Row, error) {
	rows, err := r.Reader.Find(q)
	return r.a.rows(q.Table, rows), err
}

// replace alters what a row says; a row that does not say it stays.
func replace(table, old, with string) func(string, *backend.Row) bool {
	return func(t string, row *backend.Row) bool {
		if t == table {
			row.Doc = bytes.ReplaceAll(row.Doc, []byte(old), []byte(with))
		}
		return true
	}
}

func TestVerifyFindsTheFirstBrokenLink(t *testing.T) {
	ctx := t.Context()
	b := &altered{Backend: memory.New()}
	r := newRegistry(t, b, nil)
	for range 3 {
		_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	_, err := r.Promote(ctx, "fraud", 2, modelregistry.Production, &modelregistry.PromoteOptions{Reason: "honest"})
	require.NoError(t, err)
	_, err = r.SetAlias(ctx, "fraud", "champion", 2, nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		alter  func(string, *backend.Row) bool
		events int64 // that are right before the break
		broken int64 // the event that the report names; 0: the end
	}{
		"nothing":           {nil, 6, -1},
		"an event's reason": {replace("events", "honest", "forged"), 5, 6},
		"an event that is removed": {func(t string, row *backend.Row) bool {
			return t != "events" || !bytes.Contains(row.Doc, []byte("honest"))
		}, 4, 6},
		"the last event removed": {func(t string, row *backend.Row) bool {
			return t != "events" || !bytes.Contains(row.Doc, []byte("champion"))
		}, 5, 0},
		"the last event altered":  {replace("events", "champion", "chanpion"), 5, 6},
		"the last event's actor":  {replace("events", `"actor":"`, `"actor":"not `), 1, 2},
		"the first event altered": {replace("events", "model.created", "model.CREATED"), 0, 1},
		"all events removed":      {func(t string, _ *backend.Row) bool { return t != "events" }, 0, 0},
	} {
		b.alter = c.alter
		report, err := r.Verify(ctx, "fraud")
		require.Equal(t, c.events, report.Events, name)
		if c.broken < 0 {
			require.NoError(t, err)
			require.Nil(t, report.Broken)
			continue
		}
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
		require.NotEmpty(t, report.Problem, name)
		if c.broken == 0 {
			require.Nil(t, report.Broken, name)
		} else {
			require.Equal(t, c.broken, report.Broken.Seq, name)
		}
	}
}

func TestAlteredListOfFilesIsFoundOut(t *testing.T) {
	ctx := t.Context()
	b := &altered{Backend: memory.New()}
	r := newRegistry(t, b, memBlobs(t))
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	for name, alter := range map[string]func(string, *backend.Row) bool{
		"another path":  replace("manifests", "model.bin", "nodel.bin"),
		"another size":  replace("manifests", `"size":7`, `"size":6`),
		"no JSON":       replace("manifests", `{`, `[`),
		"nothing":       replace("manifests", `"files"`, `"other"`),
		"another field": replace("manifests", `"digest":"sha256:`, `"digest":"sha256:0`),
	} {
		b.alter = alter
		_, err := r.Manifest(ctx, v)
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
		_, err = fs.ReadFile(r.Files(ctx, v), "model.bin")
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
		_, err = fs.ReadFile(r.Files(ctx, v), "nodel.bin")
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
	}
}

// A bucket that is gone fails a registration and nothing else.
func TestBucketThatIsGone(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "blobs")
	require.NoError(t, os.Mkdir(dir, 0o700))
	r := newRegistry(t, memory.New(), openBlobs(t, "file://"+filepath.ToSlash(dir)))
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600)) // nor can it be made again
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("another")})
	require.ErrorContains(t, err, "model.bin")
	require.NotErrorIs(t, err, modelregistry.ErrNotFound, "a fault of the store is no answer")
	require.NotErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = fs.ReadFile(r.Files(ctx, v), "model.bin")
	require.Error(t, err)
	require.NotErrorIs(t, err, modelregistry.ErrNotFound)
	require.NotErrorIs(t, err, modelregistry.ErrInvalid)
	require.NotErrorIs(t, err, modelregistry.ErrCorrupt, "it may come back")
	_, err = r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1})
	require.Error(t, err)
	_, err = r.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
	require.NoError(t, err)
	_, err = r.Resolve(ctx, "models:/fraud/2")
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
}

// Without Blobs a registry works, and says so where files are asked for.
func TestWithoutBlobs(t *testing.T) {
	ctx := t.Context()
	r := newRegistry(t, memory.New(), nil)
	_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	_, err = r.Register(ctx, "fraud", modelregistry.VersionSpec{Files: oneFile("content")})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	require.ErrorContains(t, err, "without Blobs")
	_, err = r.Sweep(ctx, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A store that a newer program has written is read and not changed.
func TestNewerFormat(t *testing.T) {
	ctx := t.Context()
	b := memory.New()
	r := newRegistry(t, b, nil)
	_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	require.NoError(t, b.Declare(ctx, backend.Schema{Format: 1000, Tables: []backend.Table{{Name: "more", Key: []backend.Field{{Name: "id"}}}}}))
	r = newRegistry(t, b, nil)
	_, err = r.Resolve(ctx, "models:/fraud/1")
	require.NoError(t, err)
	_, err = r.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
	require.ErrorIs(t, err, backend.ErrFormat)
	require.ErrorContains(t, err, "newer")
}

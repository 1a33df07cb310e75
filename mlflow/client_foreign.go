package mlflow

import (
	"context"
	"io"
	"io/fs"
	"path"

	"github.com/modelregistry-go/modelregistry"
)

// What OpenSource opens looks like the rest of Files here: each FileInfo's Sys is a *modelregistry.File, without a digest,
// and reads end with the context.

// An outsideError is a failure of what OpenSource opened, such as a bucket that is gone or lets nobody in: the server has no
// part in it.
type outsideError struct{ err error }

func (e *outsideError) Error() string { return e.err.Error() }
func (e *outsideError) Unwrap() error { return e.err }

// ofOutside marks what such a source failed by. The end of a file is no failure.
func ofOutside(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // readers compare it so too
		return err
	}
	return &outsideError{err}
}

type foreignInfo struct {
	fs.FileInfo
	path string
}

func (i foreignInfo) Sys() any { return &modelregistry.File{Path: i.path, Size: i.Size()} }

type foreignEntry struct {
	fs.DirEntry
	path string
}

func (e foreignEntry) Info() (fs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	if err != nil || info.IsDir() {
		return info, ofOutside(err)
	}
	return foreignInfo{info, e.path}, nil
}

func statForeign(fsys fs.FS, name string) (fs.FileInfo, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil || info.IsDir() {
		return info, ofOutside(err)
	}
	return foreignInfo{info, name}, nil
}

func readForeign(fsys fs.FS, dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(fsys, dir)
	for i, e := range entries {
		entries[i] = foreignEntry{e, path.Join(dir, e.Name())}
	}
	return entries, ofOutside(err)
}

type foreignFile struct {
	fs.File
	ctx  context.Context
	path string
}

func openForeign(ctx context.Context, fsys fs.FS, name string) (fs.File, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, ofOutside(err)
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, ofOutside(err)
	}
	return &foreignFile{f, ctx, name}, nil
}

func (f *foreignFile) Read(p []byte) (int, error) {
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	n, err := f.File.Read(p)
	return n, ofOutside(err)
}

func (f *foreignFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, ofOutside(err)
	}
	return foreignInfo{info, f.path}, nil
}

package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

func (r *registry) Files(ctx context.Context, v *Version) fs.FS {
	return &fileFS{ctx: ctx, r: r, load: func() (map[string]*node, error) {
		if v == nil {
			return nil, errNilVersion
		}
		files, err := r.manifest(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("files of %s: %w", v.Ref(), err)
		}
		nodes := make([]*node, len(files))
		for i, f := range files {
			nodes[i] = &node{file: f, time: v.Created}
		}
		return fileTree(&node{file: File{Path: "."}, dir: true, time: v.Created}, nodes), nil
	}}
}

// fileFS is files that the registry keeps, under a root. The list is read when it is first needed.
type fileFS struct {
	ctx  context.Context
	r    *registry
	load func() (map[string]*node, error)

	mu   sync.Mutex
	tree map[string]*node // by path; nil until read
}

// A node is a file or directory, and its own FileInfo and DirEntry. Sys returns the *File of a file.
type node struct {
	file     File
	dir      bool
	time     time.Time
	children []fs.DirEntry // in order of their names
}

func (n *node) Name() string               { return path.Base(n.file.Path) }
func (n *node) Size() int64                { return n.file.Size }
func (n *node) IsDir() bool                { return n.dir }
func (n *node) ModTime() time.Time         { return n.time }
func (n *node) Type() fs.FileMode          { return n.Mode().Type() }
func (n *node) Info() (fs.FileInfo, error) { return n, nil }
func (n *node) String() string             { return fs.FormatFileInfo(n) }

func (n *node) Mode() fs.FileMode {
	if n.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

func (n *node) Sys() any {
	if n.dir {
		return nil
	}
	return &n.file
}

// find is the node at a path.
func (f *fileFS) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tree == nil {
		tree, err := f.load()
		if err != nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: err}
		}
		f.tree = tree
	}
	n, ok := f.tree[name]
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// fileTree puts nodes below a root, by their paths. Directories that are not among them get the time of the root.
func fileTree(root *node, nodes []*node) map[string]*node {
	tree := map[string]*node{".": root}
	for _, n := range nodes {
		if n.dir {
			tree[n.file.Path] = n
		}
	}
	var add func(n *node)
	add = func(n *node) {
		tree[n.file.Path] = n
		dir := path.Dir(n.file.Path)
		if tree[dir] == nil {
			add(&node{file: File{Path: dir}, dir: true, time: root.time})
		}
		tree[dir].children = append(tree[dir].children, n)
	}
	for _, n := range nodes {
		add(n)
	}
	for _, n := range tree {
		slices.SortFunc(n.children, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return tree
}

func (f *fileFS) Open(name string) (fs.File, error) {
	n, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return &openDir{node: n}, nil
	}
	return &openFile{node: n, ctx: f.ctx, r: f.r}, nil
}

// Stat implements fs.StatFS.
func (f *fileFS) Stat(name string) (fs.FileInfo, error) {
	n, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ReadDir implements fs.ReadDirFS.
func (f *fileFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	return slices.Clone(n.children), nil
}

// openDir is an open directory.
type openDir struct {
	*node
	at int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.node, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.file.Path, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.children[d.at:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	d.at += len(rest)
	return slices.Clone(rest), nil
}

// openFile is an open file. It hashes what it reads and holds the last byte back until the digest is right. Seeking
// ahead reads what lies between, since the digest is over the whole; seeking back begins anew.
type openFile struct {
	*node
	ctx context.Context
	r   *registry

	want   int64 // where the caller stands
	at     int64 // how far body was read
	body   io.ReadCloser
	hash   hash.Hash
	failed error
	closed bool
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.node, nil }

func (f *openFile) Close() error {
	if f.closed {
		return f.error("close", fs.ErrClosed)
	}
	f.closed = true
	return f.drop()
}

func (f *openFile) drop() error {
	if f.body == nil {
		return nil
	}
	err := f.body.Close()
	f.body = nil
	return err
}

func (f *openFile) error(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.file.Path, Err: err}
}

func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.want
	case io.SeekEnd:
		offset += f.file.Size
	}
	if offset < 0 {
		return 0, f.error("seek", fs.ErrInvalid)
	}
	f.want = offset
	return offset, nil
}

func (f *openFile) Read(p []byte) (int, error) {
	switch {
	case f.closed:
		return 0, f.error("read", fs.ErrClosed)
	case f.failed != nil:
		return 0, f.failed
	case f.want >= f.file.Size && f.at == f.file.Size && f.hash != nil:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := f.read(p)
	if err != nil && err != io.EOF {
		f.failed = f.error("read", err)
		return 0, errors.Join(f.failed, f.drop())
	}
	return n, err
}

func (f *openFile) read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, context.Cause(f.ctx)
	}
	if f.body == nil || f.want < f.at {
		if err := f.drop(); err != nil {
			return 0, err
		}
		body, err := f.r.openBlob(f.ctx, f.file.Digest)
		if err != nil {
			return 0, err
		}
		f.body, f.hash, f.at = body, sha256.New(), 0
	}
	if f.file.Size == 0 {
		if err := f.check(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	for f.at < min(f.want, f.file.Size) {
		skip := make([]byte, min(min(f.want, f.file.Size)-f.at, 256<<10))
		if _, err := f.next(skip); err != nil {
			return 0, err
		}
	}
	if f.want >= f.file.Size {
		return 0, io.EOF
	}
	n, err := f.next(p)
	f.want += int64(n)
	return n, err
}

// next reads and hashes on, and checks the digest before it gives out the last byte.
func (f *openFile) next(p []byte) (int, error) {
	if left := f.file.Size - f.at; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := f.body.Read(p)
	f.hash.Write(p[:n])
	f.at += int64(n)
	if f.at == f.file.Size {
		return n, f.check()
	}
	if err == io.EOF {
		return 0, fmt.Errorf("%w: the content of %s ends after %d of %d bytes", ErrCorrupt, f.file.Digest, f.at, f.file.Size)
	}
	return n, err
}

// check compares the whole content with the digest, and makes sure that nothing follows.
func (f *openFile) check() error {
	if digest := "sha256:" + hex.EncodeToString(f.hash.Sum(nil)); digest != f.file.Digest {
		return fmt.Errorf("%w: the content is %s, not %s", ErrCorrupt, digest, f.file.Digest)
	}
	var more [1]byte
	switch n, err := io.ReadFull(f.body, more[:]); {
	case n > 0:
		return fmt.Errorf("%w: the content of %s is longer than %d bytes", ErrCorrupt, f.file.Digest, f.file.Size)
	case err != io.EOF:
		return err
	}
	return nil
}

func (r *registry) openBlob(ctx context.Context, digest string) (io.ReadCloser, error) {
	if r.blobs == nil {
		return nil, fmt.Errorf("%w: the registry was made without Blobs, so files cannot be read", ErrInvalid)
	}
	body, err := r.blobs.Open(ctx, digest)
	if errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		// Not what was asked for is missing, but what was promised for it. The store's own words may tell of its places.
		return nil, errLostContent(digest)
	}
	return body, err
}

func errLostContent(digest string) error {
	return fmt.Errorf("%w: the content %s is lost from the store; registering the same files again brings it back", ErrCorrupt, digest)
}

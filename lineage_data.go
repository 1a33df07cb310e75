package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"strconv"
)

// DatasetNode is a data set in the lineage. version is the name of a release ("2023-06") or a digest ("sha256:…"), as
// the inputs of runs have; path is where the data is, and is never opened; attributes are further facts, such as the
// number of rows. All but name may be empty.
func DatasetNode(name, version, path string, attributes map[string]string) Node {
	return Node{Kind: Dataset, Name: name, Version: version, Path: path, Attributes: MapOf(attributes)}
}

// DigestDataset reads the files of a data set and returns its node, whose Version is the digest over all files (as
// Version.Digest is), with their number and size in bytes as the attributes "files" and "bytes". The same data has
// the same node wherever it is. ErrInvalid: there are no files, or one that could not be registered.
func DigestDataset(ctx context.Context, name, path string, fsys fs.FS) (Node, error) {
	files, size, err := digestTree(ctx, fsys)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%w: it has no files", ErrInvalid)
	}
	if err != nil {
		return Node{}, wrap("DigestDataset", name, err)
	}
	n := DatasetNode(name, digestFiles(files), path, map[string]string{
		"files": strconv.Itoa(len(files)), "bytes": strconv.FormatInt(size, 10),
	})
	return n, wrap("DigestDataset", name, n.check())
}

func digestTree(ctx context.Context, fsys fs.FS) (files []File, size int64, err error) {
	sources, err := listFiles(ctx, fsys)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range sources {
		f, err := digestFile(ctx, fsys, s)
		if err != nil {
			return nil, 0, fmt.Errorf("file %s: %w", s.path, err)
		}
		files = append(files, f)
		size += f.Size
	}
	return files, size, nil
}

func digestFile(ctx context.Context, fsys fs.FS, s source) (File, error) {
	f, err := fsys.Open(s.open)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, ctxReader{ctx, f})
	if err != nil {
		return File{}, err
	}
	return File{Path: s.path, Size: n, Digest: "sha256:" + hex.EncodeToString(h.Sum(nil))}, nil
}

// ctxReader reads until ctx ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

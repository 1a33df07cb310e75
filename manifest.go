package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A File is one file of a version.
type File struct {
	Path   string `json:"path"`   // slash-separated, relative
	Size   int64  `json:"size"`   // bytes
	Digest string `json:"digest"` // "sha256:…"
}

// manifest is the document of a list of files.
type manifest struct {
	Files []File `json:"files"` // in byte order of their paths
}

func manifestLock(digest string) string { return "manifest/" + digest }

// digestFiles is the digest over all files of a version: the SHA-256 of a line for each, in byte order of their
// paths: digest, size in decimal, path as a Go string literal in ASCII.
func digestFiles(files []File) string {
	h := sha256.New()
	var line []byte
	for _, f := range files {
		line = append(append(line[:0], f.Digest...), ' ')
		line = append(strconv.AppendInt(line, f.Size, 10), ' ')
		line = append(strconv.AppendQuoteToASCII(line, f.Path), '\n')
		h.Write(line)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func manifestRow(digest string, files []File, now time.Time) (backend.Row, error) {
	doc, err := json.Marshal(manifest{Files: files})
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode list of files: %w", err)
	}
	return backend.Row{
		Key:    backend.Key{backend.StringValue(digest)},
		Fields: map[string]any{"created": backend.TimeValue(now)},
		Doc:    doc,
	}, nil
}

// putManifest writes the list of a version's files.
func putManifest(tx backend.Tx, digest string, files []File, now time.Time) error {
	row, err := manifestRow(digest, files, now)
	if err != nil {
		return err
	}
	if err := tx.Put(tableManifests, row); err != nil {
		return fmt.Errorf("write list of files: %w", err)
	}
	return nil
}

func decodeManifest(row backend.Row) ([]File, error) {
	var m manifest
	if err := json.Unmarshal(row.Doc, &m); err != nil {
		return nil, fmt.Errorf("list of files %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return m.Files, nil
}

func (r *registry) Manifest(ctx context.Context, v *Version) ([]File, error) {
	files, err := r.manifest(ctx, v)
	return files, wrap("Manifest", v.Ref(), err)
}

// manifest reads the list of v's files and compares it with v's digest, so that a list that was altered is found out.
func (r *registry) manifest(ctx context.Context, v *Version) ([]File, error) {
	if err := checkGiven(v); err != nil {
		return nil, err
	}
	if v.Digest == "" {
		return nil, nil
	}
	if v.files != nil {
		return slices.Clone(v.files), nil
	}
	row, err := r.findOne(ctx, backend.Query{Table: tableManifests, Where: []backend.Cond{{Field: "digest", Value: backend.StringValue(v.Digest)}}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, fmt.Errorf("list of files %s: %w", v.Digest, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read list of files: %w", err)
	}
	files, err := decodeManifest(row)
	if err != nil {
		return nil, err
	}
	if digest := digestFiles(files); digest != v.Digest {
		return nil, fmt.Errorf("list of files: %w: its digest is %s, not the version's %s", ErrCorrupt, digest, v.Digest)
	}
	return files, nil
}

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

	"github.com/modelregistry-go/modelregistry/backend"
)

// A File is one file of a version.
type File struct {
	Path   string `json:"path"`   // slash-separated, relative
	Size   int64  `json:"size"`   // bytes
	Digest string `json:"digest"` // "sha256:…"
}

// manifest is the document of a list of files, or of a part of one. A list of many files goes on in rows of its own, for a
// document has a limit.
type manifest struct {
	Files []File `json:"files"`           // in byte order of their paths
	Parts int    `json:"parts,omitempty"` // further ones; only in the first
}

const (
	// partFiles and partBytes limit a part of a list: with all that JSON may make of a path it stays below 1 MiB.
	partFiles = 1000
	partBytes = 512 << 10
	partsRead = 16 // at once

	// maxFiles and maxPaths limit a whole list, which is written in one transaction and held in memory by those who read it.
	maxFiles = 200_000
	maxPaths = 32 << 20 // bytes of all paths
)

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

// A listLimit counts the files of a list and refuses more than one can have.
type listLimit struct{ files, paths int }

func (l *listLimit) add(path string) error {
	l.files++
	l.paths += len(path)
	if l.files > maxFiles || l.paths > maxPaths {
		return fmt.Errorf("%w: too many files: at most %d, whose paths have at most %d bytes together", ErrInvalid, maxFiles, maxPaths)
	}
	return nil
}

// splitFiles parts a list so that each part fits a document. There is always one.
func splitFiles(files []File) [][]File {
	var parts [][]File
	from, bytes := 0, 0
	for i, f := range files {
		size := 6*len(f.Path) + len(f.Digest) + 64 // JSON writes a byte as six at most
		if i > from && (i-from == partFiles || bytes+size > partBytes) {
			parts = append(parts, files[from:i])
			from, bytes = i, 0
		}
		bytes += size
	}
	return append(parts, files[from:])
}

// putManifest writes the list of a version's files. An upload lock is held, so that the row says after which Sweeps began
// it was written.
func putManifest(tx backend.Tx, digest string, files []File) error {
	self, err := readSelf(tx)
	if err != nil {
		return err
	}
	parts := splitFiles(files)
	rows := make([]backend.Row, len(parts))
	for i, part := range parts {
		m := manifest{Files: part}
		if i == 0 {
			m.Parts = len(parts) - 1
		}
		doc, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encode list of files: %w", err)
		}
		rows[i] = backend.Row{Key: partKey(digest, i), Doc: doc}
	}
	rows[0].Key = rows[0].Key[:1]
	rows[0].Fields = map[string]any{"generation": backend.IntValue(self.Generation)}
	if err := tx.Put(tableManifests, rows[0]); err != nil {
		return fmt.Errorf("write list of files: %w", err)
	}
	if len(rows) > 1 {
		if err := tx.Put(tableParts, rows[1:]...); err != nil {
			return fmt.Errorf("write list of files: %w", err)
		}
	}
	return nil
}

func partKey(digest string, part int) backend.Key {
	return backend.Key{backend.StringValue(digest), backend.IntValue(int64(part))}
}

func decodeManifest(row backend.Row) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(row.Doc, &m); err != nil {
		return m, fmt.Errorf("list of files %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return m, nil
}

// readManifest reads the list of that digest, and compares it with that, so that one that was altered is found out.
// backend.ErrNotFound: it is not there.
func readManifest(find func(backend.Query) ([]backend.Row, error), digest string) ([]File, error) {
	rows, err := find(backend.Query{Table: tableManifests, Limit: 1, Where: []backend.Cond{{Field: "digest", Value: backend.StringValue(digest)}}})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read list of files: %w", err)
	case len(rows) == 0:
		return nil, backend.ErrNotFound
	}
	var files []File
	err = eachPart(find, rows[0], func(part []File) { files = append(files, part...) })
	if err != nil {
		return nil, err
	}
	if got := digestFiles(files); got != digest {
		return nil, fmt.Errorf("list of files: %w: its digest is %s, not the version's %s", ErrCorrupt, got, digest)
	}
	return files, nil
}

// eachPart calls fn with the parts of the list that begins with that row. backend.ErrNotFound: the list was removed
// meanwhile. ErrCorrupt: a part is lost, so nobody knows what the list names.
func eachPart(find func(backend.Query) ([]backend.Row, error), first backend.Row, fn func([]File)) error {
	m, err := decodeManifest(first)
	if err != nil {
		return err
	}
	fn(m.Files)
	if m.Parts == 0 {
		return nil
	}
	q := backend.Query{Table: tableParts, Limit: partsRead, Where: []backend.Cond{{Field: "digest", Value: first.Key[0]}}}
	for found := 0; ; {
		rows, err := find(q)
		if err != nil {
			return fmt.Errorf("read list of files: %w", err)
		}
		for _, row := range rows {
			part, err := decodeManifest(row)
			if err != nil {
				return err
			}
			fn(part.Files)
		}
		found += len(rows)
		if len(rows) < partsRead {
			if found == m.Parts {
				return nil
			}
			return lostPart(find, first, fmt.Errorf("list of files %s: %w: it has %d parts of %d; registering the same files "+
				"again brings them back", first.Key[0].Str(), ErrCorrupt, found+1, m.Parts+1))
		}
		q.After = rows[len(rows)-1].Key
	}
}

// lostPart is lost, or backend.ErrNotFound if the list is not there any more: a Sweep may have removed it while it was read.
func lostPart(find func(backend.Query) ([]backend.Row, error), first backend.Row, lost error) error {
	rows, err := find(backend.Query{Table: tableManifests, Limit: 1, Where: []backend.Cond{{Field: "digest", Value: first.Key[0]}}})
	switch {
	case err != nil:
		return fmt.Errorf("read list of files: %w", err)
	case len(rows) == 0:
		return backend.ErrNotFound
	}
	return lost
}

func (r *registry) Manifest(ctx context.Context, v *Version) ([]File, error) {
	files, err := r.manifest(ctx, v)
	return files, wrap("Manifest", v.Ref(), err)
}

// manifest reads the list of v's files.
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
	files, err := readManifest(r.find(ctx), v.Digest)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, r.lostManifest(ctx, v)
	}
	return files, err
}

// lostManifest says why the list of v's files is not there: because the version was deleted, or because it was lost.
func (r *registry) lostManifest(ctx context.Context, v *Version) error {
	rows, err := r.backend.Find(ctx, backend.Query{Table: tableVersions, Limit: 1, Where: []backend.Cond{
		{Field: "digest", Value: backend.StringValue(v.Digest)},
	}})
	if err != nil {
		return fmt.Errorf("look for a version with these files: %w", err)
	}
	if len(rows) == 0 {
		return fmt.Errorf("list of files %s: %w: the version was deleted", v.Digest, ErrNotFound)
	}
	return errLostManifest(v)
}

func errLostManifest(v *Version) error {
	return fmt.Errorf("list of files %s: %w: it is lost; registering the same files again brings it back", v.Digest, ErrCorrupt)
}

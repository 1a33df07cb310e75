package modelregistry

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// ArtifactStore is the part of a Registry about files that can still change: what runs and logged models leave, in one
// tree of slash-separated paths such as 1/<run>/artifacts/model/weights.bin. Bytes are kept as those of versions are, by
// digest and each once; a path names the digest that it had last. Register takes files from here without copying them
// (VersionSpec.Artifacts): what happens to the paths afterwards does not change the version.
//
// A path is relative, of plain elements and at most 1,024 bytes long. A directory is there as long as it has files.
type ArtifactStore interface {
	// PutArtifact stores what r yields until io.EOF under a path, in place of what was there. ErrInvalid: the path, or
	// one above it, is a directory or file where the other is needed.
	PutArtifact(ctx context.Context, path string, r io.Reader) (File, error)
	// LogArtifacts stores all files below fsys's root under a directory, whole or not at all, in place of files of the
	// same paths.
	LogArtifacts(ctx context.Context, dir string, fsys fs.FS, opts *LogArtifactsOptions) error
	// OpenArtifact opens one file, as Files does: reads verify. Its FileInfo's Sys is a *File. ErrNotFound: there is
	// nothing. ErrInvalid: it is a directory.
	OpenArtifact(ctx context.Context, path string) (fs.File, error)
	// Artifacts is what is below a directory, as it is when it is first read.
	Artifacts(ctx context.Context, dir string) fs.FS
	// ListArtifacts is a page of a directory, in byte order of names: empty if it is not there or a file. "" is the
	// root. Filter and OrderBy have to be empty.
	ListArtifacts(ctx context.Context, dir string, q Query) (ArtifactPage, error)
	// DeleteArtifacts removes a file, or a directory with all below it; that nothing is there is no error.
	DeleteArtifacts(ctx context.Context, path string) error
}

// LogArtifactsOptions go with LogArtifacts.
type LogArtifactsOptions struct {
	Progress func(Progress) // see VersionSpec
}

// An Artifact is an entry of a directory of artifacts.
type Artifact struct {
	Name    string // without the directory
	IsDir   bool
	Size    int64     // bytes; 0 of a directory
	Digest  string    // "" of a directory
	Updated time.Time // when it was put; of a directory, when it came to be
}

// An ArtifactPage is one page of a directory.
type ArtifactPage struct {
	Artifacts []Artifact
	Next      string // the PageToken of the next page; "" if this is the last
}

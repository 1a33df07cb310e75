package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "gocloud.dev/blob/azureblob" // azblob://container
	_ "gocloud.dev/blob/gcsblob"   // gs://bucket
	_ "gocloud.dev/blob/s3blob"    // s3://bucket

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	_ "github.com/modelregistry-go/modelregistry/backend/memory"   // mem://
	_ "github.com/modelregistry-go/modelregistry/backend/postgres" // postgres://
	_ "github.com/modelregistry-go/modelregistry/backend/sqlite"   // sqlite:path
	"github.com/modelregistry-go/modelregistry/blob"
)

// storeFlags say where a registry is kept.
type storeFlags struct {
	data      string
	backend   string
	artifacts string
	existing  bool // what is not there is not made
}

func (f *storeFlags) add(set *flag.FlagSet) {
	set.StringVar(&f.data, "data", "modelregistry-data", "the `directory` for what no other flag places")
	set.StringVar(&f.backend, "backend", "", "the `URL` of the metadata: sqlite:relative/path, sqlite:/absolute/path, postgres://…, mem:// (default registry.db below --data)")
	set.StringVar(&f.artifacts, "artifacts", "", "the `URL` of the bucket: file:///path, s3://, gs://, azblob://, mem:// (default artifacts below --data)")
}

// directory makes the data directory, readable by its owner alone, if it may, and returns its absolute path.
func (f *storeFlags) directory() (string, error) {
	dir, err := filepath.Abs(f.data)
	if err == nil && !f.existing {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
}

// open opens the registry that the flags say. Call closeAll when done.
func (f *storeFlags) open(ctx context.Context) (reg modelregistry.Registry, closeAll func() error, err error) {
	rows, files := f.backend, f.artifacts
	if rows == "" || files == "" {
		dir, err := f.directory()
		if err != nil {
			return nil, nil, err
		}
		if rows == "" {
			rows = fileURL("sqlite", filepath.Join(dir, "registry.db"))
		}
		if files == "" {
			files = fileURL("file", filepath.Join(dir, "artifacts"))
		}
	}
	if f.existing {
		rows, files = withParam(rows, "sqlite", "mode", "rw"), withParam(files, "file", "create_dir", "false")
	} else if err := errors.Join(makeParent(rows, "sqlite"), makeParent(files, "file")); err != nil {
		return nil, nil, err
	}
	b, err := backend.Open(ctx, rows)
	if err != nil {
		return nil, nil, fmt.Errorf("open backend: %w", err)
	}
	blobs, err := blob.Open(ctx, files)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open artifacts: %w", err), b.Close())
	}
	closeAll = func() error { return errors.Join(b.Close(), blobs.Close()) }
	if reg, err = modelregistry.New(ctx, b, blobs, nil); err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return reg, closeAll, nil
}

// makeParent makes the directory that a URL of one scheme has its file or directory in.
func makeParent(rawURL, scheme string) error {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != scheme || u.Host != "" {
		return nil // it is not of that scheme, or whoever opens it says what is wrong
	}
	if err := os.MkdirAll(filepath.Dir(filepath.FromSlash(u.Path)), 0o700); err != nil {
		return fmt.Errorf("%s: %w", rawURL, err)
	}
	return nil
}

// withParam gives a URL of one scheme a parameter, unless it has it already.
func withParam(rawURL, scheme, name, value string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != scheme || u.Query().Has(name) {
		return rawURL
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func fileURL(scheme, path string) string {
	return (&url.URL{Scheme: scheme, Path: filepath.ToSlash(path)}).String()
}

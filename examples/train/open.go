package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/sign"
)

// open opens the registry in dir, and makes it if it is not there. Changes are the trainer's, unless they are made As
// somebody else.
func open(ctx context.Context, dir string) (reg modelregistry.Registry, k keys, closeAll func() error, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, k, nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, k, nil, err
	}
	if k, err = readKeys(dir); err != nil {
		return nil, k, nil, err
	}
	rows, err := sqlite.Open(ctx, filepath.Join(dir, "registry.db"), nil)
	if err != nil {
		return nil, k, nil, err
	}
	bucket := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, "blobs"))}
	blobs, err := blob.Open(ctx, bucket.String())
	if err != nil {
		return nil, k, nil, errors.Join(err, rows.Close())
	}
	closeAll = func() error { return errors.Join(blobs.Close(), rows.Close()) }
	reg, err = modelregistry.New(ctx, rows, blobs, &modelregistry.Options{Actor: "trainer", Gates: gates(k.public)})
	if err != nil {
		return nil, k, nil, errors.Join(err, closeAll())
	}
	return reg, k, closeAll, nil
}

// Only who trains has the private key. Who serves needs the public one.
type keys struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// readKeys reads the keys in dir, and makes them the first time. openssl genpkey -algorithm ed25519 makes the same files.
func readKeys(dir string) (keys, error) {
	privateFile, publicFile := filepath.Join(dir, "release.pem"), filepath.Join(dir, "release.pub.pem")
	private, err := sign.ReadPrivateKey(privateFile)
	if errors.Is(err, fs.ErrNotExist) {
		private, err = sign.GenerateKeyFiles(privateFile, publicFile)
	}
	if err != nil {
		return keys{}, err
	}
	public, err := sign.ReadPublicKeys(publicFile)
	if err != nil {
		return keys{}, err
	}
	return keys{private, public[0]}, nil
}

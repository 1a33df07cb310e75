//go:build !unix

package modelregistry

import (
	"context"
	"os"
)

// lockDir creates dir. Here downloads into one directory cannot be kept apart.
func lockDir(_ context.Context, dir string) (unlock func(), err error) {
	return func() {}, os.MkdirAll(dir, 0o755)
}

// syncDir does nothing: a directory cannot be synced here.
func syncDir(*os.File) error { return nil }

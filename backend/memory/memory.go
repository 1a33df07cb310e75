// Package memory is a storage backend in the memory of this process: for tests, and for programs that build a registry
// anew at every start.
//
// Its trees are persistent: a commit publishes a new state and leaves the earlier ones as they are. Readers therefore
// hold a snapshot for nothing, and never wait; Updates run one after the other. Nothing is shared with the caller.
//
// Importing the package makes [backend.Open] understand mem://, each time another, empty store.
package memory

import (
	"context"
	"fmt"
	"net/url"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/kv"
)

func init() {
	backend.RegisterScheme("mem", func(_ context.Context, u *url.URL) (backend.Backend, error) {
		if err := backend.CheckParams(u); err != nil {
			return nil, err
		}
		if u.Host != "" || u.Path != "" || u.Opaque != "" {
			return nil, fmt.Errorf("open backend: %w: a memory store has no name; write mem://", backend.ErrInvalid)
		}
		return New(), nil
	})
}

// A Backend is a [backend.Backend] and a [backend.Memoizer] in memory. It is gone when it is closed.
type Backend struct{ *kv.Backend }

// New returns an empty Backend.
func New() *Backend { return &Backend{kv.NewInMemory(newStore())} }

var (
	_ backend.Backend  = (*Backend)(nil)
	_ backend.Memoizer = (*Backend)(nil)
)

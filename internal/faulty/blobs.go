package faulty

import (
	"context"
	"io"
	"iter"

	"github.com/modelregistry-go/modelregistry"
)

// Store is Blobs that Sweep can clean up, and that know their registries.
type Store interface {
	modelregistry.Blobs
	modelregistry.SweepBlobs
	modelregistry.MarkedBlobs
}

// Blobs is b with steps that fail by plan.
func (p *Plan) Blobs(b Store) Store { return &faultyBlobs{b, p} }

type faultyBlobs struct {
	Store
	plan *Plan
}

func (b *faultyBlobs) Put(ctx context.Context, r io.Reader) (digest string, size int64, err error) {
	err = b.plan.do("put blob", func() error {
		digest, size, err = b.Store.Put(ctx, r)
		return err
	})
	return digest, size, err
}

func (b *faultyBlobs) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	before, after := b.plan.step("open blob")
	if before != nil {
		return nil, before
	}
	r, err := b.Store.Open(ctx, digest)
	if err != nil || after == nil {
		return r, err
	}
	return &cut{r, after}, nil
}

// cut is content that ends with a fault.
type cut struct {
	io.ReadCloser
	err error
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err == io.EOF {
		err = c.err
	}
	return n, err
}

func (b *faultyBlobs) Stat(ctx context.Context, digest string) (size int64, err error) {
	err = b.plan.do("stat blob", func() error {
		size, err = b.Store.Stat(ctx, digest)
		return err
	})
	return size, err
}

func (b *faultyBlobs) Marks(ctx context.Context) (ids []string, err error) {
	err = b.plan.do("read marks", func() error {
		ids, err = b.Store.Marks(ctx)
		return err
	})
	return ids, err
}

func (b *faultyBlobs) Mark(ctx context.Context, registry string) error {
	return b.plan.do("mark", func() error { return b.Store.Mark(ctx, registry) })
}

func (b *faultyBlobs) Unmark(ctx context.Context, registry string) error {
	return b.plan.do("unmark", func() error { return b.Store.Unmark(ctx, registry) })
}

func (b *faultyBlobs) Remove(ctx context.Context, digest string) error {
	return b.plan.do("remove blob", func() error { return b.Store.Remove(ctx, digest) })
}

func (b *faultyBlobs) Blobs(ctx context.Context) iter.Seq2[modelregistry.BlobInfo, error] {
	return func(yield func(modelregistry.BlobInfo, error) bool) {
		before, after := b.plan.step("list blobs")
		if before != nil {
			yield(modelregistry.BlobInfo{}, before)
			return
		}
		for info, err := range b.Store.Blobs(ctx) {
			if !yield(info, err) {
				return
			}
		}
		if after != nil {
			yield(modelregistry.BlobInfo{}, after)
		}
	}
}

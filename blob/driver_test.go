package blob_test

import (
	"context"
	"io"
	"sync/atomic"

	gocloudblob "gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

// faulty is a bucket in memory that counts writes and fails as it is told.
type faulty struct {
	driver.Bucket // calls that the tests do not need panic
	in            *gocloudblob.Bucket
	writes        atomic.Int64
	fail          func(call string) error           // may be nil
	cut           func(io.ReadCloser) io.ReadCloser // of what is read; may be nil
}

func newFaulty() (*faulty, *gocloudblob.Bucket) {
	f := &faulty{in: memblob.OpenBucket(nil)}
	return f, gocloudblob.NewBucket(f)
}

func (f *faulty) call(what string) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(what)
}

func (f *faulty) Close() error                           { return f.in.Close() }
func (f *faulty) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }

func (f *faulty) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	if err := f.call("Attributes"); err != nil {
		return nil, err
	}
	a, err := f.in.Attributes(ctx, key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{Size: a.Size, ModTime: a.ModTime}, nil
}

func (f *faulty) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	if err := f.call("ListPaged"); err != nil {
		return nil, err
	}
	page := &driver.ListPage{}
	for it := f.in.List(&gocloudblob.ListOptions{Prefix: opts.Prefix}); ; {
		o, err := it.Next(ctx)
		if err == io.EOF {
			return page, nil
		}
		if err != nil {
			return nil, err
		}
		page.Objects = append(page.Objects, &driver.ListObject{Key: o.Key, Size: o.Size, ModTime: o.ModTime})
	}
}

func (f *faulty) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	if err := f.call("Delete"); err != nil {
		return err
	}
	return f.in.Delete(ctx, key)
}

type faultyReader struct {
	io.ReadCloser
	attrs driver.ReaderAttributes
}

func (r faultyReader) Attributes() *driver.ReaderAttributes { return &r.attrs }
func (r faultyReader) As(any) bool                          { return false }

func (f *faulty) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if err := f.call("NewRangeReader"); err != nil {
		return nil, err
	}
	r, err := f.in.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, err
	}
	var rc io.ReadCloser = r
	if f.cut != nil {
		rc = f.cut(r)
	}
	return faultyReader{rc, driver.ReaderAttributes{Size: r.Size(), ModTime: r.ModTime()}}, nil
}

type faultyWriter struct {
	io.WriteCloser
	f *faulty
}

func (f *faulty) NewTypedWriter(ctx context.Context, key, contentType string, _ *driver.WriterOptions) (driver.Writer, error) {
	f.writes.Add(1)
	if err := f.call("NewTypedWriter"); err != nil {
		return nil, err
	}
	w, err := f.in.NewWriter(ctx, key, &gocloudblob.WriterOptions{ContentType: contentType})
	return faultyWriter{w, f}, err
}

func (w faultyWriter) Write(p []byte) (int, error) {
	if err := w.f.call("Write"); err != nil {
		n, _ := w.WriteCloser.Write(p[:len(p)/2])
		return n, err
	}
	return w.WriteCloser.Write(p)
}

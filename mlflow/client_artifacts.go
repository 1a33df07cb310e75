package mlflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/modelregistry-go/modelregistry"
)

// The artifacts of a server are what its proxy serves, by the same paths.

// PutArtifact puts a file. If r is an io.Seeker, a request that failed is tried again.
func (c *Client) PutArtifact(ctx context.Context, name string, r io.Reader) (modelregistry.File, error) {
	f, err := c.putArtifact(ctx, name, r)
	return f, failed("PutArtifact", name, "", err)
}

func (c *Client) putArtifact(ctx context.Context, name string, r io.Reader) (modelregistry.File, error) {
	if err := checkPath(name); err != nil {
		return modelregistry.File{}, err
	}
	counted := &countingReader{ctx: ctx, r: r}
	seeker, seekable := r.(io.Seeker)
	start := int64(0)
	if seekable {
		var err error
		if start, err = seeker.Seek(0, io.SeekCurrent); err != nil {
			seekable = false // a pipe says that it can
		}
	}
	begun := false
	err := c.put(ctx, name, -1, seekable, func() (io.ReadCloser, error) {
		if begun {
			if !seekable {
				return nil, fmt.Errorf("the content cannot be sent again: %w", errors.ErrUnsupported)
			}
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return nil, err
			}
		}
		begun, counted.n = true, 0
		return io.NopCloser(counted), nil
	})
	return modelregistry.File{Path: name, Size: counted.n}, err
}

// put sends a file of size bytes, or with -1 as many as there are. open is called for each try; again: it may be more
// than one.
func (c *Client) put(ctx context.Context, name string, size int64, again bool, open func() (io.ReadCloser, error)) error {
	var source sourceError
	resp, err := c.send(ctx, again, func() (*http.Request, error) {
		if err := source.get(); err != nil {
			return nil, err
		}
		body, err := open()
		if err != nil {
			return nil, err
		}
		var in io.ReadCloser = &sourceReader{body, &source}
		if size == 0 {
			_ = body.Close()
			in = http.NoBody
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.endpoint(proxyPath+"/"+escapePath(name), nil), in)
		if err != nil {
			return nil, err
		}
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
		return req, nil
	})
	if err := source.get(); err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	return errors.Join(err, resp.Body.Close())
}

// sourceError keeps the error of a file that is being sent, which is not the server's fault: the HTTP client may tell
// another one, and may still be reading when it does.
type sourceError struct {
	mu  sync.Mutex
	err error
}

func (s *sourceError) get() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

type sourceReader struct {
	io.ReadCloser
	source *sourceError
}

func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		r.source.mu.Lock()
		defer r.source.mu.Unlock()
		if r.source.err == nil {
			r.source.err = err
		}
	}
	return n, err
}

type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.r.Read(p)
	r.n += int64(n)
	return n, err
}

func checkPath(name string) error {
	if err := checkText(name); err != nil {
		return fmt.Errorf("artifact %w", err)
	}
	switch {
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("artifact %.80q: %w: not a plain relative path", name, modelregistry.ErrInvalid)
	case len(name) > maxPathLen:
		return fmt.Errorf("artifact %.80q…: %w: %d bytes, at most %d", name, modelregistry.ErrInvalid, len(name), maxPathLen)
	}
	return nil
}

// LogArtifacts puts files one by one, several at a time: if one fails, others are there already.
func (c *Client) LogArtifacts(ctx context.Context, dir string, fsys fs.FS, opts *modelregistry.LogArtifactsOptions) error {
	if opts == nil {
		opts = &modelregistry.LogArtifactsOptions{}
	}
	var err error
	if dir != "" { // the root
		err = checkPath(dir)
	}
	if err == nil {
		err = c.upload(ctx, dir, fsys, opts.Progress)
	}
	return failed("LogArtifacts", dir, "", err)
}

// upload puts all files of fsys below a directory.
func (c *Client) upload(ctx context.Context, dir string, fsys fs.FS, progress func(modelregistry.Progress)) error {
	files, err := filesToSend(fsys)
	if err != nil {
		return err
	}
	meter := &sendMeter{report: progress}
	for _, f := range files {
		if err := checkPath(path.Join(dir, f.Path)); err != nil {
			return err
		}
		meter.total += f.Size
	}
	const together = 4
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(together, len(files)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return
				}
				if err := c.uploadOne(ctx, dir, fsys, files[i], meter); err != nil {
					cancel(fmt.Errorf("file %s: %w", files[i].Path, err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (c *Client) uploadOne(ctx context.Context, dir string, fsys fs.FS, f modelregistry.File, meter *sendMeter) error {
	var sent int64 // by the try that is on
	return c.put(ctx, path.Join(dir, f.Path), f.Size, true, func() (io.ReadCloser, error) {
		in, err := fsys.Open(f.Path)
		if err != nil {
			return nil, err
		}
		meter.add(f.Path, -sent)
		sent = 0
		file := &meteredFile{File: in, ctx: ctx, path: f.Path, size: f.Size, sent: &sent, meter: meter}
		if f.Size == 0 { // and nothing is read
			if err := file.end(); err != nil {
				return nil, errors.Join(err, in.Close())
			}
		}
		return file, nil
	})
}

// filesToSend lists all files. What is no regular file is refused, links too: where they lead is for the caller to say.
func filesToSend(fsys fs.FS) ([]modelregistry.File, error) {
	var files []modelregistry.File
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && !plainName(e.Name()):
			return fmt.Errorf("file %.80q in %q: %w: not a plain relative path", e.Name(), path.Dir(name), cmp.Or(checkText(e.Name()), modelregistry.ErrInvalid))
		case e.IsDir():
			return nil
		case e.Type()&fs.ModeSymlink != 0:
			return fmt.Errorf("file %.80q: %w: an MLflow client does not send symbolic links; give the tree with what they stand for", name, errors.ErrUnsupported)
		case !e.Type().IsRegular():
			return fmt.Errorf("file %.80q: %w: only regular files are sent", name, modelregistry.ErrInvalid)
		}
		if err := checkPath(name); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		files = append(files, modelregistry.File{Path: name, Size: info.Size()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return files, nil
}

// sendMeter tells how far an upload has come.
type sendMeter struct {
	mu     sync.Mutex
	report func(modelregistry.Progress)
	done   int64
	total  int64
	told   int64 // the highest so far: a file that is sent again does not go back
}

func (m *sendMeter) add(file string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done += n; m.report == nil || m.done <= m.told {
		return
	}
	m.told = m.done
	m.report(modelregistry.Progress{Done: m.done, Total: m.total, File: file})
}

// meteredFile is a file that is being sent: just as long as it was when it was listed.
type meteredFile struct {
	fs.File
	ctx   context.Context
	path  string
	size  int64
	sent  *int64
	meter *sendMeter
}

func (f *meteredFile) Read(p []byte) (int, error) {
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	left := f.size - *f.sent
	if left == 0 {
		return 0, io.EOF
	}
	n, err := f.File.Read(p[:min(int64(len(p)), left)])
	if n > 0 {
		*f.sent += int64(n)
		f.meter.add(f.path, int64(n))
	}
	switch {
	case err == io.EOF && *f.sent < f.size:
		err = fmt.Errorf("%w: it has become shorter than %d bytes", modelregistry.ErrConflict, f.size)
	case err == nil && *f.sent == f.size:
		if f.ctx.Err() != nil {
			return 0, context.Cause(f.ctx)
		}
		if err = f.end(); err != nil {
			n = 0 // so that the server does not take what it has for the whole
		}
	}
	return n, err
}

// end makes sure that the file ends here.
func (f *meteredFile) end() error {
	var more [1]byte
	switch n, err := io.ReadFull(f.File, more[:]); {
	case n > 0:
		return fmt.Errorf("%w: it has become longer than %d bytes", modelregistry.ErrConflict, f.size)
	case err != io.EOF:
		return err
	}
	return nil
}

// OpenArtifact opens a file as Files does.
func (c *Client) OpenArtifact(ctx context.Context, name string) (fs.File, error) {
	f, err := c.openArtifact(ctx, name)
	return f, failed("OpenArtifact", name, "", err)
}

func (c *Client) openArtifact(ctx context.Context, name string) (fs.File, error) {
	if err := checkPath(name); err != nil {
		return nil, err
	}
	f, err := c.Artifacts(ctx, path.Dir(name)).Open(path.Base(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no such artifact", modelregistry.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		if err == nil {
			err = fmt.Errorf("%w: it is a directory", modelregistry.ErrInvalid)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Artifacts is what is below a directory behind the proxy, or, for a Run's artifacts that are elsewhere, what OpenSource
// opens.
func (c *Client) Artifacts(ctx context.Context, dir string) fs.FS {
	return &remoteFS{ctx: ctx, c: c, find: func() (place, error) {
		if dir == "." {
			dir = ""
		}
		p := c.placeOf(uriOf(dir))
		if dir != "" && p.proxied {
			return p, checkPath(p.dir)
		}
		if p.dir == uriOf(dir) && strings.HasPrefix(p.dir, "mlflow-artifacts:/") {
			return p, fmt.Errorf("artifact %.80q: %w: not a plain relative path", dir, modelregistry.ErrInvalid)
		}
		return p, nil
	}}
}

// ListArtifacts lists a directory; MLflow has no pages of it.
func (c *Client) ListArtifacts(ctx context.Context, dir string, q modelregistry.Query) (modelregistry.ArtifactPage, error) {
	page, err := c.listArtifacts(ctx, dir, q)
	return page, failed("ListArtifacts", dir, "", err)
}

func (c *Client) listArtifacts(ctx context.Context, dir string, q modelregistry.Query) (modelregistry.ArtifactPage, error) {
	if dir != "" {
		if err := checkPath(dir); err != nil {
			return modelregistry.ArtifactPage{}, err
		}
	}
	if q.Filter != "" || len(q.OrderBy) > 0 {
		return modelregistry.ArtifactPage{}, fmt.Errorf("list of artifacts: %w: it has no filter and no order but that of names", modelregistry.ErrInvalid)
	}
	size, token, seal, err := searchPage("artifacts "+dir, q, largestPage)
	if err != nil {
		return modelregistry.ArtifactPage{}, err
	}
	listed, err := c.listProxied(ctx, dir)
	if err != nil {
		return modelregistry.ArtifactPage{}, err
	}
	var page modelregistry.ArtifactPage
	for _, f := range listed {
		if token != "" && f.Name <= token {
			continue
		}
		if len(page.Artifacts) == size {
			page.Next = seal(page.Artifacts[size-1].Name)
			break
		}
		page.Artifacts = append(page.Artifacts, modelregistry.Artifact{Name: f.Name, IsDir: f.IsDir, Size: f.Size})
	}
	return page, nil
}

// DeleteArtifacts removes a file or directory.
func (c *Client) DeleteArtifacts(ctx context.Context, name string) error {
	err := checkPath(name)
	if err == nil {
		err = c.call(ctx, &request{method: http.MethodDelete, path: proxyPath + "/" + escapePath(name)}, nil)
	}
	return failed("DeleteArtifacts", name, "", err)
}

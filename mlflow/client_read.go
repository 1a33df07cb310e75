package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// escapePath makes a URL's path of a path of artifacts.
func escapePath(dir string) string { return escapeWire(wirePath(dir)) }

// escapeWire makes a URL's path of a path as the server tells it: every character that means something there stands for itself.
func escapeWire(wire string) string {
	elements := strings.Split(wire, "/")
	for i, e := range elements {
		elements[i] = strings.ReplaceAll(url.PathEscape(e), "+", "%2B")
	}
	return strings.Join(elements, "/")
}

// A listedFile is an entry of a directory behind the proxy.
type listedFile struct {
	Name  string
	Wire  string // what the server calls it: one that is not a Handler knows no other name
	IsDir bool
	Size  int64
}

// listProxied lists a directory, in byte order of names; of one that is not there, nothing.
func (c *Client) listProxied(ctx context.Context, dir string) ([]listedFile, error) {
	listed, err := c.listWire(ctx, wirePath(dir))
	if err == nil && len(listed) == 0 && wirePath(dir) != dir { // MLflow's own server has names as they are
		return c.listWire(ctx, dir)
	}
	return listed, err
}

// listWire is listProxied of a path as the server tells it.
func (c *Client) listWire(ctx context.Context, dir string) ([]listedFile, error) {
	var answer struct {
		Files []struct {
			Path  string    `json:"path"`
			IsDir bool      `json:"is_dir"`
			Size  remoteInt `json:"file_size"`
		} `json:"files"`
	}
	if err := c.call(ctx, get(proxyPath, url.Values{"path": {dir}}), &answer); err != nil {
		return nil, err
	}
	out := make([]listedFile, 0, len(answer.Files))
	for _, f := range answer.Files {
		name := storedName(f.Path)
		if !plainName(name) || f.Size < 0 {
			return nil, fmt.Errorf("%w: the server lists a file %.80q of %d bytes, which is no plain name", modelregistry.ErrCorrupt, name, f.Size)
		}
		out = append(out, listedFile{name, f.Path, f.IsDir, int64(f.Size)})
	}
	slices.SortFunc(out, func(a, b listedFile) int { return strings.Compare(a.Name, b.Name) })
	for i := range out {
		if i > 0 && out[i-1].Name == out[i].Name {
			return nil, fmt.Errorf("%w: the server lists %.80q twice", modelregistry.ErrCorrupt, out[i].Name)
		}
	}
	return out, nil
}

// plainName says whether a name is one element of a path. What a system cannot name so, such as a\b on Windows, Download
// refuses.
func plainName(name string) bool {
	return fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, "/\x00")
}

// Whether the server gives digests: not known yet, or as its first answer about a file was.
const (
	digestsUnknown = iota
	digestsGiven
	digestsMissing
)

// digestOf is the digest of a file behind the proxy, by the path that the server tells; "" if it gives none.
func (c *Client) digestOf(ctx context.Context, wire string) (string, error) {
	if c.digests.Load() == digestsMissing {
		return "", nil
	}
	resp, err := c.send(ctx, true, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodHead, c.endpoint(proxyPath+"/"+escapeWire(wire), nil), nil)
	})
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close() // of HEAD it is empty
	digest := etagDigest(resp)
	if digest == "" {
		c.digests.Store(digestsMissing)
	} else {
		c.digests.Store(digestsGiven)
	}
	return digest, nil
}

// etagDigest is the ETag, if it is a SHA-256 digest: "sha256:…".
func etagDigest(resp *http.Response) string {
	tag := strings.Trim(resp.Header.Get("ETag"), `"`)
	sum, ok := strings.CutPrefix(tag, "sha256:")
	if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size {
		return ""
	}
	return tag
}

// remoteFile is an open file behind the proxy. If the server gives digests it reads from the beginning whatever is asked
// for, since a digest is over the whole, and holds the last byte back until the digest is right; else it asks for what is
// wanted. A connection that is lost is made anew from where it broke.
type remoteFile struct {
	*entry
	want   int64 // where the caller stands
	at     int64 // how far body was read
	body   io.ReadCloser
	etag   string // of the content that is being read
	digest string // or ""
	hash   hash.Hash
	broken int // connections
	failed error
	closed bool
}

func (f *remoteFile) Stat() (fs.FileInfo, error) { return f.Info() }

func (f *remoteFile) error(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.file.Path, Err: err}
}

func (f *remoteFile) Close() error {
	if f.closed {
		return f.error("close", fs.ErrClosed)
	}
	f.closed = true
	f.drop()
	return nil
}

func (f *remoteFile) drop() {
	if f.body != nil {
		_ = f.body.Close() // whatever it says, the file was only read
		f.body = nil
	}
}

func (f *remoteFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.want
	case io.SeekEnd:
		offset += f.file.Size
	}
	if offset < 0 {
		return 0, f.error("seek", fs.ErrInvalid)
	}
	f.want = offset
	return offset, nil
}

func (f *remoteFile) Read(p []byte) (int, error) {
	switch {
	case f.closed:
		return 0, f.error("read", fs.ErrClosed)
	case f.failed != nil:
		return 0, f.failed
	case f.want >= f.file.Size && f.etag != "" && f.at == f.file.Size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := f.read(p)
	if err != nil && err != io.EOF {
		f.drop()
		f.failed = f.error("read", err)
		return 0, f.failed
	}
	return n, err
}

func (f *remoteFile) read(p []byte) (int, error) {
	ctx := f.fsys.ctx
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if f.body != nil && f.want != f.at && (f.digest == "" || f.want < f.at) {
		f.drop()
	}
	if f.body == nil {
		if f.want >= f.file.Size && f.file.Size > 0 {
			return 0, io.EOF
		}
		if err := f.request(f.want, ""); err != nil {
			return 0, err
		}
	}
	for f.at < f.want && f.at < f.file.Size {
		skip := make([]byte, min(f.want-f.at, f.file.Size-f.at, 256<<10))
		if _, err := f.next(skip); err != nil {
			return 0, err
		}
	}
	if f.at == f.file.Size && f.file.Size == 0 {
		if err := f.end(); err != nil {
			return 0, err
		}
	}
	if f.want >= f.file.Size {
		return 0, io.EOF
	}
	n, err := f.next(p)
	if n == 0 && err == nil { // the connection is another
		return f.read(p)
	}
	f.want += int64(n)
	return n, err
}

// request asks for the content from an offset on, or from the beginning if it has a digest. With the ETag of a
// connection that broke, it goes on with that one's hash.
func (f *remoteFile) request(from int64, goOn string) error {
	c, ctx := f.fsys.c, f.fsys.ctx
	ask := func(from int64) (*http.Response, error) {
		return c.send(ctx, true, func() (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint(proxyPath+"/"+escapeWire(f.wire), nil), nil)
			if err == nil {
				req.Header.Set("Accept-Encoding", "identity")
				if from > 0 {
					req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
				}
			}
			return req, err
		})
	}
	if f.digest != "" && goOn == "" {
		from = 0
	}
	resp, err := ask(from)
	if err != nil {
		return err
	}
	digest := etagDigest(resp)
	switch {
	case goOn != "" && resp.Header.Get("ETag") != goOn:
		_ = resp.Body.Close()
		return fmt.Errorf("%w: the server's file changed while it was read", modelregistry.ErrCorrupt)
	case goOn == "" && from > 0 && digest != "" && resp.StatusCode == http.StatusPartialContent:
		_ = resp.Body.Close()
		if resp, err = ask(0); err != nil {
			return err
		}
	}
	f.body, f.etag, f.digest = resp.Body, resp.Header.Get("ETag"), digest
	if f.etag == "" {
		f.etag = "none"
	}
	start := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		if start = rangeStart(resp); start != from {
			return fmt.Errorf("%w: the server answers with the range %.80q", modelregistry.ErrCorrupt, resp.Header.Get("Content-Range"))
		}
	}
	if goOn == "" || start == 0 {
		f.hash, f.at = sha256.New(), start
	}
	return nil
}

// rangeStart is where the content of a partial answer begins.
func rangeStart(resp *http.Response) int64 {
	var start int64
	if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &start); err != nil {
		return -1
	}
	return start
}

// next reads on, and checks the whole before it gives out the last byte.
func (f *remoteFile) next(p []byte) (int, error) {
	if left := f.file.Size - f.at; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := f.body.Read(p)
	f.hash.Write(p[:n])
	f.at += int64(n)
	switch {
	case f.at == f.file.Size:
		return n, f.end()
	case err == nil:
		return n, nil
	case n > 0:
		return n, nil // the error comes again
	}
	return 0, f.again(err)
}

// again makes a connection anew that broke, or ended early.
func (f *remoteFile) again(err error) error {
	ctx := f.fsys.ctx
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: the file ends after %d of %d bytes", modelregistry.ErrCorrupt, f.at, f.file.Size)
	}
	if f.broken++; f.broken > max(0, f.fsys.c.opts.Retries) {
		return err
	}
	etag := f.etag
	f.drop()
	if f.digest == "" || f.at == 0 {
		etag = ""
	}
	if again := f.request(f.at, etag); again != nil {
		return errors.Join(err, again)
	}
	return nil
}

// end checks the whole content, and that nothing follows.
func (f *remoteFile) end() error {
	if f.digest != "" {
		if got := "sha256:" + hex.EncodeToString(f.hash.Sum(nil)); got != f.digest {
			return fmt.Errorf("%w: the content is %s, not %s", modelregistry.ErrCorrupt, got, f.digest)
		}
	}
	var more [1]byte
	switch n, err := io.ReadFull(f.body, more[:]); {
	case n > 0:
		return fmt.Errorf("%w: the file is longer than the %d bytes that the server lists", modelregistry.ErrCorrupt, f.file.Size)
	case err != io.EOF:
		return err
	}
	return nil
}

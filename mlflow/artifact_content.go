package mlflow

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// headSize is how much of a file is read before the answer begins: what is wrong so early can still be told as an error.
const headSize = 32 << 10

// maxRanges is how many ranges a request can have. Each may cost reading the file from its start.
const maxRanges = 8

// serveFile answers with a file, as net/http does for ranges and conditions, and closes it. Whatever it is, browsers save
// it and never show or run it.
func (c *call) serveFile(f fs.File, called string) (any, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, invalid("'%s' is a directory.", clip(called))
	}
	content := &fileContent{file: f, size: info.Size()}
	if c.r.Method != http.MethodHead {
		if err := content.begin(); err != nil {
			return nil, err
		}
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(called)}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, no-cache") // a path may get other content; the tag tells
	if file, ok := info.Sys().(*modelregistry.File); ok && file.Digest != "" {
		h.Set("ETag", `"`+file.Digest+`"`)
	}
	r := c.r
	if _, ok := f.(io.Seeker); !ok || strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r = r.Clone(r.Context())
		r.Header.Del("Range") // all of it is an answer to any range
	}
	if c.r.Method != http.MethodHead && r.Header.Get("Range") == "" && info.Size() >= aheadFrom {
		content.ahead = newReadAhead(f)
		defer content.ahead.close()
	}
	c.answered = true
	c.movesFile()
	http.ServeContent(c.w, r, "", info.ModTime(), content)
	if content.err != nil {
		return nil, c.cutOff(content.err)
	}
	return nil, nil
}

// cutOff returns err or, if the answer has begun, ends the connection, so that the client does not take what it has for all.
func (c *call) cutOff(err error) error {
	if !c.answered {
		return err
	}
	if _, known := translate(err); !known {
		c.s.opts.Logger.ErrorContext(c.r.Context(), "answer cut off", "path", c.r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// A fileContent is a file for http.ServeContent. It seeks the file only where it has to: that is a new beginning where
// digests are verified.
type fileContent struct {
	file fs.File
	size int64
	head []byte // what was read first
	want int64  // where the reader stands
	at   int64  // where the file does
	err  error  // that reading ended with, other than io.EOF

	ahead *readAhead // reads file, from at on; nil if parts of it are wanted, for which it may be seeked
}

// begin reads the head.
func (f *fileContent) begin() error {
	head := make([]byte, min(f.size, headSize))
	n, err := io.ReadFull(f.file, head)
	if err != nil && err != io.EOF {
		return err
	}
	f.head, f.at = head[:n], int64(n)
	return nil
}

func (f *fileContent) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.want
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	f.want = offset
	return offset, nil
}

func (f *fileContent) Read(p []byte) (int, error) {
	if f.want < int64(len(f.head)) {
		n := copy(p, f.head[f.want:])
		f.want += int64(n)
		return n, nil
	}
	if f.want != f.at {
		if f.ahead != nil {
			f.err = errors.ErrUnsupported
			return 0, f.err
		}
		seeker, ok := f.file.(io.Seeker)
		if !ok {
			f.err = errors.ErrUnsupported
			return 0, f.err
		}
		if f.at, f.err = seeker.Seek(f.want, io.SeekStart); f.err != nil {
			return 0, f.err
		}
	}
	var from io.Reader = f.file
	if f.ahead != nil {
		from = f.ahead
	}
	n, err := from.Read(p)
	f.at += int64(n)
	f.want += int64(n)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

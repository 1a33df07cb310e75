package blob_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// content is made as it is read, so that large content takes no memory.
type content struct{ seed, size int64 }

// noise has a length that divides no buffer's, so that no two parts of content are equal.
var noise = random(7, 1<<20+7)

func (c content) reader() io.Reader { return &seeker{content: c} }

func (c content) readAt(p []byte, off int64) int {
	p = p[:max(0, min(int64(len(p)), c.size-off))]
	for n := 0; n < len(p); {
		n += copy(p[n:], noise[(c.seed*1000+off+int64(n))%int64(len(noise)):])
	}
	return len(p)
}

func (c content) bytes() []byte {
	b := make([]byte, c.size)
	c.readAt(b, 0)
	return b
}

func (c content) digest() string {
	h := sha256.New()
	_, _ = io.Copy(h, c.reader())
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func digestOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	_, err := io.Copy(h, r)
	require.NoError(t, err)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// seeker reads content, several times if it is told to, with faults.
type seeker struct {
	content
	off   int64
	pass  int
	fail  func(pass int, off int64) error // before each read; may be nil
	again func()                          // before the second pass; may be nil
}

func (s *seeker) Read(p []byte) (int, error) {
	if s.pass == 0 {
		s.pass = 1
	}
	if s.fail != nil {
		if err := s.fail(s.pass, s.off); err != nil {
			return 0, err
		}
	}
	n := s.readAt(p[:min(len(p), 32<<10)], s.off)
	s.off += int64(n)
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	was := s.off
	switch whence {
	case io.SeekCurrent:
		offset += s.off
	case io.SeekEnd:
		offset += s.size
	}
	s.off = offset
	if s.off == 0 && was == s.size {
		s.pass++
		if s.again != nil {
			s.again()
		}
	}
	return s.off, nil
}

// Package buckettest starts the object stores that tests run against: versitygw for S3, fake-gcs-server for GCS and Azurite
// for Azure. They listen on 127.0.0.1 only and end with the last test that uses them.
//
// The Go servers are built from internal/tools, a module of its own, and Azurite is installed from npm, once, into
// modelregistry-tests of os.UserCacheDir. A URL in MODELREGISTRY_TEST_S3, _GCS or _AZURE is used instead; what tests put
// there goes below a prefix and is removed.
package buckettest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
)

// Kinds are the kinds of bucket that the library is tested on.
func Kinds() []string { return []string{"mem", "file", "s3", "gcs", "azure"} }

// URLs returns a URL of an empty store of each kind, for package modelregistry/blob to open.
func URLs(t testing.TB) map[string]string {
	urls := map[string]string{}
	for _, kind := range Kinds() {
		urls[kind] = URL(t, kind)
	}
	return urls
}

// URL returns a URL of an empty store of one kind. The server is there until t ends; get the URL in the parent of parallel
// tests. It sets environment variables that the clouds' clients read, for the whole process.
func URL(t testing.TB, kind string) string {
	t.Helper()
	switch kind {
	case "mem":
		return "mem://"
	case "file":
		return "file://" + filepath.ToSlash(filepath.Join(t.TempDir(), "bucket"))
	}
	s, ok := servers[kind]
	if !ok {
		t.Fatalf("bucket kind %q: not one of %v", kind, Kinds())
	}
	if given := os.Getenv(s.variable); given != "" {
		return ownPrefix(t, given, true)
	}
	return ownPrefix(t, s.use(t), false)
}

// ownPrefix adds a prefix of its own to a bucket's URL.
func ownPrefix(t testing.TB, bucketURL string, remove bool) string {
	u, err := url.Parse(bucketURL)
	if err != nil {
		t.Fatalf("bucket URL: %v", err)
	}
	q := u.Query()
	q.Set("prefix", q.Get("prefix")+"test-"+rand.Text()+"/")
	u.RawQuery = q.Encode()
	if remove {
		t.Cleanup(func() { empty(t, u.String()) })
	}
	return u.String()
}

func empty(t testing.TB, bucketURL string) {
	ctx := context.Background()
	b, err := blob.OpenBucket(ctx, bucketURL)
	if err != nil {
		t.Errorf("empty the bucket: %v", err)
		return
	}
	defer b.Close()
	for it := b.List(nil); ; {
		obj, err := it.Next(ctx)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = b.Delete(ctx, obj.Key)
		}
		if err != nil {
			t.Errorf("empty the bucket: %v", err)
			return
		}
	}
}

// server is a kind of server, and the one of it that runs if tests use it.
type server struct {
	variable string // names a bucket to use instead
	// start returns the URL of an empty bucket, before any prefix.
	start func(*process) (string, error)

	mu      sync.Mutex
	users   int
	url     string
	running *process
}

var servers = map[string]*server{
	"s3":    {variable: "MODELREGISTRY_TEST_S3", start: startS3},
	"gcs":   {variable: "MODELREGISTRY_TEST_GCS", start: startGCS},
	"azure": {variable: "MODELREGISTRY_TEST_AZURE", start: startAzure},
}

func (s *server) use(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		p := &process{}
		bucketURL, err := s.start(p)
		if err != nil {
			t.Fatalf("start an object store: %v%s", err, p.stop())
		}
		s.url, s.running = bucketURL, p
	}
	s.users++
	t.Cleanup(s.release)
	return s.url
}

func (s *server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.running.stop()
	}
}

func setenv(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := os.Setenv(pairs[i], pairs[i+1]); err != nil {
			return fmt.Errorf("set %s: %w", pairs[i], err)
		}
	}
	return nil
}

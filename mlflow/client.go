package mlflow

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// ClientOptions configure NewClient. Nil means all defaults: no credentials, the Default experiment, five retries.
type ClientOptions struct {
	// HTTPClient sends the requests; nil is one of the client's own, with TLS. Its Timeout would also end long transfers of
	// files: contexts are better.
	HTTPClient *http.Client
	TLS        *tls.Config // of the client's own HTTPClient

	Token              string // a bearer token
	Username, Password string // or basic authentication
	// Authenticate adds what a request needs otherwise, or anew each time. It may be called at the same time by several
	// goroutines.
	Authenticate func(r *http.Request) error

	// Workspace is the one to work in, of a server that has them (3.10 and later); "" is its default.
	Workspace string
	UserAgent string // "" names this package

	// Retries is how often a request is tried again that the server turned down for now (429, 503), or, where doing it
	// twice is doing it once, that failed in another way (5xx, a lost connection); 0 is 5, less is never. Backoff is how
	// long it waits the first time, with jitter, and twice as long each time, at most 10 seconds; 0 is 200 ms. The server's
	// Retry-After goes before. A context that ends, ends it at once.
	Retries int
	Backoff time.Duration

	// Experiment is the name of the experiment of runs and logged models that name none, which Register puts files below;
	// "" is Default. It is created if it is not there.
	Experiment string

	// Sources are the places from which files of versions and runs may be read that are not behind the server's artifact
	// proxy: buckets or directories in them, as s3://bucket/models?region=eu-central-1 or file:///mnt/mlruns. The server,
	// or whoever may register versions there, says where files are; what is not at or below one of these is refused, and a
	// query is used only of these. OpenSource opens one; blob.OpenFS does so for every bucket that is linked in.
	Sources    []string
	OpenSource func(ctx context.Context, url string) (fs.FS, io.Closer, error)
}

// A Client is a Registry on an MLflow server: MLflow's own, 2.22 or 3.17, or one made of this package's Handler.
//
// What MLflow's API has no words for answers errors.ErrUnsupported with the reason: history, lineage, rollback,
// compare-and-swap, semantic versions, params and metrics of versions. Reasons of changes are not sent, and who made a
// change is for the server to know: As returns the client itself.
//
// What it returns leaves empty what the server does not tell: IDs of models, digests and sizes of versions, who created
// something, since when a version is in its stage. Model.Last is the highest number there is, and Holders names the
// newest of each stage.
//
// MLflow has no transactions. A method that takes several requests says so, and one that fails half-way leaves what it has
// done; none of them does any harm when it is called again.
type Client struct {
	modelregistry.Unimplemented
	base  *url.URL
	opts  ClientOptions
	http  *http.Client
	owned bool // http is the client's own

	fillsAliases atomic.Bool // the server's searches tell the aliases of versions
	digests      atomic.Int32
	noLogged     atomic.Bool // the server is older than logged models

	experiment struct {
		sync.Mutex
		id string // of Options.Experiment, once it is known
	}
	sources struct {
		sync.Mutex
		allowed []*allowedSource
		closed  bool
	}
}

var _ modelregistry.Registry = (*Client)(nil)

// NewClient makes a Registry on the MLflow server at a URL such as http://127.0.0.1:5000, MLFLOW_TRACKING_URI in Python. It
// sends nothing yet. ErrInvalid: the URL or the options are none.
func NewClient(rawURL string, opts *ClientOptions) (*Client, error) {
	if opts == nil {
		opts = &ClientOptions{}
	}
	fail := func(reason string) (*Client, error) {
		return nil, fmt.Errorf("MLflow client: %w: %s", modelregistry.ErrInvalid, reason)
	}
	base, err := url.Parse(rawURL)
	switch {
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return fail("the URL of a server is like http://127.0.0.1:5000")
	case base.RawQuery != "" || base.Fragment != "":
		return fail("the URL of a server has no query and no fragment")
	case opts.Token != "" && opts.Username != "":
		return fail("both a token and a user's name")
	case opts.HTTPClient != nil && opts.TLS != nil:
		return fail("both an HTTPClient and TLS; put TLS into the client's transport")
	}
	c := &Client{opts: *opts}
	if (len(opts.Sources) > 0) != (opts.OpenSource != nil) {
		return fail("Sources, which may be read, and OpenSource, which opens them, come together")
	}
	if c.sources.allowed, err = allowedSources(opts.Sources); err != nil {
		return nil, fmt.Errorf("MLflow client: %w", err)
	}
	if base.User != nil { // credentials in the URL would show in messages
		if opts.Token != "" || opts.Username != "" {
			return fail("credentials both in the URL and in the options")
		}
		c.opts.Username = base.User.Username()
		c.opts.Password, _ = base.User.Password()
		base.User = nil
	}
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), ""
	c.base = base
	c.defaults()
	return c, nil
}

func (c *Client) defaults() {
	if c.opts.UserAgent == "" {
		c.opts.UserAgent = "modelregistry-go"
	}
	if c.opts.Retries == 0 {
		c.opts.Retries = 5
	}
	if c.opts.Backoff <= 0 {
		c.opts.Backoff = 200 * time.Millisecond
	}
	if c.opts.Experiment == "" {
		c.opts.Experiment = "Default"
	}
	if c.opts.HTTPClient != nil {
		copied := *c.opts.HTTPClient
		c.http = &copied
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = c.opts.TLS
		transport.MaxIdleConnsPerHost = 16
		c.http, c.owned = &http.Client{Transport: transport}, true
	}
	if c.http.CheckRedirect == nil {
		c.http.CheckRedirect = c.checkRedirect
	}
}

// checkRedirect follows redirects only within the server: another host must get neither credentials nor files.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case r.URL.Host != c.base.Host || r.URL.Scheme != c.base.Scheme:
		return fmt.Errorf("the server redirects to %s://%s, which is another: %w", r.URL.Scheme, r.URL.Host, errRedirect)
	case len(via) >= 5:
		return fmt.Errorf("the server redirects in a circle: %w", errRedirect)
	}
	return nil
}

var errRedirect = errors.New("redirect refused")

// As is the client itself: who it is follows from its credentials.
func (c *Client) As(string) modelregistry.Registry { return c }

// Close closes idle connections and what OpenSource opened. Files that are open cannot be read any more.
func (c *Client) Close() error {
	c.sources.Lock()
	defer c.sources.Unlock()
	c.sources.closed = true
	var errs []error
	for _, s := range c.sources.allowed {
		if s.closer != nil {
			errs = append(errs, s.closer.Close())
		}
	}
	c.sources.allowed = nil
	if c.owned {
		c.http.CloseIdleConnections()
	}
	return errors.Join(errs...)
}

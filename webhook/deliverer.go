package webhook

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Options configure New and Run. Nil means all defaults.
type Options struct {
	// Payloads makes what is sent of an event: none, one or several, each under the name that webhooks list in their
	// Events. The same event gives the same payloads each time. An error is taken for one that passes. Nil is MLflow.
	Payloads func(ctx context.Context, reg modelregistry.Registry, e *modelregistry.Event) ([]Payload, error)
	// Open unseals secrets, as Sealer.Open does. What it cannot open gets nothing delivered, until the secret is
	// changed. Nil: secrets are stored as they are.
	Open func(sealed []byte) ([]byte, error)

	AllowPrivate bool        // also to addresses that are not public: loopback, private networks …
	AllowHTTP    bool        // also to http URLs, not https ones alone
	TLS          *tls.Config // nil is Go's default; for authorities of one's own

	Timeout  time.Duration // of an attempt, with all it takes; 0 is 30 seconds
	Attempts int           // to deliver one payload, before it is given up; 0 is 8
	// Backoff is how long to wait after so many attempts, at least 1. retryAfter is what the receiver asked for, at
	// most 5 minutes, or 0. Nil: 1 s, 3 s, 9 s … up to 5 minutes, less up to half of it at random, and no less than
	// retryAfter.
	Backoff func(attempts int, retryAfter time.Duration) time.Duration

	Poll  time.Duration    // how often to look for webhooks that are new, changed or free; 0 is 1 second
	Lease time.Duration    // how long a process that died keeps its webhooks from others, up to 12 hours; 0 is 1 minute
	Now   func() time.Time // the clock, near to the registry's; nil is time.Now
	// Logger is told of attempts that failed and of faults of the registry; nil is slog.Default.
	Logger *slog.Logger
}

// A Payload is one message about an event.
type Payload struct {
	Name string // such as model_version.created
	Body []byte // JSON
}

// A Deliverer delivers to the webhooks of one registry. It is safe for concurrent use.
type Deliverer struct {
	reg    modelregistry.Registry
	opts   Options
	holder string // of leases
	client *http.Client
}

const (
	maxBackoff = 5 * time.Minute
	minLease   = 10 * time.Millisecond // renewed three times in this
	maxLease   = 12 * time.Hour        // the registry takes a day; clocks differ
)

// New makes a Deliverer. Run it, or Send by it.
func New(reg modelregistry.Registry, opts *Options) *Deliverer {
	d := &Deliverer{reg: reg}
	if opts != nil {
		d.opts = *opts
	}
	o := &d.opts
	if o.Payloads == nil {
		o.Payloads = MLflow
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 8
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	o.Lease = min(max(o.Lease, minLease), maxLease)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	host, _ := os.Hostname() // for people who look at the leases; the rest of the name makes it unique
	d.holder = fmt.Sprintf("%.100q %s", host, rand.Text())
	d.client = newClient(o)
	return d
}

// backoff is the default of Options.Backoff. The randomness keeps webhooks to one receiver that failed together from
// coming back together.
func backoff(attempts int, retryAfter time.Duration) time.Duration {
	wait := time.Second
	for range attempts - 1 {
		if wait = 3 * wait; wait > maxBackoff {
			wait = maxBackoff
			break
		}
	}
	return max(wait/2+mathrand.N(wait/2), retryAfter)
}

// Run delivers until ctx ends, which is no error. Faults of the registry are logged and waited out; a registry that
// keeps no webhooks is errors.ErrUnsupported.
func Run(ctx context.Context, reg modelregistry.Registry, opts *Options) error {
	return New(reg, opts).Run(ctx)
}

// Run is the function Run.
func (d *Deliverer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer d.client.CloseIdleConnections()
	workers := map[string]*worker{}
	defer func() {
		cancel()
		for _, w := range workers {
			<-w.done
		}
	}()
	tick := time.NewTicker(d.opts.Poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		hooks, err := d.list(ctx)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return fmt.Errorf("deliver to webhooks: %w", err)
		case err == nil:
			d.reconcile(ctx, workers, hooks)
		case ctx.Err() == nil:
			d.opts.Logger.ErrorContext(ctx, "list webhooks", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// list reads all webhooks.
func (d *Deliverer) list(ctx context.Context) (map[string]*modelregistry.Webhook, error) {
	hooks := map[string]*modelregistry.Webhook{}
	q := modelregistry.Query{PageSize: 1000}
	for {
		page, err := d.reg.Webhooks(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, hook := range page.Webhooks {
			hooks[hook.ID] = hook
		}
		if page.Next == "" {
			return hooks, nil
		}
		q.PageToken = page.Next
	}
}

// reconcile makes the workers those that hooks ask for.
func (d *Deliverer) reconcile(ctx context.Context, workers map[string]*worker, hooks map[string]*modelregistry.Webhook) {
	for id, w := range workers {
		select {
		case <-w.done: // it lost the lease, or the webhook went away; the loop below may begin anew
			delete(workers, id)
			continue
		default:
		}
		if hook := hooks[id]; hook == nil || hook.Disabled {
			w.cancel()
		} else {
			w.update(hook)
		}
	}
	for id, hook := range hooks {
		taken := hook.Holder != "" && hook.Holder != d.holder && hook.Until.After(d.opts.Now())
		if workers[id] == nil && !hook.Disabled && !taken {
			workers[id] = d.start(ctx, hook)
		}
	}
}

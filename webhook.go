package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// WebhookStore is the part of a Registry that remembers whom to tell of changes, and how far they have been told. Package
// webhook does the telling.
type WebhookStore interface {
	CreateWebhook(ctx context.Context, spec WebhookSpec) (*Webhook, error)
	Webhook(ctx context.Context, id string) (*Webhook, error)
	// Webhooks is a page of all, the newest first. Filter and OrderBy have to be empty.
	Webhooks(ctx context.Context, q Query) (WebhookPage, error)
	UpdateWebhook(ctx context.Context, id string, patch WebhookPatch) (*Webhook, error)
	// DeleteWebhook forgets a webhook, also one that is being delivered to. ErrNotFound: there is none.
	DeleteWebhook(ctx context.Context, id string) error

	// LeaseWebhook makes holder the one who delivers to a webhook until a time, at most a day from now, so that of
	// several processes one does. Who holds it renews it so, and gives it up with a time that is past. A lease that ends
	// more than two days from now is of a process whose clock is ahead, and holds nobody up. ErrConflict: another holds it.
	LeaseWebhook(ctx context.Context, id, holder string, until time.Time) (*Webhook, error)
	// AdvanceWebhook records that all events up to p.Cursor have been dealt with. ErrConflict: holder is not who leased
	// it last, or more has been dealt with already; a lease that has ended and that nobody took over is good enough.
	AdvanceWebhook(ctx context.Context, id, holder string, p WebhookProgress) error
}

// A Webhook is an address to tell of changes. It is a snapshot; changing it changes nothing in the registry.
type Webhook struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"` // for people; several may have it
	Description string   `json:"description,omitempty"`
	URL         string   `json:"url"`
	Events      []string `json:"events"` // names of what it is told of; the registry does not read them
	// Secret signs deliveries. It is kept as given: seal it before.
	Secret   []byte          `json:"secret,omitempty"`
	Disabled bool            `json:"disabled,omitempty"` // it is told nothing
	Progress WebhookProgress `json:"progress"`
	Holder   string          `json:"holder,omitempty"` // of the lease
	Until    time.Time       `json:"until,omitzero"`   // when the lease ends
	Created  time.Time       `json:"created"`
	Updated  time.Time       `json:"updated"` // when it was last changed, other than by deliveries
}

// WebhookProgress is how far deliveries have come.
type WebhookProgress struct {
	Cursor    string    `json:"cursor"`              // of the last event that was dealt with; see Follow
	Delivered int64     `json:"delivered,omitempty"` // events that were accepted
	Failed    int64     `json:"failed,omitempty"`    // events that were given up
	Attempts  int       `json:"attempts,omitempty"`  // at the event behind Cursor, so far
	LastError string    `json:"last_error,omitempty"`
	Time      time.Time `json:"time,omitzero"` // of the last attempt
}

// WebhookSpec describes a webhook to create. It will be told of what happens from then on, and perhaps of what happened
// shortly before. Name, URL and at least one event are needed. There are at most 200 webhooks; ErrConflict: there are as many.
type WebhookSpec struct {
	Name        string
	Description string
	URL         string // http or https
	Events      []string
	Secret      []byte
	Disabled    bool
}

// WebhookPatch changes a webhook. Nil fields are left as they are. A webhook that is no longer disabled is told of what
// happens from then on.
type WebhookPatch struct {
	Name        *string
	Description *string
	URL         *string
	Events      []string
	Secret      *[]byte
	Disabled    *bool
}

// A WebhookPage is one page of webhooks.
type WebhookPage struct {
	Webhooks []*Webhook
	Next     string // the PageToken of the next page; "" if this is the last
}

const (
	maxWebhooks      = 200 // each is followed by itself, which costs something at rest
	maxWebhookID     = 64
	maxWebhookURL    = 2000
	maxWebhookEvents = 100
	maxWebhookEvent  = 100
	maxWebhookSecret = 10_000 // bytes
	maxWebhookError  = 2000
	maxWebhookHolder = 256
	maxWebhookLease  = 24 * time.Hour // else a program that dies could keep a webhook for ever
)

// apply changes w as far as patch says.
func (patch *WebhookPatch) apply(w *Webhook) {
	if patch.Name != nil {
		w.Name = *patch.Name
	}
	if patch.Description != nil {
		w.Description = *patch.Description
	}
	if patch.URL != nil {
		w.URL = *patch.URL
	}
	if patch.Events != nil {
		w.Events = slices.Clone(patch.Events)
	}
	if patch.Secret != nil {
		w.Secret = slices.Clone(*patch.Secret)
	}
	if patch.Disabled != nil {
		w.Disabled = *patch.Disabled
	}
}

// check says whether w's fields that users give are good.
func (w *Webhook) check() error {
	if w.Name == "" {
		return fmt.Errorf("webhook name: %w: empty", ErrInvalid)
	}
	if err := checkName("webhook name", w.Name, maxName); err != nil {
		return err
	}
	if err := checkText("description", w.Description, maxDescription); err != nil {
		return err
	}
	if err := checkWebhookURL(w.URL); err != nil {
		return err
	}
	if len(w.Secret) > maxWebhookSecret {
		return fmt.Errorf("webhook secret: %w: %d bytes, at most %d", ErrInvalid, len(w.Secret), maxWebhookSecret)
	}
	if n := len(w.Events); n == 0 || n > maxWebhookEvents {
		return fmt.Errorf("webhook events: %w: %d of them; it is told of 1 to %d", ErrInvalid, n, maxWebhookEvents)
	}
	seen := map[string]bool{}
	for _, name := range w.Events {
		if name == "" || seen[name] {
			return fmt.Errorf("webhook event %.80q: %w: empty, or there twice", name, ErrInvalid)
		}
		seen[name] = true
		if err := checkText("webhook event", name, maxWebhookEvent); err != nil {
			return err
		}
	}
	return nil
}

func checkWebhookURL(text string) error {
	if err := checkText("webhook URL", text, maxWebhookURL); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("webhook URL %.80q: %w: it is like https://example.com/path", text, ErrInvalid)
	}
	return nil
}

func decodeWebhook(row backend.Row) (*Webhook, error) {
	w := new(Webhook)
	if err := json.Unmarshal(row.Doc, w); err != nil {
		return nil, fmt.Errorf("row of webhook %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return w, nil
}

func (w *Webhook) row() (backend.Row, error) {
	doc, err := json.Marshal(w)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode webhook: %w", err)
	}
	return backend.Row{
		Key:    backend.Key{backend.StringValue(w.ID)},
		Fields: map[string]any{"created": backend.TimeValue(w.Created)},
		Doc:    doc,
	}, nil
}

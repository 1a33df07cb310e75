package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// webhooksLock is of their number.
const webhooksLock = "webhooks"

func webhookLock(id string) string { return "webhook/" + id }

func errNoWebhook(id string) error { return fmt.Errorf("webhook %.80q: %w", id, ErrNotFound) }

func (r *registry) CreateWebhook(ctx context.Context, spec WebhookSpec) (*Webhook, error) {
	w := &Webhook{ID: newID()}
	(&WebhookPatch{
		Name: &spec.Name, Description: &spec.Description, URL: &spec.URL, Events: spec.Events,
		Secret: &spec.Secret, Disabled: &spec.Disabled,
	}).apply(w)
	if err := w.check(); err != nil {
		return nil, wrap("CreateWebhook", spec.Name, err)
	}
	cursor, err := r.settledCursor(ctx)
	if err != nil {
		return nil, wrap("CreateWebhook", spec.Name, err)
	}
	w.Progress.Cursor = cursor
	w.Created = r.now()
	w.Updated = w.Created
	row, err := w.row()
	if err != nil {
		return nil, wrap("CreateWebhook", spec.Name, err)
	}
	err = r.backend.Update(ctx, []string{webhooksLock, webhookLock(w.ID)}, func(tx backend.Tx) error {
		all, err := tx.Find(backend.Query{Table: tableWebhooks, Limit: maxWebhooks})
		if err != nil {
			return fmt.Errorf("count webhooks: %w", err)
		}
		if len(all) == maxWebhooks {
			return fmt.Errorf("%w: there are %d webhooks, the most there can be; one that is not needed is to be deleted first", ErrConflict, maxWebhooks)
		}
		if err := tx.Insert(tableWebhooks, row); err != nil {
			return fmt.Errorf("write webhook: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, wrap("CreateWebhook", spec.Name, err)
	}
	return w, nil
}

func checkWebhookID(id string) error { return checkText("webhook ID", id, maxWebhookID) }

func (r *registry) Webhook(ctx context.Context, id string) (*Webhook, error) {
	w, err := r.webhook(ctx, id)
	return w, wrap("Webhook", id, err)
}

func (r *registry) webhook(ctx context.Context, id string) (*Webhook, error) {
	if err := checkWebhookID(id); err != nil {
		return nil, err
	}
	row, err := r.findOne(ctx, backend.Query{Table: tableWebhooks, Where: []backend.Cond{{Field: "id", Value: backend.StringValue(id)}}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, errNoWebhook(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read webhook: %w", err)
	}
	return decodeWebhook(row)
}

// webhookSubject is searched by Webhooks alone, and without a filter.
var webhookSubject = searchSubject{
	what: "webhooks", table: tableWebhooks, key: []string{"id"}, order: []string{"created DESC", "id DESC"},
	attributes: []attribute{
		{attrName, kindText, "id", []string{"id"}},
		{attrCreated, kindTime, "created", []string{"created"}},
	},
}

type foundWebhook struct {
	bareFound
	*Webhook
}

func (w foundWebhook) column(field string) backend.Value {
	if field == "created" {
		return backend.TimeValue(w.Created)
	}
	return backend.StringValue(w.ID)
}

func (r *registry) Webhooks(ctx context.Context, q Query) (WebhookPage, error) {
	if q.Filter != "" || len(q.OrderBy) > 0 {
		return WebhookPage{}, wrap("Webhooks", "", fmt.Errorf("%w: webhooks have no Filter and no OrderBy", ErrInvalid))
	}
	var page WebhookPage
	next, err := runSearch(ctx, r.backend, &webhookSubject, q, func(row backend.Row) (found, error) {
		w, err := decodeWebhook(row)
		return foundWebhook{Webhook: w}, err
	}, func(f found) { page.Webhooks = append(page.Webhooks, f.(foundWebhook).Webhook) })
	if err != nil {
		return WebhookPage{}, wrap("Webhooks", "", err)
	}
	page.Next = next
	return page, nil
}

// changeWebhook runs fn on a webhook in one transaction, and stores what it made of it. fn may run again.
func (r *registry) changeWebhook(ctx context.Context, id string, fn func(*Webhook) error) (w *Webhook, err error) {
	if err := checkWebhookID(id); err != nil {
		return nil, err
	}
	err = r.backend.Update(ctx, []string{webhookLock(id)}, func(tx backend.Tx) error {
		row, err := tx.Get(tableWebhooks, backend.StringValue(id))
		if errors.Is(err, backend.ErrNotFound) {
			return errNoWebhook(id)
		}
		if err != nil {
			return fmt.Errorf("read webhook: %w", err)
		}
		if w, err = decodeWebhook(row); err != nil {
			return err
		}
		if err := fn(w); err != nil {
			return err
		}
		if row, err = w.row(); err != nil {
			return err
		}
		if err := tx.Put(tableWebhooks, row); err != nil {
			return fmt.Errorf("write webhook: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (r *registry) UpdateWebhook(ctx context.Context, id string, patch WebhookPatch) (*Webhook, error) {
	var cursor string
	if patch.Disabled != nil && !*patch.Disabled {
		var err error
		if cursor, err = r.settledCursor(ctx); err != nil {
			return nil, wrap("UpdateWebhook", id, err)
		}
	}
	w, err := r.changeWebhook(ctx, id, func(w *Webhook) error {
		if w.Disabled && cursor > w.Progress.Cursor { // it is being enabled; cursors order as the events do
			w.Progress.Cursor, w.Progress.Attempts = cursor, 0
		}
		patch.apply(w)
		w.Updated = r.now()
		return w.check()
	})
	return w, wrap("UpdateWebhook", id, err)
}

func (r *registry) DeleteWebhook(ctx context.Context, id string) error {
	if err := checkWebhookID(id); err != nil {
		return wrap("DeleteWebhook", id, err)
	}
	key := backend.Key{backend.StringValue(id)}
	err := r.backend.Update(ctx, []string{webhookLock(id)}, func(tx backend.Tx) error {
		if _, err := tx.Get(tableWebhooks, key...); errors.Is(err, backend.ErrNotFound) {
			return errNoWebhook(id)
		} else if err != nil {
			return fmt.Errorf("read webhook: %w", err)
		}
		if err := tx.Delete(tableWebhooks, key); err != nil {
			return fmt.Errorf("delete webhook: %w", err)
		}
		return nil
	})
	return wrap("DeleteWebhook", id, err)
}

func (r *registry) LeaseWebhook(ctx context.Context, id, holder string, until time.Time) (*Webhook, error) {
	w, err := r.leaseWebhook(ctx, id, holder, until.UTC().Truncate(time.Microsecond))
	return w, wrap("LeaseWebhook", id, err)
}

func (r *registry) leaseWebhook(ctx context.Context, id, holder string, until time.Time) (*Webhook, error) {
	if err := checkHolder(holder); err != nil {
		return nil, err
	}
	if until.After(r.now().Add(maxWebhookLease)) {
		return nil, fmt.Errorf("lease: %w: it ends at most %v from now", ErrInvalid, maxWebhookLease)
	}
	return r.changeWebhook(ctx, id, func(w *Webhook) error {
		now := r.now()
		// A lease of more than can be taken was taken by a clock that is ahead, and is none.
		if w.Holder != "" && w.Holder != holder && w.Until.After(now) && !w.Until.After(now.Add(maxWebhookLease+clockLeap)) {
			return fmt.Errorf("webhook %q: %w: %.80q delivers to it until %s", id, ErrConflict, w.Holder, w.Until.Format(time.RFC3339))
		}
		w.Holder, w.Until = holder, until
		if !until.After(now) {
			w.Holder, w.Until = "", time.Time{}
		}
		return nil
	})
}

func checkHolder(holder string) error {
	if holder == "" {
		return fmt.Errorf("holder: %w: empty", ErrInvalid)
	}
	return checkText("holder", holder, maxWebhookHolder)
}

func (r *registry) AdvanceWebhook(ctx context.Context, id, holder string, p WebhookProgress) error {
	return wrap("AdvanceWebhook", id, r.advanceWebhook(ctx, id, holder, p))
}

func (r *registry) advanceWebhook(ctx context.Context, id, holder string, p WebhookProgress) error {
	if err := checkHolder(holder); err != nil {
		return err
	}
	at, err := settledPosition(p.Cursor)
	if err != nil {
		return err
	}
	if err := checkText("last error", p.LastError, maxWebhookError); err != nil {
		return err
	}
	if p.Delivered < 0 || p.Failed < 0 || p.Attempts < 0 {
		return fmt.Errorf("progress: %w: a count is negative", ErrInvalid)
	}
	p.Time = p.Time.UTC().Truncate(time.Microsecond)
	if year := p.Time.Year(); year < 1 || year > 9999 {
		return fmt.Errorf("progress: %w: its time is in the year %d", ErrInvalid, year)
	}
	_, err = r.changeWebhook(ctx, id, func(w *Webhook) error {
		if w.Holder != holder {
			return fmt.Errorf("webhook %q: %w: %.80q does not hold it", id, ErrConflict, holder)
		}
		if was, _ := settledPosition(w.Progress.Cursor); at < was { // positions order as the events do
			return fmt.Errorf("webhook %q: %w: more has been dealt with already", id, ErrConflict)
		}
		w.Progress = p
		return nil
	})
	return err
}

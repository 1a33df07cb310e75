package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

const (
	// skipBatch is how many events that a webhook does not want are passed before that is recorded. Passing them again
	// after a restart costs little, a write for each would cost much.
	skipBatch = 100
	// parting is how long the last words to the registry may take once the context has ended.
	parting = 5 * time.Second
	// maxError is how much of an error is kept, in bytes.
	maxError = 500
)

// errLost ends a worker: its webhook is somebody else's now, or gone.
var errLost = errors.New("the webhook is no longer held")

// A worker delivers to one webhook as long as it holds the lease.
type worker struct {
	*Deliverer
	id      string
	hook    atomic.Pointer[modelregistry.Webhook] // as it was last seen; its progress is not
	changed chan struct{}                         // hook was replaced
	cancel  context.CancelFunc
	done    chan struct{}

	progress modelregistry.WebhookProgress
	saved    string // the cursor that is recorded
	skipped  int    // events since then
}

func (d *Deliverer) start(ctx context.Context, hook *modelregistry.Webhook) *worker {
	w := &worker{Deliverer: d, id: hook.ID, changed: make(chan struct{}, 1), done: make(chan struct{})}
	ctx, w.cancel = context.WithCancel(ctx)
	w.hook.Store(hook)
	go func() {
		defer close(w.done)
		defer w.cancel()
		w.run(ctx)
	}()
	return w
}

// update tells the worker what its webhook has become.
func (w *worker) update(hook *modelregistry.Webhook) {
	if hook.Updated.Equal(w.hook.Load().Updated) {
		return
	}
	w.hook.Store(hook)
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// run takes the lease, delivers, and gives it up.
func (w *worker) run(ctx context.Context) {
	until := w.opts.Now().Add(w.opts.Lease)
	hook, err := w.reg.LeaseWebhook(ctx, w.id, w.holder, until)
	if err != nil {
		if !isLost(err) && ctx.Err() == nil {
			w.log(ctx, "lease webhook", err)
		}
		return
	}
	w.progress, w.saved = hook.Progress, hook.Progress.Cursor
	w.hook.Store(hook)
	ctx, cancel := context.WithCancel(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		defer cancel()
		w.renew(ctx, until)
	}()
	if !hook.Disabled {
		w.deliver(ctx)
	}
	cancel()
	<-renewed // else a renewal could come behind the end
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if _, err := w.reg.LeaseWebhook(ctx, w.id, w.holder, time.Time{}); err != nil && !isLost(err) {
		w.log(ctx, "give up the lease of a webhook", err)
	}
}

// renew keeps the lease until ctx ends. It returns when the lease is lost, or may be.
func (w *worker) renew(ctx context.Context, until time.Time) {
	every := w.opts.Lease / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := w.opts.Now().Add(w.opts.Lease)
		call, cancel := context.WithTimeout(ctx, every)
		_, err := w.reg.LeaseWebhook(call, w.id, w.holder, next)
		cancel()
		switch {
		case err == nil:
			until = next
		case isLost(err):
			return
		case ctx.Err() == nil:
			w.log(ctx, "renew the lease of a webhook", err)
			if !w.opts.Now().Add(every).Before(until) {
				return // it would end before the next try does
			}
		}
	}
}

func isLost(err error) bool {
	return errors.Is(err, modelregistry.ErrConflict) || errors.Is(err, modelregistry.ErrNotFound) || errors.Is(err, errLost)
}

func (w *worker) log(ctx context.Context, doing string, err error) {
	w.opts.Logger.ErrorContext(ctx, doing, "webhook", w.id, "error", err)
}

// deliver delivers event after event until ctx ends or the webhook is lost.
func (w *worker) deliver(ctx context.Context) {
	for faults := 1; ctx.Err() == nil; faults++ {
		before := w.progress.Cursor
		err := w.follow(ctx)
		if isLost(err) {
			return
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		w.log(ctx, "follow the changes for a webhook", err)
		if w.progress.Cursor != before {
			faults = 1
		}
		w.wait(ctx, w.opts.Backoff(faults, 0))
	}
	if w.progress.Cursor != w.saved {
		if err := w.save(ctx); err != nil && !isLost(err) {
			w.log(ctx, "record the progress of a webhook", err)
		}
	}
}

func (w *worker) follow(ctx context.Context) error {
	for e, err := range w.reg.Follow(ctx, w.progress.Cursor) {
		if err != nil {
			return err
		}
		if err := w.tell(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// tell delivers what the webhook wants of one event, and records it.
func (w *worker) tell(ctx context.Context, e *modelregistry.Event) error {
	payloads, err := w.opts.Payloads(ctx, w.reg, e)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.Cursor, err)
	}
	wanted, failed := false, false
	for i, p := range payloads {
		sent, err := w.attempts(ctx, deliveryID(w.id, e, i), p)
		if err != nil {
			return err
		}
		if sent == unwanted {
			continue
		}
		wanted, failed = true, failed || sent == givenUp
		w.progress.Attempts = 0
	}
	w.progress.Cursor = e.Cursor
	switch {
	case !wanted:
		w.progress.Attempts = 0
		if w.skipped++; w.skipped < skipBatch {
			return nil
		}
	case failed:
		w.progress.Failed++
	default:
		w.progress.Delivered++
		w.progress.LastError = ""
	}
	return w.save(ctx)
}

// deliveryID names the delivery of an event's i-th payload to a webhook, in the form of a UUID.
func deliveryID(webhook string, e *modelregistry.Event, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", webhook, e.Hash, i))
	sum[6] = sum[6]&0x0f | 0x80 // version 8: of no standard content
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

type fate uint8

const (
	unwanted fate = iota
	accepted
	givenUp
)

// attempts delivers one payload, as often as it takes. The webhook may be changed meanwhile.
func (w *worker) attempts(ctx context.Context, id string, p Payload) (fate, error) {
	for {
		hook := w.hook.Load()
		if !slices.Contains(hook.Events, p.Name) {
			return unwanted, nil
		}
		secret, err := w.secret(hook)
		if err != nil {
			if err := w.hold(ctx, hook, err); err != nil {
				return unwanted, err
			}
			continue
		}
		status, retryAfter, err := w.post(ctx, hook.URL, secret, id, p.Body)
		if ctx.Err() != nil {
			return unwanted, ctx.Err() // whether it arrived is unknown: it is sent again
		}
		w.progress.Time = w.opts.Now()
		if err == nil {
			return accepted, nil
		}
		w.progress.Attempts++
		w.progress.LastError = clip(p.Name + ": " + err.Error())
		final := !isPassing(status, err) || w.progress.Attempts >= w.opts.Attempts
		w.opts.Logger.WarnContext(ctx, "deliver to webhook", "webhook", w.id, "event", p.Name, "delivery", id,
			"attempt", w.progress.Attempts, "given_up", final, "error", err)
		if final {
			return givenUp, nil
		}
		if err := w.save(ctx); err != nil {
			return unwanted, err
		}
		w.wait(ctx, w.opts.Backoff(w.progress.Attempts, retryAfter))
		if ctx.Err() != nil {
			return unwanted, ctx.Err()
		}
	}
}

// hold waits until a webhook whose secret cannot be opened is changed. Sent without a signature, or with a wrong one,
// events would be lost; so they wait.
func (w *worker) hold(ctx context.Context, hook *modelregistry.Webhook, problem error) error {
	w.log(ctx, "nothing is delivered to a webhook", problem)
	w.progress.LastError = clip("nothing is delivered: " + problem.Error())
	if err := w.save(ctx); err != nil {
		return err
	}
	for w.hook.Load() == hook {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.changed:
		}
	}
	return nil
}

// wait waits, or until ctx ends or the webhook is changed: perhaps it is right now.
func (w *worker) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-w.changed:
	}
}

// save records the progress. It does so after the end of ctx too: what was accepted should not be sent again.
func (w *worker) save(ctx context.Context) error {
	for faults := 1; ; faults++ {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
		err := w.reg.AdvanceWebhook(call, w.id, w.holder, w.progress)
		cancel()
		switch {
		case err == nil:
			w.saved, w.skipped = w.progress.Cursor, 0
			return nil
		case isLost(err):
			return errLost
		case ctx.Err() != nil:
			return err
		}
		w.log(ctx, "record the progress of a webhook", err)
		w.wait(ctx, w.opts.Backoff(faults, 0))
	}
}

// clip makes an error's text fit to be kept.
func clip(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), maxError)], "\x00", ""), "")
}

package registrytest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var webhookPromises = []promise{
	{"a webhook is kept as it is given, and changed as far as a patch says", webhookKept},
	{"webhooks are listed from the newest, page by page", webhookPages},
	{"a webhook that was deleted is gone for every method", webhookDeleted},
	{"a webhook is told of all that happens after it was created", webhookBegins},
	{"a webhook that is enabled again is told of what happens from then on", webhookEnabled},
	{"a lease has one holder at a time", webhookLease},
	{"progress is recorded by who holds the lease, and never goes back", webhookProgress},
	{"a webhook that is none is refused", webhookMistakes},
	{"there are at most 200 webhooks", webhookQuota},
	{"a call about webhooks whose context has ended answers that", webhookContext},
}

func (s *trial) hook(spec modelregistry.WebhookSpec) *modelregistry.Webhook {
	s.Helper()
	if spec.Name == "" {
		spec.Name = "hook"
	}
	if spec.URL == "" {
		spec.URL = "https://example.com/hook"
	}
	if spec.Events == nil {
		spec.Events = []string{"model_version.created"}
	}
	w, err := s.r.CreateWebhook(s.ctx, spec)
	s.ok(err)
	return w
}

// sameHook compares what the registry has of a webhook with w.
func (s *trial) sameHook(w *modelregistry.Webhook) {
	s.Helper()
	now, err := s.r.Webhook(s.ctx, w.ID)
	s.ok(err)
	equal(s, "webhook", text(now), text(w))
	page, err := s.r.Webhooks(s.ctx, modelregistry.Query{})
	s.ok(err)
	for _, listed := range page.Webhooks {
		if listed.ID == w.ID {
			equal(s, "webhook as listed", text(listed), text(w))
			return
		}
	}
	s.Fatalf("webhook %s is not listed", w.ID)
}

func webhookKept(s *trial) {
	spec := modelregistry.WebhookSpec{
		Name: "Größe", Description: "says <it>", URL: "http://example.com:8080/a?b=c", Events: []string{"a.b", "c.d"},
		Secret: []byte{0, 1, 0xff, 'x'},
	}
	w := s.hook(spec)
	s.sameHook(w)
	equal(s, "name", w.Name, spec.Name)
	equal(s, "description", w.Description, spec.Description)
	equal(s, "URL", w.URL, spec.URL)
	equal(s, "events", strings.Join(w.Events, " "), "a.b c.d")
	equal(s, "secret", string(w.Secret), string(spec.Secret))
	equal(s, "disabled", w.Disabled, false)
	equal(s, "holder", w.Holder, "")
	if w.ID == "" || w.Created.IsZero() || !w.Updated.Equal(w.Created) {
		s.Fatalf("webhook %+v", w)
	}
	spec.Events[0], spec.Secret[0] = "altered", 'y'
	s.sameHook(w)

	same := s.hook(modelregistry.WebhookSpec{Name: spec.Name, Disabled: true}) // names are for people
	equal(s, "disabled", same.Disabled, true)
	for _, c := range []struct {
		patch modelregistry.WebhookPatch
		apply func()
	}{
		{modelregistry.WebhookPatch{}, func() {}},
		{modelregistry.WebhookPatch{Name: ptr("n")}, func() { w.Name = "n" }},
		{modelregistry.WebhookPatch{Description: ptr("")}, func() { w.Description = "" }},
		{modelregistry.WebhookPatch{URL: ptr("https://x.example")}, func() { w.URL = "https://x.example" }},
		{modelregistry.WebhookPatch{Events: []string{"e"}}, func() { w.Events = []string{"e"} }},
		{modelregistry.WebhookPatch{Secret: ptr([]byte("s"))}, func() { w.Secret = []byte("s") }},
		{modelregistry.WebhookPatch{Secret: ptr([]byte(nil))}, func() { w.Secret = nil }},
		{modelregistry.WebhookPatch{Disabled: ptr(true)}, func() { w.Disabled = true }},
	} {
		changed, err := s.r.UpdateWebhook(s.ctx, w.ID, c.patch)
		s.ok(err)
		if !changed.Updated.After(w.Updated) {
			s.Fatalf("updated %v, before %v", changed.Updated, w.Updated)
		}
		c.apply()
		w.Updated = changed.Updated
		equal(s, "webhook after the change", text(changed), text(w))
		s.sameHook(w)
	}
	s.sameHook(same)
}

func webhookPages(s *trial) {
	page, err := s.r.Webhooks(s.ctx, modelregistry.Query{})
	s.ok(err)
	equal(s, "webhooks", len(page.Webhooks), 0)
	equal(s, "next page", page.Next, "")
	const n = 7
	for i := range n {
		s.hook(modelregistry.WebhookSpec{Name: fmt.Sprint(i)})
	}
	for size := 1; size <= n+1; size++ {
		var names []string
		q := modelregistry.Query{PageSize: size}
		for round := 0; ; round++ {
			page, err := s.r.Webhooks(s.ctx, q)
			s.ok(err)
			for _, w := range page.Webhooks {
				names = append(names, w.Name)
			}
			if page.Next == "" {
				break
			}
			equal(s, "size of a page", len(page.Webhooks), size)
			if q.PageToken = page.Next; round == 0 && size == 1 {
				s.hook(modelregistry.WebhookSpec{Name: "later"})
			}
		}
		equal(s, "webhooks", strings.TrimPrefix(strings.Join(names, " "), "later "), "6 5 4 3 2 1 0")
	}
}

func webhookDeleted(s *trial) {
	w, other := s.hook(modelregistry.WebhookSpec{}), s.hook(modelregistry.WebhookSpec{})
	_, err := s.r.LeaseWebhook(s.ctx, w.ID, "me", epoch.Add(time.Hour))
	s.ok(err)
	s.ok(s.r.DeleteWebhook(s.ctx, w.ID))
	for _, id := range []string{w.ID, "nothing"} {
		_, err = s.r.Webhook(s.ctx, id)
		s.fails(err, modelregistry.ErrNotFound, id)
		_, err = s.r.UpdateWebhook(s.ctx, id, modelregistry.WebhookPatch{Disabled: ptr(false)})
		s.fails(err, modelregistry.ErrNotFound, id)
		s.fails(s.r.DeleteWebhook(s.ctx, id), modelregistry.ErrNotFound, id)
		_, err = s.r.LeaseWebhook(s.ctx, id, "me", epoch.Add(time.Hour))
		s.fails(err, modelregistry.ErrNotFound, id)
		s.fails(s.r.AdvanceWebhook(s.ctx, id, "me", w.Progress), modelregistry.ErrNotFound, id)
	}
	page, err := s.r.Webhooks(s.ctx, modelregistry.Query{})
	s.ok(err)
	equal(s, "webhooks", len(page.Webhooks), 1)
	s.sameHook(other)
}

// follows waits until the events behind a cursor have been about all of these models.
func (s *trial) follows(cursor string, models ...string) error {
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
	defer cancel()
	missing := map[string]bool{}
	for _, name := range models {
		missing[name] = true
	}
	for e, err := range s.r.Follow(ctx, cursor) {
		if err != nil {
			return err
		}
		if delete(missing, e.Model); len(missing) == 0 {
			return nil
		}
	}
	return fmt.Errorf("behind the cursor %q nothing is told of %v", cursor, missing)
}

// Each of several writers makes a webhook amid the changes of the others.
func webhookBegins(s *trial) {
	errs := together(6, func(i int) error {
		var w *modelregistry.Webhook
		var later []string
		for n := range 8 {
			name := fmt.Sprintf("w%d-%d", i, n)
			if _, err := s.r.CreateModel(s.ctx, name, modelregistry.ModelSpec{}); err != nil {
				return err
			}
			if w != nil {
				later = append(later, name)
			}
			if n == i {
				var err error
				if w, err = s.r.CreateWebhook(s.ctx, modelregistry.WebhookSpec{Name: name, URL: "https://example.com", Events: []string{"x"}}); err != nil {
					return err
				}
			}
		}
		return s.follows(w.Progress.Cursor, later...)
	})
	s.ok(errors.Join(errs...))
}

func webhookEnabled(s *trial) {
	w := s.hook(modelregistry.WebhookSpec{Disabled: true})
	s.register("fraud", 3)
	s.ok(s.follows(w.Progress.Cursor, "fraud")) // it is settled, what other programs write elsewhere notwithstanding
	enabled, err := s.r.UpdateWebhook(s.ctx, w.ID, modelregistry.WebhookPatch{Disabled: ptr(false)})
	s.ok(err)
	if enabled.Progress.Cursor <= w.Progress.Cursor {
		s.Fatalf("cursor %q; it was %q", enabled.Progress.Cursor, w.Progress.Cursor)
	}
	again, err := s.r.UpdateWebhook(s.ctx, w.ID, modelregistry.WebhookPatch{Disabled: ptr(false)})
	s.ok(err)
	equal(s, "cursor of one that was enabled already", again.Progress.Cursor, enabled.Progress.Cursor)
	s.register("later", 1)
	s.ok(s.follows(enabled.Progress.Cursor, "later"))
}

func webhookLease(s *trial) {
	w := s.hook(modelregistry.WebhookSpec{})
	hour := epoch.Add(time.Hour)
	const n = 6
	won := s.winner(together(n, func(i int) error {
		_, err := s.r.LeaseWebhook(s.ctx, w.ID, fmt.Sprint(i), hour)
		return err
	}), modelregistry.ErrConflict)
	holder := fmt.Sprint(won)
	held, err := s.r.LeaseWebhook(s.ctx, w.ID, holder, hour.Add(time.Minute)) // renewed
	s.ok(err)
	equal(s, "holder", held.Holder, holder)
	equal(s, "end of the lease", held.Until, hour.Add(time.Minute))
	equal(s, "time of the last change", held.Updated, w.Updated)
	s.sameHook(held)

	s.clock.set(hour.Add(time.Minute-time.Second), time.Millisecond)
	_, err = s.r.LeaseWebhook(s.ctx, w.ID, "other", hour.Add(time.Hour))
	s.fails(err, modelregistry.ErrConflict, holder)
	_, err = s.r.LeaseWebhook(s.ctx, w.ID, "other", epoch)
	s.fails(err, modelregistry.ErrConflict, holder)
	s.clock.set(hour.Add(time.Minute), time.Millisecond)
	taken, err := s.r.LeaseWebhook(s.ctx, w.ID, "other", hour.Add(time.Hour))
	s.ok(err)
	equal(s, "holder", taken.Holder, "other")
	_, err = s.r.LeaseWebhook(s.ctx, w.ID, holder, hour.Add(time.Hour))
	s.fails(err, modelregistry.ErrConflict, "other")

	free, err := s.r.LeaseWebhook(s.ctx, w.ID, "other", time.Time{})
	s.ok(err)
	equal(s, "holder", free.Holder, "")
	equal(s, "end of the lease", free.Until, time.Time{})
	s.sameHook(free)
	_, err = s.r.LeaseWebhook(s.ctx, w.ID, holder, hour.Add(time.Hour))
	s.ok(err)
}

func webhookProgress(s *trial) {
	w := s.hook(modelregistry.WebhookSpec{})
	s.register("fraud", 2)
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	var cursors []string
	for e, err := range s.r.Follow(ctx, "") {
		s.ok(err)
		if cursors = append(cursors, e.Cursor); e.Version == 2 {
			break
		}
	}
	first, last := cursors[0], cursors[len(cursors)-1]
	p := modelregistry.WebhookProgress{
		Cursor: first, Delivered: 3, Failed: 2, Attempts: 1, LastError: "answered 500", Time: epoch.Add(time.Second + 123456789),
	}
	s.fails(s.r.AdvanceWebhook(s.ctx, w.ID, "me", p), modelregistry.ErrConflict, "me")
	_, err := s.r.LeaseWebhook(s.ctx, w.ID, "me", epoch.Add(time.Hour))
	s.ok(err)
	s.fails(s.r.AdvanceWebhook(s.ctx, w.ID, "other", p), modelregistry.ErrConflict, "other")
	s.ok(s.r.AdvanceWebhook(s.ctx, w.ID, "me", p))
	now, err := s.r.Webhook(s.ctx, w.ID)
	s.ok(err)
	p.Time = p.Time.Truncate(time.Microsecond)
	equal(s, "progress", text(now.Progress), text(p))
	equal(s, "time of the last change", now.Updated, w.Updated)
	p.Cursor, p.Attempts, p.LastError = last, 0, ""
	s.ok(s.r.AdvanceWebhook(s.ctx, w.ID, "me", p))
	back := p
	back.Cursor = first
	s.fails(s.r.AdvanceWebhook(s.ctx, w.ID, "me", back), modelregistry.ErrConflict, "already")
	_, err = s.r.UpdateWebhook(s.ctx, w.ID, modelregistry.WebhookPatch{Name: ptr("other name")})
	s.ok(err)
	now, err = s.r.Webhook(s.ctx, w.ID)
	s.ok(err)
	equal(s, "progress", text(now.Progress), text(p))
	equal(s, "holder", now.Holder, "me")
}

func webhookQuota(s *trial) {
	var last *modelregistry.Webhook
	for range 200 {
		last = s.hook(modelregistry.WebhookSpec{})
	}
	spec := modelregistry.WebhookSpec{Name: "one more", URL: "https://example.com/", Events: []string{"a.b"}}
	_, err := s.r.CreateWebhook(s.ctx, spec)
	s.fails(err, modelregistry.ErrConflict, "200")
	s.ok(s.r.DeleteWebhook(s.ctx, last.ID))
	_, err = s.r.CreateWebhook(s.ctx, spec)
	s.ok(err)
}

func webhookMistakes(s *trial) {
	s.register("fraud", 1)
	w := s.hook(modelregistry.WebhookSpec{})
	held, err := s.r.LeaseWebhook(s.ctx, w.ID, "me", epoch.Add(time.Hour))
	s.ok(err)
	var mistakes []mistake
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		name  string
		patch modelregistry.WebhookPatch
		hint  string
	}{
		{"no name", modelregistry.WebhookPatch{Name: ptr("")}, "empty"},
		{"long name", modelregistry.WebhookPatch{Name: ptr(strings.Repeat("x", 257))}, "at most 256"},
		{"name with NUL", modelregistry.WebhookPatch{Name: ptr("a\x00")}, "NUL"},
		{"long description", modelregistry.WebhookPatch{Description: ptr(strings.Repeat("x", 5001))}, "at most 5000"},
		{"no URL", modelregistry.WebhookPatch{URL: ptr("")}, "https://"},
		{"a word for a URL", modelregistry.WebhookPatch{URL: ptr("example.com")}, "https://"},
		{"a file's URL", modelregistry.WebhookPatch{URL: ptr("file:///etc/passwd")}, "https://"},
		{"a URL without a host", modelregistry.WebhookPatch{URL: ptr("https:///x")}, "https://"},
		{"a URL with a space", modelregistry.WebhookPatch{URL: ptr("https://a b/")}, "https://"},
		{"long URL", modelregistry.WebhookPatch{URL: ptr("https://example.com/" + strings.Repeat("x", 2000))}, "at most 2000"},
		{"no events", modelregistry.WebhookPatch{Events: []string{}}, "1 to 100"},
		{"many events", modelregistry.WebhookPatch{Events: many}, "1 to 100"},
		{"an empty event", modelregistry.WebhookPatch{Events: []string{""}}, "empty"},
		{"an event twice", modelregistry.WebhookPatch{Events: []string{"a", "b", "a"}}, "twice"},
		{"a long event", modelregistry.WebhookPatch{Events: []string{strings.Repeat("x", 101)}}, "at most 100"},
		{"a long secret", modelregistry.WebhookPatch{Secret: ptr(make([]byte, 10_001))}, "at most 10000"},
	} {
		mistakes = append(mistakes, mistake{"change: " + c.name, func() error {
			_, err := s.r.UpdateWebhook(s.ctx, w.ID, c.patch)
			return err
		}, modelregistry.ErrInvalid, c.hint})
		mistakes = append(mistakes, mistake{"create: " + c.name, func() error {
			spec := modelregistry.WebhookSpec{Name: "n", URL: "https://example.com", Events: []string{"e"}}
			for _, f := range []struct{ to, from *string }{{&spec.Name, c.patch.Name}, {&spec.Description, c.patch.Description}, {&spec.URL, c.patch.URL}} {
				if f.from != nil {
					*f.to = *f.from
				}
			}
			if c.patch.Events != nil {
				spec.Events = c.patch.Events
			}
			if c.patch.Secret != nil {
				spec.Secret = *c.patch.Secret
			}
			_, err := s.r.CreateWebhook(s.ctx, spec)
			return err
		}, modelregistry.ErrInvalid, c.hint})
	}
	for _, q := range []modelregistry.Query{
		{Filter: "name = 'x'"}, {OrderBy: []string{"name"}}, {PageSize: -1}, {PageSize: 10_001}, {PageToken: "x"}, {PageToken: "e30"},
	} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("list by %+v", q), func() error {
			_, err := s.r.Webhooks(s.ctx, q)
			return err
		}, modelregistry.ErrInvalid, ""})
	}
	for _, c := range []struct {
		name, id, holder string
		until            time.Time
	}{
		{"nobody", w.ID, "", epoch.Add(time.Hour)},
		{"a long name", w.ID, strings.Repeat("x", 257), epoch.Add(time.Hour)},
		{"for ever", w.ID, "me", epoch.AddDate(8000, 0, 0)},
		{"for long", w.ID, "me", epoch.Add(25 * time.Hour)},
		{"a bad ID", "a\x00b", "me", epoch.Add(time.Hour)},
		{"a long ID", strings.Repeat("x", 100_000), "me", epoch.Add(time.Hour)},
	} {
		mistakes = append(mistakes, mistake{"lease by or of " + c.name, func() error {
			_, err := s.r.LeaseWebhook(s.ctx, c.id, c.holder, c.until)
			return err
		}, modelregistry.ErrInvalid, ""})
	}
	for name, p := range map[string]modelregistry.WebhookProgress{
		"a long cursor":      {Cursor: strings.Repeat("x", 65)},
		"a cursor with NUL":  {Cursor: "\x00"},
		"a cursor of Events": {Cursor: s.events(modelregistry.EventQuery{Model: "fraud"})[0].Cursor},
		"a long error":       {LastError: strings.Repeat("x", 2001)},
		"a negative count":   {Delivered: -1},
		"a count in reverse": {Failed: math.MinInt64},
		"fewer than none":    {Attempts: -1},
		"the year 10,000":    {Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		mistakes = append(mistakes, mistake{"advance to " + name, func() error {
			return s.r.AdvanceWebhook(s.ctx, w.ID, "me", p)
		}, modelregistry.ErrInvalid, ""})
	}
	s.refused(mistakes)
	s.sameHook(held)
}

func webhookContext(s *trial) {
	w := s.hook(modelregistry.WebhookSpec{})
	held, err := s.r.LeaseWebhook(s.ctx, w.ID, "me", epoch.Add(time.Hour))
	s.ok(err)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, call := range map[string]func() error{
		"CreateWebhook": func() error {
			_, err := s.r.CreateWebhook(ctx, modelregistry.WebhookSpec{Name: "n", URL: "https://example.com", Events: []string{"e"}})
			return err
		},
		"Webhook":  func() error { _, err := s.r.Webhook(ctx, w.ID); return err },
		"Webhooks": func() error { _, err := s.r.Webhooks(ctx, modelregistry.Query{}); return err },
		"UpdateWebhook": func() error {
			_, err := s.r.UpdateWebhook(ctx, w.ID, modelregistry.WebhookPatch{Disabled: ptr(false)})
			return err
		},
		"DeleteWebhook":  func() error { return s.r.DeleteWebhook(ctx, w.ID) },
		"LeaseWebhook":   func() error { _, err := s.r.LeaseWebhook(ctx, w.ID, "me", epoch); return err },
		"AdvanceWebhook": func() error { return s.r.AdvanceWebhook(ctx, w.ID, "me", modelregistry.WebhookProgress{}) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	s.sameHook(held)
}

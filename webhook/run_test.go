package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/webhook"
)

func TestDeliveriesComeInOrderWhileManyChange(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			reg := openRegistry(t, kind, stores.New(t, kind), nil)
			to := newReceiver(t, nil)
			w := hook(t, reg, to.URL, webhook.RegisteredModelUpdated)
			run(t, reg, local())
			const models, changes = 4, 15
			var writers sync.WaitGroup
			for i := range models {
				name := fmt.Sprintf("m%d", i)
				create(t, reg, name)
				writers.Go(func() {
					for n := range changes {
						text := fmt.Sprint(n)
						if _, err := reg.UpdateModel(t.Context(), name, modelregistry.ModelPatch{Description: &text}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			seen := map[string]int{}
			for _, d := range to.wait(t, models*changes) {
				name := d.Data["name"].(string)
				require.Equal(t, fmt.Sprint(seen[name]), d.Data["description"], "%s: nothing is left out, and nothing out of order", name)
				seen[name]++
			}
			eventually(t, func() bool { return progress(t, reg, w.ID).Delivered == models*changes })
			require.Len(t, to.deliveries(), models*changes)
		})
	}
}

func TestARestartLosesNothing(t *testing.T) {
	for _, kind := range []string{stores.Memory, stores.SQLite} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			reg := openRegistry(t, kind, stores.New(t, kind), nil)
			to := newReceiver(t, nil)
			w := hook(t, reg, to.URL)
			const rounds, each = 5, 8
			for round := range rounds {
				stop := run(t, reg, local())
				for i := range each {
					create(t, reg, fmt.Sprintf("m%02d", round*each+i))
				}
				to.wait(t, round*each+2) // in the middle of things
				stop()
			}
			run(t, reg, local())
			eventually(t, func() bool { return progress(t, reg, w.ID).Delivered == rounds*each })
			byID := map[string]string{}
			var first []string // as they first arrived: what was broken off may arrive late, besides
			for _, d := range to.deliveries() {
				name := d.Data["name"].(string)
				if before, again := byID[d.ID]; again {
					require.Equal(t, before, name, "an ID is one delivery's")
					continue
				}
				byID[d.ID] = name
				first = append(first, name)
			}
			require.Len(t, byID, rounds*each)
			require.True(t, slices.IsSorted(first), "%v", first)
		})
	}
}

func TestARestartGoesOnCountingAttempts(t *testing.T) {
	reg := memoryRegistry(t)
	to := newReceiver(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusBadGateway) })
	w := hook(t, reg, to.URL)
	opts := local()
	opts.Attempts = 3
	opts.Backoff = func(attempts int, _ time.Duration) time.Duration { return time.Duration(attempts-1) * time.Hour }
	stop := run(t, reg, opts)
	create(t, reg, "a")
	eventually(t, func() bool { return progress(t, reg, w.ID).Attempts == 2 })
	stop()
	run(t, reg, opts)
	eventually(t, func() bool { return progress(t, reg, w.ID).Failed == 1 })
	require.Len(t, to.deliveries(), 3)
}

func TestOneOfSeveralProcessesDelivers(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			place := stores.New(t, kind)
			reg := openRegistry(t, kind, place, nil)
			other := reg
			if kind != stores.Memory {
				other = openRegistry(t, kind, place, nil)
			}
			to := newReceiver(t, nil)
			w := hook(t, reg, to.URL)
			stop := run(t, reg, local())
			run(t, other, local())
			const n = 40
			for i := range n {
				create(t, reg, fmt.Sprintf("m%02d", i))
				if i == n/2 {
					eventually(t, func() bool { return progress(t, reg, w.ID).Delivered == n/2+1 })
					stop() // and the other goes on at once: the lease was given up
				}
			}
			eventually(t, func() bool { return progress(t, reg, w.ID).Delivered == n })
			require.Len(t, to.deliveries(), n)
		})
	}
}

// A clock shows what it is set to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestADeadProcessIsSucceeded(t *testing.T) {
	c := &clock{now: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)}
	reg := openRegistry(t, stores.Memory, "", c.Now)
	to, second := newReceiver(t, nil), newReceiver(t, nil)
	dead, other := hook(t, reg, to.URL), hook(t, reg, second.URL)
	_, err := reg.LeaseWebhook(t.Context(), dead.ID, "dead", c.Now().Add(time.Minute))
	require.NoError(t, err)
	opts := local()
	opts.Now = c.Now
	run(t, reg, opts)
	create(t, reg, "a")
	second.wait(t, 1)
	require.Empty(t, to.deliveries())
	c.add(time.Minute + time.Second)
	to.wait(t, 1)
	eventually(t, func() bool { return progress(t, reg, dead.ID).Delivered == 1 })
	// The one that was thought dead finds out before it does harm.
	p := progress(t, reg, dead.ID)
	require.ErrorIs(t, reg.AdvanceWebhook(t.Context(), dead.ID, "dead", p), modelregistry.ErrConflict)
	require.Len(t, to.deliveries(), 1)
	require.NotEmpty(t, progress(t, reg, other.ID).Cursor)
}

// A lease that cannot be renewed is not relied on.
func TestWhoLosesTheLeaseStops(t *testing.T) {
	reg := memoryRegistry(t)
	hold := make(chan struct{})
	to := newReceiver(t, func(http.ResponseWriter, int) { <-hold })
	t.Cleanup(func() { close(hold) })
	hook(t, reg, to.URL)
	faulty := &unleasable{Registry: reg}
	opts := local()
	opts.Lease = 30 * time.Millisecond
	run(t, faulty, opts)
	create(t, reg, "a")
	to.wait(t, 1)
	faulty.fail()
	to.wait(t, 2) // the first attempt was broken off, and another lease is taken when that works again
}

// unleasable fails some renewals.
type unleasable struct {
	modelregistry.Registry
	mu   sync.Mutex
	left int
}

func (u *unleasable) fail() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = 5
}

func (u *unleasable) LeaseWebhook(ctx context.Context, id, holder string, until time.Time) (*modelregistry.Webhook, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.left > 0 {
		u.left--
		return nil, errors.New("the database is away")
	}
	return u.Registry.LeaseWebhook(ctx, id, holder, until)
}

func TestASlowReceiverHoldsUpNoOther(t *testing.T) {
	reg := memoryRegistry(t)
	hold := make(chan struct{})
	slow := newReceiver(t, func(http.ResponseWriter, int) { <-hold })
	gone := newReceiver(t, nil)
	gone.Close()
	fast := newReceiver(t, nil)
	opts := local()
	opts.Attempts = 1 << 30
	hook(t, reg, slow.URL)
	hook(t, reg, gone.URL)
	hook(t, reg, fast.URL)
	run(t, reg, opts)
	for i := range 20 {
		create(t, reg, fmt.Sprintf("m%02d", i))
	}
	fast.wait(t, 20)
	require.LessOrEqual(t, len(slow.deliveries()), 1)
	close(hold)
	slow.wait(t, 20)
}

func TestWebhooksThatChangeAreNoticed(t *testing.T) {
	reg := memoryRegistry(t)
	run(t, reg, local())
	to, elsewhere := newReceiver(t, nil), newReceiver(t, nil)
	create(t, reg, "before")
	w := hook(t, reg, to.URL, webhook.RegisteredModelCreated)
	create(t, reg, "a")
	eventually(t, func() bool { return progress(t, reg, w.ID).Delivered == 1 })

	update := func(patch modelregistry.WebhookPatch) {
		t.Helper()
		_, err := reg.UpdateWebhook(t.Context(), w.ID, patch)
		require.NoError(t, err)
	}
	released := func() bool {
		now, err := reg.Webhook(t.Context(), w.ID)
		require.NoError(t, err)
		return now.Holder == ""
	}
	update(modelregistry.WebhookPatch{Disabled: new(true)})
	eventually(t, released)
	create(t, reg, "unseen")
	update(modelregistry.WebhookPatch{Disabled: new(false), URL: &elsewhere.URL})
	create(t, reg, "b")
	elsewhere.wait(t, 1)
	require.NoError(t, reg.DeleteWebhook(t.Context(), w.ID))
	last := hook(t, reg, to.URL, webhook.RegisteredModelDeleted)
	create(t, reg, "c")
	require.NoError(t, reg.DeleteModel(t.Context(), "c", nil))
	eventually(t, func() bool { return progress(t, reg, last.ID).Delivered == 1 })
	require.Subset(t, []string{"before", "a", "c"}, names(to.deliveries()))
	require.Subset(t, []string{"b", "c"}, names(elsewhere.deliveries()), "events of before it was enabled again are not told")
}

func TestAURLThatIsPutRightIsTriedAtOnce(t *testing.T) {
	reg := memoryRegistry(t)
	wrong := newReceiver(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusServiceUnavailable) })
	right := newReceiver(t, nil)
	w := hook(t, reg, wrong.URL)
	opts := local()
	opts.Backoff = func(int, time.Duration) time.Duration { return time.Hour }
	run(t, reg, opts)
	create(t, reg, "a")
	eventually(t, func() bool { return progress(t, reg, w.ID).Attempts == 1 })
	require.Contains(t, progress(t, reg, w.ID).LastError, "answered 503")
	_, err := reg.UpdateWebhook(t.Context(), w.ID, modelregistry.WebhookPatch{URL: &right.URL})
	require.NoError(t, err)
	require.Equal(t, wrong.deliveries()[0].ID, right.wait(t, 1)[0].ID)
	eventually(t, func() bool {
		p := progress(t, reg, w.ID)
		return p.Delivered == 1 && p.LastError == "" && p.Attempts == 0
	})
}

func TestRunRefusesARegistryWithoutWebhooks(t *testing.T) {
	err := webhook.Run(t.Context(), modelregistry.Unimplemented{}, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

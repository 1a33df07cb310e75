package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/webhook"
)

// A delivery is what arrived.
type delivery struct {
	ID, Timestamp, Signature string
	Body                     []byte
	Name                     string // entity.action
	Data                     map[string]any
}

// A receiver takes deliveries.
type receiver struct {
	*httptest.Server
	// answer, if not nil, answers the n-th delivery (from 1); else it is 200.
	answer func(w http.ResponseWriter, n int)

	mu  sync.Mutex
	got []delivery
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, n int)) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	d := delivery{
		ID: req.Header.Get(webhook.HeaderID), Timestamp: req.Header.Get(webhook.HeaderTimestamp),
		Signature: req.Header.Get(webhook.HeaderSignature), Body: body,
	}
	var doc struct {
		Entity, Action string
		Data           map[string]any
	}
	if json.Unmarshal(body, &doc) != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "not a delivery", http.StatusBadRequest)
		return
	}
	d.Name, d.Data = doc.Entity+"."+doc.Action, doc.Data
	r.mu.Lock()
	r.got = append(r.got, d)
	n := len(r.got)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, n)
	}
}

func (r *receiver) deliveries() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.got...)
}

// wait waits until so many deliveries have arrived.
func (r *receiver) wait(t *testing.T, n int) []delivery {
	t.Helper()
	eventually(t, func() bool { return len(r.deliveries()) >= n })
	return r.deliveries()
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, time.Millisecond)
}

// status answers the first deliveries with these, and then with 200.
func status(codes ...int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, n int) {
		if n <= len(codes) {
			w.WriteHeader(codes[n-1])
		}
	}
}

func openRegistry(t *testing.T, kind, place string, now func() time.Time) modelregistry.Registry {
	r, err := modelregistry.New(t.Context(), stores.Open(t, kind, place), nil,
		&modelregistry.Options{Actor: "ada", PollInterval: time.Millisecond, Now: now})
	require.NoError(t, err)
	return r
}

func memoryRegistry(t *testing.T) modelregistry.Registry {
	return openRegistry(t, stores.Memory, "", nil)
}

func hook(t *testing.T, reg modelregistry.Registry, url string, events ...string) *modelregistry.Webhook {
	if len(events) == 0 {
		events = webhook.MLflowNames()
	}
	w, err := reg.CreateWebhook(t.Context(), modelregistry.WebhookSpec{Name: "hook", URL: url, Events: unique(events)})
	require.NoError(t, err)
	return w
}

func unique(names []string) (out []string) {
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			out = append(out, name)
		}
		seen[name] = true
	}
	return out
}

// local are options that let tests deliver to themselves, at once.
func local() *webhook.Options {
	return &webhook.Options{
		AllowPrivate: true, AllowHTTP: true, Poll: time.Millisecond,
		Backoff: func(int, time.Duration) time.Duration { return 0 },
		Logger:  slog.New(slog.DiscardHandler),
	}
}

// run runs a Deliverer until the test ends or stop is called, which waits for its end.
func run(t *testing.T, reg modelregistry.Registry, opts *webhook.Options) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- webhook.Run(ctx, reg, opts) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

func progress(t *testing.T, reg modelregistry.Registry, id string) modelregistry.WebhookProgress {
	t.Helper()
	w, err := reg.Webhook(t.Context(), id)
	require.NoError(t, err)
	return w.Progress
}

func create(t *testing.T, reg modelregistry.Registry, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := reg.CreateModel(t.Context(), name, modelregistry.ModelSpec{})
		require.NoError(t, err)
	}
}

// names are the models that deliveries are about.
func names(got []delivery) []string {
	out := make([]string, len(got))
	for i, d := range got {
		out[i], _ = d.Data["name"].(string)
	}
	return out
}

package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/webhook"
)

func TestAttempts(t *testing.T) {
	for _, c := range []struct {
		name      string
		answer    func(http.ResponseWriter, int)
		tries     int
		delivered int64
		lastError string
	}{
		{"accepted", nil, 1, 1, ""},
		{"no content", status(204), 1, 1, ""},
		{"busy, then accepted", status(503, 500, 429), 4, 1, ""},
		{"never accepted", status(500, 501, 502, 503, 504, 599, 500, 500, 500), 8, 0, "answered 500"},
		{"refused", status(400), 1, 0, "answered 400"},
		{"gone", status(410), 1, 0, "answered 410"},
		{"not modified", status(304), 1, 0, "answered 304"},
		{"broken off, then accepted", func(_ http.ResponseWriter, n int) {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
		}, 2, 1, ""},
		{"an endless answer", func(w http.ResponseWriter, _ int) {
			for chunk := bytes.Repeat([]byte("x"), 32<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, 1, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reg := memoryRegistry(t)
			to := newReceiver(t, c.answer)
			w := hook(t, reg, to.URL)
			run(t, reg, local())
			create(t, reg, "a")
			eventually(t, func() bool { p := progress(t, reg, w.ID); return p.Delivered+p.Failed == 1 })
			p := progress(t, reg, w.ID)
			require.Equal(t, c.delivered, p.Delivered)
			require.Zero(t, p.Attempts)
			require.False(t, p.Time.IsZero())
			require.Contains(t, p.LastError, c.lastError)
			require.Equal(t, c.lastError == "", p.LastError == "", p.LastError)
			got := to.deliveries()
			require.Len(t, got, c.tries)
			for _, d := range got {
				require.Equal(t, got[0].ID, d.ID, "all attempts at one delivery have its ID")
				require.Equal(t, got[0].Body, d.Body)
			}
			create(t, reg, "b")
			require.Equal(t, "b", to.wait(t, c.tries+1)[c.tries].Data["name"], "the next event is not held up")
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	reg := openRegistry(t, stores.Memory, "", func() time.Time { return now })
	asked := []string{"7", now.Add(9 * time.Second).Format(http.TimeFormat), "86400", "-3", "soon", ""}
	to := newReceiver(t, func(w http.ResponseWriter, n int) {
		if n <= len(asked) {
			w.Header().Set("Retry-After", asked[n-1])
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	hook(t, reg, to.URL)
	opts := local()
	opts.Now = func() time.Time { return now }
	var mu sync.Mutex
	var waits []time.Duration
	opts.Backoff = func(attempts int, retryAfter time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, retryAfter)
		if attempts != len(waits) {
			t.Errorf("attempt %d is said to be %d", len(waits), attempts)
		}
		return 0
	}
	run(t, reg, opts)
	create(t, reg, "a")
	to.wait(t, len(asked)+1)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []time.Duration{7 * time.Second, 9 * time.Second, 5 * time.Minute, 0, 0, 0}, waits)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	reg := memoryRegistry(t)
	inside := newReceiver(t, nil)
	to := newReceiver(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Location", inside.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	w := hook(t, reg, to.URL)
	run(t, reg, local())
	create(t, reg, "a")
	eventually(t, func() bool { return progress(t, reg, w.ID).Failed == 1 })
	require.Contains(t, progress(t, reg, w.ID).LastError, "redirects are not followed")
	require.Len(t, to.deliveries(), 1)
	require.Empty(t, inside.deliveries())
}

func TestWhereDeliveriesMayGo(t *testing.T) {
	reg := memoryRegistry(t)
	to := newReceiver(t, nil)
	t.Setenv("HTTP_PROXY", to.URL)
	t.Setenv("HTTPS_PROXY", to.URL)
	named := strings.Replace(to.URL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		name, url   string
		http        bool
		explanation string
	}{
		{"a private address", to.URL, true, "not public"},
		{"a name that resolves to one", named, true, "not public"},
		{"a private address by https", strings.Replace(to.URL, "http:", "https:", 1), false, "not public"},
		{"http", to.URL, false, "http URL: not allowed"},
	} {
		w := hook(t, reg, c.url)
		opts := local()
		opts.AllowPrivate, opts.AllowHTTP = false, c.http
		status, err := webhook.New(reg, opts).Send(t.Context(), w, webhook.Payload{Body: []byte("{}")})
		require.ErrorContains(t, err, c.explanation, c.name)
		require.Zero(t, status)
		stop := run(t, reg, opts)
		create(t, reg, c.name)
		eventually(t, func() bool { return progress(t, reg, w.ID).Failed == 1 })
		require.Contains(t, progress(t, reg, w.ID).LastError, c.explanation, c.name)
		stop()
		require.NoError(t, reg.DeleteWebhook(t.Context(), w.ID))
	}
	require.Empty(t, to.deliveries())
}

func TestSignature(t *testing.T) {
	now := time.Date(2031, 1, 1, 0, 0, 0, 5, time.UTC)
	reg := openRegistry(t, stores.Memory, "", func() time.Time { return now })
	to := newReceiver(t, nil)
	sealer, err := webhook.NewSealer(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	const secret = "a secret, Schlüssel"
	_, err = reg.CreateWebhook(t.Context(), modelregistry.WebhookSpec{
		Name: "signed", URL: to.URL, Events: []string{webhook.RegisteredModelCreated}, Secret: sealer.Seal([]byte(secret)),
	})
	require.NoError(t, err)
	opts := local()
	opts.Open = sealer.Open
	opts.Now = func() time.Time { return now }
	run(t, reg, opts)
	create(t, reg, "a")
	d := to.wait(t, 1)[0]
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, d.ID)
	require.Equal(t, "1924992000", d.Timestamp)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(d.ID + "." + d.Timestamp + "." + string(d.Body)))
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), d.Signature)
	require.Equal(t, d.Signature, webhook.Signature([]byte(secret), d.ID, d.Timestamp, d.Body))
	// As MLflow 3.17.2 computes it.
	require.Equal(t, "v1,Pr+oU+vq9OByOT1MFCqcYga7fQ8eKvzGDfL3d6aGxUI=",
		webhook.Signature([]byte("s3crét"), "abc-1", "1700000000", []byte(`{"a":"é"}`)))
}

func TestASecretThatCannotBeOpenedStopsItsWebhookOnly(t *testing.T) {
	reg := memoryRegistry(t)
	lost, signed, plain := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	sealer, err := webhook.NewSealer(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	other, err := webhook.NewSealer(bytes.Repeat([]byte{8}, 32))
	require.NoError(t, err)
	spec := modelregistry.WebhookSpec{Name: "hook", URL: lost.URL, Events: []string{webhook.RegisteredModelCreated}, Secret: other.Seal([]byte("x"))}
	w, err := reg.CreateWebhook(t.Context(), spec)
	require.NoError(t, err)
	spec.URL, spec.Secret = signed.URL, sealer.Seal([]byte("x"))
	_, err = reg.CreateWebhook(t.Context(), spec)
	require.NoError(t, err)
	hook(t, reg, plain.URL)
	opts := local()
	opts.Open = sealer.Open
	run(t, reg, opts)
	create(t, reg, "a", "b")
	signed.wait(t, 2)
	require.Empty(t, plain.wait(t, 2)[0].Signature)
	eventually(t, func() bool { return progress(t, reg, w.ID).LastError != "" })
	require.Contains(t, progress(t, reg, w.ID).LastError, "secret cannot be opened")
	require.Empty(t, lost.deliveries())
	_, err = webhook.New(reg, opts).Send(t.Context(), w, webhook.Payload{})
	require.ErrorContains(t, err, "secret cannot be opened")

	fresh := sealer.Seal([]byte("y"))
	_, err = reg.UpdateWebhook(t.Context(), w.ID, modelregistry.WebhookPatch{Secret: &fresh})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names(lost.wait(t, 2)), "what happened meanwhile has waited")
}

func TestSealer(t *testing.T) {
	key, old := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	s, err := webhook.NewSealer(key)
	require.NoError(t, err)
	box := s.Seal([]byte("secret"))
	require.NotEqual(t, box, s.Seal([]byte("secret")))
	require.NotContains(t, string(box), "secret")
	text, err := s.Open(box)
	require.NoError(t, err)
	require.Equal(t, "secret", string(text))

	rotated, err := webhook.NewSealer(old, key)
	require.NoError(t, err)
	text, err = rotated.Open(box)
	require.NoError(t, err)
	require.Equal(t, "secret", string(text))

	for i := range box {
		altered := bytes.Clone(box)
		altered[i] ^= 1
		_, err := s.Open(altered)
		require.Error(t, err, "byte %d", i)
		_, err = s.Open(box[:i])
		require.Error(t, err, "cut to %d bytes", i)
	}
	other, err := webhook.NewSealer(old)
	require.NoError(t, err)
	_, err = other.Open(box)
	require.ErrorContains(t, err, "another key")
	_, err = webhook.NewSealer([]byte("short"))
	require.ErrorContains(t, err, "32 bytes")
	_, err = webhook.NewSealer(key, nil)
	require.Error(t, err)
}

func TestHTTPSIsVerified(t *testing.T) {
	reg := memoryRegistry(t)
	to := &receiver{}
	to.Server = httptest.NewUnstartedServer(to)
	to.Config.ErrorLog = log.New(io.Discard, "", 0)
	to.StartTLS()
	t.Cleanup(to.Close)
	w := hook(t, reg, to.URL)
	opts := local()
	opts.AllowHTTP = false
	_, err := webhook.New(reg, opts).Send(t.Context(), w, webhook.Payload{Body: []byte("{}")})
	require.ErrorContains(t, err, "certificate")
	require.Empty(t, to.deliveries())
	roots := x509.NewCertPool()
	roots.AddCert(to.Certificate())
	opts.TLS = &tls.Config{RootCAs: roots}
	run(t, reg, opts)
	create(t, reg, "a")
	to.wait(t, 1)
}

func TestSendTriesOnceAndTellsTheStatus(t *testing.T) {
	reg := memoryRegistry(t)
	to := newReceiver(t, status(503))
	w := hook(t, reg, to.URL)
	d := webhook.New(reg, local())
	p, ok := webhook.MLflowExample(webhook.ModelVersionCreated, time.Now())
	require.True(t, ok)
	code, err := d.Send(t.Context(), w, p)
	require.Error(t, err)
	require.Equal(t, 503, code)
	code, err = d.Send(t.Context(), w, p)
	require.NoError(t, err)
	require.Equal(t, 200, code)
	require.Equal(t, webhook.ModelVersionCreated, to.deliveries()[1].Name)
	require.NotEqual(t, to.deliveries()[0].ID, to.deliveries()[1].ID)
	to.Close()
	code, err = d.Send(t.Context(), w, p)
	require.Error(t, err)
	require.Zero(t, code)
}

package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// The headers of a delivery.
const (
	HeaderID        = "X-MLflow-Delivery-Id"
	HeaderTimestamp = "X-MLflow-Timestamp" // of the attempt, in Unix seconds
	HeaderSignature = "X-MLflow-Signature"
)

const (
	maxResponse   = 64 << 10 // bytes of an answer that are read, for the connection's sake, and dropped
	maxRetryAfter = maxBackoff
)

// errRefused: a delivery that is not even tried, and would not be next time.
var errRefused = errors.New("not allowed")

// newClient makes the client of all deliveries. Each connection is checked; see publicOnly.
func newClient(o *Options) *http.Client {
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}
	if !o.AllowPrivate {
		dialer.ControlContext = publicOnly
	}
	return &http.Client{
		Transport: &http.Transport{
			// No Proxy: through one, the address that is checked would be the proxy's.
			DialContext:            dialer.DialContext,
			TLSClientConfig:        o.TLS.Clone(),
			TLSHandshakeTimeout:    o.Timeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxResponse,
			DisableCompression:     true, // nothing is read that could blow up
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Send posts one payload to a webhook now and once, disabled or not, and returns the status of the answer; it is
// recorded nowhere. It is for trying a webhook out. An error says what was wrong; with a status of 0 there was no answer.
func (d *Deliverer) Send(ctx context.Context, hook *modelregistry.Webhook, p Payload) (status int, err error) {
	secret, err := d.secret(hook)
	if err != nil {
		return 0, err
	}
	status, _, err = d.post(ctx, hook.URL, secret, strings.ToLower(rand.Text()), p.Body)
	return status, err
}

// secret opens a webhook's secret; nil if it has none.
func (d *Deliverer) secret(hook *modelregistry.Webhook) ([]byte, error) {
	if len(hook.Secret) == 0 || d.opts.Open == nil {
		return hook.Secret, nil
	}
	secret, err := d.opts.Open(hook.Secret)
	if err != nil {
		return nil, fmt.Errorf("the secret cannot be opened: %w", err)
	}
	return secret, nil
}

// post makes one attempt. err is nil if it was accepted.
func (d *Deliverer) post(ctx context.Context, to string, secret []byte, id string, body []byte) (status int, retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errRefused, withoutURL(err))
	}
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || !d.opts.AllowHTTP) {
		return 0, 0, fmt.Errorf("%s URL: %w", req.URL.Scheme, errRefused)
	}
	now := d.opts.Now()
	timestamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "modelregistry-webhook")
	req.Header.Set(HeaderID, id)
	req.Header.Set(HeaderTimestamp, timestamp)
	if len(secret) > 0 {
		req.Header.Set(HeaderSignature, Signature(secret, id, timestamp, body))
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, 0, withoutURL(err)
	}
	defer resp.Body.Close()
	// The answer is in the status. A body that breaks off changes nothing about it.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxResponse))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp.StatusCode, 0, nil
	}
	err = fmt.Errorf("answered %d", resp.StatusCode)
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		err = fmt.Errorf("%w; redirects are not followed", err)
	}
	return resp.StatusCode, parseRetryAfter(resp.Header.Get("Retry-After"), now), err
}

// withoutURL takes the URL out of an error: it may hold a password, or a token.
func withoutURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Signature is the HeaderSignature of a delivery, for receivers that verify it; they should compare by hmac.Equal.
// timestamp is the HeaderTimestamp.
func Signature(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body) // a hash takes everything
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// isPassing says whether another attempt may go better.
func isPassing(status int, err error) bool {
	if status == 0 {
		return !errors.Is(err, errRefused)
	}
	return status == http.StatusTooManyRequests || status >= 500
}

// parseRetryAfter reads seconds, or a date.
func parseRetryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

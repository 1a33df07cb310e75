package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry"
)

const (
	maxAnswer  = 256 << 20        // bytes of JSON; the answer to a search is long
	maxBackoff = 10 * time.Second // between two tries
	maxWait    = time.Minute      // that the server may ask for
)

// A request is one call of the API.
type request struct {
	method string
	path   string // below /api/2.0/mlflow/, or absolute
	query  url.Values
	body   any // becomes JSON
	// once: doing it twice is not doing it once.
	once bool
}

func get(path string, query url.Values) *request {
	return &request{method: http.MethodGet, path: path, query: query}
}

// call sends a request and decodes the answer into out, if that is not nil.
func (c *Client) call(ctx context.Context, q *request, out any) error {
	var body []byte
	if err := checkSent(q.query, q.body); err != nil {
		return err
	}
	if q.body != nil {
		var err error
		if body, err = json.Marshal(q.body); err != nil {
			return fmt.Errorf("%w: %w", modelregistry.ErrInvalid, err)
		}
	}
	resp, err := c.send(ctx, !q.once, func() (*http.Request, error) {
		var r io.Reader
		if q.body != nil {
			r = bytes.NewReader(body)
		}
		req, err := http.NewRequestWithContext(ctx, q.method, c.endpoint(q.path, q.query), r)
		if err == nil && q.body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, err
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := readAnswer(resp.Body, out); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if q.once { // it was done, and what came of it is lost
			err = &doubt{err, ended}
		}
		return err
	}
	return nil
}

func readAnswer(body io.Reader, out any) error {
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case len(text) > maxAnswer:
		return fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	case out == nil || len(text) == 0:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer is not what MLflow answers: %w", err)
	}
	return nil
}

func (c *Client) endpoint(path string, query url.Values) string {
	u := *c.base
	if !strings.HasPrefix(path, "/") {
		path = "/api/2.0/mlflow/" + path
	}
	u.RawPath = u.EscapedPath() + path // path is escaped by who made it
	u.Path, _ = url.PathUnescape(u.RawPath)
	u.RawQuery = query.Encode()
	return u.String()
}

// checkSent refuses what JSON would silently make another text of.
func checkSent(query url.Values, body any) error {
	for _, values := range query {
		for _, v := range values {
			if err := checkText(v); err != nil {
				return err
			}
		}
	}
	return checkBody(body)
}

func checkBody(v any) error {
	switch v := v.(type) {
	case string:
		return checkText(v)
	case []string:
		for _, s := range v {
			if err := checkText(s); err != nil {
				return err
			}
		}
	case []remoteTag:
		for _, t := range v {
			if err := errors.Join(checkText(t.Key), checkText(t.Value)); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, inner := range v {
			if err := checkBody(inner); err != nil {
				return err
			}
		}
	case []map[string]any:
		for _, inner := range v {
			if err := checkBody(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return fmt.Errorf("%.80q: %w: not UTF-8 text", s, modelregistry.ErrInvalid)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%.80q: %w: contains a NUL character", s, modelregistry.ErrInvalid)
	}
	return nil
}

// send sends a request, again where that is right, until there is an answer that is a success. twice: doing it twice is
// doing it once; of other calls the error is a doubt if the request may have been done. The caller closes the body.
func (c *Client) send(ctx context.Context, twice bool, make func() (*http.Request, error)) (*http.Response, error) {
	for try := 0; ; try++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		req, err := make()
		if err == nil {
			err = c.prepare(req)
		}
		if err != nil {
			return nil, err
		}
		resp, err := c.try(req)
		if err == nil {
			return resp, nil
		}
		done := outcomeOf(err)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if !twice && done >= ended {
			return nil, &doubt{err, done}
		}
		wait := waitAfter(err)
		if ctx.Err() != nil || wait < 0 || try >= c.opts.Retries || !done.repeats(twice) {
			return nil, err
		}
		if wait == 0 {
			wait = backoff(c.opts.Backoff, try)
		}
		if err := sleep(ctx, wait, err); err != nil {
			return nil, err
		}
	}
}

// sleep waits because of an error; it does not begin to if the context would end before.
func sleep(ctx context.Context, wait time.Duration, because error) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return fmt.Errorf("%w: no time to try again: %w", context.DeadlineExceeded, because)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// backoff is between half and all of first, doubled by each try.
func backoff(first time.Duration, try int) time.Duration {
	d := min(first<<min(try, 20), maxBackoff)
	if d <= 0 {
		d = maxBackoff
	}
	return d/2 + rand.N(d/2+1)
}

// prepare gives a request what every one has.
func (c *Client) prepare(req *http.Request) error {
	req.Header.Set("User-Agent", c.opts.UserAgent)
	if c.opts.Workspace != "" {
		req.Header.Set("X-MLFLOW-WORKSPACE", c.opts.Workspace)
	}
	switch {
	case c.opts.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.opts.Token)
	case c.opts.Username != "":
		req.SetBasicAuth(c.opts.Username, c.opts.Password)
	}
	if c.opts.Authenticate != nil {
		if err := c.opts.Authenticate(req); err != nil {
			return fmt.Errorf("authenticate: %w", err)
		}
	}
	return nil
}

// try sends once. An answer that is no success is a serverError.
func (c *Client) try(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	return nil, readServerError(resp)
}

// waitAfter is how long the server wants to be left alone after an error, 0 if it does not say.
func waitAfter(err error) time.Duration {
	if e := (*serverError)(nil); errors.As(err, &e) {
		return e.wait
	}
	return 0
}

// retryAfter is what the header says; less than 0 if that is too long to wait.
func retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(max(0, min(seconds, 1e6))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = max(0, time.Until(at))
	}
	if wait > maxWait {
		return -1
	}
	return wait
}

// A serverError is an answer that is not a success.
type serverError struct {
	status  int
	code    string // MLflow's error_code, or ""
	message string
	kind    error         // what callers tell apart, or nil
	wait    time.Duration // that the server asks for; less than 0 if it is too long
}

func (e *serverError) Unwrap() error { return e.kind }

func (e *serverError) Error() string {
	said := e.message
	if said == "" {
		said = http.StatusText(e.status)
	}
	if e.kind != nil {
		return fmt.Sprintf("%v: %s", e.kind, said)
	}
	return fmt.Sprintf("the server answers %d %s: %s", e.status, e.code, said)
}

var errorKinds = map[string]error{
	"RESOURCE_DOES_NOT_EXIST": modelregistry.ErrNotFound,
	"RESOURCE_ALREADY_EXISTS": modelregistry.ErrExists,
	"ALREADY_EXISTS":          modelregistry.ErrExists,
	"INVALID_PARAMETER_VALUE": modelregistry.ErrInvalid,
	"BAD_REQUEST":             modelregistry.ErrInvalid,
	"MALFORMED_REQUEST":       modelregistry.ErrInvalid,
	"RESOURCE_CONFLICT":       modelregistry.ErrConflict,
	"ABORTED":                 modelregistry.ErrConflict,
	"NOT_IMPLEMENTED":         errors.ErrUnsupported,
	"FEATURE_DISABLED":        errors.ErrUnsupported,
	"ENDPOINT_NOT_FOUND":      errNoEndpoint,
	"PERMISSION_DENIED":       fs.ErrPermission,
	"UNAUTHENTICATED":         fs.ErrPermission,
	"CUSTOMER_UNAUTHORIZED":   fs.ErrPermission,
}

// errNoEndpoint says that the server does not know a path: it is another version of MLflow, or none.
var errNoEndpoint = fmt.Errorf("%w: the server has no such endpoint", errors.ErrUnsupported)

// readServerError reads what the server has to say, and closes the body.
func readServerError(resp *http.Response) *serverError {
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what of it arrived is good enough for a message
	e := &serverError{status: resp.StatusCode, wait: retryAfter(resp)}
	var answer struct {
		Code    string          `json:"error_code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"` // of what MLflow leaves to FastAPI
	}
	if json.Unmarshal(text, &answer) == nil && (answer.Code != "" || answer.Message != "" || answer.Detail != nil) {
		e.code, e.message = answer.Code, answer.Message
		if e.message == "" {
			e.message = string(answer.Detail)
		}
	} else if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		e.message = string(text)
	}
	e.message, _, _ = strings.Cut(e.message, "\n[SQL") // which MLflow shows, with parameters
	e.message = clip(strings.ToValidUTF8(strings.TrimSpace(e.message), "\uFFFD"))
	if e.kind = errorKinds[e.code]; e.kind == nil && e.code == "" {
		e.kind = statusKind(resp.StatusCode)
	}
	return e
}

// statusKind is for answers that are not MLflow's JSON.
func statusKind(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fs.ErrPermission
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return errNoEndpoint
	case http.StatusConflict:
		return modelregistry.ErrConflict
	}
	if status >= 400 && status < 500 && status != http.StatusTooManyRequests {
		return modelregistry.ErrInvalid
	}
	return nil
}

// failed makes err the *Error that every method returns, and says of what is not there or taken what that is; nil stays
// nil.
func failed(op, ref, what string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*modelregistry.Error)(nil); errors.As(err, &e) {
		err = e.Err // one method called another: the outer one's name is what the caller knows
	} else if what != "" && (errors.Is(err, modelregistry.ErrNotFound) || errors.Is(err, modelregistry.ErrExists)) {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return &modelregistry.Error{Op: op, Ref: clip(ref), Err: err}
}

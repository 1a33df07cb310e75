package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/modelregistry-go/modelregistry"
)

// An apiError is an error as MLflow's clients read it.
type apiError struct {
	Code     string `json:"error_code"`
	Message  string `json:"message"`
	SQLState string `json:"sqlstate,omitempty"` // MLflow's own word; always KAM00 for a caller's mistake
	Class    string `json:"error_class,omitempty"`
	status   int    // 0: that of the code
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// statuses are MLflow's. A caller's mistake is never 5xx: clients try those again for minutes.
var statuses = map[string]int{
	"INVALID_PARAMETER_VALUE": http.StatusBadRequest,
	"RESOURCE_ALREADY_EXISTS": http.StatusBadRequest,
	"BAD_REQUEST":             http.StatusBadRequest,
	"UNAUTHENTICATED":         http.StatusUnauthorized,
	"PERMISSION_DENIED":       http.StatusForbidden,
	"RESOURCE_DOES_NOT_EXIST": http.StatusNotFound,
	"ENDPOINT_NOT_FOUND":      http.StatusNotFound,
	"RESOURCE_CONFLICT":       http.StatusConflict,
	"REQUEST_LIMIT_EXCEEDED":  http.StatusTooManyRequests,
	"NOT_IMPLEMENTED":         http.StatusNotImplemented,
	"TEMPORARILY_UNAVAILABLE": http.StatusServiceUnavailable,
	"INTERNAL_ERROR":          http.StatusInternalServerError,
}

func (e *apiError) write(w http.ResponseWriter) {
	status := e.status
	if status == 0 {
		status = statuses[e.Code]
	}
	if e.SQLState == "" && status < 500 {
		e.SQLState, e.Class = "KAM00", e.Code
		if e.Code == "RESOURCE_DOES_NOT_EXIST" {
			e.Class = "RESOURCE_NOT_FOUND"
		}
	}
	body, err := json.Marshal(e)
	if err != nil {
		body = []byte(`{"error_code": "INTERNAL_ERROR"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone does not want it
}

func invalid(format string, args ...any) error {
	return &apiError{Code: "INVALID_PARAMETER_VALUE", Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &apiError{Code: "RESOURCE_DOES_NOT_EXIST", Message: fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) error {
	return &apiError{Code: "RESOURCE_ALREADY_EXISTS", Message: fmt.Sprintf(format, args...)}
}

// orNotFound is err, or if it says that something is not there, the API's message for that.
func orNotFound(err error, format string, args ...any) error {
	if errors.Is(err, modelregistry.ErrNotFound) {
		return notFound(format, args...)
	}
	return err
}

// orExists is err, or if it says that a name is taken, the API's message for that.
func orExists(err error, format string, args ...any) error {
	if errors.Is(err, modelregistry.ErrExists) {
		return exists(format, args...)
	}
	return err
}

// translate makes an apiError of any error. ok is false of a fault, whose text is not for clients.
func translate(err error) (e *apiError, ok bool) {
	if errors.As(err, &e) {
		return e, true
	}
	text := err.Error()
	if inner := (*modelregistry.Error)(nil); errors.As(err, &inner) {
		text = inner.Err.Error() // without the name of the Go method
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &apiError{Code: "INVALID_PARAMETER_VALUE", status: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The request is longer than %d bytes.", tooLarge.Limit)}, true
	case errors.Is(err, modelregistry.ErrInvalid):
		return &apiError{Code: "INVALID_PARAMETER_VALUE", Message: text}, true
	case errors.Is(err, modelregistry.ErrNotFound):
		return &apiError{Code: "RESOURCE_DOES_NOT_EXIST", Message: text}, true
	case errors.Is(err, modelregistry.ErrExists):
		return &apiError{Code: "RESOURCE_ALREADY_EXISTS", Message: text}, true
	case errors.Is(err, modelregistry.ErrConflict):
		return &apiError{Code: "RESOURCE_CONFLICT", Message: text}, true
	case errors.Is(err, errors.ErrUnsupported):
		return &apiError{Code: "NOT_IMPLEMENTED", Message: text}, true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &apiError{Code: "TEMPORARILY_UNAVAILABLE", Message: "The request ended before it was answered."}, true
	}
	return &apiError{Code: "INTERNAL_ERROR", Message: "The registry failed; the server's log says why."}, false
}

// fail answers with an error, and logs what clients are not told.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := translate(err)
	if !ok {
		s.opts.Logger.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if e.Code == "UNAUTHENTICATED" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="modelregistry"`)
	}
	if e.Code == "REQUEST_LIMIT_EXCEEDED" {
		w.Header().Set("Retry-After", "1")
	}
	copied := *e // errors may be shared
	copied.write(w)
}

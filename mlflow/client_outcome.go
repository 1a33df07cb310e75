package mlflow

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/modelregistry-go/modelregistry"
)

// An outcome is what a try that failed has done. Together with whether doing a call twice is doing it once, it decides
// whether the call is tried again, and what may be removed after it.
type outcome int

const (
	// notDone: the server never got the request, or turned it down for now. Any call may be tried again.
	notDone outcome = iota
	// refused: the server did nothing, and would do so again.
	refused
	// ended: the server failed, and is done with the request; what it has done of it is not known.
	ended
	// unknown: it may have been done, and it may be under way still: the answer was lost, or a proxy has given up waiting
	// for it, which is what 502, 503 and 504 mean.
	unknown
)

// outcomeOf reads the error of one try.
func outcomeOf(err error) outcome {
	var answer *serverError
	var network *net.OpError
	switch {
	case errors.As(err, &answer):
		switch {
		case answer.status == http.StatusTooManyRequests:
			return notDone
		case answer.status < 500 || answer.status == http.StatusNotImplemented || answer.kind != nil:
			return refused
		case answer.code == "INTERNAL_ERROR":
			return ended
		}
		return unknown
	case errors.Is(err, errRedirect), errors.Is(err, modelregistry.ErrInvalid):
		return refused
	case errors.As(err, &network) && (network.Op == "dial" || network.Op == "proxyconnect"):
		return notDone
	}
	return unknown
}

// repeats says whether a call is tried again after such an outcome. twice: doing it twice is doing it once.
func (o outcome) repeats(twice bool) bool {
	return o == notDone || twice && o != refused
}

// A doubt is the error of a call that must not be done twice and may have been done.
type doubt struct {
	err     error
	outcome outcome // ended or unknown
}

func (d *doubt) Error() string { return fmt.Sprintf("%v; whether it was done is not known", d.err) }
func (d *doubt) Unwrap() error { return d.err }

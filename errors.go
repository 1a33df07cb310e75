package modelregistry

import (
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry/backend"
)

// The errors that a program tells apart, besides errors.ErrUnsupported and those of contexts.
var (
	// ErrNotFound: what a call names is not there.
	ErrNotFound = backend.ErrNotFound
	// ErrExists: the name, number or semantic version is taken.
	ErrExists = backend.ErrExists
	// ErrInvalid: an argument is not one; the message says what would be.
	ErrInvalid = backend.ErrInvalid
	// ErrConflict: the registry is not in the state that the call expects. A *Conflict says what it is in.
	ErrConflict = errors.New("conflict")
	// ErrCorrupt: stored bytes or history are not what was recorded.
	ErrCorrupt = errors.New("corrupt")
)

// Error says what a failed call was doing, in the manner of fs.PathError. Every error of a Registry is one.
type Error struct {
	Op  string // the method, such as "Promote"
	Ref string // what it was about, such as "IrisClassifier/3"; may be empty
	Err error
}

func (e *Error) Error() string {
	if e.Ref == "" {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s %.300s: %v", e.Op, e.Ref, e.Err) // a user's mistake may be a name of a million characters
}

func (e *Error) Unwrap() error { return e.Err }

// A Conflict is an ErrConflict of a compare-and-swap, or of a change that something stands in the way of.
type Conflict struct {
	Model string
	Stage Stage  // the stage that it was about, or ""
	Alias string // the alias that it was about, or ""
	// Current are the numbers of the versions that hold the stage or that the alias names, ascending; none if it is free.
	Current []int
	Reason  string // what does not fit
}

func (c *Conflict) Error() string { return c.Reason }

// Is makes errors.Is(err, ErrConflict) true.
func (c *Conflict) Is(target error) bool { return target == ErrConflict }

// wrap makes err the *Error that every method returns; nil stays nil.
func wrap(op, ref string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		err = e.Err // one method called another: the outer one's name is what the caller knows
	}
	return &Error{Op: op, Ref: ref, Err: err}
}

package backend

import "errors"

// The errors that callers tell apart; backends return errors that wrap them.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrExists: the key of an inserted row is taken, or a value of a unique index.
	ErrExists = errors.New("already exists")
	// ErrFormat: the store was written by a newer program than this one.
	ErrFormat = errors.New("the store's format is newer than this program")
	// ErrClosed: the backend was closed.
	ErrClosed = errors.New("backend is closed")
	// ErrInvalid: a declaration, a row or a query is not one, or a URL is not understood.
	ErrInvalid = errors.New("invalid")
)

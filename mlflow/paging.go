package mlflow

import (
	"bytes"
	"encoding/base64"

	"github.com/modelregistry-go/modelregistry"
)

const (
	// fillBudget is how many things that the registry found one request looks at before it comes back short, with a token to go on.
	fillBudget = 20_000
	// maxRows is how many things one answer has, however many are asked for: two of the registry's pages, each of which ends
	// at some bytes.
	maxRows = 2 * corePage
	// maxShort is how many pages that the registry cut short, for it had looked through as much as one page may, a request
	// asks for while nothing is found: clients should not be sent for an empty page, nor a request go on for ever.
	maxShort = 5
)

// fill asks for pages until limit things that are wanted are found, or nothing is left. next stands behind the last thing
// that was looked at, so that the following page neither repeats nor skips any; it is "" if nothing that is wanted follows.
func fill[T any](limit int, q modelregistry.Query, page func(modelregistry.Query) ([]T, string, error), want func(T) bool) (found []T, next string, err error) {
	size := limit
	for looked, short := 0, 0; ; {
		q.PageSize = min(size, corePage)
		items, next, err := page(q)
		if err != nil {
			return nil, "", err
		}
		taken, n := take(items, limit-len(found), want)
		if n < len(items) {
			size = n // the token of this page would stand too far behind
			continue
		}
		found = append(found, taken...)
		looked += n
		if len(items) < q.PageSize && next != "" {
			short++
		}
		q.PageToken = next
		switch {
		case next == "":
			return found, "", nil
		case len(found) == limit:
			return found, next, nil
		case looked >= max(fillBudget, limit), short > 0 && len(found) > 0, short == maxShort:
			return found, next, nil
		}
		size = max(limit-len(found), 4*size)
	}
}

// take takes from items what is wanted, up to room, and says how many of them it has looked at.
func take[T any](items []T, room int, want func(T) bool) (taken []T, looked int) {
	for i, item := range items {
		if !want(item) {
			continue
		}
		if len(taken) == room {
			return taken, i
		}
		taken = append(taken, item)
	}
	return taken, len(items)
}

// followed is next, or "" if what follows is known to be nothing that is wanted: clients should not be sent for an empty
// page, so a few of the things that follow are looked at.
func followed[T any](q modelregistry.Query, next string, page func(modelregistry.Query) ([]T, string, error), want func(T) bool) (string, error) {
	if next == "" {
		return "", nil
	}
	const few = 10
	q.PageSize, q.PageToken = few, next
	items, more, err := page(q)
	if err != nil {
		return "", err
	}
	if taken, _ := take(items, 1, want); len(taken) == 0 && more == "" {
		return "", nil
	}
	return next, nil
}

// Tokens of pages are the registry's, in base64 as MLflow's are. They say where the last thing stands that was looked at: its
// name, or a param. Where there is something to hide that may be what the caller must not see, so they are sealed.

// sealedToken is in front of what is sealed, so that nothing else that the key sealed is taken for a token.
const sealedToken = "page token\n"

func (c *call) pageToken() string {
	text := c.text("page_token")
	token, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		c.mistake(invalid("Invalid page token, could not base64-decode"))
	}
	if c.s.tokens == nil || len(token) == 0 {
		return string(token)
	}
	plain, err := c.s.tokens.Open(token)
	token, ok := bytes.CutPrefix(plain, []byte(sealedToken))
	if err != nil || !ok {
		c.mistake(invalid("Invalid page token: it is not the next_page_token of an answer of this server"))
	}
	return string(token)
}

func (c *call) wireToken(token string) string {
	if c.s.tokens != nil && token != "" {
		token = string(c.s.tokens.Seal([]byte(sealedToken + token)))
	}
	return base64.StdEncoding.EncodeToString([]byte(token))
}

// pageSize is the field max_results. One that is too large is told as MLflow does.
func (c *call) pageSize(otherwise, most int64) int {
	n := c.integer("max_results", otherwise)
	switch {
	case n < 1:
		c.mistake(invalid("Invalid value for max_results. It must be a positive integer, but got %d", n))
	case n > most:
		c.wrongType("max_results", c.value("max_results"))
	}
	return int(min(n, most))
}

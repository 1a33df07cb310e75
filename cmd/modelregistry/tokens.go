package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/modelregistry-go/modelregistry/mlflow"
)

// tokens are who may use the server.
type tokens []grant

type grant struct {
	name     string
	sum      [sha256.Size]byte // of the token, so that comparing takes one time whatever it is
	readOnly bool
}

const minToken = 16 // characters

// readTokens reads a file of tokens: a line for each, "name token" or "name token read"; # begins a comment.
func readTokens(path string) (tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	defer f.Close()
	out, err := parseTokens(f)
	if err != nil {
		return nil, fmt.Errorf("tokens: %s: %w", path, err)
	}
	return out, nil
}

func parseTokens(r io.Reader) (tokens, error) {
	var out tokens
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		switch {
		case len(fields) < 2 || len(fields) > 3 || len(fields) == 3 && fields[2] != "read":
			return nil, fmt.Errorf("line %d: a line is: name token, or: name token read", n)
		case len(fields[1]) < minToken:
			return nil, fmt.Errorf("line %d: the token of %s has fewer than %d characters", n, fields[0], minToken)
		}
		g := grant{fields[0], sha256.Sum256([]byte(fields[1])), len(fields) == 3}
		for _, before := range out {
			switch {
			case before.sum == g.sum:
				return nil, fmt.Errorf("line %d: %s has the same token as %s", n, g.name, before.name)
			case before.name == g.name && before.readOnly != g.readOnly: // rights are a name's
				return nil, fmt.Errorf("line %d: %s may only read by one token and everything by another; give them two names", n, g.name)
			}
		}
		out = append(out, g)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("no token in it")
	}
	return out, nil
}

// find is whose token it is. All are compared, so that the time tells nothing.
func (t tokens) find(token string) (found grant, ok bool) {
	sum := sha256.Sum256([]byte(token))
	for _, g := range t {
		if subtle.ConstantTimeCompare(g.sum[:], sum[:]) == 1 {
			found, ok = g, true
		}
	}
	return found, ok
}

// authenticate takes a bearer token (MLFLOW_TRACKING_TOKEN), or a name and its token as a password
// (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD).
func (t tokens) authenticate(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer")
	name, password, basic := r.BasicAuth()
	if basic {
		token = password
	}
	if !bearer && !basic {
		return "", errors.New("a token is needed: set MLFLOW_TRACKING_TOKEN")
	}
	g, ok := t.find(token)
	if !ok || basic && name != g.name {
		return "", errors.New("the token is not one of this server's")
	}
	return g.name, nil
}

// authorize lets those who only read do nothing else.
func (t tokens) authorize(_ context.Context, principal string, action mlflow.Action, _ mlflow.Resource) error {
	if action == mlflow.Read {
		return nil
	}
	for _, g := range t {
		if g.name == principal && !g.readOnly {
			return nil
		}
	}
	return fmt.Errorf("%s may only read", principal)
}

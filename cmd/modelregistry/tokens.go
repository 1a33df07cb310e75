package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry/mlflow"
)

// tokens are who may use the server.
type tokens []grant

type grant struct {
	name     string
	line     int               // of the file, for messages
	sum      [sha256.Size]byte // of the token, so that comparing takes one time whatever it is
	readOnly bool
}

const (
	minToken     = 16 // characters
	minVariety   = 6  // different ones
	maxTokenName = 100
	maxTokenFile = 1 << 20 // bytes
)

// A tokenFile is a file of tokens, as it was last read.
type tokenFile struct {
	path string
	last atomic.Pointer[tokens]
}

// openTokens reads a file of tokens: a line for each, "name token" or "name token read"; # begins a comment.
func openTokens(path string) (*tokenFile, error) {
	f := &tokenFile{path: path}
	return f, f.read()
}

// read reads the file anew. If that fails the tokens stay those that were read before.
func (f *tokenFile) read() error {
	t, err := readTokens(f.path)
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	f.last.Store(&t)
	return nil
}

// reloadOnHangup reads the file of tokens, if there is one, whenever the process gets a SIGHUP, which never ends it; until stop.
func reloadOnHangup(ctx context.Context, f *tokenFile, log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			if f == nil {
				log.Info("nothing to read anew: there is no file of tokens")
			} else if err := f.read(); err != nil {
				log.Error("the tokens stay as they were", "error", err)
			} else {
				log.Info("tokens read anew", "tokens", len(*f.last.Load()))
			}
		}
	}()
	return func() { cancel(); <-done; signal.Stop(hangups) }
}

func readTokens(path string) (tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // which has no such modes
		return nil, fmt.Errorf("%s: others than its owner may read or write it (mode %#o): chmod 600 it, and replace the tokens if they were seen", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return nil, err
	}
	out, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// parseTokens reads what a file of tokens holds. Its errors have none of it: what looks like a name may be a token.
func parseTokens(text []byte) (tokens, error) {
	switch {
	case len(text) > maxTokenFile:
		return nil, fmt.Errorf("longer than %d bytes", maxTokenFile)
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return nil, errors.New("it begins with a byte order mark, which would be part of the first name; save it as UTF-8 without one")
	case !utf8.Valid(text):
		return nil, errors.New("it is not UTF-8 text")
	}
	var out tokens
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) && !unicode.IsSpace(r) || r == '\r' }) {
			return nil, fmt.Errorf("line %d: there is a control character in it", n)
		}
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		g, err := parseGrant(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		g.line = n
		for _, before := range out {
			switch {
			case before.sum == g.sum:
				return nil, fmt.Errorf("line %d: it has the same token as line %d", n, before.line)
			case before.name == g.name && before.readOnly != g.readOnly: // rights are a name's
				return nil, fmt.Errorf("line %d: its name may only read by one token and everything by another, as of line %d; give them two names", n, before.line)
			}
		}
		out = append(out, g)
	}
	if len(out) == 0 {
		return nil, errors.New("no token in it")
	}
	return out, nil
}

func parseGrant(fields []string) (grant, error) {
	switch {
	case len(fields) < 2 || len(fields) > 3 || len(fields) == 3 && fields[2] != "read":
		return grant{}, errors.New("a line is: name token, or: name token read")
	case len(fields[1]) < minToken && len(fields[0]) >= minToken:
		return grant{}, fmt.Errorf("the name comes first and then the token, which has at least %d characters; they seem to be swapped", minToken)
	case len(fields[1]) < minToken:
		return grant{}, fmt.Errorf("the token has fewer than %d characters", minToken)
	case variety(fields[1]) < minVariety:
		return grant{}, fmt.Errorf("the token has fewer than %d different characters; make one by: openssl rand -hex 32", minVariety)
	case len(fields[0]) > maxTokenName:
		return grant{}, fmt.Errorf("the name is longer than %d bytes", maxTokenName)
	case strings.Contains(fields[0], ":"):
		return grant{}, errors.New("the name has a colon, which ends the name where it is sent with a password")
	case variety(fields[0]) > variety(fields[1]) && strings.ContainsAny(fields[0], "0123456789") && !strings.ContainsAny(fields[1], "0123456789"):
		return grant{}, errors.New("the name comes first and then the token; they seem to be swapped")
	}
	return grant{name: fields[0], sum: sha256.Sum256([]byte(fields[1])), readOnly: len(fields) == 3}, nil
}

// variety is how many different characters there are in s.
func variety(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
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
func (f *tokenFile) authenticate(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer")
	name, password, basic := r.BasicAuth()
	if basic {
		token = password
	}
	if !bearer && !basic {
		return "", errors.New("a token is needed: set MLFLOW_TRACKING_TOKEN")
	}
	g, ok := f.last.Load().find(token)
	if !ok || basic && name != g.name {
		return "", errors.New("the token is not one of this server's")
	}
	return g.name, nil
}

// authorize lets those who only read do nothing else.
func (f *tokenFile) authorize(_ context.Context, principal string, action mlflow.Action, _ mlflow.Resource) error {
	if action == mlflow.Read {
		return nil
	}
	for _, g := range *f.last.Load() {
		if g.name == principal && !g.readOnly {
			return nil
		}
	}
	return fmt.Errorf("%s may only read", principal)
}

//go:build unix

package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const annToken, bobToken = "ann-token-0123456789", "bob-token-0123456789"

func TestTokensThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "no token",
		"ann":                        "line 1: a line is",
		"ann short":                  "fewer than 16",
		"ann aaaaaaaaaaaaaaaabbbb":   "different characters",
		"\nann " + annToken + " all": "line 2: a line is",
		"ann " + annToken + " READ":  "line 1: a line is",
		"ann " + annToken + "\nann " + bobToken + " read": "line 2: its name may only read by one",
		"ann " + annToken + "\nbob " + annToken + " read": "line 2: it has the same token as line 1",
		"\xef\xbb\xbfann " + annToken:                     "byte order mark",
		"\xff\xfeann " + annToken:                         "not UTF-8",
		annToken + " ann":                                 "line 1: the name comes first",
		annToken + " machine-learning-team":               "line 1: the name comes first",
		"a:b " + annToken:                                 "colon",
		"\x1b[31mann " + annToken:                         "control character",
		"ann\x00x " + annToken:                            "control character",
		"ann " + annToken + "\rbob " + bobToken:           "control character",
		strings.Repeat("n", 300) + " " + annToken:         "longer than 100",
		"ann " + strings.Repeat(annToken, 100_000):        "longer than",
	} {
		_, err := parseTokens([]byte(text))
		require.ErrorContains(t, err, want, "%q", text)
		for _, secret := range []string{"ann", "bob", "0123456789", "short", "machine"} {
			require.NotContains(t, err.Error(), secret, "it prints nothing of the file")
		}
	}
	got, err := parseTokens([]byte("# who\r\n  ann \t " + annToken + "  \r\n\r\nbob " + bobToken + " read"))
	require.NoError(t, err)
	require.Len(t, got, 2)
}

func TestTokensOfOthersToReadAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o666} {
		require.NoError(t, os.WriteFile(file, []byte("ann "+annToken), 0o600))
		require.NoError(t, os.Chmod(file, mode))
		_, err := openTokens(file)
		require.ErrorContains(t, err, "chmod 600", mode)
	}
	require.NoError(t, os.Chmod(file, 0o400))
	_, err := openTokens(file)
	require.NoError(t, err)
}

// A SIGHUP makes the server read its tokens anew: one that is gone stops at once, and a file that is wrong changes nothing.
func TestServeReadsTokensAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("ann " + annToken)
	r := start(t, "--data", t.TempDir(), "--tokens", file)
	open := start(t, "--data", t.TempDir()) // a server without tokens is not ended either
	status := func(token string) int {
		status, _ := r.do(t, http.MethodGet, "/metrics", "", "Authorization", "Bearer "+token)
		return status
	}
	hangup := func(says string) {
		before := strings.Count(r.log.String(), says)
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		require.Eventually(t, func() bool { return strings.Count(r.log.String(), says) > before }, 20*time.Second, time.Millisecond)
	}
	require.Equal(t, http.StatusOK, status(annToken))
	write("bob " + bobToken)
	require.Equal(t, http.StatusOK, status(annToken), "until it is told")
	hangup("tokens read anew")
	require.Equal(t, http.StatusUnauthorized, status(annToken), "a token that was taken away")
	require.Equal(t, http.StatusOK, status(bobToken))
	write("bob")
	hangup("the tokens stay as they were")
	require.Equal(t, http.StatusOK, status(bobToken))
	answered, _ := open.do(t, http.MethodGet, "/health", "")
	require.Equal(t, http.StatusOK, answered)
}

func TestServeRefusesASecondAuthorization(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(file, []byte("ann "+annToken+"\nbob "+bobToken+" read"), 0o600))
	r := start(t, "--data", t.TempDir(), "--tokens", file, "--log-json")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+getModel, nil)
	require.NoError(t, err)
	req.Header["Authorization"] = []string{"Bearer " + annToken, "Bearer " + bobToken}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)

	r.do(t, http.MethodPost, createModel, `{"name": "iris"}`, "Authorization", "Bearer "+annToken)
	r.do(t, http.MethodGet, getModel, "", "Authorization", "Bearer "+bobToken)
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), `"who":"bob"`) }, 20*time.Second, time.Millisecond)
	require.Regexp(t, `"path":"/api/2.0/mlflow/registered-models/create","status":200,.*"who":"ann"`, r.log.String())
	require.NotContains(t, r.log.String(), "0123456789", "no token is logged")
}

func TestServeWarnsOfTokensOverPlainHTTP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(file, []byte("ann "+annToken), 0o600))
	cert, key, _ := certificate(t)
	for _, c := range []struct {
		warns bool
		flags []string
	}{
		{true, []string{"--listen", "0.0.0.0:0"}},
		{false, []string{"--listen", "127.0.0.1:0"}},
		{false, []string{"--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key}},
	} {
		r := start(t, append(c.flags, "--data", t.TempDir(), "--tokens", file)...)
		require.Zero(t, r.stop())
		require.Equal(t, c.warns, strings.Contains(r.log.String(), "tokens come over plain HTTP"), c.flags)
	}
}

// Connections that say nothing keep nobody out, however many there are.
func TestServeHasRoomBesideSilentConnections(t *testing.T) {
	r := start(t, "--data", t.TempDir(), "--max-connections", "8")
	r.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	address := strings.TrimPrefix(r.url, "http://")
	for range 60 {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer conn.Close()
	}
	for range 5 {
		status, _ := r.do(t, http.MethodGet, "/health", "")
		require.Equal(t, http.StatusOK, status)
	}
}

package mlflow

import (
	"math/rand/v2"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever passes stays below its root, for whoever makes a file's name of it: as it is, or unquoted ever again.
func TestPathsThatPassStayBelowTheirRoot(t *testing.T) {
	parts := []string{"a", "b.c", ".", "..", "/", "/", "%", "2e", "%2e", "%2E", "%2f", "%25", "%5c", `\`, "%00", ";", "?", "#", "%3b", ":", "C:", "file:", "%", "25", "é"}
	rng := rand.New(rand.NewPCG(1, 2))
	passed := 0
	for range 200_000 {
		var b strings.Builder
		for range 1 + rng.IntN(7) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		p := b.String()
		if misleading(p) {
			continue
		}
		passed++
		require.True(t, p == "" || path.Clean(p) == p, "%q", p)
		for {
			require.True(t, p == "" || filepath.IsLocal(p), "%q", p)
			require.True(t, p == "" || filepath.IsLocal(strings.ReplaceAll(p, `\`, "/")), "%q", p)
			for _, end := range ";?#" {
				before, _, _ := strings.Cut(p, string(end))
				require.True(t, before == "" || before == "." || filepath.IsLocal(before), "%q", p)
			}
			plain, err := url.PathUnescape(p)
			if err != nil || plain == p {
				break
			}
			p = plain
		}
	}
	require.Greater(t, passed, 10_000)
}

func TestUnquotingLeavesAlone(t *testing.T) {
	for quoted, plain := range map[string]string{"100%": "100%", "%zz": "%zz", "%2": "%2", "%25": "%", "%C3%A9": "é", "a%2Fb": "a/b"} {
		require.Equal(t, plain, unquote(quoted))
	}
}

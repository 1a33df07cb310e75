package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const securityPage = "../docs/security.md"

var (
	heldByTest = regexp.MustCompile("`(?:([a-z/]+)\\.)?(Test[A-Za-z0-9]+)`") // `backend/postgres.TestX`; `TestX` is of the root
	heldByCase = regexp.MustCompile(`"([^"]+)"`)                             // a case of one of the suites
)

// Every attack on the page is held by something, and all that is named there is a test that exists.
func TestSecurityPageNamesTestsThatAreThere(t *testing.T) {
	text, err := os.ReadFile(securityPage)
	require.NoError(t, err)
	cases := source(t, "../registrytest/*.go") + source(t, "../backend/backendtest/*.go")
	tests := map[string]string{}
	_, table, found := strings.Cut(string(text), "## Attacks")
	require.True(t, found)
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what is tried") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		require.Len(t, cells, 3, "%s", line)
		named := heldByTest.FindAllStringSubmatch(cells[2], -1)
		inSuites := heldByCase.FindAllStringSubmatch(cells[2], -1)
		require.NotZero(t, len(named)+len(inSuites), "%s", line)
		for _, name := range named {
			dir := filepath.Join("..", filepath.FromSlash(name[1]))
			if tests[dir] == "" {
				tests[dir] = source(t, filepath.Join(dir, "*_test.go"))
			}
			require.Contains(t, tests[dir], "func "+name[2]+"(", "no such test in %s", dir)
		}
		for _, name := range inSuites {
			require.Contains(t, cases, strconv.Quote(name[1]), "no suite has such a case")
		}
	}
	require.NotZero(t, rows)
}

// source is the text of the files that match pattern.
func source(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

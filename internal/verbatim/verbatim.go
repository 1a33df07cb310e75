// Package verbatim holds the code of documents to what is compiled and run: each line of it has to stand in a test.
package verbatim

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// Doc checks the code in the package comment of the Go file doc against the test file in.
func Doc(t testing.TB, doc, in string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), doc, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for line := range strings.Lines(file.Doc.Text()) {
		if strings.HasPrefix(line, "\t") {
			code = append(code, line)
		}
	}
	stands(t, doc, in, code)
}

// Markdown checks the blocks of Go in the Markdown file doc against the test file in.
func Markdown(t testing.TB, doc, in string) {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for _, block := range strings.Split(string(text), "```go\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for line := range strings.Lines(block) {
			code = append(code, line)
		}
	}
	stands(t, doc, in, code)
}

// stands checks that each line of code stands in a file, in that order.
func stands(t testing.TB, doc, in string, code []string) {
	t.Helper()
	source, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(code) == 0 {
		t.Fatalf("%s has no code", doc)
	}
	rest := string(source)
	for _, line := range code {
		line = strings.TrimSpace(line)
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Fatalf("%s has a line of code that %s does not have, or not in this place: %s", doc, in, line)
		}
		rest = after
	}
}

package examples_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const guides = "../docs/guides.md"

// A link of a function is its name as code: [`pipeline.release`](../examples/train/release.go).
var guideLink = regexp.MustCompile("\\[(`?)([^]`]+)`?\\]\\(([^)]+)\\)")

func TestGuidesLinkToWhatIsThere(t *testing.T) {
	text, err := os.ReadFile(guides)
	require.NoError(t, err)
	parsed := map[string]*goFile{}
	for _, link := range guideLink.FindAllStringSubmatch(string(text), -1) {
		isFunction, name, target := link[1] != "", link[2], link[3]
		if anchor, ok := strings.CutPrefix(target, "#"); ok {
			require.Contains(t, strings.ReplaceAll(strings.ToLower(string(text)), " ", "-"), "##-"+anchor+"\n")
			continue
		}
		path := filepath.Join(filepath.Dir(guides), filepath.FromSlash(target))
		_, err := os.Stat(path)
		require.NoError(t, err, "link %q", name)
		if !isFunction {
			continue
		}
		if parsed[path] == nil {
			parsed[path] = parse(t, path)
		}
		require.True(t, parsed[path].functions[name], "%s has no function %s", target, name)
		if strings.HasPrefix(name, "Example") {
			require.True(t, parsed[path].examples[name], "%s of %s has no output: it is not run", name, target)
		}
	}
}

// Every row of the sections has the section, what it shows, its counterpart, and where that is compiled.
func TestGuidesLeaveNoSectionWithoutCode(t *testing.T) {
	text, err := os.ReadFile(guides)
	require.NoError(t, err)
	sections := map[string]int{}
	guide := ""
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			guide = strings.TrimSpace(title)
		}
		if !strings.HasPrefix(line, "| #") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		require.Len(t, cells, 4, "%s", line)
		require.Regexp(t, guideLink, cells[3], "%s", line)
		sections[guide]++
	}
	require.Equal(t, map[string]int{"Guide 1: Model Registry": 29, "Guide 2: Model Registry - Detailed Guide": 49}, sections)
}

// A goFile is which functions a file has, methods as type.method, and which of them are examples that are run.
type goFile struct{ functions, examples map[string]bool }

func parse(t *testing.T, path string) *goFile {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	require.NoError(t, err)
	f := &goFile{map[string]bool{}, map[string]bool{}}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil {
			receiver := fn.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			name = receiver.(*ast.Ident).Name + "." + name
		}
		f.functions[name] = true
	}
	for _, e := range doc.Examples(file) {
		f.examples["Example"+e.Name] = e.Output != "" || e.EmptyOutput
	}
	return f
}

// Package depcheck proves what packages may import: a program links only what it uses.
package depcheck

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/modelregistry-go/modelregistry"

// list runs go list with a template and returns its lines.
func list(t *testing.T, format string, patterns ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-f", format}, patterns...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.Fields(string(out))
}

// foreign leaves out the standard library and what is allowed.
func foreign(deps []string, allowed ...string) []string {
	var out []string
next:
	for _, dep := range deps {
		if first, _, _ := strings.Cut(dep, "/"); !strings.Contains(first, ".") {
			continue
		}
		for _, a := range allowed {
			if dep == a {
				continue next
			}
		}
		out = append(out, dep)
	}
	return out
}

func TestLinkedPackages(t *testing.T) {
	backend := module + "/backend"
	for pkg, allowed := range map[string][]string{
		module:                          {module, backend, "github.com/Masterminds/semver/v3"},
		backend:                         {},
		module + "/backend/sqldb":       {backend},
		module + "/backend/kv":          {backend},
		module + "/backend/memory":      {backend, module + "/backend/kv", "github.com/tidwall/btree"},
		module + "/backend/sqlite":      {backend, module + "/backend/sqldb", "github.com/mattn/go-sqlite3"},
		module + "/backend/postgres":    {backend, module + "/backend/sqldb", "github.com/lib/pq"},
		module + "/backend/backendtest": {backend},
		module + "/backend/kv/kvtest":   {backend, module + "/backend/kv"},
		module + "/sign":                {module, backend, "github.com/Masterminds/semver/v3"},
		module + "/provenance":          {module, backend, "github.com/Masterminds/semver/v3"},
		module + "/mlmodel":             {module, backend, "github.com/Masterminds/semver/v3", "go.yaml.in/yaml/v3"},
		module + "/webhook":             {module, backend, "github.com/Masterminds/semver/v3"},
		module + "/mlflow":              {module, backend, module + "/webhook", "github.com/Masterminds/semver/v3"},
		module + "/abtest":              {module, backend, "github.com/Masterminds/semver/v3", "gonum.org/v1/gonum"},
		module + "/registrytest":        {module, backend, "github.com/Masterminds/semver/v3"},
		module + "/lineage":             {module, backend, "github.com/Masterminds/semver/v3"},
		module + "/compare":             {module, backend, module + "/internal/markdown", "github.com/Masterminds/semver/v3"},
		module + "/card": {
			module, backend, module + "/lineage", module + "/compare", module + "/internal/markdown", "github.com/Masterminds/semver/v3",
		},
	} {
		t.Run(strings.TrimPrefix(pkg, module), func(t *testing.T) {
			deps := list(t, `{{join .Deps "\n"}}`, pkg)
			var out []string
			for _, dep := range foreign(deps, allowed...) {
				if sub := ownPackage(dep, allowed); !sub {
					out = append(out, dep)
				}
			}
			require.Empty(t, out, "%s links packages that it may not", pkg)
		})
	}
}

// ownPackage says whether dep is part of an allowed module, such as its internal packages.
func ownPackage(dep string, allowed []string) bool {
	for _, a := range allowed {
		if !strings.HasPrefix(a, module) && strings.HasPrefix(dep, a+"/") {
			return true
		}
	}
	return false
}

func TestOnlyBlobImportsGoCloud(t *testing.T) {
	for _, line := range list(t, `{{$p := .ImportPath}}{{range .Imports}}{{$p}}>{{.}}{{"\n"}}{{end}}`, module+"/...") {
		pkg, imported, _ := strings.Cut(line, ">")
		if !strings.HasPrefix(imported, "gocloud.dev") {
			continue
		}
		require.True(t, pkg == module+"/blob" || strings.HasPrefix(pkg, module+"/internal/") || strings.HasPrefix(pkg, module+"/cmd/") || strings.HasPrefix(pkg, module+"/examples/"),
			"%s imports %s; only package blob, programs and test helpers may", pkg, imported)
	}
}

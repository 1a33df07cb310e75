package modelregistry_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// What calls may cost in statements, begin and commit counted.
func TestStatementBudgets(t *testing.T) { onCountedRegistries(t, statementBudgets) }

// onCountedRegistries runs test on registries over databases whose statements are counted.
func onCountedRegistries(t *testing.T, test func(*testing.T, modelregistry.Registry, *sqlcount.Counter)) {
	for name, open := range map[string]func(func(driver.Connector) driver.Connector) (backend.Backend, error){
		"sqlite": func(wrap func(driver.Connector) driver.Connector) (backend.Backend, error) {
			return sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), &sqlite.Options{Wrap: wrap})
		},
		"postgres": func(wrap func(driver.Connector) driver.Connector) (backend.Backend, error) {
			return postgres.Open(t.Context(), pgtest.DSN(t), &postgres.Options{Wrap: wrap})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var count sqlcount.Counter
			b, err := open(count.Wrap)
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close()) }()
			r, err := modelregistry.New(t.Context(), b, memBlobs(t), nil)
			require.NoError(t, err)
			test(t, r, &count)
		})
	}
}

func statementBudgets(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
	ctx := t.Context()
	spec := modelregistry.VersionSpec{
		Tags:    map[string]string{"team": "risk", "data": "2023-06"},
		Metrics: map[string]float64{"accuracy": 0.97, "auc": 0.99},
		Bump:    modelregistry.BumpPatch,
	}
	for i := range 120 {
		v, err := r.Register(ctx, "fraud", spec)
		require.NoError(t, err)
		_, err = r.SetAlias(ctx, "fraud", fmt.Sprintf("alias-%d", i), v.Number, nil)
		require.NoError(t, err)
	}
	_, err := r.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
	require.NoError(t, err)
	signed := spec
	signed.Signature = &modelregistry.Signature{Inputs: modelregistry.Schema{{Name: "age", Type: modelregistry.TypeLong}}}
	signed.Bump = modelregistry.BumpAuto
	signedVersion, err := r.Register(ctx, "fraud", signed)
	require.NoError(t, err)
	logArtifacts(t, r, "1/run", 1500)
	past := time.Now()
	_, err = r.SetAlias(ctx, "fraud", "champion", 1, nil)
	require.NoError(t, err)
	resolve := func(uri string) func() error {
		return func() error { _, err := r.Resolve(ctx, uri); return err }
	}
	for _, c := range []struct {
		name string
		most int
		call func() error
	}{
		{"resolve by stage", 1, resolve("models:/fraud/Production")},
		{"resolve by alias", 1, resolve("models:/fraud@champion")},
		{"resolve by number", 1, resolve("models:/fraud/7")},
		{"resolve the latest", 1, resolve("models:/fraud/latest")},
		{"resolve a semantic version", 1, resolve("models:/fraud/1.0.7")},
		{"resolve a range", 2, resolve("models:/fraud/^1.0")},
		{"get a version", 1, func() error { _, err := r.Version(ctx, "fraud", 7); return err }},
		{"get a model with its aliases and stages", 1, func() error { _, err := r.Model(ctx, "fraud"); return err }},
		{"register without files", 9, func() error { _, err := r.Register(ctx, "fraud", spec); return err }},
		{"register with a signature", 11, func() error { _, err := r.Register(ctx, "fraud", signed); return err }},
		{"read the facts of a version", 1, func() error {
			f, err := r.Facts(ctx, &modelregistry.Version{Model: "fraud", ModelID: signedVersion.ModelID, Number: signedVersion.Number})
			require.NotNil(t, f.Signature)
			return err
		}},
		{"record a deployment", 14, func() error {
			return r.RecordDeployment(ctx, "fraud", 7, modelregistry.Endpoint{Name: "api", Traffic: 10}, nil)
		}},
		{"promote with archive", 8, func() error { _, err := r.Promote(ctx, "fraud", 2, modelregistry.Production, nil); return err }},
		{"move an alias", 10, func() error { _, err := r.SetAlias(ctx, "fraud", "champion", 3, nil); return err }},
		{"roll back", 10, func() error { _, err := r.Rollback(ctx, "fraud", modelregistry.Production, nil); return err }},
		{"list 100 versions with tags and aliases", 1, func() error {
			page, err := r.SearchVersions(ctx, modelregistry.Query{Filter: "name = 'fraud'", PageSize: 100})
			require.Len(t, page.Versions, 100)
			require.Positive(t, page.Versions[50].Aliases.Len())
			return err
		}},
		{"put an artifact", 14, func() error {
			_, err := r.PutArtifact(ctx, "1/run/new/deep/path/to/it", strings.NewReader("new"))
			return err
		}},
		{"open an artifact", 1, func() error {
			f, err := r.OpenArtifact(ctx, "1/run/d1/1")
			return errors.Join(err, f.Close())
		}},
		{"list 100 artifacts", 1, func() error {
			page, err := r.ListArtifacts(ctx, "1/run/d1", modelregistry.Query{PageSize: 100})
			require.Len(t, page.Artifacts, 100)
			return err
		}},
		{"register 1500 artifacts", 21, func() error {
			_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Artifacts: "1/run"})
			return err
		}},
		{"delete 1500 artifacts", 40, func() error { return r.DeleteArtifacts(ctx, "1/run") }},
		{"what was in Production", 10, func() error { // one of them asks whether a clock was ahead
			v, err := r.At(past).Resolve(ctx, "models:/fraud/Production")
			require.Equal(t, 1, v.Number)
			return err
		}},
	} {
		count.Take()
		require.NoError(t, c.call(), c.name)
		texts := count.Take()
		require.LessOrEqual(t, len(texts), c.most, "%s:\n%s", c.name, strings.Join(texts, "\n"))
	}
}

// logArtifacts logs n files in ten directories.
func logArtifacts(t *testing.T, r modelregistry.Registry, dir string, n int) {
	files := fstest.MapFS{}
	for i := range n {
		files[fmt.Sprintf("d%d/%d", i%10, i)] = &fstest.MapFile{Data: []byte{byte(i % 5)}}
	}
	require.NoError(t, r.LogArtifacts(t.Context(), dir, files, nil))
}

// What serving programs do for every request allocates the version that they get and the query for it, and no more.
func TestResolvingInMemoryAllocatesTwice(t *testing.T) {
	r, err := modelregistry.New(t.Context(), memory.New(), nil, nil)
	require.NoError(t, err)
	v, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Tags: map[string]string{"a": "b", "c": "d"}, Aliases: []string{"champion"}})
	require.NoError(t, err)
	_, err = r.Promote(t.Context(), "fraud", v.Number, modelregistry.Production, nil)
	require.NoError(t, err)
	ctx := context.Background()
	for _, uri := range []string{"models:/fraud/Production", "models:/fraud@champion", "models:/fraud/1", "models:/fraud/latest"} {
		n := testing.AllocsPerRun(100, func() {
			if _, err := r.Resolve(ctx, uri); err != nil {
				t.Error(err)
			}
		})
		require.LessOrEqual(t, n, 2.0, uri)
	}
}

package mlflow_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// The latest version in each stage is the one with the highest number, also of models with many versions, and finding
// those of a page of models costs no statement for each version, nor for each model that has few.
func TestLatestVersions(t *testing.T) {
	var count sqlcount.Counter
	b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), &sqlite.Options{Wrap: count.Wrap})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	s := newServerOn(t, b, nil)
	register := func(name string, n int) {
		for range n {
			_, err := s.reg.Register(t.Context(), name, modelregistry.VersionSpec{})
			require.NoError(t, err)
		}
	}
	move := func(name string, number int, to modelregistry.Stage) {
		_, err := s.reg.Transition(t.Context(), name, number, to, &modelregistry.TransitionOptions{Keep: true})
		require.NoError(t, err)
	}
	for i := range 40 {
		name := fmt.Sprintf("few%02d", i)
		register(name, 3)
		move(name, 2, modelregistry.Production)
	}
	register("many", 60)
	for i := range 30 {
		move("many", i+1, modelregistry.Archived)
	}
	move("many", 40, modelregistry.Staging)
	move("many", 39, modelregistry.Production)
	register("crowded", 30)
	for i := range 30 {
		move("crowded", i+1, modelregistry.Production)
	}
	_, err = s.reg.CreateModel(t.Context(), "none", modelregistry.ModelSpec{})
	require.NoError(t, err)

	latest := func(m any) []string {
		return refs(fields{"model_versions": m.(fields)["latest_versions"]})
	}
	get := func(name string) []string {
		return latest(s.get("registered-models/get", "name", name).ok()["registered_model"])
	}
	require.Equal(t, []string{"few00/3", "few00/2"}, get("few00"))
	require.Equal(t, []string{"many/60", "many/40", "many/39", "many/30"}, get("many"))
	require.Equal(t, []string{"crowded/30"}, get("crowded"))
	require.Empty(t, get("none"))
	require.Equal(t, []string{"many/60", "many/40", "many/39", "many/30"},
		refs(s.post("registered-models/get-latest-versions", fields{"name": "many"}).ok()))

	statements := func(filter string) int {
		count.Take()
		for _, m := range s.get("registered-models/search", "filter", filter).ok()["registered_models"].([]any) {
			require.Equal(t, get(m.(fields)["name"].(string)), latest(m))
		}
		count.Take()
		s.get("registered-models/search", "filter", filter).ok()
		return len(count.Take())
	}
	require.LessOrEqual(t, statements("name LIKE 'few%'"), 2, "one for the models, one for all their versions")
	require.LessOrEqual(t, statements(""), 2+1+2+4, "and those of two models with many versions")
}

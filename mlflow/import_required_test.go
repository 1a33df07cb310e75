package mlflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// An import takes neither a protected alias nor a required gate out of force: it leaves what they keep out, and says so.
func TestImportMeetsWhatAModelRequires(t *testing.T) {
	ctx := t.Context()
	source := newServer(t, nil)
	c := newClient(t, source.url, nil)
	for range 2 {
		_, err := c.Register(ctx, "fraud", modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	_, err := c.SetAlias(ctx, "fraud", "champion", 1, nil)
	require.NoError(t, err)
	reg := newRegistry(t)
	report, err := mlflow.Import(ctx, c, reg, &mlflow.ImportOptions{ModelsOnly: true})
	require.NoError(t, err)
	require.Empty(t, report.Left)
	_, err = reg.UpdateModel(ctx, "fraud", modelregistry.ModelPatch{ProtectAliases: []string{"champion"}, Require: []modelregistry.Requirement{
		{Gate: "eval", Stage: modelregistry.Production}, {Gate: "eval", Alias: "next"}}})
	require.NoError(t, err)

	for range 2 {
		_, err = c.Register(ctx, "fraud", modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	for _, alias := range []string{"champion", "next"} {
		_, err = c.SetAlias(ctx, "fraud", alias, 3, nil)
		require.NoError(t, err)
	}
	_, err = c.Transition(ctx, "fraud", 4, modelregistry.Production, nil)
	require.NoError(t, err)
	report, err = mlflow.Import(ctx, c, reg, &mlflow.ImportOptions{ModelsOnly: true})
	require.NoError(t, err)
	require.Len(t, report.Left, 3)
	for _, left := range report.Left {
		require.ErrorIs(t, left.Err, modelregistry.ErrConflict, left.What)
	}
	m, err := reg.Model(ctx, "fraud")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"champion": 1}, m.Aliases)
	require.Empty(t, m.Holders)
	require.Len(t, m.Requires, 2)
}

package sign_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/sign"
)

func TestOnlySignedVersionsArePromoted(t *testing.T) {
	ctx := t.Context()
	public, private := key(t)
	_, stranger := key(t)
	r, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{
		Gates: []modelregistry.GateRule{{Stage: modelregistry.Production, Gate: sign.Gate(public)}}})
	require.NoError(t, err)
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	refused := func(hint string) {
		t.Helper()
		_, err := r.Promote(ctx, "fraud", v.Number, modelregistry.Production, nil)
		var no *modelregistry.Refused
		require.ErrorAs(t, err, &no)
		require.ErrorContains(t, err, hint)
	}
	refused("nobody has signed it")
	require.NoError(t, sign.Sign(ctx, r, v, stranger))
	refused("by one of the keys")
	require.NoError(t, sign.Sign(ctx, r, v, private))
	_, err = r.Promote(ctx, "fraud", v.Number, modelregistry.Production, nil)
	require.NoError(t, err)
}

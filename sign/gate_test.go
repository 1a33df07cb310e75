package sign_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
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

// Nobody keeps others from signing a version: junk fills a part of the room and can be removed, and the gate verifies
// before the transaction, what counts inside is what is there then.
func TestJunkKeepsNobodyFromSigning(t *testing.T) {
	ctx := t.Context()
	public, private := key(t)
	r := registry(t)
	v := register(t, r, "fraud", "good")
	mallory := r.As("mallory")
	var err error
	n := 0
	for ; err == nil && n < 200; n++ {
		err = mallory.AddEnvelope(ctx, v, modelregistry.Envelope{PayloadType: sign.PayloadType, Payload: fmt.Append(nil, n),
			Signatures: []modelregistry.EnvelopeSignature{{KeyID: sign.KeyID(public), Sig: make([]byte, ed25519.SignatureSize)}}}, nil)
	}
	require.ErrorIs(t, err, modelregistry.ErrConflict)
	require.Less(t, n, 50)
	require.NoError(t, sign.Sign(ctx, r, v, private))
	require.NoError(t, sign.Verify(ctx, r, v, public))
}

func TestAGateCountsWhatIsStillSigned(t *testing.T) {
	ctx := t.Context()
	public, private := key(t)
	meddle := func() {}
	r, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{Gates: []modelregistry.GateRule{
		{Stage: modelregistry.Production, Gate: sign.Gate(public)}, {Name: "between", Gate: meddler{func() { meddle() }}}}})
	require.NoError(t, err)
	v, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	require.NoError(t, sign.Sign(ctx, r, v, private))
	meddle = func() {
		facts, err := r.Facts(ctx, v)
		require.NoError(t, err)
		require.NoError(t, r.RemoveEnvelope(ctx, v, facts.Envelopes[0], &modelregistry.ChangeOptions{Reason: "the key is lost"}))
	}
	_, err = r.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
	require.ErrorContains(t, err, "removed meanwhile")
	meddle = func() {}
	require.NoError(t, sign.Sign(ctx, r, v, private))
	_, err = r.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
	require.NoError(t, err)
}

// A meddler lets all pass, and does something between the gates' preparation and the transaction.
type meddler struct{ do func() }

func (m meddler) Prepare(context.Context, modelregistry.Resolver, *modelregistry.Version) (any, error) {
	m.do()
	return nil, nil
}

func (m meddler) Check(context.Context, *modelregistry.GateView) (modelregistry.Verdict, error) {
	return modelregistry.Pass("of course"), nil
}

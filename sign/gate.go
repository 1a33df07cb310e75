package sign

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

// Gate is a gate that lets only versions pass for which one of the keys vouches. It is called "signed". Without keys, or
// with one that is none, modelregistry.New refuses it. Signatures are verified before the promotion's transaction.
func Gate(keys ...ed25519.PublicKey) modelregistry.Gate { return gate(keys) }

type gate []ed25519.PublicKey

func (g gate) String() string { return "signed" }

// Invalid is asked by modelregistry.New.
func (g gate) Invalid() error { return checkKeys(g) }

// verified is what Prepare found: an envelope by which a key vouches for the version, or why there is none.
type verified struct {
	by     *modelregistry.Envelope
	reason string
}

// Prepare verifies the signatures, which anybody may have added and take time.
func (g gate) Prepare(ctx context.Context, files modelregistry.Resolver, v *modelregistry.Version) (any, error) {
	reader, ok := files.(FactReader)
	if !ok {
		return nil, fmt.Errorf("facts of version %s: %w", v.Ref(), errors.ErrUnsupported)
	}
	facts, err := reader.Facts(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", v.Ref(), err)
	}
	by, err := vouching(facts, v, g)
	if no := (*NotSigned)(nil); errors.As(err, &no) {
		return verified{reason: no.Reason}, nil
	}
	return verified{by: by}, err
}

// Check looks whether what was verified is still there, and about the version as it is.
func (g gate) Check(_ context.Context, view *modelregistry.GateView) (modelregistry.Verdict, error) {
	found, ok := view.Prepared.(verified)
	switch {
	case !ok:
		return modelregistry.Refuse("its signatures were not verified"), nil
	case found.by == nil:
		return modelregistry.Refuse("%s; see sign.Sign", found.reason), nil
	}
	facts, err := view.Facts(view.Candidate)
	if err != nil {
		return modelregistry.Verdict{}, err
	}
	for i := range facts.Envelopes {
		if same(&facts.Envelopes[i], found.by) {
			if problem := covers(found.by.Payload, view.Candidate, facts); problem != "" {
				return modelregistry.Refuse("%s; see sign.Sign", problem), nil
			}
			return modelregistry.Pass("signed by a key that is trusted"), nil
		}
	}
	return modelregistry.Refuse("the signature by which it was trusted was removed meanwhile; see sign.Sign"), nil
}

// same says whether two envelopes hold the same statement under the same signatures.
func same(a, b *modelregistry.Envelope) bool {
	if a.PayloadType != b.PayloadType || !bytes.Equal(a.Payload, b.Payload) || len(a.Signatures) != len(b.Signatures) {
		return false
	}
	for i := range a.Signatures {
		if !bytes.Equal(a.Signatures[i].Sig, b.Signatures[i].Sig) {
			return false
		}
	}
	return true
}

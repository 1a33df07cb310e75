package sign

import (
	"context"
	"crypto/ed25519"
	"errors"

	"github.com/modelregistry-go/modelregistry"
)

// Gate is a gate that lets only versions pass for which one of the keys vouches. It is called "signed". Without keys, or
// with one that is none, modelregistry.New refuses it.
func Gate(keys ...ed25519.PublicKey) modelregistry.Gate { return gate(keys) }

type gate []ed25519.PublicKey

func (g gate) String() string { return "signed" }

// Invalid is asked by modelregistry.New.
func (g gate) Invalid() error { return checkKeys(g) }

func (g gate) Check(_ context.Context, view *modelregistry.GateView) (modelregistry.Verdict, error) {
	facts, err := view.Facts(view.Candidate)
	if err != nil {
		return modelregistry.Verdict{}, err
	}
	err = Check(facts, view.Candidate, g...)
	if no := (*NotSigned)(nil); errors.As(err, &no) {
		return modelregistry.Refuse("%s; see sign.Sign", no.Reason), nil
	}
	return modelregistry.Pass("signed by a key that is trusted"), err
}

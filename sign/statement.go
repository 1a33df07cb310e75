package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

const (
	// PayloadType is the payload type of the envelopes that Sign makes.
	PayloadType   = "application/vnd.modelregistry.version.v1+json"
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://github.com/modelregistry-go/modelregistry/version/v1"
	// noFiles is the digest over the files of a version that has none.
	noFiles = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// A Statement is what is signed, in the form of an in-toto statement: which version, with which files and facts.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Predicate `json:"predicate"`
}

// A Subject is what a statement is about.
type Subject struct {
	Name   string            `json:"name"`   // the version's URI
	Digest map[string]string `json:"digest"` // over its files, as in Version.Digest, without "sha256:"
}

// A Predicate is what a statement says.
type Predicate struct {
	Model   string               `json:"model"`
	ModelID string               `json:"model_id"`
	Number  int                  `json:"number"`
	Semver  modelregistry.Semver `json:"semver,omitzero"`
	Digest  string               `json:"digest,omitempty"` // Version.Digest
	Facts   map[string]string    `json:"facts,omitempty"`  // Facts.Digests
	Signed  time.Time            `json:"signed"`           // by the clock of who signed
}

// describe is the statement about a version as it is.
func describe(v *modelregistry.Version, facts *modelregistry.Facts, now time.Time) Statement {
	digest := v.Digest
	if digest == "" {
		digest = noFiles
	}
	return Statement{
		Type: statementType, PredicateType: predicateType,
		Subject: []Subject{{Name: v.URI(), Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}},
		Predicate: Predicate{
			Model: v.Model, ModelID: v.ModelID, Number: v.Number, Semver: v.Semver, Digest: v.Digest, Facts: facts.Digests,
			Signed: now.UTC().Truncate(time.Second),
		},
	}
}

// pae is DSSE's pre-authentication encoding, which is what is signed: it binds the payload to its type.
func pae(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// Envelop signs a statement about a version with a key, without storing it.
func Envelop(v *modelregistry.Version, facts *modelregistry.Facts, key ed25519.PrivateKey, now time.Time) (modelregistry.Envelope, error) {
	var none modelregistry.Envelope
	if len(key) != ed25519.PrivateKeySize {
		return none, fmt.Errorf("sign %s: %w: a private key of %d bytes, want %d", v.Ref(), modelregistry.ErrInvalid, len(key), ed25519.PrivateKeySize)
	}
	if v.Number == 0 {
		return none, fmt.Errorf("sign %s: %w: not a registered version", v.Ref(), modelregistry.ErrInvalid)
	}
	payload, err := json.Marshal(describe(v, facts, now))
	if err != nil {
		return none, fmt.Errorf("sign %s: %w", v.Ref(), err)
	}
	return seal(PayloadType, payload, key), nil
}

// seal is the envelope around a payload, signed by a key of the right length.
func seal(payloadType string, payload []byte, key ed25519.PrivateKey) modelregistry.Envelope {
	return modelregistry.Envelope{
		PayloadType: payloadType,
		Payload:     payload,
		Signatures: []modelregistry.EnvelopeSignature{{
			KeyID: KeyID(key.Public().(ed25519.PublicKey)),
			Sig:   ed25519.Sign(key, pae(payloadType, payload)),
		}},
	}
}

// Check says whether one of the keys vouches for the version as it is: nil, or a *NotSigned with the reason. It asks
// nothing but its arguments.
func Check(facts *modelregistry.Facts, v *modelregistry.Version, keys ...ed25519.PublicKey) error {
	_, err := vouching(facts, v, keys)
	return err
}

// vouching is Check; it returns the envelope by which a key vouches.
func vouching(facts *modelregistry.Facts, v *modelregistry.Version, keys []ed25519.PublicKey) (*modelregistry.Envelope, error) {
	fail := func(format string, args ...any) (*modelregistry.Envelope, error) {
		return nil, &NotSigned{Version: v.Ref(), Reason: fmt.Sprintf(format, args...)}
	}
	if facts == nil {
		return fail("nothing is known of it")
	}
	for _, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return fail("a key of %d bytes is none; want %d", len(key), ed25519.PublicKeySize)
		}
	}
	if len(keys) == 0 {
		return fail("no key was given that could vouch for it")
	}
	if v.Number == 0 {
		return fail("it is not a registered version")
	}
	reason := "nobody has signed it"
	for i := range facts.Envelopes {
		e := &facts.Envelopes[i]
		if e.PayloadType != PayloadType {
			continue
		}
		if !signedBy(e, keys) {
			reason = "no signature of it is by one of the keys"
			continue
		}
		problem := covers(e.Payload, v, facts)
		if problem == "" {
			return e, nil
		}
		reason = problem
	}
	return fail("%s", reason)
}

// signedBy tries every key on every signature: key IDs are hints that anyone may have written.
func signedBy(e *modelregistry.Envelope, keys []ed25519.PublicKey) bool {
	signed := pae(e.PayloadType, e.Payload)
	for _, s := range e.Signatures {
		for _, key := range keys {
			if ed25519.Verify(key, signed, s.Sig) {
				return true
			}
		}
	}
	return false
}

// covers says what in a signed statement is not so of the version; "" if all is.
func covers(payload []byte, v *modelregistry.Version, facts *modelregistry.Facts) (problem string) {
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields() // it may limit what the rest says
	var s Statement
	if err := dec.Decode(&s); err != nil {
		return "what was signed is not a statement: " + err.Error()
	}
	if s.Type != statementType || s.PredicateType != predicateType {
		return fmt.Sprintf("what was signed is another statement, %q", s.PredicateType)
	}
	p, want := s.Predicate, describe(v, facts, time.Time{})
	switch {
	case p.ModelID != v.ModelID || p.Number != v.Number:
		return fmt.Sprintf("what was signed is version %d of model %q (%s)", p.Number, p.Model, p.ModelID)
	case p.Model != v.Model:
		return fmt.Sprintf("what was signed is a version of model %q; after a change of the name it has to be signed anew", p.Model)
	case p.Digest != v.Digest || len(s.Subject) != 1 || s.Subject[0].Name != want.Subject[0].Name || !maps.Equal(s.Subject[0].Digest, want.Subject[0].Digest):
		return fmt.Sprintf("its files are not those that were signed (%s, not %s)", v.Digest, p.Digest)
	case p.Semver != v.Semver:
		return fmt.Sprintf("its semantic version is %q, and was signed as %q", v.Semver, p.Semver)
	case !maps.Equal(p.Facts, facts.Digests):
		return "its signature, provenance or serving facts are not those that were signed"
	}
	return ""
}

// NotSigned is why a version is not trusted.
type NotSigned struct {
	Version string // as Version.Ref
	Reason  string
}

func (e *NotSigned) Error() string {
	return fmt.Sprintf("version %s is not trusted: %s", e.Version, e.Reason)
}

// Is makes errors.Is(err, modelregistry.ErrCorrupt) true: what is there is not known to be what was registered.
func (e *NotSigned) Is(target error) bool { return target == modelregistry.ErrCorrupt }

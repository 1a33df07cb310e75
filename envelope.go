package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
)

const maxEnvelopes = 100 // of one version

// An Envelope is a signed statement in the form of DSSE (https://github.com/secure-systems-lab/dsse), also as JSON.
type Envelope struct {
	PayloadType string              `json:"payloadType"` // a media type that says what the payload is
	Payload     []byte              `json:"payload"`
	Signatures  []EnvelopeSignature `json:"signatures"`
}

// An EnvelopeSignature is one key's signature of an Envelope.
type EnvelopeSignature struct {
	KeyID string `json:"keyid,omitempty"` // a hint which key it is; not signed
	Sig   []byte `json:"sig"`
}

func (e *Envelope) check() error {
	if e.PayloadType == "" || len(e.Payload) == 0 || len(e.Signatures) == 0 {
		return fmt.Errorf("envelope: %w: it lacks a payload, its type, or a signature", ErrInvalid)
	}
	if err := checkText("payload type", e.PayloadType, maxSource); err != nil {
		return err
	}
	for _, s := range e.Signatures {
		if len(s.Sig) == 0 {
			return fmt.Errorf("envelope: %w: a signature is empty", ErrInvalid)
		}
		if err := checkText("key ID", s.KeyID, maxSource); err != nil {
			return err
		}
	}
	return nil
}

func (r *registry) AddEnvelope(ctx context.Context, v *Version, e Envelope, opts *ChangeOptions) error {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	return wrap("AddEnvelope", v.Ref(), r.addEnvelope(ctx, v, e, opts.Reason))
}

func (r *registry) addEnvelope(ctx context.Context, v *Version, e Envelope, reason string) error {
	if err := checkGiven(v); err != nil {
		return err
	}
	if err := e.check(); err != nil {
		return err
	}
	if err := checkNumber(v.Number); err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	digest := digestFact(text)
	return r.changeModel(ctx, v.Model, reason, false, nil, func(c *change) error {
		now, err := c.only(v.Number)
		if err != nil {
			return err
		}
		if now.ModelID != v.ModelID || now.Digest != v.Digest {
			return &Conflict{Model: v.Model, Reason: fmt.Sprintf("version %d of model %q is another one now", v.Number, v.Model)}
		}
		var kept []json.RawMessage
		if err := c.readFact(now, factEnvelopes, &kept); err != nil {
			return err
		}
		for _, k := range kept {
			if digestFact(k) == digest {
				return nil
			}
		}
		if len(kept) >= maxEnvelopes {
			return fmt.Errorf("version %d: %w: it has %d envelopes, as many as there can be", v.Number, ErrInvalid, len(kept))
		}
		if err := c.putFact(now, factEnvelopes, append(kept, text)); err != nil {
			return err
		}
		told := c.event(VersionSigned, now.Number)
		told.After, err = jsonFields(map[string]map[string]string{"facts": {"envelope": digest}})
		return err
	})
}

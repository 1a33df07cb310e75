package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	maxEnvelopes          = 100     // of one version
	maxActorEnvelopes     = 25      // of those, that one actor has added
	maxActorEnvelopeBytes = 1 << 18 // and their bytes, as JSON: so that four actors can fill a version's row, and one cannot
	maxEnvelopeBytes      = 1 << 16 // of one envelope, as JSON
	maxEnvelopeSignatures = 8       // of one envelope: whoever verifies tries its keys on each
	maxSignatureBytes     = 8192    // of one signature; those that withstand quantum computers take thousands
)

// An Envelope is a signed statement in the form of DSSE (https://github.com/secure-systems-lab/dsse), also as JSON.
type Envelope struct {
	PayloadType string              `json:"payloadType"` // a media type that says what the payload is
	Payload     []byte              `json:"payload"`
	Signatures  []EnvelopeSignature `json:"signatures"`

	// AddedBy and Added are who added it and when, as the registry fills them in; they are no part of it.
	AddedBy string    `json:"-"`
	Added   time.Time `json:"-"`
}

// A keptEnvelope is an Envelope as it is stored.
type keptEnvelope struct {
	Envelope json.RawMessage `json:"envelope"`
	By       string          `json:"by,omitempty"`
	Added    time.Time       `json:"added"`
}

func (f *Facts) addEnvelopes(text []byte) error {
	var kept []keptEnvelope
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	for _, k := range kept {
		e := Envelope{AddedBy: k.By, Added: k.Added}
		if err := json.Unmarshal(k.Envelope, &e); err != nil {
			return err
		}
		f.Envelopes = append(f.Envelopes, e)
	}
	return nil
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
	if err := checkName("payload type", e.PayloadType, maxSource); err != nil {
		return err
	}
	if n := len(e.Signatures); n > maxEnvelopeSignatures {
		return fmt.Errorf("envelope: %w: %d signatures, at most %d; add one for each signer", ErrInvalid, n, maxEnvelopeSignatures)
	}
	for _, s := range e.Signatures {
		if len(s.Sig) == 0 || len(s.Sig) > maxSignatureBytes {
			return fmt.Errorf("envelope: %w: a signature of %d bytes; it is from 1 to %d", ErrInvalid, len(s.Sig), maxSignatureBytes)
		}
		if err := checkName("key ID", s.KeyID, maxSource); err != nil {
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
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	if len(text) > maxEnvelopeBytes {
		return fmt.Errorf("envelope: %w: %d bytes, at most %d", ErrInvalid, len(text), maxEnvelopeBytes)
	}
	digest := digestFact(text)
	return r.changeEnvelopes(ctx, v, reason, func(c *change, kept []keptEnvelope) ([]keptEnvelope, error) {
		if slices.ContainsFunc(kept, func(k keptEnvelope) bool { return digestFact(k.Envelope) == digest }) {
			return kept, nil
		}
		if err := c.checkEnvelopeRoom(v, kept, len(text)); err != nil {
			return nil, err
		}
		told := c.event(VersionSigned, v.Number)
		told.After, err = jsonFields(map[string]map[string]string{"facts": {"envelope": digest}})
		return append(kept, keptEnvelope{text, r.actor, c.now}), err
	})
}

// checkEnvelopeRoom refuses what would let one actor fill all the room that there is for a version's envelopes.
func (c *change) checkEnvelopeRoom(v *Version, kept []keptEnvelope, size int) error {
	full := func(format string, args ...any) error {
		return &Conflict{Model: v.Model, Current: []int{v.Number},
			Reason: fmt.Sprintf("version %d of model %q has %s; see RemoveEnvelope", v.Number, v.Model, fmt.Sprintf(format, args...))}
	}
	own := 0
	for _, k := range kept {
		if k.By == c.r.actor {
			own++
			size += len(k.Envelope)
		}
	}
	switch {
	case own >= maxActorEnvelopes:
		return full("%d envelopes by %.80q, as many as one can add", own, c.r.actor)
	case size > maxActorEnvelopeBytes:
		return full("envelopes by %.80q that would come to %d bytes, and one can add %d", c.r.actor, size, maxActorEnvelopeBytes)
	case len(kept) >= maxEnvelopes:
		return full("%d envelopes, as many as there can be", len(kept))
	}
	return nil
}

func (r *registry) RemoveEnvelope(ctx context.Context, v *Version, e Envelope, opts *ChangeOptions) error {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	return wrap("RemoveEnvelope", v.Ref(), r.removeEnvelope(ctx, v, e, opts.Reason))
}

func (r *registry) removeEnvelope(ctx context.Context, v *Version, e Envelope, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("%w: to remove an envelope takes a Reason", ErrInvalid)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	digest := digestFact(text)
	return r.changeEnvelopes(ctx, v, reason, func(c *change, kept []keptEnvelope) ([]keptEnvelope, error) {
		left := slices.DeleteFunc(slices.Clone(kept), func(k keptEnvelope) bool { return digestFact(k.Envelope) == digest })
		if len(left) == len(kept) {
			return nil, fmt.Errorf("envelope %s of version %d of model %q: %w", digest, v.Number, v.Model, ErrNotFound)
		}
		told := c.event(VersionUnsigned, v.Number)
		told.Before, err = jsonFields(map[string]map[string]string{"facts": {"envelope": digest}})
		return left, err
	})
}

// changeEnvelopes lets fn change the envelopes of a version; it changes something if it adds an event.
func (r *registry) changeEnvelopes(ctx context.Context, v *Version, reason string, fn func(*change, []keptEnvelope) ([]keptEnvelope, error)) error {
	if err := checkNumber(v.Number); err != nil {
		return err
	}
	return r.changeModel(ctx, v.Model, reason, false, nil, func(c *change) error {
		now, err := c.only(v.Number)
		if err != nil {
			return err
		}
		if now.ModelID != v.ModelID || now.Digest != v.Digest {
			return &Conflict{Model: v.Model, Reason: fmt.Sprintf("version %d of model %q is another one now", v.Number, v.Model)}
		}
		var kept []keptEnvelope
		if err := c.readFact(now, factEnvelopes, &kept); err != nil {
			return err
		}
		kept, err = fn(c, kept)
		if err != nil || len(c.events) == 0 {
			return err
		}
		return c.putFact(now, factEnvelopes, kept)
	})
}

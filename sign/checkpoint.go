package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

// CheckpointType is the payload type of the envelopes that SealCheckpoint makes.
const CheckpointType = "application/vnd.modelregistry.checkpoint.v1+json"

// SealCheckpoint signs where histories ended, for keeping where whoever can write to the registry's database cannot: the
// envelope is JSON. OpenCheckpoint reads it, and Registry.Verify and VerifyAll are held against what it says.
func SealCheckpoint(c *modelregistry.Checkpoint, key ed25519.PrivateKey) (modelregistry.Envelope, error) {
	var none modelregistry.Envelope
	if c == nil {
		return none, fmt.Errorf("seal checkpoint: %w: it is nil", modelregistry.ErrInvalid)
	}
	if len(key) != ed25519.PrivateKeySize {
		return none, fmt.Errorf("seal checkpoint: %w: a private key of %d bytes, want %d", modelregistry.ErrInvalid, len(key), ed25519.PrivateKeySize)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return none, fmt.Errorf("seal checkpoint: %w", err)
	}
	return seal(CheckpointType, payload, key), nil
}

// OpenCheckpoint is the checkpoint in an envelope for which one of the keys vouches. ErrCorrupt: none does, or it is no
// checkpoint.
func OpenCheckpoint(e modelregistry.Envelope, keys ...ed25519.PublicKey) (*modelregistry.Checkpoint, error) {
	for _, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("open checkpoint: %w: a key of %d bytes is none; want %d", modelregistry.ErrInvalid, len(key), ed25519.PublicKeySize)
		}
	}
	if e.PayloadType != CheckpointType {
		return nil, fmt.Errorf("open checkpoint: %w: what was signed is a %.80q, no checkpoint", modelregistry.ErrCorrupt, e.PayloadType)
	}
	if !signedBy(&e, keys) {
		return nil, fmt.Errorf("open checkpoint: %w: no signature of it is by one of the keys", modelregistry.ErrCorrupt)
	}
	dec := json.NewDecoder(bytes.NewReader(e.Payload))
	dec.DisallowUnknownFields() // it may limit what the rest says
	c := new(modelregistry.Checkpoint)
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("open checkpoint: %w: %w", modelregistry.ErrCorrupt, err)
	}
	return c, nil
}

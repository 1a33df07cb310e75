package webhook

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// sealed begins what a Sealer makes: the first form of it, AES-256-GCM with a random nonce in front.
var sealed = []byte("gcm1:")

// A Sealer encrypts the secrets of webhooks, so that who reads the database cannot sign. It is safe for concurrent use.
type Sealer struct {
	aeads []cipher.AEAD // the first one seals
}

// NewSealer makes a Sealer of a key of 32 random bytes. What was sealed with one of the old keys can still be opened.
func NewSealer(key []byte, old ...[]byte) (*Sealer, error) {
	s := &Sealer{}
	for _, k := range append([][]byte{key}, old...) {
		if len(k) != 32 {
			return nil, fmt.Errorf("sealer: a key has 32 bytes, not %d", len(k))
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("sealer: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("sealer: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// Seal encrypts a secret, differently each time.
func (s *Sealer) Seal(secret []byte) []byte {
	return s.aeads[0].Seal(bytes.Clone(sealed), nil, secret, sealed)
}

// Open decrypts what Seal made. It is an error if that was with other keys, or was altered.
func (s *Sealer) Open(box []byte) ([]byte, error) {
	text, ok := bytes.CutPrefix(box, sealed)
	if !ok {
		return nil, errors.New("it was not sealed by this kind of sealer")
	}
	for _, aead := range s.aeads {
		if secret, err := aead.Open(nil, nil, text, sealed); err == nil {
			return secret, nil
		}
	}
	return nil, errors.New("it was sealed with another key, or altered")
}

// Package sign signs versions of models with ed25519 keys, and refuses to load those that nobody trusted has signed.
//
//	key, err := sign.ReadPrivateKey("release.pem")                 // GenerateKeyFiles, or openssl genpkey -algorithm ed25519
//	err = sign.Sign(ctx, reg, v, key)
//
//	keys, err := sign.ReadPublicKeys("release.pub.pem")            // openssl pkey -pubout
//	trusted, err := sign.RequireSigned(reg, keys...)
//	v, err := trusted.Resolve(ctx, "models:/fraud@champion")       // fails unless it is signed
//
// What is signed is a statement about the version: its model by name and ID, its number and semantic version, the
// digest over its files, and the digests of its signature, provenance and serving facts. Stage, aliases, description,
// tags, params and metrics are not covered: they change, or describe. Reading files compares them with the digest, so
// that whoever can write to the database and the buckets, but has no key, cannot make a server load other bytes under
// a model's name. Such a one can still move an alias to another signed version of the model.
//
// Statements are kept with the version in DSSE envelopes, which other tools can read.
package sign

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// Sign signs a version as it is registered now, and keeps the statement with it. Signed by several keys it has several
// statements.
func Sign(ctx context.Context, reg modelregistry.Registry, v *modelregistry.Version, key ed25519.PrivateKey) error {
	facts, err := reg.Facts(ctx, v)
	if err != nil {
		return fmt.Errorf("sign %s: %w", v.Ref(), err)
	}
	if len(key) == ed25519.PrivateKeySize && Check(facts, v, key.Public().(ed25519.PublicKey)) == nil {
		return nil // this key has signed it already
	}
	e, err := Envelop(v, facts, key, time.Now())
	if err != nil {
		return err
	}
	if err := reg.AddEnvelope(ctx, v, e, nil); err != nil {
		return fmt.Errorf("sign %s: %w", v.Ref(), err)
	}
	return nil
}

// Verify says whether one of the keys vouches for the version: nil, a *NotSigned, or a fault. It is Check with what the
// registry knows of the version.
func Verify(ctx context.Context, reg FactReader, v *modelregistry.Version, keys ...ed25519.PublicKey) error {
	facts, err := reg.Facts(ctx, v)
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.Ref(), err)
	}
	return Check(facts, v, keys...)
}

// A FactReader is the part of a Registry that knows what was signed.
type FactReader interface {
	Facts(ctx context.Context, v *modelregistry.Version) (*modelregistry.Facts, error)
}

// RequireSigned is a Resolver that finds only versions for which one of the keys vouches, at the cost of a statement
// more; anything else, also a fault on the way, is an error. What runs left (runs:/ URIs) is never signed.
func RequireSigned(reg Source, keys ...ed25519.PublicKey) (modelregistry.Resolver, error) {
	if err := checkKeys(keys); err != nil {
		return nil, err
	}
	return &trusting{reg, keys}, nil
}

// checkKeys says whether there are keys that can vouch for anything.
func checkKeys(keys []ed25519.PublicKey) error {
	if len(keys) == 0 {
		return fmt.Errorf("require signed: %w: no keys; nothing could ever be loaded", modelregistry.ErrInvalid)
	}
	for _, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("require signed: %w: a public key of %d bytes, want %d", modelregistry.ErrInvalid, len(key), ed25519.PublicKeySize)
		}
	}
	return nil
}

// A Source is the part of a Registry that RequireSigned needs.
type Source interface {
	modelregistry.Resolver
	FactReader
}

type trusting struct {
	from Source
	keys []ed25519.PublicKey
}

func (t *trusting) Resolve(ctx context.Context, uri string) (*modelregistry.Version, error) {
	v, err := t.from.Resolve(ctx, uri)
	if err != nil {
		return nil, err
	}
	if err := Verify(ctx, t.from, v, t.keys...); err != nil {
		return nil, &modelregistry.Error{Op: "Resolve", Ref: uri, Err: err}
	}
	return v, nil
}

// Files verifies v anew, for the caller may have it from elsewhere.
func (t *trusting) Files(ctx context.Context, v *modelregistry.Version) fs.FS {
	if err := Verify(ctx, t.from, v, t.keys...); err != nil {
		return noFS{err}
	}
	return t.from.Files(ctx, v)
}

// noFS opens nothing, and says why.
type noFS struct{ err error }

func (f noFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
}

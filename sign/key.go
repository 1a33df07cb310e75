package sign

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/modelregistry-go/modelregistry"
)

// KeyID names a public key: the first 16 bytes of the SHA-256 of its PKIX form, in hexadecimal.
func KeyID(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "" // ed25519 keys always have the form
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:16])
}

// ParsePrivateKey reads an ed25519 private key in PEM: PKCS #8, as openssl genpkey -algorithm ed25519 writes it. An
// error that wraps modelregistry.ErrInvalid says what there is instead; none tells the content.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	switch block.Type {
	case "PRIVATE KEY":
	case "PUBLIC KEY":
		return nil, fmt.Errorf("private key: %w: this is a public key, which verifies and cannot sign", modelregistry.ErrInvalid)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("private key: %w: it is encrypted; decrypt it first (openssl pkcs8 -in key.pem)", modelregistry.ErrInvalid)
	default:
		return nil, fmt.Errorf("private key: %w: the PEM block is %.80q, want \"PRIVATE KEY\" (PKCS #8)", modelregistry.ErrInvalid, block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("private key: %w: %w", modelregistry.ErrInvalid, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key: %w: it is %s, want ed25519", modelregistry.ErrInvalid, kind(key))
	}
	return private, nil
}

// ParsePublicKey reads an ed25519 public key in PEM: PKIX, as openssl pkey -pubout writes it. An error that wraps
// modelregistry.ErrInvalid says what there is instead.
func ParsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	switch block.Type {
	case "PUBLIC KEY":
	case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("public key: %w: this is a private key, which who verifies should not have; give the public one (openssl pkey -pubout)", modelregistry.ErrInvalid)
	default:
		return nil, fmt.Errorf("public key: %w: the PEM block is %.80q, want \"PUBLIC KEY\" (PKIX)", modelregistry.ErrInvalid, block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key: %w: %w", modelregistry.ErrInvalid, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key: %w: it is %s, want ed25519", modelregistry.ErrInvalid, kind(key))
	}
	return public, nil
}

// decode is the one PEM block in text.
func decode(text []byte) (*pem.Block, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: not PEM, which begins with -----BEGIN", modelregistry.ErrInvalid)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, fmt.Errorf("%w: more than one PEM block", modelregistry.ErrInvalid)
	}
	return block, nil
}

// kind names the sort of a key.
func kind(key any) string {
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return "ECDSA"
	}
	return fmt.Sprintf("a %T", key)
}

// ReadPrivateKey is ParsePrivateKey of a file.
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	key, err := ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// ReadPublicKeys is ParsePublicKey of files.
func ReadPublicKeys(paths ...string) ([]ed25519.PublicKey, error) {
	keys := make([]ed25519.PublicKey, len(paths))
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read public key: %w", err)
		}
		if keys[i], err = ParsePublicKey(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return keys, nil
}

// MarshalPrivateKey writes what ParsePrivateKey reads.
func MarshalPrivateKey(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("private key: %w: %d bytes, want %d", modelregistry.ErrInvalid, len(key), ed25519.PrivateKeySize)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// MarshalPublicKey writes what ParsePublicKey reads.
func MarshalPublicKey(key ed25519.PublicKey) ([]byte, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key: %w: %d bytes, want %d", modelregistry.ErrInvalid, len(key), ed25519.PublicKeySize)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// GenerateKeyFiles makes a pair of keys and writes them to two new files in PEM, which ReadPrivateKey and ReadPublicKeys
// read: the private one for its owner only (mode 0600), the public one for all. An error that wraps fs.ErrExist says which
// file is there already; neither is then written. The private key is written last: where it is, both are.
func GenerateKeyFiles(privateFile, publicFile string) (ed25519.PrivateKey, error) {
	if _, err := os.Lstat(privateFile); err == nil {
		return nil, fmt.Errorf("private key: %w", &os.PathError{Op: "create", Path: privateFile, Err: os.ErrExist})
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	publicText, err := MarshalPublicKey(public)
	if err != nil {
		return nil, err
	}
	privateText, err := MarshalPrivateKey(private)
	if err != nil {
		return nil, err
	}
	if err := writeNew(publicFile, publicText, 0o644); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if err := writeNew(privateFile, privateText, 0o600); err != nil {
		return nil, fmt.Errorf("private key: %w", errors.Join(err, os.Remove(publicFile)))
	}
	return private, nil
}

// writeNew writes a file that is not there yet, and leaves none if it fails.
func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

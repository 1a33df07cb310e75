package sign_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/sign"
)

func key(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return public, private
}

func registry(t testing.TB) modelregistry.Registry {
	blobs, err := blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	r, err := modelregistry.New(t.Context(), memory.New(), blobs, &modelregistry.Options{Actor: "ada"})
	require.NoError(t, err)
	return r
}

func register(t testing.TB, r modelregistry.Registry, model, content string) *modelregistry.Version {
	v, err := r.Register(t.Context(), model, modelregistry.VersionSpec{
		Files: fstest.MapFS{"weights.bin": {Data: []byte(content)}}, Semver: "1.2.0", Aliases: []string{"champion"},
		Signature: &modelregistry.Signature{Inputs: modelregistry.Schema{{Name: "age", Type: modelregistry.TypeLong}}},
		Serving:   &modelregistry.Serving{Image: "server:1"},
	})
	require.NoError(t, err)
	return v
}

func TestOnlySignedVersionsAreLoaded(t *testing.T) {
	ctx := t.Context()
	r := registry(t)
	public, private := key(t)
	other, _ := key(t)
	v := register(t, r, "fraud", "good")
	trusted, err := sign.RequireSigned(r, other, public)
	require.NoError(t, err)
	refused := func(hint string) {
		t.Helper()
		_, err := trusted.Resolve(ctx, "models:/fraud@champion")
		var problem *sign.NotSigned
		require.ErrorAs(t, err, &problem)
		require.ErrorIs(t, err, modelregistry.ErrCorrupt)
		require.ErrorContains(t, err, hint)
		_, err = fs.ReadFile(trusted.Files(ctx, v), "weights.bin")
		require.ErrorAs(t, err, &problem)
	}
	refused("nobody has signed it")
	_, stranger := key(t)
	require.NoError(t, sign.Sign(ctx, r, v, stranger))
	refused("no signature of it is by one of the keys")

	require.NoError(t, sign.Sign(ctx, r, v, private))
	require.NoError(t, sign.Sign(ctx, r, v, private), "again")
	found, err := trusted.Resolve(ctx, "models:/fraud@champion")
	require.NoError(t, err)
	content, err := fs.ReadFile(trusted.Files(ctx, found), "weights.bin")
	require.NoError(t, err)
	require.Equal(t, "good", string(content))

	facts, err := r.Facts(ctx, v)
	require.NoError(t, err)
	require.Len(t, facts.Envelopes, 2)
	var kinds []string
	for e, err := range r.Events(ctx, modelregistry.EventQuery{Model: "fraud", Version: 1}) {
		require.NoError(t, err)
		kinds = append(kinds, e.Actor+" "+string(e.Kind))
	}
	require.Equal(t, []string{"ada version.registered", "ada alias.set", "ada version.signed", "ada version.signed"}, kinds)

	_, err = r.RenameModel(ctx, "fraud", "scoring", nil)
	require.NoError(t, err)
	_, err = trusted.Resolve(ctx, "models:/scoring@champion")
	require.ErrorContains(t, err, `what was signed is a version of model "fraud"; after a change of the name`)
	_, err = trusted.Resolve(ctx, "models:/fraud@champion")
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
}

// Whatever is altered, the signature no longer covers it.
func TestSignaturesCoverTheVersionAndItsFacts(t *testing.T) {
	r := registry(t)
	public, private := key(t)
	v := register(t, r, "fraud", "good")
	require.NoError(t, sign.Sign(t.Context(), r, v, private))
	facts, err := r.Facts(t.Context(), v)
	require.NoError(t, err)
	require.NoError(t, sign.Check(facts, v, public))
	for hint, alter := range map[string]func(*modelregistry.Version, *modelregistry.Facts){
		"its files are not those":     func(v *modelregistry.Version, _ *modelregistry.Facts) { v.Digest = "sha256:00" },
		"is version 1 of model":       func(v *modelregistry.Version, _ *modelregistry.Facts) { v.Number = 2 },
		"of model \"fraud\" (":        func(v *modelregistry.Version, _ *modelregistry.Facts) { v.ModelID = "other" },
		"version of model \"fraud\";": func(v *modelregistry.Version, _ *modelregistry.Facts) { v.Model = "toy" },
		"was signed as":               func(v *modelregistry.Version, _ *modelregistry.Facts) { v.Semver.Minor++ },
		"facts are not those":         func(_ *modelregistry.Version, f *modelregistry.Facts) { delete(f.Digests, "serving") },
		"by one of the keys":          func(_ *modelregistry.Version, f *modelregistry.Facts) { f.Envelopes[0].Payload[20] ^= 1 },
		"nobody has signed":           func(_ *modelregistry.Version, f *modelregistry.Facts) { f.Envelopes[0].PayloadType = "text/plain" },
		"no signature of it":          func(_ *modelregistry.Version, f *modelregistry.Facts) { f.Envelopes[0].Signatures = nil },
		"not a registered":            func(v *modelregistry.Version, _ *modelregistry.Facts) { v.Number = 0 },
	} {
		other := *v
		known, err := r.Facts(t.Context(), v)
		require.NoError(t, err)
		alter(&other, known)
		require.ErrorContains(t, sign.Check(known, &other, public), hint)
	}
	require.ErrorContains(t, sign.Check(facts, v), "no key was given")
	require.ErrorContains(t, sign.Check(facts, v, ed25519.PublicKey("short")), "a key of 5 bytes")

	// A key that signs something else, as keys do, signs no version.
	for text, hint := range map[string]string{`{"hello": 1}`: "not a statement", `{"_type": "x"}`: "another statement"} {
		pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(sign.PayloadType), sign.PayloadType, len(text), text)
		facts.Envelopes = []modelregistry.Envelope{{PayloadType: sign.PayloadType, Payload: []byte(text),
			Signatures: []modelregistry.EnvelopeSignature{{Sig: ed25519.Sign(private, []byte(pae))}}}}
		require.ErrorContains(t, sign.Check(facts, v, public), hint)
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	public, private := key(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	block := func(kind string, der []byte, err error) string {
		require.NoError(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	pkix := func(key any) string { der, err := x509.MarshalPKIXPublicKey(key); return block("PUBLIC KEY", der, err) }
	for text, hint := range map[string]string{
		"":                   "not PEM",
		"hello":              "not PEM",
		pkix(public):         "this is a public key",
		pkcs8(rsaKey):        "it is RSA, want ed25519",
		pkcs8(ecKey):         "it is ECDSA, want ed25519",
		block("X", nil, nil): `the PEM block is "X"`,
		pkcs8(private) + "\nmore\n" + pkcs8(private): "more than one",
		block("PRIVATE KEY", []byte("garbage"), nil): "asn1",
		block("ENCRYPTED PRIVATE KEY", nil, nil):     "it is encrypted",
	} {
		_, err := sign.ParsePrivateKey([]byte(text))
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		require.ErrorContains(t, err, hint)
	}
	for text, hint := range map[string]string{
		"hello":                 "not PEM",
		pkcs8(private):          "this is a private key",
		pkix(&rsaKey.PublicKey): "it is RSA, want ed25519",
		pkix(&ecKey.PublicKey):  "it is ECDSA, want ed25519",
		block("PUBLIC KEY", []byte("garbage"), nil): "asn1",
		block("CERTIFICATE", nil, nil):              `the PEM block is "CERTIFICATE"`,
	} {
		_, err := sign.ParsePublicKey([]byte(text))
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		require.ErrorContains(t, err, hint)
	}
	r := registry(t)
	v := register(t, r, "fraud", "good")
	require.ErrorIs(t, sign.Sign(t.Context(), r, v, ed25519.PrivateKey(public)), modelregistry.ErrInvalid)
	_, err = sign.RequireSigned(r)
	require.ErrorContains(t, err, "no keys")
	_, err = sign.RequireSigned(r, ed25519.PublicKey(private))
	require.ErrorContains(t, err, "a public key of 64 bytes")
}

func TestGatesWithoutKeysThatCouldVouchAreRefused(t *testing.T) {
	blobs, err := blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	defer func() { require.NoError(t, blobs.Close()) }()
	for hint, g := range map[string]modelregistry.Gate{"no keys": sign.Gate(), "3 bytes": sign.Gate(ed25519.PublicKey("key"))} {
		_, err := modelregistry.New(t.Context(), memory.New(), blobs, &modelregistry.Options{Gates: []modelregistry.GateRule{{Gate: g}}})
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		require.ErrorContains(t, err, hint)
	}
}

func TestKeysComeFromFiles(t *testing.T) {
	public, private := key(t)
	dir := t.TempDir()
	for name, write := range map[string]func() ([]byte, error){
		"key.pem": func() ([]byte, error) { return sign.MarshalPrivateKey(private) },
		"pub.pem": func() ([]byte, error) { return sign.MarshalPublicKey(public) },
	} {
		text, err := write()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	read, err := sign.ReadPrivateKey(filepath.Join(dir, "key.pem"))
	require.NoError(t, err)
	require.Equal(t, private, read)
	keys, err := sign.ReadPublicKeys(filepath.Join(dir, "pub.pem"))
	require.NoError(t, err)
	require.Equal(t, []ed25519.PublicKey{public}, keys)
	_, err = sign.ReadPublicKeys(filepath.Join(dir, "key.pem"))
	require.ErrorContains(t, err, "key.pem: public key: invalid: this is a private key")
	_, err = sign.ReadPrivateKey(filepath.Join(dir, "none.pem"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestGeneratedKeysAreFilesThatNobodyElseReadsAndNothingOverwrites(t *testing.T) {
	dir := t.TempDir()
	privateFile, publicFile := filepath.Join(dir, "key.pem"), filepath.Join(dir, "pub.pem")
	private, err := sign.GenerateKeyFiles(privateFile, publicFile)
	require.NoError(t, err)
	read, err := sign.ReadPrivateKey(privateFile)
	require.NoError(t, err)
	require.Equal(t, private, read)
	keys, err := sign.ReadPublicKeys(publicFile)
	require.NoError(t, err)
	require.Equal(t, []ed25519.PublicKey{private.Public().(ed25519.PublicKey)}, keys)
	info, err := os.Stat(privateFile)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	other := filepath.Join(dir, "other.pem")
	_, err = sign.GenerateKeyFiles(privateFile, other)
	require.ErrorIs(t, err, fs.ErrExist)
	require.ErrorContains(t, err, "private key")
	require.NoFileExists(t, other)
	_, err = sign.GenerateKeyFiles(other, publicFile)
	require.ErrorIs(t, err, fs.ErrExist)
	require.ErrorContains(t, err, "public key")
	require.NoFileExists(t, other)
	_, err = sign.GenerateKeyFiles(filepath.Join(dir, "none", "key.pem"), other)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, other)
}

// openssl genpkey -algorithm ed25519, and openssl pkey -pubout.
const (
	opensslPrivate = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n"
	opensslPublic  = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"
)

// The key pair is that of RFC 8032, section 7.1, test 1.
func TestReadsWhatOpenSSLWrote(t *testing.T) {
	private, err := sign.ParsePrivateKey([]byte(opensslPrivate))
	require.NoError(t, err)
	public, err := sign.ParsePublicKey([]byte(opensslPublic))
	require.NoError(t, err)
	require.Equal(t, public, private.Public())
}

// An envelope verifies with nothing but the formats' specifications: DSSE and in-toto.
func TestEnvelopesAreDSSE(t *testing.T) {
	r := registry(t)
	public, private := key(t)
	v := register(t, r, "fraud", "good")
	facts, err := r.Facts(t.Context(), v)
	require.NoError(t, err)
	e, err := sign.Envelop(v, facts, private, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	text, err := json.Marshal(e)
	require.NoError(t, err)
	var dsse struct {
		Payload     string `json:"payload"`
		PayloadType string `json:"payloadType"`
		Signatures  []struct{ KeyID, Sig string }
	}
	require.NoError(t, json.Unmarshal(text, &dsse))
	payload, err := base64.StdEncoding.DecodeString(dsse.Payload)
	require.NoError(t, err)
	sig, err := base64.StdEncoding.DecodeString(dsse.Signatures[0].Sig)
	require.NoError(t, err)
	signed := "DSSEv1 " + fmt.Sprint(len(dsse.PayloadType)) + " " + dsse.PayloadType + " " + fmt.Sprint(len(payload)) + " " + string(payload)
	require.True(t, ed25519.Verify(public, []byte(signed), sig))
	require.Equal(t, sign.KeyID(public), dsse.Signatures[0].KeyID)
	require.JSONEq(t, fmt.Sprintf(`{
		"_type": "https://in-toto.io/Statement/v1",
		"subject": [{"name": "models:/fraud/1", "digest": {"sha256": %q}}],
		"predicateType": "https://github.com/modelregistry-go/modelregistry/version/v1",
		"predicate": {"model": "fraud", "model_id": %q, "number": 1, "semver": "1.2.0", "digest": %q,
			"facts": {"signature": %q, "serving": %q}, "signed": "2026-01-31T12:00:00Z"}
	}`, v.Digest[len("sha256:"):], v.ModelID, v.Digest, facts.Digests["signature"], facts.Digests["serving"]), string(payload))
}

func ExampleRequireSigned() {
	ctx := context.Background()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil) // or sign.ReadPrivateKey("release.pem")
	if err != nil {
		log.Fatal(err)
	}
	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{})
	if err != nil {
		log.Fatal(err)
	}
	trusted, err := sign.RequireSigned(reg, public)
	if err != nil {
		log.Fatal(err)
	}
	_, err = trusted.Resolve(ctx, "models:/IrisClassifier/1")
	fmt.Println(err)
	if err := sign.Sign(ctx, reg, v, private); err != nil {
		log.Fatal(err)
	}
	v, err = trusted.Resolve(ctx, "models:/IrisClassifier/1")
	fmt.Println(v.Ref(), err)
	// Output:
	// Resolve models:/IrisClassifier/1: version IrisClassifier/1 is not trusted: nobody has signed it
	// IrisClassifier/1 <nil>
}

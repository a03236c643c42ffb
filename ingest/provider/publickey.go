package provider

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// publicVerifier checks signatures made with a key of which we have the public half.
type publicVerifier struct {
	Signature
	// keys returns what r may be signed with.
	keys func(r *Request) ([]publicKey, error)
	// accounts fill {secret} in the content, where it has one; else they are one empty text.
	accounts []string
}

// publicKey tells whether it made a signature.
type publicKey struct {
	hash crypto.Hash // of the content, which is what it signs; 0: it signs the content itself
	made func(content, signature []byte) bool
}

// signed is what the key signs of a content.
func (k *publicKey) signed(content []byte) []byte {
	if k.hash == 0 {
		return content
	}
	h := k.hash.New()
	h.Write(content)
	return h.Sum(nil)
}

// maxPublic is how many signatures of one request are tried: each costs far more than a comparison, and with Ed25519
// reading the whole content again. A rotation has two.
const maxPublic = 4

// Verify implements [Verifier].
func (v *publicVerifier) Verify(r *Request, now time.Time) error {
	var p presented
	if err := v.open(r, now, &p); err != nil {
		return err
	}
	signatures := make([][]byte, 0, p.n)
	for _, text := range p.texts[:p.n] {
		if b, ok := v.Encoding.bytes(text); ok && len(b) > 0 && len(signatures) < maxPublic {
			signatures = append(signatures, b)
		}
	}
	if len(signatures) == 0 {
		return v.From[0].malformed()
	}
	keys, err := v.keys(r)
	if err != nil {
		return err
	}
	var content bytes.Buffer
	content.Grow(len(r.Body) + contentRoom)
	for _, account := range v.accounts {
		content.Reset()
		if _, err := v.feed(&content, nil, r, p.stamp, account); err != nil {
			return err
		}
		for _, key := range keys {
			signed := key.signed(content.Bytes())
			for _, signature := range signatures {
				if key.made(signed, signature) {
					return nil
				}
			}
		}
	}
	return ErrBadSignature
}

// contentRoom is about what stands beside the body in what is signed.
const contentRoom = 256

// bindPublic makes a key of every secret.
func bindPublic(s Signature, b Binding, parse func(secret string) (publicKey, error)) (Verifier, error) {
	var keys []publicKey
	err := eachSecret(b, func(secret string) error {
		key, err := parse(secret)
		keys = append(keys, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &publicVerifier{
		Signature: s, accounts: []string{""},
		keys: func(*Request) ([]publicKey, error) { return keys, nil },
	}, nil
}

// Ed25519 is the family of senders that sign with Ed25519. The secret is their public key.
type Ed25519 struct {
	Signature
	// Key is how the public key is written, after KeyPrefix, which may be missing.
	Key       Encoding
	KeyPrefix string
}

// String implements [Scheme].
func (s Ed25519) String() string { return "Ed25519, " + s.words() }

// Bind implements [Scheme].
func (s Ed25519) Bind(b Binding) (Verifier, error) {
	return bindPublic(s.Signature, b, func(secret string) (publicKey, error) {
		key := make(ed25519.PublicKey, ed25519.PublicKeySize)
		if !s.Key.decode(key, strings.TrimPrefix(secret, s.KeyPrefix)) {
			return publicKey{}, fmt.Errorf("want a public key of 32 bytes in %s: %w", s.Key, ErrBadSecret)
		}
		return publicKey{0, func(content, signature []byte) bool {
			return len(signature) == ed25519.SignatureSize && ed25519.Verify(key, content, signature)
		}}, nil
	})
}

// ECDSA is the family of senders that sign the SHA-256 with ECDSA, in ASN.1. The secret is their public key: a
// SubjectPublicKeyInfo in base64, or in PEM.
type ECDSA struct{ Signature }

// String implements [Scheme].
func (s ECDSA) String() string { return "ECDSA with SHA-256, " + s.words() }

// Bind implements [Scheme].
func (s ECDSA) Bind(b Binding) (Verifier, error) {
	return bindPublic(s.Signature, b, func(secret string) (publicKey, error) {
		der, ok := Base64.bytes(secret)
		if block, _ := pem.Decode([]byte(secret)); block != nil {
			der, ok = block.Bytes, true
		}
		parsed, err := x509.ParsePKIXPublicKey(der)
		key, isECDSA := parsed.(*ecdsa.PublicKey)
		if !ok || err != nil || !isECDSA {
			return publicKey{}, fmt.Errorf("want an ECDSA public key in base64 or PEM: %w", ErrBadSecret)
		}
		return publicKey{crypto.SHA256, func(sum, signature []byte) bool { return ecdsa.VerifyASN1(key, sum, signature) }}, nil
	})
}

// RSA is the family of senders that sign the SHA-256 with RSA (PKCS #1 v1.5) and publish their key, either in a
// key set or as a certificate.
type RSA struct {
	Signature
	// KeySet is the address of the key set, and KeyID where the request names its key.
	KeySet string
	KeyID  Value
	// Certificate is where the request names the address of a certificate, which must be one of Addresses: the
	// sender's host alone would let a stranger choose what it answers.
	Certificate Value
	Addresses   *regexp.Regexp
	// Require are headers that must read so.
	Require []Requirement
}

// Requirement is a header that must have a value.
type Requirement struct {
	Header Value
	Is     string
}

// String implements [Scheme].
func (s RSA) String() string {
	if s.KeySet != "" {
		return "RSA with SHA-256 by a published key, " + s.words()
	}
	return "RSA with SHA-256 by a published certificate, " + s.words()
}

// Bind implements [Scheme].
func (s RSA) Bind(b Binding) (Verifier, error) {
	v := &publicVerifier{Signature: s.Signature, accounts: []string{""}}
	if slices.ContainsFunc(s.Content, func(v Value) bool { return v.kind == theSecret }) {
		var err error
		if v.accounts, err = secretsOf(b); err != nil {
			return nil, err
		}
	}
	find := s.fromCertificate(b.Keys)
	if s.KeySet != "" {
		find = s.fromKeySet(b.Keys)
	}
	v.keys = func(r *Request) ([]publicKey, error) {
		for _, required := range s.Require {
			switch text, err := required.Header.only(r); {
			case err != nil:
				return nil, err
			case text != required.Is:
				return nil, required.Header.malformed()
			}
		}
		key, err := find(r)
		return []publicKey{key}, err
	}
	return v, nil
}

func (s RSA) proofHeaders() []string {
	names := append(s.Signature.proofHeaders(), headersIn(s.KeyID, s.Certificate)...)
	for _, required := range s.Require {
		names = append(names, required.Header.headerNames()...)
	}
	return names
}

func (s RSA) fromKeySet(source KeySource) func(*Request) (publicKey, error) {
	set := &keySet{source: source}
	return func(r *Request) (publicKey, error) {
		id, err := s.KeyID.only(r)
		if err != nil {
			return publicKey{}, err
		}
		key, err := set.key(KeyRequest{URL: s.KeySet, Fixed: true}, id, "RS256")
		if err != nil {
			return publicKey{}, err
		}
		return rsaKey(key, crypto.SHA256)
	}
}

func (s RSA) fromCertificate(source KeySource) func(*Request) (publicKey, error) {
	return func(r *Request) (publicKey, error) {
		address, err := s.Certificate.only(r)
		if err != nil {
			return publicKey{}, err
		}
		if !s.Addresses.MatchString(address) {
			return publicKey{}, fmt.Errorf("certificate at an address that is not the sender's: %w", s.Certificate.malformed())
		}
		cert, err := certificate(source, address)
		if err != nil {
			return publicKey{}, err
		}
		return rsaKey(cert.PublicKey, crypto.SHA256)
	}
}

// rsaKey is PKCS #1 v1.5 with a key that must be RSA.
func rsaKey(key any, hash crypto.Hash) (publicKey, error) {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return publicKey{}, fmt.Errorf("the key is not RSA: %w", ErrUnknownKey)
	}
	return publicKey{hash, func(sum, signature []byte) bool { return rsa.VerifyPKCS1v15(public, hash, sum, signature) == nil }}, nil
}

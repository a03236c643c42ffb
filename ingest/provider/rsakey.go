package provider

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// RSAKey is the family of senders that sign the SHA-256 with RSA (PKCS #1 v1.5), and whose public key the operator sets as
// the secret: a SubjectPublicKeyInfo in base64, or in PEM. [RSA] are those whose keys are fetched.
type RSAKey struct {
	Signature
	SHA1 bool // the SHA-1 is signed instead
}

// String implements [Scheme].
func (s RSAKey) String() string {
	return "RSA with " + map[bool]string{true: "SHA-1", false: "SHA-256"}[s.SHA1] + ", " + s.words()
}

// Bind implements [Scheme].
func (s RSAKey) Bind(b Binding) (Verifier, error) {
	hash := crypto.SHA256
	if s.SHA1 {
		hash = crypto.SHA1
	}
	return bindPublic(s.Signature, b, func(secret string) (publicKey, error) {
		der, ok := Base64.bytes(secret)
		if block, _ := pem.Decode([]byte(secret)); block != nil {
			der, ok = block.Bytes, true
		}
		parsed, err := x509.ParsePKIXPublicKey(der)
		key, isRSA := parsed.(*rsa.PublicKey)
		if !ok || err != nil || !isRSA || key.Size() < minRSABytes {
			return publicKey{}, fmt.Errorf("want an RSA public key of %d bits or more in base64 or PEM: %w", 8*minRSABytes, ErrBadSecret)
		}
		return rsaKey(key, hash)
	})
}

// minRSABytes is the least size of a key: shorter ones can be factored.
const minRSABytes = 128

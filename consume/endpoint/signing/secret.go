package signing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"jethook/config"
)

// Prefixes of secrets: see "Signature scheme" in
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const (
	secretPrefix  = "whsec_"    // the rest is the key in base64
	versionPrefix = "v1,whsec_" // how some senders write it, with the version of the signature in front
	privatePrefix = "whsk_"     // the rest is an Ed25519 private key in base64
	publicPrefix  = "whpk_"     // the rest is an Ed25519 public key in base64
)

// Bounds of secrets, in bytes. The specification wants keys of 24 to 64; shorter ones are taken because
// receivers have them.
const (
	newKeyBytes  = 24
	minKeyBytes  = 16
	maxKeyBytes  = 64
	minTextBytes = 8
	maxTextBytes = 256
)

// SecretType is how a secret's text becomes a key.
type SecretType string

// The types.
const (
	SecretText    SecretType = "text"    // the key is the text as it is
	SecretBase64  SecretType = "base64"  // the key is what the text encodes, behind "whsec_" or "v1,whsec_" if it has that
	SecretEd25519 SecretType = "ed25519" // a private key, "whsk_" and base64: receivers verify with the public one
)

// Check says what is wrong with a type; none is right.
func (t SecretType) Check() error {
	switch t {
	case "", SecretText, SecretBase64, SecretEd25519:
		return nil
	default:
		return fmt.Errorf("must be %s, %s or %s", SecretText, SecretBase64, SecretEd25519)
	}
}

// Secret is one secret of an endpoint.
type Secret struct {
	Value config.Secret
	// Type is chosen when the secret is, and never again. Without one the key is the text, except that
	// SchemeStandard signs with what "whsec_" encodes: so every secret was read before there were types.
	Type    SecretType
	Expires time.Time // zero: never
	Request string    // identifies the rotation that made it, if that had an Idempotency-Key
}

// ReadSecret returns the secret in a text that is to sign by a scheme. Without a type, the notation tells it; where the
// text may be a key in base64 and just as well one as it is, the receiver is taken to read it as it reads before, the
// secret that this one replaces. The error says what is wrong, without a word of the text.
func ReadSecret(text string, as SecretType, scheme Scheme, before *Secret) (Secret, error) {
	s := Secret{Value: config.NewSecret(text), Type: as}
	if as == "" && (scheme == SchemeStandard || strings.HasPrefix(text, privatePrefix)) {
		s.Type = typeOf(text, before)
	}
	return s, s.Check(scheme)
}

// typeOf tells the type of a secret for SchemeStandard by how it is written.
func typeOf(text string, before *Secret) SecretType {
	switch {
	case strings.HasPrefix(text, privatePrefix):
		return SecretEd25519
	case strings.HasPrefix(text, secretPrefix):
		return "" // no other reading
	case strings.HasPrefix(text, versionPrefix):
		return SecretBase64
	case !isBare(text):
		return SecretText
	case before != nil && isBare(before.Value.Reveal()):
		return before.Kind(SchemeStandard)
	case strings.ContainsAny(text, "+/=") || classes(text).mixed():
		return SecretBase64
	default: // in hex, say
		return SecretText
	}
}

// isBare reports whether text is a key in base64 without a prefix, as the reference libraries read any text.
func isBare(text string) bool {
	key, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(key) >= minKeyBytes && len(key) <= maxKeyBytes
}

// Kind is the secret's type, also that of one without.
func (s Secret) Kind(scheme Scheme) SecretType {
	if s.Type != "" {
		return s.Type
	}
	if scheme == SchemeStandard || scheme == "" {
		if encoded, ok := strings.CutPrefix(s.Value.Reveal(), secretPrefix); ok {
			if _, err := base64.StdEncoding.DecodeString(encoded); err == nil {
				return SecretBase64
			}
		}
	}
	return SecretText
}

// Told is the type that has to be given with the secret's text for the same key; none where the text tells it.
func (s Secret) Told(scheme Scheme) SecretType {
	if s.Type == "" && strings.HasPrefix(s.Value.Reveal(), secretPrefix) {
		return ""
	}
	return s.Kind(scheme)
}

// Key returns the HMAC key by which a scheme signs. An Ed25519 secret has none.
func (s Secret) Key(scheme Scheme) []byte {
	text := s.Value.Reveal()
	if s.Kind(scheme) == SecretBase64 {
		if key, err := base64.StdEncoding.DecodeString(encodedPart(text)); err == nil {
			return key
		}
	}
	return []byte(text)
}

func encodedPart(text string) string {
	return strings.TrimPrefix(strings.TrimPrefix(text, "v1,"), secretPrefix)
}

// PrivateKey returns the key of an Ed25519 secret; nil when it is none.
func (s Secret) PrivateKey() ed25519.PrivateKey {
	if s.Type != SecretEd25519 {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Value.Reveal(), privatePrefix))
	switch {
	case err != nil:
		return nil
	case len(key) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(key)
	case len(key) == ed25519.PrivateKeySize && bytes.Equal(ed25519.NewKeyFromSeed(key[:ed25519.SeedSize]), key):
		return key
	default:
		return nil
	}
}

// PublicKey returns what verifies the signatures of an Ed25519 secret, "whpk_" and base64; empty when it is none.
func (s Secret) PublicKey() string {
	key := s.PrivateKey()
	if key == nil {
		return ""
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

// SignsWith says in words what a scheme signs with.
func (s Secret) SignsWith(scheme Scheme) string {
	switch kind := s.Kind(scheme); {
	case scheme == SchemeBearer:
		return "nothing: the secret itself is the bearer token"
	case kind == SecretEd25519:
		return "the Ed25519 private key; receivers verify with " + s.PublicKey()
	case kind == SecretBase64:
		return fmt.Sprintf("the %d bytes that the secret encodes in base64", len(s.Key(scheme)))
	default:
		return fmt.Sprintf("the secret's text as it is, %d bytes", len(s.Key(scheme)))
	}
}

// Doubt says that the receiver may read the secret in another way; empty when it can't.
func (s Secret) Doubt(scheme Scheme) string {
	text := s.Value.Reveal()
	if scheme != SchemeStandard || !isBare(text) || strings.ContainsAny(text, "+/=") {
		return ""
	}
	if s.Kind(scheme) == SecretBase64 {
		return "the secret is taken for a key in base64, as the Standard Webhooks libraries read it; if the receiver takes the text for the key, give secret_type text"
	}
	return "the secret's text is taken for the key; the Standard Webhooks libraries would read it as base64 unless they are told that it is raw: if the receiver does so, give secret_type base64"
}

// Live reports whether the secret has not expired.
func (s Secret) Live(now time.Time) bool { return s.Expires.IsZero() || now.Before(s.Expires) }

// Check says what is wrong with a secret that signs by a scheme, without a word of it.
func (s Secret) Check(scheme Scheme) error {
	text := s.Value.Reveal()
	switch {
	case s.Type == SecretEd25519 && scheme != SchemeStandard:
		return fmt.Errorf("is a private key, by which only scheme %s signs: others share their secret with the receiver", SchemeStandard)
	case s.Type == SecretEd25519 && s.PrivateKey() == nil:
		return errors.New("after whsk_ must come an Ed25519 private key in standard base64: 32 bytes, or 64 with the public key")
	case s.Type == SecretEd25519:
		return nil
	case s.Type == SecretBase64 || s.Type == "" && scheme == SchemeStandard && strings.HasPrefix(text, secretPrefix):
		if !isBare(encodedPart(text)) {
			return errors.New("must be 16 to 64 bytes in standard base64, after whsec_ if it begins so")
		}
		return nil
	default:
		return checkText(text)
	}
}

func checkText(text string) error {
	if len(text) < minTextBytes || len(text) > maxTextBytes {
		return errors.New("must be 8 to 256 characters long")
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return errors.New("must be of printable ASCII characters")
		}
	}
	if strings.TrimSpace(text) != text {
		return errors.New("must not start or end with a space")
	}
	return nil
}

package provider

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"jethook/config"
)

// Least lengths of secrets. A key that is written in hex or base64 is made by its sender, and never this short. A text
// may be what somebody thought of; what is guessed is tried against the server one request at a time.
const (
	minKeyBytes = 16
	minText     = 8
	shortText   = 16 // not refused, but told
)

// ReadSecret returns the secrets in a value that an operator set: one, with whatever is in it. Commas separate several
// only where none can be part of another: each must be, all by itself, as the sender writes its secrets. So
// "whsec_…,whsec_…" are two, and "v1,whsec_…" is one. It fails with ErrNoSecret or ErrBadSecret.
func (s *Sender) ReadSecret(value string) ([]string, error) {
	bare := strings.TrimSpace(value)
	switch {
	case bare == "":
		return nil, ErrNoSecret
	case config.Quoted(bare):
		return nil, fmt.Errorf("it begins and ends with a quote; remove the quotes: %w", ErrBadSecret)
	case bare != value:
		return nil, fmt.Errorf("it has whitespace before or after it: %w", ErrBadSecret)
	}
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	if len(parts) == 0 || slices.ContainsFunc(parts, func(part string) bool { return !s.separable(part) }) {
		return []string{value}, nil
	}
	return parts, nil
}

// separable reports whether a text beside a comma is a secret, and can't be a part of one.
func (s *Sender) separable(part string) bool {
	if s.SecretForm != nil {
		return s.SecretForm.MatchString(part)
	}
	switch scheme := s.Scheme.(type) {
	case Ed25519, ECDSA, RSAKey:
		_, err := scheme.Bind(Binding{Secrets: []string{part}})
		return err == nil
	}
	encoding := s.keyEncoding()
	key, err := encoding.decode(part)
	return err == nil && encoding.encoded(part) && len(key) >= minKeyBytes
}

// CheckStrength fails with ErrWeakSecret if others could guess the secret: a server must not start with it.
func (s *Sender) CheckStrength(secret string) error {
	if s.publicSecret() {
		return nil
	}
	if _, ok := s.Scheme.(Basic); ok {
		_, password, _ := strings.Cut(secret, ":")
		return checkText("its password", password)
	}
	encoding := s.keyEncoding()
	key, err := encoding.decode(secret)
	switch {
	case err != nil: // Bind tells it
		return nil
	case encoding.encoded(secret) && len(key) < minKeyBytes:
		return fmt.Errorf("it stands for less than %d bytes: %w", minKeyBytes, ErrWeakSecret)
	case encoding.encoded(secret):
		return nil
	}
	return checkText("it", secretPart(encoding, secret))
}

func checkText(what, text string) error {
	if utf8.RuneCountInString(text) < minText {
		return fmt.Errorf("%s is shorter than %d characters: %w", what, minText, ErrWeakSecret)
	}
	return nil
}

// Doubt says what is odd about a value that [Sender.ReadSecret] takes, empty if nothing is.
func (s *Sender) Doubt(value string) string {
	secrets, err := s.ReadSecret(value)
	encoding := s.keyEncoding()
	switch {
	case err != nil || len(secrets) > 1 || s.publicSecret() || encoding.encoded(value):
		return ""
	case strings.Contains(value, ","):
		return "it holds a comma and is taken as one secret, where earlier releases took several: further ones have variables of their own"
	case utf8.RuneCountInString(secretPart(encoding, value)) < shortText:
		return fmt.Sprintf("it is shorter than %d characters", shortText)
	}
	return ""
}

// Bounds of a secret that a sender hands over, in bytes.
const (
	minHandedOver = 8
	maxHandedOver = 512
)

// CheckHandedOver fails with ErrBadSecret if no sender hands such a secret over. Anyone can send one, so it is kept small
// and must not be easily guessed.
func CheckHandedOver(secret string) error {
	if len(secret) < minHandedOver || len(secret) > maxHandedOver || strings.ContainsFunc(secret, notPrinted) {
		return fmt.Errorf("want %d to %d printed ASCII characters: %w", minHandedOver, maxHandedOver, ErrBadSecret)
	}
	return nil
}

// keyEncoding is how the scheme makes its key of the secret.
func (s *Sender) keyEncoding() KeyEncoding {
	switch scheme := s.Scheme.(type) {
	case HMAC:
		return scheme.Key
	case AdyenItems:
		return HexKey
	case Braintree:
		return SHA1SecondPartKey
	}
	return RawKey
}

// publicSecret reports whether what stands for the secret is known to others: a public key, or for whom a sender signs
// with its own key. Plaid's is the login that its keys are fetched with, which verifies nothing.
func (s *Sender) publicSecret() bool {
	switch scheme := s.Scheme.(type) {
	case Ed25519, ECDSA, RSA, RSAKey, SNS:
		return true
	case JWT:
		return scheme.Keys != nil
	}
	return false
}

// encoded reports whether the secret is hex or base64, in which there is no comma.
func (e KeyEncoding) encoded(secret string) bool {
	switch e {
	case WhsecKey, Base64Key, HexKey:
		return true
	case WhsecOrRawKey:
		return strings.HasPrefix(secret, "whsec_")
	}
	return false
}

// secretPart is what of a text nobody else knows.
func secretPart(e KeyEncoding, secret string) string {
	before, after, _ := strings.Cut(secret, ":")
	switch e {
	case FirstPartKey:
		return before
	case SHA1SecondPartKey:
		return after
	}
	return secret
}

package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"math"
	"math/big"
	"regexp"
	"strings"

	"jethook/config"
)

// GenerateSecret returns a new secret in the form of Standard Webhooks, "whsec_" and base64.
func GenerateSecret() Secret {
	return Secret{Value: config.NewSecret(secretPrefix + randomBase64(newKeyBytes))}
}

// newTextLength is that of a new secret of letters and digits: 256 bits and more.
const newTextLength = 43

// Generate returns a new secret of a type; without one as [GenerateSecret] does.
func Generate(as SecretType) Secret {
	switch as {
	case SecretEd25519:
		key := make([]byte, ed25519.SeedSize)
		rand.Read(key)
		private := ed25519.NewKeyFromSeed(key)
		return Secret{Value: config.NewSecret(privatePrefix + base64.StdEncoding.EncodeToString(private)), Type: as}
	case SecretText:
		return Secret{Value: config.NewSecret(randomText(alphanumeric, newTextLength)), Type: as}
	default:
		s := GenerateSecret()
		s.Type = as
		return s
	}
}

// Successor returns a new secret that is written as s is, with its prefix, alphabet and length, since a receiver takes the
// kind that it has; false where that can't be told.
func (s Secret) Successor() (Secret, bool) {
	if s.Type == SecretEd25519 {
		return Generate(SecretEd25519), true
	}
	text, ok := another(s.Value.Reveal(), s.Type == SecretBase64)
	return Secret{Value: config.NewSecret(text), Type: s.Type}, ok
}

// ownPrefix is what senders put before what is random: polar_whs_, sk_live_.
var ownPrefix = regexp.MustCompile(`^(?:v1,)?(?:[a-z][a-z0-9]{0,11}_)+`)

// leastBits is the entropy that a text must be able to hold to be taken for a generated secret.
const leastBits = 96

// another returns a new random text of the same form; false for a text that nobody generated.
func another(text string, isBase64 bool) (string, bool) {
	prefix := ownPrefix.FindString(text)
	random := text[len(prefix):]
	if isBase64 || strings.HasSuffix(prefix, secretPrefix) || strings.ContainsAny(random, "+/=") {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			if key, err := encoding.DecodeString(random); err == nil && len(key)*8 >= leastBits {
				rand.Read(key)
				return prefix + encoding.EncodeToString(key), true
			}
		}
	}
	c := classes(random)
	alphabet := c.alphabet()
	if c.other || !c.digit || !c.lower && !c.upper || float64(len(random))*math.Log2(float64(len(alphabet))) < leastBits {
		return "", false
	}
	return prefix + randomText(alphabet, len(random)), true
}

// charClasses are the kinds of characters in a text.
type charClasses struct{ lower, upper, digit, hyphen, underscore, hex, other bool }

func classes(text string) charClasses {
	c := charClasses{hex: true}
	for i := range len(text) {
		ch := text[i]
		c.hex = c.hex && (ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'f' || ch >= 'A' && ch <= 'F')
		switch {
		case ch >= 'a' && ch <= 'z':
			c.lower = true
		case ch >= 'A' && ch <= 'Z':
			c.upper = true
		case ch >= '0' && ch <= '9':
			c.digit = true
		case ch == '-':
			c.hyphen = true
		case ch == '_':
			c.underscore = true
		default:
			c.other = true
		}
	}
	c.hex = c.hex && !(c.lower && c.upper)
	return c
}

// mixed reports whether a text has what nearly every key in base64 has.
func (c charClasses) mixed() bool { return c.lower && c.upper && c.digit }

const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func (c charClasses) alphabet() (all string) {
	switch {
	case c.hex && c.upper:
		return "0123456789ABCDEF"
	case c.hex:
		return "0123456789abcdef"
	}
	for _, part := range []struct {
		in    bool
		chars string
	}{{c.digit, alphanumeric[:10]}, {c.lower, alphanumeric[10:36]}, {c.upper, alphanumeric[36:]}, {c.hyphen, "-"}, {c.underscore, "_"}} {
		if part.in {
			all += part.chars
		}
	}
	return all
}

func randomText(alphabet string, n int) string {
	text, size := make([]byte, n), big.NewInt(int64(len(alphabet)))
	for i := range text {
		at, _ := rand.Int(rand.Reader, size) // crypto/rand never fails
		text[i] = alphabet[at.Int64()]
	}
	return string(text)
}

func randomBase64(n int) string {
	key := make([]byte, n)
	rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}

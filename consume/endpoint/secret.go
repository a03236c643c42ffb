package endpoint

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"jethook/config"
)

// secretPrefix marks a secret whose rest is the key in base64: see "Signature scheme" in
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const secretPrefix = "whsec_"

// Bounds of secrets, in bytes. The specification wants keys of 24 to 64; shorter ones are taken because
// receivers have them.
const (
	newKeyBytes  = 24
	minKeyBytes  = 16
	maxKeyBytes  = 64
	minTextBytes = 8
	maxTextBytes = 256
)

// maxSecrets is how many secrets may be live at once: each costs a signature in every delivery.
const maxSecrets = 5

// Secret is one secret of an endpoint.
type Secret struct {
	Value   config.Secret
	Expires time.Time // zero: never
	Request string    // identifies the rotation that made it, if that had an Idempotency-Key
}

// GenerateSecret returns a new secret in the form of Standard Webhooks, "whsec_" and base64.
func GenerateSecret() Secret {
	key := make([]byte, newKeyBytes)
	rand.Read(key)
	return Secret{Value: config.NewSecret(secretPrefix + base64.StdEncoding.EncodeToString(key))}
}

// Live reports whether the secret has not expired.
func (s Secret) Live(now time.Time) bool { return s.Expires.IsZero() || now.Before(s.Expires) }

// Key returns the HMAC key for Standard Webhooks: what "whsec_" encodes, or else the secret's text as it is.
func (s Secret) Key() []byte {
	text := s.Value.Reveal()
	if encoded, ok := strings.CutPrefix(text, secretPrefix); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			return key
		}
	}
	return []byte(text)
}

// Rotated returns the endpoint with next as its newest secret. The secrets before it stay live for overlap,
// or until they expire by themselves; when there are more than five, the oldest go. The receiver stays as it
// was. The error is a [Problems].
func (e *Endpoint) Rotated(next Secret, overlap time.Duration, now time.Time) (Endpoint, error) {
	if err := checkSecret(next.Value.Reveal(), e.Signature.Scheme); err != nil {
		return Endpoint{}, Problems{{Field: "secret", Message: err.Error()}}
	}
	out := *e
	next.Expires = time.Time{}
	out.Secrets = []Secret{next}
	end := now.Add(overlap).UTC()
	for _, old := range e.Secrets {
		if old.Expires.IsZero() || old.Expires.After(end) {
			old.Expires = end
		}
		if old.Live(now) && len(out.Secrets) < maxSecrets {
			out.Secrets = append(out.Secrets, old)
		}
	}
	out.UpdatedAt = now.UTC()
	out.Edition++
	return out, nil
}

// LiveSecrets returns the secrets that have not expired, the newest first.
func (e *Endpoint) LiveSecrets(now time.Time) []Secret {
	return slices.DeleteFunc(slices.Clone(e.Secrets), func(s Secret) bool { return !s.Live(now) })
}

// checkSecret says what is wrong with a given secret, without a word of it.
func checkSecret(text string, scheme Scheme) error {
	encoded, isEncoded := strings.CutPrefix(text, secretPrefix)
	if isEncoded && scheme == SchemeStandard {
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) < minKeyBytes || len(key) > maxKeyBytes {
			return errors.New("after whsec_ must come 16 to 64 bytes in standard base64")
		}
		return nil
	}
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

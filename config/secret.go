package config

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// redacted is what stands for a secret wherever one is printed.
const redacted = "<secret>"

// Secret is a string that no printing, logging or encoding shows: only [Secret.Reveal] does. It cannot be
// decoded from JSON either, since what was encoded is not the value. The zero value is an empty secret.
type Secret struct {
	_ [0]func() // keeps == from compiling: secrets are compared in constant time

	// A pointer, because fmt prints a Secret in an unexported field without asking its methods.
	value *string
}

// NewSecret hides value. The empty string gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Equal reports whether two secrets are the same, in a time that says nothing of where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// String returns "<secret>".
func (s Secret) String() string { return redacted }

// Format writes "<secret>" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "<secret>", for JSON and every other encoding that asks.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "<secret>".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// redactURLs hides all that stands before the last @ of one or several URLs: a password that is not escaped
// as it should be can hold every other delimiter.
func redactURLs(urls string) string {
	if at := strings.LastIndexByte(urls, '@'); at >= 0 {
		return redacted + urls[at:]
	}
	return urls
}

// Quoted reports whether a secret begins and ends with the same quote: what docker --env-file leaves
// there and a shell takes away.
func Quoted(secret string) bool {
	return len(secret) > 1 && (secret[0] == '"' || secret[0] == '\'') && secret[0] == secret[len(secret)-1]
}

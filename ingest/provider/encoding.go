package provider

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Encoding is how bytes are written as text. Either case of hex and base64 with or without padding are read.
type Encoding uint8

// The encodings of signatures and keys.
const (
	Hex Encoding = iota
	Base64
	Base64URL
)

// String is the encoding's usual name.
func (e Encoding) String() string {
	return [...]string{"hex", "base64", "base64url"}[e]
}

func (e Encoding) base64() *base64.Encoding {
	if e == Base64URL {
		return base64.RawURLEncoding
	}
	return base64.RawStdEncoding
}

// decode puts the bytes that s stands for into dst and reports whether they fill it exactly.
func (e Encoding) decode(dst []byte, s string) bool {
	if e == Hex {
		if len(s) != hex.EncodedLen(len(dst)) {
			return false
		}
		_, err := hex.Decode(dst, []byte(s))
		return err == nil
	}
	s = strings.TrimRight(s, "=")
	if len(s) != e.base64().EncodedLen(len(dst)) {
		return false
	}
	n, err := e.base64().Decode(dst, []byte(s))
	return err == nil && n == len(dst)
}

// bytes returns what s stands for.
func (e Encoding) bytes(s string) ([]byte, bool) {
	if e == Hex {
		b, err := hex.DecodeString(s)
		return b, err == nil
	}
	b, err := e.base64().DecodeString(strings.TrimRight(s, "="))
	return b, err == nil
}

// KeyEncoding is how the key is made from the secret that a sender shows.
type KeyEncoding uint8

// The encodings of keys.
const (
	// RawKey is the secret's own bytes, whatever it looks like.
	RawKey KeyEncoding = iota
	// WhsecKey is base64 after "whsec_", which may be missing, as may a "v1," before it.
	WhsecKey
	// WhsecOrRawKey is base64 after "whsec_", and without it the secret's own bytes.
	WhsecOrRawKey
	// Base64Key is base64.
	Base64Key
	// HexKey is hex.
	HexKey
	// NFKDKey is the secret's bytes in Unicode's normal form KD.
	NFKDKey
	// FirstPartKey is what stands before the secret's first colon, the whole if there is none.
	FirstPartKey
	// SHA1SecondPartKey is the SHA-1 of what stands after the secret's first colon.
	SHA1SecondPartKey
	// PolarKey is the secret's own bytes or, of one that Polar has made since 2026-09-08, what the base64 after "whsec_"
	// stands for. Nothing in a secret tells its age for sure, and both take the whole of it to know.
	PolarKey
)

// decode makes the key. Its errors don't quote the secret, and leave a decoder's error out: it tells a part of it.
func (e KeyEncoding) decode(secret string) ([]byte, error) {
	if secret == "" {
		return nil, ErrNoSecret
	}
	encoding, form := Base64, "base64"
	switch e {
	case NFKDKey:
		return norm.NFKD.Bytes([]byte(secret)), nil
	case FirstPartKey:
		secret, _, _ = strings.Cut(secret, ":")
		return nonEmpty([]byte(secret), "a secret before the colon")
	case SHA1SecondPartKey:
		_, private, _ := strings.Cut(secret, ":")
		if private == "" {
			return nil, fmt.Errorf("want public key, colon, private key: %w", ErrBadSecret)
		}
		sum := sha1.Sum([]byte(private))
		return sum[:], nil
	case HexKey:
		encoding, form = Hex, "hex"
	case WhsecKey:
		secret = strings.TrimPrefix(strings.TrimPrefix(secret, "v1,"), "whsec_")
		form = "base64, after whsec_ or alone"
	case WhsecOrRawKey:
		rest, found := strings.CutPrefix(secret, "whsec_")
		if !found {
			return []byte(secret), nil
		}
		secret, form = rest, "base64 after whsec_"
	case Base64Key:
	default:
		return []byte(secret), nil
	}
	key, ok := encoding.bytes(secret)
	if !ok {
		return nil, fmt.Errorf("want %s: %w", form, ErrBadSecret)
	}
	return nonEmpty(key, form)
}

// namedKey is a key, and the sender's rule by which it is made where there are several.
type namedKey struct {
	bytes []byte
	rule  string
}

// keys makes all keys that a sender may sign with whose secret this is.
func (e KeyEncoding) keys(secret string) ([]namedKey, error) {
	key, err := e.decode(secret)
	if err != nil || e != PolarKey {
		return []namedKey{{bytes: key}}, err
	}
	keys := []namedKey{{key, "the text of the secret, as Polar signs with one that is chosen, or made before 2026-09-08"}}
	// A short one is somebody's own text: as a key its base64 could be guessed.
	if rest, found := strings.CutPrefix(secret, "whsec_"); found {
		if decoded, ok := Base64.bytes(rest); ok && len(decoded) >= minKeyBytes {
			keys = append(keys, namedKey{decoded, "what the base64 after whsec_ stands for, as Polar signs with a secret made since 2026-09-08"})
		}
	}
	return keys, nil
}

func nonEmpty(key []byte, form string) ([]byte, error) {
	if len(key) == 0 {
		return nil, fmt.Errorf("want %s: %w", form, ErrBadSecret)
	}
	return key, nil
}

// eachSecret calls bind for every secret, and says which one is at fault.
func eachSecret(b Binding, bind func(secret string) error) error {
	if len(b.Secrets) == 0 {
		return ErrNoSecret
	}
	for i, secret := range b.Secrets {
		err := ErrNoSecret
		if secret != "" {
			err = bind(secret)
		}
		switch {
		case err != nil && len(b.Secrets) > 1:
			return fmt.Errorf("secret %d: %w", i+1, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// secretsOf are the secrets, of which there is at least one and none is empty.
func secretsOf(b Binding) ([]string, error) {
	err := eachSecret(b, func(string) error { return nil })
	return slices.Clone(b.Secrets), err
}

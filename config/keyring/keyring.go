// Package keyring seals secrets that have to be stored, and opens them again, by the keys of JETHOOK_ENCRYPTION_KEY.
//
// Both halves of the bridge may import it: sealing needs neither a bus nor anything that knows of one.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"jethook/config"
)

// Errors of [Keyring.Open]. Test with errors.Is.
var (
	// ErrNoKey means that the keyring holds no key at all, or not the one that sealed this.
	ErrNoKey = errors.New("JETHOOK_ENCRYPTION_KEY does not hold the key")
	// ErrNotSealed means that this is nothing that a keyring sealed.
	ErrNotSealed = errors.New("not sealed by a keyring")
	// ErrTampered means that the key is there, and that the content was changed or belongs elsewhere.
	ErrTampered = errors.New("the sealed content was changed, or moved here from elsewhere")
)

// Keyring seals secrets that have to be stored, and opens them again: AES-256-GCM under keys that are derived
// from JETHOOK_ENCRYPTION_KEY. The first key seals and every key opens, so that a key can be changed.
// A nil Keyring holds no key.
type Keyring struct{ keys []sealingKey }

// sealingKey is one key, ready to seal. Its id says of what is sealed which key opens it.
type sealingKey struct {
	id   string
	aead cipher.AEAD
}

// What HKDF-SHA256 derives from a key of JETHOOK_ENCRYPTION_KEY. The texts are part of the stored format.
const (
	sealInfo  = "jethook seal v1: AES-256-GCM key"
	keyIDInfo = "jethook seal v1: key id"
)

const (
	keyIDBytes = 8
	sealMark   = "jethook-sealed-v1"
)

// New returns a ring of keys in the order of secrets. Each should have 256 bits of randomness: nothing
// here makes a weak one slow to guess.
func New(secrets []config.Secret) (*Keyring, error) {
	ring := &Keyring{}
	for _, secret := range secrets {
		key, err := newSealingKey([]byte(secret.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("deriving a key from JETHOOK_ENCRYPTION_KEY: %w", err)
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

func newSealingKey(secret []byte) (k sealingKey, err error) {
	id, err := hkdf.Key(sha256.New, secret, nil, keyIDInfo, keyIDBytes)
	if err != nil {
		return k, err
	}
	key, err := hkdf.Key(sha256.New, secret, nil, sealInfo, 32)
	if err != nil {
		return k, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return k, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealingKey{id: hex.EncodeToString(id), aead: aead}, err
}

// IsEmpty reports whether there is no key, so that nothing can be sealed.
func (k *Keyring) IsEmpty() bool { return k == nil || len(k.keys) == 0 }

// Seal returns plain, encrypted and authenticated, as text. Place says what this is and where it belongs, such
// as "endpoint ep_1": it opens only there. The nonce is random; one key is good for 2^32 seals. The ring must
// not be empty.
func (k *Keyring) Seal(plain []byte, place string) string {
	key := k.keys[0]
	sealed := key.aead.Seal(nil, nil, plain, []byte(place))
	return sealMark + "." + key.id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open returns what Seal was given. Errors wrap [ErrNoKey], [ErrNotSealed] or [ErrTampered] and hold nothing of
// the content.
func (k *Keyring) Open(sealed, place string) ([]byte, error) {
	id, content, err := parseSealed(sealed)
	if err != nil {
		return nil, err
	}
	key, ok := k.key(id)
	if !ok {
		return nil, fmt.Errorf("%w: it was sealed by key %s", ErrNoKey, id)
	}
	plain, err := key.aead.Open(nil, nil, content, []byte(place))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// IsCurrent reports whether the first key sealed this.
func (k *Keyring) IsCurrent(sealed string) bool {
	id, _, err := parseSealed(sealed)
	return err == nil && !k.IsEmpty() && k.keys[0].id == id
}

func (k *Keyring) key(id string) (sealingKey, bool) {
	if k != nil {
		for _, key := range k.keys {
			if key.id == id {
				return key, true
			}
		}
	}
	return sealingKey{}, false
}

func parseSealed(sealed string) (id string, content []byte, err error) {
	mark, rest, _ := strings.Cut(sealed, ".")
	id, text, _ := strings.Cut(rest, ".")
	content, err = base64.RawURLEncoding.DecodeString(text)
	if mark != sealMark || len(id) != 2*keyIDBytes || err != nil {
		return "", nil, ErrNotSealed
	}
	return id, content, nil
}

// Format writes "<secret>" whatever the verb: what AES works with is as good as the key.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, config.Secret{}.String()) }

package provider

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"
)

// HMAC is the family of senders that sign with a shared secret. The zero value of each field is what most
// senders do.
type HMAC struct {
	Hash Hash
	// From is the header that holds the signature. It may be repeated, as some senders do while a secret
	// rotates: any line may match.
	From     Value
	Format   Format
	Prefix   string // stands before the signature, in any case; only with Plain
	Encoding Encoding
	// Content is what is signed, the parts joined; the body alone if empty.
	Content   []Value
	Timestamp Timestamp
	Key       KeyEncoding
}

// Hash is the hash function of an HMAC.
type Hash uint8

// The hash functions of HMAC senders.
const (
	SHA256 Hash = iota
	SHA1
	SHA512
)

func (h Hash) new() func() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New
	case SHA512:
		return sha512.New
	}
	return sha256.New
}

// Format is how a header holds signatures.
type Format uint8

// The formats of signature headers.
const (
	// Plain is one signature, after Prefix.
	Plain Format = iota
	// Versioned is a list of VERSION,SIGNATURE separated by spaces, of which those of version v1 count:
	// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
	Versioned
)

// Encoding is how bytes are written as text. Either case of hex and base64 with or without padding are read.
type Encoding uint8

// The encodings of signatures.
const (
	Hex Encoding = iota
	Base64
	Base64URL
)

// decode puts the bytes that s stands for into dst and reports whether they fill it exactly.
func (e Encoding) decode(dst []byte, s string) bool {
	if e == Hex {
		if len(s) != hex.EncodedLen(len(dst)) {
			return false
		}
		_, err := hex.Decode(dst, []byte(s))
		return err == nil
	}
	enc := base64.RawStdEncoding
	if e == Base64URL {
		enc = base64.RawURLEncoding
	}
	s = strings.TrimRight(s, "=")
	if len(s) != enc.EncodedLen(len(dst)) {
		return false
	}
	n, err := enc.Decode(dst, []byte(s))
	return err == nil && n == len(dst)
}

// KeyEncoding is how the key is made from the secret that a sender shows.
type KeyEncoding uint8

// The encodings of keys.
const (
	// RawKey is the secret's own bytes, whatever it looks like.
	RawKey KeyEncoding = iota
	// WhsecKey is base64 after "whsec_", which may be missing.
	WhsecKey
)

func (e KeyEncoding) decode(secret string) ([]byte, error) {
	if secret == "" {
		return nil, ErrNoSecret
	}
	if e == RawKey {
		return []byte(secret), nil
	}
	s := strings.TrimRight(strings.TrimPrefix(secret, "whsec_"), "=")
	key, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(key) == 0 {
		// The decoder's error is left out: it tells a part of the secret.
		return nil, fmt.Errorf("want base64, after whsec_ or alone: %w", ErrBadSecret)
	}
	return key, nil
}

// Credentials implements [Scheme]: a signature is no secret.
func (s HMAC) Credentials() []string { return nil }

// CoversBody implements [Scheme].
func (s HMAC) CoversBody() bool {
	for _, part := range s.Content {
		if part.kind == wholeBody {
			return true
		}
	}
	return len(s.Content) == 0
}

// Bind implements [Scheme].
func (s HMAC) Bind(secrets []string) (Verifier, error) {
	if len(secrets) == 0 {
		return nil, ErrNoSecret
	}
	if len(s.Content) == 0 {
		s.Content = []Value{Body()}
	}
	v := &hmacVerifier{HMAC: s, size: s.Hash.new()().Size()}
	for i, secret := range secrets {
		key, err := s.Key.decode(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		v.keys = append(v.keys, &sync.Pool{New: func() any {
			return &mac{Hash: hmac.New(s.Hash.new(), key)}
		}})
	}
	return v, nil
}

// hmacVerifier keeps, for each key, hashes that already took the key in: that is a third of the work for a
// small body.
type hmacVerifier struct {
	HMAC
	size int
	keys []*sync.Pool // of *mac
}

// Verify implements [Verifier].
func (v *hmacVerifier) Verify(r *Request, now time.Time) error {
	if err := v.Timestamp.check(r, now); err != nil {
		return err
	}
	var given signatures
	if err := v.read(r, &given); err != nil {
		return err
	}
	for _, key := range v.keys {
		m := key.Get().(*mac)
		sum, err := m.sum(r, v.Content)
		found := err == nil && given.contain(sum)
		key.Put(m)
		if err != nil || found {
			return err
		}
	}
	return ErrBadSignature
}

// maxSignatures is how many signatures of one request are tried. More than the two of a rotation is unheard
// of; without a bound, a sender would choose how much work each request makes.
const maxSignatures = 16

// signatures are what a request presents, decoded.
type signatures struct {
	sums [maxSignatures][sha512.Size]byte
	n    int
}

func (g *signatures) contain(sum []byte) bool {
	found := false
	for i := range g.n {
		if hmac.Equal(g.sums[i][:len(sum)], sum) {
			found = true
		}
	}
	return found
}

// read collects the signatures in r. One that cannot be decoded is skipped as long as another can.
func (v *hmacVerifier) read(r *Request, into *signatures) error {
	lines := r.Header[v.From.arg]
	if len(lines) == 0 {
		return fmt.Errorf("%s: %w", v.From, ErrMissingHeader)
	}
	tried := 0
	add := func(s string) {
		if tried++; tried <= maxSignatures && v.Encoding.decode(into.sums[into.n][:v.size], s) {
			into.n++
		}
	}
	for _, line := range lines {
		if v.Format == Versioned {
			for item := range strings.SplitSeq(line, " ") {
				if version, signature, _ := strings.Cut(item, ","); version == "v1" {
					add(signature)
				}
			}
		} else if signature, ok := cutPrefix(line, v.Prefix); ok {
			add(signature)
		}
	}
	if into.n == 0 {
		return fmt.Errorf("%s: %w", v.From, ErrMalformedHeader)
	}
	return nil
}

// cutPrefix removes a prefix, which may be in any case and have spaces after it, as "Bearer" does.
func cutPrefix(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return strings.TrimLeft(s[len(prefix):], " "), true
}

// mac is a hash with a key in it, and room for what goes through it.
type mac struct {
	hash.Hash
	buf []byte
}

// sum returns the HMAC of the parts, valid until the next call. Small parts are gathered, so that the hash
// is fed twice for most senders and the body is never copied.
func (m *mac) sum(r *Request, content []Value) ([]byte, error) {
	m.Reset()
	m.buf = m.buf[:0]
	for _, part := range content {
		switch part.kind {
		case wholeBody:
			m.Write(m.buf)
			m.Write(r.Body)
			m.buf = m.buf[:0]
		case inHeader:
			s, err := part.only(r)
			if err != nil {
				return nil, err
			}
			m.buf = append(m.buf, s...)
		default:
			m.buf = append(m.buf, part.find(r)...)
		}
	}
	m.Write(m.buf)
	m.buf = m.Sum(m.buf[:0])
	return m.buf, nil
}

package provider

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"sync"
	"time"
)

// HMAC is the family of senders that sign with a shared secret. The zero value of each field is what most
// senders do.
type HMAC struct {
	Signature
	Hash Hash
	Key  KeyEncoding
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

// String is the function's usual name.
func (h Hash) String() string { return [...]string{"SHA256", "SHA1", "SHA512"}[h] }

// String implements [Scheme].
func (s HMAC) String() string { return "HMAC-" + s.Hash.String() + ", " + s.words() }

// Bind implements [Scheme].
func (s HMAC) Bind(b Binding) (Verifier, error) {
	keys, err := bindKeys(b, s.Hash, s.Key)
	if err != nil {
		return nil, err
	}
	v := &hmacVerifier{Signature: s.Signature, size: s.Hash.new()().Size(), keys: keys, contents: []*Signature{&s.Signature}}
	if len(s.Or) > 0 {
		other := s.Signature
		other.Content = s.Or
		v.contents = append(v.contents, &other)
	}
	return v, nil
}

// hmacVerifier is an HMAC scheme with its keys.
type hmacVerifier struct {
	Signature
	size     int
	keys     []*hmacKey
	contents []*Signature // which differ in what is signed
}

// Verify implements [Verifier].
func (v *hmacVerifier) Verify(r *Request, now time.Time) error {
	_, err := v.match(r, now)
	return err
}

// match verifies r, and says by which rule it is signed.
func (v *hmacVerifier) match(r *Request, now time.Time) (rule string, err error) {
	var p presented
	if err := v.open(r, now, &p); err != nil {
		return "", err
	}
	var given sums
	if !given.decode(&p, v.Encoding, v.size) {
		return "", v.From[0].malformed()
	}
	for _, key := range v.keys {
		for _, content := range v.contents {
			m := key.get()
			var err error
			m.buf, err = content.feed(m, m.buf, r, p.stamp, "")
			found := err == nil && given.contain(m.sum())
			key.put(m)
			if err != nil || found {
				return key.rule, err
			}
		}
	}
	return "", ErrBadSignature
}

// sums are decoded signatures.
type sums struct {
	bytes [maxSignatures][sha512.Size]byte
	n     int
}

// decode takes those of the signatures that are size bytes long, and reports whether there is one.
func (s *sums) decode(p *presented, encoding Encoding, size int) bool {
	for _, text := range p.texts[:p.n] {
		if encoding.decode(s.bytes[s.n][:size], text) {
			s.n++
		}
	}
	return s.n > 0
}

// contain compares in constant time.
func (s *sums) contain(sum []byte) bool {
	found := false
	for i := range s.n {
		if hmac.Equal(s.bytes[i][:len(sum)], sum) {
			found = true
		}
	}
	return found
}

// hmacKey keeps hashes that already took the key in: that is a third of the work for a small body.
type hmacKey struct {
	pool sync.Pool
	rule string // as in [namedKey]
}

func newKey(h Hash, key []byte) *hmacKey {
	return &hmacKey{pool: sync.Pool{New: func() any { return &mac{Hash: hmac.New(h.new(), key)} }}}
}

// bindKeys makes the keys of every secret.
func bindKeys(b Binding, h Hash, encoding KeyEncoding) ([]*hmacKey, error) {
	var keys []*hmacKey
	err := eachSecret(b, func(secret string) error {
		made, err := encoding.keys(secret)
		for _, key := range made {
			k := newKey(h, key.bytes)
			k.rule = key.rule
			keys = append(keys, k)
		}
		return err
	})
	return keys, err
}

func (k *hmacKey) get() *mac {
	m := k.pool.Get().(*mac)
	m.Reset()
	return m
}

func (k *hmacKey) put(m *mac) { k.pool.Put(m) }

// sumOf is the HMAC of text, in memory of its own.
func (k *hmacKey) sumOf(text ...[]byte) []byte {
	m := k.get()
	defer k.put(m)
	for _, t := range text {
		m.Write(t)
	}
	return m.Sum(nil)
}

// mac is a hash with a key in it, and room for what goes through it.
type mac struct {
	hash.Hash
	buf []byte
}

// sum is valid until the next use of m.
func (m *mac) sum() []byte {
	m.buf = m.Sum(m.buf[:0])
	return m.buf
}

// requestHMAC is an HMAC whose content depends on what the request says is signed.
type requestHMAC struct {
	secrets []string
	scheme  func(r *Request) (HMAC, error)
}

// bindRequest binds an HMAC that is found out for each request.
func bindRequest(b Binding, scheme func(*Request) (HMAC, error)) (Verifier, error) {
	secrets, err := secretsOf(b)
	if err != nil {
		return nil, err
	}
	return &requestHMAC{secrets, scheme}, nil
}

// signedAtBy is the time that r says, by the HMAC that is found out for it.
func signedAtBy(r *Request, scheme func(*Request) (HMAC, error)) (time.Time, bool) {
	s, err := scheme(r)
	if err != nil {
		return time.Time{}, false
	}
	return s.signedAt(r)
}

// Verify implements [Verifier].
func (v *requestHMAC) Verify(r *Request, now time.Time) error {
	s, err := v.scheme(r)
	if err != nil {
		return err
	}
	verifier, err := s.Bind(Binding{Secrets: v.secrets})
	if err != nil {
		return err
	}
	return verifier.Verify(r, now)
}

// Signed implements [Verifier].
func (v *requestHMAC) Signed(r *Request) ([]byte, error) {
	s, err := v.scheme(r)
	if err != nil {
		return nil, err
	}
	return s.Signed(r)
}

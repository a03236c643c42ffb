package provider

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// JWT is the family of senders that send a signed JSON Web Token.
type JWT struct {
	From   Value
	Prefix string // stands before the token, in any case
	// Algorithm is the only one that is taken, whatever the token says.
	Algorithm jose.SignatureAlgorithm
	// Keys says where the key of an id is published; nil if the secret is the key.
	Keys func(secrets []string, id string) KeyRequest
	// Issuers are the texts that iss may have; none: not checked.
	Issuers []string
	// Account means that aud must be the binding's audience, or else the address that the sender was given, and
	// that email must be one of the secrets or the binding's. The token must end: it does not cover the body.
	Account bool
	// MaxAge is how far iat may lie back or ahead; zero: not checked.
	MaxAge time.Duration
	// Retries is how much further it may lie back: for how long the sender tries again.
	Retries time.Duration
	// BodyHash is the claim that holds the SHA-256 of the body; empty if the token does not cover it.
	BodyHash string
	// HashEncoding is how it is written.
	HashEncoding Encoding
	// URLHash is the claim that holds the SHA-256 of the address, in hex; empty if there is none. With it a token needs no
	// hash of a body that is empty.
	URLHash string
	// BodyHashOptional takes a token without the claim, where a sender leaves it out of some.
	BodyHashOptional bool
}

// keySetAt is a key set at a fixed address.
func keySetAt(url string) func([]string, string) KeyRequest {
	return func([]string, string) KeyRequest { return KeyRequest{URL: url, Fixed: true} }
}

// Credentials implements [Scheme]. Who has a token that does not cover the body can send others while it lasts.
func (s JWT) Credentials() []string {
	if s.CoversBody() {
		return nil
	}
	return s.From.headerNames()
}

func (s JWT) proofHeaders() []string { return s.From.headerNames() }

// CoversBody implements [Scheme].
func (s JWT) CoversBody() bool { return s.BodyHash != "" && !s.BodyHashOptional }

// String implements [Scheme].
func (s JWT) String() string {
	words := "JWT " + string(s.Algorithm) + " in " + s.From.String()
	if s.BodyHash != "" {
		words += " with the SHA-256 of {body} in claim " + s.BodyHash
	}
	return words
}

// Bind implements [Scheme].
func (s JWT) Bind(b Binding) (Verifier, error) {
	v := &jwtVerifier{JWT: s, audience: b.Audience, secrets: b.Secrets, keys: &keySet{source: b.Keys}}
	if s.Account {
		v.emails = slices.Clone(b.Secrets)
		if b.Email != "" {
			v.emails = append(v.emails, b.Email)
		}
		if len(v.emails) == 0 || slices.Contains(v.emails, "") {
			return nil, ErrNoSecret
		}
	}
	if s.Keys == nil || len(b.Secrets) > 0 {
		if _, err := secretsOf(b); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (s JWT) tolerance() time.Duration { return max(s.MaxAge, clockSkew) }

func (s JWT) signedAt(r *Request) (time.Time, bool) {
	v := &jwtVerifier{JWT: s}
	token, err := v.token(r)
	if err != nil {
		return time.Time{}, false
	}
	var c claims
	if token.UnsafeClaimsWithoutVerification(&c) != nil || c.IssuedAt == nil {
		return time.Time{}, false
	}
	return c.IssuedAt.Time(), true
}

type jwtVerifier struct {
	JWT
	secrets  []string
	audience string
	emails   []string
	keys     *keySet
}

// claims are what is read of a token.
type claims struct {
	Issuer        string           `json:"iss"`
	Audience      jwt.Audience     `json:"aud"`
	Expiry        *jwt.NumericDate `json:"exp"`
	NotBefore     *jwt.NumericDate `json:"nbf"`
	IssuedAt      *jwt.NumericDate `json:"iat"`
	Email         string           `json:"email"`
	EmailVerified bool             `json:"email_verified"`
}

// Signed implements [Verifier]: a token signs itself.
func (v *jwtVerifier) Signed(r *Request) ([]byte, error) {
	token, err := v.token(r)
	if err != nil {
		return nil, err
	}
	var payload json.RawMessage
	if err := token.UnsafeClaimsWithoutVerification(&payload); err != nil {
		return nil, v.From.malformed()
	}
	return payload, nil
}

func (v *jwtVerifier) token(r *Request) (*jwt.JSONWebToken, error) {
	line, err := v.From.only(r)
	if err != nil {
		return nil, err
	}
	text, ok := cutPrefix(line, v.Prefix)
	if !ok {
		return nil, v.From.malformed()
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{v.Algorithm})
	if _, other := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); other {
		return nil, fmt.Errorf("algorithm is not %s: %w", v.Algorithm, ErrBadSignature)
	}
	if err != nil {
		return nil, v.From.malformed()
	}
	return token, nil
}

// Verify implements [Verifier].
func (v *jwtVerifier) Verify(r *Request, now time.Time) error {
	token, err := v.token(r)
	if err != nil {
		return err
	}
	keys, err := v.keysOf(token)
	if err != nil {
		return err
	}
	for _, key := range keys {
		var payload json.RawMessage
		if token.Claims(key, &payload) != nil {
			continue
		}
		var c claims
		var all map[string]any
		if json.Unmarshal(payload, &c) != nil || json.Unmarshal(payload, &all) != nil {
			return fmt.Errorf("claims: %w", v.From.malformed())
		}
		return v.check(r, &c, all, now)
	}
	return ErrBadSignature
}

func (v *jwtVerifier) keysOf(token *jwt.JSONWebToken) ([]any, error) {
	if v.Keys == nil {
		keys := make([]any, len(v.secrets))
		for i, secret := range v.secrets {
			// The library refuses keys shorter than the hash, which senders let people choose. To an HMAC a key
			// is the same with zeros after it.
			keys[i] = append([]byte(secret), make([]byte, max(0, sha256.Size-len(secret)))...)
		}
		return keys, nil
	}
	id := token.Headers[0].KeyID
	if id == "" || len(id) > maxKeyID {
		return nil, fmt.Errorf("no key id: %w", v.From.malformed())
	}
	key, err := v.keys.key(v.Keys(v.secrets, id), id, string(v.Algorithm))
	return []any{key}, err
}

// maxKeyID bounds what a stranger can make us ask a sender for.
const maxKeyID = 128

// check looks at what the token says, once it is known who says it.
func (v *jwtVerifier) check(r *Request, c *claims, all map[string]any, now time.Time) error {
	if err := v.checkTime(r, c, now); err != nil {
		return err
	}
	if len(v.Issuers) > 0 && !slices.Contains(v.Issuers, c.Issuer) {
		return fmt.Errorf("iss: %w", ErrBadClaim)
	}
	if v.Account {
		audience := v.audience
		if audience == "" {
			audience = r.URL
		}
		switch {
		case audience == "":
			return ErrNoURL
		case !slices.Contains(c.Audience, audience):
			return fmt.Errorf("aud: %w", ErrBadClaim)
		case c.Expiry == nil:
			return fmt.Errorf("no exp: %w", v.From.malformed())
		case !c.EmailVerified || !slices.Contains(v.emails, c.Email):
			return fmt.Errorf("email: %w", ErrBadClaim)
		}
	}
	if err := v.checkURL(r, all); err != nil {
		return err
	}
	return v.checkBody(r, all)
}

func (v *jwtVerifier) checkTime(r *Request, c *claims, now time.Time) error {
	if c.Expiry != nil && !now.Add(-r.Tolerance).Before(c.Expiry.Time()) { // RFC 7519, section 4.1.4
		return fmt.Errorf("exp: %w", ErrTooOld)
	}
	if c.NotBefore != nil && now.Add(cmp.Or(r.Tolerance, clockSkew)).Before(c.NotBefore.Time()) {
		return fmt.Errorf("nbf: %w", ErrTooNew)
	}
	switch {
	case v.MaxAge == 0:
		return nil
	case c.IssuedAt == nil:
		return fmt.Errorf("no iat: %w", v.From.malformed())
	}
	return near("iat", c.IssuedAt.Time(), now, cmp.Or(r.Tolerance, v.MaxAge), v.Retries)
}

// clockSkew is how far a sender's clock may be ahead of ours.
const clockSkew = time.Minute

func (v *jwtVerifier) checkURL(r *Request, all map[string]any) error {
	switch hash, _ := all[v.URLHash].(string); {
	case v.URLHash == "":
		return nil
	case r.URL == "":
		return ErrNoURL
	case !hashes(hash, Hex, []byte(r.address())):
		return fmt.Errorf("claim %s is not the address's: %w", v.URLHash, ErrBadSignature)
	}
	return nil
}

// hashes reports whether text is the SHA-256 of content.
func hashes(text string, encoding Encoding, content []byte) bool {
	given := make([]byte, sha256.Size)
	sum := sha256.Sum256(content)
	return encoding.decode(given, text) && subtle.ConstantTimeCompare(given, sum[:]) == 1
}

func (v *jwtVerifier) checkBody(r *Request, all map[string]any) error {
	if v.BodyHash == "" {
		return nil
	}
	hash, found := all[v.BodyHash].(string)
	mayBeMissing := v.BodyHashOptional || v.URLHash != "" && len(r.Body) == 0
	if !found && mayBeMissing && all[v.BodyHash] == nil {
		return nil
	}
	if !hashes(hash, v.HashEncoding, r.Body) {
		return fmt.Errorf("claim %s is not the body's: %w", v.BodyHash, ErrBadSignature)
	}
	return nil
}

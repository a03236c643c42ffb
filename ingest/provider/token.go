package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// Token is the family of senders that send the secret itself. It says nothing about the body.
type Token struct {
	// From is the header that holds the token. Any line of a repeated header may match.
	From Value
	// Prefix stands before the token, in any case, such as "Bearer".
	Prefix    string
	Timestamp Timestamp
}

// Credentials implements [Scheme].
func (s Token) Credentials() []string { return []string{s.From.arg} }

// CoversBody implements [Scheme].
func (s Token) CoversBody() bool { return false }

// Bind implements [Scheme].
func (s Token) Bind(secrets []string) (Verifier, error) {
	if len(secrets) == 0 {
		return nil, ErrNoSecret
	}
	v := &tokenVerifier{Token: s}
	for i, secret := range secrets {
		if secret == "" {
			return nil, fmt.Errorf("secret %d: %w", i+1, ErrNoSecret)
		}
		v.sums = append(v.sums, sha256.Sum256([]byte(secret)))
	}
	return v, nil
}

// tokenVerifier compares hashes, all of one length: the time of comparing strings would tell theirs.
type tokenVerifier struct {
	Token
	sums [][sha256.Size]byte
}

// Verify implements [Verifier].
func (v *tokenVerifier) Verify(r *Request, now time.Time) error {
	if err := v.Timestamp.check(r, now); err != nil {
		return err
	}
	lines := r.Header[v.From.arg]
	if len(lines) == 0 {
		return fmt.Errorf("%s: %w", v.From, ErrMissingHeader)
	}
	err := fmt.Errorf("%s: %w", v.From, ErrMalformedHeader)
	for _, line := range lines[:min(len(lines), maxSignatures)] {
		token, ok := cutPrefix(line, v.Prefix)
		if !ok || token == "" {
			continue
		}
		if v.known(token) {
			return nil
		}
		err = ErrBadSignature
	}
	return err
}

func (v *tokenVerifier) known(token string) bool {
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range v.sums {
		found |= subtle.ConstantTimeCompare(v.sums[i][:], sum[:])
	}
	return found == 1
}

package provider

import (
	"fmt"
	"time"
)

// Digest is a plain hash of a content that has the secret in it, as HubSpot's older signatures are. It is
// weaker than an HMAC: where the body comes last, who has seen one request can lengthen it, by bytes of which the first
// are no text. So the body must be JSON, which ends where the sender ended it.
type Digest struct {
	Signature
	Hash Hash
}

// String implements [Scheme].
func (s Digest) String() string {
	return map[Hash]string{SHA1: "SHA-1", SHA256: "SHA-256", SHA512: "SHA-512"}[s.Hash] + ", " + s.words()
}

// Bind implements [Scheme].
func (s Digest) Bind(b Binding) (Verifier, error) {
	secrets, err := secretsOf(b)
	if err != nil {
		return nil, err
	}
	return &digestVerifier{s, secrets}, nil
}

type digestVerifier struct {
	Digest
	secrets []string
}

// Verify implements [Verifier].
func (v *digestVerifier) Verify(r *Request, now time.Time) error {
	var p presented
	if err := v.open(r, now, &p); err != nil {
		return err
	}
	var given sums
	if !given.decode(&p, v.Encoding, v.Hash.new()().Size()) {
		return v.From[0].malformed()
	}
	for _, secret := range v.secrets {
		h := v.Hash.new()()
		if _, err := v.feed(h, nil, r, p.stamp, secret); err != nil {
			return err
		}
		switch {
		case !given.contain(h.Sum(nil)):
		case !r.validJSON():
			return fmt.Errorf("no JSON: %w", ErrMalformedBody)
		default:
			return nil
		}
	}
	return ErrBadSignature
}

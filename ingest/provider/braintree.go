package provider

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Braintree is how https://www.braintreepayments.com signs: a form with bt_payload, and bt_signature as
// PUBLICKEY|HEX pairs joined by &, HMAC-SHA1 by the SHA-1 of the private key. Source: braintree_python.
type Braintree struct{}

// Credentials implements [Scheme].
func (Braintree) Credentials() []string { return nil }

// CoversBody implements [Scheme].
func (Braintree) CoversBody() bool { return true }

// String implements [Scheme].
func (Braintree) String() string {
	return "HMAC-SHA1, hex in form:bt_signature over {form:bt_payload}"
}

// Bind implements [Scheme].
func (Braintree) Bind(b Binding) (Verifier, error) {
	v := &braintreeVerifier{}
	err := eachSecret(b, func(secret string) error {
		key, err := SHA1SecondPartKey.decode(secret)
		public, _, _ := strings.Cut(secret, ":")
		v.accounts = append(v.accounts, braintreeAccount{public, newKey(SHA1, key)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

type braintreeVerifier struct{ accounts []braintreeAccount }

type braintreeAccount struct {
	public string
	key    *hmacKey
}

// Signed implements [Verifier].
func (v *braintreeVerifier) Signed(r *Request) ([]byte, error) {
	payload, err := Form("bt_payload").only(r)
	return []byte(payload), err
}

// Verify implements [Verifier].
func (v *braintreeVerifier) Verify(r *Request, _ time.Time) error {
	list, err := Form("bt_signature").only(r)
	if err != nil {
		return err
	}
	payload, err := Form("bt_payload").only(r)
	if err != nil {
		return err
	}
	if braintreeChallenge.MatchString(payload) {
		return Form("bt_payload").malformed()
	}
	known := false
	for _, account := range v.accounts {
		var p presented
		for pair := range strings.SplitSeq(list, "&") {
			if public, signature, _ := strings.Cut(pair, "|"); public == account.public {
				p.add(signature)
			}
		}
		known = known || p.n > 0
		var given sums
		given.decode(&p, Hex, sha1.Size)
		// Some of the sender's systems sign the payload with its line end, which forms lose.
		if given.contain(account.key.sumOf([]byte(payload))) || given.contain(account.key.sumOf([]byte(payload), []byte("\n"))) {
			return nil
		}
	}
	if !known {
		return fmt.Errorf("no signature for the public key: %w", ErrUnknownKey)
	}
	return ErrBadSignature
}

// braintreeChallenge is what a challenge looks like. Nothing else is signed for a stranger, and no event that looks
// so is taken: the key is the same for both.
var braintreeChallenge = regexp.MustCompile(`^[a-f0-9]{20,32}$`)

// answerBraintree signs the challenge with the first secret.
func answerBraintree(r *Request, secrets []string) (*reply, error) {
	challenge := Query("bt_challenge").find(r)
	if r.Method != http.MethodGet || challenge == "" {
		return nil, nil
	}
	if len(secrets) == 0 {
		return nil, ErrNoSecret
	}
	if !braintreeChallenge.MatchString(challenge) {
		return nil, Query("bt_challenge").malformed()
	}
	key, err := SHA1SecondPartKey.decode(secrets[0])
	if err != nil {
		return nil, err
	}
	public, _, _ := strings.Cut(secrets[0], ":")
	sum := newKey(SHA1, key).sumOf([]byte(challenge))
	return &reply{answer: text(public + "|" + hex.EncodeToString(sum))}, nil
}

package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// lengthen is what who knows the SHA-256 of a text and its length can make without the text: the bytes that follow the
// text, ending with suffix, and the hash of it all.
func lengthen(t *testing.T, sum []byte, length int, suffix string) (added []byte, longer []byte) {
	t.Helper()
	const block = 64
	added = append(added, 0x80)
	for (length+len(added))%block != block-8 {
		added = append(added, 0)
	}
	added = binary.BigEndian.AppendUint64(added, uint64(length)*8)
	h := sha256.New()
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	copy(state[4:], sum) // after its magic number
	binary.BigEndian.PutUint64(state[len(state)-8:], uint64(length+len(added)))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(suffix))
	return append(added, suffix...), h.Sum(nil)
}

// TestLengthenedBody: a hash of secret and body can be carried on without the secret, and is refused.
func TestLengthenedBody(t *testing.T) {
	t.Parallel()
	for sender, before := range map[string]string{"hubspot-v1": "secret one", "hubspot-v2": "secret onePOST" + sampleURL} {
		s := sampleFor(t, sender).of("secret one", "secret two")
		r, rc := s.bound(t)
		sum, err := hex.DecodeString(r.Header.Get("X-Hubspot-Signature"))
		if err != nil {
			t.Fatal(err)
		}
		added, longer := lengthen(t, sum, len(before)+len(r.Body), `,{"subscriptionType":"contact.deletion","eventId":8}]`)
		forged := *r
		forged.Header = r.Header.Clone()
		forged.Body = append(bytes.Clone(r.Body), added...)
		forged.Header.Set("X-Hubspot-Signature", hex.EncodeToString(longer))
		if want := sha256.Sum256(append([]byte(before), forged.Body...)); !bytes.Equal(want[:], longer) {
			t.Fatal("the lengthened hash is not that of the lengthened body")
		}
		if err := rc.Verifier.Verify(&forged, at); !errors.Is(err, ErrMalformedBody) {
			t.Errorf("%s takes a lengthened body: %v", sender, err)
		}
	}
}

// TestSignaturesWithoutTheBodyAreCredentials: who reads one in a stored event could send other bodies.
func TestSignaturesWithoutTheBodyAreCredentials(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		row, _ := Lookup(s.sender)
		if s.proof == "" {
			continue
		}
		isCredential := slices.Contains(row.Scheme.Credentials(), s.proof)
		if isCredential == row.Scheme.CoversBody() {
			t.Errorf("%s: %s is a credential: %t; the body is covered: %t", s.sender, s.proof, isCredential, row.Scheme.CoversBody())
		}
		if !slices.Contains(row.ProofHeaders(), s.proof) {
			t.Errorf("%s: %s is no proof", s.sender, s.proof)
		}
	}
	github, _ := Lookup("github")
	if got := strings.Join(github.Scheme.Credentials(), " "); got != "" {
		t.Errorf("credentials of GitHub: %s", got)
	}
}

// TestNotCovered: the table says what of an event can be changed although it verifies. Every word is tried on a sample.
func TestNotCovered(t *testing.T) {
	t.Parallel()
	for sender, want := range map[string]string{
		"github": "type id", "stripe": "", "twilio": "id", "netlify": "type id", "shopify": "type id", "svix": "", "twitch": "type",
		"mailgun": "body type", "mailomat": "body id", "paypal": "body type id", "dropbox-sign": "body id", "adyen": "body id",
		"telegram": "body id", "postmark": "body type id", "aws-sns": "", "hubspot-v1": "", "coinbase-cdp": "",
	} {
		row, _ := Lookup(sender)
		if got := strings.Join(row.NotCovered(), " "); got != want {
			t.Errorf("%s does not cover %q, want %q", sender, got, want)
		}
	}
	for _, s := range samples() {
		row, _ := Lookup(s.sender)
		v, err := row.Scheme.Bind(Binding{Secrets: []string{s.secrets[0]}, Keys: s.keys})
		if err != nil {
			t.Fatal(err)
		}
		for part, where := range map[string]Value{partType: row.TypeAt(), partID: row.IDAt()} {
			for _, name := range where.headerNames() {
				r := s.send(s.secrets[0], s.body, at)
				if r.Header.Get(name) == "" {
					continue
				}
				r.Header.Set(name, "another")
				open := v.Verify(r, at) == nil
				if said := slices.Contains(row.NotCovered(), part); open != said && !(said && where.has(apart)) { // another part of it may be open
					t.Errorf("%s: %s can be changed: %t, and the table says %t", s.sender, name, open, said)
				}
			}
		}
		token, isToken := row.Scheme.(Token)
		if isToken && token.From.kind == inJSON && len(row.BodySecrets) == 0 {
			t.Errorf("%s: the table does not say that the body holds the secret", s.sender)
		}
	}
}

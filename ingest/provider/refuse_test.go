package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// at is when the samples are sent.
var at = time.Unix(1_790_000_000, 0)

// sample is what one sender sends, made without this package's code.
type sample struct {
	sender  string
	secrets [2]string
	// sign returns the headers of a request with that body, sent at that time.
	sign func(secret, body string, sent time.Time) http.Header
	// signature is the header with the proof, and garbage what it never looks like.
	signature, garbage string
	// needed are the other headers that must be there, once.
	needed []string
	// timestamp is the header with the time.
	timestamp string
}

func bareHex(header string) func(secret, body string, _ time.Time) http.Header {
	return func(secret, body string, _ time.Time) http.Header {
		return http.Header{http.CanonicalHeaderKey(header): {hex.EncodeToString(sha256MAC([]byte(secret), body))}}
	}
}

func standard(key func(secret string) []byte) func(secret, body string, sent time.Time) http.Header {
	return func(secret, body string, sent time.Time) http.Header {
		ts := strconv.FormatInt(sent.Unix(), 10)
		sum := sha256MAC(key(secret), "msg_1."+ts+"."+body)
		return http.Header{
			"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {ts},
			"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(sum)},
		}
	}
}

func sha256MAC(key []byte, content string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(content))
	return m.Sum(nil)
}

var samples = []sample{
	{sender: "notify", secrets: [2]string{"one", "two"}, sign: bareHex("x-notify-signature"), signature: "X-Notify-Signature", garbage: "sha256=zz"},
	{sender: "polaris", secrets: [2]string{"one", "two"}, sign: bareHex("x-polaris-signature"), signature: "X-Polaris-Signature", garbage: "sha256=zz"},
	{sender: "protocol", secrets: [2]string{"one", "two"}, sign: bareHex("x-protocol-signature"), signature: "X-Protocol-Signature", garbage: "sha256=zz"},
	{
		sender: "polar", secrets: [2]string{"polar_whs_one", "polar_whs_two"},
		sign:      standard(func(secret string) []byte { return []byte(secret) }),
		signature: "Webhook-Signature", garbage: "v1,!!!!", needed: []string{"Webhook-Id"}, timestamp: "Webhook-Timestamp",
	},
	{
		sender: "standard-webhooks", secrets: [2]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
		sign: standard(func(secret string) []byte {
			key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
			return key
		}),
		signature: "Webhook-Signature", garbage: "v1,!!!!", needed: []string{"Webhook-Id"}, timestamp: "Webhook-Timestamp",
	},
	{
		sender: "polytomic", secrets: [2]string{"one.two.three", "four"},
		sign: func(secret, _ string, sent time.Time) http.Header {
			return http.Header{"Authorization": {"Bearer " + secret}, "Polytomic-Signature-Timestamp": {sent.Format(time.RFC3339)}}
		},
		signature: "Authorization", garbage: "Basic b25lOnR3bw==", timestamp: "Polytomic-Signature-Timestamp",
	},
}

const sampleBody = `{"type":"order.created","event":"order.created","id":"evt_1"}`

// TestRefusals shows, for every sender, that only what its secrets made at the right time verifies.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, s := range samples {
		tested[s.sender] = true
		t.Run(s.sender, func(t *testing.T) {
			t.Parallel()
			s.test(t)
		})
	}
	for _, row := range table {
		if !tested[row.Name] {
			t.Errorf("no sample of %s", row.Name)
		}
	}
}

func (s sample) test(t *testing.T) {
	row, _ := Lookup(s.sender)
	v := bind(t, row, s.secrets[0])
	check := func(name string, v Verifier, h http.Header, body string, now time.Time, want error) {
		t.Helper()
		err := v.Verify(&Request{Method: "POST", Header: h, Body: []byte(body)}, now)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), s.secrets[0]) || strings.Contains(err.Error(), h.Get(s.signature)) && h.Get(s.signature) != "") {
			t.Errorf("%s: the error tells a secret or a signature: %v", name, err)
		}
	}
	signed := func() http.Header { return s.sign(s.secrets[0], sampleBody, at) }
	with := func(name string, values ...string) http.Header {
		h := signed()
		h[name] = values
		return h
	}
	check("untouched", v, signed(), sampleBody, at, nil)

	if row.Scheme.CoversBody() {
		changed := strings.Replace(sampleBody, "evt_1", "evt_2", 1)
		check("a byte changed", v, signed(), changed, at, ErrBadSignature)
		check("a byte added", v, signed(), sampleBody+" ", at, ErrBadSignature)
		check("no body", v, signed(), "", at, ErrBadSignature)
	}

	other := s.sign(s.secrets[1], sampleBody, at)
	check("another secret", v, other, sampleBody, at, ErrBadSignature)
	both := bind(t, row, s.secrets[0], s.secrets[1])
	check("the first of two secrets", both, signed(), sampleBody, at, nil)
	check("the second of two secrets", both, other, sampleBody, at, nil)

	good := signed().Get(s.signature)
	check("no signature", v, without(signed(), s.signature), sampleBody, at, ErrMissingHeader)
	check("empty signature", v, with(s.signature, ""), sampleBody, at, ErrMalformedHeader)
	check("garbage", v, with(s.signature, s.garbage), sampleBody, at, ErrMalformedHeader)
	check("repeated, one good", v, with(s.signature, s.garbage, good), sampleBody, at, nil)
	check("repeated, none good", v, with(s.signature, s.garbage, other.Get(s.signature)), sampleBody, at, ErrBadSignature)
	many := append(strings.Split(strings.Repeat(other.Get(s.signature)+"|", maxSignatures), "|")[:maxSignatures], good)
	check("more signatures than are tried", v, with(s.signature, many...), sampleBody, at, ErrBadSignature)

	for _, name := range s.needed {
		check("without "+name, v, without(signed(), name), sampleBody, at, ErrMissingHeader)
		check("changed "+name, v, with(name, "other"), sampleBody, at, ErrBadSignature)
		check("repeated "+name, v, with(name, "other", signed().Get(name)), sampleBody, at, ErrMalformedHeader)
	}
	if s.timestamp != "" {
		s.testTime(t, check, v, with)
	}
}

func (s sample) testTime(t *testing.T, check func(string, Verifier, http.Header, string, time.Time, error), v Verifier, with func(string, ...string) http.Header) {
	h := with("X-Other", "kept")
	check("without a time", v, without(with(s.timestamp), s.timestamp), sampleBody, at, ErrMissingHeader)
	check("two times", v, with(s.timestamp, h.Get(s.timestamp), h.Get(s.timestamp)), sampleBody, at, ErrMalformedHeader)
	for _, bad := range []string{"", "soon", "-1790000000", "+1790000000", "1790000000.5", "0x6ab12345", "1_790_000_000", "17900000009999999999999", "2026-09-21"} {
		check("time "+bad, v, with(s.timestamp, bad), sampleBody, at, ErrMalformedHeader)
	}
	check("300 s old", v, h, sampleBody, at.Add(300*time.Second), nil)
	check("301 s old", v, h, sampleBody, at.Add(301*time.Second), ErrTooOld)
	check("300 s ahead", v, h, sampleBody, at.Add(-300*time.Second), nil)
	check("301 s ahead", v, h, sampleBody, at.Add(-301*time.Second), ErrTooNew)
	check("the year 0", v, h, sampleBody, time.Time{}, ErrTooNew)
}

func without(h http.Header, name string) http.Header {
	delete(h, name)
	return h
}

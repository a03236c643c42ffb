package provider

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHMACForms(t *testing.T) {
	t.Parallel()
	const secret, body = "key", "body"
	mac := func(h func() hash.Hash) []byte {
		m := hmac.New(h, []byte(secret))
		m.Write([]byte(body))
		return m.Sum(nil)
	}
	sum1, sum256, sum512 := mac(sha1.New), sha256MAC([]byte(secret), body), mac(sha512.New)
	b64 := base64.StdEncoding.EncodeToString(sum256)
	sig := Header("X-Sig")
	for name, test := range map[string]struct {
		scheme HMAC
		header string
		want   error
	}{
		"sha1":                  {HMAC{Hash: SHA1, Signature: Signature{From: []Value{sig}}}, hex.EncodeToString(sum1), nil},
		"sha512":                {HMAC{Hash: SHA512, Signature: Signature{From: []Value{sig}}}, hex.EncodeToString(sum512), nil},
		"upper case hex":        {HMAC{Signature: Signature{From: []Value{sig}}}, strings.ToUpper(hex.EncodeToString(sum256)), nil},
		"half a sum":            {HMAC{Signature: Signature{From: []Value{sig}}}, hex.EncodeToString(sum256[:16]), ErrMalformedHeader},
		"sum and more":          {HMAC{Signature: Signature{From: []Value{sig}}}, hex.EncodeToString(sum256) + "00", ErrMalformedHeader},
		"another hash":          {HMAC{Signature: Signature{From: []Value{sig}}}, hex.EncodeToString(sum1), ErrMalformedHeader},
		"another encoding":      {HMAC{Signature: Signature{From: []Value{sig}}}, b64, ErrMalformedHeader},
		"base64":                {HMAC{Signature: Signature{From: []Value{sig}, Encoding: Base64}}, b64, nil},
		"base64 unpadded":       {HMAC{Signature: Signature{From: []Value{sig}, Encoding: Base64}}, strings.TrimRight(b64, "="), nil},
		"base64url":             {HMAC{Signature: Signature{From: []Value{sig}, Encoding: Base64URL}}, base64.URLEncoding.EncodeToString(sum256), nil},
		"prefix":                {HMAC{Signature: Signature{From: []Value{sig}, Format: Prefixed("sha256=")}}, "sha256=" + hex.EncodeToString(sum256), nil},
		"prefix missing":        {HMAC{Signature: Signature{From: []Value{sig}, Format: Prefixed("sha256=")}}, hex.EncodeToString(sum256), ErrMalformedHeader},
		"wrong prefix":          {HMAC{Signature: Signature{From: []Value{sig}, Format: Prefixed("sha256=")}}, "sha1=" + hex.EncodeToString(sum1), ErrMalformedHeader},
		"list":                  {HMAC{Signature: Signature{From: []Value{sig}, Format: Versioned("v1"), Encoding: Base64}}, "v1a,eA== v0,x v1 v1, v1," + b64 + "  v2,y", nil},
		"list without v1":       {HMAC{Signature: Signature{From: []Value{sig}, Format: Versioned("v1"), Encoding: Base64}}, "v1a," + b64 + " v2," + b64, ErrMalformedHeader},
		"list without versions": {HMAC{Signature: Signature{From: []Value{sig}, Format: Versioned("v1"), Encoding: Base64}}, b64, ErrMalformedHeader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := bind(t, Sender{Scheme: test.scheme}, "other", secret)
			err := v.Verify(&Request{Header: http.Header{"X-Sig": {test.header}}, Body: []byte(body)}, at)
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

func TestMillisecondTimestamp(t *testing.T) {
	t.Parallel()
	ts := Timestamp{From: Header("X-Time"), Unit: Milliseconds, Tolerance: time.Second}
	r := &Request{Header: http.Header{"X-Time": {fmt.Sprint(at.UnixMilli() + 1)}}}
	if err := ts.check(r, "", at.Add(time.Second)); err != nil {
		t.Error(err)
	}
	if err := ts.check(r, "", at.Add(time.Second+2*time.Millisecond)); !errors.Is(err, ErrTooOld) {
		t.Errorf("%v, want too old", err)
	}
}

func TestBindRefusesSecrets(t *testing.T) {
	t.Parallel()
	const secret = "whsec_not*base64"
	for _, sample := range samples() {
		row, _ := Lookup(sample.sender)
		tries := map[string][]string{"none": nil, "empty": {""}, "one of two empty": {sample.secrets[0], ""}}
		switch row.Name {
		case "shipstation": // has no secret
			continue
		case "plaid": // needs it to fetch with, not to verify
			delete(tries, "none")
		}
		for name, secrets := range tries {
			if _, err := row.Scheme.Bind(Binding{Secrets: secrets}); !errors.Is(err, ErrNoSecret) {
				t.Errorf("%s with %s: %v, want no secret", row.Name, name, err)
			}
		}
	}
	standard, _ := Lookup("standard-webhooks")
	for _, s := range []string{secret, "whsec_", "whsec_===="} {
		_, err := standard.Scheme.Bind(Binding{Secrets: []string{"c2VjcmV0", s}})
		if !errors.Is(err, ErrBadSecret) || strings.Contains(err.Error(), "not*") || !strings.Contains(err.Error(), "secret 2") {
			t.Errorf("%q: %v, want a malformed second secret, untold", s, err)
		}
	}
}

func TestBodyCoverage(t *testing.T) {
	t.Parallel()
	var uncovered []string
	for _, row := range table {
		if !row.Scheme.CoversBody() {
			uncovered = append(uncovered, row.Name)
		}
	}
	want := strings.Fields(`adyen alertmanager alertmanager-basic apify auth0 azure-event-grid brevo buildkite-token chargebee cloudevents cloudflare
		datadog deepgram docker-hub docker-hub-url-token documenso dropbox-sign figma gitlab google-pubsub hugging-face mailgun mailjet mailomat
		mercado-pago microsoft-graph monday moov okta ory paypal polytomic postmark revenuecat segment shippo-url-token strapi telegram vapi vonage
		xendit zapier`)
	if !slices.Equal(uncovered, want) {
		t.Errorf("the body is not covered by %q, want %q", uncovered, want)
	}
	polytomic, _ := Lookup("polytomic")
	if got := polytomic.Scheme.Credentials(); len(got) != 1 || got[0] != "Authorization" {
		t.Errorf("credentials of polytomic: %q", got)
	}
	if (Signature{Content: []Value{Header("X-Id")}}).CoversBody() {
		t.Error("a signature over a header alone covers the body")
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		ErrMissingHeader: "missing_header", ErrMalformedHeader: "malformed_header", ErrBadSignature: "bad_signature",
		ErrTooOld: "too_old", ErrTooNew: "too_new", ErrNoSecret: "no_secret", errors.New("else"): "other",
	} {
		if got := Reason(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("Reason(%v) = %q, want %q", err, got, want)
		}
	}
}

func TestRowsAreComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, row := range table {
		if row.Name == "" || seen[row.Name] || row.Name == customHMAC || row.Name == customToken {
			t.Errorf("name %q is empty or taken", row.Name)
		}
		seen[row.Name] = true
		if row.Success.Status/100 != 2 || row.Refusal.Status/100 != 4 {
			t.Errorf("%s answers %d and %d", row.Name, row.Success.Status, row.Refusal.Status)
		}
		if row.Title == "" || row.Docs == "" && row.Name != "notify" || row.Scheme.String() == "" {
			t.Errorf("%s has no title, page or scheme", row.Name)
		}
		if row.NeedsSecret() != (row.Name != "shipstation") || row.LearnsSecret() != (row.Name == "asana" || row.Name == "notion") {
			t.Errorf("%s needs a secret: %t, learns it: %t", row.Name, row.NeedsSecret(), row.LearnsSecret())
		}
		if row.Type.kind == nowhere {
			t.Errorf("%s has no event type", row.Name)
		}
	}
	if got := len(Names()); got != len(table)+2 {
		t.Errorf("%d names", got)
	}
}
